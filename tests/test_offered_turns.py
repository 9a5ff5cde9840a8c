"""Servers that have their turns run, and workers that run them, on one store: a turn is begun by one, or by nobody."""

import asyncio
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat import writer
from jupyter_durable_chat.admission import Admission
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.board import COMPACT_AFTER, OFFERED, Board
from jupyter_durable_chat.log import Log
from jupyter_durable_chat.registry import Registry
from tests import test_registry
from tests.test_registry import World, created, outcome, send, stored
from tests.waiting import eventually

world = test_registry.world


def stop(registry: Registry, session_id: str) -> Any:
    async def ask() -> bool:
        async with registry.acquire(session_id) as session:
            return await session.stop(None, None)

    return ask()


async def test_a_turn_is_run_where_a_worker_is(world: World) -> None:
    async with world.server(part="server") as server, world.server(part="worker") as worker:
        session_id = await created(server)
        turn = await send(server, session_id)
        await world.agent.started.wait()
        assert (server.turns, worker.turns) == (1, 1)
        assert (await send(server, session_id, "next")) != turn
        for _ in range(2):
            world.agent.finish()
        events = await stored(world, session_id, lambda types: types.count("TurnStopped") == 2)
        await eventually(lambda: server.turns == worker.turns == 0)
    assert [event.outcome for event in events if isinstance(event, e.TurnStopped)] == ["completed"] * 2
    assert len(world.agent.requests) == 2


async def test_of_two_workers_one_begins_it(world: World) -> None:
    async with world.server(part="server") as server, world.server(part="worker"), world.server(part="worker"):
        sessions = [await created(server) for _ in range(8)]
        turns = await asyncio.gather(*(send(server, session_id) for session_id in sessions))
        for _ in sessions:
            world.agent.finish()
        for session_id, turn in zip(sessions, turns, strict=True):
            assert await outcome(server, session_id, turn) == "completed"
    assert len(world.agent.requests) == len(sessions)


async def test_nobody_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "OFFER_SECONDS", 0.5)
    async with world.server(part="server") as server:
        session_id = await created(server)
        turn = await send(server, session_id)
        assert await outcome(server, session_id, turn) == "failed"
        async with server.acquire(session_id) as session:
            error = session.transcript.messages[-1]["metadata"]["error"]
        assert "jupyter durable-chat worker" in error["text"] and error["recoverable"]
        await eventually(lambda: not server.turns)
    assert not world.agent.requests


async def test_what_nobody_has_begun_is_stopped_at_once(world: World) -> None:
    async with world.server(part="server") as server:
        session_id = await created(server)
        turn = await send(server, session_id)
        assert await stop(server, session_id)
        assert await outcome(server, session_id, turn) == "stopped"
    async with world.server(part="worker"):
        pass
    assert not world.agent.requests


async def test_a_server_dies_and_a_turn_that_it_has_offered_is_run(world: World) -> None:
    async with world.server(part="server") as server:
        session_id = await created(server)
        turn = await send(server, session_id)
    async with world.server(part="worker") as worker:
        world.agent.finish()
        await world.agent.started.wait()
        assert await outcome(worker, session_id, turn) == "completed"


async def test_a_turn_is_offered_while_a_worker_finds_that_there_is_none(world: World) -> None:
    """What a worker says of a session without a turn must not be said of the one that begins at that moment."""
    async with world.server(part="server") as server:
        session_id = await created(server)
        first = await send(server, session_id)
        log = Meddled(world.log(), session_id)
        async with world.server(part="worker", log=log) as worker:
            world.agent.finish()
            assert await outcome(server, session_id, first) == "completed"

            async def ask() -> None:
                log.turn = await send(server, session_id, "second")

            log.before_giving_back = ask
            async with worker.acquire(session_id) as session:
                await session.recover()
            world.agent.finish()
            assert await outcome(server, session_id, log.turn) == "completed"


