"""A log in one SQLite file, which several processes of one machine may share.

One thread writes: all that was asked for while the last commit ran is the next transaction, and a commit is
acknowledged when it is on the disk (`synchronous=FULL`). Another thread reads, so the event loop never waits for the
disk. An operation that is refused takes nothing with it: each has its own savepoint.

A store that a newer version has brought up to date meanwhile is neither written to nor believed any more: every
operation says so.

Who waits for records is woken by the commit that stores them. Commits of other processes show in the times and sizes
of the store's files, which are looked at only while somebody waits; SQLite is asked when they have changed.

What is deleted is gone from the store's files a moment later, whatever the build of SQLite: it is overwritten where it
stood, then taken out of the index of words; then the store is written anew, and the write-ahead log emptied. If a
process ends before that, the next one does it.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from jupyter_durable_chat.log import Head, Lease, Log, LogUnavailable, Record, statements
from jupyter_durable_chat.log.facts import Flushed, Tell, appending, silent
from jupyter_durable_chat.log.migrations import check_unchanged
from jupyter_durable_chat.log.mounts import MOUNTS
from jupyter_durable_chat.log.opening import (
    code,
    erase,
    located,
    open_existing,
    open_reader,
    open_store,
    unavailable,
)
from jupyter_durable_chat.log.stamps import Stamps
from jupyter_durable_chat.log.tail import Tail
from jupyter_durable_chat.log.versions import Outdated
from jupyter_durable_chat.log.waiters import GONE, Waiters
from jupyter_durable_chat.log.worker import Job, Work, Worker

logger = logging.getLogger(__name__)

WATCH_SECONDS = 0.05
"""How long a commit of another process may go unnoticed."""

PACE_SECONDS = 0.005
"""The least time between two looks at the store that those who begin to wait ask for; one look serves them all."""

COMPACTED_AT_ONCE = 2000
"""Records that one transaction removes: between two of them, others append."""

SETTLED_SECONDS = 2.0
"""After which what was removed is erased, if nothing more was removed meanwhile: all of it at once."""

REMOVALS = 15
"""After so many times that something more was, it is not waited for any longer."""

ERASE_SHARE = 10
"""Between two rounds of erasing is so many times as long as one took."""

FAILED_SECONDS = 60.0
"""Before a round that failed, on a full disk, say, is tried again."""

T = TypeVar("T")


class SqliteLog(Log):
    """`path` is the store's file; `mounts` is where Linux tells which file systems are remote.

    `read_only`: the store must be there, is left as it is, and whatever would write raises `LogUnavailable`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        mounts: Path = MOUNTS,
        read_only: bool = False,
        tell: Tell = silent,
    ) -> None:
        self._path = Path(path)
        self._read_only = read_only
        self._clock = clock
        self._mounts = mounts
        self._tell = tell
        self._name = f"The chat store {path}"
        self._writer = Worker(self._name, self._open, self._commit)
        self._reader = Worker(self._name, self._open_reader, self._answer)
        self._tail = Tail()
        self._reads: dict[tuple[str, int, int, int], Job[list[Record]]] = {}
        self._waiters = Waiters()
        self._asked = asyncio.Event()
        self._removed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._erasing: asyncio.Future[bool] | None = None
        self._stamps = Stamps()

    async def __aenter__(self) -> Self:
        try:
            if not self._read_only:
                await self._writer.start()
            await self._reader.start()
        except BaseException:
            await self.__aexit__()
            raise
        self._looked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks.append(asyncio.create_task(self._watch(), name=f"watch {self._path}"))
        if not self._read_only:
            # Somebody may have ended in the middle of it.
            self._removed.set()
            self._tasks.append(asyncio.create_task(self._erase(), name=f"erase in {self._path}"))
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
            await asyncio.wait({task})
        if self._erasing is not None:
            await asyncio.wait({self._erasing})  # a thread is not cancelled
        self._waiters.fail(LogUnavailable(f"{self._name} was closed"))
        # The writer is the last to go, so that it is the one that checkpoints.
        await self._reader.stop()
        await self._writer.stop()

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
        handed = tuple(records), key, dict(labels or {}), summary, base
        return await self._write(
            lambda db: statements.create(db, self._clock(), stream, *handed),
            lambda head: self._waiters.tell(head.stream, head.lsn),
        )

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
        # A caller that is cancelled may use its list again before the writer has come to this.
        kept = tuple(records)
        handed = kept, epoch, after, dict(labels or {}), summary, touch, words, key, release
        with appending("sqlite", self._tell):
            return await self._write(
                lambda db: statements.append(db, self._clock(), stream, *handed),
                lambda lsn: self._grown(stream, lsn, kept),
            )

    async def read(self, stream: str, after: int, *, limit: int = 1000, max_bytes: int = 1 << 18) -> list[Record]:
        if after < 0:
            raise ValueError(f"an LSN is not negative: {after}")
        self._reader.check_open()
        if records := self._tail.read(stream, after, limit, max_bytes):
            return records
        question = stream, after, limit, max_bytes
        job = self._reads.get(question)
        if job is None or job.begun:
            # Those who ask the same before it is begun share the answer: a thousand readers, one look at the store.
            job = self._reader.submit(lambda db: statements.read(db, *question))
            job.future.add_done_callback(lambda _: self._answered(question, job))
            self._reads[question] = job
        return list(await asyncio.shield(job.future))

    async def wait(self, after: Mapping[str, int], timeout: float | None = None) -> Collection[str]:
        self._reader.check_open()
        self._asked.set()
        return await self._waiters.wait(after, timeout, self._looked)

    async def head(self, stream: str) -> Head:
        return await self._read(lambda db: statements.head(db, stream))

    async def find(self, key: str) -> Head | None:
        return await self._read(lambda db: statements.find(db, key))

    async def save_snapshot(self, stream: str, snapshot: Record) -> None:
        await self._write(lambda db: statements.save_snapshot(db, stream, snapshot))

    async def snapshot(self, stream: str) -> Record | None:
        return await self._read(lambda db: statements.snapshot(db, stream))

    async def compact(self, stream: str) -> None:
        def some(db: sqlite3.Connection) -> bool:
            return statements.compact(db, stream, COMPACTED_AT_ONCE)

        while await self._write(some, lambda _: self._tail.drop(stream)):
            pass
        self._removed.set()

    async def streams(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        search: str | None = None,
        before: str | None = None,
        updated_before: float | None = None,
        limit: int = 100,
    ) -> list[Head]:
        return await self._read(lambda db: statements.streams(db, labels or {}, search, before, updated_before, limit))

    async def delete(self, stream: str, *, after: int | None = None) -> None:
        await self._write(lambda db: statements.delete(db, stream, after), lambda _: self._gone(stream))

    async def lease(self, stream: str, holder: str, seconds: float, *, over: int | None = None) -> int:
        return await self._write(lambda db: statements.lease(db, self._clock(), stream, holder, seconds, over))

    async def renew(self, holder: str, seconds: float) -> None:
        await self._write(lambda db: statements.renew(db, self._clock(), holder, seconds))

    async def leases(self) -> list[Lease]:
        return await self._read(statements.leases)

    # On the event loop

    async def _write(self, work: Work[T], committed: Callable[[T], None] | None = None) -> T:
        return await self._writer.submit(work, committed).future

    def nudge(self) -> None:
        self._asked.set()

    async def _read(self, work: Work[T]) -> T:
        return await self._reader.submit(work).future

    def _answered(self, question: tuple[str, int, int, int], job: Job[list[Record]]) -> None:
        if self._reads.get(question) is job:
            del self._reads[question]

    def _grown(self, stream: str, end: int, records: Sequence[bytes]) -> None:
        self._tail.extend(stream, end, records)
        self._waiters.tell(stream, end)

    def _gone(self, stream: str) -> None:
        self._tail.drop(stream)
        self._waiters.tell(stream, GONE)
        self._removed.set()

    async def _watch(self) -> None:
        """Tell those who wait what is stored, whoever stored it: once for each who comes, then whenever it changes."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS if self._waiters.streams else None):
                    await self._asked.wait()
            asked, streams = self._asked.is_set(), self._waiters.streams
            self._asked.clear()
            looked, self._looked = self._looked, asyncio.get_running_loop().create_future()
            try:
                ends = await self._read(partial(self._look, streams, asked))
            except LogUnavailable as error:
                self._waiters.fail(error)
            else:
                for stream, end in ends.items():
                    if end == GONE:
                        self._tail.drop(stream)
                    self._waiters.tell(stream, end)
            looked.set_result(None)
            if asked:
                await asyncio.sleep(PACE_SECONDS)

    async def _erase(self) -> None:
        """Erase what was removed, whenever something was."""
        now = asyncio.get_running_loop().time
        while True:
            await self._removed.wait()
            for _ in range(REMOVALS):
                self._removed.clear()
                await asyncio.sleep(SETTLED_SECONDS)
                if not self._removed.is_set():
                    break
            began = now()
            try:
                is_over = await self._erased()
                pause = ERASE_SHARE * (now() - began)
            except (LogUnavailable, sqlite3.Error, OSError) as error:
                logger.debug("What was deleted is not erased yet: %s", error)
                is_over, pause = False, FAILED_SECONDS
            if not is_over:
                self._removed.set()
            await asyncio.sleep(pause)

    async def _erased(self) -> bool:
        """Whether nothing is left of what was removed before; not while somebody reads for long."""
        if gone := await self._read(statements.unerased):
            await self._erase_words()
        self._erasing = asyncio.ensure_future(asyncio.to_thread(erase, self._path, all_of_it=bool(gone)))
        is_over = await asyncio.shield(self._erasing)
        if gone:
            # The store is written anew once: each time adds all of it to a log that somebody in the way keeps as it is.
            await self._write(lambda db: statements.erased(db, gone))
        return is_over

    async def _erase_words(self) -> None:
        """Make one segment of the index, without what was deleted, in pieces between which others write."""
        more = await self._write(lambda db: statements.merge(db, True))
        while more:
            more = await self._write(lambda db: statements.merge(db, False))

    # In the reader's thread

    def _open_reader(self) -> sqlite3.Connection:
        if not self._read_only:
            return open_reader(self._path)
        self._path = located(self._path)
        return open_existing(self._path)

    def _answer(self, db: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        outcomes = [self._attempt(db, job) for job in jobs]
        try:
            # Afterwards, because then it is true of everything that was read.
            check_unchanged(db)
        except Outdated as error:
            return [unavailable(self._path, error)] * len(jobs)
        except sqlite3.Error:
            pass  # Whatever keeps it from being read was found by the jobs, or will be by the next ones.
        return outcomes

    def _attempt(self, db: sqlite3.Connection, job: Job[Any]) -> Any:
        job.begun = True
        try:
            return job.work(db)
        except sqlite3.Error as error:
            return unavailable(self._path, error)
        except Exception as error:
            # Whoever asked gets it; the thread goes on.
            return error

    def _look(self, streams: Collection[str], asked: bool, db: sqlite3.Connection) -> dict[str, int]:
        """Where these streams end; nothing when nobody asked and the store's files have not changed."""
        return statements.ends(db, streams) if self._stamps.changed(self._path) or asked else {}

    # In the writer's thread

    def _open(self) -> sqlite3.Connection:
        self._path = located(self._path)
        return open_store(self._path, self._mounts)

    def _commit(self, db: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        try:
            db.execute("BEGIN IMMEDIATE")
            check_unchanged(db)
            outcomes = [_saved(db, job) for job in jobs]
            db.execute("COMMIT")
        except Outdated as error:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            return [unavailable(self._path, error)] * len(jobs)
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            if len(jobs) == 1 or code(error) == sqlite3.SQLITE_BUSY:
                return [unavailable(self._path, error)] * len(jobs)
            # One of them does not fit on the disk, say; the others may.
            return [outcome for job in jobs for outcome in self._commit(db, [job])]
        self._tell(Flushed("sqlite", len(jobs)))
        return outcomes


def _saved(db: sqlite3.Connection, job: Job[Any]) -> Any:
    """The result of this operation, or why it was refused, in which case it has left nothing behind."""
    db.execute("SAVEPOINT operation")
    try:
        outcome = job.work(db)
    except sqlite3.Error:
        raise
    except Exception as error:
        # Whoever asked gets it; the thread goes on.
        db.execute("ROLLBACK TO operation")
        outcome = error
    db.execute("RELEASE operation")
    return outcome
