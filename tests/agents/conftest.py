"""The mock of all providers, and the proof that nothing leaves this machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
AIMOCK = HERE.parents[1] / "js/node_modules/@copilotkit/aimock/dist/cli.js"

KEYS = ("API_KEY", "AUTH_TOKEN", "BASE_URL")

_reached: list[str] = []


def _watch(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook: it sees every connection of this process, whichever library makes it."""
    if event in ("socket.connect", "socket.sendto") and isinstance(args[-1], tuple):
        host = args[-1][0]
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if host and str(host) not in ("127.0.0.1", "::1", "localhost"):
        _reached.append(f"{event} {host}")


sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def stays_here() -> Iterator[None]:
    """Fails a test during which anything was asked for outside of this machine."""
    _reached.clear()
    yield
    assert not _reached


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's real keys and addresses take part."""
    for name in os.environ:
        if name.endswith(KEYS):
            monkeypatch.delenv(name)


class Aimock:
    """`@copilotkit/aimock` with the answers of `aimock.json`: OpenAI, Anthropic, Gemini and Ollama on one port."""

    def __init__(self, url: str) -> None:
        self.url = url

    def requests(self) -> list[dict[str, Any]]:
        """The bodies that it was asked with since this was last called."""
        with urllib.request.urlopen(f"{self.url}/v1/_requests") as answer:
            entries = json.load(answer)
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/v1/_requests", method="DELETE")).close()
        return [entry["body"] for entry in entries]


@pytest.fixture(scope="session")
def aimock_process() -> Iterator[str]:
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert node, "These tests need Node: run them with `make test`, which fetches one."
    assert AIMOCK.exists(), "These tests need npm's @copilotkit/aimock: run `npm ci` in js/, or `make setup`."
    command = [node, str(AIMOCK), "-p", "0", "-f", str(HERE / "aimock.json"), "-l", "10", "-c", "8", "--strict"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if "listening on" in line:
                break
        else:
            pytest.fail("aimock does not start:\n" + "".join(said))
        threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()  # so that its pipe never fills
        yield said[-1].split()[-1]
        os.killpg(process.pid, signal.SIGKILL)  # the group: a Node from PyPI is a script that starts the real one


@pytest.fixture
def aimock(aimock_process: str) -> Aimock:
    mock = Aimock(aimock_process)
    mock.requests()
    return mock
