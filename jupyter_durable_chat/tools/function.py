"""Python functions as tools of the server.

A coroutine function runs on the server's event loop and is cancelled when the turn is stopped or its time is up. Any
other function runs in a thread of its own, and no thread can be ended from outside: nobody waits for it any longer, its
result is dropped, and it ends when it ends. Nothing of the server waits for it, not even its exit.
"""

import asyncio
import contextvars
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypedDict, TypeVar, Unpack, cast

import msgspec

from jupyter_durable_chat.schema import arguments_of, schema_of
from jupyter_durable_chat.tools import Approval, Context, Question, Suspended, Tool, ToolError, TwoPhaseTool

__all__ = ["FunctionTool", "TwoPhaseFunction", "tool"]

F = TypeVar("F", bound=Callable[..., Any])

MARK = "__durable_chat_tool__"


class Options(TypedDict, total=False):
    """How a function is a tool; what is not said is as `Tool` has it, but the approval is `never`."""

    name: str
    approval: Approval
    read_only: bool
    idempotent: bool
    timeout: float | None


def tool(**options: Unpack[Options]) -> Callable[[F], F]:
    """Say how a function is a tool: `@tool(approval="always", timeout=30)`. The function stays what it is."""

    def mark(function: F) -> F:
        setattr(function, MARK, options)
        return function

    return mark


class FunctionTool(Tool):
    """A function that a model may call. Raises `ValueError` when it cannot be told to a model.

    The default approval is `never`, for whoever configures the server names its functions. A parameter annotated with
    `Context` is not the model's; in a function that is no coroutine function, the context can only show progress and
    log. A result that is not JSON is told as its `str()`; bytes and pictures are refused.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        origin: str = "",
        default_approval: Approval = "never",
        **options: Unpack[Options],
    ) -> None:
        _describe(self, function, origin, options, default_approval)
        self._function = function

    async def call(self, arguments: dict[str, Any], context: Context) -> Any:
        return _told(self.name, await _run(self.name, self._function, arguments, context))


class TwoPhaseFunction(TwoPhaseTool):
    """Two functions around somebody else's part: `first(**arguments)` returns `Suspended`, and runs once;
    `finish(kept, answer)` makes the result of what was kept and answered. Both may take a `Context` besides."""

    def __init__(
        self,
        first: Callable[..., Any],
        finish: Callable[..., Any],
        *,
        origin: str = "",
        **options: Unpack[Options],
    ) -> None:
        _describe(self, first, origin, options, "never")
        self._first = first
        self._finish = finish

    async def call(self, arguments: dict[str, Any], context: Context) -> Suspended:
        suspended = await _run(self.name, self._first, arguments, context)
        if not isinstance(suspended, Suspended):
            raise ToolError(f"{self.name} is a tool of two phases, and the first returned no Suspended.")
        return suspended

    async def finish(self, arguments: dict[str, Any], kept: Any, answer: Any, context: Context) -> Any:
        finish = functools.partial(self._finish, kept, answer)
        return _told(self.name, await _run(self.name, finish, {}, context))


def _describe(tool: Tool, function: Callable[..., Any], origin: str, options: Options, approval: Approval) -> None:
    marked = getattr(getattr(function, "__func__", function), MARK, {})
    chosen = cast("Options", {**marked, **options})
    tool.name, tool.description, tool.parameters = schema_of(function, name=chosen.get("name"), context=Context)
    tool.approval = chosen.get("approval", approval)
    tool.read_only = chosen.get("read_only", False)
    tool.idempotent = chosen.get("idempotent", False)
    tool.timeout = chosen.get("timeout")
    tool.origin = origin


async def _run(name: str, function: Callable[..., Any], arguments: Mapping[str, Any], context: Context) -> Any:
    asynchronous = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    given = context if asynchronous else _FromThread(context, asyncio.get_running_loop())
    try:
        bound = arguments_of(function, arguments, name=name, context=given)
    except ValueError as error:
        raise ToolError(str(error)) from None
    call = functools.partial(function, *bound.args, **bound.kwargs)
    result = await call() if asynchronous else await _in_thread(call)
    return await result if inspect.isawaitable(result) else result


async def _in_thread(call: Callable[[], Any]) -> Any:
    """In a thread of its own: one that never ends takes no place in the pool that all of Jupyter uses."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Callable[[], Any]] = loop.create_future()
    inside = contextvars.copy_context()

    def run() -> None:
        try:
            result = inside.run(call)
        except BaseException as error:  # it is the caller's, whatever it is
            outcome = functools.partial(_raise, error)
        else:
            outcome = functools.partial(_identity, result)
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, outcome)

    def settle(outcome: Callable[[], Any]) -> None:
        if not ended.done():
            ended.set_result(outcome)

    threading.Thread(target=run, daemon=True, name="durable-chat-tool").start()
    return (await ended)()


def _raise(error: BaseException) -> None:
    raise error if isinstance(error, Exception) else ToolError(f"It ended with {type(error).__name__}.")


def _identity(value: Any) -> Any:
    return value


class _FromThread(Context):
    """The context of a call for a function that runs in a thread."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self.call_id, self.session = context.call_id, context.session
        self._context = context
        self._loop = loop

    def progress(self, progress: float | None = None, total: float | None = None, message: str | None = None) -> None:
        self._loop.call_soon_threadsafe(self._context.progress, progress, total, message)

    def log(self, text: str, level: str = "info") -> None:
        self._loop.call_soon_threadsafe(self._context.log, text, level)

    def ask(self, questions: Sequence[Question], text: str = "") -> Awaitable[dict[str, Any]]:  # type: ignore[override]
        raise ToolError("Only a tool that is an `async def` can ask.")

    def sample(self, text: str, *, instructions: str = "", max_tokens: int | None = None) -> Awaitable[str]:  # type: ignore[override]
        raise ToolError("Only a tool that is an `async def` can ask the model.")

    def run_agent(self, name: str, text: str) -> Awaitable[str]:  # type: ignore[override]
        raise ToolError("Only a tool that is an `async def` can run an agent.")


def _told(name: str, result: Any) -> Any:
    """A result as JSON. Raises `ToolError`."""
    if isinstance(result, bytes | bytearray | memoryview) or hasattr(result, "_repr_png_"):
        what = type(result).__name__
        raise ToolError(
            f"{name} returned {what}, which cannot be told. It has to return text or JSON, or "
            '{"content": [{"type": "file", "mediaType": "image/png", "url": "data:…"}]}.'
        )
    try:
        return msgspec.to_builtins(result, str_keys=True, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError):
        return str(result)


def _plain(value: Any) -> Any:
    """What msgspec does not know: pydantic's models, numpy's numbers and arrays, and anything else as it is printed."""
    for convert in ("model_dump", "tolist"):
        method = getattr(value, convert, None)
        if callable(method) and not inspect.isclass(value):
            return method()
    return str(value)
