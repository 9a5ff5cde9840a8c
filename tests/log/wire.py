"""The way between a log and its PostgreSQL, where what goes either way can be held back, or lost."""

import asyncio
import socket
import tempfile
from contextlib import suppress
from typing import Self

from tests.connections import Server, connected
from tests.postgres import Postgres


class Wire:
    """`sending` lets through what goes to the server, `hearing` what comes back; both are set at first."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self.sending = asyncio.Event()
        self.hearing = asyncio.Event()
        self.sending.set()
        self.hearing.set()
        self.held = asyncio.Event()
        """Something waits to be sent."""

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="jdc-wire-")
        listener = socket.create_server(f"{self._folder.name}/.s.PGSQL.5432", family=socket.AF_UNIX)
        self._server = Server(self._serve, listener)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.close()
        self._folder.cleanup()

    @property
    def dsn(self) -> str:
        return f"postgresql://chat@/postgres?host={self._folder.name}"

    async def cut(self) -> None:
        """End all connections; whoever is connected hears of it at once, and the server, too."""
        await self._server.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_database = asyncio.open_unix_connection(self._postgres.folder / ".s.PGSQL.5432")
        async with connected(to_database) as (there, back), asyncio.TaskGroup() as both:
            both.create_task(self._pump(reader, back, self.sending))
            both.create_task(self._pump(there, writer, self.hearing))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, open_: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                if open_ is self.sending and not open_.is_set():
                    self.held.set()
                await open_.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
