"""What a person is told: once, whoever else tells, and nothing that they have seen. On the real registry, and two."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError, Request
from jupyter_durable_chat.inbox import MAX_NOTICES, Inbox
from jupyter_durable_chat.log import Compacted, Record, StreamDeleted, UnknownStream
from jupyter_durable_chat.notices import COMPACT_AFTER, DUE, Notices, inbox_id
from jupyter_durable_chat.registry import Registry, Retention
from jupyter_durable_chat.watching import Watching
from tests.scripted import Scripted
from tests.test_registry import World, created, outcome, send
from tests.waiting import eventually

VECTORS = sorted((Path(__file__).parent / "vectors" / "inbox").glob("*.json"))
ME = ""
"""Who asks in these tests."""

QUESTIONS = {"questions": [{"question": "Which\nof **them**?", "options": [{"label": "A"}, {"label": "B"}]}]}


class Asking(Scripted):
    """Asks the person before anything else."""

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        if not self.requests:
            self.requests.append(request)
            yield e.StartStep()
            yield e.ToolInputAvailable(tool_call_id="q", tool_name="ask_user", input=QUESTIONS)
            yield e.Finish(finish_reason="tool-calls")
            return
        async for chunk in super().run(request):
            yield chunk


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_vector(path: Path) -> None:
    vector = json.loads(path.read_text())
    whole = Inbox("inbox_1")
    for event in vector["events"]:
        resumed = Inbox.from_json(json.loads(e.to_json(whole.to_json())))
        for inbox in (whole, resumed, resumed):
            inbox.apply(e.decode(json.dumps(event)))
        assert resumed.to_json() == whole.to_json()
    assert json.loads(e.to_json(whole.to_json())) == vector["inbox"]


async def told(registry: Registry, person: str = ME) -> list[tuple[str, str, str]]:
    """Session, kind and text of all notices."""
    inbox = await registry.inboxes.open(person)
    return [(n["session"], n["kind"], n["text"]) for n in inbox.notices]


async def answered(
    registry: Registry, world: World, *steps: Any, session: str | None = None, client_id: str = "c"
) -> str:
    """A session with an answer that came of these steps."""
    session = session or await created(registry)
    turn = await send(registry, session, client_id)
    world.agent.say(*steps)
    await outcome(registry, session, turn)
    await nothing_due(registry, session)
    return session


async def nothing_due(registry: Registry, session: str) -> None:
    """Whoever is to be told has been told."""

    async def quiet() -> bool:
        async with registry.acquire(session) as loaded:
            return not loaded.running

    await eventually(quiet)
    assert "notice" not in (await registry.log.head(session)).labels


TEXT = (e.TextStart(id="x"), e.TextDelta(id="x", delta="# So\n\nit *is*."), e.TextEnd(id="x"))


async def test_each_end_is_told_once_and_as_what_it_is(world: World) -> None:
    async with world.server() as a, world.server() as b:
        done = await answered(a, world, *TEXT, e.Finish(finish_reason="stop"), None)
        truncated = await answered(b, world, *TEXT, None)
        failed = await answered(a, world, *TEXT, AgentError("auth", "The key was refused."))
        both = [await told(registry) for registry in (a, b)]
        assert (
            both[0]
            == both[1]
            == [(done, "done", "So"), (truncated, "done", "So"), (failed, "failed", "The key was refused.")]
        )
        first, _, _ = (await a.inboxes.open(ME)).notices
        assert first["title"] == "Why?" and first["notebook"] is None and not first["read"]
        async with a.acquire(done) as session:
            assert first["lsn"] == session.transcript.messages[-1]["metadata"]["finished_lsn"]
        listed = await a.sessions(notebook=None, status=None, search=None, before=None, limit=10)
        assert {s["id"]: (s["state"], s["unread"]) for s in listed} == {
            done: ("ready", True),
            truncated: ("attention", True),
            failed: ("failed", True),
        }


async def test_a_persons_own_stop_is_told_to_nobody(world: World) -> None:
    async with world.server() as registry:
        session = await created(registry)
        turn = await send(registry, session)
        async with registry.acquire(session) as loaded:
            assert await loaded.stop(None, None)
        assert await outcome(registry, session, turn) == "stopped"
        await nothing_due(registry, session)
        assert await told(registry) == []


async def test_what_is_watched_is_not_told_and_another_person_does_not_count(world: World) -> None:
    watching = Watching()
    finish = (*TEXT, e.Finish(finish_reason="stop"), None)
    async with world.server(notices=Notices(watching, clock=world.clock)) as registry:
        session = await created(registry)
        with watching.view(ME, [session]):
            await answered(registry, world, *finish, session=session)
        assert await told(registry) == []
        with watching.view("somebody else", [session]), watching.view(ME, ["another"]):
            await answered(registry, world, *finish, session=session, client_id="c2")
        assert await told(registry) == [(session, "done", "So")]
        assert await told(registry, "somebody else") == []


async def test_a_muted_session_is_unread_and_never_shown(world: World) -> None:
    async with world.server() as registry:
        session = await created(registry)
        async with registry.acquire(session) as loaded:
            await loaded.update(e.SessionUpdated(muted=True))
        await answered(registry, world, *TEXT, e.Finish(finish_reason="stop"), None, session=session)
        inbox = await registry.inboxes.open(ME)
        (notice,) = inbox.notices
        assert notice["quiet"] and inbox.unread == 0 and inbox.unread_sessions == {session}
        assert not await registry.inboxes.claim(ME, notice["turn"], "done", None, "p")
        assert (await registry.inboxes.read(ME, {session: notice["lsn"]})).unread_sessions == set()


async def test_of_all_pages_at_all_servers_one_shows_it(world: World) -> None:
    async with world.server() as a, world.server() as b:
        await answered(a, world, *TEXT, e.Finish(finish_reason="stop"), None)
        (notice,) = (await a.inboxes.open(ME)).notices
        pages = [(registry, f"p_{n}") for n in range(10) for registry in (a, b)]
        claimed = await asyncio.gather(
            *(registry.inboxes.claim(ME, notice["turn"], "done", None, page) for registry, page in pages)
        )
        # One name was claimed for at both servers: it is one page that asked twice.
        assert len({page for (_, page), mine in zip(pages, claimed, strict=True) if mine}) == 1
        (winner,) = {page for (_, page), mine in zip(pages, claimed, strict=True) if mine}
        assert await b.inboxes.claim(ME, notice["turn"], "done", None, winner), "its answer may have been lost"
        await a.inboxes.read(ME, None)
        assert not await b.inboxes.claim(ME, notice["turn"], "done", None, winner)
        assert not await a.inboxes.claim(ME, "t_never", "done", None, winner)


async def test_what_was_read_or_cleared_at_one_server_is_so_at_the_other(world: World) -> None:
    async with world.server() as a, world.server() as b:
        one = await answered(a, world, *TEXT, e.Finish(finish_reason="stop"), None)
        two = await answered(b, world, *TEXT, e.Finish(finish_reason="stop"), None)
        (first, _) = (await a.inboxes.open(ME)).notices
        assert (await a.inboxes.read(ME, {one: first["lsn"] - 1})).unread == 2, "its end was not seen"
        assert (await a.inboxes.read(ME, {one: first["lsn"]})).unread == 1
        lsn = (await b.inboxes.open(ME)).lsn
        assert (await b.inboxes.read(ME, {one: first["lsn"]})).lsn == lsn, "nothing is added for what is read"
        assert (await b.inboxes.open(ME)).unread_sessions == {two}
        assert (await b.inboxes.clear(ME)).notices == [] and (await a.inboxes.clear(ME)).notices == []


async def test_who_dies_before_telling_leaves_it_to_the_others(world: World) -> None:
    async with world.server() as registry:
        session = await created(registry)
        turn = await send(registry, session)
        world.agent.say(*TEXT, e.Finish(finish_reason="stop"), None)
        await outcome(registry, session, turn)
        await nothing_due(registry, session)
        await registry.inboxes.clear(ME)
    async with world.log() as log:
        # As it is when a server dies right behind the outcome: due, and not told.
        await log.append(session, [], labels=DUE)
        await log.delete(inbox_id(ME))
    # A name that was deleted is never used again, so these servers' person has another one.
    names = {"notices": lambda: Notices(Watching(), lambda name: "me", world.clock)}
    async with world.server(notices=names["notices"]()) as a, world.server(notices=names["notices"]()) as b:
        assert await told(a, "me") == await told(b, "me") == [(session, "done", "So")]
        assert "notice" not in (await a.log.head(session)).labels


async def test_a_turn_whose_writer_is_gone_is_told_by_who_closes_it(world: World) -> None:
    async with world.server() as registry:
        session = await created(registry)
        lease = await registry.log.lease(session, "elsewhere:1:x", 10)
        asked = e.UserMessage(message_id="m1", client_id="c", text="Why?")
        started = e.TurnStarted(user_message_id="m1", message_id="m2", agent="scripted")
        records = [e.encode(event, at=e.timestamp(world.now), turn="t_lost") for event in (asked, started)]
        await registry.log.append(session, records, epoch=lease)
        async with registry.acquire(session) as loaded:
            await loaded.recover(lease)
        assert await told(registry) == [(session, "failed", "")]
        assert await listed_as(registry, session, "attention")


async def test_who_waits_for_a_person_is_told_once_and_no_longer_than_that(world: World) -> None:
    world.agent = Asking()
    async with world.server() as a, world.server() as b:
        session = await created(a)
        turn = await ask(a, session)
        await eventually(lambda: has(a, [(session, "waiting", "Which")]))
        (notice,) = (await b.inboxes.open(ME)).notices
        assert notice["wait"] == "q" and notice["tool"] == "ask_user" and notice["turn"] == turn
        await eventually(lambda: listed_as(b, session, "waiting"))
        assert a.turns == 1 and a.working == 0
        async with b.acquire(session) as elsewhere:
            answer = {"action": "accept", "answers": {"1": "A"}}
            await elsewhere.answer_call("q", output=answer, runner=None, by=None)
        await eventually(lambda: has(a, []))
        await eventually(lambda: listed_as(a, session, "streaming"))
        assert a.working == 1
        world.agent.say(*TEXT, e.Finish(finish_reason="stop"), None)
        await outcome(a, session, turn)
        await eventually(lambda: has(b, [(session, "done", "So")]))


async def test_who_goes_on_with_a_turn_that_waits_does_not_tell_it_again(world: World) -> None:
    world.agent = Asking()
    async with world.server() as registry:
        session = await created(registry)
        await ask(registry, session)
        await eventually(lambda: has(registry, [(session, "waiting", "Which")]))
        await registry.inboxes.read(ME, None)
    async with world.server() as registry:
        await eventually(lambda: registry.turns == 1)
        await eventually(lambda: listed_as(registry, session, "waiting"))
        inbox = await registry.inboxes.open(ME)
        assert [n["read"] for n in inbox.notices] == [True]


async def ask(registry: Registry, session: str) -> str:
    """Send a message whose answer may ask: who has a tool may."""
    async with registry.acquire(session) as loaded:
        tool = e.OfferedTool(name="plot", description="Draw.", parameters={"type": "object"})
        await loaded.offer(e.ToolsOffered(runner="r_1", tools=[tool]))
    return await send(registry, session)


async def has(registry: Registry, notices: list[tuple[str, str, str]]) -> bool:
    return await told(registry) == notices


async def listed_as(registry: Registry, session: str, state: str) -> bool:
    listed = await registry.sessions(notebook=None, status=None, search=None, before=None, limit=10)
    return [s["state"] for s in listed if s["id"] == session] == [state]


async def test_the_notices_of_a_session_go_with_it(world: World) -> None:
    async with world.server(retention=Retention(delete_after_days=1)) as registry:
        finish = (*TEXT, e.Finish(finish_reason="stop"), None)
        deleted, old = [await answered(registry, world, *finish) for _ in range(2)]
        await registry.delete(deleted)
        assert await told(registry) == [(old, "done", "So")]
        world.now += 2 * 86400
        await registry._tidy()
        assert await told(registry) == []
        with pytest.raises(StreamDeleted):
            await registry.log.head(old)


@pytest.mark.parametrize("cleared", [False, True])
async def test_of_a_deleted_session_no_record_of_an_inbox_has_a_word(world: World, cleared: bool) -> None:
    async with world.server() as registry:
        session = await answered(registry, world, *TEXT, e.Finish(finish_reason="stop"), None)
        inbox = inbox_id(ME)
        await registry.log.save_snapshot(inbox, Record(1, e.to_json((await registry.inboxes.open(ME)).to_json())))
        assert b"So" in (await registry.log.read(inbox, 0))[0].data
        if cleared:
            await registry.inboxes.clear(ME)
        await registry.delete(session)
        kept = await registry.log.snapshot(inbox)
        assert kept and b'"So"' not in kept.data and kept.lsn == (await registry.log.head(inbox)).lsn
        with pytest.raises(Compacted):
            await registry.log.read(inbox, 0)
        assert (await registry.inboxes.open(ME)).told, "it is not told again"


async def test_an_inbox_is_no_session(world: World) -> None:
    async with world.server(retention=Retention(compact_after_days=1, delete_after_days=1, sessions=1)) as registry:
        session = await answered(registry, world, *TEXT, e.Finish(finish_reason="stop"), None)
        inbox = inbox_id(ME)
        for ask in (registry.delete, lambda name: registry.fork(name, 1, None)):
            with pytest.raises(UnknownStream):
                await ask(inbox)
        listed = await registry.sessions(notebook=None, status=None, search=None, before=None, limit=10)
        assert [s["id"] for s in listed] == [session]
        assert await registry.sessions(notebook=None, status=None, search=None, before=session, limit=10) == []
        await registry._tidy()
        assert [head.stream for head in await registry.log.streams(labels={"kind": "inbox"})] == [inbox]
        assert [head.stream for head in await registry.heads(10)] == [session]


async def test_an_inbox_stays_small(world: World) -> None:
    async with world.server() as a, world.server() as b:
        for n in range(COMPACT_AFTER + 5):
            notice = e.TurnNoticed(session_id=f"s_{n}", kind="done", session_lsn=n)
            await (a if n % 2 else b).inboxes.tell(ME, f"t_{n}", notice)
        inboxes = [await registry.inboxes.open(ME) for registry in (a, b)]
        assert inboxes[0].to_json() == inboxes[1].to_json() and len(inboxes[0].notices) == MAX_NOTICES
        assert len(await a.log.read(inbox_id(ME), COMPACT_AFTER)) == 5
    async with world.server() as later:
        assert (await later.inboxes.open(ME)).to_json() == inboxes[0].to_json()


async def test_a_store_that_fails_delays_a_notice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world.server() as registry:
        session = await created(registry)
        turn = await send(registry, session)
        monkeypatch.setattr("jupyter_durable_chat.notices.Inboxes.tell", _unavailable)
        world.agent.say(*TEXT, e.Finish(finish_reason="stop"), None)
        assert await outcome(registry, session, turn) == "completed"

        async def over() -> bool:
            async with registry.acquire(session) as loaded:
                return not loaded.running

        await eventually(over)
        assert await told(registry) == []
        monkeypatch.undo()
        await registry._drain()
        assert await told(registry) == [(session, "done", "So")]


async def _unavailable(*_: Any) -> None:
    from jupyter_durable_chat.log import LogUnavailable

    raise LogUnavailable("The disk is full.")


Unused = Callable[[], None]


async def test_what_is_watched_at_another_server_is_read(world: World) -> None:
    here, there = Watching(), Watching()
    async with (
        world.server(notices=Notices(here, clock=world.clock)) as writes,
        world.server(notices=Notices(there, clock=world.clock)) as watches,
    ):
        with there.view(ME, []) as other, there.view("somebody else", []) as stranger:
            session, unwatched = await created(writes), await created(writes)
            other.watched = frozenset({session})
            stranger.watched = frozenset({unwatched})
            for name in (session, unwatched):
                await answered(writes, world, *TEXT, e.Finish(finish_reason="stop"), None, session=name)

            async def read() -> dict[str, bool]:
                return {n["session"]: n["read"] for n in (await writes.inboxes.open(ME)).notices}

            async def only_what_is_watched() -> bool:
                return await read() == {session: True, unwatched: False}

            await eventually(only_what_is_watched)
        with there.view(ME, [unwatched]):
            await eventually(lambda: all_read(watches))


async def all_read(registry: Registry) -> bool:
    return (await registry.inboxes.open(ME)).unread == 0


async def test_who_was_given_an_answer_and_has_just_gone_has_read_it(world: World) -> None:
    watching = Watching()
    async with world.server(notices=Notices(watching, clock=world.clock)) as registry:
        sessions = [await created(registry) for _ in range(3)]
        for name in sessions:
            await answered(registry, world, *TEXT, e.Finish(finish_reason="stop"), None, session=name)
        whole, part, hidden = sessions
        ends = {name: (await registry.log.head(name)).lsn for name in sessions}

        async def is_read() -> dict[str, bool]:
            return {n["session"]: n["read"] for n in (await registry.inboxes.open(ME)).notices}

        before, watching.changed = watching.changed, asyncio.Event()  # nobody looks in between
        with watching.view(ME, [whole, part]) as view:
            view.given = {whole: ends[whole], part: ends[part] - 2, hidden: ends[hidden]}
        watching.changed = before
        watching.changed.set()

        async def only_the_whole() -> bool:
            return await is_read() == {whole: True, part: False, hidden: False}

        await eventually(only_the_whole)
