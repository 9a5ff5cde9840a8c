"""A `pydantic_ai.Agent` that a package exports answers as it is, with its own tools and those of the session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent as ForeignAgent
from pydantic_ai import ModelRetry
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError, Host, Request, ToolSpec, Verdict
from jupyter_durable_chat.agents.catalog import LazyAgent
from jupyter_durable_chat.agents.exported import ExportedAgent
from tests.agents.asking import INSTRUCTIONS, ask, finish, folded, kinds, reasoning, text, user
from tests.agents.raw import DIALECTS, RawProvider, refuses, says

SECRET = "hunter2-in-a-traceback"
LOOK = ToolSpec("look", "Looks at a variable.", {"type": "object", "properties": {"at": {"type": "string"}}})

Deltas = AsyncIterator[str | dict[int, DeltaToolCall] | dict[int, DeltaThinkingPart]]


def question(messages: list[ModelMessage]) -> str:
    prompts = [
        p.content for m in messages if isinstance(m, ModelRequest) for p in m.parts if isinstance(p, UserPromptPart)
    ]
    return str(prompts[-1])


def results(messages: list[ModelMessage]) -> list[ToolReturnPart]:
    last = messages[-1]
    return [part for part in last.parts if isinstance(part, ToolReturnPart)]


async def model(messages: list[ModelMessage], info: AgentInfo) -> Deltas:
    """Calls the tools that the question names, then says what they returned."""
    assert info.instructions == INSTRUCTIONS
    if returned := results(messages):
        yield "Got "
        yield ", ".join(f"{part.tool_name}={part.model_response_str()}" for part in returned)
        return
    asked = question(messages).split()
    if asked[0] != "call":
        yield {0: DeltaThinkingPart(content="Hm.")}
        yield f"You said {question(messages)}"
        return
    for index, name in enumerate(asked[1:]):
        yield {index: DeltaToolCall(name=name, json_args="{}", tool_call_id=f"f_{len(messages)}_{index}")}


helper: ForeignAgent[None, str] = ForeignAgent(FunctionModel(stream_function=model), instructions=INSTRUCTIONS)


@helper.tool_plain
def weigh() -> dict[str, int]:
    return {"kg": 7}


@helper.tool_plain
def fail() -> str:
    raise RuntimeError(SECRET)


@helper.tool_plain
def insist() -> str:
    raise ModelRetry("Say please.")


@helper.tool_plain(requires_approval=True)
def launch() -> str:
    return "launched"


class Weight(BaseModel):
    kg: int


async def structured(messages: list[ModelMessage], info: AgentInfo) -> Deltas:
    (tool,) = info.output_tools
    yield {0: DeltaToolCall(name=tool.name, json_args='{"kg": 3}', tool_call_id="out_1")}


scales = ForeignAgent(FunctionModel(stream_function=structured), output_type=Weight)


async def endless(messages: list[ModelMessage], info: AgentInfo) -> Deltas:
    yield {0: DeltaToolCall(name="weigh", json_args="{}", tool_call_id=f"e_{len(messages)}")}


mad = ForeignAgent(FunctionModel(stream_function=endless), tools=[weigh])

nobody = ForeignAgent()


def exported(name: str = "helper") -> LazyAgent:
    return LazyAgent(f"{__name__}:{name}")


class Person(Host):
    """Answers approvals with one verdict, once it was asked."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.asked: list[str] = []

    async def attachment(self, url: str) -> tuple[bytes, str]:
        raise AgentError("internal", "There are none.")

    async def approval(self, approval_id: str) -> Verdict:
        self.asked.append(approval_id)
        return self.verdict


async def test_it_answers_with_its_own_instructions() -> None:
    chunks = await ask(exported(), "hello")

    assert (reasoning(chunks), text(chunks)) == ("Hm.", "You said hello")
    last = finish(chunks)
    assert last and last.finish_reason == "stop" and last.message_metadata
    assert last.message_metadata["usage"]["output_tokens"] > 0
    assert "Ermintrude" not in repr(chunks)


async def test_its_own_tools_are_shown_with_their_results() -> None:
    chunks = await ask(exported(), "call weigh")

    assert kinds(chunks) == [
        *(e.StartStep, e.ToolInputStart, e.ToolInputDelta, e.ToolInputAvailable, e.FinishStep),
        *(e.ToolOutputAvailable, e.StartStep, e.TextStart, e.TextDelta, e.TextEnd, e.FinishStep, e.Finish),
    ]
    assert text(chunks) == 'Got weigh={"kg":7}'
    answer = folded(chunks)
    assert [part["output"] for part in answer["parts"] if part["type"] == "dynamic-tool"] == [{"kg": 7}]


