"""A damaged session costs itself, and nobody else."""

import asyncio
import time
from pathlib import Path

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.commands import Message
from jupyter_durable_chat.log import Compacted, Damaged, LogUnavailable, Record
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.notices import Inboxes, inbox_id
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.replica import Replica
from jupyter_durable_chat.server.stream import Snapshots, read
from tests.scripted import Scripted
from tests.store.conftest import Store


async def test_a_session_whose_records_are_missing_says_so(store: Store) -> None:
    store.sql("DELETE FROM snapshots WHERE stream = (SELECT id FROM streams WHERE name = ?)", store.compacted)
    async with Registry(lambda: SqliteLog(store.path), Agents([Scripted()], default="scripted")) as registry:
        with pytest.raises(LogUnavailable, match=f"{store.compacted} is damaged.*jupyter durable-chat check"):
            async with registry.acquire(store.compacted):
                pass
        async with registry.acquire(store.answered) as session:
            assert session.transcript.title == "A title"


async def test_a_fork_of_what_has_failed_has_failed(store: Store) -> None:
    """A list said that it was idle, and the chat that it had failed."""
    agent = Scripted()
    async with Registry(lambda: SqliteLog(store.path), Agents([agent], default="scripted")) as registry:
        async with registry.acquire(store.answered) as session:
            sent = await session.send(Message(client_id="c", text="Why?"), None)
            agent.say(AgentError("network", "The line is cut."))
            assert await session.turn_ended(sent.turn_id, 20)
        fork = await registry.fork(store.answered, None, None)
        assert fork.status == "failed" and (await registry.log.head(fork.id)).labels["status"] == "failed"


async def test_readers_of_what_is_damaged_are_told_and_none_waits_for_ever(store: Store) -> None:
    """A page, a stream, an export and an inbox: each of them once looked for a snapshot again and again."""
    store.sql("DELETE FROM snapshots WHERE stream = (SELECT id FROM streams WHERE name = ?)", store.compacted)
    async with SqliteLog(store.path) as log:
        with pytest.raises(Damaged, match=f"{store.compacted} is damaged"):
            async for _ in read(log, {store.compacted: 0}, 1.0, Snapshots()):
                pass
        name = inbox_id("me")
        inboxes = Inboxes(log, lambda: 0.0)
        await log.create(name, [b"{}"] * 3, key=name)
        await log.save_snapshot(name, Record(3, b"{}"))
        await log.compact(name)
        store.sql("DELETE FROM snapshots WHERE stream = (SELECT id FROM streams WHERE name = ?)", name)
        with pytest.raises(Damaged, match=f"{name} is damaged"):
            await inboxes.open("me")


class Late(SqliteLog):
    """The second one who asks for what was compacted hears of it when the first has been told what there is instead."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._told = asyncio.Event()
        self._asked = 0

    async def read(self, stream: str, after: int, **limits: int) -> list[Record]:
        try:
            return await super().read(stream, after, **limits)
        except Compacted:
            self._asked += 1
            if self._asked == 2:
                await self._told.wait()
            raise

    async def snapshot(self, stream: str) -> Record | None:
        kept = await super().snapshot(stream)
        if self._asked == 2:
            asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, self._told.set)
        return kept


async def test_two_who_read_on_at_once_from_what_was_compacted_find_nothing_wrong(tmp_path: Path) -> None:
    """The second one looked after the first had restored the session, and took it for damaged."""
    at = "2026-01-01T00:00:00.000Z"
    async with Late(tmp_path / "log.sqlite3") as log:
        await log.create("s_x", [e.encode(e.SessionCreated(session="s_x"), at=at)])
        behind, ahead = Replica(log, "s_x", time.time), Replica(log, "s_x", time.time)
        await behind.refresh()
        await log.append("s_x", [e.encode(e.SessionUpdated(title=str(n)), at=at) for n in range(20)])
        await ahead.refresh()
        await ahead.compact()
        assert [t.title for t in await asyncio.gather(behind.refresh(), behind.refresh())] == ["19", "19"]
