"""A step that asks for calls, and the step after it, in every provider's words."""

import asyncio
import json
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import ToolSpec
from tests.agents.asking import CHAT, INSTRUCTIONS, MODELS, agent_at, ask, assistant, finish, folded, kinds, text, user
from tests.agents.conftest import Aimock
from tests.agents.raw import DIALECTS, Connection, Dialect, RawProvider, data, named, says

every_provider = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)

WEIGH = ToolSpec(
    "weigh",
    "Puts a crate on the scales.",
    {"type": "object", "properties": {"crate": {"type": "string"}}, "required": ["crate"]},
)

QUESTION = "What weigh the crates?"


def calls(chunks: list[e.Chunk]) -> list[e.ToolInputAvailable]:
    return [chunk for chunk in chunks if isinstance(chunk, e.ToolInputAvailable)]


# aimock's Gemini ends calls with a reason that Gemini does not have.
@pytest.mark.filterwarnings("ignore:FUNCTION_CALL is not a valid FinishReason")
@every_provider
async def test_calls_end_a_step_and_their_results_begin_the_next(aimock: Aimock, model: str) -> None:
    agent = agent_at(aimock.url)
    first = await ask(agent, QUESTION, model, tools=[WEIGH])

    asked = calls(first)
    assert [(call.tool_name, call.input) for call in asked] == [("weigh", {"crate": "A"}), ("weigh", {"crate": "B"})]
    last = finish(first)
    assert last and last.finish_reason == "tool-calls"
    assert text(first) == "I put them on the scales."
    assert len({call.tool_call_id for call in asked}) == 2
    (body,) = await asyncio.to_thread(aimock.requests)
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weigh"]

    results = (
        e.ToolOutputAvailable(tool_call_id=asked[0].tool_call_id, output={"kg": 7}),
        e.ToolOutputError(tool_call_id=asked[1].tool_call_id, error_text="The scales are broken."),
    )
    second = await ask(agent, [user(QUESTION), folded(first, *results)], model, tools=[WEIGH])

    assert text(second) == "Together they weigh 15 kg."
    last = finish(second)
    assert last and last.finish_reason == "stop"
    (body,) = await asyncio.to_thread(aimock.requests)
    system, question, *answers = body["messages"]
    returned = answers[-2:]
    called = [call for message in answers for call in message.get("tool_calls", [])]
    assert (system["content"], question["content"]) == (INSTRUCTIONS, QUESTION)
    assert [json.loads(call["function"]["arguments"]) for call in called] == [{"crate": "A"}, {"crate": "B"}]
    assert [message["role"] for message in returned] == ["tool", "tool"]
    assert "7" in returned[0]["content"] and "scales are broken" in returned[1]["content"]
    assert [call["id"] for call in called] == [message["tool_call_id"] for message in returned]


async def test_a_call_is_written_in_pieces(aimock: Aimock) -> None:
    chunks = await ask(agent_at(aimock.url), QUESTION, CHAT, tools=[WEIGH])

    assert kinds(chunks) == [
        *(e.StartStep, e.TextStart, e.TextDelta, e.TextEnd),
        *(e.ToolInputStart, e.ToolInputDelta, e.ToolInputAvailable) * 2,
        *(e.FinishStep, e.Finish),
    ]
    written = [chunk.input_text_delta for chunk in chunks if isinstance(chunk, e.ToolInputDelta)]
    assert "".join(written) == '{"crate":"A"}{"crate":"B"}'


@pytest.mark.parametrize("model", [MODELS[name] for name in ("responses", "chat", "ollama")])
async def test_arguments_that_are_no_json_are_a_call_with_its_result(aimock: Aimock, model: str) -> None:
    agent = agent_at(aimock.url)
    chunks = await ask(agent, "Weigh it badly", model, tools=[WEIGH])

    (error,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolInputError)]
    assert not calls(chunks)
    assert "weigh" in error.error_text and "JSON object" in error.error_text
    last = finish(chunks)
    assert last and last.finish_reason == "tool-calls"

    await asyncio.to_thread(aimock.requests)
    await ask(agent, [user("Weigh it badly"), folded(chunks)], model, tools=[WEIGH])
    (body,) = await asyncio.to_thread(aimock.requests)
    assert body["messages"][-1]["role"] == "tool" and "no JSON object" in body["messages"][-1]["content"]


