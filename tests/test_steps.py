"""Answers with tools, on the real registry and store: what is run, what is asked, what is waited for, what survives."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Request
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.commands import (
    AlreadyAnswered,
    AlreadyStarted,
    BudgetSpent,
    Message,
    NotAnAnswer,
    NotWaiting,
    UnknownApproval,
    UnknownCall,
    UnknownEffort,
)
from jupyter_durable_chat.outputs import cut
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.runners import Runners
from jupyter_durable_chat.session import Session
from jupyter_durable_chat.stage import NOBODY_ANSWERED, StepLimits
from jupyter_durable_chat.tools import Context, Question, Suspended, Tool, Toolbox, ToolError
from jupyter_durable_chat.tools.function import FunctionTool, TwoPhaseFunction
from jupyter_durable_chat.transcript import JSON, Transcript
from tests.scripted import Scripted
from tests.test_registry import World, created, outcome
from tests.waiting import eventually

ADA = e.Author("ada")


class Stepping(Scripted):
    """Asks for calls, and then answers."""

    efforts = ("low", "high")

    def calls(self, *calls: tuple[str, str, Any], usage: e.Usage | None = None) -> None:
        """A step that ends with these calls: id, tool, arguments."""
        self.say(e.StartStep())
        for call_id, name, arguments in calls:
            self.say(e.ToolInputStart(tool_call_id=call_id, tool_name=name))
            self.say(e.ToolInputAvailable(tool_call_id=call_id, tool_name=name, input=arguments))
        about = {"usage": {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}} if usage else {}
        self.say(e.FinishStep(), e.Finish(finish_reason="tool-calls", message_metadata=about), None)

    def answers(self, text: str = "Done.") -> None:
        self.say(e.StartStep(), e.TextStart(id="x"), e.TextDelta(id="x", delta=text), e.TextEnd(id="x"))
        self.say(e.FinishStep(), e.Finish(finish_reason="stop"), None)


class Tooled(World):
    """A world whose servers have tools."""

    agent: Stepping

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.agent = Stepping()
        self.other = Stepping()
        self.other.name = "other"
        self.tools: list[Tool] = []
        self.ran: list[Any] = []

    def registry(self, **settings: Any) -> Registry:
        agents = Agents([self.agent, self.other], default="scripted")
        given: JSON = {"tools": Toolbox(self.tools), "clock": self.clock} | settings
        return Registry(lambda: given.pop("log", None) or self.log(), agents, lease_seconds=10, **given)

    def tool(self, name: str = "count", **options: Any) -> FunctionTool:
        async def count(n: int = 1) -> int:
            self.ran.append(n)
            return n + 1

        tool = FunctionTool(count, name=name, **options)
        self.tools.append(tool)
        return tool


@pytest.fixture
def world(tmp_path: Path) -> Tooled:
    return Tooled(tmp_path)


async def send(registry: Registry, session_id: str, client_id: str = "c", **how: Any) -> str:
    async with registry.acquire(session_id) as session:
        return (await session.send(Message(client_id=client_id, text="Why?", **how), ADA)).turn_id


async def transcript(registry: Registry, session_id: str) -> Transcript:
    async with registry.acquire(session_id) as session:
        return session.transcript


async def calls(registry: Registry, session_id: str) -> list[JSON]:
    """The calls of the last message."""
    parts = (await transcript(registry, session_id)).messages[-1]["parts"]
    return [part for part in parts if part["type"] == "dynamic-tool"]


async def until(session: Session, seen: Any) -> Any:
    """What `seen` sees in the transcript as soon as that is something."""
    while not (found := seen(session.transcript)):
        await session.wait()
        await session.refresh()
    return found


def states(parts: Sequence[JSON]) -> list[str]:
    return [part["state"] for part in parts]


class TestInTheServer:
    async def test_a_call_is_run_and_the_agent_asked_again(self, world: Tooled) -> None:
        world.tool()
        world.agent.calls(("c1", "count", {"n": 3}), usage=e.Usage(5, 7))
        world.agent.answers("Four.")
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
            assert (call["state"], call["output"]) == ("output-available", 4)
            assert "finishedAt" in call
            shown = await transcript(registry, session_id)
            assert shown.usage == e.Usage(5, 7)
        first, second = world.agent.requests
        assert [spec.name for spec in first.tools] == ["count", "ask_user"]
        assert second.messages[-1]["role"] == "assistant" and second.messages[-1]["parts"][1]["output"] == 4

    async def test_parallel_calls_run_in_parallel(self, world: Tooled) -> None:
        both = asyncio.Barrier(2)

        async def meet(who: str) -> str:
            await both.wait()
            return who

        world.tools.append(FunctionTool(meet))
        world.agent.calls(("c1", "meet", {"who": "a"}), ("c2", "meet", {"who": "b"}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            assert [call["output"] for call in await calls(registry, session_id)] == ["a", "b"]

    async def test_what_goes_wrong_is_a_result_that_the_model_sees(self, world: Tooled) -> None:
        def raises() -> None:
            raise ValueError("the key is sk-secret")

        def says() -> None:
            raise ToolError("The table has no column 'x'.")

        async def hangs() -> None:
            await asyncio.Event().wait()

        world.tool()
        world.tools += [FunctionTool(raises), FunctionTool(says), FunctionTool(hangs, timeout=0.01)]
        wrong = [("c1", "nothing", {}), ("c2", "count", {"n": "three"}), ("c3", "count", [1])]
        world.agent.calls(*wrong, ("c4", "raises", {}), ("c5", "says", {}), ("c6", "hangs", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            found = await calls(registry, session_id)
        assert states(found) == ["output-error"] * 6 and not world.ran
        texts = [call["errorText"] for call in found]
        assert "no tool 'nothing'" in texts[0] and "count" in texts[0]
        assert "n" in texts[1] and "object" in texts[2]
        assert "ValueError" in texts[3] and "secret" not in texts[3]
        assert texts[4] == "The table has no column 'x'." and "longer than 0.01 seconds" in texts[5]

    async def test_a_tool_that_fails_three_times_running_rests(self, world: Tooled) -> None:
        def says() -> None:
            raise ToolError("No.")

        world.tool()
        world.tools.append(FunctionTool(says))
        for n in range(4):
            world.agent.calls((f"c{n}", "says", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            texts = [call["errorText"] for call in await calls(registry, session_id)]
        assert texts[:3] == ["No."] * 3 and "3 times running" in texts[3]
        offered = [[spec.name for spec in request.tools] for request in world.agent.requests]
        assert "says" in offered[2] and "says" not in offered[3] and "count" in offered[3]

    async def test_the_number_of_steps_has_an_end_that_can_be_continued(self, world: Tooled) -> None:
        world.tool()
        for n in range(3):
            world.agent.calls((f"c{n}", "count", {}))
        world.agent.answers()
        async with world.server(steps=StepLimits(steps=2)) as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "failed"
            error = (await transcript(registry, session_id)).messages[-1]["metadata"]["error"]
            assert error["category"] == "tool" and error["recoverable"] and "max_steps" in error["text"]
            async with registry.acquire(session_id) as session:
                turn = (await session.go_on(None, None, ADA)).turn_id
            assert await outcome(registry, session_id, turn) == "completed"
            assert states(await calls(registry, session_id)) == ["output-available"] * 3

    async def test_a_large_result_is_cut_where_it_is_seen(self, world: Tooled) -> None:
        def much() -> str:
            return "é" * 1000

        def table() -> list[int]:
            return list(range(1000))

        world.tools += [FunctionTool(much), FunctionTool(table)]
        world.agent.calls(("c1", "much", {}), ("c2", "table", {}))
        world.agent.answers()
        async with world.server(steps=StepLimits(output_bytes=101)) as registry:
            session_id = await created(registry)
            await outcome(registry, session_id, await send(registry, session_id))
            text, shown = [call["output"] for call in await calls(registry, session_id)]
        assert text.startswith("é" * 50) and text.endswith("[cut: 100 of 2002 bytes]")
        assert shown["cut"]["bytes"] > 1000 and "[cut: 101 of" in shown["content"][0]["text"]

    async def test_stop_ends_a_running_call(self, world: Tooled) -> None:
        ended = asyncio.Event()

        async def hangs() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        world.tools.append(FunctionTool(hangs))
        world.agent.calls(("c1", "hangs", {}))
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: "started" in (t.call("c1") or {}))
                assert await session.stop(turn, ADA)
                [call] = await calls(registry, session_id)
        assert ended.is_set() and (call["state"], call["errorText"]) == ("output-error", "stopped")

    async def test_progress_and_logs_are_shown(self, world: Tooled) -> None:
        async def work(context: Context) -> str:
            context.progress(1, 2, "half")
            context.log("a line", "warning")
            return "done"

        world.tools.append(FunctionTool(work))
        world.agent.calls(("c1", "work", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            await outcome(registry, session_id, await send(registry, session_id))
            [call] = await calls(registry, session_id)
        assert call["progress"] == {"progress": 1, "total": 2, "message": "half"}
        assert call["logs"] == [{"level": "warning", "text": "a line"}]

    async def test_only_the_tools_that_were_asked_for(self, world: Tooled) -> None:
        world.tool()
        world.tool("other")
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            await outcome(registry, session_id, await send(registry, session_id, tools=["other"]))
        assert [spec.name for spec in world.agent.requests[0].tools] == ["other", "ask_user"]


class TestApprovals:
    async def test_a_call_waits_for_a_yes(self, world: Tooled) -> None:
        world.tool(approval="always")
        world.agent.calls(("c1", "count", {"n": 1}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                [asked] = await until(session, lambda t: t.approvals)
                assert asked["input"] == {"n": 1} and not world.ran
                with pytest.raises(UnknownApproval):
                    await session.answer_approval("nobody's", True, None, ADA)
                answers = [session.answer_approval(asked["id"], True, None, ADA) for _ in range(2)]
                assert [answer["approved"] for answer in await asyncio.gather(*answers)] == [True, True]
                with pytest.raises(AlreadyAnswered, match="allowed already"):
                    await session.answer_approval(asked["id"], False, None, ADA)
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
        assert call["approval"]["by"]["username"] == "ada" and world.ran == [1]

    @pytest.mark.parametrize(
        ("policy", "ends"), [("error", "completed"), ("disable", "completed"), ("stop", "stopped")]
    )
    async def test_a_no_does_what_the_policy_says(self, world: Tooled, policy: Any, ends: str) -> None:
        world.tool(approval="always")
        world.agent.calls(("c1", "count", {}))
        world.agent.answers()
        async with world.server(steps=StepLimits(denial=policy)) as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                [asked] = await until(session, lambda t: t.approvals)
                await session.answer_approval(asked["id"], False, "Not now.", ADA)
            assert await outcome(registry, session_id, turn) == ends
            [call] = await calls(registry, session_id)
        assert call["state"] == "output-denied" and call["approval"]["reason"] == "Not now." and not world.ran
        if ends == "completed":
            offered = [spec.name for spec in world.agent.requests[1].tools]
            assert ("count" in offered) == (policy == "error")

    async def test_once_is_for_the_session(self, world: Tooled) -> None:
        world.tool(approval="once")
        world.agent.calls(("c1", "count", {}), ("c2", "count", {}))
        world.agent.calls(("c3", "count", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                asked = await until(session, lambda t: t.approvals if len(t.approvals) == 2 else None)
                await session.answer_approval(asked[1]["id"], True, None, ADA)
            assert await outcome(registry, session_id, turn) == "completed"
            assert states(await calls(registry, session_id)) == ["output-available"] * 3
            fork = await registry.fork(session_id, None, None)
            assert fork.allowed == []

    async def test_nobody_answers_in_time(self, world: Tooled) -> None:
        world.tool(approval="always")
        world.agent.calls(("c1", "count", {}))
        world.agent.answers()
        async with world.server(steps=StepLimits(approval_seconds=0.01)) as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
        assert call["state"] == "output-denied" and call["approval"]["reason"] == NOBODY_ANSWERED

    async def test_the_settings_have_the_last_word(self, world: Tooled) -> None:
        tool = world.tool(approval="never")
        world.agent.calls(("c1", "count", {}))
        async with world.server(tools=Toolbox([tool], {"count": "always"})) as registry:
            session_id = await created(registry)
            await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: t.approvals)
        assert not world.ran

    @pytest.mark.slow  # the next server waits until the lease of the last one is unrenewed
    async def test_an_approval_outlives_the_server(self, world: Tooled) -> None:
        world.tool(approval="always")
        world.agent.calls(("c1", "count", {"n": 1}))
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                [asked] = await until(session, lambda t: t.approvals)
        world.agent.answers("Two.")
        async with after_a_death(world) as registry, registry.acquire(session_id) as session:
            assert session.transcript.approvals[0]["id"] == asked["id"], "it is still the same question"
            await session.answer_approval(asked["id"], True, None, ADA)
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
        assert (world.ran, call["output"]) == ([1], 2) and len(world.agent.requests) == 2


def after_a_death(world: Tooled, **settings: Any) -> Any:
    """A server on the store of one whose process is gone, so that nobody renews its leases."""
    world.now += 60
    return Later(world, settings)


class Later:
    """A server that has taken over what another one has left."""

    def __init__(self, world: Tooled, settings: JSON) -> None:
        self.registry = world.registry(**settings)

    async def __aenter__(self) -> Registry:
        await self.registry.__aenter__()
        await eventually(lambda: self.registry.turns > 0)
        return self.registry

    async def __aexit__(self, *exc: object) -> None:
        await self.registry.__aexit__(*exc)


class TestModes:
    async def test_ask_has_no_tools(self, world: Tooled) -> None:
        world.tool()
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            await outcome(registry, session_id, await send(registry, session_id, mode="ask"))
        assert world.agent.requests[0].tools == []

    async def test_a_plan_is_proposed_changed_and_approved(self, world: Tooled) -> None:
        world.tool("look", read_only=True)
        world.tool("change")
        world.agent.calls(("p1", "propose_plan", {"plan": "1. change"}))
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id, mode="plan")
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: "waitsFor" in (t.call("p1") or {}))
                with pytest.raises(NotAnAnswer, match="decision"):
                    await session.answer_call("p1", output={"decision": "maybe"}, runner=None, by=ADA)
                change = {"decision": "change", "text": "Twice."}
                world.agent.calls(("p2", "propose_plan", {"plan": "1. change 2. change"}))
                await session.answer_call("p1", output=change, runner=None, by=ADA)
                await until(session, lambda t: "waitsFor" in (t.call("p2") or {}))
                world.agent.calls(("c1", "change", {}))
                world.agent.answers()
                await session.answer_call("p2", output={"decision": "approve"}, runner=None, by=ADA)
                assert session.transcript.mode == "act", "for everyone"
            assert await outcome(registry, session_id, turn) == "completed"
        offered = [{spec.name for spec in request.tools} for request in world.agent.requests]
        assert offered[0] == offered[1] == {"look", "propose_plan", "ask_user"}
        assert offered[2] == {"look", "change", "ask_user"} and world.ran == [1]

    async def test_a_plan_that_is_cancelled_ends_the_answer(self, world: Tooled) -> None:
        world.agent.calls(("p1", "propose_plan", {"plan": "1."}))
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id, mode="plan")
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: "waitsFor" in (t.call("p1") or {}))
                await session.answer_call("p1", output={"decision": "cancel"}, runner=None, by=ADA)
            assert await outcome(registry, session_id, turn) == "stopped"

    async def test_a_queued_message_keeps_the_mode_it_was_sent_with(self, world: Tooled) -> None:
        world.tool()
        async with world.server() as registry:
            session_id = await created(registry)
            async with registry.acquire(session_id) as session:
                await session.update(e.SessionUpdated(mode="ask", effort="high"))
            await send(registry, session_id, "first")
            queued = await send(registry, session_id, "second")
            async with registry.acquire(session_id) as session:
                await session.update(e.SessionUpdated(mode="act", effort=None))
            world.agent.answers()
            world.agent.answers()
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: not t.turn and not t.queue)
                assert session.transcript.messages[-1]["metadata"]["turn"] == queued
        assert [request.tools for request in world.agent.requests] == [[], []]
        assert [request.effort for request in world.agent.requests] == ["high", "high"]

    async def test_an_effort_that_the_agent_does_not_take(self, world: Tooled) -> None:
        async with world.server() as registry:
            session_id = await created(registry)
            with pytest.raises(UnknownEffort, match=r"'most'.*low, high"):
                await send(registry, session_id, effort="most")


class TestQuestions:
    async def test_a_person_answers_and_the_agent_goes_on(self, world: Tooled) -> None:
        world.tool()
        questions = {"questions": [{"id": "q", "question": "Which?", "options": [{"label": "A"}, {"label": "B"}]}]}
        world.agent.calls(("q1", "ask_user", questions))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: "waitsFor" in (t.call("q1") or {}))
                with pytest.raises(NotAnAnswer, match="'C'"):
                    answer = {"action": "accept", "answers": {"q": "C"}}
                    await session.answer_call("q1", output=answer, runner=None, by=ADA)
                answer = {"action": "accept", "answers": {"q": "B"}}
                await session.answer_call("q1", output=answer, runner=None, by=ADA)
                await session.answer_call("q1", output=answer, runner=None, by=ADA)
                with pytest.raises(AlreadyAnswered):
                    await session.answer_call("q1", output={"action": "decline"}, runner=None, by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"
        assert world.agent.requests[1].messages[-1]["parts"][1]["output"] == answer

    async def test_a_tool_asks_the_person(self, world: Tooled) -> None:
        async def choose(context: Context) -> Any:
            return await context.ask([Question("name", "What name?")], "For the file.")

        world.tools.append(FunctionTool(choose))
        world.agent.calls(("c1", "choose", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                asked = await until(session, lambda t: (t.call("c1") or {}).get("parts"))
                nested = asked[0]["toolCallId"]
                await until(session, lambda t: "waitsFor" in t.call(nested))
                answer = {"action": "accept", "answers": {"name": "a.csv"}}
                await session.answer_call(nested, output=answer, runner=None, by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
        assert call["output"] == answer and call["parts"][0]["output"] == answer

    @pytest.mark.slow  # the next server waits until the lease of the last one is unrenewed
    async def test_a_question_outlives_the_server(self, world: Tooled) -> None:
        world.tool()
        world.agent.calls(("q1", "ask_user", {"questions": [{"question": "Which?"}]}), ("c1", "count", {"n": 1}))
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: "waitsFor" in (t.call("q1") or {}) and "output" in (t.call("c1") or {}))
        world.agent.answers()
        async with after_a_death(world) as registry, registry.acquire(session_id) as session:
            await session.answer_call("q1", output={"action": "decline"}, runner=None, by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"
        assert world.ran == [1], "what was done is not done again"


PLOT = e.OfferedTool("plot", "Draw it.", {"type": "object", "properties": {}})
AGAIN = e.OfferedTool("plot", "Draw it.", {"type": "object", "properties": {}}, idempotent=True)


def offer(runner: str, *tools: e.OfferedTool) -> e.ToolsOffered:
    return e.ToolsOffered(runner=runner, kernel="k", tools=list(tools))


class TestInAKernel:
    async def test_a_kernel_takes_a_call_and_gives_its_result(self, world: Tooled) -> None:
        world.agent.calls(("c1", "plot", {}))
        world.agent.answers()
        runners = Runners()
        async with world.server(runners=runners) as registry:
            session_id = await created(registry)
            async with registry.acquire(session_id) as session:
                await session.offer(offer("r1", PLOT))
                turn = await send(registry, session_id)
                with runners.connected("r1"):
                    await until(session, lambda t: "waitsFor" in (t.call("c1") or {}))
                    with pytest.raises(NotWaiting, match="not started"):
                        await session.answer_call("c1", output=1, runner="r1", by=ADA)
                    with pytest.raises(UnknownCall):
                        await session.start_call("c9", "r1")
                    await session.start_call("c1", "r1")
                    await session.start_call("c1", "r1")
                    with pytest.raises(AlreadyStarted):
                        await session.start_call("c1", "r2")
                    await session.report_call("c1", "r1", e.ToolProgress(tool_call_id="c1", message="half"))
                    with pytest.raises(AlreadyStarted):
                        await session.answer_call("c1", output=1, runner="r2", by=ADA)
                    await session.answer_call("c1", output=1, runner="r1", by=ADA)
                    await session.answer_call("c1", output=1, runner="r1", by=ADA)
                    with pytest.raises(AlreadyAnswered):
                        await session.answer_call("c1", output=2, runner="r1", by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
        assert call["output"] == 1 and call["progress"] == {"message": "half"}

    @pytest.mark.slow  # the next server waits until the lease of the last one is unrenewed
    async def test_a_turn_waits_for_a_kernel_that_is_away_and_outlives_the_server(self, world: Tooled) -> None:
        world.agent.calls(("c1", "plot", {}))
        async with world.server() as registry:
            session_id = await created(registry)
            async with registry.acquire(session_id) as session:
                await session.offer(offer("r1", PLOT))
                turn = await send(registry, session_id)
                await until(session, lambda t: "waitsFor" in (t.call("c1") or {}))
        world.agent.answers()
        runners = Runners()
        async with after_a_death(world, runners=runners) as registry, registry.acquire(session_id) as session:
            await session.offer(offer("r2", PLOT))
            with runners.connected("r2"):
                await session.start_call("c1", "r2")
                await session.answer_call("c1", output="a figure", runner="r2", by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"

    @pytest.mark.parametrize("replaced", [True, False])
    async def test_a_call_in_a_kernel_that_died_is_an_error_and_is_not_run_twice(
        self, world: Tooled, replaced: bool
    ) -> None:
        world.agent.calls(("c1", "plot", {}))
        world.agent.answers()
        runners = Runners(grace=60 if replaced else 0.01)
        async with world.server(runners=runners) as registry:
            session_id = await created(registry)
            async with registry.acquire(session_id) as session:
                await session.offer(offer("r1", PLOT))
                turn = await send(registry, session_id)
                await until(session, lambda t: "waitsFor" in (t.call("c1") or {}))
                with runners.connected("r1"):
                    await session.start_call("c1", "r1")
                if replaced:
                    await session.offer(offer("r2", PLOT))
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
            assert call["state"] == "output-error" and "went away" in call["errorText"]
            async with registry.acquire(session_id) as session:
                with pytest.raises(AlreadyAnswered):
                    await session.answer_call("c1", output=1, runner="r1", by=ADA)

    async def test_an_idempotent_call_is_run_once_more(self, world: Tooled) -> None:
        world.agent.calls(("c1", "plot", {}))
        world.agent.answers()
        runners = Runners(grace=0.01)
        async with world.server(runners=runners) as registry:
            session_id = await created(registry)
            async with registry.acquire(session_id) as session:
                await session.offer(offer("r1", AGAIN))
                turn = await send(registry, session_id)
                await until(session, lambda t: "waitsFor" in (t.call("c1") or {}))
                await session.start_call("c1", "r1")
                await until(session, lambda t: "started" not in t.call("c1"))
                with pytest.raises(NotWaiting, match="does not offer"):
                    await session.start_call("c1", "r2")
                await session.offer(offer("r2", AGAIN))
                with runners.connected("r2"):
                    await session.start_call("c1", "r2")
                    await session.answer_call("c1", output=2, runner="r2", by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"

    async def test_a_connection_that_comes_back_in_time_is_the_same_kernel(self, world: Tooled) -> None:
        world.agent.calls(("c1", "plot", {}))
        world.agent.answers()
        runners = Runners(grace=5)
        async with world.server(runners=runners) as registry:
            session_id = await created(registry)
            async with registry.acquire(session_id) as session:
                await session.offer(offer("r1", PLOT))
                turn = await send(registry, session_id)
                await until(session, lambda t: "waitsFor" in (t.call("c1") or {}))
                with runners.connected("r1"):
                    await session.start_call("c1", "r1")
                with runners.connected("r1"):
                    await session.answer_call("c1", output=1, runner="r1", by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
        assert call["output"] == 1


class TestTwoPhases:
    def tool(self, world: Tooled, to: Any = "person") -> TwoPhaseFunction:
        async def prepare(path: str) -> Suspended:
            world.ran.append(path)
            if to == "kernel":
                return Suspended({"rows": 3}, "plot", {})
            questions = {"questions": [{"id": "sure", "question": "Sure?", "kind": "boolean"}]}
            return Suspended({"rows": 3}, arguments=questions)

        async def finish(kept: Any, answer: Any) -> Any:
            return {"kept": kept, "answer": answer}

        tool = TwoPhaseFunction(prepare, finish, name="load")
        world.tools.append(tool)
        return tool

    @pytest.mark.slow  # the next server waits until the lease of the last one is unrenewed
    async def test_the_first_phase_runs_once_also_when_the_server_dies_between(self, world: Tooled) -> None:
        self.tool(world)
        world.agent.calls(("c1", "load", {"path": "a"}))
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                asked = (await until(session, lambda t: (t.call("c1") or {}).get("suspended")))["asked"]
                await until(session, lambda t: "waitsFor" in t.call(asked))
        world.agent.answers()
        answer = {"action": "accept", "answers": {"sure": True}}
        async with after_a_death(world) as registry, registry.acquire(session_id) as session:
            await session.answer_call(asked, output=answer, runner=None, by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
        assert world.ran == ["a"] and call["output"] == {"kept": {"rows": 3}, "answer": answer}

    async def test_the_part_in_between_is_a_kernels(self, world: Tooled) -> None:
        self.tool(world, "kernel")
        world.agent.calls(("c1", "load", {"path": "a"}))
        world.agent.answers()
        runners = Runners()
        async with world.server(runners=runners) as registry:
            session_id = await created(registry)
            async with registry.acquire(session_id) as session:
                await session.offer(offer("r1", PLOT))
                turn = await send(registry, session_id)
                asked = (await until(session, lambda t: (t.call("c1") or {}).get("suspended")))["asked"]
                await until(session, lambda t: "waitsFor" in t.call(asked))
                with runners.connected("r1"):
                    await session.start_call(asked, "r1")
                    await session.answer_call(asked, output="drawn", runner="r1", by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
        assert call["output"] == {"kept": {"rows": 3}, "answer": "drawn"}


class TestInside:
    async def test_a_tool_asks_the_model(self, world: Tooled) -> None:
        async def summarise(context: Context) -> str:
            return await context.sample("the text", instructions="Shorten:")

        world.tool()
        world.tools.append(FunctionTool(summarise))
        world.agent.calls(("c1", "summarise", {}))
        world.agent.answers("short")
        world.agent.answers("It is short.")
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
            answer = (await transcript(registry, session_id)).messages[-1]
        assert call["output"] == "short"
        [inside] = call["parts"]
        assert (inside["toolName"], inside["output"]) == ("sample", "short")
        assert [part.get("text") for part in inside["parts"]] == [None, "short"]
        assert [part["text"] for part in answer["parts"] if part["type"] == "text"] == ["It is short."]
        asked = world.agent.requests[1]
        assert asked.tools == [] and "Shorten:\n\nthe text" in asked.messages[0]["parts"][0]["text"]

    async def test_a_tool_runs_an_agent_with_tools(self, world: Tooled) -> None:
        async def research(topic: str, context: Context) -> str:
            return await context.run_agent("other", topic)

        world.tool()
        world.tools.append(FunctionTool(research))
        world.agent.calls(("c1", "research", {"topic": "bees"}))
        world.agent.answers()
        world.other.calls(("n1", "count", {"n": 5}), usage=e.Usage(10, 20))
        world.other.answers("Six bees.")
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
            used = (await transcript(registry, session_id)).usage
        [inside] = call["parts"]
        kinds = [part["type"] for part in inside["parts"]]
        assert kinds == ["step-start", "dynamic-tool", "step-start", "text"]
        assert call["output"] == inside["output"] == "Six bees." and inside["toolName"] == "other"
        assert inside["parts"][1]["output"] == 6 and world.ran == [5] and used == e.Usage(10, 20)
        again = world.other.requests[1].messages
        assert [message["role"] for message in again] == ["user", "assistant"]
        assert again[1]["parts"][1]["output"] == 6

    async def test_agents_within_agents_have_an_end(self, world: Tooled) -> None:
        async def dig(context: Context) -> str:
            return await context.run_agent("other", "deeper")

        world.tools.append(FunctionTool(dig))
        world.agent.calls(("c1", "dig", {}))
        world.agent.answers()
        world.other.calls(("c2", "dig", {}))
        world.other.calls(("c3", "dig", {}))
        world.other.answers("bottom")
        world.other.answers("top")
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
        deepest = call["parts"][0]["parts"][1]["parts"][0]["parts"][1]
        assert deepest["state"] == "output-error" and "2 deep" in deepest["errorText"]
        assert call["output"] == "top"

    async def test_what_is_inside_of_calls_has_a_budget(self, world: Tooled) -> None:
        async def chat(context: Context) -> str:
            return await context.sample("much", max_tokens=5)

        world.tools.append(FunctionTool(chat))
        world.agent.calls(("c1", "chat", {}))
        world.agent.answers("x" * 100)
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            await outcome(registry, session_id, await send(registry, session_id))
            [call] = await calls(registry, session_id)
        assert call["state"] == "output-error" and "5 tokens" in call["errorText"]


class TestBudget:
    async def test_the_answer_stops_with_what_there_is(self, world: Tooled) -> None:
        world.tool()
        world.agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="I count."), e.TextEnd(id="x"))
        world.agent.calls(("c1", "count", {}), usage=e.Usage(60, 50))
        async with world.server(budget=e.Budget(tokens=100)) as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "stopped"
            answer = (await transcript(registry, session_id)).messages[-1]
            assert answer["metadata"]["error"]["category"] == "budget" and answer["parts"][0]["text"] == "I count."
            with pytest.raises(BudgetSpent, match="session_tokens"):
                await send(registry, session_id, "again")
            async with registry.acquire(session_id) as session:
                await session.update(e.SessionUpdated(budget=e.Budget(tokens=1000)))
            world.agent.answers()
            assert await outcome(registry, session_id, await send(registry, session_id, "again")) == "completed"


@pytest.mark.slow  # the next server waits until the lease of the last one is unrenewed
async def test_a_call_that_ran_when_the_server_died_is_an_error_for_the_model(world: Tooled) -> None:
    begun = asyncio.Event()

    async def slow() -> None:
        begun.set()
        await asyncio.Event().wait()

    world.tools.append(FunctionTool(slow))
    world.agent.calls(("c1", "slow", {}))
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        await begun.wait()
    world.agent.answers()
    world.now += 60
    async with world.registry() as registry:
        await eventually(lambda: len(world.agent.requests) == 2)
        assert await outcome(registry, session_id, turn) == "completed"
        [call] = await calls(registry, session_id)
    assert call["state"] == "output-error" and "started anew" in call["errorText"]


@pytest.mark.slow  # the next server waits until the lease of the last one is unrenewed
async def test_an_agent_that_is_no_longer_there_cannot_go_on(world: Tooled) -> None:
    world.tool(approval="always")
    world.agent.calls(("c1", "count", {}))
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        async with registry.acquire(session_id) as session:
            await until(session, lambda t: t.approvals)
    world.now += 60
    world.agent.name = "another"
    async with world.registry() as registry:
        assert await outcome(registry, session_id, turn) == "interrupted"


async def test_an_agent_that_asks_for_an_approval_by_itself_waits_for_it(world: Tooled) -> None:
    class Asking(Stepping):
        async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
            yield e.ToolInputAvailable(tool_call_id="c1", tool_name="edit", input={}, provider_executed=True)
            yield e.ToolApprovalRequest(approval_id="a1", tool_call_id="c1")
            assert request.host is not None
            verdict = await request.host.approval("a1")
            yield e.ToolOutputAvailable(tool_call_id="c1", output=verdict.approved, provider_executed=True)
            yield e.Finish(finish_reason="stop")

    world.agent = Asking()
    async with world.server() as registry:
        session_id = await created(registry)
        turn = await send(registry, session_id)
        async with registry.acquire(session_id) as session:
            await until(session, lambda t: t.approvals)
            await session.answer_approval("a1", True, None, ADA)
        assert await outcome(registry, session_id, turn) == "completed"
        [call] = await calls(registry, session_id)
    assert call["output"] is True


class Backgrounded(Stepping):
    """Its provider goes on while nobody listens."""

    resumes = True

    def __init__(self) -> None:
        super().__init__()
        self.resumed: list[tuple[JSON, list[JSON]]] = []
        self.discarded: list[JSON] = []

    async def resume(self, request: Request, state: JSON, said: Sequence[JSON]) -> AsyncGenerator[e.Chunk]:
        self.resumed.append((state, list(said)))
        yield e.TextDelta(id="x", delta=" and the rest")
        yield e.TextEnd(id="x")
        yield e.MessageMetadata(message_metadata={"resume": None})
        yield e.FinishStep()
        yield e.Finish(finish_reason="stop")

    async def discard(self, state: JSON) -> None:
        self.discarded.append(state)

    def begins(self) -> None:
        self.say(e.StartStep(), e.MessageMetadata(message_metadata={"resume": {"response_id": "r"}}))
        self.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="The beginning"))


class TestAProviderThatGoesOn:
    @pytest.mark.slow  # the next server waits until the lease of the last one is unrenewed
    async def test_its_step_is_resumed_by_the_next_server(self, world: Tooled) -> None:
        world.agent = agent = Backgrounded()
        agent.begins()
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: t.messages[-1]["parts"][-1:] and t.messages[-1]["parts"][-1].get("text"))
        world.now += 60
        async with world.registry() as registry:
            await eventually(lambda: bool(agent.resumed))
            assert await outcome(registry, session_id, turn) == "completed"
            answer = (await transcript(registry, session_id)).messages[-1]
        [(state, said)] = agent.resumed
        assert state == {"response_id": "r"} and said[0]["text"] == "The beginning" and said[0]["id"] == "x"
        assert [part.get("text") for part in answer["parts"]] == [None, "The beginning and the rest"]
        assert not agent.discarded

    async def test_a_stop_tells_the_provider(self, world: Tooled) -> None:
        world.agent = agent = Backgrounded()
        agent.begins()
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: t.messages[-1]["metadata"].get("resume"))
                assert await session.stop(turn, ADA)
                await eventually(lambda: not session.busy)
        assert agent.discarded == [{"response_id": "r"}]


class TestWhatIsHostile:
    """Found by somebody who tried to break it."""

    async def test_ill_typed_progress_fails_the_call_and_not_the_log(self, world: Tooled) -> None:
        async def work(context: Context) -> str:
            context.log("a line", 30)  # type: ignore[arg-type]
            context.progress("half")  # type: ignore[arg-type]
            return "done"

        world.tools.append(FunctionTool(work))
        world.agent.calls(("c1", "work", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
        assert "ValueError" in call["errorText"] and call["logs"][0]["level"] == "30"

    async def test_an_ill_typed_chunk_is_never_stored(self, world: Tooled) -> None:
        world.agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta=7))  # type: ignore[arg-type]
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "failed"
        async with world.server() as registry:
            assert (await transcript(registry, session_id)).status == "failed", "and it can be read"

    @pytest.mark.parametrize("ids", [("c1", "c1"), ("", "")])
    async def test_two_calls_of_one_id_are_two_calls(self, world: Tooled, ids: tuple[str, str]) -> None:
        world.tool()
        world.agent.calls((ids[0], "count", {"n": 1}), (ids[1], "count", {"n": 5}))
        world.agent.calls((ids[0], "count", {"n": 9}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            assert [call["output"] for call in await calls(registry, session_id)] == [2, 6, 10]
        assert sorted(world.ran) == [1, 5, 9]

    async def test_calls_inside_have_ids_of_their_own(self, world: Tooled) -> None:
        async def research(context: Context) -> str:
            return await context.run_agent("other", "x")

        world.tool()
        world.tools.append(FunctionTool(research))
        world.agent.calls(("call_0", "research", {}))
        world.agent.answers()
        world.other.calls(("call_0", "count", {"n": 5}))
        world.other.answers("Six.")
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
        assert call["output"] == "Six." and world.ran == [5]

    async def test_a_step_is_what_it_did_and_not_what_it_says(self, world: Tooled) -> None:
        world.tool()
        world.agent.say(e.ToolInputAvailable(tool_call_id="c1", tool_name="count", input={}))
        world.agent.say(e.Finish(finish_reason="stop"), None)
        world.agent.say(e.StartStep(), e.Finish(finish_reason="tool-calls"), None)
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
        assert call["output"] == 2 and len(world.agent.requests) == 2

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
    async def test_a_tool_that_ends_everything_ends_its_call(self, world: Tooled, error: type[BaseException]) -> None:
        async def ends() -> None:
            raise error

        world.tools.append(FunctionTool(ends))
        world.agent.calls(("c1", "ends", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            assert states(await calls(registry, session_id)) == ["output-error"]

    async def test_two_agents_at_once_in_one_call_keep_apart(self, world: Tooled) -> None:
        async def research(context: Context) -> Any:
            return await asyncio.gather(context.run_agent("other", "1"), context.run_agent("other", "2"))

        world.tool()
        world.tools.append(FunctionTool(research))
        world.agent.calls(("c1", "research", {}))
        world.agent.answers()
        world.other.calls(("n", "count", {"n": 1}))
        world.other.calls(("n", "count", {"n": 2}))
        world.other.answers("one")
        world.other.answers("two")
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
        assert sorted(world.ran) == [1, 2] and sorted(call["output"]) == ["one", "two"]

    async def test_an_agent_inside_has_no_more_tools_than_the_message(self, world: Tooled) -> None:
        async def research(context: Context) -> str:
            return await context.run_agent("other", "x")

        world.tool()
        world.tools.append(FunctionTool(research))
        world.agent.calls(("c1", "research", {}))
        world.agent.answers()
        world.other.answers("none")
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id, tools=["research"])
            assert await outcome(registry, session_id, turn) == "completed"
        assert [spec.name for spec in world.other.requests[0].tools] == ["research"]

    async def test_a_denial_that_stops_does_not_wait_for_the_others(self, world: Tooled) -> None:
        world.tool(approval="always")
        world.agent.calls(("c1", "count", {}), ("c2", "count", {}))
        async with world.server(steps=StepLimits(denial="stop")) as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                asked = await until(session, lambda t: t.approvals if len(t.approvals) == 2 else None)
                await session.answer_approval(asked[0]["id"], False, None, ADA)
            assert await outcome(registry, session_id, turn) == "stopped"
        assert not world.ran

    async def test_the_time_of_a_tool_stands_still_while_it_asks(self, world: Tooled) -> None:
        async def choose(context: Context) -> Any:
            return (await context.ask([Question("name", "What name?")]))["action"]

        world.tools.append(FunctionTool(choose, timeout=0.05))
        world.agent.calls(("c1", "choose", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id)
            async with registry.acquire(session_id) as session:
                asked = await until(session, lambda t: (t.call("c1") or {}).get("parts"))
                assert not await session.turn_ended(turn, 0.2)
                await session.answer_call(asked[0]["toolCallId"], output={"action": "decline"}, runner=None, by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"
            [call] = await calls(registry, session_id)
        assert call["output"] == "decline"

    async def test_a_tool_that_ignores_its_time_is_left_behind(self, world: Tooled) -> None:
        ends = asyncio.Event()

        async def stubborn() -> str:
            while not ends.is_set():
                with suppress(asyncio.CancelledError):
                    await ends.wait()
            return "late"

        world.tools.append(FunctionTool(stubborn, timeout=0.01))
        world.agent.calls(("c1", "stubborn", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
            ends.set()
        assert "longer than 0.01" in call["errorText"]

    async def test_the_newest_offer_counts_with_the_strictest_approval(self, world: Tooled) -> None:
        new = e.OfferedTool("plot", "New.", {"type": "object"}, approval="always")
        world.agent.calls(("c1", "plot", {}))
        async with world.server() as registry:
            session_id = await created(registry)
            async with registry.acquire(session_id) as session:
                await session.offer(e.ToolsOffered(runner="r1", kernel="k1", tools=[PLOT]))
                await session.offer(e.ToolsOffered(runner="r2", kernel="k2", tools=[new]))
                await send(registry, session_id)
                await until(session, lambda t: t.approvals)
        assert world.agent.requests[0].tools[0].description == "New."

    @pytest.mark.slow  # the next server waits until the lease of the last one is unrenewed
    async def test_what_waits_for_a_kernel_waits_though_nobody_offers_it_now(self, world: Tooled) -> None:
        world.agent.calls(("c1", "plot", {}))
        async with world.server() as registry:
            session_id = await created(registry)
            async with registry.acquire(session_id) as session:
                await session.offer(offer("r1", PLOT))
                turn = await send(registry, session_id)
                await until(session, lambda t: "waitsFor" in (t.call("c1") or {}))
                await session.offer(offer("r1"))
        world.agent.answers()
        runners = Runners()
        async with after_a_death(world, runners=runners) as registry, registry.acquire(session_id) as session:
            assert not await session.turn_ended(turn, 0.1)
            await session.offer(offer("r2", PLOT))
            with runners.connected("r2"):
                await session.start_call("c1", "r2")
                await session.answer_call("c1", output=1, runner="r2", by=ADA)
            assert await outcome(registry, session_id, turn) == "completed"

    async def test_a_kernel_of_another_server_is_there(self, world: Tooled) -> None:
        world.agent.calls(("c1", "plot", {}))
        world.agent.answers()
        now = 0.0
        async with world.server(runners=Runners(0.5, lambda: now)) as here, world.server() as there:
            session_id = await created(here)
            async with there.acquire(session_id) as session:
                await session.offer(offer("r1", PLOT))
                turn = await send(here, session_id)
                await until(session, lambda t: "waitsFor" in (t.call("c1") or {}))
                await session.start_call("c1", "r1")
                for _ in range(8):
                    await session.vouch("r1")
                    async with here.acquire(session_id) as followed:
                        lsn = session.transcript.lsn
                        await until(followed, lambda t, lsn=lsn: t.lsn >= lsn)
                    now += 0.2
                    assert not await session.turn_ended(turn, 0.1)
                await session.answer_call("c1", output=1, runner="r1", by=ADA)
            assert await outcome(here, session_id, turn) == "completed"
            [call] = await calls(here, session_id)
        assert call["output"] == 1

    async def test_nobody_answers_what_its_call_no_longer_asks(self, world: Tooled) -> None:
        async def asks(context: Context) -> Any:
            asking = asyncio.create_task(context.ask([Question("name", "What name?")]))
            await asyncio.sleep(0)
            raise ToolError(f"Given up: {asking.cancel()}")

        world.tools.append(FunctionTool(asks))
        world.agent.calls(("c1", "asks", {}))
        world.agent.answers()
        async with world.server() as registry:
            session_id = await created(registry)
            assert await outcome(registry, session_id, await send(registry, session_id)) == "completed"
            [call] = await calls(registry, session_id)
        assert states(call["parts"]) == ["output-error"] and "is over" in call["parts"][0]["errorText"]

    async def test_continue_after_an_approved_plan_acts(self, world: Tooled) -> None:
        world.tool("change")
        world.agent.calls(("p1", "propose_plan", {"plan": "1."}))
        async with world.server(steps=StepLimits(steps=1)) as registry:
            session_id = await created(registry)
            turn = await send(registry, session_id, mode="plan")
            async with registry.acquire(session_id) as session:
                await until(session, lambda t: "waitsFor" in (t.call("p1") or {}))
                await session.answer_call("p1", output={"decision": "approve"}, runner=None, by=ADA)
                assert await outcome(registry, session_id, turn) == "failed"
                world.agent.answers()
                turn = (await session.go_on(None, None, ADA)).turn_id
            assert await outcome(registry, session_id, turn) == "completed"
        assert "change" in [spec.name for spec in world.agent.requests[1].tools]


async def test_of_a_table_the_rows_that_there_is_room_for_are_kept() -> None:
    async def keep(data: bytes) -> str:
        raise AssertionError(data)

    structured = {"rows": 1000, "columns": ["a"], "index": [""], "cells": [[n, "x" * 10] for n in range(100)]}
    output = {"content": [{"type": "text", "text": "a"}], "structured": structured}
    assert await cut(output, 10_000, keep) == output
    kept = await cut(output, 500, keep)
    cells = kept["structured"].pop("cells")
    assert kept["structured"] == {"rows": 1000, "columns": ["a"], "index": [""]}
    assert cells == structured["cells"][: len(cells)]
    assert 300 < len(e.to_json(cells)) < 500
    assert "structured" not in await cut(output, 50, keep)


@pytest.mark.parametrize(
    "output",
    [
        {"content": [{"type": "text", "text": "a", "extra": "x" * 1000}]},
        {"content": [{"type": "text", "text": ""}] * 1000},
        {"content": [{"type": "file", "mediaType": "image/png", "url": "https://" + "x" * 1000}]},
        {"content": [{"type": "file", "mediaType": "image/png", "url": "DATA:image/png;base64," + "AAAA" * 1000}]},
        {
            "content": [
                {"type": "file", "mediaType": "x" * 1000, "url": "attachment:" + "0" * 64, "filename": "x" * 1000}
            ]
        },
        {"content": [{"type": "text", "text": "a"}], "structured": ["x" * 1000]},
        ["x" * 1000],
    ],
)
async def test_every_result_is_cut(output: Any) -> None:
    async def keep(data: bytes) -> str:
        return "attachment:" + "0" * 64

    kept = await cut(output, 100, keep)
    assert len(e.to_json(kept)) < 5000 if isinstance(output, dict) and len(output["content"]) > 100 else 700
