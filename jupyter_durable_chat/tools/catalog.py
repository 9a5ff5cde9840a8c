"""Which tools the server has.

They are named in the configuration, come with packages (the entry point group `jupyter_durable_chat.tools`), or are
offered by MCP servers. What cannot be loaded or reached is left out and says why; everything else works. A name is one
tool's: the first to have it keeps it.
"""

import asyncio
import copy
import importlib
import importlib.metadata
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

from msgspec import Struct

from jupyter_durable_chat.tools import Approval, Tool, Toolbox, described
from jupyter_durable_chat.tools.builtin import ASKING
from jupyter_durable_chat.tools.function import FunctionTool
from jupyter_durable_chat.tools.mcp import McpServer

__all__ = ["GROUP", "Tools"]

log = logging.getLogger(__name__)

GROUP = "jupyter_durable_chat.tools"

Named = Tool | Callable[..., Any] | str


class Missing(Struct, frozen=True):
    """A tool that is not there, and why."""

    name: str
    origin: str
    why: str


class Tools(Toolbox):
    """All tools of the server, by name.

    `functions` are tools, functions, or dotted paths `package.module:object` to one or to a list of them; what is at a
    path is imported in a thread when tools are first asked for. `servers` are the configurations of MCP servers by
    name, `approvals` says for tools by name when a person is asked. Raises `ValueError` that quotes what is wrong.
    """

    def __init__(
        self,
        functions: Iterable[Named] = (),
        servers: Mapping[str, Mapping[str, Any]] | None = None,
        approvals: Mapping[str, Approval] | None = None,
    ) -> None:
        self._named = list(functions)
        for named in self._named:
            if isinstance(named, str) and not _is_path(named):
                raise ValueError(f"{named!r} names no tool; write 'package.module:object'.")
        self._servers = [McpServer(name, config) for name, config in (servers or {}).items()]
        super().__init__(approvals=approvals)
        for name, approval in self.approvals.items():
            if approval not in get_args(Approval):
                policies = ", ".join(map(repr, get_args(Approval)))
                raise ValueError(f"The approval of {name!r} is {approval!r}; it is to be one of {policies}.")
        self._loading: asyncio.Task[tuple[list[Tool], list[Missing]]] | None = None
        self._loaded: list[Tool] = []
        self._missing: list[Missing] = []
        self._twice: list[Missing] = []

    async def all(self) -> dict[str, Tool]:
        """Every tool that can be used now, by name. Waits a little for MCP servers that are being started."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(_load, self._named))
        loading = asyncio.shield(self._loading)
        found = await asyncio.gather(loading, *(server.tools() for server in self._servers))
        self._loaded, self._missing = self._loading.result()
        offered: list[Tool] = [tool for tools in found[1:] for tool in tools]
        return self._by_name([*self._loaded, *offered])

    def describe(self) -> list[dict[str, Any]]:
        """What is known of them, for whoever chooses; quick, no I/O."""
        there = self._by_name([*self._loaded, *(tool for server in self._servers for tool in server.known)])
        down = {f"MCP server {server.name}": server.why for server in self._servers}
        missing = [*self._missing, *self._twice]
        if self._loading is None or not self._loading.done():
            missing += [Missing(_label(named), _origin(named), "It is not loaded yet.") for named in self._named]
        missing += [
            Missing(server.name, f"MCP server {server.name}", server.why or "It was not asked yet.")
            for server in self._servers
            if not server.known
        ]
        why = {name: reason for name, reason in down.items() if reason is not None}
        known = [
            described(tool, self.approval(tool)) | {"available": tool.origin not in why, "why": why.get(tool.origin)}
            for tool in there.values()
        ]
        return known + [
            {
                "name": one.name,
                "description": "",
                "origin": one.origin,
                "approval": self.approvals.get(one.name, "always"),
                "read_only": False,
                "available": False,
                "why": one.why,
            }
            for one in missing
        ]

    async def aclose(self) -> None:
        """Idempotent; no process of an MCP server is left."""
        if self._loading is not None:
            await asyncio.wait({self._loading})
        await asyncio.gather(*(server.aclose() for server in self._servers))

    def _by_name(self, tools: Iterable[Tool]) -> dict[str, Tool]:
        there: dict[str, Tool] = {}
        twice: list[Missing] = []
        for tool in tools:
            if tool.name in there or tool.name in ASKING:
                first = there[tool.name].origin if tool.name in there else "the chat itself"
                twice.append(Missing(tool.name, tool.origin, f"{first} has a tool of the name {tool.name!r}."))
                continue
            there[tool.name] = tool
        for one in twice:
            if one not in self._twice:
                log.warning("The tool %r of %s is left out: %s", one.name, one.origin, one.why)
        self._twice = twice
        return there


def _is_path(text: str) -> bool:
    module, _, attribute = text.partition(":")
    return all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))


def _label(named: Named) -> str:
    if isinstance(named, str):
        return named.rpartition(":")[2]
    return named.name if isinstance(named, Tool) else getattr(named, "__name__", type(named).__name__)


def _origin(named: Named) -> str:
    return named if isinstance(named, str) else "the configuration"


def _load(configured: list[Named]) -> tuple[list[Tool], list[Missing]]:
    """Runs in a thread: it imports what is anybody's."""
    tools: list[Tool] = []
    missing: list[Missing] = []
    sources: list[tuple[str, str, Callable[[], Any], Approval]] = [
        (_label(named), _origin(named), lambda named=named: _imported(named), "never") for named in configured
    ]
    # Nobody has named these here, so a person is asked before they do anything, unless they say otherwise themselves.
    for point in importlib.metadata.entry_points(group=GROUP):
        package = f" of {point.dist.name}" if point.dist else ""
        sources.append((point.name, f"{point.value}{package}", point.load, "always"))
    for name, origin, found, approval in sources:
        try:
            made = list(_made(found(), origin, approval))
        except (ImportError, AttributeError, ValueError) as error:
            missing.append(Missing(name, origin, f"It cannot be loaded: {error}"))
        except Exception as error:  # whatever a module does when it is imported; the rest is not to suffer
            log.exception("The tool %s cannot be loaded", origin)
            missing.append(Missing(name, origin, f"It cannot be loaded: {type(error).__name__}."))
        else:
            tools += made
    return tools, missing


def _imported(named: Named) -> Any:
    if not isinstance(named, str):
        return named
    module, _, attributes = named.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in attributes.split("."):
        found = getattr(found, attribute)
    return found


def _made(found: Any, origin: str, approval: Approval) -> Iterator[Tool]:
    match found:
        case Tool():
            tool = copy.copy(found)  # where it comes from is for this server to say
            tool.origin = tool.origin or origin
            yield tool
        case list() | tuple():
            for one in found:
                yield from _made(one, origin, approval)
        case type() if issubclass(found, Tool):
            yield from _made(found(), origin, approval)
        case _ if callable(found):
            yield FunctionTool(found, origin=origin, default_approval=approval)
        case _:
            raise ValueError(f"{origin} is a {type(found).__name__}: no tool, no function, and no list of them.")