async def test_the_tools_of_the_session_end_the_step() -> None:
    first = await ask(exported(), "call look weigh", tools=[LOOK])

    last = finish(first)
    assert last and last.finish_reason == "tool-calls"
    ours = [chunk for chunk in first if isinstance(chunk, e.ToolInputAvailable)]
    assert [call.tool_name for call in ours] == ["look", "weigh"]
    done = [chunk.tool_call_id for chunk in first if isinstance(chunk, e.ToolOutputAvailable)]
    assert done == [ours[1].tool_call_id]

    seen = e.ToolOutputAvailable(tool_call_id=ours[0].tool_call_id, output="3 rows")
    second = await ask(exported(), [user("call look weigh"), folded(first, seen)], tools=[LOOK])
    assert text(second) == 'Got look=3 rows, weigh={"kg":7}'


async def test_what_a_tool_raises_is_a_result_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    chunks = await ask(exported(), "call fail")

    (error,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolOutputError)]
    assert "RuntimeError" in error.error_text
    assert finish(chunks)
    assert SECRET not in repr(chunks) + caplog.text


async def test_what_a_tool_tells_the_model_is_shown() -> None:
    chunks = await ask(exported(), "call insist")
    (error,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolOutputError)]
    assert "Say please." in error.error_text


@pytest.mark.parametrize(
    ("verdict", "result", "said"),
    [
        (Verdict(True), e.ToolOutputAvailable, "Got launch=launched"),
        (Verdict(False, "Too windy"), e.ToolOutputDenied, "Got launch=The user did not allow this call: Too windy"),
    ],
)
async def test_a_tool_that_wants_approval_waits_for_the_person(verdict: Verdict, result: type, said: str) -> None:
    person = Person(verdict)
    chunks = await ask(exported(), "call launch", host=person)

    (asked,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolApprovalRequest)]
    (call,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolInputAvailable)]
    assert asked.tool_call_id == call.tool_call_id and person.asked == [asked.approval_id]
    ends = [(type(chunk), getattr(chunk, "tool_call_id", None)) for chunk in chunks]
    assert (result, call.tool_call_id) in ends
    assert text(chunks) == said and finish(chunks)


async def test_with_nobody_to_ask_it_is_denied() -> None:
    assert "nobody to ask" in text(await ask(exported(), "call launch"))


async def test_an_approval_beside_calls_of_the_session_is_for_later() -> None:
    chunks = await ask(exported(), "call look launch", tools=[LOOK], host=Person(Verdict(True)))

    last = finish(chunks)
    assert last and last.finish_reason == "tool-calls"
    (error,) = [chunk for chunk in chunks if isinstance(chunk, e.ToolOutputError)]
    assert "Call it again" in error.error_text


async def test_an_output_that_is_no_text_is_shown_as_json() -> None:
    chunks = await ask(exported("scales"), "weigh")
    assert text(chunks) == '```json\n{\n  "kg": 3\n}\n```'
    last = finish(chunks)
    assert last and last.finish_reason == "stop"
    assert all(
        part["state"] == "output-available" for part in folded(chunks)["parts"] if part["type"] == "dynamic-tool"
    )


async def test_an_agent_that_does_not_come_to_an_end() -> None:
    seen: list[e.Chunk] = []
    with pytest.raises(AgentError, match="10") as raised:
        await ask(exported("mad"), "weigh", into=seen)
    assert (raised.value.category, raised.value.recoverable) == ("tool", True)
    assert len([chunk for chunk in seen if isinstance(chunk, e.ToolOutputAvailable)]) == 10


async def test_an_agent_without_a_model_says_so() -> None:
    with pytest.raises(AgentError, match="has no model"):
        await ask(exported("nobody"), "hello")


async def test_it_takes_the_model_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = DIALECTS["chat"]
    async with RawProvider(says(*chat.hello, *chat.finish)) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-a")
        assert text(await ask(exported("nobody"), "hello", "openai-chat:mock")) == "Hello"


async def test_what_the_provider_writes_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RawProvider(
        refuses("400 Bad Request", {"error": {"message": f"Cannot parse {INSTRUCTIONS}"}})
    ) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-a")
        with pytest.raises(AgentError) as raised:
            await ask(exported("nobody"), "hello", "openai-chat:mock")
    assert "HTTP 400" in raised.value.text and "Ermintrude" not in raised.value.text


async def test_a_stop_while_its_tool_runs() -> None:
    began, stopped = asyncio.Event(), asyncio.Event()

    async def dawdle() -> str:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return "never"

    slow = ForeignAgent(FunctionModel(stream_function=model), instructions=INSTRUCTIONS, tools=[dawdle])

    async def listen() -> None:
        async with aclosing(ExportedAgent("slow", slow).run(Request([user("call dawdle")]))) as chunks:
            async for _ in chunks:
                pass

    task = asyncio.create_task(listen())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped.is_set()
