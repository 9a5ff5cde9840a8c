"""An answer that the provider goes on with while nobody listens is taken up again, and ends as the provider said it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Self

import pytest
import tornado.web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError, Request, ToolSpec
from jupyter_durable_chat.agents.pydantic_ai import PydanticAgent
from tests.agents.asking import KEY, agent_at, ask, at_once, finish, folded, kinds, reasoning, text, user
from tests.agents.raw import DIALECTS, RawProvider, named, says

MODEL = "openai-responses:mock"
QUESTION = [user("How long is it?")]
LOOK = ToolSpec("look", "", {"type": "object", "properties": {"at": {"type": "string"}}})


def state(status: str) -> dict[str, Any]:
    known = {"id": "resp_1", "object": "response", "created_at": 1, "model": "mock", "background": True}
    usage = {
        **{"input_tokens": 5, "output_tokens": 9, "total_tokens": 14},
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    more = {"output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return known | more | {"status": status, "usage": usage if status == "completed" else None}


def thinks(text: str, index: int = 0) -> list[dict[str, Any]]:
    place = {"item_id": "rs_1", "output_index": index, "summary_index": 0}
    item = {"id": "rs_1", "type": "reasoning", "summary": []}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        {"type": "response.reasoning_summary_part.added", "part": {"type": "summary_text", "text": ""}, **place},
        *({"type": "response.reasoning_summary_text.delta", "delta": letter, **place} for letter in text),
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def writes(text: str, index: int) -> list[dict[str, Any]]:
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    place = {"item_id": "msg_1", "output_index": index, "content_index": 0}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        *({"type": "response.output_text.delta", "delta": letter, "logprobs": [], **place} for letter in text),
        {"type": "response.output_item.done", "output_index": index, "item": item | {"status": "completed"}},
    ]


def calls(index: int) -> list[dict[str, Any]]:
    item = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look", "arguments": ""}
    pieces = ['{"at"', ': "d', 'f"}']
    place = {"item_id": "fc_1", "output_index": index}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        *({"type": "response.function_call_arguments.delta", "delta": piece, **place} for piece in pieces),
        {"type": "response.output_item.done", "output_index": index, "item": item | {"arguments": "".join(pieces)}},
    ]


THOUGHT, ANSWER = "Hm, so.", "It is 42 km, or a little more."

EVENTS = [
    {"type": "response.created", "response": state("in_progress")},
    {"type": "response.in_progress", "response": state("in_progress")},
    *thinks(THOUGHT),
    *writes(ANSWER, 1),
    *calls(2),
    {"type": "response.completed", "response": state("completed")},
]


class Responses:
    """OpenAI's Responses in background mode: it has as many events as it was `allowed`, and keeps them."""

    def __init__(self) -> None:
        self.allowed = len(EVENTS)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.changed = asyncio.Event()
        self.resumed = asyncio.Event()
        self.kept = True
        self.cuts: list[int] = []

    async def __aenter__(self) -> Self:
        app = tornado.web.Application(
            [("/v1/responses", Created, {"of": self}), ("/v1/responses/([^/]+)(/cancel)?", Kept, {"of": self})]
        )
        socket, port = bind_unused_port()
        self.server = HTTPServer(app)
        self.server.add_socket(socket)
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.allow(len(EVENTS))
        self.server.stop()
        await self.server.close_all_connections()

    async def events(self, after: int = -1) -> AsyncIterator[str]:
        for number in range(after + 1, len(EVENTS)):
            while number >= self.allowed:
                self.changed.clear()
                await self.changed.wait()
            yield named(EVENTS[number] | {"sequence_number": number})

    def allow(self, number: int) -> None:
        self.allowed = number
        self.changed.set()


class Handler(tornado.web.RequestHandler):
    def initialize(self, of: Responses) -> None:
        self.of = of

    async def stream(self, after: int) -> None:
        self.set_header("Content-Type", "text/event-stream")
        sending = asyncio.ensure_future(self._send(after))
        self._sending = sending
        await asyncio.wait({sending})

    async def _send(self, after: int) -> None:
        cut = self.of.cuts.pop(0) if self.of.cuts else None
        async for event in self.of.events(after):
            if f'"sequence_number": {cut}}}' in event:
                self.request.connection.stream.close()  # type: ignore[attr-defined]
                return
            self.write(event)
            await self.flush()

    def on_connection_close(self) -> None:
        self._sending.cancel()


class Created(Handler):
    async def post(self) -> None:
        body = json.loads(self.request.body)
        self.of.asked.append(("create", body))
        await self.stream(-1)


class Kept(Handler):
    async def get(self, name: str, _: str | None) -> None:
        query = {key: self.get_query_argument(key) for key in self.request.query_arguments}
        self.of.asked.append((f"get {name}", query))
        self.of.resumed.set()
        if not self.of.kept:
            self.set_status(404)
            self.finish({"error": {"message": "Response not found."}})
            return
        await self.stream(int(query["starting_after"]))

    def post(self, name: str, _: str) -> None:
        self.of.asked.append((f"cancel {name}", {}))
        self.finish(state("cancelled"))


def agent_of(provider: Responses) -> PydanticAgent:
    return PydanticAgent(
        default_model=MODEL,
        options={"openai_background": True},
        sleep=at_once,
        api_keys={"openai-responses": KEY},
        base_urls={"openai-responses": provider.url},
    )