async def test_a_turn_that_nobody_holds_is_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should not be; then it does not stay so for ever."""
    monkeypatch.setattr(writer, "OFFER_SECONDS", 0.5)
    async with world.server(part="server") as server:
        session_id = await created(server)
        turn = await send(server, session_id)
        await server.log.append(session_id, [], labels=dict.fromkeys(OFFERED, ""))
        assert await outcome(server, session_id, turn) == "interrupted"


async def test_the_board_stays_small_and_whoever_was_away_goes_on(world: World) -> None:
    async with world.log() as log:
        says, hears = Board(log, "me"), Board(log, "me")
        assert await hears.news(0) == []
        await says.offer("s_1")
        assert [said.who for said in await hears.news(10)] == ["s_1"]
        for n in range(COMPACT_AFTER):
            await says.offer(f"s_{n}")
        while await hears.news(0):
            pass
        await says.come("w")
        assert [(said.what, said.who) for said in await hears.news(10)] == [("came", "w")]
        assert await Board(log, "somebody else").news(0) == []


async def test_the_next_question_takes_the_place_of_the_last_answer(world: World) -> None:
    alone = Admission(turns_per_user=1)
    async with world.server(part="server", admission=alone) as server, world.server(part="worker"):
        session_id = await created(server)
        for n in range(5):
            turn = await send(server, session_id, f"c{n}")
            world.agent.finish()
            assert await outcome(server, session_id, turn) == "completed"


async def test_a_clock_that_jumps_takes_no_turn_from_who_runs_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gives_up, looks = writer.Writer._give_up, 0

    async def counted(session: writer.Writer, turn_id: str) -> None:
        nonlocal looks
        await gives_up(session, turn_id)
        looks += 1

    monkeypatch.setattr(writer.Writer, "_give_up", counted)
    async with world.server(part="server") as server, world.server(part="worker"):
        session_id = await created(server)
        turn = await send(server, session_id)
        await world.agent.started.wait()
        monkeypatch.setattr(writer, "OFFER_SECONDS", 0.1)
        async with world.server(part="server") as impatient:
            for _ in range(5):
                seen = looks
                world.now += 3600
                await eventually(lambda seen=seen: looks > seen + 1)
            world.agent.finish()
            assert await outcome(impatient, session_id, turn) == "completed"


async def test_who_has_no_such_agent_leaves_a_turn_to_others(world: World) -> None:
    other = World(world.path.parent)
    other.agent.name = "other"
    stranger = Registry(other.log, Agents([other.agent], default="other"), clock=world.clock, part="worker")
    async with world.server(part="server") as server, stranger:
        session_id = await created(server)
        turn = await send(server, session_id)
        async with world.server(part="worker"):
            world.agent.finish()
            assert await outcome(server, session_id, turn) == "completed"
    assert not other.agent.requests


async def test_what_waits_behind_a_turn_that_nobody_took_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "OFFER_SECONDS", 0.5)
    async with world.server(part="server") as server:
        session_id = await created(server)
        turns = [await send(server, session_id, f"c{n}") for n in range(3)]
        events = await stored(world, session_id, lambda types: types.count("TurnStopped") == len(turns))
    assert [event.turn for event in events if isinstance(event, e.TurnStopped)] == turns


async def test_a_worker_that_is_left_alone_ends_when_nothing_is_left(world: World) -> None:
    async with world.server(part="worker") as worker:
        async with world.server(part="server") as server:
            session_id = await created(server)
            for n in range(4):
                await send(server, session_id, f"c{n}")
            await world.agent.started.wait()
        leaving = asyncio.create_task(worker.leave_alone())
        for n in range(1, 5):
            assert not leaving.done()
            world.agent.finish()
            await stored(world, session_id, lambda types, n=n: types.count("TurnStopped") == n)
        await leaving
    events = await stored(world, session_id, lambda types: True)
    assert {event.outcome for event in events if isinstance(event, e.TurnStopped)} == {"completed"}
    assert len(world.agent.requests) == 4


class Meddled:
    """A log in which something happens just before a lease is given back without a turn."""

    def __init__(self, log: Log, session_id: str) -> None:
        self._log = log
        self._session = session_id
        self.before_giving_back: Any = None
        self.turn = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def __aenter__(self) -> "Meddled":
        await self._log.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._log.__aexit__(*exc)

    async def append(self, stream: str, records: Any, **more: Any) -> int:
        happens, gives_back = self.before_giving_back, more.get("release") and not records
        if happens and stream == self._session and gives_back:
            self.before_giving_back = None
            await happens()
        return await self._log.append(stream, records, **more)
