"""Tools of MCP servers.

A server has one connection per process of ours. It is opened in the background when its tools are first asked for,
kept, and opened again when it broke, each time after a longer pause. Nobody waits long for it: while it cannot be
reached its tools are not there, and `why` says so. What a server says of its tools is told, but not trusted: whether a
person is asked before a call is for the configuration to say.

Importing this costs nothing; fastmcp and the MCP SDK are imported in a thread (`mcp_connection`).
"""

import asyncio
import contextvars
import importlib
import importlib.util
import logging
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from jupyter_durable_chat.tools import Approval, Context, Tool, ToolError

if TYPE_CHECKING:
    from jupyter_durable_chat.tools.mcp_connection import Connection

__all__ = ["McpConfig", "McpServer", "McpTool"]

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that answers wait for a server that is being started; one that failed before is not waited for."""

OPENING = 60.0
"""Seconds that a server may take to start and say what it has."""

NOT_INSTALLED = "MCP is not installed where the Jupyter server runs; pip install 'jupyter-durable-chat[mcp]'"

PAUSES = (1.0, 5.0, 15.0, 60.0)
"""Seconds before the next attempt, after so many that failed."""

FRESH = 60.0
"""Seconds for which a list of tools is taken for current, when the connection does not tell of changes."""


class McpConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One server: a `command` that speaks MCP over its standard streams, or a `url` that does over HTTP."""

    command: str | None = None
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    approval: Approval = "always"
    prefix: bool = True
    """Whether its tools are named `SERVER_tool`."""
    tools: list[str] | None = None
    """The only tools that are taken, as the server names them."""
    timeout: float | None = None

    def __repr__(self) -> str:
        return "McpConfig(…)"

    @property
    def secrets(self) -> list[str]:
        """What must not be told: values of the environment and of headers, and what may be hidden in the address."""
        address = urlsplit(self.url or "")
        values = [*self.env.values(), *self.headers.values(), address.password or "", address.query]
        words = [word for value in values for word in (value, *value.split())]
        return sorted({word for word in words if len(word) >= 4}, key=len, reverse=True)


