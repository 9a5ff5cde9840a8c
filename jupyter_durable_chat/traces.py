"""Facts as OpenTelemetry's spans: a turn, and in it the requests to its models and its calls, never what was said.

Spans are made once something in this process has loaded OpenTelemetry's API; nothing here loads it. Whoever wants
traces has, to set up where they go. A turn's span is the current one in the turn's task, so what an operator's own
instrumentation sees of its requests is below it. Attributes are those of OpenTelemetry's conventions for generative AI
as far as they have one, else they begin with `jupyter_durable_chat`.
"""

import sys
import time
from typing import TYPE_CHECKING

from jupyter_durable_chat import __version__
from jupyter_durable_chat import facts as f

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanKind
    from opentelemetry.util.types import AttributeValue

API = "opentelemetry.trace"
SCOPE = "jupyter_durable_chat"

PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "google-gla": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "openai-chat": "openai",
    "openai-responses": "openai",
    "xai": "x_ai",
}
"""What the conventions call who has another name in a model's."""

FAILED = ("failed", "truncated", "interrupted")


class Traces:
    """Makes spans of what it is told, by the tracer provider of this process."""

    def __init__(self) -> None:
        self._turns: dict[str, _TurnSpan] = {}

    def __call__(self, fact: f.Fact) -> None:
        match fact:
            case f.TurnBegun() if API in sys.modules:
                self._turns[fact.turn] = _TurnSpan(fact)
            case f.FirstToken(turn, seconds) if traced := self._turns.get(turn):
                traced.span.set_attribute(f"{SCOPE}.first_token_seconds", seconds)
            case f.StepEnded(turn) if traced := self._turns.get(turn):
                traced.step(fact)
            case f.CallEnded(turn) if traced := self._turns.get(turn):
                traced.call(fact)
            case f.TurnEnded(turn=turn) if traced := self._turns.get(turn):
                traced.ended(fact)
            case f.TurnLeft(turn) if traced := self._turns.pop(turn, None):
                traced.left()


class _TurnSpan:
    """From a turn's begin here to its end here, both of which are told in the turn's own task."""

    def __init__(self, begun: f.TurnBegun) -> None:
        from opentelemetry import context, trace

        self._trace = trace
        self._context = context
        self._tracer = trace.get_tracer(SCOPE, __version__)
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": begun.agent,
            "gen_ai.conversation.id": begun.session,
            f"{SCOPE}.turn.id": begun.turn,
            f"{SCOPE}.taken_over": begun.taken_over,
        } | _model(begun.model)
        self.span = self._tracer.start_span(f"invoke_agent {begun.agent}", attributes=attributes)
        self._around = trace.set_span_in_context(self.span)
        self._token = context.attach(self._around)
        self._is_left = True

    def step(self, step: f.StepEnded) -> None:
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.agent.name": step.agent,
            "gen_ai.usage.input_tokens": step.input_tokens,
            "gen_ai.usage.output_tokens": step.output_tokens,
        } | _model(step.model)
        if step.reason:
            attributes["gen_ai.response.finish_reasons"] = [step.reason]
        name = f"chat {attributes.get('gen_ai.request.model', step.agent)}"
        self._child(name, self._trace.SpanKind.CLIENT, step.seconds, attributes, step.error)

    def call(self, call: f.CallEnded) -> None:
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.type": "function",
            f"{SCOPE}.runs": call.runs,
        }
        if call.tool:
            attributes["gen_ai.tool.name"] = call.tool
        name = f"execute_tool {call.tool}" if call.tool else "execute_tool"
        error = "tool" if call.has_failed else None
        self._child(name, self._trace.SpanKind.INTERNAL, call.seconds, attributes, error)

    def ended(self, ended: f.TurnEnded) -> None:
        self._is_left = False
        self.span.set_attributes(
            {
                f"{SCOPE}.outcome": ended.outcome,
                "gen_ai.usage.input_tokens": ended.input_tokens,
                "gen_ai.usage.output_tokens": ended.output_tokens,
            }
        )
        if ended.outcome in FAILED:
            self._fail(self.span, ended.category or ended.outcome)

    def left(self) -> None:
        if self._is_left:
            self.span.set_attribute(f"{SCOPE}.left", True)
        self.span.end()
        self._context.detach(self._token)

    def _child(
        self, name: str, kind: "SpanKind", seconds: float, attributes: "dict[str, AttributeValue]", error: str | None
    ) -> None:
        """A span in the turn's, which is over, and has taken so long."""
        now = time.time_ns()
        begun = now - int(seconds * 1e9)
        span = self._tracer.start_span(name, self._around, kind, attributes, start_time=begun)
        if error:
            self._fail(span, error)
        span.end(now)

    def _fail(self, span: "Span", error: str) -> None:
        span.set_attribute("error.type", error)
        span.set_status(self._trace.StatusCode.ERROR)


def _model(model: str | None) -> "dict[str, AttributeValue]":
    if model is None:
        return {}
    provider, _, name = model.partition(":")
    if not name:
        return {"gen_ai.request.model": model}
    return {"gen_ai.provider.name": PROVIDERS.get(provider, provider), "gen_ai.request.model": name}
