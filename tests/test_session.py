"""Commands and turns at the worst moments, on the real registry and store, with commits that the test holds up."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.admission import Admission
from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.commands import Busy, ClientIdReused, Edit, Message, SessionFull, TooManyTurns
from jupyter_durable_chat.log import Log, LogUnavailable
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.transcript import JSON
from jupyter_durable_chat.turn import Limits
from tests.scripted import Scripted
from tests.test_registry import World, created, outcome, send
from tests.waiting import eventually


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Held(SqliteLog):
    """A store in which the end of a turn waits until the test lets it through."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.closing = asyncio.Event()
        self.let_through = asyncio.Event()

    async def append(self, stream: str, records: Any, **kwargs: Any) -> int:
        if records and kwargs.get("release"):
            self.closing.set()
            await self.let_through.wait()
        return await super().append(stream, records, **kwargs)


class HeldWorld(World):
    """One server, on a store that holds ends up."""

    def log(self) -> Log:
        self.held = Held(self.path, clock=self.clock)
        return self.held


def message(client_id: str, text: str = "Why?") -> Message:
    return Message(client_id=client_id, text=text)


async def asked(registry: Registry, session_id: str) -> str:
    """The id of the first question."""
    async with registry.acquire(session_id) as session:
        return session.transcript.messages[0]["id"]


async def test_a_stop_at_the_last_moment_holds_the_queue(tmp_path: Path) -> None:
    world = HeldWorld(tmp_path)
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        world.agent.finish()
        await world.held.closing.wait()
        async with registry.acquire(session_id) as session:
            await session.send(message("waits"), None)
            stopping = asyncio.create_task(session.stop(turn, None))
            await eventually(lambda: bool(session.transcript.turn and session.transcript.turn["stopping"]))
            world.held.let_through.set()
            assert await stopping is False, "it was complete by then"
            assert session.transcript.held == "stopped"
            await eventually(lambda: not session.busy)
        assert len(world.agent.requests) == 1


async def test_a_stop_at_the_last_moment_of_a_last_answer_leaves_no_trace(tmp_path: Path) -> None:
    world = HeldWorld(tmp_path)
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        world.agent.finish()
        await world.held.closing.wait()
        async with registry.acquire(session_id) as session:
            stopping = asyncio.create_task(session.stop(turn, None))
            await eventually(lambda: bool(session.transcript.turn and session.transcript.turn["stopping"]))
            world.held.let_through.set()
            assert await stopping is False
            last = (await registry.log.read(session_id, session.transcript.lsn - 1))[0]
        assert isinstance(e.decode(last.data), e.TurnStopped), "the outcome is the last event"


async def test_a_persons_title_wins_at_the_last_moment(tmp_path: Path) -> None:
    world = HeldWorld(tmp_path)
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        world.agent.finish()
        await world.held.closing.wait()
        async with registry.acquire(session_id) as session:
            await session.update(e.SessionUpdated(title="Mine"))
        world.held.let_through.set()
        assert await outcome(registry, session_id, turn) == "completed"
        async with registry.acquire(session_id) as session:
            assert session.transcript.title == "Mine"


@pytest.mark.parametrize("titles", [True, False])
async def test_the_model_is_asked_for_a_title_where_one_wants_that(tmp_path: Path, titles: bool) -> None:
    class Titling(Scripted):
        async def title(self, messages: Sequence[JSON], model: str | None) -> str:
            return "From the model"

    world = World(tmp_path)
    world.agent = Titling()
    async with world.server(titles=titles) as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        world.agent.finish()
        assert await outcome(registry, session_id, turn) == "completed"
        async with registry.acquire(session_id) as session:
            await eventually(lambda: not session.busy)
            if titles:
                await eventually(lambda: session.transcript.title == "From the model")
            assert session._titling is None and (session.transcript.title == "From the model") is titles


async def test_a_message_removed_at_the_last_moment_leaves_no_label(tmp_path: Path) -> None:
    world = HeldWorld(tmp_path)
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        async with registry.acquire(session_id) as session:
            waits = await session.send(message("waits"), None)
            stopping = asyncio.create_task(session.stop(turn, None))
            await world.held.closing.wait()
            assert await session.remove_queued(waits.message_id, None)
            world.held.let_through.set()
            assert await stopping is True
        assert "queue" not in (await registry.log.head(session_id)).labels


async def test_a_stop_from_elsewhere_is_heeded_whoever_folds_it_first(world: World) -> None:
    async with world.server() as here, world.server() as there:
        session_id = await created(here)
        turn = await send(here, session_id)
        async with here.acquire(session_id) as session:
            world.agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
            await eventually(lambda: bool(session.transcript.messages[1]["parts"]))
            async with there.acquire(session_id) as other:
                stopping = asyncio.create_task(other.stop(turn, None))
                # This reads what the one who should heed it has not read yet.
                await eventually(lambda: _stopping(session))
                assert await stopping


async def _stopping(session: Any) -> bool:
    transcript = await session.refresh()
    return transcript.turn is None or transcript.turn["stopping"]


