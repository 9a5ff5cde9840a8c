"""What is asked of a log and what that costs, counted: but for the seconds it is the same every time."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil
from msgspec import Struct

from jupyter_durable_chat.log import Head, Log, Record
from jupyter_durable_chat.log.postgres import PostgresLog
from jupyter_durable_chat.log.sqlite import SqliteLog

STEPS = 10
"""Instructions of SQLite's machine between two looks at how many there were."""


class Cost(Struct):
    """What work has cost; of what cannot be told, 0."""

    cpu: float = 0.0
    """Seconds of this process, all its threads, and of a database's processes."""
    steps: float = 0
    """Instructions of SQLite's machine."""
    bytes: float = 0
    """Handed in to be stored, or sent."""
    rows: float = 0
    """Records and snapshots handed in."""
    reads: float = 0
    """Questions for records."""

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, name) - getattr(other, name) for name in self.__struct_fields__))

    def __truediv__(self, times: int) -> "Cost":
        return Cost(*(getattr(self, name) / times for name in self.__struct_fields__))


class Counting(Log):
    """A log that counts what it is asked for. `elsewhere`: seconds that others have worked for it."""

    elsewhere: Callable[[], float] = staticmethod(lambda: 0.0)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._counted = Cost()

    @property
    def cost(self) -> Cost:
        """So far."""
        so_far = self._counted - Cost()
        so_far.cpu = time.process_time() + self.elsewhere()
        return so_far

    async def create(self, stream: str, records: Sequence[bytes], **more: Any) -> Head:
        self._hand_in([*records, *([base.data] if (base := more.get("base")) else [])], more.get("summary"))
        return await super().create(stream, records, **more)

    async def append(self, stream: str, records: Sequence[bytes], **more: Any) -> int:
        self._hand_in(records, more.get("summary"), more.get("words", "").encode())
        return await super().append(stream, records, **more)

    async def save_snapshot(self, stream: str, snapshot: Record) -> None:
        self._hand_in([snapshot.data])
        await super().save_snapshot(stream, snapshot)

    async def read(self, stream: str, after: int, *, limit: int = 1000, max_bytes: int = 1 << 18) -> list[Record]:
        self._counted.reads += 1
        return await super().read(stream, after, limit=limit, max_bytes=max_bytes)

    def _hand_in(self, kept: Sequence[bytes], *beside: bytes | None) -> None:
        self._counted.rows += len(kept)
        self._counted.bytes += sum(map(len, kept)) + sum(len(text) for text in beside if text)


class CountedSqlite(Counting, SqliteLog):
    def _open(self) -> sqlite3.Connection:
        return self._watched(super()._open())

    def _open_reader(self) -> sqlite3.Connection:
        return self._watched(super()._open_reader())

    def _watched(self, db: sqlite3.Connection) -> sqlite3.Connection:
        def count() -> int:
            self._counted.steps += STEPS
            return 0

        db.set_progress_handler(count, STEPS)
        return db


class CountedPostgres(Counting, PostgresLog):
    pass


def seconds_of(family: psutil.Process) -> float:
    """What this process and its children have worked, those that have ended included."""
    total = 0.0
    for process in (family, *family.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if process.pid == family.pid:
            total += times.children_user + times.children_system
    return total
