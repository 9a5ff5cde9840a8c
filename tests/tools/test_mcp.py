"""A real MCP server process, over standard streams and over HTTP: what it offers, answers, asks, and how it ends."""

import asyncio
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_durable_chat.tools import Question, Tool, ToolError
from jupyter_durable_chat.tools.mcp import McpServer
from tests.connections import listening
from tests.tools.recorder import Recorder
from tests.waiting import eventually, is_gone

pytestmark = pytest.mark.slow  # it starts many processes

SERVER = Path(__file__).with_name("mcp_server.py")

SECRET = "sk-planted-secret"


def at_command(notes: Path, **more: Any) -> McpServer:
    env = {"NOTES": str(notes), "API_KEY": SECRET}
    config = {"command": sys.executable, "args": [str(SERVER)], "env": env, **more}
    return McpServer("tested", config, patience=60.0)  # a machine may be busy


class OverHttp:
    """The same server as a process of its own on a port of this machine."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [sys.executable, str(SERVER), str(self.port)]
        env = {**os.environ, "NOTES": os.devnull}
        self._process = await asyncio.create_subprocess_exec(*command, env=env, stdout=DEVNULL, stderr=DEVNULL)
        await eventually(self._listens)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def kill(self) -> None:
        assert self._process
        self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def over(way: str, notes: Path) -> AsyncIterator[McpServer]:
    web = OverHttp()
    if way == "http":
        await web.start()
        server = McpServer("tested", {"url": web.url, "headers": {"Authorization": f"Bearer {SECRET}"}}, patience=60.0)
    else:
        server = at_command(notes)
    try:
        yield server
    finally:
        await server.aclose()
        if way == "http":
            await web.kill()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def noted(notes: Path) -> str:
    return notes.read_text() if notes.exists() else ""


both_ways = pytest.mark.parametrize("way", ["stdio", "http"])


async def tool(server: McpServer, name: str) -> Tool:
    tools = {tool.name: tool for tool in await server.tools()}
    assert server.why is None
    return tools[f"tested_{name}"]


async def call(server: McpServer, name: str, context: Recorder | None = None, **arguments: Any) -> Any:
    return await (await tool(server, name)).call(arguments, context or Recorder())


@both_ways
async def test_it_is_told_as_the_server_describes_it(way: str, notes: Path) -> None:
    async with over(way, notes) as server:
        adds, asks = await tool(server, "add"), await tool(server, "asks")

        assert (adds.description, adds.origin) == ("Add two numbers.", "MCP server tested")
        assert adds.parameters["required"] == ["a", "b"]
        assert (adds.read_only, adds.approval) == (True, "always")
        assert (asks.read_only, asks.idempotent) == (False, False)


@both_ways
async def test_results_are_told(way: str, notes: Path) -> None:
    async with over(way, notes) as server:
        assert await call(server, "add", a=1, b=2) == 3
        assert await call(server, "text") == "just text"
        assert await call(server, "everything") == {
            "content": [
                {"type": "text", "text": "see"},
                {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,iVBORw=="},
                {"type": "text", "text": "[notes](file:///notes.md) (of today)"},
                {"type": "text", "text": "embedded"},
            ]
        }


@both_ways
async def test_failures_are_told_and_the_next_call_works(way: str, notes: Path) -> None:
    async with over(way, notes) as server:
        refused: list[tuple[str, dict[str, Any], str]] = [
            ("fails", {}, "no such table"),
            ("crashes", {}, "crashes"),
            ("add", {"a": "x"}, "add"),
        ]
        for name, arguments, error in refused:
            with pytest.raises(ToolError, match=error) as raised:
                await call(server, name, **arguments)
            assert SECRET not in str(raised.value)
        assert await call(server, "add", a=1, b=2) == 3


@both_ways
async def test_progress_and_log_lines_are_the_calls(way: str, notes: Path) -> None:
    async with over(way, notes) as server:
        context = Recorder()

        assert await call(server, "reports", context) == "done"
        assert context.said == [(1.0, 2.0, "half"), ("warning", "careful")]


@both_ways
async def test_it_asks_the_person(way: str, notes: Path) -> None:
    async with over(way, notes) as server:
        accepted = {"name": "Ada", "age": "36", "sure": True, "colour": "blue"}
        context = Recorder(
            {"action": "accept", "answers": {name: accepted[name] for name in ("name", "age", "sure")}},
            {"action": "accept", "answers": {"colour": "blue"}},
        )

        assert await call(server, "asks", context) == (
            'accept {"name":"Ada","age":36,"ratio":0.5,"sure":true,"colour":"blue"}'
        )
        texts, asked = zip(*context.asked, strict=True)
        questions = [question for group in asked for question in group]
        assert set(texts) == {"Who are you?"}
        assert [len(group) for group in asked] == [4, 1]
        assert [(q.id, q.kind, q.options, q.required) for q in questions] == [
            ("name", "text", [], True),
            ("age", "integer", [], True),
            ("ratio", "number", [], False),
            ("sure", "boolean", [], False),
            ("colour", "text", ["red", "blue"], False),
        ]
        assert questions[0].question == "Name: Whose it is"


@both_ways
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_the_person_need_not_answer(way: str, notes: Path, action: str) -> None:
    async with over(way, notes) as server:
        assert await call(server, "asks", Recorder({"action": action})) == action


@both_ways
async def test_it_asks_the_model(way: str, notes: Path) -> None:
    async with over(way, notes) as server:
        context = Recorder(call_id="c1")

        assert await call(server, "samples", context, text="Hello?") == "sampled for c1"
        assert context.sampled == [("Hello?", "Be brief.", 7)]


async def test_calls_side_by_side_over_http_ask_for_themselves(notes: Path) -> None:
    async with over("http", notes) as server:
        contexts = [Recorder(call_id=f"c{number}") for number in range(4)]
        answers = await asyncio.gather(*(call(server, "samples", context, text="?") for context in contexts))

    assert answers == [f"sampled for c{number}" for number in range(4)]


async def test_a_question_over_standard_streams_is_the_calls_that_is_left(notes: Path) -> None:
    async with over("stdio", notes) as server:
        asking, other = Recorder({"action": "decline"}), Recorder()
        answers = await asyncio.gather(call(server, "asks", asking), call(server, "reports", other))

    assert answers == ["decline", "done"]
    assert (len(asking.asked), len(other.asked)) == (1, 0)


async def test_a_stop_is_told_to_the_server(notes: Path) -> None:
    async with over("stdio", notes) as server:
        context = Recorder()
        running = asyncio.create_task(call(server, "waits", context))
        await context.told.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: "cancelled" in noted(notes))
        assert await call(server, "add", a=1, b=2) == 3


async def test_a_stop_takes_back_what_was_asked(notes: Path) -> None:
    class Undecided(Recorder):
        async def ask(self, questions: Sequence[Question], text: str = "") -> dict[str, Any]:
            self.told.set()
            try:
                return await asyncio.Event().wait() and {}
            finally:
                self.log("taken back")

    async with over("stdio", notes) as server:
        context = Undecided()
        running = asyncio.create_task(call(server, "asks", context))
        await context.told.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: ("info", "taken back") in context.said)
        assert await call(server, "add", a=1, b=2) == 3


async def test_killed_between_two_calls_it_is_started_again(notes: Path) -> None:
    async with over("stdio", notes) as server:
        first = await call(server, "pid")
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: is_gone(first))

        second = await call(server, "pid")

        assert second != first
    await eventually(lambda: not psutil.pid_exists(second))


async def test_restarted_over_http_it_is_connected_to_again() -> None:
    web = OverHttp()
    await web.start()
    server = McpServer("tested", {"url": web.url})
    first = await call(server, "pid")
    await web.kill()
    pids = await tool(server, "pid")
    with pytest.raises(ToolError, match=r"cannot be reached: nothing answers at its address"):
        await pids.call({}, Recorder())
    assert await server.tools() == []

    await web.start()
    assert await pids.call({}, Recorder()) != first
    assert await server.tools() != []
    await server.aclose()
    await web.kill()


async def test_a_call_during_which_it_dies_is_not_sent_again(notes: Path) -> None:
    async with over("stdio", notes) as server:
        with pytest.raises(ToolError, match="went away during the call"):
            await call(server, "dies")
        assert await call(server, "add", a=1, b=2) == 3
    assert noted(notes).count("started") == 2


async def test_tools_that_come_later_are_found(notes: Path) -> None:
    async with over("stdio", notes) as server:
        before = [tool.name for tool in await server.tools()]
        await call(server, "grows")
        assert await call(server, "grown") == "new"
        assert "tested_grown" not in before


async def test_many_that_come_first_share_one_connection(notes: Path) -> None:
    async with over("stdio", notes) as server:
        await asyncio.gather(*(server.tools() for _ in range(5)))
    assert noted(notes).count("started") == 1


async def test_no_process_is_left(notes: Path) -> None:
    server = at_command(notes)
    opening = asyncio.create_task(server.tools())
    await eventually(lambda: "started" in noted(notes))
    pid = int(noted(notes).split()[-1])
    await server.aclose()
    await server.aclose()
    await opening

    await eventually(lambda: not psutil.pid_exists(pid))
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()


async def test_one_that_hangs_is_not_waited_for_again_and_again(notes: Path) -> None:
    code = f"import os, pathlib, time; pathlib.Path({str(notes)!r}).write_text(str(os.getpid())); time.sleep(600)"
    server = McpServer("hangs", {"command": sys.executable, "args": ["-c", code]}, patience=0.1)
    for _ in range(3):
        assert await server.tools() == []
        assert server.why == "The MCP server 'hangs' is being started."
    await eventually(lambda: noted(notes) != "")
    await server.aclose()

    await eventually(lambda: not psutil.pid_exists(int(noted(notes))))


async def test_the_configuration_chooses(notes: Path) -> None:
    server = at_command(notes, approval="once", prefix=False, tools=["add"], timeout=3.0)
    [adds] = await server.tools()
    await server.aclose()

    assert (adds.name, adds.approval, adds.timeout) == ("add", "once", 3.0)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_server_sends_nobody_elsewhere(status: int) -> None:
    """Not to what only this machine reaches, and not with what is for it alone."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, elsewhere: str = "") -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(f"HTTP/1.1 {status} X\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n".encode())

    async with listening(answer) as inside:
        secret = f"http://127.0.0.1:{inside}/latest/meta-data"
        async with listening(partial(answer, elsewhere=secret)) as port:
            server = McpServer("hostile", {"url": f"http://127.0.0.1:{port}/mcp", "headers": {"X-Key": SECRET}})
            assert await server.tools() == []
            await server.aclose()
    assert asked and all(f"127.0.0.1:{port}" in request for request in asked), "nobody else was asked"


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"command": "no-such-command-here"}, "'no-such-command-here' is not found"),
        ({"command": sys.executable, "args": ["-c", "raise SystemExit(3)"]}, "it ended before it answered"),
        ({"url": "http://127.0.0.1:1/mcp", "headers": {"A": SECRET}}, "nothing answers at its address"),
    ],
)
async def test_one_that_cannot_be_reached_says_why(
    config: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = McpServer("down", config)
    assert await server.tools() == []
    assert server.why and why in server.why
    assert await server.tools() == []  # at once: it is not tried again so soon
    await server.aclose()
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("name", "config", "error"),
    [
        ("a b", {"command": "x"}, "'a b' is no name"),
        ("s", {}, "neither a 'command' nor a 'url'"),
        ("s", {"command": "x", "url": "http://x"}, "both"),
        ("s", {"url": "ftp://x"}, "does not begin with http"),
        ("s", {"command": "x", "secrets": 1}, "'s': Object contains unknown field `secrets`"),
        ("s", {"command": "x", "approval": "perhaps"}, "'perhaps'"),
        ("s", {"command": "x", "env": {"A": 3}}, "env"),
    ],
)
def test_a_wrong_configuration_is_quoted(name: str, config: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        McpServer(name, config)


async def test_what_a_server_says_on_the_side_is_for_who_debugs_it(
    notes: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "jupyter_durable_chat")
    said = "import os, sys; print('hint', os.environ['API_KEY'], file=sys.stderr)"
    server = at_command(notes, args=["-c", f"{said}; exec(open({str(SERVER)!r}).read())"])
    assert await call(server, "add", a=1, b=2) == 3
    await server.aclose()

    await eventually(lambda: "tested: hint …" in caplog.text)
    assert SECRET not in caplog.text