async def test_a_stop_from_elsewhere_is_heeded_after_the_store_failed_once(world: World) -> None:
    async with world.server() as here, world.server() as there:
        session_id = await created(here)
        turn = await send(here, session_id)
        await world.agent.started.wait()
        here.log._waiters.fail(LogUnavailable("for a moment"))  # type: ignore[attr-defined]
        async with there.acquire(session_id) as other:
            assert await other.stop(turn, None)


async def test_the_turn_of_a_deleted_session_ends(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        await send(registry, session_id)
        await world.agent.started.wait()
        async with SqliteLog(world.path, clock=world.clock) as log:
            await log.delete(session_id)
        await eventually(lambda: not registry.turns)
        await eventually(lambda: not registry.loaded or not registry._sessions[session_id].busy)
    assert world.agent.closed.is_set()


class Raising(Agent):
    """An agent whose `run` is no generator."""

    name = "scripted"

    def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        raise AgentError("auth", "There is no key.")


async def test_an_agent_that_does_not_even_begin_has_failed(world: World) -> None:
    world.agent = Raising()  # type: ignore[assignment]
    async with world.server(admission=Admission(turns=1)) as registry:
        for n in range(2):
            session_id = await created(registry)
            turn = await send(registry, session_id, f"c{n}")
            assert await outcome(registry, session_id, turn) == "failed"
            await eventually(lambda: not registry.turns)


async def test_what_cannot_be_stored_fails_the_turn(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        world.agent.say_text("kept")
        world.agent.say(e.ToolOutputAvailable(tool_call_id="c", output=object()))
        assert await outcome(registry, session_id, turn) == "failed"
        async with registry.acquire(session_id) as session:
            error = session.transcript.messages[1]["metadata"]["error"]
        assert error["category"] == "internal" and "log" in error["text"]


async def test_a_queued_message_is_answered_by_whom_it_was_sent_to(world: World) -> None:
    other = Scripted()
    other.name = "other"
    agents = Agents([world.agent, other], default="scripted")
    async with Registry(world.log, agents, clock=world.clock) as registry:
        session_id = await created(registry)
        await send(registry, session_id)
        async with registry.acquire(session_id) as session:
            await session.send(message("waits"), None)
            await session.update(e.SessionUpdated(agent="other"))
        world.agent.finish()
        await eventually(lambda: len(world.agent.requests) == 2)
        assert not other.requests


async def test_what_is_refused_is_not_counted(world: World) -> None:
    async with world.server(admission=Admission(turns=1, messages_per_minute=2)) as registry:
        await send(registry, await created(registry))
        session_id = await created(registry)
        for _ in range(3):
            with pytest.raises(TooManyTurns):
                await send(registry, session_id)


async def test_a_client_id_is_one_request_of_whatever_kind(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        world.agent.say(None)
        assert await outcome(registry, session_id, turn) == "truncated"
        question = await asked(registry, session_id)
        async with registry.acquire(session_id) as session:
            edited = await session.retry(question, Edit(text="an edit", client_id="edit"), None)
            world.agent.finish()
            assert await session.turn_ended(edited.turn_id, 20)
            again = await session.retry(question, Edit(client_id="again"), None)
            world.agent.finish()
            assert await session.turn_ended(again.turn_id, 20)
            assert await session.retry(question, Edit(text="an edit", client_id="edit"), None) == edited
            assert await session.retry(question, Edit(client_id="again"), None) == again
            for edit in (Edit(text="another", client_id="edit"), Edit(client_id="edit"), Edit(client_id="c")):
                with pytest.raises(ClientIdReused):
                    await session.retry(question, edit, None)
            with pytest.raises(ClientIdReused):
                await session.retry(question, Edit(text="an edit", client_id="again"), None)
            for used in ("again", "edit", "c"):
                with pytest.raises(ClientIdReused):
                    await session.go_on(None, used, None)
            with pytest.raises(ClientIdReused):
                await session.send(message("again"), None)


async def test_a_stop_is_remembered_on_every_branch(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        async with registry.acquire(session_id) as session:
            assert await session.stop(turn, None)
            other = await session.retry(session.transcript.messages[0]["id"], Edit(), None)
            world.agent.finish()
            assert await session.turn_ended(other.turn_id, 20)
            assert await session.stop(turn, None) and not await session.stop(other.turn_id, None)


async def test_nothing_begins_while_the_server_ends(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        async with registry.acquire(session_id) as session:
            ending = asyncio.create_task(session.shut_down())
            await asyncio.sleep(0)
            with pytest.raises(Busy, match="shutting down"):
                await session.send(message("late"), None)
            await ending
            assert not session.running and session.transcript.messages == []


async def test_a_full_session_takes_nothing_that_makes_it_grow(world: World) -> None:
    async with world.server(limits=Limits(session_bytes=1)) as registry:
        session_id = await created(registry)
        async with registry.acquire(session_id) as session:
            with pytest.raises(SessionFull):
                await session.send(message("c"), None)
            with pytest.raises(SessionFull):
                await session.update(e.SessionUpdated(title="long"))
            assert not await session.stop(None, None)
