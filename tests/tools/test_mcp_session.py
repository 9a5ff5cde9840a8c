"""A tool of an MCP server in an answer, on the real registry and store: approved, asking a person, and its end."""

import sys
from pathlib import Path

import pytest

from jupyter_durable_chat.tools.catalog import Tools
from jupyter_durable_chat.transcript import JSON, Transcript
from tests.test_registry import created, outcome
from tests.test_steps import ADA, Tooled, calls, send, until

pytestmark = pytest.mark.slow  # it starts many processes

SERVER = Path(__file__).with_name("mcp_server.py")


def waiting(transcript: Transcript) -> list[JSON]:
    """The questions of the call that wait for a person."""
    inside = (transcript.call("c1") or {}).get("parts", [])
    return [part for part in inside if "waitsFor" in part and "output" not in part]


async def test_a_tool_asks_its_way_to_a_result(tmp_path: Path) -> None:
    world = Tooled(tmp_path)
    config = {"command": sys.executable, "args": [str(SERVER)], "env": {"NOTES": str(tmp_path / "notes")}}
    tools = Tools(servers={"up": config})
    world.agent.calls(("c1", "up_asks", {}), ("c2", "up_reports", {}))
    world.agent.answers()
    async with world.server(tools=tools) as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        async with registry.acquire(session_id) as session:
            for approval in await until(session, lambda t: t.approvals if len(t.approvals) == 2 else None):
                await session.answer_approval(approval["id"], True, None, ADA)
            for answers in ({"name": "Ada", "age": 36}, {}):
                [asked] = await until(session, waiting)
                answer = {"action": "accept", "answers": answers}
                await session.answer_call(asked["toolCallId"], output=answer, runner=None, by=ADA)
        assert await outcome(registry, session_id, turn) == "completed"
        found = {call["toolCallId"]: call for call in await calls(registry, session_id)}
    await tools.aclose()

    assert found["c1"]["output"] == 'accept {"name":"Ada","age":36,"ratio":0.5,"sure":false,"colour":"red"}'
    assert found["c2"]["output"] == "done"
    assert found["c2"]["progress"]["message"] == "half"
