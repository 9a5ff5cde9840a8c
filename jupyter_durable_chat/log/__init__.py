"""Numbered records of bytes, kept.

A log holds streams; a stream is a sequence of records whose numbers (LSNs) are 1, 2, 3, ... with no hole, given inside
the transaction that stores them and never reused. What `append` has acknowledged, no crash takes back, and no reader
sees a record before that. A log knows nothing of chat: records, keys, labels and summaries mean nothing to it.

`tests/log/contract.py` is this contract as tests; every implementation runs all of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Self

from msgspec import Struct

__all__ = [
    "AheadOfLog",
    "Compacted",
    "Conflict",
    "Fenced",
    "Head",
    "Lease",
    "LeaseHeld",
    "Log",
    "LogError",
    "LogUnavailable",
    "Record",
    "StreamDeleted",
    "UnknownStream",
]


class Record(NamedTuple):
    lsn: int
    data: bytes


class Lease(Struct, frozen=True):
    """Who writes a stream: `holder` until `until` (Unix seconds), with the epoch that its appends carry."""

    stream: str
    holder: str
    epoch: int
    until: float


class Head(Struct, frozen=True):
    """A stream without its records. Times are Unix seconds; `updated` moves with the summary, not with every record.

    `size` is how many bytes all records have that it was ever given, compacted ones included.
    """

    stream: str
    lsn: int
    size: int
    epoch: int
    created: float
    updated: float
    labels: Mapping[str, str]
    summary: bytes
    key: str | None = None


class LogError(Exception):
    """Every error of a log."""


class Compacted(LogError):
    """The records after this position were replaced by a snapshot: go on from there."""

    def __init__(self, stream: str, after: int) -> None:
        super().__init__(f"what follows LSN {after} of stream {stream!r} is in its snapshot")
        self.stream = stream


class UnknownStream(LogError):
    """There never was a stream of that name."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"there is no stream {stream!r}")
        self.stream = stream


class StreamDeleted(LogError):
    """There was one; it is gone for good, and its name is never used again."""

    def __init__(self, stream: str) -> None:
        super().__init__(f"stream {stream!r} was deleted")
        self.stream = stream


class AheadOfLog(LogError):
    """A position that the stream has not reached."""

    def __init__(self, stream: str, after: int, last_lsn: int) -> None:
        super().__init__(f"stream {stream!r} ends at LSN {last_lsn}; there is nothing after {after} yet")
        self.stream = stream
        self.last_lsn = last_lsn


class Conflict(LogError):
    """The stream has grown since the caller looked: read on from where you were, decide again, append again."""

    def __init__(self, stream: str, after: int, last_lsn: int) -> None:
        super().__init__(f"stream {stream!r} is at LSN {last_lsn}, not at {after}")
        self.last_lsn = last_lsn


class Fenced(LogError):
    """The epoch is not the stream's: somebody else has the lease, and this writer must not write again."""

    def __init__(self, stream: str, epoch: int, current: int) -> None:
        super().__init__(f"stream {stream!r} is at epoch {current}; a writer of epoch {epoch} must not write to it")
        self.stream = stream


