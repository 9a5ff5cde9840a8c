"""One step of an answer: one request to a provider, as chunks.

Import this in a thread: it imports pydantic-ai. A step finishes only if the provider gave a reason why it ended; a
stream that breaks off after it began just ends. What fails before its first chunk may be asked for again, what fails
later never is. Each attempt has an HTTP client of its own, which is closed with it, so that a stop reaches the
provider's socket whatever the SDK keeps, and nothing is left to be closed later.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast

import msgspec
from msgspec import Struct
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import AgentRunError, ModelConnectionError, UserError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse, infer_model
from pydantic_ai.providers import Provider, infer_provider, infer_provider_class
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage, RunUsage

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError, Request
from jupyter_durable_chat.agents.background import OPTION, Heard, Rest, position, suspended
from jupyter_durable_chat.agents.chunks import Writing, ids_of_calls
from jupyter_durable_chat.agents.failure import Asked, broken_off, failure, out_of_room, pause
from jupyter_durable_chat.agents.history import Files, Reader, fetch, files, history, tools_for
from jupyter_durable_chat.agents.providers import credentials, secrets

ATTEMPTS = 3

BACKOFF = 0.5
"""Seconds before the second attempt; doubled for each one after it, and up to twice that by chance."""

FINISH_REASONS: Mapping[str | None, str] = {"stop": "stop", "length": "length"}

IGNORES_TOOL_CHOICE = frozenset({"ollama"})
"""Providers that call a tool also when they are told not to; these take a history with calls without any tools."""

Sleep = Callable[[float], Awaitable[object]]


class Setup(Struct, frozen=True):
    """Who is asked, and how. `options` are pydantic-ai's `ModelSettings`; with `thinking` unsaid, the model's own."""

    model: str
    instructions: str = ""
    api_keys: Mapping[str, str] = {}
    base_urls: Mapping[str, str] = {}
    options: Mapping[str, Any] = {}
    thinking: bool | str | None = None

    @property
    def in_background(self) -> bool:
        return bool(self.options.get(OPTION))

    @property
    def asked(self) -> Asked:
        return Asked(self.model, self.instructions, secrets(self.model.partition(":")[0], self.api_keys))


async def run(
    request: Request, setup: Setup, *, attempts: int = ATTEMPTS, sleep: Sleep = asyncio.sleep
) -> AsyncGenerator[e.Chunk]:
    """The next step of the answer to these UI messages. Raises `AgentError`."""
    attached = await fetch(files(request.messages), request.host)
    first = _again(lambda: _attempt(request, setup, attached), attempts, sleep)
    async with aclosing(_mended(first, request, setup, attempts, sleep)) as chunks:
        async for chunk in chunks:
            yield chunk


async def resume(
    request: Request,
    setup: Setup,
    state: Mapping[str, Any],
    said: Sequence[dict[str, Any]],
    *,
    attempts: int = ATTEMPTS,
    sleep: Sleep = asyncio.sleep,
) -> AsyncGenerator[e.Chunk]:
    """The rest of a step that the provider went on with. Raises `AgentError`."""
    heard = Heard(state, said)
    first = _again(lambda: _attempt(request, setup, {}, state, said), attempts, sleep)
    async with aclosing(_mended(first, request, setup, attempts, sleep, heard)) as chunks:
        async for chunk in chunks:
            yield chunk


async def _mended(
    first: AsyncGenerator[e.Chunk],
    request: Request,
    setup: Setup,
    attempts: int,
    sleep: Sleep,
    heard: Heard | None = None,
) -> AsyncGenerator[e.Chunk]:
    """The chunks of a step, also when its stream breaks off, as long as its provider goes on with it."""
    heard = heard or Heard()
    for number in range(attempts):
        if number > 0:
            await sleep(BACKOFF)
        chunks = first if number == 0 else _attempt(request, setup, {}, heard.state, list(heard.parts))
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    if setup.in_background:
                        heard.note(chunk)
                    yield chunk
        except Failed as failed:
            if pause(failed.cause, BACKOFF) is None:
                raise failed.told from None
        if heard.state is None:
            break
    for chunk in heard.close():
        yield chunk


async def discard(setup: Setup, state: Mapping[str, Any]) -> None:
    """End a step that the provider goes on with. What goes wrong is of no consequence: it ends by itself."""
    with suppress(AgentRunError, UserError, ImportError):
        model = await asyncio.to_thread(open_model, setup)
        async with model:
            await model.cancel_suspended_response(cast(ModelResponse, suspended(model, state)[-1]))


async def _again(
    attempt: Callable[[], AsyncGenerator[e.Chunk]], attempts: int, sleep: Sleep
) -> AsyncGenerator[e.Chunk]:
    """The chunks of the first attempt that has any."""
    for number in range(1, attempts + 1):
        began = False
        try:
            async with aclosing(attempt()) as chunks:
                async for chunk in chunks:
                    began = True
                    yield chunk
            return
        except Failed as failed:
            seconds = pause(failed.cause, BACKOFF * 2 ** (number - 1) * (1 + random.random()))
            if began or seconds is None or number == attempts:
                raise failed.told from None
        await sleep(seconds)


class Failed(Exception):
    """An attempt failed because of this, and that is what a person is told."""

    def __init__(self, cause: Exception, told: AgentError) -> None:
        self.cause = cause
        self.told = told


async def _attempt(
    request: Request,
    setup: Setup,
    attached: Files,
    state: Mapping[str, Any] | None = None,
    said: Sequence[dict[str, Any]] = (),
) -> AsyncGenerator[e.Chunk]:
    """One request: for a step, or (with `state`) for the rest of one."""
    asked = setup.asked
    ours = {part["toolCallId"] for part in said if "toolCallId" in part}
    writing = Writing(call_id for call_id in ids_of_calls(request.messages) if call_id not in ours)
    new = _all if state is None else Rest(said).of
    began = False
    try:
        model = await asyncio.to_thread(open_model, setup)
        asked = msgspec.structs.replace(asked, url=model.base_url)
        told, settings, parameters = _question(request, setup, attached, model)
        if state is not None:
            told = suspended(model, state)
        async with model:
            stream = model_request_stream(
                model, told, model_settings=settings, model_request_parameters=parameters, instrument=False
            )
            async with stream as response:
                if state is None and (found := await position(response)):
                    began = True
                    for chunk in writing.begin():
                        yield chunk
                    yield e.MessageMetadata(message_metadata={"resume": {"model": setup.model} | found})
                async with aclosing(_read(response, writing, setup.in_background)) as chunks:
                    async for chunk in chunks:
                        for told_now in new(chunk):
                            began = True
                            yield told_now
                whole = response.get()
    except ModelConnectionError as error:
        if began:
            return
        raise Failed(error, failure(error, asked)) from None
    except (AgentRunError, UserError, ImportError) as error:
        raise Failed(error, failure(error, asked)) from None
    if not ended(whole):
        return
    if broken := broken_off(whole.finish_reason, asked):
        for chunk in writing.close():
            for told_now in new(chunk):
                yield told_now
        raise broken
    if whole.finish_reason == "length" and not whole.parts:
        raise out_of_room(asked)
    for chunk in writing.finish(whole):
        for told_now in new(chunk):
            yield told_now
    if setup.in_background:
        yield e.MessageMetadata(message_metadata={"resume": None})
    yield e.FinishStep()
    reason = "tool-calls" if writing.wants_tools() else FINISH_REASONS.get(whole.finish_reason, "other")
    yield e.Finish(finish_reason=reason, message_metadata=metadata(whole, model.context_window))


def _all(chunk: e.Chunk) -> Iterable[e.Chunk]:
    return (chunk,)


def _question(
    request: Request, setup: Setup, attached: Files, model: Model
) -> tuple[list[ModelMessage], ModelSettings, ModelRequestParameters]:
    """What the model is told, and with which tools."""
    told = history(request.messages, Reader.of(model), attached, setup.instructions)
    tools, callable_ = tools_for(request.tools, told)
    settings = settings_for(model, setup)
    if not callable_ and model.system in IGNORES_TOOL_CHOICE:
        tools = []
    elif not callable_ and tools:
        settings["tool_choice"] = "none"
    return told, settings, ModelRequestParameters(function_tools=tools, allow_text_output=True)


async def _read(response: StreamedResponse, writing: Writing, in_background: bool) -> AsyncGenerator[e.Chunk]:
    """The chunks of a stream; what is open when it breaks off is closed, unless it may be gone on with."""
    try:
        async for event in response:
            for chunk in writing.chunks(event):
                yield chunk
    except Exception as error:
        if not (in_background and isinstance(error, ModelConnectionError)):
            for chunk in writing.close():
                yield chunk
        raise
    finally:
        await _let_go(response)
    if not in_background:
        for chunk in writing.close():
            yield chunk


async def _let_go(response: StreamedResponse) -> None:
    """Close the connection and run the SDK's iterators to their end; else they are left for the garbage collector."""
    with suppress(NotImplementedError, AgentRunError):
        await response.cancel()
        async for _ in response:
            pass


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


