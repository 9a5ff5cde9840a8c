"""Durable Streams, the open protocol: streams of anybody's data by path, and every session as a stream to be read.

`durable-chat/v1/stream/PATH` is created, appended to, closed, read, followed, forked and deleted as the protocol says;
`durable-chat/v1/stream/sessions/ID` is a session's events as JSON messages, and takes nothing. Who may come in is as
for every other route. What a stream holds may be anything, so a browser neither runs nor sniffs it.

https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Self

from jupyter_server._tz import utcnow
from jupyter_server.auth.decorator import allow_unauthenticated
from tornado import web

from jupyter_durable_chat import events as e
from jupyter_durable_chat import streams as s
from jupyter_durable_chat.log import Compacted, Log, LogError
from jupyter_durable_chat.registry import must_be_session
from jupyter_durable_chat.server.dialects import wire
from jupyter_durable_chat.server.following import Place
from jupyter_durable_chat.server.handler import ApiError, route
from jupyter_durable_chat.server.stream import CHUNK_BYTES, RESTART_SECONDS, Reader, Snapshots
from jupyter_durable_chat.server.upload import Taking

PAGE_BYTES = 1 << 21
"""About how much one answer holds."""

SESSIONS = "sessions"
"""What paths of sessions begin with."""

RESERVED = "__ds"
"""What the protocol keeps for subscriptions, which are not here."""


class Refusal(ApiError):
    """An answer that is not the wished one, with what the protocol says of it in headers."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, code, message)
        self.headers = headers or {}


_STATUS: dict[type[s.StreamError], tuple[int, str]] = {
    s.NoStream: (404, "unknown-stream"),
    s.Gone: (410, "deleted"),
    s.Taken: (409, "taken"),
    s.Mismatch: (409, "mismatch"),
    s.Malformed: (400, "malformed"),
    s.TooMuch: (413, "stream-full"),
    s.Closed: (409, "closed"),
    s.StaleEpoch: (403, "stale-epoch"),
    s.Gap: (409, "sequence-gap"),
}


def refusal(error: s.StreamError) -> Refusal:
    status, code = _STATUS[type(error)]
    headers: dict[str, str] = {}
    if isinstance(error, s.Closed):
        headers = {wire.CLOSED: "true", wire.NEXT_OFFSET: wire.offset(error.tail)}
    elif isinstance(error, s.StaleEpoch):
        headers = {wire.PRODUCER_EPOCH: str(error.epoch)}
    elif isinstance(error, s.Gap):
        headers = {wire.EXPECTED_SEQ: str(error.expected), wire.RECEIVED_SEQ: str(error.received)}
    return Refusal(status, code, str(error), headers)


class View(ABC):
    """What is read: a stream, or a session as one."""

    id: str
    content_type: str
    tail: int
    closed = False

    @property
    def about(self) -> dict[str, str]:
        """What is said of it beside its data."""
        return {}

    @property
    def is_json(self) -> bool:
        return s.media_type(self.content_type) == s.JSON_TYPE

    @abstractmethod
    async def read(self, after: int, max_bytes: int) -> s.Page:
        """What follows this LSN, as it is by now."""

    @abstractmethod
    async def wait(self, after: int, seconds: float) -> None:
        """Return when there is more, or the stream is gone, or after so many seconds."""

    async def touch(self) -> None:
        """Somebody reads."""
        return


class StreamView(View):
    def __init__(self, streams: s.Streams, stream: s.Stream) -> None:
        self._streams = streams
        self._stream = stream
        self.id = stream.id
        self.content_type = stream.config.content_type
        self.tail = stream.tail
        self.closed = stream.closed

    @property
    def about(self) -> dict[str, str]:
        config = self._stream.config
        about = {} if config.ttl is None else {wire.TTL: str(config.ttl)}
        return about if config.expires_at is None else about | {wire.EXPIRES_AT: config.expires_at}

    async def read(self, after: int, max_bytes: int) -> s.Page:
        return await self._streams.read(self._stream, after, max_bytes=max_bytes)

    async def wait(self, after: int, seconds: float) -> None:
        self._stream = await self._streams.wait(self._stream, after, seconds)

    async def touch(self) -> None:
        self._stream = await self._streams.touch(self._stream)


