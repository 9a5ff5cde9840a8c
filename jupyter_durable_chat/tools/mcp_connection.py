"""One connection to an MCP server, through the client that pydantic-ai uses.

Import this in a thread: it imports fastmcp. It raises `ConnectionError` when the server is not there, with a text that
holds no secret, and `ToolError` for a call that failed otherwise.

A session with a handshake comes first, because only over such a session a server can ask back; a server that knows
nothing but the newer, sessionless protocol is spoken to in that, and what it asks for comes as results. What a server
asks for or says is for the call that it belongs to. Over HTTP and in the sessionless protocol that is known. Over
standard streams it is not said: then it is the only running call. While there are several, a question waits a little
for the others to end, then it is the last one's; when that ends without an answer, the question is one of another's.
"""

import asyncio
import contextvars
import json
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Literal, TypeVar, cast

import httpx2
import mcp_types
from fastmcp.client import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from mcp import MCPError

from jupyter_durable_chat.readable.text import line as in_one_line
from jupyter_durable_chat.tools import Context, Question, ToolError
from jupyter_durable_chat.tools.mcp import McpConfig

log = logging.getLogger(__name__)

PING = 5.0
UNDECIDED = 2.0
CLOSING = 10.0
LARGEST_MESSAGE = 64 * 2**20
LONGEST_ERROR = 2000
QUESTIONS_AT_ONCE = 4

T = TypeVar("T")


class _Over(ToolError):
    """The call for which something was asked is over."""


