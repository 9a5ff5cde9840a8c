"""One answer of a provider, as chunks.

Import this in a thread: it imports pydantic-ai. An answer finishes only if the provider gave a reason why it ended; a
stream that breaks off after it began just ends. Each answer has an HTTP client of its own, which is closed with it, so
that a stop reaches the provider's socket whatever the SDK keeps, and nothing is left to be closed later.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, cast

import msgspec
from pydantic_ai import Agent
from pydantic_ai.exceptions import AgentRunError, ModelConnectionError, UserError
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import Model, infer_model
from pydantic_ai.providers import Provider, infer_provider, infer_provider_class
from pydantic_ai.settings import ModelSettings
from pydantic_ai.ui.vercel_ai import VercelAIEventStream
from pydantic_ai.ui.vercel_ai.response_types import BaseChunk, FinishReason
from pydantic_ai.usage import RunUsage

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.failure import Asked, broken_off, failure
from jupyter_durable_chat.agents.providers import credentials, secrets

Messages = list[dict[str, Any]]

CHUNKS = frozenset(
    {
        *("start-step", "finish-step", "text-start", "text-delta", "text-end"),
        *("reasoning-start", "reasoning-delta", "reasoning-end", "source-url", "source-document", "file"),
        *("tool-input-start", "tool-input-delta", "tool-input-available", "tool-input-error"),
        *("tool-approval-request", "tool-output-available", "tool-output-error", "tool-output-denied"),
    }
)
"""The chunks that are passed on. The others are the library's own book-keeping, and some of them quote instructions."""

GO_ON = (
    "Your last message was cut off, and the end of it was: {end!r}. Go on from exactly there, inside the same word, "
    "sentence, list or block of code if need be. Repeat nothing of it, do not begin anew, and say nothing about the "
    "interruption: what you write is appended to it as it stands."
)

END_CHARACTERS = 60

FINISH_REASONS: Mapping[str | None, FinishReason] = {"stop": "stop", "length": "length", "tool_call": "tool-calls"}


async def run(
    messages: Messages,
    model: str,
    instructions: str,
    api_keys: Mapping[str, str],
    base_urls: Mapping[str, str],
    *,
    thinking: bool | None = None,
) -> AsyncGenerator[e.Chunk]:
    """The answer to these UI messages. With `thinking` unsaid, it is as the model has it. Raises `AgentError`."""
    provider = model.partition(":")[0]
    asked = Asked(model, instructions, secrets(provider, api_keys))
    began = False
    try:
        agent, opened = await asyncio.to_thread(_open, model, instructions, api_keys, base_urls, thinking)
        asked = msgspec.structs.replace(asked, url=opened.base_url)
        async with opened, agent.run_stream_events(message_history=history(messages), model=opened) as run_events:
            stream = EventStream(sdk_version=6).transform_stream(run_events)
            async with aclosing(cast("AsyncGenerator[BaseChunk]", stream)) as chunks:
                async for chunk in chunks:
                    if converted := _convert(chunk):
                        began = True
                        yield converted
            result = run_events.result
    except ModelConnectionError as error:
        if began:
            return
        raise failure(error, asked) from None
    except (AgentRunError, UserError, ImportError) as error:
        raise failure(error, asked) from None
    if result and ended(result.response):
        reason = result.response.finish_reason
        if broken := broken_off(reason, asked):
            raise broken
        yield e.Finish(finish_reason=FINISH_REASONS.get(reason, "other"), message_metadata=_metadata(result.usage))


def history(messages: Messages) -> list[ModelMessage]:
    """What the model is told of the conversation: what was said, and the files that came with it.

    An unfinished answer at the end is to be continued, and the model is told so in words: pydantic-ai takes a history
    that ends with an answer for done, and only some providers go on from the beginning of an answer by themselves.
    What is left of its tools is not told: no provider takes a call without a result.

    A file is sent only if its bytes are in the message (a `data:` URL). No URL is ever followed, by us or by the
    provider on our behalf: it would reach whatever the server can reach.
    """
    told = [_request(m["parts"]) if m["role"] == "user" else _response(m["parts"]) for m in messages]
    told = [message for message in told if message.parts]
    if told and isinstance(told[-1], ModelResponse):
        end = (told[-1].text or "")[-END_CHARACTERS:]
        told.append(ModelRequest([UserPromptPart(GO_ON.format(end=end))]))
    return told


def _request(parts: Messages) -> ModelRequest:
    content = [item for part in parts if (item := _content(part))]
    match content:
        case []:
            return ModelRequest([])
        case [str(text)]:  # the older form, which every OpenAI-compatible server understands
            return ModelRequest([UserPromptPart(text)])
    return ModelRequest([UserPromptPart(content)])


def _content(part: dict[str, Any]) -> UserContent | None:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "file", "url": str(url)}:
            try:
                return BinaryContent.from_data_uri(url)
            except ValueError:
                return f"[A file that could not be sent: {part.get('filename') or part.get('mediaType')}]"
    return None


def _response(parts: Messages) -> ModelResponse:
    texts = (part["text"] for part in parts if part["type"] == "text")
    return ModelResponse([TextPart(text) for text in texts if text.strip()])  # some take no text without a word


def ended(response: ModelResponse) -> bool:
    """Whether the provider said that this response is complete.

    Its own word for it is in `provider_details`. Without one, pydantic-ai takes the end of an OpenAI-compatible stream
    for a `stop`, so that reason alone proves nothing, except from xAI, whose words are not kept. A response without a
    URL was made in this process: there is no stream that could have broken.
    """
    if "finish_reason" in (response.provider_details or {}) or response.provider_url is None:
        return True
    stands_in = response.finish_reason == "stop" and response.provider_name != "xai"
    return response.finish_reason is not None and not stands_in


class EventStream(VercelAIEventStream):
    """pydantic-ai's events as AI SDK chunks; an error is raised and not told, because its text may hold anything."""

    async def on_error(self, error: Exception) -> AsyncIterator[BaseChunk]:
        raise error
        yield


def _open(
    model: str,
    instructions: str,
    api_keys: Mapping[str, str],
    base_urls: Mapping[str, str],
    thinking: bool | None,
) -> tuple[Agent[None, str | None], Model]:
    """Runs in a thread: SDKs are imported, certificates are read."""

    def provider(name: str) -> Provider[Any]:
        given = credentials(name, api_keys, base_urls)
        try:
            return infer_provider_class(name)(**given) if given else infer_provider(name)
        except (TypeError, ValueError) as error:  # it takes no such setting; there is none of this name
            raise UserError(f"The provider {name!r} cannot be used: {error}.") from None

    opened = infer_model(model, provider)
    # One attempt, and one request per step: who runs the turn decides what is worth another.
    settings = ModelSettings() if "max_retries" in opened.unsupported_settings else ModelSettings(max_retries=0)
    if thinking is not None:
        settings["thinking"] = thinking
    agent = Agent(instructions=instructions or None, output_type=[str, type(None)], retries=0, model_settings=settings)
    return agent, opened


def _convert(chunk: BaseChunk) -> e.Chunk | None:
    fields = chunk.model_dump(by_alias=True)
    if fields["type"] not in CHUNKS:
        return None
    if fields["type"].endswith("-delta"):
        fields.pop("providerMetadata", None)  # start and end say the same, and deltas with it cannot be joined
    return msgspec.convert(fields, e.Known)


def _metadata(usage: RunUsage) -> dict[str, Any] | None:
    counted = e.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.output_reasoning_tokens or usage.details.get("reasoning_tokens", 0),
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    return {"usage": msgspec.to_builtins(counted)} if counted != e.Usage() else None
