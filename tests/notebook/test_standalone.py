"""No Jupyter anywhere: a script starts a server or joins it, and the server outlives whoever started it."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.browser.jupyter import ROOT

IDLE_SECONDS = 2


class Machine:
    """A user's home on a machine without Jupyter."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        (home / "config").mkdir()
        settings = {"agents": ["tests.notebook.agent:obedient"], **settings}
        config = {"DurableChat": settings, "ServerApp": {"ip": "0.0.0.0", "port": 8888, "base_url": "/other/"}}
        (home / "config" / "jupyter_server_config.json").write_text(json.dumps(config))
        self.servers: list[int] = []

    def start(self, code: str, name: str = "script.py") -> "subprocess.Popen[str]":
        """Begin to run a script that talks to us over its pipes."""
        script = self.home / name
        script.write_text(f"from jupyter_durable_chat import Chat\n{code}")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))}
        folders = {f"JUPYTER_{kind.upper()}_DIR": str(self.home / kind) for kind in ("config", "data", "runtime")}
        env = {**kept, **folders, "PYTHONPATH": str(ROOT), "HOME": str(self.home)}
        pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([sys.executable, script], env=env, text=True, cwd=self.home, **pipes)

    def run(self, code: str, name: str = "script.py") -> str:
        """What a script prints."""
        said, errors = self.start(code, name).communicate(timeout=60)
        assert not errors
        return said.strip()

    @property
    def file(self) -> Path:
        (file,) = (self.home / "runtime").glob("durable-chat-*.json")
        return file

    @property
    def address(self) -> dict[str, Any]:
        address = json.loads(self.file.read_text())
        if address["pid"] not in self.servers:
            self.servers.append(address["pid"])
        return address

    def get(self, path: str, token: str | None) -> httpx2.Response:
        headers = {"Authorization": f"token {token}"} if token else {}
        url = httpx2.URL(self.address["url"]).join(path)
        return httpx2.get(url, headers=headers, follow_redirects=False, timeout=None)

    def kill(self) -> psutil.Process:
        """The server is gone, without a word to anybody."""
        process = psutil.Process(self.address["pid"])
        process.send_signal(signal.SIGKILL)
        psutil.wait_procs([process], 20)
        return process

    def close(self) -> None:
        for process in psutil.process_iter(["environ", "cmdline"]):
            ours = (process.info["environ"] or {}).get("JUPYTER_RUNTIME_DIR") == str(self.home / "runtime")
            if ours and "jupyter_durable_chat.server.standalone" in (process.info["cmdline"] or []):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                psutil.wait_procs([process], 10)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


def test_two_that_start_it_at_once_have_one(machine: Machine) -> None:
    scripts = [machine.start("chat = Chat(); print(chat._conversation.client.url)", f"{n}.py") for n in range(2)]
    urls = {script.communicate(timeout=60)[0].strip() for script in scripts}
    assert urls == {machine.address["url"]}
    assert stat.S_IMODE(machine.file.stat().st_mode) == 0o600


def test_it_outlives_the_script_and_the_script_finds_its_chat_again(machine: Machine) -> None:
    script = machine.start("chat = Chat(agent='obedient'); print(chat.send('said | wait').id, flush=True); input()")
    assert script.stdout
    turn = script.stdout.readline().strip()
    script.kill()
    script.communicate()
    again = (
        "chat = Chat(); print(chat.status); chat.stop(); print(chat.messages[-1]['metadata']['turn'], chat.last_answer)"
    )
    assert machine.run(again) == f"streaming\n{turn} said"
    assert machine.run("print(len(Chat().messages), len(Chat('second').messages))") == "2 0"
    assert machine.run("print(len(Chat().messages))", "another.py") == "0"


def test_it_serves_chats_to_whoever_has_its_token_and_nothing_else(machine: Machine) -> None:
    machine.run("Chat()")
    token = machine.address["token"]
    assert machine.address["url"].startswith("http://127.0.0.1:")
    assert machine.get("api/health", token).status_code == 200
    assert machine.get("api/health", None).status_code == 403
    (machine.home / "secret").write_text("secret")
    for path in ("api/contents", f"files{machine.home}/secret", "api/kernels", "api/shutdown", "api/sessions"):
        answer = machine.get(f"../{path}", token)
        assert answer.status_code in (302, 403, 404), path  # to a login that is not there
        assert "secret" not in answer.text.replace(f"{machine.home}/secret", "")


def test_a_server_that_was_killed_is_started_again_by_the_next_and_by_who_still_follows(machine: Machine) -> None:
    follows = "chat = Chat(agent='obedient'); print(flush=True); input(); print(chat.send('again').text)"
    script = machine.start(follows)
    assert script.stdout
    script.stdout.readline()
    before = machine.address
    machine.kill()
    assert machine.run("print(Chat().session is not None)", "next.py") == "True"
    assert machine.address["token"] != before["token"]
    said, errors = script.communicate("\n", timeout=60)
    assert said.strip() == "again" and not errors
    machine.kill()
    assert machine.run("print(len(Chat().messages))") == "2"


def test_it_ends_when_nothing_has_happened_for_long_enough(tmp_path: Path) -> None:
    machine = Machine(tmp_path, standalone_idle_seconds=IDLE_SECONDS)
    try:
        script = machine.start("chat = Chat(agent='obedient'); chat.send('x').wait(); print(flush=True); input()")
        assert script.stdout
        script.stdout.readline()
        server = psutil.Process(machine.address["pid"])
        with pytest.raises(psutil.TimeoutExpired):
            server.wait(3 * IDLE_SECONDS)  # somebody follows
        script.kill()
        script.communicate()
        server.wait(30)
        assert not list((machine.home / "runtime").glob("durable-chat-*.json"))
        assert machine.run("print(len(Chat().messages))") == "2"
    finally:
        machine.close()


def test_a_server_that_cannot_start_is_said_to_where_its_reasons_are(machine: Machine) -> None:
    (machine.home / "config" / "jupyter_server_config.json").write_text(
        '{"ServerApp": {"session_manager_class": "no.such.Manager"}}'
    )
    notice = machine.run("print(Chat()._conversation.notice)")
    assert "did not start" in notice
    log = Path(notice.split(" did not start. ")[1].split(" says")[0])
    assert log.is_relative_to(machine.home) and "no.such" in log.read_text()
