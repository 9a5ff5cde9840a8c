"""A `pydantic_ai.Agent` that a package exports, as it is: its instructions, model, tools and settings.

Import this in a thread: it imports pydantic-ai. Its own tools run inside of pydantic-ai and are shown as calls with
their results; those of the session come back as calls that end the step. What one of its tools raises is told by the
type of the exception alone, and nothing of what a provider writes is told, because nobody here knows what is secret in
it.
"""

import asyncio
import json
import logging
import secrets
import traceback
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from pydantic_ai import DeferredToolRequests, DeferredToolResults, ModelRetry, RunContext, ToolDenied, ToolFailed
from pydantic_ai.agent import AbstractAgent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.exceptions import AgentRunError, ModelConnectionError, ModelHTTPError, UsageLimitExceeded, UserError
from pydantic_ai.messages import (
    FunctionToolResultEvent,
    ModelMessage,
    ModelResponse,
    OutputToolResultEvent,
    PartStartEvent,
    ToolCallPart,
)
from pydantic_ai.models import Model, infer_model
from pydantic_ai.run import AgentRunResult
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset
from pydantic_ai.usage import RunUsage, UsageLimits
from pydantic_core import to_json

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Host, Request
from jupyter_durable_chat.agents.answer import FINISH_REASONS, cost, counted, ended, metadata
from jupyter_durable_chat.agents.chunks import Writing, ids_of_calls
from jupyter_durable_chat.agents.failure import Asked, broken_off, failure
from jupyter_durable_chat.agents.history import Reader, fetch, files, history, tools_for

logger = logging.getLogger(__name__)

REQUESTS = 10
"""Most requests to the model between two steps of ours."""

LATER = "It was not run, because other calls were waited for. Call it again."


def is_agent(found: object) -> bool:
    return isinstance(found, AbstractAgent)


