"""The AI SDK's dialect without the SDK, which `tests/ai_sdk` has: what it refuses, and what is told to whom."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from jupyter_durable_chat import events as e
from tests.scripted import Scripted
from tests.server.conftest import Api, take
from tests.server.test_calls import PLOT

JSON = dict[str, Any]


def said(text: str = "Why?", message_id: str = "u1", **more: Any) -> JSON:
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}], **more}


def asking(*messages: JSON, **more: Any) -> JSON:
    return {"id": "a chat", "messages": list(messages or [said()]), "agent": "scripted", **more}


@contextlib.asynccontextmanager
async def streamed(api: Api, method: str, path: str, body: Any = None, **headers: str) -> AsyncIterator[Any]:
    """The chunks of an answer, as they come; leaving closes the connection."""
    content = None if body is None else json.dumps(body).encode()
    url, headers = f"{api.url}ai-sdk/{path}", api.headers | headers
    async with api.client.stream(method, url, content=content, headers=headers, timeout=20) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert response.headers["content-type"].startswith("text/event-stream")

        async def chunks() -> AsyncIterator[JSON]:
            async for line in response.aiter_lines():
                if line == "data: [DONE]":
                    return
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))
            raise AssertionError("the stream ends without saying so")

        yield chunks()


async def whole(api: Api, body: JSON) -> list[JSON]:
    async with streamed(api, "POST", "chat", body) as chunks:
        return [chunk async for chunk in chunks]


def types(chunks: list[JSON]) -> list[str]:
    return [chunk["type"] for chunk in chunks]


async def session_of(api: Api, chat_id: str = "a chat") -> str:
    (head,) = await api.chat.registry.log.streams(labels={"notebook": f"ai-sdk:{chat_id}"})
    return head.stream


WRONG: list[tuple[Any, str]] = [
    (b"{", "not JSON"),
    ({}, "id"),
    ({"id": "c", "messages": []}, "messages is empty"),
    ({"id": "", "messages": [said()]}, "id takes 1 to 200"),
    ({"id": "a\u0000b", "messages": [said()]}, "id takes 1 to 200"),
    ({"id": "c" * 201, "messages": [said()]}, "id takes 1 to 200"),
    ({"id": "c", "messages": [said(), "x"]}, "messages[1]"),
    ({"id": "c", "messages": [{}]}, "role 'user'"),
    ({"id": "c", "messages": [said(role="system")]}, "role 'user'"),
    ({"id": "c", "messages": [said(role="assistant")]}, "role 'user'"),
    ({"id": "c", "messages": [{"role": "assistant", "parts": []}]}, "role 'user'"),
    ({"id": "c", "messages": [{"role": "assistant"}], "messageId": ""}, "role 'user'"),
    ({"id": "c", "messages": [said(message_id="u" * 171)]}, "id, 1 to 170"),
    ({"id": "c", "messages": [said() | {"id": 7}]}, "id, 1 to 170"),
    ({"id": "c", "messages": [said(parts=None)]}, "no parts"),
    ({"id": "c", "messages": [said(parts=["x"])]}, "no parts"),
    ({"id": "c", "messages": [said(parts=[])]}, "text is empty"),
    ({"id": "c", "messages": [said(" ")]}, "text is empty"),
    ({"id": "c", "messages": [said(parts=[{"type": "text", "text": 7}])]}, "parts[0].text takes a string"),
    ({"id": "c", "messages": [said(parts=[{"type": "tool-x", "toolCallId": "1"}])]}, "'tool-x'"),
    ({"id": "c", "messages": [said(parts=[{"type": "file", "mediaType": "x", "url": "attachment:0"}])]}, "attachment"),
    ({"id": "c", "messages": [said()], "trigger": "submit"}, "trigger"),
    ({"id": "c", "messages": [said()], "agent": "nobody"}, "nobody"),
    ({"id": "c", "messages": [said()], "agent": "scripted", "effort": "much"}, "effort"),
]


@pytest.mark.parametrize(("body", "says"), WRONG)
async def test_what_is_wrong_is_refused_with_the_word(api: Api, body: Any, says: str) -> None:
    response = await api("POST", "ai-sdk/chat", body)
    assert response.status_code == 400, response.text
    assert says in response.json()["message"]


async def test_who_may_not_is_refused(api: Api) -> None:
    for method, path in (("POST", "ai-sdk/chat"), ("GET", "ai-sdk/chat/c/stream")):
        response = await api.client.request(method, api.url + path, json=asking() if method == "POST" else None)
        assert response.status_code == 403, response.text
    assert (await api("POST", "ai-sdk/chat", asking(), headers={"X-AI-SDK-Version": "4"})).status_code == 400
    assert (await api("GET", "ai-sdk/chat", None)).status_code == 405
    assert (await api("POST", "ai-sdk/chat", asking(said("x" * 10_000)))).status_code == 413


async def test_a_page_of_another_origin_may_say_its_version(api: Api) -> None:
    for path in ("ai-sdk/chat", "ai-sdk/chat/c/stream"):
        answer = await api.client.options(api.url + path, headers={"Origin": "http://elsewhere"})
        assert answer.status_code == 200
        assert "x-ai-sdk-version" in answer.headers["access-control-allow-headers"]


async def test_nothing_runs(api: Api, agent: Scripted) -> None:
    assert (await api("GET", f"ai-sdk/chat/{quote('no chat/ä')}/stream")).status_code == 204
    assert (await api("GET", f"ai-sdk/chat/{'c' * 201}/stream")).status_code == 400
    unknown = {**asking(), "id": "s_" + "0" * 20}
    assert (await api("POST", "ai-sdk/chat", unknown)).json()["code"] == "unknown-session"
    session = await api.session()
    await api("DELETE", f"api/sessions/{session}")
    assert (await api("GET", f"ai-sdk/chat/{session}/stream")).status_code == 410
    assert (await api("POST", "ai-sdk/chat", {**asking(), "id": session})).status_code == 410


async def test_a_chat_is_the_session_that_it_names(api: Api, agent: Scripted) -> None:
    session = await api.session()
    agent.say_text("Because.")
    agent.finish()
    chunks = await whole(api, {**asking(), "id": session})
    assert types(chunks) == ["start", "text-start", "text-delta", "text-end", "finish"]
    assert chunks[0]["messageMetadata"]["session"] == session
    assert (await api.transcript(session))["messages"][1]["id"] == chunks[0]["messageId"]


async def test_transient_data_is_told_to_who_is_there(api: Api, agent: Scripted) -> None:
    note: Any = e.Data(type="data-note", data={"n": 1}, transient=True)
    async with streamed(api, "POST", "chat", asking()) as chunks:
        assert (await anext(chunks))["type"] == "start"
        agent.say(note)
        assert await anext(chunks) == {"type": "data-note", "data": {"n": 1}, "transient": True}
        agent.say_text("Because.")
        agent.finish()
        assert types([chunk async for chunk in chunks]) == ["text-start", "text-delta", "text-end", "finish"]
    assert types(await whole(api, asking())) == ["start", "text-start", "text-delta", "text-end", "finish"]


async def test_the_same_message_is_sent_once(api: Api, agent: Scripted) -> None:
    agent.say_text("Because.")
    agent.finish()
    first, again = await whole(api, asking()), await whole(api, asking())
    assert first[1:] == again[1:] and first[0]["messageId"] == again[0]["messageId"]
    response = await api("POST", "ai-sdk/chat", asking(said("Something else.")))
    assert response.json()["code"] == "client-id-reused"
    assert len(agent.requests) == 1


async def test_a_deleted_chat_begins_anew_and_who_reads_it_is_told(api: Api, agent: Scripted) -> None:
    async with streamed(api, "POST", "chat", asking()) as chunks:
        assert (await anext(chunks))["type"] == "start"
        await api("DELETE", f"api/sessions/{await session_of(api)}")
        assert types([chunk async for chunk in chunks])[-1] in ("error", "abort")
    assert (await api("GET", f"ai-sdk/chat/{quote('a chat')}/stream")).status_code == 204
    agent.say_text("Again.")
    agent.finish()
    assert types(await whole(api, asking()))[-1] == "finish"


async def test_a_message_that_is_removed_from_the_queue_ends_its_stream(api: Api, agent: Scripted) -> None:
    async with streamed(api, "POST", "chat", asking()) as first:
        await anext(first)
        waiting = asyncio.create_task(whole(api, asking(said("Then?", "u2"))))
        session = await session_of(api)
        async with api.stream(f"api/sessions/{session}/events") as stream:
            queued = (await take(stream, lambda event: event.data.get("type") == "message-queued"))[-1].data
        await api("DELETE", f"api/sessions/{session}/queue/{queued['message_id']}")
        (chunk,) = await waiting
        assert chunk["type"] == "error" and "removed" in chunk["errorText"]
        busy = await api("POST", "ai-sdk/chat", asking(trigger="regenerate-message"))
        assert (busy.status_code, busy.json()["code"]) == (409, "turn-running")
        agent.finish()
        assert types([chunk async for chunk in first])[-1] == "finish"


async def test_who_goes_on_has_the_beginning_and_lacks_something(api: Api, agent: Scripted) -> None:
    agent.say_text("Because.")
    agent.finish()
    answer_id = (await whole(api, asking()))[0]["messageId"]

    async def goes_on(message_id: str, *parts: JSON) -> Any:
        answer = {"id": message_id, "role": "assistant", "parts": list(parts)}
        return await api("POST", "ai-sdk/chat", asking(said(), answer, messageId=message_id))

    text = {"type": "text", "text": "Because.", "state": "done"}
    assert (await goes_on(answer_id, text)).json()["code"] == "nothing-to-continue"
    assert (await goes_on(answer_id, {"type": "step-start"})).json()["code"] == "other-message"
    assert (await goes_on(answer_id, text, text)).json()["code"] == "other-message"
    assert (await goes_on("m_0", text)).json()["code"] == "unknown-message"
    half = (await goes_on(answer_id, {"type": "text", "text": "Beca"})).text
    assert '"delta":"use."' in half and half.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("version", ["5", "6"])
async def test_an_approval_ends_the_stream_and_what_it_allows_follows(api: Api, agent: Scripted, version: str) -> None:
    session = await api.session()
    plot = PLOT | {"approval": "always"}
    await api("POST", f"api/sessions/{session}/offers", {"runner": "r1", "tools": [plot]})
    agent.say(
        e.StartStep(),
        e.ToolInputStart(tool_call_id="c1", tool_name="plot"),
        e.ToolInputDelta(tool_call_id="c1", input_text_delta='{"n": 3}'),
        e.ToolInputAvailable(tool_call_id="c1", tool_name="plot", input={"n": 3}),
        e.FinishStep(finish_reason="tool-calls"),
        e.Finish(finish_reason="tool-calls"),
        None,
    )
    body = {**asking(), "id": session}
    async with streamed(api, "POST", "chat", body, **{"X-AI-SDK-Version": version}) as coming:
        chunks = [chunk async for chunk in coming]
    (approval,) = (await api.transcript(session))["approvals"]
    asked = next(chunk for chunk in chunks if "approval" in chunk["type"])
    assert types(chunks)[-1] == "finish" and types(chunks)[0] == "start"
    if version == "5":
        data = {"approvalId": approval["id"], "toolCallId": "c1", "toolName": "plot", "input": {"n": 3}}
        assert asked == {"type": "data-approval-request", "data": data, "transient": True}
    else:
        assert asked == {"type": "tool-approval-request", "approvalId": approval["id"], "toolCallId": "c1"}
    call = {"type": "dynamic-tool", "toolCallId": "c1", "toolName": "plot", "input": {"n": 3}}
    answered = {"state": "approval-responded", "approval": {"id": approval["id"], "approved": False, "reason": "no"}}
    answer = {"id": chunks[0]["messageId"], "role": "assistant", "parts": [{"type": "step-start"}, call | answered]}
    agent.say_text("Then not.")
    agent.finish()
    body = {"id": session, "messages": [answer], "messageId": answer["id"]}
    async with streamed(api, "POST", "chat", body, **{"X-AI-SDK-Version": version}) as coming:
        chunks = [chunk async for chunk in coming]
    denied = "tool-output-error" if version == "5" else "tool-output-denied"
    assert types(chunks)[:2] == ["start", denied] and types(chunks)[-1] == "finish"
    assert [chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta"] == ["Then not."]
    other = {**answered, "approval": {**answered["approval"], "approved": True}}
    parts = [{"type": "step-start"}, call | other]
    late = await api("POST", "ai-sdk/chat", body | {"messages": [{**answer, "parts": parts}]})
    assert late.status_code == 200 and "tool-output-denied" in late.text
