"""What is kept for how long: everything said, until a setting says otherwise; and what runs or waits, always."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat import registry as registries
from jupyter_durable_chat.commands import Message
from jupyter_durable_chat.log import Compacted, StreamDeleted
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import DAY, Registry, Retention
from tests.scripted import Scripted
from tests.test_registry import World, created, outcome, send
from tests.waiting import eventually


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def answered(world: World, registry: Registry, session_id: str, client_id: str = "c", text: str = "yes") -> str:
    turn = await send(registry, session_id, client_id)
    world.agent.say_text(text)
    world.agent.finish()
    assert await outcome(registry, session_id, turn) == "completed"
    await eventually(lambda: not registry.turns)
    return turn


async def is_compacted(registry: Registry, session_id: str) -> bool:
    try:
        await registry.log.read(session_id, 0)
    except Compacted:
        return True
    return False


async def is_deleted(registry: Registry, session_id: str) -> bool:
    try:
        await registry.log.head(session_id)
    except StreamDeleted:
        return True
    return False


async def test_old_events_become_what_they_amount_to(world: World) -> None:
    async with world.server(retention=Retention(compact_after_days=30)) as registry:
        old = await created(registry)
        turn = await answered(world, registry, old)
        async with registry.acquire(old) as session:
            before = session.transcript.to_json()
        world.now += 29 * DAY
        young = await created(registry)
        await answered(world, registry, young)
        world.now += 2 * DAY
        await eventually(lambda: is_compacted(registry, old))
        assert not await is_compacted(registry, young)
        registry._sessions.clear()
        async with registry.acquire(old) as session:
            assert session.transcript.to_json() == before
            assert (await session.send(Message(client_id="c", text="Why?"), None)).turn_id == turn, "still the same"
        await answered(world, registry, old, "c2")
        assert [head.stream for head in await registry.log.streams(search="why")] == [old, young]


async def test_a_long_session_is_compacted_as_it_grows(world: World) -> None:
    async with world.server(retention=Retention(compact_after_events=20)) as registry:
        session_id = await created(registry)
        for n in range(5):
            await answered(world, registry, session_id, f"c{n}", f"answer {n}")
        assert await is_compacted(registry, session_id)
        records = await registry.log.read(session_id, (await registry.log.snapshot(session_id) or (0, b""))[0])
        assert len(records) < 20
        async with registry.acquire(session_id) as session:
            assert len(session.transcript.messages) == 10


async def test_a_running_turn_is_left_alone(world: World) -> None:
    keep = Retention(compact_after_days=1, delete_after_days=2, sessions=1)
    async with world.server(retention=keep) as registry:
        running, waiting = await created(registry), await created(registry)
        await send(registry, running)
        stopped = await send(registry, waiting)
        async with registry.acquire(waiting) as session:
            await session.send(Message(client_id="waits", text="And?"), None)
            await session.stop(stopped, None)
            assert session.transcript.held == "stopped"
        idle = await created(registry)
        world.now += 3 * DAY
        await eventually(lambda: is_deleted(registry, idle))
        assert not await is_deleted(registry, running) and not await is_compacted(registry, running)
        assert not await is_deleted(registry, waiting)


@pytest.mark.parametrize(
    ("keep", "later"), [(Retention(delete_after_days=10), 11 * DAY), (Retention(sessions=2), registries.TIDY_SECONDS)]
)
async def test_the_longest_unused_are_deleted_and_never_come_back(world: World, keep: Retention, later: float) -> None:
    async with world.server(retention=keep) as registry:
        old = await created(registry, "key")
        await answered(world, registry, old)
        world.now += later
        young = [await created(registry), await created(registry)]
        world.now += registries.TIDY_SECONDS
        await eventually(lambda: is_deleted(registry, old))
        assert [head.stream for head in await registry.heads(10)] == young[::-1]
        with pytest.raises(StreamDeleted):
            async with registry.acquire(old):
                pass
        assert await created(registry, "key") != old


class Gated(SqliteLog):
    """Something happens before the first stream is deleted."""

    async def before(self, stream: str) -> None: ...

    async def delete(self, stream: str, *, after: int | None = None) -> None:
        await self.before(stream)
        await super().delete(stream, after=after)


async def test_what_is_used_meanwhile_is_not_deleted(world: World) -> None:
    log = Gated(world.path, clock=world.clock)
    async with world.server(log=log, retention=Retention(delete_after_days=30)) as registry:
        one, other = await created(registry), await created(registry)
        used: list[str] = []

        async def use_the_other(stream: str) -> None:
            if not used:
                used.append(one if stream == other else other)
                await send(registry, used[0])

        log.before = use_the_other
        world.now += 31 * DAY
        await eventually(lambda: bool(used))
        (unused,) = {one, other} - set(used)
        await eventually(lambda: is_deleted(registry, unused))
        assert not await is_deleted(registry, used[0])
        async with registry.acquire(used[0]) as session:
            assert session.transcript.messages


async def test_what_nobody_uses_leaves_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "IDLE_SECONDS", 0.0)
    async with world.server() as registry:
        used, running = await created(registry), await created(registry)
        await send(registry, running)
        async with registry.acquire(used):
            await eventually(lambda: registry.loaded == 2)
        await eventually(lambda: registry.loaded == 1)
        assert registry.turns == 1
        world.agent.finish()
        await eventually(lambda: registry.loaded == 0)
        async with registry.acquire(running) as session:
            assert session.transcript.messages[-1]["metadata"]["outcome"] == "completed"


class Naming(Scripted):
    """An agent with an opinion on titles."""

    def __init__(self, title: Callable[[], str | None]) -> None:
        super().__init__()
        self._title = title

    async def title(self, messages: object, model: str | None) -> str | None:
        return self._title()


async def title(registry: Registry, session_id: str) -> str | None:
    async with registry.acquire(session_id) as session:
        return session.transcript.title


async def test_the_first_answer_gives_the_title(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        stopped = await send(registry, session_id)
        async with registry.acquire(session_id) as session:
            await session.stop(stopped, None)
            assert session.transcript.title is None
        await answered(world, registry, session_id, "c2")
        assert await title(registry, session_id) == "Why?"
        assert (await registry.sessions(notebook=None, status=None, search=None, before=None, limit=1))[0][
            "title"
        ] == "Why?"


async def test_the_agent_finds_a_better_title(world: World) -> None:
    world.agent = Naming(lambda: "Reasons")
    async with world.server() as registry:
        session_id = await created(registry)
        await answered(world, registry, session_id)

        async def named() -> bool:
            return await title(registry, session_id) == "Reasons"

        await eventually(named)


async def test_a_persons_title_wins(world: World) -> None:
    async with world.server() as registry:
        session_id = await created(registry)
        async with registry.acquire(session_id) as session:
            turn = await send(registry, session_id)
            await session.update(e.SessionUpdated(title="Mine"))
        world.agent.finish()
        assert await outcome(registry, session_id, turn) == "completed"
        await eventually(lambda: not registry.turns)
        assert await title(registry, session_id) == "Mine"


async def test_an_agent_that_fails_to_name_costs_nothing(world: World) -> None:
    def fail() -> str:
        raise RuntimeError("sk-secret")

    world.agent = Naming(fail)
    async with world.server() as registry:
        session_id = await created(registry)
        await answered(world, registry, session_id)
        await answered(world, registry, session_id, "c2")
        assert await title(registry, session_id) == "Why?"
