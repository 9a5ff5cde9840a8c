"""A real Jupyter server as a process of its own, which a test may kill and start again on the same port.

Nothing of the person's own Jupyter is seen or touched: configuration, data and runtime files lie in the test's folder.
"""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import httpx2
import nbformat
import psutil

ROOT = Path(__file__).parent.parent.parent

COLLABORATION = ROOT / ".venv" / "collaboration"

App = Literal["lab", "notebook", "server"]

AGENTS = ["tests.browser.agent:paced", "tests.browser.agent:echo", "tests.browser.hostile:hostile"]

PAGES = ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp", "jupyter_server_terminals")
"""What a server needs for pages only."""


class Jupyter:
    """One server, with or without pages: its folder, its address, and what its paced agent was asked."""

    def __init__(
        self,
        app: App,
        folder: Path,
        *,
        base_url: str = "/",
        says: dict[str, str] | None = None,
        collaborates: bool = False,
        **settings: Any,
    ) -> None:
        self.app: App = app
        self.folder = folder
        self.port = free_port()
        self.token = "a-token-of-the-tests"
        self.base_url = base_url
        self._collaborates = collaborates
        self.url = f"http://127.0.0.1:{self.port}{base_url}"
        self.files = folder / "files"
        self.files.mkdir()
        headers = {"Authorization": f"token {self.token}", "Accept": "application/json"}
        again = httpx2.HTTPTransport(retries=5)
        self._http = httpx2.Client(base_url=self.url, headers=headers, timeout=30, transport=again)
        self._output = folder / "output"
        self._process: subprocess.Popen[str] | None = None
        self._outliving: list[psutil.Process] = []
        self._configure(settings, says or {})

    def start(self) -> None:
        """Returns when the server answers; raises with its output when it does not come up."""
        command = [sys.executable, "-m", "jupyter", self.app, "--config", str(self.folder / "config.json")]
        self._process = process = subprocess.Popen(
            command,
            cwd=self.files,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        up = threading.Event()
        self._reader = threading.Thread(target=self._read_output, args=[process, up])
        self._reader.start()
        if not up.wait(60) or process.poll() is not None:
            raise RuntimeError(f"{self.app} did not start:\n{self.output}")
        self.api("api/status")  # it says so a moment before it listens; the client tries again

    def kill(self) -> None:
        """The server is gone at once, without a word to anybody; its kernels, now orphans, go too."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """The orderly shutdown."""
        self._end(signal.SIGTERM)

    def close(self) -> None:
        self.kill()
        _kill(self._outliving)
        self._http.close()

    @property
    def workers(self) -> list[psutil.Process]:
        """The workers that its servers have started and that are there, the newest last."""
        started = psutil.Process(self._process.pid).children() if self._process else []
        return [worker for worker in (*self._outliving, *filter(_is_worker, started)) if _is_there(worker)]

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def memory(self) -> int:
        """What the server's process has in memory, in bytes."""
        assert self._process
        return psutil.Process(self._process.pid).memory_info().rss

    @property
    def cpu(self) -> float:
        """Seconds that the server's process has worked, all its threads."""
        assert self._process
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def post(self, path: str, **body: Any) -> Any:
        """The JSON answer of a POST."""
        return self._http.post(path, json=body).raise_for_status().json()

    def put(self, path: str, **body: Any) -> None:
        self._http.put(path, json=body).raise_for_status()

    def api(self, path: str, **params: str | int) -> Any:
        """The JSON answer of a GET."""
        answer = self._http.get(path, params=params).raise_for_status()
        return answer.json()

    def transcript(self, session: str) -> dict[str, Any]:
        return self.api(f"durable-chat/api/sessions/{session}")

    def events(self, session: str) -> list[dict[str, Any]]:
        """The session's whole log."""
        events: list[dict[str, Any]] = []
        while True:
            after = events[-1]["lsn"] if events else 0
            answer = self.api(f"durable-chat/api/sessions/{session}/events", after=after, limit=1000)
            events += answer["events"]
            if not answer["more"]:
                return events

    def wait_for_lsn(self, session: str, lsn: int) -> None:
        """Return when the session's log has reached this LSN."""
        path = f"durable-chat/api/sessions/{session}/events"
        while self.api(path, after=0, limit=1)["lsn"] < lsn:
            head = self.api(path, after=0, limit=1)["lsn"]
            self.api(path, after=head, limit=1, wait=10)

    def wait_for_words(self, session: str, count: int) -> None:
        """Return when the answer has so many words in the log. (How many events they are depends on how they come.)"""
        while len(words_of(transcript := self.transcript(session))) < count:
            self.wait_for_lsn(session, transcript["lsn"] + 1)

    @property
    def asked(self) -> list[str]:
        """The questions that the paced agent was asked, one per call of the model."""
        asked = self.folder / "asked"
        return asked.read_text().splitlines() if asked.exists() else []

    def demand(self) -> None:
        """Have the paced agent give the rest of its answers, quickly."""
        (self.folder / "demanded").touch()

    @property
    def output(self) -> str:
        """What the server has printed so far."""
        return self._output.read_text()

    def write_notebook(self, name: str, *cells: str | nbformat.NotebookNode) -> Path:
        """Code cells, or the source of them, as a file in the server's folder."""
        path = self.files / name
        nodes = [nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(nbformat.v4.new_notebook(cells=nodes, metadata={"kernelspec": kernel}), path)
        return path

    def _configure(self, settings: dict[str, Any], says: dict[str, str]) -> None:
        config = {
            "ServerApp": {
                "base_url": self.base_url,
                "ip": "127.0.0.1",
                "port": self.port,
                "port_retries": 0,
                "open_browser": False,
                "allow_root": True,
                "root_dir": str(self.files),
                "tornado_settings": {"headers": says} if says else {},
                "jpserver_extensions": dict.fromkeys(PAGES, False) if self.app == "server" else {},
            },
            "IdentityProvider": {"token": self.token},
            "LabApp": {"expose_app_in_browser": True},
            "JupyterNotebookApp": {"expose_app_in_browser": True},
            "DurableChat": {"agents": AGENTS, **settings},
        }
        (self.folder / "config.json").write_text(json.dumps(config))
        page_config = self.folder / "config" / "labconfig" / "page_config.json"
        page_config.parent.mkdir(parents=True)
        page_config.write_text('{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}')

    @contextlib.contextmanager
    def another(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Another process beside the server, with its configuration, as `jupyter durable-chat worker` is."""
        whole = [sys.executable, "-m", "jupyter", *command, "--config", str(self.folder / "config.json")]
        with (self.folder / "another").open("ab") as output:
            process = subprocess.Popen(whole, cwd=self.files, env=self._environment(), stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))}
        kept["PYTHONPATH"] = str(ROOT)
        if self._collaborates:
            # Installed where no other server looks (`make browser`).
            assert COLLABORATION.exists(), "jupyter-collaboration is not there: make browser"
            kept["PYTHONPATH"] += f":{COLLABORATION}"
            kept["JUPYTER_PATH"] = str(COLLABORATION / "share" / "jupyter")
            kept["JUPYTER_CONFIG_PATH"] = str(COLLABORATION / "etc" / "jupyter")
        return {
            **kept,
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
            "JUPYTER_DATA_DIR": str(self.folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "IPYTHONDIR": str(self.folder / "ipython"),
            "PACED_AGENT": str(self.folder),
        }

    def _read_output(self, process: subprocess.Popen[str], up: threading.Event) -> None:
        """Keep what the server prints until it is gone; say when it is up, and when it never will be."""
        assert process.stdout
        with process.stdout, self._output.open("a", buffering=1) as kept:
            for line in process.stdout:
                kept.write(line)
                if "is running at" in line:
                    up.set()
        process.wait()
        up.set()

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None:
            return
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._outliving = self.workers
        self._process.send_signal(with_signal)
        self._process.wait(20)
        self._process = None
        _kill(process for process in family if process not in self._outliving)
        self._reader.join(10)


def words_of(transcript: dict[str, Any]) -> list[str]:
    """What was said last."""
    parts = transcript["messages"][-1]["parts"] if transcript["messages"] else []
    texts: list[str] = [part["text"] for part in parts if part["type"] == "text"]
    return "".join(texts).split()


def _is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "jupyter_durable_chat.worker" in process.cmdline()
    return False


def _is_there(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _kill(processes: Iterable[psutil.Process]) -> None:
    family = list(processes)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, 10)


@contextlib.contextmanager
def running(app: App, folder: Path, *, base_url: str = "/", **settings: Any) -> Iterator[Jupyter]:
    """A started server that is gone afterwards, whatever happened to it in between.

    `settings` are `DurableChat`'s; `says` are headers that every answer has; `collaborates`: notebooks are shared.
    """
    jupyter = Jupyter(app, folder, base_url=base_url, **settings)
    jupyter.start()
    try:
        yield jupyter
    finally:
        jupyter.close()


_places: list[socket.socket] = []
"""They hold the ports that this process has given away, until it ends. Nobody listens there."""


def free_port() -> int:
    """A port for somebody who will be there again and again; no other test gets it, whether he is there or not.

    Not one of those that the system gives to connections: while he is not there, any client may get that. Nor 10080:
    that is the highest of the ports to which no browser connects.
    """
    while True:
        port = random.randrange(10_081, 32_000)
        place = socket.socket()
        try:
            place.bind(("127.0.0.1", port))
        except OSError:
            place.close()
            continue
        # From now on who allows the same may bind it too, as servers do, and who looks for a free one may not.
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _places.append(place)
        return port