class SessionView(View):
    """The events of a session. Where they are kept no longer, what they amount to is the first message."""

    content_type = s.JSON_TYPE

    def __init__(self, log: Log, snapshots: Snapshots, session_id: str, tail: int) -> None:
        self._log = log
        self._snapshots = snapshots
        self.id = session_id
        self.tail = tail

    async def read(self, after: int, max_bytes: int) -> s.Page:
        try:
            records = await self._log.read(self.id, after, max_bytes=max_bytes, limit=s.MAX_RECORDS)
        except Compacted:
            kept = await self._snapshots.after(after, self._log, self.id)
            said = b'{"type":"session-snapshot","lsn":%d,"transcript":%b}' % (kept.lsn, kept.data)
            return s.Page([said], kept.lsn, kept.lsn >= self.tail, False)
        end = records[-1].lsn if records else after
        full = len(records) == s.MAX_RECORDS or sum(len(data) for _, data in records) >= max_bytes
        tail = (await self._log.head(self.id)).lsn if full else self.tail
        return s.Page([e.number(*record) for record in records], end, end >= tail, False)

    async def wait(self, after: int, seconds: float) -> None:
        await self._log.wait({self.id: after}, seconds)


@dataclass(frozen=True)
class _Place(Place):
    """After an LSN of what is viewed, as Server-Sent Events have it."""

    view: View
    end: int
    up_to_date: bool
    closed: bool
    cursor: str
    keep_alive: float

    @property
    def key(self) -> Hashable:
        return self.view.id, self.end, self.cursor

    @property
    def over(self) -> bool:
        return self.closed

    async def next(self) -> tuple[bytes, Self]:
        if self.up_to_date:
            await self.view.wait(self.end, self.keep_alive)
        return self.after(await self.view.read(self.end, CHUNK_BYTES))

    def after(self, page: s.Page) -> tuple[bytes, Self]:
        """This page as it is sent, and the place after it."""
        place = replace(self, end=page.end, up_to_date=page.up_to_date, closed=page.closed)
        return wire.frames(page, self.view.content_type, self.cursor, time.time()), place


