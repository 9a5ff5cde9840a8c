"""One reader per kernel: every session that somebody here follows, over one connection for each 64 of them.

A `Reader` has seen every event of its session up to its LSN exactly once, in order: what it has is dropped, a hole is
fetched before anything behind it is folded, and a broken connection goes on after the last LSN. A session is followed
for as long as it has a listener, however many there are; with none left the connection is closed and the thread ends.

Listeners are called in the reader's thread, after the change, once for everything that arrived together. That thread is
a daemon and ends with the interpreter. A forked child has no such thread: what it inherited no longer moves there.
"""

import asyncio
import logging
import random
import threading
import time
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import msgspec

from jupyter_durable_chat import events
from jupyter_durable_chat.notebook.client import (
    CONNECT_SECONDS,
    REFUSED,
    ChatError,
    Client,
    check,
    server_address,
    session_path,
)
from jupyter_durable_chat.transcript import JSON, Transcript

if TYPE_CHECKING:
    import httpx2

    from jupyter_durable_chat.notebook.runner import Runner

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 45.0
"""The server says something every 15 seconds."""

STREAM_SESSIONS = 64
"""The server takes no more in one stream. None is dropped for it: an observer looks only when something moves."""

PAUSE_SECONDS = 0.2
"""The longest pause after a connection that broke; it doubles with every failure up to `MAX_PAUSE_SECONDS`."""

MAX_PAUSE_SECONDS = 10.0

CONFLICT = 409
"""Of a session that is gone from the stream: it is there, but not at our position."""

INTERRUPT_SECONDS = 0.5
"""How soon a wait notices Ctrl-C where a lock cannot be interrupted (Windows)."""

Look = TypeVar("Look")
Listener = Callable[[], None]


class _Addressed(msgspec.Struct):
    session: str


class _Gone(msgspec.Struct):
    session: str
    status: int
    message: str


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]
    more: bool
    snapshot: msgspec.Raw


