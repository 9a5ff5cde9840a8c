"""The spans of turns, by the real OpenTelemetry SDK, from a real server; and none where nobody has loaded its API."""

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from jupyter_durable_chat import events as e
from jupyter_durable_chat import facts as f
from jupyter_durable_chat.agents import AgentError
from jupyter_durable_chat.tools import ToolError
from jupyter_durable_chat.traces import Traces
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api
from tests.spans import Spans, about
from tests.waiting import eventually


def halve(n: int) -> int:
    with trace.get_tracer("the operator's").start_as_current_span("halving"):
        if n % 2:
            raise ToolError("It is odd.")
        return n // 2


@pytest.fixture
def jp_server_config(jp_server_config: JSON) -> JSON:
    jp_server_config["DurableChat"]["tools"] = ["tests.server.test_traces:halve"]
    return jp_server_config


@pytest.fixture
def spans() -> Spans:
    return Spans()


async def test_a_turn_is_a_span_with_its_steps_and_its_calls_inside(api: Api, agent: Scripted, spans: Spans) -> None:
    session = await api.session()
    usage = {"usage": {"input_tokens": 5, "output_tokens": 7}}
    agent.say(e.StartStep())
    for call, n in (("c1", 4), ("c2", 3)):
        agent.say(e.ToolInputAvailable(tool_call_id=call, tool_name="halve", input={"n": n}))
    agent.say(e.Finish(finish_reason="tool-calls", message_metadata=usage), None)
    agent.say(e.StartStep(), e.TextStart(id="x"), e.TextDelta(id="x", delta="Two."), e.TextEnd(id="x"))
    agent.say(e.Finish(finish_reason="stop", message_metadata=usage), None)
    turn = (await api.send(session))["turn_id"]
    await api.settled(session)
    await eventually(lambda: bool(spans.named("invoke_agent scripted")))
    [whole] = spans.named("invoke_agent scripted")
    assert about(whole) | {"jupyter_durable_chat.first_token_seconds": 0} == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "scripted",
        "gen_ai.conversation.id": session,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 14,
        "jupyter_durable_chat.turn.id": turn,
        "jupyter_durable_chat.taken_over": False,
        "jupyter_durable_chat.outcome": "completed",
        "jupyter_durable_chat.first_token_seconds": 0,
    }
    assert whole.status.status_code is StatusCode.UNSET and whole.parent is None

    first, second = spans.named("chat scripted")
    assert about(first)["gen_ai.response.finish_reasons"] == ("tool-calls",)
    assert about(second)["gen_ai.response.finish_reasons"] == ("stop",)
    assert {about(step)["gen_ai.usage.output_tokens"] for step in (first, second)} == {7}
    right, wrong = sorted(spans.named("execute_tool halve"), key=lambda span: span.status.status_code.value)
    assert about(right)["gen_ai.tool.name"] == "halve" and right.status.status_code is StatusCode.UNSET
    assert wrong.status.status_code is StatusCode.ERROR and about(wrong)["error.type"] == "tool"
    assert (whole.kind, first.kind, right.kind) == (SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.INTERNAL)
    for inside in (first, second, right, wrong, *spans.named("halving")):
        assert inside.parent and whole.context and inside.parent.span_id == whole.context.span_id
        assert whole.start_time and inside.start_time and inside.end_time and whole.end_time
        assert inside.start_time <= inside.end_time <= whole.end_time


async def test_a_turn_that_fails_is_a_span_of_an_error_without_its_text(
    api: Api, agent: Scripted, spans: Spans
) -> None:
    session = await api.session()
    agent.say(AgentError("rate", "canary"))
    await api.send(session)
    await api.settled(session)
    await eventually(lambda: bool(spans.named("invoke_agent scripted")))
    for name in ("invoke_agent scripted", "chat scripted"):
        [span] = spans.named(name)
        assert span.status.status_code is StatusCode.ERROR and about(span)["error.type"] == "rate"
    assert "canary" not in spans.text()


async def test_a_turn_is_not_inside_of_the_one_before(api: Api, agent: Scripted, spans: Spans) -> None:
    session = await api.session()
    await api.send(session, client_id="c_1")
    await agent.started.wait()
    await api.send(session, "And then?", client_id="c_2")
    for _ in range(2):
        agent.say_text("Because.")
        agent.finish()
    await eventually(lambda: len(spans.named("invoke_agent scripted")) == 2)
    first, second = spans.named("invoke_agent scripted")
    assert first.parent is None and second.parent is None
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_turn_that_is_left_says_so_and_one_of_another_process_that_it_was_taken_over(spans: Spans) -> None:
    traces = Traces()
    traces(f.TurnBegun("s_1", "t_1", "assistant", "google:gemini-3", True))
    traces(f.TurnLeft("t_1"))
    [span] = spans
    assert about(span)["jupyter_durable_chat.left"] and about(span)["jupyter_durable_chat.taken_over"]
    assert about(span)["gen_ai.provider.name"] == "gcp.gemini" and about(span)["gen_ai.request.model"] == "gemini-3"


UNASKED = """
import sys
from jupyter_durable_chat import facts as f
from jupyter_durable_chat.server.extension import DurableChat
from jupyter_durable_chat.tools import ToolError
from jupyter_durable_chat.traces import Traces
traces = Traces()
traces(f.TurnBegun("s", "t", "demo", None, False))
traces(f.TurnLeft("t"))
assert "opentelemetry" not in sys.modules
"""


def test_nobody_loads_opentelemetry_for_who_has_not() -> None:
    subprocess.run([sys.executable, "-c", UNASKED], check=True)