class LeaseHeld(LogError):
    """Another holder's lease has not run out."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(f"stream {lease.stream!r} is held by {lease.holder!r}")
        self.lease = lease


class LogUnavailable(LogError):
    """The store cannot be used now; the text names it and says what to do.

    Nothing was stored, unless the store is a server that went away before it answered: then nobody knows, and who
    appends again says what the stream must end `after`.
    """


class Damaged(LogUnavailable):
    """Records of a stream are missing, and its snapshot does not have them."""

    def __init__(self, stream: str, after: int) -> None:
        super().__init__(
            f"{stream} is damaged: what follows LSN {after} is missing, and no snapshot has it. "
            "See what else is: jupyter durable-chat check"
        )


class Log(ABC):
    """The seam. An async context manager: entering opens the store, leaving flushes and closes it.

    Any method may raise `LogUnavailable`. Methods that name a stream raise `UnknownStream` or `StreamDeleted`.
    One instance serves one event loop; several instances, in any number of processes, may share one store.
    """

    sees_all = True
    """Whether `streams` are all there are in the store, and not one owner's."""

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Open, and create or migrate what is stored. Raises `LogUnavailable` for a damaged or foreign store."""

    @abstractmethod
    async def __aexit__(self, *exc: object) -> None:
        """Store what was handed in, then close. Idempotent."""

    @abstractmethod
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
        """A new stream with its first records, or the living stream that already has this `key`, untouched.

        Compare `head.stream` with `stream` to know which. `base` is a snapshot to begin with: the stream is as if it
        had been compacted there, and the records follow it. A stream that exists, or existed, under this name without
        the key raises `ValueError`. Deleting a stream frees its key.
        """

    @abstractmethod
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
        """Store records in one transaction; returns the LSN of the last one once it is durable.

        `words` is text by which `streams(search=...)` finds the stream from now on, beside what was given before.
        `key` replaces the stream's, and an empty one removes it; another stream that has this key loses it.

        `epoch`: refuse with `Fenced` unless it is the stream's. `after`: refuse with `Conflict` unless the stream ends
        there. `labels` are merged, an empty value removes one; `summary` replaces, and without `touch` leaves the place
        in the order of streams as it is. `release` gives the lease of this
        `epoch`, which must be given, back in the same transaction. Either all of it happens or nothing, also when the
        caller is cancelled; then it may be either.
        """

    @abstractmethod
    async def read(self, stream: str, after: int, *, limit: int = 1000, max_bytes: int = 1 << 18) -> list[Record]:
        """The records after `after` (exclusive, >= 0) in order: at most `limit`, and about `max_bytes`, at least one.

        Empty when `after` is the end; raises `AheadOfLog` when it is beyond, `Compacted` when what follows is gone.
        """

    @abstractmethod
    async def save_snapshot(self, stream: str, snapshot: Record) -> None:
        """Keep what the stream amounts to at an LSN that it has reached, instead of an older one; a newer one stays."""

    @abstractmethod
    async def snapshot(self, stream: str) -> Record | None:
        """The newest snapshot."""

    @abstractmethod
    async def compact(self, stream: str) -> None:
        """Remove the records that the snapshot stands for; without a snapshot, none. LSNs go on as they were."""

    @abstractmethod
    async def wait(self, after: Mapping[str, int], timeout: float | None = None) -> Collection[str]:
        """Which of these streams have records after the given LSN, or were deleted; empty after `timeout` seconds.

        Returns at once if any has. Never raises for a stream: reading it tells.
        """

    def nudge(self) -> None:  # noqa: B027 (most hear of it by themselves)
        """Another process says that it has stored something: whoever waits for it need not wait for the next look."""

    @abstractmethod
    async def head(self, stream: str) -> Head:
        """The stream as it is now."""

    @abstractmethod
    async def find(self, key: str) -> Head | None:
        """The living stream that has this key, as it is now."""

    @abstractmethod
    async def streams(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        search: str | None = None,
        before: str | None = None,
        updated_before: float | None = None,
        limit: int = 100,
    ) -> list[Head]:
        """Living streams that have all these labels, the last updated first, from the one after `before`.

        An empty value asks for those without the label.
        `before` may have been deleted meanwhile: it keeps the place that it had.
        `search`: only those that have every one of these words, or words that begin so, in any letter case.
        `updated_before`: only those that were last updated before this time, in Unix seconds.
        """

    @abstractmethod
    async def delete(self, stream: str, *, after: int | None = None) -> None:
        """Remove a stream's records, snapshot, words, key, labels, summary and lease. Idempotent.

        `after`: refuse with `Conflict` unless the stream ends there. Its name stays known as deleted.
        """

    @abstractmethod
    async def lease(self, stream: str, holder: str, seconds: float, *, over: int | None = None) -> int:
        """Become the writer: a new epoch, greater than every one before, that lasts `seconds` unless renewed.

        Raises `LeaseHeld` while another holder's lease lasts, unless `over` is its epoch: that one is taken over.
        """

    @abstractmethod
    async def renew(self, holder: str, seconds: float) -> None:
        """Make all leases of this holder that it has not lost last `seconds` from now."""

    @abstractmethod
    async def leases(self) -> list[Lease]:
        """Every lease that was not given back, whether it has run out or not."""
