"""A TCP proxy between a client and a server that breaks connections when a test says so."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_HTTP_CHUNK = re.compile(rb"([0-9a-fA-F]+)\r\n(.*)\r\n", re.DOTALL)


class Proxy:
    """Forwards `port` to a port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.connections = 0
        self.dropped = threading.Event()
        self._drop = False
        self._pairs: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(self._listen(0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def cut(self) -> None:
        """Break every connection that is open."""
        self._call(self._cut())

    def refuse(self) -> None:
        """Break every connection and take no other."""
        self._call(self._refuse())

    def accept(self) -> None:
        """Take connections again, on the same port."""
        self._call(self._accept())

    def drop_events(self) -> None:
        """Swallow the next piece of an event stream that holds an event; `dropped` is set when that has happened."""
        self._drop = True

    def close(self) -> None:
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: "asyncio.Future[None] | object") -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._connected, "127.0.0.1", port)

    async def _accept(self) -> None:
        self._server = await self._listen(self.port)

    async def _refuse(self) -> None:
        self._server.close()
        await self._cut()

    async def _cut(self) -> None:
        pairs = set(self._pairs)
        for pair in pairs:
            pair.cancel()
        if pairs:
            await asyncio.wait(pairs)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        pair = asyncio.current_task()
        assert pair
        self._pairs.add(pair)
        with suppress(OSError, asyncio.CancelledError):
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pump(reader, there))
                    both.create_task(self._pump(there_reader, writer))
            finally:
                there.close()
        writer.close()
        self._pairs.discard(pair)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(1 << 16):
                if self._drop and self._is_event(piece):
                    self._drop = False
                    self.dropped.set()
                    continue
                writer.write(piece)
                await writer.drain()
            writer.close()

    @staticmethod
    def _is_event(piece: bytes) -> bool:
        """Whether this is one whole HTTP chunk with an event in it: without it the stream is still well formed."""
        chunk = _HTTP_CHUNK.fullmatch(piece)
        return bool(chunk) and int(chunk[1], 16) == len(chunk[2]) and b"text-delta" in chunk[2]


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