def open_model(setup: Setup) -> Model:
    """Runs in a thread: SDKs are imported, certificates and tables of prices are read."""

    def provider(name: str) -> Provider[Any]:
        given = credentials(name, setup.api_keys, setup.base_urls)
        try:
            return infer_provider_class(name)(**given) if given else infer_provider(name)
        except (TypeError, ValueError) as error:  # it takes no such setting; there is none of this name
            raise UserError(f"The provider {name!r} cannot be used: {error}.") from None

    model = infer_model(setup.model, provider)
    _ = model.profile  # it is kept, and looks up the context window
    return model


def settings_for(model: Model, setup: Setup) -> ModelSettings:
    # One attempt of the SDK's: who asks decides what is worth another.
    settings = ModelSettings() if "max_retries" in model.unsupported_settings else ModelSettings(max_retries=0)
    settings.update(cast(ModelSettings, setup.options))
    if setup.thinking is not None:
        settings["thinking"] = cast(Any, setup.thinking)
    return settings


def metadata(response: ModelResponse, window: int | None) -> dict[str, Any] | None:
    """What `Finish` says beside the reason: tokens, what they cost if that is known, and how full the context is."""
    usage = counted(response.usage, cost(response))
    if usage == e.Usage():
        return None
    context = e.Context(usage.tokens, window)
    return {"usage": msgspec.to_builtins(usage), "context": msgspec.to_builtins(context)}


def counted(usage: RequestUsage | RunUsage, cost_usd: float | None = None) -> e.Usage:
    return e.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.output_reasoning_tokens or usage.details.get("reasoning_tokens", 0),
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cost_usd=cost_usd,
    )


def cost(response: ModelResponse) -> float | None:
    """In US dollars; `None` when nobody knows."""
    if not response.model_name:
        return None
    try:
        return float(response.cost().total_price)
    except (LookupError, ValueError):  # no price is known; the provider counted no tokens
        return None
