"""The two ends of a test's connections, of which nothing is left open.

What is left, the garbage collector finds in some later test, which fails for it. (`asyncio.Server` leaves open what it
has accepted, and not yet given to anybody, when it is closed.)
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """`serve` has each connection to itself; when it returns, that is closed. With `tls`, clients speak TLS to it."""

    def __init__(self, serve: Serve, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._listener = listener
        self._tls = tls
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    async def cut(self) -> None:
        """Break all connections; whoever is connected hears of it at once."""
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    async def close(self) -> None:
        """Break all connections, and take no other; nothing happens the second time."""
        if self._listener.fileno() != -1:
            self._loop.remove_reader(self._listener)
            self._listener.close()
        await self.cut()

    def _accept(self) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = self._listener.accept()
            task = self._loop.create_task(self._served(connection))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
            task.add_done_callback(lambda _: connection.close())  # where it was cut before it was begun

    async def _served(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls)
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        async with _closing(writer):
            await self._serve(reader, writer)


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """A server at this port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(serve, listener)
    try:
        yield listener.getsockname()[1]
    finally:
        await server.close()


@asynccontextmanager
async def connected(connecting: Awaitable[Ends]) -> AsyncIterator[Ends]:
    """A connection to a server, as `asyncio.open_connection` makes one; it is closed afterwards."""
    reader, writer = await connecting
    async with _closing(writer):
        yield reader, writer


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """What was written is sent, unless it is cut."""
    try:
        yield
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    finally:
        writer.transport.abort()
