"""A damaged session costs itself, and nobody else."""

import pytest

from jupyter_durable_chat.agents import AgentError
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.commands import Message
from jupyter_durable_chat.log import LogUnavailable
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import Registry
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