class OneStream(Taking, Reader):
    """A stream, or a session, by its path."""

    limit = "max_message_bytes"

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    def set_cors_headers(self) -> None:
        super().set_cors_headers()
        self.set_header("Access-Control-Expose-Headers", ", ".join(wire.ANSWERED))

    @property
    def content_security_policy(self) -> str:
        return f"{super().content_security_policy}; default-src 'none'; sandbox"

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        # A preflight says nothing of itself: who may come in is asked of what follows it.
        if not self.is_kernel and self.request.method != "OPTIONS" and not self.check_origin():
            raise web.HTTPError(404)

    def get_login_url(self) -> str:
        """Programs come here: they are refused, and not led to a login."""
        raise web.HTTPError(403)

    def compute_etag(self) -> str | None:
        return None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Refusal):
            for name, value in error.headers.items():
                self.set_header(name, value)
        super().write_error(status_code, **kwargs)

    @allow_unauthenticated
    def options(self, path: str) -> None:
        self.set_header("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE, OPTIONS")
        asked = ("Accept", "Authorization", "X-XSRFToken", *wire.ASKED)
        self.set_header("Access-Control-Allow-Headers", ", ".join(asked))
        self.set_status(204)
        self.finish()

    @route
    async def put(self, path: str) -> None:
        self._writes(path)
        try:
            wanted = wire.creation(self.request.headers, self.taken(), self.base_url)
            stream, is_new = await self._streams.create(path, wanted)
        except s.StreamError as error:
            raise refusal(error) from error
        self.set_status(201 if is_new else 200)
        self.set_header("Content-Type", stream.config.content_type)
        if is_new:
            self.set_header("Location", f"{self.request.protocol}://{self.request.host}{self.request.path}")
        self._ends(stream.tail, stream.closed)

    @route
    async def post(self, path: str) -> None:
        self._writes(path)
        try:
            asked = wire.append(self.request.headers, self.taken())
            done = await self._streams.append(path, asked)
        except s.StreamError as error:
            raise refusal(error) from error
        self.set_status(200 if asked.producer and asked.data and not done.again else 204)
        if done.producer:
            self.set_header(wire.PRODUCER_EPOCH, str(done.producer.epoch))
            self.set_header(wire.PRODUCER_SEQ, str(done.producer.seq))
        self.clear_header("Content-Type")
        self._ends(done.tail, done.closed)

    @route
    async def delete(self, path: str) -> None:
        self._writes(path)
        try:
            await self._streams.delete(path)
        except s.StreamError as error:
            raise refusal(error) from error
        self.set_status(204)
        self.finish()

    @route
    async def head(self, path: str) -> None:
        try:
            view = await self._view(path)
        except s.StreamError as error:
            raise refusal(error) from error
        self.set_header("Content-Type", view.content_type)
        for name, value in view.about.items():
            self.set_header(name, value)
        self._ends(view.tail, view.closed)

    @route
    async def get(self, path: str) -> None:
        try:
            live = wire.live(self.get_query_arguments("live", strip=False))
            asked = wire.position(self.get_query_arguments("offset", strip=False), live)
            view = await self._view(path)
            after = view.tail if asked == "now" else asked
            if after > view.tail:
                raise s.Malformed("The offset is beyond the end of the stream.")
            await view.touch()
            if live == "sse":
                await self._follow(view, after)
            elif live == "long-poll":
                await self._poll(view, after)
            elif asked == "now":
                self._page(view, s.Page([], view.tail, True, view.closed), None)
            else:
                self._page(view, await view.read(after, PAGE_BYTES), after)
        except s.StreamError as error:
            raise refusal(error) from error

    # Inside

    @property
    def paged(self) -> bool:
        return self.get_query_argument("live", "") != "sse"

    @property
    def _streams(self) -> s.Streams:
        return self.chat.durable_streams

    async def _view(self, path: str) -> View:
        first, _, rest = self._checked(path).partition("/")
        if first != SESSIONS:
            return StreamView(self._streams, await self._streams.open(path))
        must_be_session(rest)
        log = self.registry.log
        return SessionView(log, self.chat.snapshots, rest, (await log.head(rest)).lsn)

    def _writes(self, path: str) -> None:
        """Somebody wants to change what is at this path. That is activity."""
        if self._checked(path).partition("/")[0] == SESSIONS:
            raise Refusal(405, "read-only", "A session is only read here.", {"Allow": "GET, HEAD, OPTIONS"})
        self.settings["api_last_activity"] = utcnow()

    def _checked(self, path: str) -> str:
        if len(path) > wire.MAX_PATH:
            raise Refusal(400, "malformed", f"A path has {wire.MAX_PATH} characters at most.")
        if path.partition("/")[0] == RESERVED:
            raise Refusal(404, "not-found", "There are no subscriptions here.")
        return path

    def _ends(self, tail: int, closed: bool, body: bytes = b"") -> None:
        """Answer, with where the stream ends or what was read of it."""
        self.set_header(wire.NEXT_OFFSET, wire.offset(tail))
        if closed:
            self.set_header(wire.CLOSED, "true")
        self.finish(body or None)

    def _page(self, view: View, page: s.Page, after: int | None) -> None:
        """Answer with what was read after this LSN, if it was any."""
        self.set_header("Content-Type", view.content_type)
        if page.up_to_date:
            self.set_header(wire.UP_TO_DATE, "true")
        if after is not None:
            closed = ":c" if page.closed else ""
            self.set_header("Etag", f'"{view.id}:{after}:{page.end}{closed}"')
            if self.check_etag_header():
                self.set_status(304)
                self._ends(page.end, page.closed)
                return
        self._ends(page.end, page.closed, wire.body(page.data, is_json=view.is_json))

    @property
    def _cursor(self) -> str:
        return self.get_query_argument("cursor", "")

    async def _poll(self, view: View, after: int) -> None:
        page = await self.attend(self._next(view, after))
        if self.hung_up:
            return
        if page is None:
            raise ApiError(503, "busy", "The server is shutting down.", retry_after=RESTART_SECONDS)
        if not page.closed:
            self.set_header(wire.CURSOR, wire.cursor(self._cursor, time.time()))
        if page.data:
            self._page(view, page, after)
            return
        self.set_status(204)
        self.set_header(wire.UP_TO_DATE, "true")
        self._ends(page.end, page.closed)

    async def _next(self, view: View, after: int) -> s.Page:
        """What there is, or comes in time."""
        now = asyncio.get_running_loop().time
        until = now() + self.chat.long_poll_seconds
        while True:
            page = await view.read(after, PAGE_BYTES)
            left = until - now()
            if page.data or page.closed or left <= 0:
                return page
            await view.wait(after, left)

    async def _follow(self, view: View, after: int) -> None:
        page = await view.read(after, CHUNK_BYTES)
        self.begin_stream()
        self.set_header("Cache-Control", "no-cache, no-store")
        if wire.needs_base64(view.content_type):
            self.set_header(wire.ENCODING, "base64")
        await self.attend(self._stream(view, page))

    async def _stream(self, view: View, page: s.Page) -> None:
        """Say what was read, and what comes, until the stream or the connection ends."""
        begin = _Place(view, page.end, page.up_to_date, page.closed, self._cursor, self.chat.keep_alive_seconds)
        try:
            data, place = begin.after(page)
            await self._say([data])
            while not place.over:
                if place.up_to_date:
                    place = await self.follow(place)
                else:
                    data, place = await place.next()
                    await self._say([data])
        except (s.StreamError, LogError) as error:
            # Whoever reads this comes back with its offset, and is told.
            self.log.debug("A stream ends: %s", error)


DURABLE_STREAMS: list[tuple[str, type[OneStream]]] = [(rf"{wire.ROOT}(.+)", OneStream)]
