"""What models say beside plain text: thoughts, files, sources, and what the provider does itself."""

import json
from typing import Any

import pytest
from pydantic_ai import Agent as ForeignAgent
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.native_tools import WebSearchTool

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import ToolSpec
from jupyter_durable_chat.agents.exported import ExportedAgent
from tests.agents.asking import agent_at, ask, finish, folded, kinds, reasoning, text, user
from tests.agents.raw import DIALECTS, RawProvider, data, named, says

LOOK = ToolSpec("look", "", {"type": "object", "properties": {}})


def anthropic(*blocks: tuple[dict[str, Any], list[dict[str, Any]]], stop: str = "end_turn") -> list[str]:
    """An answer of Anthropic's with these blocks: how each begins, and its deltas."""
    pieces = [DIALECTS["anthropic"].hello[0]]
    for index, (block, deltas) in enumerate(blocks):
        pieces += [
            named({"type": "content_block_start", "index": index, "content_block": block}),
            *(named({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas),
            named({"type": "content_block_stop", "index": index}),
        ]
    end = DIALECTS["anthropic"].finish[1].replace("end_turn", stop)
    return [*pieces, end, DIALECTS["anthropic"].finish[2]]


def writes(said: str, *more: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": said}, *more]


async def answer(*pieces: str, model: str = "anthropic:mock", **more: Any) -> list[e.Chunk]:
    async with RawProvider(says(*pieces)) as provider:
        return await ask(agent_at(provider.url), "Anything", model, **more)


CITED = {
    "type": "citations_delta",
    "citation": {
        **{"type": "web_search_result_location", "cited_text": "42", "encrypted_index": "x"},
        **{"url": "https://example.org/a", "title": "An example"},
    },
}


async def test_texts_in_a_row_are_one_and_their_sources_are_named_once() -> None:
    chunks = await answer(*anthropic(writes("It is "), writes("42", CITED), writes(", or so", CITED)))

    assert text(chunks) == "It is 42, or so"
    assert len([chunk for chunk in chunks if isinstance(chunk, e.TextStart | e.TextEnd)]) == 2
    (source,) = [chunk for chunk in chunks if isinstance(chunk, e.SourceUrl)]
    assert (source.url, source.title) == ("https://example.org/a", "An example")
    last = finish(chunks)
    assert last and last.finish_reason == "stop"


SEARCHES = [
    (
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
        [{"type": "input_json_delta", "partial_json": '{"query": "length"}'}],
    ),
    (
        {
            **{"type": "web_search_tool_result", "tool_use_id": "srv_1"},
            "content": [{"type": "web_search_result", "url": "https://a.org/", "title": "A", "encrypted_content": "x"}],
        },
        [],
    ),
    writes("It is 42"),
]


async def test_what_the_provider_does_itself_is_shown_with_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    searching = ExportedAgent("searching", ForeignAgent(capabilities=[NativeTool(WebSearchTool())]))
    async with RawProvider(says(*anthropic(*SEARCHES))) as provider:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-a")
        chunks = await ask(searching, "How long?", "anthropic:mock")

    (call,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolInputAvailable)]
    (result,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolOutputAvailable)]
    assert (call.provider_executed, call.input) == (True, {"query": "length"})
    assert result.tool_call_id == call.tool_call_id
    assert "https://a.org/" in json.dumps(result.output)
    last = finish(chunks)
    assert last and last.finish_reason == "stop", "nobody else has anything to run"


async def test_a_result_of_nothing_that_was_asked_for_is_left_out() -> None:
    chunks = await answer(*anthropic(*SEARCHES))
    assert kinds(chunks) == [e.StartStep, e.TextStart, e.TextDelta, e.TextEnd, e.FinishStep, e.Finish]


async def test_a_signed_thought_goes_back_with_its_call() -> None:
    thought = {"type": "thinking", "thinking": "", "signature": ""}
    hm = [{"type": "thinking_delta", "thinking": "Hm."}, {"type": "signature_delta", "signature": "sig-1"}]
    use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    async with RawProvider(says(*anthropic((thought, hm), (use, []), stop="tool_use"))) as provider:
        agent = agent_at(provider.url)
        first = await ask(agent, "Anything", "anthropic:mock", tools=[LOOK])
        done = folded(first, e.ToolOutputAvailable(tool_call_id="toolu_1", output="3 rows"))
        await ask(agent, [user("Anything"), done], "anthropic:mock", tools=[LOOK])
        sent = json.loads(provider.requests[1].partition(b"\r\n\r\n")[2])["messages"]

    assert reasoning(first) == "Hm."
    assert kinds(first)[1:4] == [e.ReasoningStart, e.ReasoningDelta, e.ReasoningEnd]
    assert sent[1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig-1"},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
    ]


async def test_a_picture_that_the_model_draws_is_a_file() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    candidate = {"index": 0, "content": {"role": "model", "parts": [picture]}, "finishReason": "STOP"}
    chunks = await answer(
        data({"candidates": [candidate], "modelVersion": "mock", "responseId": "g"}), model="google:mock"
    )

    (file,) = [chunk for chunk in chunks if isinstance(chunk, e.File)]
    assert (file.media_type, file.url) == ("image/png", "data:image/png;base64,iVBORw0KGgo=")
    assert finish(chunks)


def counted(model: str) -> list[str]:
    """An OpenAI-compatible answer that counts its tokens."""
    chat = DIALECTS["chat"]
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": []}
    pieces = [*chat.hello, chat.finish[0], data(head | {"usage": usage})]
    return [piece.replace('"mock"', f'"{model}"') for piece in pieces]


async def test_what_it_cost_and_how_full_the_context_is() -> None:
    last = finish(await answer(*counted("gpt-4o"), model="openai-chat:gpt-4o"))

    assert last and last.message_metadata
    usage, context = last.message_metadata["usage"], last.message_metadata["context"]
    assert usage == {"input_tokens": 1000, "output_tokens": 100, "cost_usd": usage["cost_usd"]}
    assert usage["cost_usd"] == pytest.approx(1000 * 2.5e-6 + 100 * 10e-6)
    assert context == {"tokens": 1100, "window": 128_000}


async def test_of_an_unknown_model_only_the_tokens_are_known() -> None:
    last = finish(await answer(*counted("mock"), model="openai-chat:mock"))
    assert last and last.message_metadata == {
        "usage": {"input_tokens": 1000, "output_tokens": 100},
        "context": {"tokens": 1100},
    }


HARD = {
    "chat": ("openai-chat:gpt-5", lambda body: body["reasoning_effort"] == "high"),
    "responses": ("openai:gpt-5", lambda body: body["reasoning"]["effort"] == "high"),
    "anthropic": ("anthropic:claude-opus-4-6", lambda body: body["output_config"]["effort"] == "high"),
    "gemini": ("google:gemini-2.5-flash", lambda body: body["generationConfig"]["thinkingConfig"]),
}


@pytest.mark.parametrize("name", HARD)
async def test_the_effort_is_in_the_providers_own_words(name: str) -> None:
    model, is_hard = HARD[name]
    dialect = DIALECTS[name]
    async with RawProvider(says(*dialect.hello, *dialect.finish)) as provider:
        await ask(agent_at(provider.url), "Anything", model, effort="high")
        (request,) = provider.requests
    assert is_hard(json.loads(request.partition(b"\r\n\r\n")[2]))
