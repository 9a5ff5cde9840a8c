"""A TCP proxy between a client and a server that does to connections what a test says.

It knows where a request ends, so that it can keep one back, or send it a second time; what comes back it does not
understand, so that it can be cut anywhere.
"""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any

from tests.connections import Ends, Server, connected

_HTTP_CHUNK = re.compile(rb"([0-9a-fA-F]+)\r\n(.*)\r\n", re.DOTALL)
_LENGTH = re.compile(rb"^content-length: *(\d+)\r$", re.IGNORECASE | re.MULTILINE)
_STREAM = b"api/events?"


class Proxy:
    """Forwards `port` to a port of this machine; with `tls`, clients speak TLS to it."""

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self._tls = tls
        self.connections = 0
        self.dropped = threading.Event()
        self.cut_short = threading.Event()
        self.held = threading.Event()
        self.repeated = threading.Event()
        self.delay = 0.0
        """Seconds that everything takes in either direction."""
        self._drop = False
        self._swallow = False
        self._cut_stream_at: int | None = None
        self._hold: bytes | None = None
        self._repeat: bytes | None = None
        self._kept: list[_Kept] = []
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self.port = 0
        self._loop.run_until_complete(self._accept())
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def cut(self) -> None:
        """Break every connection that is open."""
        self._call(self._server.cut())

    def refuse(self) -> None:
        """Break every connection and take no other."""
        self._call(self._server.close())

    def accept(self) -> None:
        """Take connections again, on the same port."""
        self._call(self._accept())

    def silence(self) -> None:
        """Give nothing back any more on the connections that are open, and leave them open."""
        self._call(self._silence())

    def drop_events(self) -> None:
        """Swallow the next piece of an event stream that holds an event; `dropped` is set when that has happened."""
        self._drop = True

    def swallow_answer(self) -> None:
        """Let the next request through, and break the connection instead of giving its answer back."""
        self._swallow = True

    def cut_stream_at(self, byte: int) -> None:
        """Break the next event stream after this many bytes; `cut_short` is set when that has happened."""
        self.cut_short.clear()
        self._cut_stream_at = byte

    def hold(self, path: bytes) -> None:
        """Keep the next request with this in its path back, until `release`; `held` is set when that has happened."""
        self.held.clear()
        self._hold = path

    def release(self) -> None:
        """Send what was kept back: in its connection, or where that is broken by now in one of its own."""
        self._call(self._release())

    def repeat(self, path: bytes) -> None:
        """Send every request with this in its path twice; `repeated` is set when a second one was answered."""
        self._repeat = path

    def close(self) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _accept(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._server = Server(self._serve, listener, self._tls)

    async def _silence(self) -> None:
        for link in self._links:
            link.silent = True

    async def _release(self) -> None:
        kept, self._kept = self._kept, []
        for request in kept:
            request.released.set()
            if request.link not in self._links:
                await self._send(request.data)

    async def _send(self, request: bytes) -> None:
        """Send a request in a connection of its own, and wait for the beginning of its answer."""
        async with self._to_server() as (reader, writer):
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")

    def _to_server(self) -> AbstractAsyncContextManager[Ends]:
        return connected(asyncio.open_connection("127.0.0.1", self.target))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        link = _Link()
        self._links.add(link)
        try:
            with suppress(OSError):
                async with self._to_server() as (answers, there), asyncio.TaskGroup() as both:
                    both.create_task(self._requests(link, reader, there))
                    both.create_task(self._answers(link, answers, writer))
        finally:
            self._links.discard(link)

    async def _requests(self, link: "_Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                request = head + await reader.readexactly(int(length[1]) if length else 0)
                path = head.partition(b"\r\n")[0]
                link.streams = _STREAM in path
                if self._hold and self._hold in path:
                    self._hold = None
                    await self._keep(_Kept(request, link))
                await self._forward(request, writer)
                if self._repeat and self._repeat in path:
                    await self._send(request)
                    self.repeated.set()
        await self._end(writer)

    async def _keep(self, request: "_Kept") -> None:
        self._kept.append(request)
        self.held.set()
        await request.released.wait()

    async def _answers(self, link: "_Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(1 << 16):
                if self._swallow:
                    self._swallow = False
                    break
                if self._drop and self._is_event(piece):
                    self._drop = False
                    self.dropped.set()
                    continue
                if link.silent:
                    continue
                left = self._left(link, len(piece))
                await self._forward(piece[:left], writer)
                if left < len(piece):
                    break
        await self._end(writer)

    def _left(self, link: "_Link", size: int) -> int:
        """How many of the next bytes are given back."""
        if self._cut_stream_at is None or not link.streams:
            return size
        left = self._cut_stream_at - link.streamed
        link.streamed += size
        if left < size:
            self._cut_stream_at = None
            self.cut_short.set()
        return min(left, size)

    async def _forward(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay:
            self._loop.call_later(self.delay, writer.write, piece)
        else:
            writer.write(piece)
            await writer.drain()

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        """Close when everything on its way has arrived."""
        await asyncio.sleep(self.delay)
        writer.close()

    @staticmethod
    def _is_event(piece: bytes) -> bool:
        """Whether this is one whole HTTP chunk with an event in it: without it the stream is still well formed."""
        chunk = _HTTP_CHUNK.fullmatch(piece)
        return bool(chunk) and int(chunk[1], 16) == len(chunk[2]) and b"text-delta" in chunk[2]


class _Link:
    """A connection of a client, and the one to the server that belongs to it."""

    def __init__(self) -> None:
        self.silent = False
        self.streams = False
        self.streamed = 0


class _Kept:
    """A request that is kept back."""

    def __init__(self, data: bytes, link: _Link) -> None:
        self.data = data
        self.link = link
        self.released = asyncio.Event()


@contextmanager
def proxy_to(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    proxy = Proxy(port, tls)
    try:
        yield proxy
    finally:
        proxy.close()
