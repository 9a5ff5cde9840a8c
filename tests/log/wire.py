"""The way between a log and its PostgreSQL, where what goes either way can be held back, or lost."""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Self

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
        self._ends: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="jdc-wire-")
        self._server = await asyncio.start_unix_server(self._connect, Path(self._folder.name) / ".s.PGSQL.5432")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        await self.cut()
        await self._server.wait_closed()
        self._folder.cleanup()

    @property
    def dsn(self) -> str:
        return f"postgresql://chat@/postgres?host={self._folder.name}"

    async def cut(self) -> None:
        """End all connections; whoever is connected hears of it at once, and the server, too."""
        for writer in self._writers:
            writer.close()
        for end in list(self._ends):
            end.cancel()
        if self._ends:
            await asyncio.wait(self._ends)
        self._writers.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._postgres.folder / ".s.PGSQL.5432")
        self._writers |= {writer, back}
        for pump in (self._pump(reader, back, self.sending), self._pump(there, writer, self.hearing)):
            end = asyncio.create_task(pump)
            self._ends.add(end)
            end.add_done_callback(self._ends.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, open_: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                if open_ is self.sending and not open_.is_set():
                    self.held.set()
                await open_.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
