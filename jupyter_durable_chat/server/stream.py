"""Readers over HTTP: Server-Sent Events, for one session or for many at once.

There is one way to read. A reader is a set of positions (session, last LSN seen). It reads the log after each
position until there is nothing more, and then waits until there is. Nothing is pushed to it that it did not read, so
a new, a resumed, a slow and a live reader differ in nothing but their positions; one that does not read its socket
costs its positions and one chunk. A snapshot is one piece, however large; so all who are sent it hold the same one.

Where something between server and reader holds streams back, the same is given in pages: what a stream would say next,
up to a chunk, as one JSON answer.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import msgspec
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError

from jupyter_durable_chat import __version__
from jupyter_durable_chat import events as e
from jupyter_durable_chat.facts import ReaderCame, ReaderLeft, ResumeBroke, Resumed, Tell, Transport, silent
from jupyter_durable_chat.log import (
    AheadOfLog,
    Compacted,
    Damaged,
    Log,
    LogUnavailable,
    Record,
    StreamDeleted,
    UnknownStream,
)
from jupyter_durable_chat.notices import PREFIX
from jupyter_durable_chat.server.following import Follower, P
from jupyter_durable_chat.server.handler import ApiError, ChatHandler, Chatting, translated
from jupyter_durable_chat.watching import View

CHUNK_BYTES = 1 << 16
"""About how much a reader is given, and holds, at a time."""

RETRY_MILLISECONDS = 1000

LOST_SECONDS = 45.0
"""After which a connection is over whose other end does not take what is sent."""

MAX_PEOPLE = 100
"""People at a session that a reader is told of."""

RESTART_SECONDS = 1
"""After which a reader that is let go of may come again."""


class Records(NamedTuple):
    """The next events of a session."""

    session: str
    records: list[Record]


@dataclass(frozen=True, weakref_slot=True, slots=True)
class Snapshot:
    """What the session amounts to at an LSN, in place of events that are no longer kept one by one."""

    session: str
    lsn: int
    data: bytes


class CaughtUp(NamedTuple):
    """The reader has seen what there was when it looked; said once for each session."""

    session: str
    lsn: int


class Lost(NamedTuple):
    """This session cannot be read on from this position."""

    session: str
    error: ApiError


Item = Records | Snapshot | CaughtUp | Lost

Read = TypeVar("Read")


class Snapshots:
    """The snapshots of one log that readers are being sent. They leave memory with the last reader."""

    def __init__(self) -> None:
        self._sent: WeakValueDictionary[str, Snapshot] = WeakValueDictionary()
        self._asking = asyncio.Lock()

    async def after(self, lsn: int, log: Log, session: str) -> Snapshot:
        """One that is beyond `lsn`, perhaps not the newest: then reading on from it leads here again.

        Raises `Damaged` when there is none.
        """
        # One reader asks at a time, so that those who come together get the same.
        async with self._asking:
            sent = self._sent.get(session)
            if sent is None or sent.lsn <= lsn:
                kept = await log.snapshot(session)
                if kept is None or kept.lsn <= lsn:
                    raise Damaged(session, lsn)
                self._sent[session] = sent = Snapshot(session, *kept)
            return sent


async def read(
    log: Log,
    positions: dict[str, int],
    keep_alive: float,
    snapshots: Snapshots,
    lost: Sequence[Lost] = (),
    tell: Tell = silent,
) -> AsyncGenerator[list[Item]]:
    """Everything after these positions, for ever, moving them on; an empty list every `keep_alive` seconds of silence.

    Begins with what is `lost` already. Ends when every session is lost. Raises `LogUnavailable`.
    """
    if lost:
        yield list(lost)
    behind = set(positions)
    readable = deque(positions)
    while positions:
        found: list[Item] = []
        size = 0
        for _ in range(len(readable)):
            if size >= CHUNK_BYTES:
                break
            session = readable.popleft()
            try:
                more = await _next(log, session, positions[session], CHUNK_BYTES - size, snapshots)
            except (UnknownStream, StreamDeleted, AheadOfLog) as error:
                if isinstance(error, AheadOfLog):
                    tell(ResumeBroke("ahead"))
                del positions[session]
                answer = translated(error)
                assert answer is not None
                found.append(Lost(session, answer))
                continue
            if isinstance(more, Snapshot):
                if positions[session]:
                    tell(ResumeBroke("compacted"))
                positions[session] = more.lsn
                size += len(more.data)
                found.append(more)
                readable.append(session)
            elif more:
                positions[session] = more[-1].lsn
                size += sum(len(record.data) for record in more)
                found.append(Records(session, more))
                readable.append(session)
            elif session in behind:
                behind.discard(session)
                found.append(CaughtUp(session, positions[session]))
        if found:
            yield found
        if not readable and positions:
            readable.extend(await log.wait(positions, keep_alive))
            if not readable:
                yield []


async def page(reading: AsyncGenerator[list[Item]], sessions: Iterable[str]) -> list[Item]:
    """What this reading gives first: all that there is, or what comes before it is silent, up to about a chunk."""
    given: list[Item] = []
    size = 0
    behind = set(sessions)
    async with aclosing(reading):
        async for found in reading:
            given += found
            size += sum(_size(item) for item in found)
            behind -= {item.session for item in found if isinstance(item, CaughtUp | Lost)}
            is_news = any(not isinstance(item, CaughtUp) for item in given)
            if not found or size >= CHUNK_BYTES or (is_news and not behind):
                break
    return given


def _size(item: Item) -> int:
    match item:
        case Records():
            return sum(len(record.data) for record in item.records)
        case Snapshot():
            return len(item.data)
    return 0


async def _next(log: Log, session: str, after: int, max_bytes: int, snapshots: Snapshots) -> list[Record] | Snapshot:
    try:
        return await log.read(session, after, max_bytes=max_bytes)
    except Compacted:
        return await snapshots.after(after, log, session)


def frame(data: bytes, *, name: str = "", position: str = "") -> bytes:
    """One event of the stream; `data` is JSON, so it has no line breaks."""
    return b"%b%bdata: %b\n\n" % (
        f"id: {position}\n".encode() if position else b"",
        f"event: {name}\n".encode() if name else b"",
        data,
    )


class Reader(Follower, Chatting):
    """Somebody who reads what comes, until they hang up, or are let go of."""

    _following: asyncio.Task[Any] | None = None
    _hung_up = False

    def initialize(self, **kwargs: Any) -> None:
        super().initialize(**kwargs)
        self._writing = asyncio.Lock()

    @property
    def paged(self) -> bool:
        """Whether the reader wants pages, and no stream."""
        accepted = self.request.headers.get("Accept", "")
        return "application/json" in accepted and "text/event-stream" not in accepted

    def begin_stream(self) -> None:
        """Say that what follows comes as it happens, to whoever is in between, too."""
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        # Tornado would compress any text; a compressed stream reaches nobody until the compressor has enough.
        self.set_header("Content-Encoding", "identity")

    def on_connection_close(self) -> None:
        self._hung_up = True
        self.end_stream()
        super().on_connection_close()

    @property
    def hung_up(self) -> bool:
        return self._hung_up

    def end_stream(self) -> None:
        """Let go of this reader. What it was reading runs on."""
        if self._following:
            self._following.cancel()

    async def attend(self, reading: Coroutine[Any, Any, Read]) -> Read | None:
        """What this reader reads; nothing when it is let go of, is gone, or takes nothing of it."""
        transport: Transport = "pages" if self.paged else "stream"
        self._following = following = asyncio.create_task(reading)
        self.chat.streams.add(self)
        self.chat.tell(ReaderCame(transport))
        try:
            await asyncio.wait({following})
            return None if following.cancelled() else following.result()
        except StreamClosedError:
            return None
        except TimeoutError:
            self.log.info("A reader has taken nothing for %g s: its connection is closed", self.chat.stalled_seconds)
            self.hang_up()
            return None
        finally:
            following.cancel()
            self.chat.streams.discard(self)
            self.chat.tell(ReaderLeft(transport))

    def hang_up(self) -> None:
        """Close the connection with what it still holds. Whoever comes back has a position."""
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection) and connection.stream
        connection.stream.close()

    def take(self, data: bytes) -> asyncio.Future[None] | None:
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection) and connection.stream
        stream = connection.stream
        if self.request.version != "HTTP/1.1" or stream.closed() or stream.writing():
            self.write(data)
            return self.flush()
        # What `flush` writes in the end, in a third less time: for a thousand readers that is what they wait for.
        chunk = b"%x\r\n%b\r\n" % (len(data), data)
        try:
            sent = stream.write_to_fd(memoryview(chunk))
        except OSError:
            sent = 0
        return stream.write(chunk[sent:]) if sent < len(chunk) else None

    async def follow(self, place: P) -> P:
        """Be given what comes after this place; where the reader is when it has taken that. Raises as `_say` does."""
        left = await self.chat.following.along(self, place)
        if left.sent:
            async with asyncio.timeout(self.chat.stalled_seconds or None):
                await left.sent
        await self._say([left.rest])
        return left.place

    async def _say(self, frames: Iterable[bytes]) -> None:
        """Write whole frames, whoever else writes. Raises `TimeoutError` when the reader takes nothing."""
        async with self._writing:
            for portion in _portions(frames):
                self.write(portion)
                async with asyncio.timeout(self.chat.stalled_seconds or None):
                    await self.flush()


class EventStream(Reader, ChatHandler):
    """A handler that reads events. That is not activity: a chat left open keeps no server from its culler."""

    _track_activity = False

    def reading(
        self, positions: dict[str, int], keep_alive: float, lost: Sequence[Lost] = ()
    ) -> AsyncGenerator[list[Item]]:
        """What this reader is given: as `read` has it."""
        return read(self.registry.log, positions, keep_alive, self.chat.snapshots, lost, self.chat.tell)

    async def stream(
        self,
        positions: dict[str, int],
        view: View | None,
        *,
        shared: bool,
        lost: Sequence[Lost] = (),
        lists: bool = False,
    ) -> None:
        """Stream events after these positions until the connection closes or nothing is left to read.

        `view`: of who watches them by it, if that is anybody; whom others see by it is told of them. `lists`: tell of
        changes in the list of sessions too.
        """
        self.begin_stream()
        await self.attend(self._follow(positions, view, shared, lost, lists))

    async def page(
        self, positions: dict[str, int], wait: float, lost: Sequence[Lost] = (), view: View | None = None
    ) -> None:
        """Answer with what there is after these positions, or comes within `wait` seconds."""
        sessions = _places(positions)
        given = await self.attend(page(self.reading(positions, wait, lost), list(positions)))
        if self._hung_up:
            return
        if given is None:
            raise ApiError(503, "busy", "The server is shutting down.", retry_after=RESTART_SECONDS)
        here = [self._presence(session) for session in sessions] if view and view.who else []
        presence = b',"presence":%b' % e.to_json(here) if here else b""
        items = b",".join(_item(item) for item in given)
        self.reply(b'{"version":%b,"items":[%b]%b}' % (e.to_json(__version__), items, presence))

    async def _follow(
        self, positions: dict[str, int], view: View | None, shared: bool, lost: Sequence[Lost], lists: bool
    ) -> None:
        about = {"version": __version__, "sessions": sorted(positions), "keep_alive": self.chat.keep_alive_seconds}
        came = {session: lsn for session, lsn in positions.items() if lsn}
        hello = e.to_json(about | ({"stream": view.id} if view else {}))
        asides: list[Coroutine[Any, Any, None]] = []
        beside: set[asyncio.Task[None]] = set()
        try:
            self.write(f"retry: {RETRY_MILLISECONDS}\n\n".encode() + frame(hello, name="hello"))
            await self.flush()
            if lists:
                asides.append(self._list())
            if view and view.who:
                self._miss_soon()
                asides.append(self._introduce(_places(positions)))
            beside = {asyncio.create_task(aside) for aside in asides}
            async for found in self.reading(positions, self.chat.keep_alive_seconds, lost):
                for item in found:
                    if isinstance(item, CaughtUp) and item.session in came:
                        self.chat.tell(Resumed(item.lsn - came[item.session]))
                await self._say(_frames(found, positions, shared) if found else [b": keep-alive\n\n"])
                if view:
                    view.given.update(positions)
        except LogUnavailable as error:
            # Whoever reads this comes back with its position, when there is a store again.
            self.log.warning("A stream of events ends: %s", error)
        finally:
            for task in beside:
                task.cancel()
            if beside:
                await asyncio.wait(beside)

    async def _list(self) -> None:
        """Say which sessions look different in a list, as long as the stream lasts."""
        # A reader that takes nothing, or is gone, ends with its events.
        with contextlib.suppress(StreamClosedError, TimeoutError):
            async with aclosing(self.chat.listing.changes()) as changes:
                async for changed in changes:
                    await self._say([frame(e.to_json({"changed": changed}), name="sessions")])

    async def _introduce(self, sessions: Sequence[str]) -> None:
        """Say who is at these sessions, as long as the stream lasts: of each at first, and when that has changed."""
        said: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(StreamClosedError, TimeoutError):
            async with aclosing(self.chat.watching.changes(sessions)) as changes:
                async for changed in changes:
                    now = {session: self._presence(session) for session in changed}
                    news = [about for session, about in now.items() if said.get(session) != about]
                    said |= now
                    await self._say([frame(e.to_json(about), name="presence") for about in news])

    def _presence(self, session: str) -> dict[str, Any]:
        people = self.chat.watching.people(session)[:MAX_PEOPLE]
        here = [msgspec.to_builtins(who) | ({"typing": True} if typing else {}) for who, typing in people]
        return {"session": session, "people": here}

    def _miss_soon(self) -> None:
        """Notice within a minute that a network is gone: what is sent now and then would be waited for much longer."""
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection) and connection.stream
        ours = connection.stream.socket
        if ours and ours.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(LOST_SECONDS * 1000))


def _places(sessions: Iterable[str]) -> list[str]:
    """Where people meet, of what is followed."""
    return sorted(session for session in sessions if not session.startswith(PREFIX))


def _portions(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """These bytes in portions of a chunk: what waits in a connection is a copy."""
    portion = bytearray()
    for piece in pieces:
        for start in range(0, len(piece), CHUNK_BYTES):
            portion += piece[start : start + CHUNK_BYTES]
            if len(portion) >= CHUNK_BYTES:
                yield bytes(portion)
                portion.clear()
    if portion:
        yield bytes(portion)


def _frames(found: list[Item], positions: dict[str, int], shared: bool) -> Iterable[bytes]:
    """What was found as SSE, in pieces.

    The position after a write stands on its last event: whoever is cut off inside of a write resumes before it, and
    drops by LSN what it has. On a single stream every event has its own.
    """
    last = next((item for item in reversed(found) if isinstance(item, Records)), None)
    for item in found:
        name: dict[str, Any] = {"session": item.session} if shared else {}
        if isinstance(item, CaughtUp):
            yield frame(e.to_json(name | {"lsn": item.lsn}), name="caught-up")
        elif isinstance(item, Snapshot):
            # As `frame` has it, without a copy.
            yield from (b"event: snapshot\ndata: ", item.data, b"\n\n")
        elif isinstance(item, Lost):
            yield frame(e.to_json(_gone(item)), name="gone")
        elif not shared:
            for lsn, data in item.records:
                yield frame(e.number(lsn, data), position=str(lsn))
        else:
            prefix = b'{"session":%b,' % e.to_json(item.session)
            for record in item.records:
                at_end = item is last and record is item.records[-1]
                position = " ".join(f"{session}:{lsn}" for session, lsn in positions.items()) if at_end else ""
                yield frame(prefix + e.number(*record)[1:], position=position)


def _item(item: Item) -> bytes:
    """What was found as JSON, as a page has it."""
    name = e.to_json(item.session)
    if isinstance(item, Records):
        return b'{"session":%b,"events":[%b]}' % (name, b",".join(e.number(*record) for record in item.records))
    if isinstance(item, Snapshot):
        return b'{"session":%b,"snapshot":%b}' % (name, item.data)
    if isinstance(item, CaughtUp):
        return b'{"session":%b,"caught_up":%d}' % (name, item.lsn)
    return b'{"session":%b,"gone":%b}' % (name, e.to_json(_gone(item)))


def _gone(item: Lost) -> dict[str, Any]:
    return {"session": item.session, "status": item.error.status_code, **item.error.body}
