"""Functions of the notebook that a model may call.

A tool is a function, what a model is told of it (from its signature and docstring, and nowhere else), and when a person
is asked before it runs. `runner.py` runs it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from msgspec import Struct

from jupyter_durable_chat.notebook.client import ChatError
from jupyter_durable_chat.notebook.values import is_secret
from jupyter_durable_chat.schema import schema_of
from jupyter_durable_chat.transcript import JSON

Approval = Literal["never", "always", "once"]
"""When a person is asked before a tool is run: not at all, for every call, for the first call in a session."""


MARK = "__durable_chat_kernel_tool__"


class ToolContext(ABC):
    """What a tool may do beside returning. A parameter with this annotation is given one, and no model hears of it."""

    call_id: str
    session: str

    @abstractmethod
    def progress(self, progress: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Show how far the call is."""

    @abstractmethod
    def log(self, text: str, level: str = "info") -> None:
        """Show a line with the call; `level` is one of MCP's (`debug`, `info`, `warning`, `error` …)."""


class KernelTool(Struct, frozen=True):
    """A function, and what is told of it."""

    function: Callable[..., Any]
    name: str
    description: str
    parameters: JSON
    approval: Approval = "never"
    read_only: bool = False
    idempotent: bool = False

    def offered(self) -> JSON:
        """As a session hears of it."""
        told = {name: getattr(self, name) for name in self.__struct_fields__ if name != "function"}
        return told


def kernel_tool(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    approval: Approval = "never",
    read_only: bool = False,
    idempotent: bool = False,
) -> KernelTool:
    """A function as a tool. Raises `ChatError` that quotes what cannot be told to a model."""
    if approval not in ("never", "always", "once"):
        raise ChatError(f"approval takes 'never', 'always' or 'once', and not {approval!r}.")
    if not callable(function):
        raise ChatError(f"{function!r} is no tool: give a function, or the name of one that is built in.")
    try:
        described = schema_of(function, name=name, context=ToolContext)
    except ValueError as error:
        raise ChatError(str(error)) from error
    for parameter, schema in described.parameters["properties"].items():
        if is_secret(parameter):  # a default would travel
            schema.pop("default", None)
    return KernelTool(function, *described, approval=approval, read_only=read_only, idempotent=idempotent)


def kernel_tools(things: str | Iterable[Any]) -> list[KernelTool]:
    """Functions, tools, and names of what is built in (`all` for all of it), as tools.

    Raises `ChatError` that quotes what is none, or what is there twice.
    """
    from jupyter_durable_chat.notebook.builtin_tools import BUILT_IN

    tools: list[KernelTool] = []
    for thing in [things] if isinstance(things, str) else things:
        if isinstance(thing, KernelTool):
            tools.append(thing)
        elif thing == "all":
            tools += BUILT_IN.values()
        elif isinstance(thing, str):
            if thing not in BUILT_IN:
                raise ChatError(f"There is no tool {thing!r}. Built in are {', '.join(map(repr, BUILT_IN))}, or 'all'.")
            tools.append(BUILT_IN[thing])
        else:
            # What was said of a function goes with it: who is asked before it runs, above all.
            tools.append(kernel_tool(thing, **marks_of(thing)))
    return unique(tools)


def marks_of(function: object) -> dict[str, Any]:
    """How a function was made a tool before."""
    return getattr(function, MARK, {})


def mark(function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Keep with a function how it is a tool, if it can keep anything."""
    with suppress(AttributeError, TypeError):
        setattr(function, MARK, dict(options))


def unique(tools: Sequence[KernelTool]) -> list[KernelTool]:
    """The tools, of which no two have one name. Raises `ChatError`."""
    names: dict[str, KernelTool] = {}
    for tool in tools:
        if names.setdefault(tool.name, tool) is not tool:
            raise ChatError(f"Two tools are called {tool.name!r}: rename one with `@chat.tool(name=...)`.")
    return list(names.values())
