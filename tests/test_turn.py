"""A turn ends exactly once, with the right outcome, and what was yielded before is stored before."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat import turn as turn_module
from jupyter_durable_chat.agents import AgentError, Request
from jupyter_durable_chat.log import LogUnavailable
from jupyter_durable_chat.turn import PENDING_CHUNKS, Limits, Turn, coalesce
from tests.scripted import Scripted


class Stored:
    """Where a turn's events go, in batches."""

    def __init__(self) -> None:
        self.batches: list[list[e.Event]] = []
        self.grown = asyncio.Event()

    async def append(self, events: Sequence[e.Event]) -> None:
        self.batches.append(list(events))
        self.grown.set()

    @property
    def text(self) -> str:
        return "".join(event.delta for batch in self.batches for event in batch if isinstance(event, e.TextDelta))


def started() -> tuple[Scripted, Stored, Turn]:
    agent, stored = Scripted(), Stored()
    return agent, stored, Turn(agent.run(Request([])), stored.append)


def stopped(ending: Sequence[e.Event]) -> e.TurnStopped:
    assert isinstance(ending[-1], e.TurnStopped)
    return ending[-1]


async def test_a_finish_completes_with_its_usage() -> None:
    agent, stored, turn = started()
    agent.say_text("Hello", " ", "world")
    agent.finish()
    end = stopped(await turn.run())
    assert (end.outcome, end.error, end.usage) == ("completed", None, e.Usage(input_tokens=2, output_tokens=3))
    assert stored.text == "Hello world"


async def test_a_stream_that_just_ends_is_truncated() -> None:
    agent, stored, turn = started()
    agent.say_text("half")
    agent.say(None)
    end = stopped(await turn.run())
    assert end.outcome == "truncated" and end.error is not None and end.error.recoverable
    assert stored.text == "half"


async def test_an_agent_error_is_told_as_it_is_and_after_what_came_before() -> None:
    agent, stored, turn = started()
    agent.say_text("half")
    agent.say(AgentError("rate", "Too many requests.", recoverable=True))
    ending = await turn.run()
    assert ending[0] == e.ErrorText(error_text="Too many requests.")
    assert stopped(ending).error == e.Error("rate", "Too many requests.", True)
    assert stopped(ending).outcome == "failed" and stored.text == "half"


@pytest.mark.parametrize("levels", [e.MAX_DEPTH, e.MAX_DEPTH + 1, 980, 100_000])
async def test_json_that_nests_too_deep_is_never_stored(levels: int) -> None:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    agent, stored, turn = started()
    agent.say_text("half")
    agent.say(e.ToolInputAvailable(tool_call_id="k", tool_name="f", input=value))
    agent.finish()
    end = stopped(await turn.run())
    calls = [event for batch in stored.batches for event in batch if isinstance(event, e.ToolInputAvailable)]
    assert stored.text == "half"
    if levels == e.MAX_DEPTH:
        assert end.outcome == "completed" and calls[0].input == value
    else:
        assert end.outcome == "failed" and calls == []
        assert end.error and end.error.category == "provider" and "64 levels" in end.error.text


async def test_a_foreign_exception_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    agent, _, turn = started()
    agent.say(RuntimeError("Authorization: Bearer sk-secret"))
    with caplog.at_level(logging.DEBUG):
        end = stopped(await turn.run())
    assert end.outcome == "failed" and end.error is not None
    assert "sk-secret" not in end.error.text + caplog.text
    assert "RuntimeError" in end.error.text and "scripted.py" in caplog.text


async def test_the_first_piece_is_stored_at_once_and_the_next_ones_together() -> None:
    agent, stored, turn = started()
    running = asyncio.create_task(turn.run())
    agent.say(e.TextStart(id="x"))
    await stored.grown.wait()
    agent.say(*(e.TextDelta(id="x", delta=str(n)) for n in range(10)))
    agent.finish()
    await running
    deltas = [event for batch in stored.batches for event in batch if isinstance(event, e.TextDelta)]
    assert stored.text == "0123456789" and len(deltas) < 10


