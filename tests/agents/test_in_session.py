"""Whole answers with tools: a real session and store, our steps, and every provider's dialect."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel

from jupyter_durable_chat.agents import Agent as OurAgent
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.agents.exported import ExportedAgent
from jupyter_durable_chat.commands import Message
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.session import Session
from jupyter_durable_chat.tools import Approval, Toolbox
from jupyter_durable_chat.tools.function import FunctionTool
from jupyter_durable_chat.transcript import JSON
from tests.agents.asking import MODELS, agent_at
from tests.agents.conftest import Aimock
from tests.test_registry import created, outcome


class Scales:
    """A tool that waits until all crates are on it, so that calls which do not run at once would never end."""

    def __init__(self, crates: int) -> None:
        self.all = asyncio.Barrier(crates)

    async def weigh(self, crate: str) -> str:
        """Weigh a crate."""
        await self.all.wait()
        return {"A": "7 kg", "B": "8 kg"}[crate]


def registry(path: Path, agent: OurAgent, approval: Approval = "never") -> Registry:
    tool = FunctionTool(Scales(2).weigh, approval=approval)
    agents = Agents([agent], default=agent.name)
    return Registry(lambda: SqliteLog(path / "log.sqlite3"), agents, tools=Toolbox([tool]))


async def asked(session: Session, text: str, model: str | None) -> str:
    return (await session.send(Message(client_id="c", text=text, model=model), None)).turn_id


def calls(session: Session) -> list[JSON]:
    return [part for part in session.transcript.messages[-1]["parts"] if part["type"] == "dynamic-tool"]


# aimock's Gemini ends calls with a reason that Gemini does not have.
@pytest.mark.filterwarnings("ignore:FUNCTION_CALL is not a valid FinishReason")
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_a_model_calls_two_tools_at_once_and_answers(aimock: Aimock, model: str, tmp_path: Path) -> None:
    async with registry(tmp_path, agent_at(aimock.url)) as open_registry:
        session_id = await created(open_registry)
        async with open_registry.acquire(session_id) as session:
            turn = await asked(session, "What weigh the crates?", model)
            assert await outcome(open_registry, session_id, turn) == "completed"
            assert [call["output"] for call in calls(session)] == ["7 kg", "8 kg"]
            answer = session.transcript.messages[-1]["parts"]
            assert [part["text"] for part in answer if part["type"] == "text"][-1] == "Together they weigh 15 kg."


@pytest.mark.parametrize("model", [MODELS["responses"], MODELS["chat"], MODELS["anthropic"]])
async def test_a_model_waits_for_approvals_and_hears_of_a_denial(aimock: Aimock, model: str, tmp_path: Path) -> None:
    async with registry(tmp_path, agent_at(aimock.url), "always") as open_registry:
        session_id = await created(open_registry)
        async with open_registry.acquire(session_id) as session:
            turn = await asked(session, "What weigh the crates?", model)
            while len(session.transcript.approvals) < 2:
                await session.wait()
                await session.refresh()
            for approval in session.transcript.approvals:
                await session.answer_approval(approval["id"], False, "They are fragile.", None)
            assert await outcome(open_registry, session_id, turn) == "completed"
            assert [call["state"] for call in calls(session)] == ["output-denied"] * 2
    requests = await asyncio.to_thread(aimock.requests)
    assert any("They are fragile." in str(request) for request in requests)


async def test_a_function_model_of_a_package_uses_our_tools(tmp_path: Path) -> None:
    async def model(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        if isinstance(messages[-2] if len(messages) > 1 else None, ModelResponse):
            yield "Together 15 kg."
        else:
            yield {0: DeltaToolCall("weigh", '{"crate": "A"}'), 1: DeltaToolCall("weigh", '{"crate": "B"}')}

    exported = ExportedAgent("packed", Agent(FunctionModel(stream_function=model)))
    async with registry(tmp_path, exported) as open_registry:
        session_id = await created(open_registry)
        async with open_registry.acquire(session_id) as session:
            turn = await asked(session, "What weigh the crates?", None)
            assert await outcome(open_registry, session_id, turn) == "completed"
            assert [call["output"] for call in calls(session)] == ["7 kg", "8 kg"]