class ExportedAgent(Agent):
    """`model` of a request is asked in place of its own; a `deps` is not given."""

    def __init__(self, name: str, agent: AbstractAgent[Any, Any]) -> None:
        self.name = name
        self.description = f"{agent.name or name}, an agent of an installed package"
        self._agent = agent

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        asked = Asked(request.model or self.name, "", [])
        run = _Run(self._agent, request)
        try:
            async with aclosing(run.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except UsageLimitExceeded:
            text = f"The agent made as many requests as one answer may have ({REQUESTS}). Continue it for more."
            raise AgentError("tool", text, recoverable=True) from None
        except ModelConnectionError as error:
            if not run.begun:
                raise failure(error, asked) from None
        except (AgentRunError, UserError, ImportError) as error:
            if isinstance(error, ModelHTTPError):
                error.body = None  # it may quote the instructions, which are not ours to compare with
            raise failure(error, asked) from None


class _Run:
    """One answer, up to its end or to the calls that others run."""

    def __init__(self, agent: AbstractAgent[Any, Any], request: Request) -> None:
        self._agent = agent
        self._request = request
        self._writing = Writing(ids_of_calls(request.messages))
        self._open = False
        self.begun = False

    async def chunks(self) -> AsyncGenerator[e.Chunk]:
        request = self._request
        model = await asyncio.to_thread(self._model)
        attached = await fetch(files(request.messages), request.host)
        messages = history(request.messages, Reader.of(model), attached)
        usage = RunUsage()
        answered: DeferredToolResults | None = None
        new: list[ModelMessage] = []
        while True:
            result: AgentRunResult[Any] | None = None
            async with self._agent.run_stream_events(
                message_history=messages,
                model=model,
                output_type=self._output_type(),
                deferred_tool_results=answered,
                toolsets=[_Theirs(tools_for(request.tools, ())[0])] if request.tools else None,
                capabilities=[_Caught()],
                model_settings=ModelSettings(thinking=request.effort) if request.effort else None,  # type: ignore[typeddict-item]
                usage=usage,
                usage_limits=UsageLimits(request_limit=REQUESTS),
            ) as stream:
                async with aclosing(self._read(stream)) as chunks:
                    async for chunk in chunks:
                        self.begun = True
                        yield chunk
                result = stream.result
            if result is None or not ended(result.response):
                return
            new += result.new_messages()
            output = result.output
            if isinstance(output, DeferredToolRequests) and output.approvals and not output.calls:
                asked = {call.tool_call_id: secrets.token_hex(8) for call in output.approvals}
                for call in output.approvals:
                    yield self._approval(call, asked)
                answered = await _answers(asked, request.host)
                messages = result.all_messages()
                continue
            for chunk in self._end(output):
                yield chunk
            if broken := broken_off(result.response.finish_reason, Asked(model.model_id, "", [])):
                raise broken
            waits = isinstance(output, DeferredToolRequests)
            reason = "tool-calls" if waits else FINISH_REASONS.get(result.response.finish_reason, "stop")
            yield e.Finish(finish_reason=reason, message_metadata=_metadata(result.response, usage, new, model))
            return

    def _model(self) -> Model:
        """Runs in a thread: it may import the SDK of a provider."""
        model = self._request.model or self._agent.model
        if model is None:
            raise UserError("The agent has no model. Choose one, such as openai:gpt-5.")
        if not isinstance(model, str | Model):
            raise UserError("The agent chooses its model anew for every request, which is not supported here.")
        model = infer_model(model)
        _ = model.profile
        return model

    def _output_type(self) -> Any:
        """Its own, or calls that others run; an agent with validators takes no other than its own."""
        return (
            None
            if getattr(self._agent, "_output_validators", None)
            else [self._agent.output_type, DeferredToolRequests]
        )

    async def _read(self, stream: Any) -> AsyncGenerator[e.Chunk]:
        try:
            async for event in stream:
                match event:
                    case PartStartEvent() if not self._open:
                        self._open = True
                        self._writing = self._writing.next()
                    case FunctionToolResultEvent(part=part) | OutputToolResultEvent(part=part):
                        for chunk in self._close_step():
                            yield chunk
                        for chunk in self._writing.result(part):
                            yield chunk
                for chunk in self._writing.chunks(event):
                    yield chunk
        except Exception:
            for chunk in self._writing.close():
                yield chunk
            raise

    def _close_step(self) -> Sequence[e.Chunk]:
        """The response is over as soon as the first of its calls has a result."""
        was_open, self._open = self._open, False
        return [*self._writing.close(), e.FinishStep()] if was_open else []

    def _approval(self, call: ToolCallPart, asked: Mapping[str, str]) -> e.Chunk:
        return e.ToolApprovalRequest(
            approval_id=asked[call.tool_call_id], tool_call_id=self._writing.known_as(call.tool_call_id)
        )

    def _end(self, output: object) -> Sequence[e.Chunk]:
        chunks = list(self._writing.close())
        match output:
            case DeferredToolRequests(approvals=approvals):
                ids = (self._writing.known_as(call.tool_call_id) for call in approvals)
                chunks += [e.ToolOutputError(tool_call_id=call_id, error_text=LATER) for call_id in ids]
            case str() | None:
                pass
            case _:
                said = json.dumps(json.loads(to_json(output, serialize_unknown=True)), indent=2, ensure_ascii=False)
                chunks += [
                    e.TextStart(id="output"),
                    e.TextDelta(id="output", delta=f"```json\n{said}\n```"),
                    e.TextEnd(id="output"),
                ]
        return [*chunks, *self._close_step()]


class _Theirs(ExternalToolset[Any]):
    """The tools of the session. A call with arguments that are no JSON is the model's to repeat."""

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, Any]:
        tools = await super().get_tools(ctx)
        for tool in tools.values():
            tool.max_retries = 3
        return tools


class _Caught(AbstractCapability[Any]):
    """What a tool raises is a result that the model sees, without its words."""

    async def on_tool_execute_error(
        self, ctx: RunContext[Any], *, call: ToolCallPart, tool_def: ToolDefinition, args: Any, error: Exception
    ) -> Any:
        if isinstance(error, ModelRetry | ToolFailed):  # these speak to the model
            raise error
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("The tool %s raised %s\n%s", call.tool_name, type(error).__name__, where)
        raise ToolFailed(f"The tool failed with {type(error).__name__}. The server's log says where.") from None


async def _answers(asked: Mapping[str, str], host: Host | None) -> DeferredToolResults:
    """What people said of these calls; nobody to ask is a denial."""

    async def answer(approval_id: str) -> bool | ToolDenied:
        if host is None:
            return ToolDenied("There is nobody to ask.")
        verdict = await host.approval(approval_id)
        reason = f": {verdict.reason}" if verdict.reason else "."
        return verdict.approved or ToolDenied(f"The user did not allow this call{reason}")

    answers = await asyncio.gather(*map(answer, asked.values()))
    return DeferredToolResults(approvals=dict(zip(asked, answers, strict=True)))


def _metadata(
    response: ModelResponse, usage: RunUsage, messages: Sequence[ModelMessage], model: Model
) -> dict[str, Any] | None:
    """Tokens of all requests, and the context after the last one."""
    last = metadata(response, model.context_window)
    costs = [cost(message) for message in messages if isinstance(message, ModelResponse)]
    known = [paid for paid in costs if paid is not None]
    paid = sum(known) if len(known) == len(costs) else None
    return last and last | {"usage": msgspec.to_builtins(counted(usage, paid))}