async def test_stop_keeps_the_partial_and_closes_the_agent() -> None:
    agent, stored, turn = started()
    running = asyncio.create_task(turn.run())
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
    await stored.grown.wait()
    turn.stop()
    turn.stop()
    ending = await running
    assert [type(event) for event in ending] == [e.Abort, e.TurnStopped]
    assert stopped(ending).outcome == "stopped" and agent.closed.is_set() and stored.text == "half"


async def test_stop_before_the_first_token_and_before_the_start() -> None:
    agent, stored, turn = started()
    turn.stop()
    assert stopped(await turn.run()).outcome == "stopped"
    assert stored.batches == []

    agent, stored, turn = started()
    running = asyncio.create_task(turn.run())
    await agent.started.wait()
    turn.stop()
    assert stopped(await running).outcome == "stopped" and agent.closed.is_set()


async def test_stop_after_the_finish_changes_nothing() -> None:
    agent, _, turn = started()
    agent.finish()
    ending = await turn.run()
    turn.stop()
    assert stopped(ending).outcome == "completed"


async def test_an_interrupt_is_no_stop() -> None:
    agent, _, turn = started()
    running = asyncio.create_task(turn.run())
    await agent.started.wait()
    turn.interrupt()
    turn.stop()
    assert stopped(await running).outcome == "interrupted"


async def test_an_agent_that_ignores_its_cancellation_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release = asyncio.Event()

    async def stubborn() -> AsyncGenerator[e.Chunk]:
        yield e.TextStart(id="x")
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    stored = Stored()
    turn = Turn(stubborn(), stored.append)
    running = asyncio.create_task(turn.run())
    await stored.grown.wait()
    monkeypatch.setattr(turn_module, "STOP_SECONDS", 0.05)
    turn.stop()
    assert stopped(await running).outcome == "stopped"
    release.set()


async def test_a_store_that_fails_stops_the_agent_and_raises() -> None:
    agent = Scripted()

    async def append(_: Sequence[e.Event]) -> None:
        raise LogUnavailable("disk full")

    agent.say_text("lost")
    with pytest.raises(LogUnavailable):
        await Turn(agent.run(Request([])), append).run()
    assert agent.closed.is_set()


async def test_a_slow_store_makes_the_agent_wait_and_loses_nothing() -> None:
    stored, gate = Stored(), asyncio.Event()
    yielded = 0

    async def append(events: Sequence[e.Event]) -> None:
        await gate.wait()
        await stored.append(events)

    async def eager() -> AsyncGenerator[e.Chunk]:
        nonlocal yielded
        yield e.TextStart(id="x")
        for yielded in range(10_000):
            yield e.TextDelta(id="x", delta="a")
            if yielded == PENDING_CHUNKS - 10:
                asyncio.get_running_loop().call_later(0, gate.set)
        yield e.Finish()

    assert stopped(await Turn(eager(), append).run()).outcome == "completed"
    assert len(stored.text) == 10_000


async def test_stop_closes_an_agent_that_waits_for_the_store() -> None:
    closed, full = asyncio.Event(), asyncio.Event()

    async def append(_: Sequence[e.Event]) -> None:
        await asyncio.Event().wait()

    async def eager() -> AsyncGenerator[e.Chunk]:
        try:
            for n in range(PENDING_CHUNKS + 2):
                if n == PENDING_CHUNKS + 1:
                    full.set()
                yield e.TextDelta(id="x", delta="a")
        finally:
            closed.set()

    running = asyncio.create_task(Turn(eager(), append).run())
    await full.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert closed.is_set()