class McpServer:
    """The tools of one server. Raises `ValueError` that quotes what is wrong with its configuration."""

    def __init__(self, name: str, config: Mapping[str, Any], *, patience: float = PATIENCE) -> None:
        self.name = name
        self._patience = patience
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name):
            raise ValueError(f"{name!r} is no name for an MCP server: up to 32 letters, digits, '_' and '-', please.")
        try:
            self.config = msgspec.convert(dict(config), McpConfig)
        except msgspec.ValidationError as error:
            raise ValueError(f"The MCP server {name!r}: {error}") from None
        match self.config:
            case McpConfig(command=None, url=None):
                raise ValueError(f"The MCP server {name!r} has neither a 'command' nor a 'url'.")
            case McpConfig(command=str(), url=str()):
                raise ValueError(f"The MCP server {name!r} has both a 'command' and a 'url'; leave one out.")
            case McpConfig(url=str(url)) if not url.startswith(("http://", "https://")):
                raise ValueError(f"The 'url' of the MCP server {name!r} does not begin with http:// or https://.")
        self.why: str | None = None
        """Why its tools are not there, as far as is known; no I/O."""
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._tools: list[Tool] = []
        self._listed = 0.0
        self._began = 0.0
        self._failed = 0
        self._not_before = 0.0
        self._closed = False
        if importlib.util.find_spec("fastmcp") is None:
            self.why = f"The MCP server {name!r} cannot be reached: {NOT_INSTALLED}."

    @property
    def known(self) -> list[Tool]:
        """The tools as they were last listed."""
        return self._tools

    async def tools(self) -> list[Tool]:
        """Its tools; none while it cannot be reached. Waits for a server that is being started, but not long."""
        if self._connection is None or self._connection.broken:
            if time.monotonic() < self._not_before or self._closed:
                return []
            opening = self._open()
            patience = 0.0 if self._failed else self._patience - (time.monotonic() - self._began)
            await asyncio.wait({opening}, timeout=max(0.0, patience))
            if not opening.done() and not self._failed:
                self.why = f"The MCP server {self.name!r} is being started."
            if self._connection is None:
                return []
        connection = self._connection
        try:
            await self._refresh(connection)
        except ConnectionError as error:
            await self._break(connection, str(error))
            return []
        return self._tools

    async def call(self, tool: str, arguments: dict[str, Any], context: Context) -> Any:
        """Raises `ToolError`. A call is sent once, over a connection that answered just before."""
        connection = self._connection
        if connection is not None and not connection.broken and not await connection.answers():
            await self._break(connection, "it no longer answered")
        if self._connection is None or self._connection.broken:
            if self._closed:
                raise ToolError(f"The MCP server {self.name!r} is closed.")
            await asyncio.wait({self._open()})
        connection = self._connection
        if connection is None:
            raise ToolError(self.why or f"The MCP server {self.name!r} cannot be reached.")
        try:
            return await connection.call(tool, arguments, context)
        except ConnectionError:
            await self._break(connection, "it went away during a call")
            raise ToolError(
                f"The MCP server {self.name!r} went away during the call; nobody knows what was done of it."
            ) from None

    async def aclose(self) -> None:
        """Idempotent; no process of it is left."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        if self._connection is not None:
            await self._connection.aclose()
            self._connection = None

    def _open(self) -> "asyncio.Task[Connection]":
        if self._opening is None or self._opening.done():
            # In a context of its own: what the first caller's variables say is not for all that come later.
            self._began = time.monotonic()
            self._opening = asyncio.create_task(self._opened(), context=contextvars.Context())
            self._opening.add_done_callback(_retrieve)
        return self._opening

    async def _opened(self) -> "Connection":
        """Opens a connection and lists its tools; on failure says why and sets the next attempt."""
        if self._connection is not None:
            await self._break(self._connection, "it is opened again")
        connection = None
        try:
            async with asyncio.timeout(OPENING):
                module = await asyncio.to_thread(importlib.import_module, "jupyter_durable_chat.tools.mcp_connection")
                connection = await module.Connection.open(self.name, self.config)
                await self._list(connection)
        except BaseException as error:
            if connection is not None:
                await connection.aclose()
            if not isinstance(error, asyncio.CancelledError):
                self._tell(error)
            raise
        self.why, self._failed, self._not_before = None, 0, 0.0
        self._connection = connection
        return connection

    def _tell(self, error: BaseException) -> None:
        """Why it could not be opened, and when it is tried again."""
        match error:
            case ImportError():
                reason = NOT_INSTALLED
            case TimeoutError():
                reason = f"it did not answer within {OPENING:g} s"
            case ConnectionError():
                reason = str(error)
            case _:
                reason = type(error).__name__
        why = f"The MCP server {self.name!r} cannot be reached: {reason}."
        if not self._failed:
            log.warning("%s", why)
        self.why = why
        self._not_before = time.monotonic() + PAUSES[min(self._failed, len(PAUSES) - 1)]
        self._failed += 1

    async def _refresh(self, connection: "Connection") -> None:
        old = time.monotonic() - self._listed > FRESH and not connection.tells_of_changes
        if connection.changed or old:
            await self._list(connection)

    async def _list(self, connection: "Connection") -> None:
        connection.changed = False
        offered = await connection.tools()
        wanted = self.config.tools
        self._tools = [McpTool(self, tool) for tool in offered if wanted is None or tool["name"] in wanted]
        self._listed = time.monotonic()

    async def _break(self, connection: "Connection", reason: str) -> None:
        if self._connection is connection:
            log.info("The connection to the MCP server %r is closed: %s.", self.name, reason)
            self._connection = None
        await connection.aclose()


def _retrieve(opening: "asyncio.Task[Connection]") -> None:
    """Its failure was told by `why`."""
    with suppress(asyncio.CancelledError):
        opening.exception()


class McpTool(Tool):
    """A tool of an MCP server; `offered` is as the server describes it (`name`, `description`, `inputSchema`, …)."""

    def __init__(self, server: McpServer, offered: Mapping[str, Any]) -> None:
        hints = offered.get("annotations") or {}
        self._server = server
        self._asked = offered["name"]
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", self._asked)
        self.name = (f"{server.name}_{plain}" if server.config.prefix else plain)[:64]
        self.description = offered.get("description") or offered.get("title") or hints.get("title") or ""
        self.parameters = {"type": "object", "properties": {}} | dict(offered.get("inputSchema") or {})
        self.approval = server.config.approval
        self.read_only = hints.get("readOnlyHint") is True
        self.idempotent = hints.get("idempotentHint") is True or self.read_only
        self.timeout = server.config.timeout
        self.origin = f"MCP server {server.name}"

    def check(self, arguments: Any) -> None:
        """Only that there are arguments: the server checks them. A schema of somebody else's may be one that takes for
        ever, or that refers to any address, and is not for this event loop to evaluate."""
        if not isinstance(arguments, dict):
            raise ToolError(f"The arguments of {self.name} do not fit: they are to be an object.")

    async def call(self, arguments: dict[str, Any], context: Context) -> Any:
        return await self._server.call(self._asked, arguments, context)
