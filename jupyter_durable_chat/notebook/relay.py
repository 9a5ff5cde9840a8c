"""What a page asks of the server through its kernel, because it cannot reach the server itself.

A page gets what the routes of a chat that this kernel shows give, and nothing else: the kernel's token opens more, and
never leaves the kernel. A request is read where cells run, so it waits while one does. It is forwarded by a thread,
which a busy kernel does not stop, so an answer that has begun goes on; and that thread holds no more than a page can
read.

A page says `request` (`id`, `method`, `path` below `durable-chat/`, `accept`, `media_type`, and `body` or a buffer),
`read` (`id`, `bytes`) for what it has taken, and `drop` (`id`). It is told `received`, `response` (`status`,
`headers`), `body` (a buffer) as often as there is more, and at last `end` or `failed`; each with the request's `id`.
"""

import asyncio
import json
import logging
import re
import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from jupyter_durable_chat.notebook.client import CONNECT_SECONDS, Client
from jupyter_durable_chat.transcript import JSON

if TYPE_CHECKING:
    import httpx2

logger = logging.getLogger(__name__)

AHEAD_BYTES = 4 << 20
"""What a page is sent of one answer before it says that it has read some, which is not heard while a cell runs."""

MAX_STREAMS = 16
"""Pages that follow something. The one that was heard of least recently is let go; if it is there, it asks again."""

SILENCE_SECONDS = 90.0
"""The server says something every 15 seconds, and answers what waits within 20."""

ACCEPTS = ("application/json", "text/event-stream", "*/*")

TOLD_HEADERS = ("Content-Disposition", "Content-Type", "Date", "Retry-After")

_ID = r"[A-Za-z0-9_-]{1,64}"
_NAME = r"[^/]{1,1024}"

ALLOWED = [
    ("GET", re.compile("api/agents"), ()),
    ("GET", re.compile("api/events"), ("after", "seen", "wait")),
    ("GET", re.compile(f"api/sessions/({_ID})"), ()),
    ("PATCH", re.compile(f"api/sessions/({_ID})"), ()),
    ("GET", re.compile(f"api/sessions/({_ID})/export"), ("format",)),
    ("POST", re.compile(f"api/sessions/({_ID})/(?:messages|stop|retry|continue|branch|queue/resume)"), ()),
    ("PATCH", re.compile(f"api/sessions/({_ID})/queue"), ()),
    ("PATCH", re.compile(f"api/sessions/({_ID})/queue/{_NAME}"), ()),
    ("DELETE", re.compile(f"api/sessions/({_ID})/queue/{_NAME}"), ()),
    ("POST", re.compile(f"api/sessions/({_ID})/(?:approvals|tools)/{_NAME}"), ()),
    ("POST", re.compile(f"api/sessions/({_ID})/attachments"), ("filename",)),
    ("GET", re.compile(f"api/sessions/({_ID})/attachments/[0-9a-f]{{64}}"), ()),
]
"""What a page may ask: method, path with the session, names of its query."""

NOT_SHOWN = "This kernel does not show this chat any more: run its cell again."

Tell = Callable[[JSON, list[bytes]], None]
"""Send a message with its buffers to the pages of a widget. Called in the thread of the relay."""


class Refused(Exception):
    """What a page may not ask. `status` and `code` are what it is told."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Relay:
    """Forwards to one server."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._exchanges: dict[str, _Exchange] = {}

    def hear(self, view: object, tell: Tell, shown: set[str], message: JSON, buffers: Iterable[Any]) -> None:
        """A message of a page to `view`, heard where cells run; the page may see the sessions that are `shown`.

        What is none of ours is left alone.
        """
        kind, request_id = message.get("type"), message.get("id")
        if not isinstance(request_id, str) or len(request_id) > 100:
            return
        if kind == "request":
            exchange = _Exchange(request_id, view, tell)
            exchange.say("received")
            body = [bytes(buffer) for buffer in buffers]
            self._thread.call(self._begin, exchange, shown, message, body)
        elif kind == "read" and isinstance(read := message.get("bytes"), int):
            self._thread.call(self._read, request_id, read)
        elif kind == "drop":
            self._thread.call(self._drop, request_id)

    def forget(self, view: object) -> None:
        """Nobody sees `view` any more."""
        self._thread.call(self._drop_all, view)

    @cached_property
    def _thread(self) -> "_Thread":
        thread = _Thread()
        thread.start()
        return thread

    # In the thread

    def _begin(self, exchange: "_Exchange", shown: set[str], message: JSON, buffers: list[bytes]) -> None:
        if exchange.id in self._exchanges:
            return
        self._exchanges[exchange.id] = exchange
        exchange.task = asyncio.create_task(self._forward(exchange, shown, message, buffers))
        exchange.task.add_done_callback(lambda _: self._exchanges.pop(exchange.id, None))
        streams = [other for other in self._exchanges.values() if other.follows]
        for least in streams[:-MAX_STREAMS]:
            least.end()

    def _read(self, request_id: str, read: int) -> None:
        if exchange := self._exchanges.pop(request_id, None):
            self._exchanges[request_id] = exchange  # heard of last
            exchange.make_room(read)

    def _drop(self, request_id: str) -> None:
        if exchange := self._exchanges.get(request_id):
            exchange.end()

    def _drop_all(self, view: object) -> None:
        for exchange in list(self._exchanges.values()):
            if exchange.view is view:
                exchange.end()

    async def _forward(self, exchange: "_Exchange", shown: set[str], message: JSON, buffers: list[bytes]) -> None:
        import httpx2

        try:
            asked = _allowed(message, shown)
            exchange.follows = message.get("accept") == "text/event-stream"
            if asked.lost:
                exchange.greeting = b"".join(_gone(session) for session in asked.lost)
            await self._answer(exchange, asked, buffers)
            exchange.say("end")
        except Refused as refused:
            body = {"message": str(refused), "reason": "", "code": refused.code}
            exchange.say("response", status=refused.status, headers={"Content-Type": "application/json"})
            exchange.say("body", json.dumps(body).encode())
            exchange.say("end")
        except httpx2.TransportError:
            exchange.say("failed")
        except asyncio.CancelledError:
            exchange.say("failed")
            raise
        except Exception:
            logger.exception("A request of a page was not forwarded.")
            exchange.say("failed")

    async def _answer(self, exchange: "_Exchange", asked: "_Asked", buffers: list[bytes]) -> None:
        content = asked.body.encode() if asked.body is not None else buffers[0] if buffers else None
        request = self._http.stream(asked.method, asked.path, content=content, headers=asked.headers)
        async with request as response:
            headers = {name: response.headers[name] for name in TOLD_HEADERS if name in response.headers}
            exchange.say("response", status=response.status_code, headers=headers)
            if exchange.greeting and response.is_success:
                exchange.say("body", exchange.greeting)
            async for piece in response.aiter_bytes():
                await exchange.room()
                exchange.say("body", piece)

    @property
    def _http(self) -> "httpx2.AsyncClient":
        """For the server as it is reached now."""
        import httpx2

        options = self._client.options()
        if self._opened is None or self._known != (options["base_url"], options["headers"]):
            self._known = (options["base_url"], options["headers"])
            if self._opened is not None:
                # What it still has under way fails as it would at a server that is gone.
                self._closing = asyncio.ensure_future(self._opened.aclose())
            timeout = httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
            self._opened = httpx2.AsyncClient(**{**options, "timeout": timeout, "follow_redirects": False})
        return self._opened

    _known: tuple[str, JSON] | None = None
    _opened: "httpx2.AsyncClient | None" = None
    _closing: "asyncio.Future[None] | None" = None


