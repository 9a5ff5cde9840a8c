"""A Python function as a tool: where it runs, what it is given, what is told of its result."""

import asyncio
import threading
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy
import pandas
import pytest
from PIL import Image
from pydantic import BaseModel

from jupyter_durable_chat.tools import Context, Question, Suspended, ToolError
from jupyter_durable_chat.tools.function import FunctionTool, TwoPhaseFunction, tool
from tests.tools.recorder import Recorder


@dataclass
class Point:
    x: int
    y: int = 0


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    a: int


async def test_it_is_given_what_it_is_annotated_with() -> None:
    def move(point: Point, by: int = 1) -> Point:
        """Move a point."""
        return Point(point.x + by, point.y)

    moving = FunctionTool(move, origin="the test")

    assert (moving.name, moving.description, moving.approval) == ("move", "Move a point.", "never")
    moving.check({"point": {"x": 1}})
    with pytest.raises(ToolError, match="'x' is a required property"):
        moving.check({"point": {}})
    assert await moving.call({"point": {"x": 1}}, Recorder()) == {"x": 2, "y": 0}
    with pytest.raises(ToolError, match="The argument 'by' of move does not fit"):
        await moving.call({"point": {"x": 1}, "by": "far"}, Recorder())


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (None, None),
        ([1, "a", {"b": 2.5}], [1, "a", {"b": 2.5}]),
        (Colour.RED, "red"),
        ({1: {2}}, {"1": [2]}),
        (Model(a=1), {"a": 1}),
        ([Model(a=1)], [{"a": 1}]),
        (numpy.int64(3), 3),
        (numpy.arange(3), [0, 1, 2]),
        (pandas.DataFrame({"a": [1]}), "   a\n0  1"),
        (complex(1, 2), "(1+2j)"),
        ({"content": [{"type": "text", "text": "a"}]}, {"content": [{"type": "text", "text": "a"}]}),
    ],
)
async def test_a_result_is_told_as_json_or_as_it_is_printed(result: Any, told: Any) -> None:
    assert await FunctionTool(lambda: result, name="f").call({}, Recorder()) == told


@pytest.mark.parametrize("result", [b"\x89PNG", Image.new("RGB", (1, 1))])
async def test_bytes_and_pictures_are_refused(result: Any) -> None:
    with pytest.raises(ToolError, match=r"f returned \w+, which cannot be told"):
        await FunctionTool(lambda: result, name="f").call({}, Recorder())


async def test_a_plain_function_runs_in_a_thread_and_shows_how_far_it_is() -> None:
    def long(context: Context) -> bool:
        context.progress(1, 2, "half")
        context.log("so far", "debug")
        return threading.current_thread() is threading.main_thread()

    context = Recorder()
    assert await FunctionTool(long).call({}, context) is False
    assert context.said == [(1, 2, "half"), ("debug", "so far")]


async def test_a_coroutine_function_runs_on_the_loop_and_may_ask() -> None:
    async def asks(context: Context) -> Any:
        assert asyncio.get_running_loop()
        return await context.ask([Question("q", "Which?")])

    context = Recorder({"action": "accept", "answers": {"q": "this"}})
    assert await FunctionTool(asks).call({}, context) == {"action": "accept", "answers": {"q": "this"}}


async def test_a_plain_function_that_asks_is_told_that_it_cannot() -> None:
    def asks(context: Context) -> Any:
        return context.ask([Question("q", "Which?")])

    with pytest.raises(ToolError, match="async def"):
        await FunctionTool(asks).call({}, Recorder())


async def test_what_a_function_raises_comes_through() -> None:
    def fails() -> None:
        raise ZeroDivisionError

    def leaves() -> None:
        raise SystemExit(1)

    with pytest.raises(ZeroDivisionError):
        await FunctionTool(fails).call({}, Recorder())
    with pytest.raises(ToolError, match="SystemExit"):
        await FunctionTool(leaves).call({}, Recorder())


async def test_a_stop_ends_a_coroutine_function() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = asyncio.create_task(FunctionTool(slow).call({}, Recorder()))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()


async def test_a_stop_does_not_wait_for_a_thread_and_drops_its_result() -> None:
    began, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    threads: list[threading.Thread] = []

    def slow() -> str:
        threads.append(threading.current_thread())
        loop.call_soon_threadsafe(began.set)
        go_on.wait()
        return "too late"

    running = asyncio.create_task(FunctionTool(slow).call({}, Recorder()))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert threads[0].daemon
    go_on.set()
    await asyncio.to_thread(threads[0].join)


async def test_many_that_hang_do_not_keep_another_from_running() -> None:
    go_on = threading.Event()
    hanging = [asyncio.create_task(FunctionTool(go_on.wait, name="hangs").call({}, Recorder())) for _ in range(50)]

    assert await FunctionTool(lambda: 1, name="quick").call({}, Recorder()) == 1
    go_on.set()
    await asyncio.gather(*hanging)


async def test_a_function_says_how_it_is_a_tool_and_stays_a_function() -> None:
    @tool(name="look-up", approval="once", read_only=True, idempotent=True, timeout=3)
    def look_up(word: str) -> str:
        return word

    made = FunctionTool(look_up)
    assert look_up("a") == "a"
    assert (made.name, made.approval, made.read_only, made.idempotent, made.timeout) == (
        "look-up",
        "once",
        True,
        True,
        3,
    )
    assert FunctionTool(look_up, approval="always").approval == "always"


async def test_a_tool_of_two_phases_keeps_what_its_first_left() -> None:
    async def first(column: str) -> Suspended:
        """Describe a column."""
        return Suspended(kept={"column": column}, tool_name="describe", arguments={"name": column})

    def finish(kept: Any, answer: Any, context: Context) -> str:
        context.log("finishing")
        return f"{kept['column']}: {answer}"

    two = TwoPhaseFunction(first, finish, read_only=True)
    context = Recorder()
    suspended = await two.call({"column": "a"}, context)

    assert (two.name, two.read_only, suspended.arguments) == ("first", True, {"name": "a"})
    assert await two.finish({"column": "a"}, suspended.kept, 3, context) == "a: 3"
    assert context.said == [("info", "finishing")]
    with pytest.raises(ToolError, match="returned no Suspended"):
        await TwoPhaseFunction(lambda: 1, finish, name="wrong").call({}, context)
