"""Sessions, leases and recovery, on the real registry and both logs, with a clock that the test turns."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.commands import Message, new_id
from jupyter_durable_chat.log import Log, LogUnavailable, StreamDeleted, UnknownStream
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import IDLE_SESSIONS, Registry, alive, machine
from jupyter_durable_chat.transcript import fold
from tests.scripted import Scripted
from tests.waiting import eventually


class World:
    """One store, one clock, one agent, and as many servers on them as a test wants."""

    def __init__(self, path: Path) -> None:
        self.path = path / "log.sqlite3"
        self.now = 1_000_000.0
        self.agent = Scripted()

    @asynccontextmanager
    async def server(self, **settings: Any) -> AsyncIterator[Registry]:
        async with self.registry(**settings) as registry:
            yield registry

    def registry(self, *, log: Log | None = None, **settings: Any) -> Registry:
        agents = Agents([self.agent], default="scripted")
        return Registry(lambda: log or self.log(), agents, lease_seconds=10, clock=self.clock, **settings)

    def log(self) -> Log:
        return SqliteLog(self.path, clock=self.clock)

    def clock(self) -> float:
        return self.now


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def created(registry: Registry, key: str | None = None) -> str:
    transcript, _ = await registry.create(e.SessionCreated(session=new_id("s")), key)
    return transcript.id


async def send(registry: Registry, session_id: str, client_id: str = "c") -> str:
    async with registry.acquire(session_id) as session:
        return (await session.send(Message(client_id=client_id, text="Why?"), None)).turn_id


async def outcome(registry: Registry, session_id: str, turn: str) -> str:
    async with registry.acquire(session_id) as session:
        assert await session.turn_ended(turn, 20)
        return session.transcript.messages[-1]["metadata"]["outcome"]


async def stored(world: World, session_id: str, predicate: Callable[[list[str]], bool]) -> list[e.AnyEvent]:
    """All events of a session, read from the store by another process's eyes, once their types fit."""
    async with world.log() as log:
        lsn, found = 0, []
        while True:
            for record in await log.read(session_id, lsn):
                lsn = record.lsn
                found.append(e.decode(e.number(*record)))
            if predicate([type(event).__name__ for event in found]):
                return found
            await log.wait({session_id: lsn})