async def heard(provider: Responses, events: int) -> list[e.Chunk]:
    """What is said of the first events before the server dies."""
    provider.allow(events)
    seen: list[e.Chunk] = []
    said = sum(len(event.get("delta", "")) for event in EVENTS[:events])
    async with aclosing(agent_of(provider).run(Request(QUESTION, tools=[LOOK]))) as chunks:
        if events < 1:
            return seen
        async for chunk in chunks:
            seen.append(chunk)
            pieces = (getattr(c, "delta", None) or getattr(c, "input_text_delta", "") for c in seen)
            if sum(map(len, pieces)) >= said and any(isinstance(c, e.MessageMetadata) for c in seen):
                break
    return seen


async def the_rest(provider: Responses, seen: list[e.Chunk]) -> list[e.Chunk]:
    """What another server says, which knows what is stored and no more."""
    answer = folded(seen)
    said = answer["parts"][1:]
    found = []
    chunks = agent_of(provider).resume(Request([*QUESTION, answer], tools=[LOOK]), answer["metadata"]["resume"], said)
    async with aclosing(chunks):
        async for chunk in chunks:
            found.append(chunk)
    return found


async def test_how_to_go_on_is_said_before_the_first_word() -> None:
    async with Responses() as provider:
        seen = await heard(provider, 1)

        state = {"model": MODEL, "response_id": "resp_1"}
        assert seen == [e.StartStep(), e.MessageMetadata(message_metadata={"resume": state})]
        ((_, body),) = provider.asked
        assert body["background"] is True and body["stream"] is True


@pytest.mark.parametrize("number", range(1, len(EVENTS) - 1))
async def test_wherever_it_was_left_it_ends_as_the_provider_said_it(number: int) -> None:
    async with Responses() as provider:
        seen = await heard(provider, number)
        provider.allow(len(EVENTS))
        rest = await the_rest(provider, seen)

        assert provider.asked[-1] == ("get resp_1", {"stream": "true", "starting_after": "0"})
        chunks = [*seen, *rest]
        assert (reasoning(chunks), text(chunks)) == (THOUGHT, ANSWER)
        last = finish(rest)
        assert last and last.finish_reason == "tool-calls" and last.message_metadata
        assert last.message_metadata["usage"] == {"input_tokens": 5, "output_tokens": 9}
        answer = folded(chunks)
        assert [part["type"] for part in answer["parts"]] == ["step-start", "reasoning", "text", "dynamic-tool"]
        assert all(part.get("state") in ("done", "input-available") for part in answer["parts"][1:])
        assert answer["parts"][3]["input"] == {"at": "df"}
        assert answer["metadata"]["resume"] is None


async def test_it_is_taken_up_while_it_is_still_written() -> None:
    async with Responses() as provider:
        seen = await heard(provider, 20)
        resumed = asyncio.create_task(the_rest(provider, seen))
        await provider.resumed.wait()
        provider.allow(len(EVENTS))

        assert text([*seen, *await resumed]) == ANSWER


async def test_after_it_was_closed_the_text_goes_on_in_a_part_of_its_own() -> None:
    async with Responses() as provider:
        seen = await heard(provider, 25)
        answer = folded(seen)
        for part in answer["parts"]:
            if part.pop("id", None):
                part["state"] = "done"
        provider.allow(len(EVENTS))
        state = answer["metadata"]["resume"]
        rest = [c async for c in agent_of(provider).resume(Request([*QUESTION, answer]), state, answer["parts"][1:])]

        assert text([*seen, *rest]) == ANSWER
        assert len([chunk for chunk in rest if isinstance(chunk, e.TextStart)]) == 1


async def test_what_the_provider_does_not_keep_any_longer() -> None:
    async with Responses() as provider:
        seen = await heard(provider, 20)
        provider.kept = False
        with pytest.raises(AgentError) as raised:
            await the_rest(provider, seen)
        assert (raised.value.category, raised.value.recoverable) == ("provider", True)
        assert "does not keep" in raised.value.text


async def test_what_nobody_wants_is_cancelled_at_the_provider() -> None:
    async with Responses() as provider:
        seen = await heard(provider, 20)
        await agent_of(provider).discard(folded(seen)["metadata"]["resume"])
        assert provider.asked[-1][0] == "cancel resp_1"
        provider.server.stop()
        await agent_of(provider).discard({"model": "nobody:x", "response_id": "resp_1"})


@pytest.mark.parametrize("number", range(2, len(EVENTS)))
async def test_a_connection_that_breaks_is_mended_while_the_provider_goes_on(number: int) -> None:
    async with Responses() as provider:
        provider.cuts = [number, (number + len(EVENTS)) // 2]
        chunks = await ask(agent_of(provider), QUESTION, tools=[LOOK])

        assert [name for name, _ in provider.asked] == ["create", "get resp_1", "get resp_1"]
        assert (reasoning(chunks), text(chunks)) == (THOUGHT, ANSWER)
        assert finish(chunks)
        parts = folded(chunks)["parts"]
        assert [part["type"] for part in parts] == ["step-start", "reasoning", "text", "dynamic-tool"]


async def test_a_connection_that_breaks_again_and_again_is_given_up() -> None:
    async with Responses() as provider:
        provider.cuts = [20] * 9
        chunks = await ask(agent_of(provider), QUESTION, tools=[LOOK])

        assert len(provider.asked) == 3
        assert not finish(chunks) and ANSWER.startswith(text(chunks))
        assert isinstance(chunks[-1], e.TextEnd)


async def test_another_provider_has_no_background() -> None:
    chat = DIALECTS["chat"]
    async with RawProvider(says(*chat.hello, end=False)) as provider:
        chunks = await ask(agent_at(provider.url, options={"openai_background": True}), QUESTION, chat.model)
        assert len(provider.requests) == 1

    assert kinds(chunks) == [e.StartStep, e.TextStart, e.TextDelta, e.TextEnd]
