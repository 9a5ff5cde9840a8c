"""A reader that does not read costs its position and one chunk, however much comes meanwhile; and not for ever."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log import Record
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.transcript import fold
from tests.browser.jupyter import Jupyter, running

pytestmark = pytest.mark.slow

MB = 1_000_000
READERS = 20


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Jupyter]:
    with running("server", tmp_path, agents=["tests.server.bulk:bulk"], stalled_seconds=0) as jupyter:
        yield jupyter


def ask(jupyter: Jupyter, session: str, text: str) -> None:
    """Ask, and return when the answer is over."""
    path = f"durable-chat/api/sessions/{session}"
    jupyter.post(f"{path}/messages", client_id=text, text=text)
    while (transcript := jupyter.transcript(session))["turn"]:
        jupyter.api(f"{path}/events", after=transcript["lsn"], limit=1, wait=20)
    assert transcript["messages"][-1]["metadata"]["outcome"] == "completed"


def stalled(jupyter: Jupyter, path: str) -> socket.socket:
    """A connection that asks for a stream and takes no more than its first bytes."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", jupyter.port))
    head = f"GET {jupyter.base_url}durable-chat/api/{path} HTTP/1.1\r\nHost: 127.0.0.1:{jupyter.port}\r\n"
    reader.sendall(f"{head}Authorization: token {jupyter.token}\r\n\r\n".encode())
    assert reader.recv(15) == b"HTTP/1.1 200 OK"
    return reader


@pytest.mark.parametrize("shared", [False, True])
def test_failure_09_and_23_twenty_stalled_readers_cost_less_than_ten_megabytes(jupyter: Jupyter, shared: bool) -> None:
    """One unread subscriber held 12,004 events."""
    session = jupyter.post("durable-chat/api/sessions", agent="bulk")["id"]
    ask(jupyter, session, "1000 reports of 20 kB")
    path = f"events?after={session}:0" if shared else f"sessions/{session}/events?after=0"
    with ExitStack() as stack:
        for _ in range(READERS):
            stack.enter_context(stalled(jupyter, path))
        before = jupyter.memory
        ask(jupyter, session, "1001 reports of 20 kB")
        grown = jupyter.memory - before
        assert jupyter.api("durable-chat/api/health")["readers"] == READERS
    assert jupyter.transcript(session)["lsn"] > 2000
    assert grown < 10 * MB, f"{grown / MB:.1f} MB"


async def compacted(store: Path, session: str, size: int) -> None:
    """Make a session of this many bytes that is all snapshot."""
    events = [e.SessionCreated(session=session), e.UserMessage(message_id="m", client_id="c", text="x" * size)]
    records = [e.encode(event, at="2026-01-01T00:00:00.000Z") for event in events]
    transcript = fold(e.decode(e.number(lsn, record)) for lsn, record in enumerate(records, 1))
    async with SqliteLog(store) as log:
        await log.create(session, [], base=Record(2, e.to_json(transcript.to_json())))


@pytest.mark.parametrize("shared", [False, True])
def test_stalled_readers_of_a_compacted_session_hold_one_snapshot(tmp_path: Path, shared: bool) -> None:
    """Twenty readers of a transcript of 7 MB cost 315 MB."""
    store = tmp_path / "log.sqlite3"
    asyncio.run(compacted(store, "s_big", 7 * MB))
    path = "events?after=s_big:0" if shared else "sessions/s_big/events?after=0"
    with running("server", tmp_path, store=str(store), stalled_seconds=0) as jupyter, ExitStack() as stack:
        before = 0
        for n in range(1 + READERS):
            reader = stack.enter_context(stalled(jupyter, path))
            seen = b""
            while b"event: snapshot" not in seen:
                seen += reader.recv(1 << 10)
            before = jupyter.memory if n == 0 else before
        grown = jupyter.memory - before
        assert jupyter.api("durable-chat/api/health")["readers"] == 1 + READERS
    assert grown < 10 * MB, f"{grown / MB:.1f} MB"


def test_a_reader_that_takes_nothing_is_disconnected(tmp_path: Path) -> None:
    with running("server", tmp_path, agents=["tests.server.bulk:bulk"], stalled_seconds=0.5) as jupyter:
        session = jupyter.post("durable-chat/api/sessions", agent="bulk")["id"]
        ask(jupyter, session, "500 reports of 20 kB")
        with stalled(jupyter, f"sessions/{session}/events?after=0") as reader:
            while jupyter.api("durable-chat/api/health")["readers"]:
                jupyter.wait_for_lsn(session, 500)
            taken = 0
            with suppress(ConnectionResetError):
                while piece := reader.recv(1 << 16):
                    taken += len(piece)
        assert taken < 10 * MB, "the rest is for when it comes back"
