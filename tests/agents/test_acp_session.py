"""An ACP agent's answer on the real registry and store: what it asks, does and plans is in the log, and survives."""

import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.acp import AcpAgent
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.commands import Message
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.session import Session
from tests.test_registry import created, outcome

pytestmark = pytest.mark.slow  # it starts many processes

AGENT = Path(__file__).with_name("acp_agent.py")

ADA = e.Author("ada")


def registry(path: Path) -> tuple[Registry, AcpAgent]:
    agent = AcpAgent("tested", sys.executable, [str(AGENT), str(path / "notes"), "--loads"], cwd=str(path))
    return Registry(lambda: SqliteLog(path / "log.sqlite3"), Agents([agent], default="tested")), agent


async def send(registry: Registry, session_id: str, text: str) -> str:
    async with registry.acquire(session_id) as session:
        return (await session.send(Message(client_id=text, text=text), ADA)).turn_id


async def seen(session: Session, look: Any) -> Any:
    while not (found := look(session.transcript)):
        await session.wait()
        await session.refresh()
    return found


async def calls(registry: Registry, session_id: str) -> list[dict[str, Any]]:
    async with registry.acquire(session_id) as session:
        return [part for part in session.transcript.messages[-1]["parts"] if part["type"] == "dynamic-tool"]


async def test_its_request_is_answered_by_whoever_comes(tmp_path: Path) -> None:
    servers, agent = registry(tmp_path)
    async with servers:
        id_ = await created(servers)
        for approved, asks in ((True, "leave allow_once reject_once"), (False, "leave reject_once allow_once")):
            turn = await send(servers, id_, asks)
            async with servers.acquire(id_) as session:
                [asked] = await seen(session, lambda transcript: transcript.approvals)
                await session.answer_approval(asked["id"], approved, None, ADA)
            assert await outcome(servers, id_, turn) == "completed"
            [call] = await calls(servers, id_)
            assert (call["title"], call["input"]) == ("Delete all", {"path": "/"})
            if approved:
                assert (call["state"], call["output"]) == ("output-available", {"chosen": "o-allow_once"})
            else:
                assert call["state"] == "output-denied"
    await agent.aclose()


async def test_its_work_is_in_the_transcript(tmp_path: Path) -> None:
    servers, agent = registry(tmp_path)
    async with servers:
        id_ = await created(servers)
        assert await outcome(servers, id_, await send(servers, id_, "work")) == "completed"
        async with servers.acquire(id_) as session:
            message = session.transcript.messages[-1]
            used = session.transcript.usage

    assert [part["type"] for part in message["parts"]] == [
        *("step-start", "reasoning", "text", "data-plan"),
        *(["dynamic-tool"] * 4),
        "text",
    ]
    assert [part["state"] for part in message["parts"] if part["type"] == "dynamic-tool"] == [
        *("output-available", "output-error", "output-available", "output-error")
    ]
    assert (used.input_tokens, used.cost_usd) == (10, 0.25)
    await agent.aclose()


async def test_after_a_restart_it_goes_on_with_what_it_knew(tmp_path: Path) -> None:
    servers, agent = registry(tmp_path)
    async with servers:
        id_ = await created(servers)
        await outcome(servers, id_, await send(servers, id_, "told once"))
    await agent.aclose()
    servers, agent = registry(tmp_path)
    async with servers:
        await outcome(servers, id_, await send(servers, id_, "told again"))
        async with servers.acquire(id_) as session:
            assert session.transcript.messages[-1]["parts"][-1]["text"] == '["told again"]'
    await agent.aclose()


async def test_a_stop_in_the_log_is_a_stop_for_the_agent(tmp_path: Path) -> None:
    servers, agent = registry(tmp_path)
    async with servers:
        id_ = await created(servers)
        turn = await send(servers, id_, "wait")
        async with servers.acquire(id_) as session:
            await seen(session, lambda transcript: "waiting" in str(transcript.messages[-1]["parts"]))
            assert await session.stop(turn, ADA)
        assert await outcome(servers, id_, turn) == "stopped"
        assert await outcome(servers, id_, await send(servers, id_, "told")) == "completed"
    await agent.aclose()
