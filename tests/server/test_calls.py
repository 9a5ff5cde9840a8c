"""Tools over HTTP: offers, approvals, results and answers, each with its status code."""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Request
from tests import scripted as scripts
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api
from tests.waiting import eventually

CALL = "toolu|01/ä b"
"""Providers name their calls as they like."""


class Calling(Scripted):
    """Asks for the calls that it was told of, in one step, and then answers."""

    calls: tuple[tuple[str, JSON], ...] = ()

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        self.requests.append(request)
        if len(self.requests) == 1:
            yield e.StartStep()
            for place, (name, arguments) in enumerate(self.calls):
                yield e.ToolInputAvailable(tool_call_id=CALL + "x" * place, tool_name=name, input=arguments)
            yield e.Finish(finish_reason="tool-calls")
        else:
            yield e.Finish(finish_reason="stop")


@pytest.fixture
def agent() -> Any:
    agent = Calling()
    scripts.current.append(agent)
    yield agent
    scripts.current.pop()


PLOT = {"name": "plot", "description": "Draw it.", "parameters": {"type": "object", "properties": {}}}
LOOK = {**PLOT, "name": "look", "approval": "always"}


def call_path(session: str, call: str = CALL) -> str:
    return f"api/sessions/{session}/tools/{quote(call, safe='')}"


async def refused(api: Api, path: str, body: JSON, status: int, code: str) -> str:
    response = await api("POST", path, body)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    return response.json()["message"]


async def done(api: Api, path: str, body: JSON) -> JSON:
    response = await api("POST", path, body)
    assert response.status_code == 200, response.text
    return response.json()


async def waits(api: Api, session: str, what: str) -> JSON:
    """The call, once it has this."""
    found: list[JSON] = []

    async def has() -> bool:
        answer = (await api.transcript(session))["messages"][-1]
        found[:] = [part for part in answer["parts"] if what in part]
        return bool(found)

    await eventually(has)
    return found[0]


async def test_a_kernels_call_from_the_offer_to_the_result(api: Api, agent: Calling) -> None:
    agent.calls = (("plot", {}),)
    session = await api.session()
    await done(api, f"api/sessions/{session}/offers", {"runner": "r1", "kernel": "k", "tools": [PLOT]})
    assert (await api.transcript(session))["offers"][0]["tools"][0]["name"] == "plot"
    await api.send(session)
    await waits(api, session, "waitsFor")
    path = call_path(session)
    async with api.stream(f"api/events?after={session}:0&runner=r1"):
        await refused(api, path, {"output": 1, "runner": "r1"}, 409, "not-waiting")
        await done(api, path, {"runner": "r1", "started": True})
        await refused(api, path, {"runner": "r2", "started": True}, 409, "already-started")
        await done(api, path, {"runner": "r1", "progress": 1, "total": 2, "log": "a line"})
        await done(api, path, {"runner": "r1", "output": {"rows": 3}})
        await done(api, path, {"runner": "r1", "output": {"rows": 3}})
        await refused(api, path, {"runner": "r1", "output": {"rows": 4}}, 409, "already-answered")
        await refused(api, path, {"runner": "r1", "error": "no"}, 409, "already-answered")
    answer = (await api.settled(session))["messages"][-1]
    assert answer["metadata"]["outcome"] == "completed" and answer["parts"][1]["output"] == {"rows": 3}
    assert agent.requests[0].tools[0].name == "plot"


async def test_an_approval_has_one_answer(api: Api, agent: Calling) -> None:
    agent.calls = (("look", {}),)
    session = await api.session()
    await done(api, f"api/sessions/{session}/offers", {"runner": "r1", "kernel": "k", "tools": [LOOK]})
    await api.send(session)
    approval = (await waits(api, session, "approval"))["approval"]["id"]
    path = f"api/sessions/{session}/approvals/{approval}"
    answer = await done(api, path, {"approved": False, "reason": "Not that."})
    assert answer["approved"] is False and answer["by"]["username"]
    await done(api, path, {"approved": False, "reason": "Not that."})
    await refused(api, path, {"approved": True}, 409, "already-answered")
    await refused(api, f"api/sessions/{session}/approvals/a_0", {"approved": True}, 404, "unknown-approval")
    assert (await api.settled(session))["messages"][-1]["parts"][1]["state"] == "output-denied"


async def test_a_question_takes_what_answers_it(api: Api, agent: Calling) -> None:
    agent.calls = (("ask_user", {"questions": [{"question": "Which?", "options": [{"label": "A"}, {"label": "B"}]}]}),)
    session = await api.session()
    await done(api, f"api/sessions/{session}/offers", {"runner": "r1", "kernel": "k", "tools": [PLOT]})
    await api.send(session)
    await waits(api, session, "waitsFor")
    path = call_path(session)
    wrong = {"output": {"action": "accept", "answers": {"1": "C"}}}
    assert "'C'" in await refused(api, path, wrong, 400, "malformed")
    await refused(api, path, {"error": "no"}, 400, "malformed")
    await refused(api, path, {"runner": "r1", "started": True}, 409, "not-waiting")
    await done(api, path, {"output": {"action": "accept", "answers": {"1": "B"}}})
    assert (await api.settled(session))["messages"][-1]["metadata"]["outcome"] == "completed"


async def test_what_is_no_offer(api: Api) -> None:
    session = await api.session()
    path = f"api/sessions/{session}/offers"
    bad = {**PLOT, "name": "rm -rf"}
    assert "'rm -rf'" in await refused(api, path, {"runner": "r", "tools": [bad]}, 400, "malformed")
    assert "twice" in await refused(api, path, {"runner": "r", "tools": [PLOT, PLOT]}, 400, "malformed")
    await refused(api, path, {"tools": [PLOT]}, 400, "malformed")
    await refused(api, path, {"runner": "", "tools": []}, 400, "malformed")
    await refused(api, path, {"runner": "r", "tools": [PLOT | {"approval": "perhaps"}]}, 400, "malformed")


async def test_what_is_no_result(api: Api) -> None:
    session = await api.session()
    await refused(api, call_path(session), {"output": 1}, 404, "unknown-call")
    await refused(api, call_path(session), {}, 400, "malformed")
    await refused(api, call_path(session), {"output": 1, "error": "no"}, 400, "malformed")


async def test_how_a_message_is_answered_is_checked(api: Api) -> None:
    session = await api.session()
    body = {"client_id": "c", "text": "Why?"}
    path = f"api/sessions/{session}/messages"
    await refused(api, path, {**body, "mode": "dance"}, 400, "malformed")
    assert "'most'" in await refused(api, path, {**body, "effort": "most"}, 400, "unknown-effort")
    response = await api("PATCH", f"api/sessions/{session}", {"mode": "plan", "budget": {"tokens": 5}})
    assert (response.json()["mode"], response.json()["budget"]) == ("plan", {"tokens": 5})


async def test_what_can_be_chosen(api: Api) -> None:
    answer = (await api("GET", "api/agents")).json()
    assert answer["modes"] == ["ask", "plan", "act"] and answer["tools"] == []
    assert all("efforts" in agent for agent in answer["agents"])