class Reader:
    """A position in one session, and the transcript there."""

    def __init__(self, follower: "Follower", transcript: Transcript) -> None:
        self.session = transcript.id
        self.error: ChatError | None = None
        self._follower = follower
        self._transcript = transcript
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()

    @property
    def lsn(self) -> int:
        return self._transcript.lsn

    def look(self, at: Callable[[Transcript], Look]) -> Look:
        """What `at` makes of the transcript, which stands still meanwhile. Nothing of it may be kept."""
        with self._lock:
            return at(self._transcript)

    def snapshot(self) -> JSON:
        """The transcript as JSON, to keep."""
        return msgspec.json.decode(self.look(lambda transcript: events.to_json(transcript.to_json())))

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        self.listen(listener)
        try:
            yield
        finally:
            self.unlisten(listener)

    def listen(self, listener: Listener) -> None:
        """Follow the session, and call `listener` soon and then after every change."""
        self._follower._listen(self, listener)

    def unlisten(self, listener: Listener) -> None:
        """Undo one `listen`. Idempotent."""
        self._follower._unlisten(self, listener)

    def wait(self, done: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until `done()`; whether it was before `timeout` seconds. Raises `error` when the session is lost.

        Calls of tools that only this thread can run are run meanwhile; they do not end with the timeout.
        """
        if isinstance(threading.current_thread(), _Thread):
            raise ChatError("An observer of a chat cannot wait for it: it runs in the thread that reads the answers.")
        if done():
            return True
        ends = None if timeout is None else time.monotonic() + timeout
        changed = threading.Event()
        with self.attending(changed.set):
            # Only now, when nothing can be missed any more, does `done` count.
            while not done():
                if self.error:
                    raise self.error
                if (runner := self._follower.runner) and not done():
                    runner.check_wait(self.session)
                    if runner.run_here():
                        continue
                left = INTERRUPT_SECONDS if ends is None else min(INTERRUPT_SECONDS, ends - time.monotonic())
                if left <= 0:
                    return False
                changed.wait(left)
                changed.clear()
        return True

    async def changes(self) -> AsyncIterator[None]:
        """Yields now and after every change, in the caller's loop. Raises `error` when the session is lost."""
        loop = asyncio.get_running_loop()
        changed = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the caller's loop is closed: nobody waits any more
                loop.call_soon_threadsafe(changed.set)

        with self.attending(wake):
            while True:
                changed.clear()
                yield
                if self.error:
                    raise self.error
                if runner := self._follower.runner:
                    runner.check_wait(self.session)
                    await runner.run_here_async()
                await changed.wait()

    @contextmanager
    def attending(self, listener: Listener = lambda: None) -> Iterator[None]:
        """As `listening`, for somebody who waits for this session, however often, and sees what becomes of it."""
        with self._follower.waiting(self.session), self.listening(listener):
            yield

    def refresh(self) -> None:
        """Read what the server has now, in the caller's thread; whether the session is followed or not."""
        more = True
        while more:
            more = self._apply_page(self._follower.client.events(self.session, self.lsn))

    def _apply_page(self, page: bytes) -> bool:
        """Fold one answer of `GET …/events` in; whether there is more."""
        decoded = msgspec.json.decode(page, type=_Page)
        if transcript := msgspec.json.decode(decoded.snapshot):
            self._catch_up(transcript)
        for raw in decoded.events:
            self._apply(events.understood(bytes(raw)))
        return decoded.more

    def _apply(self, event: events.AnyEvent) -> bool:
        """Fold an event in unless it is there already; `False` when others are missing in front of it."""
        with self._lock:
            if event.lsn > self._transcript.lsn + 1:
                return False
            self._transcript.apply(event)
            return True

    def _replace(self, transcript: JSON) -> None:
        with self._lock:
            self._transcript = Transcript.from_json(transcript)

    def _catch_up(self, transcript: JSON) -> None:
        """Go on from there unless we are further."""
        with self._lock:
            if transcript["lsn"] > self._transcript.lsn:
                self._transcript = Transcript.from_json(transcript)

    def _call_listeners(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:
                logger.exception("An observer of a chat failed.")


class Follower:
    """The kernel's connection to the sessions of one server. Safe to use from several threads.

    A connection that says nothing for `silence` seconds is dead; another follows after `pause` seconds or less.
    """

    def __init__(self, client: Client, *, silence: float = SILENCE_SECONDS, pause: float = PAUSE_SECONDS) -> None:
        self.client = client
        self.silence = silence
        self.pause = pause
        self.problem: ChatError | None = None
        self.runner: Runner | None = None
        self._lock = threading.Lock()
        self._readers: weakref.WeakValueDictionary[str, Reader] = weakref.WeakValueDictionary()
        self._followed: dict[str, Reader] = {}
        self._thread: _Thread | None = None  # alive if and only if something is followed
        self._waits: Counter[str] = Counter()

    def reader(self, transcript: JSON) -> Reader:
        """The one reader of this session in this kernel, not behind `transcript`, which the server just gave."""
        with self._lock:
            reader = self._readers.get(transcript["id"])
            if reader is None:
                reader = self._readers[transcript["id"]] = Reader(self, Transcript.from_json(transcript))
            elif reader.session not in self._followed:
                reader.error = None
                reader._catch_up(transcript)
            return reader

    def reconnect(self) -> None:
        """Connect anew, if anything is followed: with what is to be said of us now."""
        with self._lock:
            if self._thread:
                self._thread.reconnect()

    @contextmanager
    def waiting(self, session: str) -> Iterator[None]:
        """Somebody waits for this session in here, and need not be told elsewhere what becomes of it."""
        self._wait(session, 1)
        try:
            yield
        finally:
            self._wait(session, -1)

    def _wait(self, session: str, more: int) -> None:
        with self._lock:
            before, self._waits[session] = self._waits[session], self._waits[session] + more
            changed = 0 in (before, self._waits[session])
            if changed and session in self._followed and self._thread:
                self._thread.reconnect()

    def _listen(self, reader: Reader, listener: Listener) -> None:
        with self._lock:
            reader._listeners += (listener,)
            if reader.session not in self._followed:
                self._followed[reader.session] = reader
                if self._thread:
                    self._thread.reconnect()
                else:
                    self.problem = None
                    self._thread = _Thread(self)
                    self._thread.start()
            assert self._thread is not None
            self._thread.tell(reader)

    def _unlisten(self, reader: Reader, listener: Listener) -> None:
        with self._lock:
            left = list(reader._listeners)
            if listener in left:
                left.remove(listener)
            reader._listeners = tuple(left)
            if not left and self._followed.pop(reader.session, None) and self._thread:
                self._thread.reconnect()

    # For the thread

    def followed(self, session: str) -> Reader | None:
        return self._followed.get(session)

    def positions(self) -> dict[str, int]:
        """The LSN of every followed session. With none the thread must end, and the next listener gets a new one."""
        with self._lock:
            if not self._followed:
                self._thread = None
            return {session: reader.lsn for session, reader in self._followed.items()}

    def waited_for(self, sessions: Iterable[str]) -> list[str]:
        """Those of these that somebody waits for. A chat that is only open watches nothing."""
        with self._lock:
            return [session for session in sessions if self._waits[session]]

    def lose(self, session: str, error: ChatError) -> None:
        """Nothing more will be read of this session: whoever waits for it hears why."""
        with self._lock:
            reader = self._followed.pop(session, None)
        if reader:
            reader.error = error
            reader._call_listeners()


class _Thread(threading.Thread):
    """Reads what is followed, until nothing is."""

    def __init__(self, follower: Follower) -> None:
        super().__init__(name="jupyter-durable-chat", daemon=True)
        self.follower = follower
        self._client = follower.client
        self._loop = asyncio.new_event_loop()
        self._connection: asyncio.Task[None] | None = None
        self._changed: dict[Reader, None] = {}
        self._pause = follower.pause

    # From any thread

    def reconnect(self) -> None:
        """Look again at what is followed."""
        self._loop.call_soon_threadsafe(self._hang_up)

    def tell(self, reader: Reader) -> None:
        """Call the reader's listeners soon."""
        self._loop.call_soon_threadsafe(self._tell, reader)

    # In this thread

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._follow())

    def _hang_up(self) -> None:
        if self._connection:
            self._connection.cancel()

    async def _follow(self) -> None:
        while positions := self.follower.positions():
            self._connection = asyncio.create_task(self._connect(positions))
            await asyncio.wait({self._connection})
            if not self._connection.cancelled() and (error := self._connection.exception()):
                logger.error("Reading the chats of this kernel failed.", exc_info=error)
                self._give_up(positions, ChatError(f"Reading the chats of this kernel failed: {error!r}"))

    async def _connect(self, positions: dict[str, int]) -> None:
        """Read until a connection ends, and then make the pause before the next one."""
        import httpx2

        try:
            async with httpx2.AsyncClient(**self._client.options()) as http:
                await self._read_all(http, positions)
        except httpx2.TransportError as error:
            self.follower.problem = self._client.unreachable(error)
            await asyncio.to_thread(self._client.relocate)
        except ChatError as error:
            self.follower.problem = error
            if error.status in REFUSED:
                self._give_up(positions, error)
        longest, self._pause = self._pause, min(2 * self._pause, MAX_PAUSE_SECONDS)
        await asyncio.sleep(random.uniform(longest / 2, longest))

    async def _read_all(self, http: "httpx2.AsyncClient", positions: dict[str, int]) -> None:
        followed = list(positions.items())
        shares = [dict(followed[i : i + STREAM_SESSIONS]) for i in range(0, len(followed), STREAM_SESSIONS)]
        streams = {asyncio.create_task(self._read(http, share)) for share in shares}
        try:
            ended, _ = await asyncio.wait(streams, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for stream in streams:
                stream.cancel()
            await asyncio.wait(streams)
        await asyncio.gather(*ended)

    async def _read(self, http: "httpx2.AsyncClient", positions: dict[str, int]) -> None:
        import httpx2

        after: dict[str, str | list[str]] = {"after": [f"{session}:{lsn}" for session, lsn in positions.items()]}
        after["seen"] = self.follower.waited_for(positions) or ""
        if (runner := self.follower.runner) and runner.is_needed:
            after["runner"] = runner.id
        timeout = httpx2.Timeout(self.follower.silence, connect=CONNECT_SECONDS)
        async with http.sse("api/events", params=after, timeout=timeout, max_event_size=None) as source:
            if not source.response.is_success:
                await source.response.aread()
                check(source.response)
            self.follower.problem = None
            async for message in source:
                self._pause = self.follower.pause
                if message.data:  # the parser also reports a lone `retry:`
                    await self._take(http, message.event, message.data)

    async def _take(self, http: "httpx2.AsyncClient", kind: str, data: str) -> None:
        if kind == "gone":
            gone = msgspec.json.decode(data, type=_Gone)
            if gone.status == CONFLICT:
                await self._start_over(http, gone.session)
            else:
                self.follower.lose(gone.session, ChatError(gone.message, status=gone.status))
        elif kind == "snapshot":
            transcript = msgspec.json.decode(data)
            if reader := self.follower.followed(transcript["id"]):
                reader._catch_up(transcript)
                self._tell(reader)
        elif kind == "message":
            session = msgspec.json.decode(data, type=_Addressed).session
            if reader := self.follower.followed(session):
                await self._fold(http, reader, events.understood(data))

    async def _fold(self, http: "httpx2.AsyncClient", reader: Reader, event: events.AnyEvent) -> None:
        while not reader._apply(event):
            reader._apply_page(await self._get(http, session_path(reader.session, f"events?after={reader.lsn}")))
        self._tell(reader)

    async def _start_over(self, http: "httpx2.AsyncClient", session: str) -> None:
        """The server has less than we saw: its store was replaced. What it has now is what there is."""
        transcript = msgspec.json.decode(await self._get(http, session_path(session)))
        if reader := self.follower.followed(session):
            reader._replace(transcript)
            self._tell(reader)
        self.reconnect()

    @staticmethod
    async def _get(http: "httpx2.AsyncClient", path: str) -> bytes:
        response = await http.get(path)
        check(response)
        return response.content

    def _give_up(self, sessions: Iterable[str], error: ChatError) -> None:
        for session in sessions:
            self.follower.lose(session, error)

    def _tell(self, reader: Reader) -> None:
        """Call the reader's listeners when everything that has arrived is folded."""
        if not self._changed:
            self._loop.call_soon(self._tell_all)
        self._changed[reader] = None

    def _tell_all(self) -> None:
        changed, self._changed = self._changed, {}
        for reader in changed:
            reader._call_listeners()


@cache
def _follower(url: str, token: str) -> Follower:
    return Follower(Client(url, token))


@cache
def _standalone_follower() -> Follower:
    from jupyter_durable_chat.notebook import standalone

    return Follower(Client(*standalone.address(), locate=standalone.address))


def connect() -> Follower:
    """This kernel's follower of the server that started it, or else of the standalone one, which is started if need be.

    Raises `ServerUnreachable` when there is none.
    """
    address = server_address()
    return _follower(*address) if address else _standalone_follower()