def chat_calls(*called: tuple[str, str]) -> list[str]:
    """An OpenAI-compatible answer with these calls: (id, arguments)."""
    pieces = [
        {"index": i, "id": call_id, "type": "function", "function": {"name": "weigh", "arguments": arguments}}
        for i, (call_id, arguments) in enumerate(called)
    ]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "mock"}
    return [
        *(data(head | {"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]}) for piece in pieces),
        data(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        "data: [DONE]\n\n",
    ]


@pytest.mark.parametrize("levels", [e.MAX_DEPTH + 1, 980, 100_000])
async def test_arguments_that_nest_too_deep_are_a_call_with_its_result(levels: int) -> None:
    arguments = '{"crate":' * levels + "1" + "}" * levels
    async with RawProvider(says(*chat_calls(("call_1", arguments)))) as provider:
        chunks = await ask(agent_at(provider.url), QUESTION, CHAT, tools=[WEIGH])

    (error,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolInputError)]
    assert not calls(chunks)
    assert "64 levels" in error.error_text


async def test_an_id_that_is_there_already_is_minted_anew() -> None:
    pieces = chat_calls(("call_1", '{"crate": "A"}'), ("call_1", '{"crate": "B"}'))
    async with RawProvider(says(*pieces)) as provider:
        first = await ask(agent_at(provider.url), QUESTION, CHAT, tools=[WEIGH])
        before = [call.tool_call_id for call in calls(first)]
        results = [e.ToolOutputAvailable(tool_call_id=call_id, output=1) for call_id in before]
        again = await ask(agent_at(provider.url), [user(QUESTION), folded(first, *results)], CHAT, tools=[WEIGH])

    ids = [*before, *(call.tool_call_id for call in calls(again))]
    assert len(set(ids)) == len(ids) == 4
    started = [chunk.tool_call_id for chunk in (*first, *again) if isinstance(chunk, e.ToolInputStart)]
    assert started == ids


@pytest.mark.parametrize("arguments", ["", "{}", "  "])
async def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    async with RawProvider(says(*chat_calls(("call_1", arguments)))) as provider:
        (call,) = calls(await ask(agent_at(provider.url), QUESTION, CHAT, tools=[WEIGH]))
    assert call.input == {}


@pytest.mark.parametrize("arguments", ["[1]", '"A"', "null", '{"crate": NaN}', "{" * 5000])
async def test_what_is_no_object_is_an_error(arguments: str) -> None:
    async with RawProvider(says(*chat_calls(("call_1", arguments)))) as provider:
        chunks = await ask(agent_at(provider.url), QUESTION, CHAT, tools=[WEIGH])
    assert not calls(chunks)
    (error,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolInputError)]
    assert error.input == arguments


async def test_a_call_that_is_cut_off_is_no_call() -> None:
    async with RawProvider(says(*chat_calls(("call_1", '{"crate": "A'))[:1])) as provider:
        chunks = await ask(agent_at(provider.url), QUESTION, CHAT, tools=[WEIGH])

    assert kinds(chunks) == [e.StartStep, e.ToolInputStart, e.ToolInputDelta]


# What was called before


def called(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {"type": "dynamic-tool", "toolName": name, "toolCallId": f"c_{name}", "state": state, **more}


async def body_of(dialect: Dialect, *messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the provider is really sent."""
    async with RawProvider(says(*dialect.hello, *dialect.finish)) as provider:
        await ask(agent_at(provider.url), messages, dialect.model, **more)
        (request,) = provider.requests
    return json.loads(request.partition(b"\r\n\r\n")[2])


def after(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    """A conversation in which the assistant did this before it answered."""
    answer = assistant("Done.")
    answer["parts"][:0] = [{"type": "step-start"}, *parts]
    return [user("Do it"), answer, user("And now?")]


MAY_NOT = {
    "chat": lambda body: body["tool_choice"] == "none" and [t["function"]["name"] for t in body["tools"]] == ["look"],
    "responses": lambda body: body["tool_choice"] == "none" and [tool["name"] for tool in body["tools"]] == ["look"],
    "anthropic": lambda body: body["tool_choice"] == {"type": "none"} and body["tools"][0]["name"] == "look",
    "gemini": lambda body: (
        body["toolConfig"]["functionCallingConfig"]["mode"] == "NONE"
        and body["tools"][0]["functionDeclarations"][0]["name"] == "look"
    ),
    "ollama": lambda body: "tools" not in body and "tool_choice" not in body,
}


@pytest.mark.parametrize("name", DIALECTS)
async def test_without_tools_a_history_with_calls_is_still_taken(name: str) -> None:
    conversation = after(called("look", "output-available", input={"at": "df"}, output="3 rows"))
    body = await body_of(DIALECTS[name], *conversation)

    assert MAY_NOT[name](body), json.dumps(body, indent=1)
    assert "3 rows" in json.dumps(body)


@every_dialect
async def test_without_tools_and_calls_no_tool_is_named(dialect: Dialect) -> None:
    body = await body_of(dialect, user("Hello"))
    assert not body.get("tools") and "tool_choice" not in body and "toolConfig" not in body


UNDONE = {
    "never run": called("look", "input-available", input={}),
    "waiting": called("look", "approval-requested", input={}, approval={"id": "a"}),
    "stopped": called("look", "output-error", input={}, errorText="stopped"),
    "preliminary": called("look", "output-available", input={}, output="half", preliminary=True),
}


@pytest.mark.parametrize("part", UNDONE.values(), ids=UNDONE)
async def test_a_call_without_a_result_is_told_as_an_error(part: dict[str, Any]) -> None:
    body = await body_of(DIALECTS["anthropic"], *after(part))
    (result,) = body["messages"][2]["content"]
    assert result["tool_use_id"] == "c_look" and result["is_error"]
    assert "not finished" in json.dumps(result) and "half" not in json.dumps(result)


async def test_a_denial_is_told_with_its_reason() -> None:
    denied = called(
        "run", "output-denied", input={}, approval={"id": "a", "approved": False, "reason": "Not on Friday"}
    )
    body = await body_of(DIALECTS["chat"], *after(denied))
    assert body["messages"][3]["role"] == "tool"
    assert body["messages"][3]["content"] == "The user did not allow this call: Not on Friday"


async def test_what_happened_inside_a_call_is_not_told() -> None:
    nested = [{"type": "text", "text": "A secret thought", "state": "done"}]
    part = called("ask", "output-available", input={}, output="42", parts=nested)
    body = await body_of(DIALECTS["chat"], *after(part, {"type": "data-note", "data": {"text": "drawn"}}))
    assert "secret thought" not in json.dumps(body) and "drawn" not in json.dumps(body)


async def test_a_call_cut_off_while_it_was_written_is_left_out() -> None:
    part = called("look", "output-error", rawInput='{"at', errorText="stopped")
    body = await body_of(DIALECTS["chat"], *after(part))
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "user"]
    assert "tool_calls" not in body["messages"][2]


# What providers want back


async def test_a_signature_goes_back_to_who_signed_and_to_nobody_else() -> None:
    thought = {
        "type": "reasoning",
        "text": "Hm.",
        "state": "done",
        "providerMetadata": {"pydantic_ai": {"signature": "sig-1", "provider_name": "anthropic"}},
    }
    conversation = after(thought, called("look", "output-available", input={}, output="3 rows"))

    sent = await body_of(DIALECTS["anthropic"], *conversation)
    assert sent["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": "sig-1"}
    for name in ("chat", "responses", "gemini", "ollama"):
        assert "Hm." not in json.dumps(await body_of(DIALECTS[name], *conversation)), name


async def test_what_a_provider_signs_survives_the_log() -> None:
    signed = {"functionCall": {"name": "weigh", "args": {"crate": "A"}}, "thoughtSignature": "c2lnbmVk"}
    candidate = {"index": 0, "content": {"role": "model", "parts": [signed]}, "finishReason": "STOP"}
    bodies: list[Any] = []

    async def script(connection: Connection) -> None:
        bodies.append(json.loads(connection.request.partition(b"\r\n\r\n")[2]))
        await says(data({"candidates": [candidate], "modelVersion": "mock", "responseId": "g"}))(connection)

    async with RawProvider(script) as provider:
        agent = agent_at(provider.url)
        first = await ask(agent, QUESTION, "google:gemini-3-pro-preview", tools=[WEIGH])
        (call,) = calls(first)
        answer = folded(first, e.ToolOutputAvailable(tool_call_id=call.tool_call_id, output={"kg": 7}))
        await ask(agent, [user(QUESTION), answer], "google:gemini-3-pro-preview", tools=[WEIGH])

    model, returned = bodies[1]["contents"][1:]
    assert model["parts"][0]["thoughtSignature"] == "c2lnbmVk"
    assert model["parts"][0]["functionCall"]["args"] == {"crate": "A"}
    assert returned["parts"][0]["functionResponse"]["response"] == {"kg": 7}


async def test_openais_items_go_back_with_their_ids_and_in_their_order() -> None:
    """It refuses a thought without what followed it."""
    thought = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "sealed"}
    call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "weigh", "arguments": '{"crate": "A"}'}
    state = {"id": "r", "object": "response", "created_at": 1, "model": "gpt-5", "output": []}
    state |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    kinds_and_items = [("added", 0, thought), ("done", 0, thought), ("added", 1, call), ("done", 1, call)]
    events = [
        {"type": "response.created", "response": state | {"status": "in_progress"}},
        *({"type": f"response.output_item.{k}", "output_index": i, "item": item} for k, i, item in kinds_and_items),
        {"type": "response.completed", "response": state | {"status": "completed"}},
    ]
    pieces = [named(event | {"sequence_number": number}) for number, event in enumerate(events)]
    async with RawProvider(says(*pieces)) as provider:
        agent = agent_at(provider.url)
        first = await ask(agent, QUESTION, "openai:gpt-5", tools=[WEIGH])
        done = folded(first, e.ToolOutputAvailable(tool_call_id="call_1", output={"kg": 7}))
        await ask(agent, [user(QUESTION), done], "openai:gpt-5", tools=[WEIGH])
        sent = json.loads(provider.requests[1].partition(b"\r\n\r\n")[2])["input"]

    assert [(item.get("type"), item.get("id")) for item in sent[-3:]] == [
        ("reasoning", "rs_1"),
        ("function_call", "fc_1"),
        ("function_call_output", None),
    ]
    assert sent[-3]["encrypted_content"] == "sealed" and sent[-1]["call_id"] == "call_1"