class _Exchange:
    """One request of one page, and what has become of it. Lives in the thread, but for its beginning."""

    def __init__(self, request_id: str, view: object, tell: Tell) -> None:
        self.id = request_id
        self.view = view
        self.task: asyncio.Task[None] | None = None
        self.follows = False
        self.greeting = b""
        self._tell = tell
        self._unread = 0
        self._has_room = asyncio.Event()

    def say(self, kind: str, piece: bytes | None = None, **more: Any) -> None:
        self._unread += len(piece or b"")
        try:
            self._tell({"type": kind, "id": self.id, **more}, [] if piece is None else [piece])
        except Exception:  # a host's own code: the widget may have gone
            logger.debug("A page was not told of its request.", exc_info=True)
            self.end()

    async def room(self) -> None:
        """Return when the page has read enough to be sent more."""
        while self._unread >= AHEAD_BYTES:
            self._has_room.clear()
            await self._has_room.wait()

    def make_room(self, read: int) -> None:
        self._unread -= read
        self._has_room.set()

    def end(self) -> None:
        if self.task:
            self.task.cancel()


class _Asked:
    """A request as it goes to the server."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: str | None, lost: list[str]) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.lost = lost
        """Sessions of a stream that are not shown."""


def _allowed(message: JSON, shown: set[str]) -> _Asked:
    """What becomes of a page's request. Raises `Refused`."""
    method, accept, body = message.get("method"), message.get("accept"), message.get("body")
    address = urlsplit(str(message.get("path")))
    path = "/".join(_segment(segment) for segment in address.path.split("/"))
    routes = ((pattern.fullmatch(path), names) for allowed, pattern, names in ALLOWED if allowed == method)
    found, names = next((route for route in routes if route[0]), (None, ()))
    if found is None:
        raise Refused(403, "forbidden", "A page may not ask this of its kernel.")
    if accept not in ACCEPTS or not isinstance(body, str | None) or (found.groups() and found[1] not in shown):
        raise Refused(404, "unknown-session", NOT_SHOWN)
    if "/tools/" in path and not _is_answer(body):
        raise Refused(403, "forbidden", "A page answers calls, and runs none.")
    query = [(name, value) for name, value in parse_qsl(address.query, keep_blank_values=True) if name in names]
    lost = [position for name, position in query if name == "after" and position.partition(":")[0] not in shown]
    if lost and (accept != "text/event-stream" or len(lost) == sum(name == "after" for name, _ in query)):
        raise Refused(404, "unknown-session", NOT_SHOWN)
    query = [(name, value) for name, value in query if name != "after" or value not in lost]
    query = [(name, value) for name, value in query if name != "seen" or value in shown or not value]
    headers = {"Accept": accept}
    if isinstance(media_type := message.get("media_type"), str) and media_type.isascii() and media_type.isprintable():
        headers["Content-Type"] = media_type
    where = f"{path}?{urlencode(query)}" if query else path
    return _Asked(str(method), where, headers, body, [position.partition(":")[0] for position in lost])


def _segment(segment: str) -> str:
    """As it is written once it can mean nothing else."""
    plain = unquote(segment)
    if plain in (".", ".."):
        raise Refused(403, "forbidden", "A page may not ask this of its kernel.")
    return quote(plain, safe="")


def _is_answer(body: str | None) -> bool:
    try:
        said = json.loads(body or "")
    except ValueError:
        return False
    return isinstance(said, dict) and said.keys() == {"output"}


def _gone(session: str) -> bytes:
    """That this session is not to be followed here, as the stream says it."""
    data = json.dumps({"session": session, "status": 404, "message": NOT_SHOWN})
    return f"event: gone\ndata: {data}\n\n".encode()


class _Thread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="jupyter-durable-chat-relay", daemon=True)
        self._loop = asyncio.new_event_loop()

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)

    def run(self) -> None:
        self._loop.run_forever()