class _Call:
    """A call that is running, and what is asked of others for it."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._asking: set[asyncio.Future[Any]] = set()

    async def ask(self, asking: Coroutine[Any, Any, T]) -> T:
        """What is answered. Raises `_Over` when the call is over before."""
        asked = asyncio.ensure_future(asking)
        self._asking.add(asked)
        asked.add_done_callback(self._asking.discard)
        try:
            return await asked
        except asyncio.CancelledError:
            if asked.cancelled():
                raise _Over("The call is over.") from None
            raise

    def end(self) -> None:
        for asked in self._asking:
            asked.cancel()


_calling: contextvars.ContextVar[_Call | None] = contextvars.ContextVar("durable_chat_mcp_call", default=None)


class Connection:
    """An open connection; made by `open`, ended by `aclose`."""

    def __init__(self, name: str, config: McpConfig) -> None:
        self.changed = False
        """Whether the server said that its tools are not what they were."""
        self.broken = False
        self._name = name
        self._config = config
        self._running: list[_Call] = []
        self._one_ended = asyncio.Event()
        self._closing = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._client: Client[Any] | None = None

    @classmethod
    async def open(cls, name: str, config: McpConfig) -> "Connection":
        self = cls(name, config)
        try:
            try:
                await self._connect("legacy")
            except MCPError as error:
                if error.code == mcp_types.CONNECTION_CLOSED:
                    raise
                await self._connect("auto")
        except Exception as error:  # a server is anybody's, and so is how it fails; what is told is only what is known
            raise ConnectionError(self._redacted(_reason(error, config))) from None
        return self

    async def _connect(self, mode: Literal["legacy", "auto"]) -> None:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live(mode, opened))
        try:
            await opened
        except asyncio.CancelledError:
            self._life.cancel()  # it waits for a server that has not answered yet
            await self.aclose()
            raise

    async def _live(self, mode: Literal["legacy", "auto"], opened: asyncio.Future[None]) -> None:
        """One task enters and leaves the client, because it is bound to the task that did."""
        said = _Said(self._name, self._config.secrets) if self._config.command else None
        try:
            async with self._made(mode, said) as client:
                self._client = client
                if not opened.done():
                    opened.set_result(None)
                await self._closing.wait()
        except Exception as error:  # its end, however it came; before it was open, the opener's to tell
            if not opened.done():
                opened.set_exception(error)
            log.debug("The connection to the MCP server %r ended with %s", self._name, type(error).__name__)
        finally:
            self.broken = True
            if said is not None:
                said.close()
            if not opened.done():
                opened.cancel()

    def _made(self, mode: Literal["legacy", "auto"], said: "_Said | None") -> Client[Any]:
        config = self._config
        if config.command and said:
            transport = StdioTransport(
                config.command, config.args, env=config.env, cwd=config.cwd, keep_alive=False, log_file=said.file
            )
        else:
            transport = StreamableHttpTransport(
                config.url or "", headers=config.headers, max_sse_event_size=LARGEST_MESSAGE
            )
        return Client(
            transport,
            mode=mode,
            elicitation_handler=self._asked,
            sampling_handler=self._sampled,
            log_handler=self._logged,
            message_handler=self._told,
            client_info=mcp_types.Implementation(name="jupyter-durable-chat", version="0"),
        )

    @property
    def _open_client(self) -> Client[Any]:
        if self._client is None or self.broken:
            raise ConnectionError("it is closed")
        return self._client

    @property
    def tells_of_changes(self) -> bool:
        client = self._open_client
        capabilities = client.server_capabilities
        return bool(
            client.initialize_result and capabilities and capabilities.tools and capabilities.tools.list_changed
        )

    async def answers(self) -> bool:
        """Whether the server is there. A sessionless one has nothing to break; a busy one is not disturbed."""
        if self._running or self._open_client.initialize_result is None:
            return not self.broken
        try:
            async with asyncio.timeout(PING):
                await self._open_client.ping()
        except MCPError as error:
            return error.code == mcp_types.METHOD_NOT_FOUND
        except Exception:  # whatever it is, it is no answer
            return False
        return True

    async def tools(self) -> list[dict[str, Any]]:
        """What it offers, as JSON. Raises `ConnectionError`."""
        try:
            offered = await self._open_client.list_tools()
        except Exception as error:
            raise ConnectionError(self._redacted(_reason(error, self._config))) from None
        return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in offered]

    async def call(self, name: str, arguments: dict[str, Any], context: Context) -> Any:
        """Cancelled, it tells the server so."""

        async def progressed(progress: float, total: float | None, message: str | None) -> None:
            context.progress(progress, total, message)

        call = _Call(context)
        self._running.append(call)
        token = _calling.set(call)
        try:
            result = await self._open_client.call_tool_mcp(name, arguments, progress_handler=progressed)
        except MCPError as error:
            if error.code == mcp_types.CONNECTION_CLOSED or not self._open_client.is_connected():
                raise ConnectionError("it went away") from None
            raise ToolError(self._redacted(error.message)) from None
        except (OSError, RuntimeError, httpx2.HTTPError) as error:
            raise ConnectionError(type(error).__name__) from None
        finally:
            _calling.reset(token)
            self._running.remove(call)
            call.end()
            self._one_ended.set()
        if result.is_error:
            said = "\n".join(block.text for block in result.content if isinstance(block, mcp_types.TextContent))
            raise ToolError(self._redacted(said) or "The tool failed and did not say why.")
        return _result(result)

    async def aclose(self) -> None:
        self._closing.set()
        if self._life is not None:
            await asyncio.wait({self._life}, timeout=CLOSING)
            self._life.cancel()
            await asyncio.wait({self._life})

    def _call(self) -> _Call | None:
        """The call that something belongs to."""
        known = _calling.get()
        if known is not None:
            return known if known in self._running else None
        return self._running[-1] if self._running else None

    async def _ask(self, ask: Callable[[Context], Coroutine[Any, Any, T]]) -> T:
        """What is answered to the call that asks."""
        if _calling.get() is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(UNDECIDED):
                    while len(self._running) > 1:
                        self._one_ended.clear()
                        await self._one_ended.wait()
        while call := self._call():
            with suppress(_Over):
                return await call.ask(ask(call.context))
        raise ToolError("Nothing can be asked when no call is running.")

    async def _told(self, message: Any) -> None:
        if isinstance(getattr(message, "root", message), mcp_types.ToolListChangedNotification):
            self.changed = True

    async def _logged(self, message: mcp_types.LoggingMessageNotificationParams) -> None:
        if call := self._call():
            text = message.data if isinstance(message.data, str) else json.dumps(message.data, default=str)
            call.context.log(self._redacted(text), message.level)

    async def _sampled(
        self, messages: list[mcp_types.SamplingMessage], params: mcp_types.CreateMessageRequestParams, _: Any
    ) -> str:
        said = [(message.role, "".join(_texts(message))) for message in messages]
        text = said[0][1] if len(said) == 1 else "\n\n".join(f"{role}: {text}" for role, text in said)
        instructions = params.system_prompt or ""
        return await self._ask(
            lambda context: context.sample(text, instructions=instructions, max_tokens=params.max_tokens)
        )

    async def _asked(
        self, text: str, _: type[Any] | None, params: mcp_types.ElicitRequestParams, __: Any
    ) -> ElicitResult[Any]:
        if not isinstance(params, mcp_types.ElicitRequestFormParams):
            return ElicitResult(action="decline")
        questions = _questions(params.requested_schema)
        answers: dict[str, Any] = {}
        for first in range(0, len(questions), QUESTIONS_AT_ONCE):
            some = questions[first : first + QUESTIONS_AT_ONCE]
            answer = await self._ask(lambda context, some=some: context.ask(some, text))
            if answer["action"] != "accept":
                return ElicitResult(action=answer["action"])
            answers |= answer["answers"]
        return _elicited(params.requested_schema, answers)

    def _redacted(self, text: str) -> str:
        for secret in self._config.secrets:
            text = text.replace(secret, "…")
        return text[:LONGEST_ERROR]


class _Said:
    """What a server writes to its standard error: the log's, for who debugs it."""

    def __init__(self, name: str, secrets: list[str]) -> None:
        read, write = os.pipe()
        self.file = os.fdopen(write, "w")
        threading.Thread(target=self._read, args=(name, read, secrets), daemon=True, name="durable-chat-mcp").start()

    def close(self) -> None:
        self.file.close()

    @staticmethod
    def _read(name: str, read: int, secrets: list[str]) -> None:
        with os.fdopen(read, errors="replace") as lines:
            for line in lines:
                for secret in secrets:
                    line = line.replace(secret, "…")
                log.debug("%s: %s", name, in_one_line(line))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error with everything that brought it about."""
    yield error
    for inner in (*getattr(error, "exceptions", ()), error.__cause__, error.__context__):
        if inner is not None:
            yield from _chain(inner)


def _reason(error: Exception, config: McpConfig) -> str:
    for cause in _chain(error):
        match cause:
            case ConnectionError() if config.command:
                return "it ended before it answered"
            case FileNotFoundError() if config.command:
                return f"{config.command!r} is not found where the Jupyter server runs"
            case PermissionError() if config.command:
                return f"{config.command!r} may not be run"
            case httpx2.HTTPStatusError():
                return f"it answered with HTTP {cause.response.status_code}"
            case httpx2.TransportError():
                return f"nothing answers at its address ({type(cause).__name__})"
            case MCPError() if cause.code == mcp_types.CONNECTION_CLOSED:
                return "it ended before it answered"
            case MCPError():
                return f"it answered {cause.message!r}"
    return type(error).__name__


def _texts(message: mcp_types.SamplingMessage) -> Iterator[str]:
    blocks = message.content if isinstance(message.content, list) else [message.content]
    for block in blocks:
        if not isinstance(block, mcp_types.TextContent):
            raise ToolError("The model can be asked with text only.")
        yield block.text


def _result(result: mcp_types.CallToolResult) -> Any:
    """A text as text, data as JSON, and anything with more in it as content."""
    content = [_block(block) for block in result.content]
    if all(block["type"] == "text" for block in content):
        structured = result.structured_content
        if structured is not None:
            # What is no object is wrapped by the protocol's own rule.
            return structured["result"] if structured.keys() == {"result"} else structured
        if len(content) <= 1:
            return content[0]["text"] if content else None
    return {"content": content}


def _block(block: mcp_types.ContentBlock) -> dict[str, Any]:
    match block:
        case mcp_types.TextContent():
            return {"type": "text", "text": block.text}
        case mcp_types.ImageContent() | mcp_types.AudioContent():
            return _file(block.mime_type, block.data)
        case mcp_types.ResourceLink():
            about = f" ({block.description})" if block.description else ""
            return {"type": "text", "text": f"[{block.title or block.name}]({block.uri}){about}"}
        case mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents() as resource):
            return {"type": "text", "text": resource.text}
        case mcp_types.EmbeddedResource(resource=mcp_types.BlobResourceContents() as resource):
            return _file(resource.mime_type or "application/octet-stream", resource.blob)
    return {"type": "text", "text": f"[{getattr(block, 'type', 'something')}]"}


def _file(media_type: str, data: str) -> dict[str, Any]:
    return {"type": "file", "mediaType": media_type, "url": f"data:{media_type};base64,{data}"}


CONFIRM = "confirm"


def _questions(schema: dict[str, Any]) -> list[Question]:
    """The form that a server asks for: a flat object of texts, numbers, truths and choices."""
    required = schema.get("required", [])
    questions = [_question(name, field, name in required) for name, field in schema.get("properties", {}).items()]
    return questions or [Question(CONFIRM, "Go on?", kind="boolean")]


def _question(name: str, field: dict[str, Any], required: bool) -> Question:
    about = ": ".join(text for text in (field.get("title") or name, field.get("description")) if text)
    choices = _choices(field)
    kind = field.get("type", "string")
    if choices:
        return Question(name, about, list(choices), multiple=kind == "array", required=required)
    if kind not in ("string", "number", "integer", "boolean"):
        raise ToolError(f"The field {name!r} is of the type {kind!r}, which nobody can be asked for.")
    shown = "text" if kind == "string" else cast("Literal['number', 'integer', 'boolean']", kind)
    return Question(name, about, kind=shown, required=required)


def _choices(field: dict[str, Any]) -> dict[str, Any]:
    """What is shown, and the value that it stands for."""
    field = field.get("items", {}) if field.get("type") == "array" else field
    if "enum" in field:
        names = field.get("enumNames") or field["enum"]
        return {str(name): value for name, value in zip(names, field["enum"], strict=True)}
    options = field.get("oneOf") or field.get("anyOf") or []
    return {str(option.get("title", option["const"])): option["const"] for option in options if "const" in option}


def _elicited(schema: dict[str, Any], answers: dict[str, Any]) -> ElicitResult[Any]:
    fields = schema.get("properties", {})
    if not fields:
        return ElicitResult(action="accept" if answers.get(CONFIRM) else "decline", content={})
    content = {}
    for name, field in fields.items():
        if (value := answers.get(name)) is None:
            continue
        choices = _choices(field)
        if isinstance(value, list):
            content[name] = [choices.get(one, one) for one in value]
        elif choices:
            content[name] = choices.get(value, value)
        else:
            content[name] = _number(field.get("type"), value)
    return ElicitResult(action="accept", content=content)


def _number(kind: str | None, value: Any) -> Any:
    """A number that was written as text, as a number."""
    if isinstance(value, str) and kind in ("integer", "number"):
        with suppress(ValueError):
            return int(value) if kind == "integer" else float(value)
    return value
