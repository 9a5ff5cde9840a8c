"""A log that lives as long as its process: for tests.

It keeps the whole contract but durability. Nothing here awaits, so every operation is a transaction.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from jupyter_durable_chat.log import (
    AheadOfLog,
    Compacted,
    Conflict,
    Fenced,
    Head,
    Lease,
    LeaseHeld,
    Log,
    LogUnavailable,
    Record,
    StreamDeleted,
    UnknownStream,
)
from jupyter_durable_chat.log.facts import Flushed, Tell, appending, silent
from jupyter_durable_chat.log.waiters import GONE, Waiters
from jupyter_durable_chat.log.words import words_of


@dataclass
class _Stream:
    name: str
    number: int
    created: float
    updated: float
    key: str | None
    summary: bytes
    labels: dict[str, str] = field(default_factory=dict)
    records: list[bytes] = field(default_factory=list)
    compacted: int = 0
    size: int = 0
    snapshot: Record | None = None
    words: list[str] = field(default_factory=list)
    epoch: int = 0
    lease: Lease | None = None

    @property
    def lsn(self) -> int:
        return self.compacted + len(self.records)

    def add(self, records: Sequence[bytes]) -> None:
        self.records.extend(records)
        self.size += sum(map(len, records))

    def says(self, search: str) -> bool:
        """Whether it was given every word of `search`, or one that begins so."""
        return all(any(given.startswith(sought) for given in self.words) for sought in words_of(search))

    @property
    def head(self) -> Head:
        return Head(
            self.name,
            self.lsn,
            self.size,
            self.epoch,
            self.created,
            self.updated,
            dict(self.labels),
            self.summary,
            self.key,
        )

    @property
    def age(self) -> tuple[float, int]:
        return self.updated, self.number

    def label(self, labels: Mapping[str, str]) -> None:
        self.labels = {name: value for name, value in {**self.labels, **labels}.items() if value}


@dataclass(frozen=True)
class _Deleted:
    age: tuple[float, int]


class MemoryLog(Log):
    def __init__(self, *, clock: Callable[[], float] = time.time, tell: Tell = silent) -> None:
        self._clock = clock
        self._tell = tell
        self._streams: dict[str, _Stream | _Deleted] = {}
        self._keys: dict[str, str] = {}
        self._waiters = Waiters()
        self._open = False

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._open = False
        self._waiters.fail(self._closed())

    async def create(
        self,
        stream: str,
        records: Sequence[bytes],
        *,
        key: str | None = None,
        labels: Mapping[str, str] | None = None,
        summary: bytes = b"",
        base: Record | None = None,
    ) -> Head:
        self._check_open()
        if key is not None and key in self._keys:
            return self._living(self._keys[key]).head
        if stream in self._streams:
            raise ValueError(f"there is, or was, a stream {stream!r}")
        now = self._clock()
        created = _Stream(stream, len(self._streams), now, now, key, summary)
        if base is not None:
            created.snapshot, created.compacted = base, base.lsn
        created.add(records)
        created.label(labels or {})
        self._streams[stream] = created
        if key is not None:
            self._keys[key] = stream
        self._waiters.tell(stream, created.lsn)
        return created.head

    async def append(
        self,
        stream: str,
        records: Sequence[bytes],
        *,
        epoch: int | None = None,
        after: int | None = None,
        labels: Mapping[str, str] | None = None,
        summary: bytes | None = None,
        touch: bool = True,
        words: str = "",
        key: str | None = None,
        release: bool = False,
    ) -> int:
        if release and epoch is None:
            raise ValueError("to release a lease, name its epoch")
        with appending("memory", self._tell):
            living = self._living(stream)
            if epoch is not None and epoch != living.epoch:
                raise Fenced(stream, epoch, living.epoch)
            if after is not None and after != living.lsn:
                raise Conflict(stream, after, living.lsn)
        living.add(records)
        living.words += words_of(words)
        if labels:
            living.label(labels)
        if summary is not None:
            living.summary = summary
            living.updated = self._clock() if touch else living.updated
        if key is not None:
            self._give_key(living, key)
        if release:
            living.lease = None
        self._tell(Flushed("memory", 1))
        self._waiters.tell(stream, living.lsn)
        return living.lsn

    def _give_key(self, living: _Stream, key: str) -> None:
        if living.key is not None:
            del self._keys[living.key]
        living.key = key or None
        if key:
            if other := self._keys.get(key):
                self._living(other).key = None
            self._keys[key] = living.name

    async def read(self, stream: str, after: int, *, limit: int = 1000, max_bytes: int = 1 << 18) -> list[Record]:
        if after < 0:
            raise ValueError(f"an LSN is not negative: {after}")
        living = self._living(stream)
        if after > living.lsn:
            raise AheadOfLog(stream, after, living.lsn)
        if after < living.compacted:
            raise Compacted(stream, after)
        start = after - living.compacted
        records: list[Record] = []
        for lsn, data in enumerate(living.records[start : start + limit], after + 1):
            if max_bytes <= 0 and records:
                break
            records.append(Record(lsn, data))
            max_bytes -= len(data)
        return records

    async def wait(self, after: Mapping[str, int], timeout: float | None = None) -> Collection[str]:
        self._check_open()
        if ready := [stream for stream, lsn in after.items() if self._end(stream) > lsn]:
            return ready
        return await self._waiters.wait(after, timeout)

    async def head(self, stream: str) -> Head:
        return self._living(stream).head

    async def find(self, key: str) -> Head | None:
        self._check_open()
        return self._living(self._keys[key]).head if key in self._keys else None

    async def save_snapshot(self, stream: str, snapshot: Record) -> None:
        living = self._living(stream)
        if snapshot.lsn > living.lsn:
            raise AheadOfLog(stream, snapshot.lsn, living.lsn)
        if living.snapshot is None or snapshot.lsn >= living.snapshot.lsn:
            living.snapshot = snapshot

    async def snapshot(self, stream: str) -> Record | None:
        return self._living(stream).snapshot

    async def compact(self, stream: str) -> None:
        living = self._living(stream)
        if living.snapshot is not None and living.snapshot.lsn > living.compacted:
            del living.records[: living.snapshot.lsn - living.compacted]
            living.compacted = living.snapshot.lsn

    async def streams(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        search: str | None = None,
        before: str | None = None,
        updated_before: float | None = None,
        limit: int = 100,
    ) -> list[Head]:
        self._check_open()
        if before is not None and before not in self._streams:
            raise UnknownStream(before)
        start = (float("inf"), 0) if before is None else self._streams[before].age
        wanted = labels or {}
        found = [
            s
            for s in self._living_ones()
            if s.age < start
            and all(s.labels.get(name, "") == value for name, value in wanted.items())
            and s.says(search or "")
            and (updated_before is None or s.updated < updated_before)
        ]
        return [s.head for s in sorted(found, key=lambda s: s.age, reverse=True)[:limit]]

    async def delete(self, stream: str, *, after: int | None = None) -> None:
        self._check_open()
        if isinstance(self._streams.get(stream), _Deleted):
            return
        living = self._living(stream)
        if after is not None and after != living.lsn:
            raise Conflict(stream, after, living.lsn)
        if living.key is not None:
            del self._keys[living.key]
        self._streams[stream] = _Deleted(living.age)
        self._waiters.tell(stream, GONE)

    async def lease(self, stream: str, holder: str, seconds: float, *, over: int | None = None) -> int:
        living, now = self._living(stream), self._clock()
        held = living.lease
        if held and held.holder != holder and held.until > now and held.epoch != over:
            raise LeaseHeld(held)
        living.epoch += 1
        living.lease = Lease(stream, holder, living.epoch, now + seconds)
        return living.epoch

    async def renew(self, holder: str, seconds: float) -> None:
        self._check_open()
        until = self._clock() + seconds
        for stream in self._living_ones():
            if stream.lease and stream.lease.holder == holder:
                stream.lease = Lease(stream.name, holder, stream.epoch, until)

    async def leases(self) -> list[Lease]:
        self._check_open()
        return [stream.lease for stream in self._living_ones() if stream.lease]

    def _check_open(self) -> None:
        if not self._open:
            raise self._closed()

    def _closed(self) -> LogUnavailable:
        return LogUnavailable("the log in memory is not open")

    def _living(self, stream: str) -> _Stream:
        self._check_open()
        if stream not in self._streams:
            raise UnknownStream(stream)
        living = self._streams[stream]
        if isinstance(living, _Deleted):
            raise StreamDeleted(stream)
        return living

    def _living_ones(self) -> list[_Stream]:
        return [stream for stream in self._streams.values() if isinstance(stream, _Stream)]

    def _end(self, stream: str) -> int:
        if stream not in self._streams:
            return 0
        living = self._streams[stream]
        return GONE if isinstance(living, _Deleted) else living.lsn