async def test_the_last_user_leaves_and_the_turn_runs_on(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        assert registry.turns == 1
        world.agent.say_text("on")
        world.agent.finish()
        assert await outcome(registry, session_id, turn) == "completed"
        await eventually(lambda: not registry.turns)
        assert len(world.agent.requests) == 1


async def test_end_of_turn_is_stored_before_the_next_turn_can_start(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        for n in range(5):
            turn = await send(registry, session_id, f"c{n}")
            world.agent.finish()
            assert await outcome(registry, session_id, turn) == "completed"
        events = await stored(world, session_id, lambda types: types.count("TurnStopped") == 5)
    assert [event.lsn for event in events] == list(range(1, len(events) + 1))
    marks = [type(event).__name__ for event in events if isinstance(event, e.TurnStarted | e.TurnStopped)]
    assert marks == ["TurnStarted", "TurnStopped"] * 5


async def test_orderly_shutdown_interrupts_its_own_turns_and_keeps_the_partial(world: World) -> None:
    registry = world.registry()
    async with registry:
        session_id = await created(registry)
        await send(registry, session_id)
        world.agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
        await stored(world, session_id, lambda types: "TextDelta" in types)
    transcript = fold(await stored(world, session_id, lambda types: True))
    assert transcript.turn is None and transcript.messages[-1]["metadata"]["outcome"] == "interrupted"
    assert transcript.messages[-1]["parts"][0]["text"] == "half" and world.agent.closed.is_set()
    async with world.log() as log:
        assert await log.leases() == []


async def test_a_turn_whose_lease_ran_out_is_closed_and_its_writer_fenced(world: World) -> None:
    async with world.server() as first:
        session_id = await created(first)
        turn = await send(first, session_id)
        world.agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
        await stored(world, session_id, lambda types: "TextDelta" in types)
        # The first server sleeps through its lease, as a paused process does.
        first._ticking.cancel()  # type: ignore[union-attr]
        world.now += 11
        async with world.server() as second:
            assert await outcome(second, session_id, turn) == "interrupted"
        world.agent.say(e.TextDelta(id="x", delta="too late"))
        world.agent.finish()
        await world.agent.closed.wait()
    events = await stored(world, session_id, lambda types: "TurnStopped" in types)
    assert isinstance(events[-1], e.TurnStopped)
    assert "too late" not in json.dumps(fold(events).messages)


async def test_who_slept_through_its_lease_lets_go_of_its_turn(world: World) -> None:
    async with world.server() as first:
        session_id = await created(first)
        turn = await send(first, session_id)
        first._ticking.cancel()  # type: ignore[union-attr]
        world.now += 11
        async with world.server() as second:
            assert await outcome(second, session_id, turn) == "interrupted"
        await world.agent.closed.wait()
        assert await send(first, session_id, "again") != turn


async def test_the_live_turn_of_another_server_is_left_alone_and_can_be_stopped_from_here(world: World) -> None:
    async with world.server() as first, world.server() as second:
        session_id = await created(first)
        turn = await send(first, session_id)
        world.now += 5
        await second._round()
        async with second.acquire(session_id) as session:
            assert session.transcript.turn and session.transcript.turn["id"] == turn
            queued = await session.send(Message(client_id="other", text="Me too"), None)
            assert queued.status == "queued"
            assert await session.stop(None, None)
            assert session.transcript.messages[-1]["metadata"]["outcome"] == "stopped"
        assert world.agent.closed.is_set() and len(world.agent.requests) == 1


class LateLease(SqliteLog):
    """A log that takes its time to give a lease."""

    def __init__(self, world: World) -> None:
        super().__init__(world.path, clock=world.clock)
        self.asked = asyncio.Event()
        self.given = asyncio.Event()

    async def lease(self, stream: str, holder: str, seconds: float, *, over: int | None = None) -> int:
        self.asked.set()
        await self.given.wait()
        return await super().lease(stream, holder, seconds, over=over)


async def test_a_turn_whose_lease_somebody_took_by_mistake_is_closed(world: World) -> None:
    """Both were about to start a turn; the one that came first was gone when the other got its lease."""
    log = LateLease(world)
    agents = Agents([world.agent], default="scripted")
    async with world.server() as first, Registry(lambda: log, agents, clock=world.clock) as late:
        session_id = await created(first)
        sending = asyncio.create_task(send(late, session_id, "late"))
        await log.asked.wait()
        turn = await send(first, session_id)
        first._ticking.cancel()  # type: ignore[union-attr]
        world.now += 11
        log.given.set()
        await sending
        await late._round()
        async with late.acquire(session_id) as session:
            assert session.transcript.messages[1]["metadata"]["turn"] == turn
            assert session.transcript.messages[1]["metadata"]["outcome"] == "interrupted"


async def test_two_servers_and_one_client_id_are_one_message(world: World) -> None:
    async with world.server() as first, world.server() as second:
        session_id = await created(first)
        message = Message(client_id="c", text="Why?")

        async def through(registry: Registry) -> str:
            async with registry.acquire(session_id) as session:
                return (await session.send(message, None)).message_id

        answers = await asyncio.gather(*(through(r) for r in (first, second) * 4), return_exceptions=True)
        ids = {answer for answer in answers if isinstance(answer, str)}
        assert len(ids) == 1
        await world.agent.started.wait()
        events = await stored(world, session_id, lambda types: "TurnStarted" in types)
        assert sum(isinstance(event, e.UserMessage) for event in events) == 1 and len(world.agent.requests) == 1
        assert await through(second) in ids


CRASH = """
import asyncio, sys
from pathlib import Path
from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.commands import Message
from tests.scripted import Scripted

async def main():
    agent = Scripted()
    registry = Registry(lambda: SqliteLog(Path(sys.argv[1])), Agents([agent], default="scripted"))
    async with registry:
        transcript, _ = await registry.create(e.SessionCreated(session="s_crash"), None)
        async with registry.acquire("s_crash") as session:
            await session.send(Message(client_id="c", text="Why?"), None)
            agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
            while not (m := session.transcript.messages[-1])["parts"]:
                await session.refresh()
                await asyncio.sleep(0.01)
        print("stored", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_server_is_recovered_at_once_on_the_same_machine(world: World) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CRASH, str(world.path), stdout=subprocess.PIPE)
    assert process.stdout is not None and await process.stdout.readline() == b"stored\n"
    process.kill()
    await process.wait()
    world.now = time.time()  # its lease has not run out
    async with world.server() as registry, registry.acquire("s_crash") as session:
        assert session.transcript.turn is None
        answer = session.transcript.messages[-1]
        assert answer["metadata"]["outcome"] == "interrupted" and answer["parts"][0]["text"] == "half"
        assert answer["parts"][0]["state"] == "done"
        assert (await session.send(Message(client_id="c", text="Why?"), None)).turn_id == answer["metadata"]["turn"]


async def test_a_lease_without_a_turn_here_is_recovered(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        await registry.log.lease(session_id, registry._holder, 10)
        await registry._round()
        assert await registry.log.leases() == []


async def test_idle_sessions_leave_memory_and_come_back(world: World) -> None:
    async with world.server() as registry:
        ids = [await created(registry) for _ in range(IDLE_SESSIONS + 5)]
        assert registry.loaded == IDLE_SESSIONS
        async with registry.acquire(ids[0]) as session:
            assert session.transcript.id == ids[0]


def test_a_holder_is_gone_only_when_its_process_surely_is() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not alive(f"{machine()}:{ended.pid}:x")
    assert alive(f"{machine()}:1:x")
    assert alive(f"elsewhere:{ended.pid}:x")


async def test_opening_costs_the_transcript_and_not_the_tokens(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        world.agent.say_text(*"many tokens")
        world.agent.finish()
        assert await outcome(registry, session_id, turn) == "completed"
        await eventually(lambda: not registry.turns)
        async with registry.acquire(session_id) as session:
            before = session.transcript.to_json()
        await registry.log.compact(session_id)
    async with world.server() as registry, registry.acquire(session_id) as session:
        assert json.loads(e.to_json(session.transcript.to_json())) == json.loads(e.to_json(before))
        assert (await session.send(Message(client_id="c", text="Why?"), None)).turn_id == turn


def dead() -> str:
    """A holder on this machine whose process has ended."""
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return f"{machine()}:{int(process.stdout)}:x"


class Damaged(SqliteLog):
    """Some records of session `s_b` cannot be read."""

    async def read(self, stream: str, after: int, **limits: int) -> Any:
        if stream == "s_b":
            raise LogUnavailable("a page of s_b is damaged")
        return await super().read(stream, after, **limits)


async def test_a_bad_session_costs_the_others_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    begin = [e.encode(e.SessionCreated(session="s"), at="x")]
    unreadable = [*begin, b'{"at":"x","turn":null,"type":"user-message","text":"sk-secret"}']
    waits = [*begin, e.encode(e.MessageQueued(message_id="m", client_id="c", text="Why?"), at="x", turn="t_q")]
    async with world.log() as log:
        for session_id, records in {"s_a": unreadable, "s_b": begin, "s_c": begin}.items():
            await log.create(session_id, records)
            await log.lease(session_id, dead(), 10)
        await log.create("s_waits", waits, labels={"queue": "waiting"})
        await log.create("s_bad", unreadable, labels={"queue": "waiting"})
    async with world.server(log=Damaged(world.path, clock=world.clock)) as registry:
        async with world.log() as log:
            assert {lease.stream for lease in await log.leases()} >= {"s_a", "s_b"}
            assert "s_c" not in {lease.stream for lease in await log.leases()}
        await world.agent.started.wait()
        world.agent.finish()
        assert await outcome(registry, "s_waits", "t_q") == "completed"
    told = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert any("s_b" in text and "damaged" in text for text in told)
    assert any("s_a" in text for text in told) and any("s_bad" in text for text in told)
    assert "sk-secret" not in caplog.text


async def test_every_queue_that_waits_is_looked_at(world: World) -> None:
    """A page of them may be full of such as cannot be started."""
    waits = e.encode(e.MessageQueued(message_id="m", client_id="c", text="Why?"), at="x", turn="t_q")
    created = e.encode(e.SessionCreated(session="s_waits"), at="x")
    async with world.log() as log:
        await log.create("s_waits", [created, waits], labels={"queue": "waiting"})
        for n in range(101):
            await log.create(f"s_{n}", [b"{}"], labels={"queue": "waiting"})
    async with world.server() as registry:
        await world.agent.started.wait()
        world.agent.finish()
        assert await outcome(registry, "s_waits", "t_q") == "completed"


async def test_a_session_that_others_deleted_is_ended_with_the_server(world: World) -> None:
    registry = world.registry()
    await registry.__aenter__()
    session_id = await created(registry)
    await send(registry, session_id)
    await world.agent.started.wait()
    loaded = registry._sessions[session_id]
    async with world.log() as log:
        await log.delete(session_id)
    with pytest.raises(StreamDeleted):
        async with registry.acquire(session_id):
            pass
    assert (registry._sessions.get(session_id) is loaded) == loaded.busy
    await registry.__aexit__(None, None, None)
    assert world.agent.closed.is_set() and not loaded.running


async def test_sessions_that_never_were_leave_nothing(world: World) -> None:
    async with world.server() as registry:
        for n in range(3):
            with pytest.raises(UnknownStream):
                async with registry.acquire(f"s_{n}"):
                    pass
        assert not registry._sessions and not registry._left and not registry._users


async def test_a_server_that_ends_gives_no_sessions(world: World) -> None:
    registry = world.registry()
    await registry.__aenter__()
    session_id = await created(registry)
    await send(registry, session_id)
    await world.agent.started.wait()
    ending = asyncio.create_task(registry.__aexit__(None, None, None))
    await world.agent.closed.wait()
    with pytest.raises(LogUnavailable, match="shutting down"):
        async with registry.acquire(session_id):
            pass
    await ending
    assert registry.turns == 0


class Unopened(SqliteLog):
    async def __aenter__(self) -> Any:
        raise RuntimeError("-".join(["sk", "secret"]))


async def test_a_store_that_fails_in_an_unknown_way_stops_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.server(log=Unopened(world.path)) as registry:
        with pytest.raises(LogUnavailable, match="RuntimeError"):
            await created(registry)
    assert "test_registry.py" in caplog.text and "sk-secret" not in caplog.text


async def test_a_fork_keeps_the_files_of_a_session_that_is_deleted(world: World, tmp_path: Path) -> None:
    files = Attachments(tmp_path / "files", max_bytes=100)
    async with world.server(attachments=files) as registry:
        session_id = await created(registry)
        name = await files.put(session_id, b"figure")
        fork = await registry.fork(session_id, None, None)
        await registry.delete(session_id)
        assert await files.get(fork.id, name) == b"figure" and not await files.has(session_id, name)
        await registry.delete(fork.id)
        assert not list((tmp_path / "files" / "all").iterdir())
