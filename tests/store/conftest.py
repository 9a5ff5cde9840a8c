"""A store as a server leaves it: sessions of every kind, an inbox, a snapshot, a compacted log, attachments."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.commands import Message
from jupyter_durable_chat.log import Log
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.notices import inbox_id
from jupyter_durable_chat.registry import Registry
from tests.scripted import Scripted
from tests.test_registry import created
from tests.waiting import eventually


@dataclass
class Store:
    path: Path
    answered: str
    forked: str
    compacted: str
    inbox: str
    attachment: str

    @property
    def folder(self) -> Path:
        return Path(f"{self.path}.attachments")

    def sql(self, statement: str, *values: object) -> None:
        """Change the store behind everybody's back."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            assert db.execute(statement, values).rowcount, "something was changed"


async def fill(log: Log, folder: Path) -> tuple[str, str, str, str, str]:
    """What a store should have: an answered session, its fork, a compacted one, an inbox, an attachment's hash."""
    agent, attachments = Scripted(), Attachments(folder, max_bytes=1 << 20)
    registry = Registry(lambda: log, Agents([agent], default="scripted"), attachments=attachments)

    async def answer(session_id: str, text: str, file_hash: str | None = None) -> str:
        parts = [{"type": "file", "mediaType": "text/plain", "url": f"attachment:{file_hash}"}] if file_hash else []
        async with registry.acquire(session_id) as session:
            sent = await session.send(Message(client_id=text, text=text, parts=parts), None)
            agent.say_text("some ", "words")
            agent.finish()
            assert await session.turn_ended(sent.turn_id, 20)
            lsn = session.transcript.lsn

        async def kept() -> bool:
            snapshot = await log.snapshot(session_id)
            return snapshot is not None and snapshot.lsn >= lsn

        await eventually(kept)
        return sent.turn_id

    async with registry:
        answered, compacted = await created(registry, "one"), await created(registry, "two")
        file_hash = await attachments.put(answered, b"a file of a message")
        await answer(answered, "first", file_hash)
        turn = await answer(answered, "second")
        await answer(compacted, "first")
        async with registry.acquire(compacted) as session:
            await session.compact()
            await session.update(e.SessionUpdated(title="After that"))
        forked = (await registry.fork(answered, None, None)).id
        await answer(forked, "on another way")
        notice = e.TurnNoticed(session_id=answered, kind="done", session_lsn=3, text="some words")
        await registry.inboxes.tell("ann", turn, notice)
        async with registry.acquire(answered) as session:
            # Beyond the snapshot.
            await session.update(e.SessionUpdated(title="A title"))
    return answered, forked, compacted, inbox_id("ann"), file_hash


@pytest.fixture
def store(tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Store:
    path = tmp_path / "store" / "log.sqlite3"
    filling = fill(SqliteLog(path), Path(f"{path}.attachments"))
    return Store(path, *jp_asyncio_loop.run_until_complete(filling))