class TestLimits:
    """A time-out is an answer that failed, with what came before it kept."""

    async def ended(self, agent: Scripted, limits: Limits) -> tuple[e.TurnStopped, str]:
        stored = Stored()
        end = stopped(await Turn(agent.run(Request([])), stored.append, limits=limits).run())
        assert agent.closed.is_set() and end.outcome == "failed" and end.error is not None and end.error.recoverable
        return end, stored.text

    async def test_first_token(self) -> None:
        end, _ = await self.ended(Scripted(), Limits(first_token=0.01, inactivity=60))
        assert end.error is not None and "begun to answer within 0.01 seconds" in end.error.text

    async def test_inactivity(self) -> None:
        agent = Scripted()
        agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
        end, text = await self.ended(agent, Limits(first_token=60, inactivity=0.01))
        assert text == "half" and end.error is not None and "not said anything for 0.01" in end.error.text

    async def test_failure_28_total_and_not_age_alone(self) -> None:
        """A time-out killed healthy long answers."""
        agent = Scripted()
        agent.say(e.TextStart(id="x"))
        end, _ = await self.ended(agent, Limits(inactivity=60, total=0.02))
        assert end.error is not None and "longer than 0.02 seconds" in end.error.text

    async def test_an_agent_that_does_not_let_go_is_left_behind(self) -> None:
        let_go = asyncio.Event()

        async def deaf() -> AsyncGenerator[e.Chunk]:
            try:
                await asyncio.Event().wait()
            finally:
                await let_go.wait()
            yield e.Finish()

        end = stopped(await Turn(deaf(), Stored().append, limits=Limits(first_token=0.01)).run())
        assert end.outcome == "failed" and end.error and "begun" in end.error.text
        let_go.set()

    async def test_a_wait_for_a_person_does_not_count(self) -> None:
        answered = asyncio.Event()

        async def append(events: Sequence[e.Event]) -> None:
            if any(isinstance(event, e.ToolApprovalRequest) for event in events):
                asyncio.get_running_loop().call_later(0.05, answered.set)

        async def answer() -> AsyncGenerator[e.Chunk]:
            yield e.ToolApprovalRequest(approval_id="a", tool_call_id="c")
            with turn.resting():
                yield e.ToolOutputAvailable(tool_call_id="of another call", output=1)
                await answered.wait()
            yield e.Finish(finish_reason="stop")

        limits = Limits(first_token=5, inactivity=0.01, total=5)
        turn = Turn(answer(), append, limits=limits)
        assert stopped(await turn.run()).outcome == "completed"


def test_coalesce_joins_only_neighbours_of_one_part() -> None:
    a, b = e.TextDelta(id="a", delta="1"), e.TextDelta(id="b", delta="2")
    assert coalesce([a, a, b, a]) == [e.TextDelta(id="a", delta="11"), b, a]
    tool = e.ToolInputDelta(tool_call_id="c", input_text_delta="{")
    assert coalesce([tool, tool]) == [e.ToolInputDelta(tool_call_id="c", input_text_delta="{{")]
    marked = e.TextDelta(id="a", delta="!", provider_metadata={"p": {"k": 1}})
    assert coalesce([a, marked, a]) == [a, marked, a]
    assert coalesce([a, e.ReasoningDelta(id="a", delta="r")]) == [a, e.ReasoningDelta(id="a", delta="r")]


async def test_a_writer_faster_than_allowed_has_to_wait() -> None:
    async def fast() -> AsyncGenerator[e.Chunk]:
        for n in range(PENDING_CHUNKS * 2):
            yield e.SourceUrl(source_id=str(n), url="https://example.org")
        yield e.Finish()

    stored = Stored()
    clock = asyncio.get_running_loop().time
    began = clock()
    ending = await Turn(fast(), stored.append, limits=Limits(events_per_second=PENDING_CHUNKS * 5)).run()
    assert clock() - began >= 0.19, "the first half was allowed at once, the second after a fifth of a second"
    assert stopped(ending).outcome == "completed"
    stored_ids = [event.source_id for batch in stored.batches for event in batch if isinstance(event, e.SourceUrl)]
    assert stored_ids == [str(n) for n in range(PENDING_CHUNKS * 2)]


async def test_a_turn_that_is_made_to_fail_says_why() -> None:
    agent, stored, turn = started()
    agent.say_text("half")
    running = asyncio.create_task(turn.run())
    await stored.grown.wait()
    turn.fail(e.Error("too-long", "full"))
    turn.fail(e.Error("too-long", "again"))
    end = stopped(await running)
    assert end.outcome == "failed" and end.error == e.Error("too-long", "full") and stored.text == "half"


async def test_usage_that_nobody_understands_costs_nothing() -> None:
    agent, stored, turn = started()
    agent.say_text("all of it")
    agent.say(e.Finish(message_metadata={"usage": {"input_tokens": None}}), None)
    end = stopped(await turn.run())
    assert (end.outcome, end.usage, stored.text) == ("completed", None, "all of it")
