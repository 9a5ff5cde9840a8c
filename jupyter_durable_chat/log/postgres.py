"""A log in a PostgreSQL database, which servers on many machines may share.

All that was asked for while the last flush ran is the next one: a single statement (`flush`, in `postgres_schema.py`)
that checks, numbers, stores and notifies. Its number makes it safe to send again: when the connection is lost in the
middle, everything in it is stored exactly once, or nothing of it. Reads that gather are one statement too. A server
needs two connections, however many readers it has.

Who waits for records here is woken by the flush that stores them. Other servers tell of theirs by one notification for
each flush, with where the streams that moved end now. A notification is a hint that may be lost: while somebody waits,
the database is asked every `POLL_SECONDS`, and at once when the connection has come back.

While the database is away, what is handed in waits for `patience` seconds, then `LogUnavailable` says why. Only then
may it be stored all the same: if the database was reached, and went away before it answered.

Leases run by the database's clock.

A server whose store a newer version has brought up to date finds out with its next flush, which every second has. From
then on every operation says so.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, Self, TypeVar

import asyncpg
import msgspec

from jupyter_durable_chat.log import Head, Lease, Log, LogError, LogUnavailable, Record, StreamDeleted
from jupyter_durable_chat.log import postgres_queries as queries
from jupyter_durable_chat.log.batches import Batches, Job
from jupyter_durable_chat.log.facts import Flushed, Tell, appending, silent
from jupyter_durable_chat.log.postgres_link import Connection, Link, Refused, place
from jupyter_durable_chat.log.postgres_queries import Question
from jupyter_durable_chat.log.postgres_schema import STEPS, check_current, migrate, steps_taken
from jupyter_durable_chat.log.postgres_values import LONGEST_WORD, bigint, plain, plain_pairs
from jupyter_durable_chat.log.postgres_writes import FLUSH, UNKNOWN_WRITER, Write, handed, number
from jupyter_durable_chat.log.tail import Tail
from jupyter_durable_chat.log.versions import Outdated
from jupyter_durable_chat.log.waiters import GONE, Waiters
from jupyter_durable_chat.log.words import words_of

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How long a commit of another server may go unnoticed when its notification is lost."""

PACE_SECONDS = 0.005
"""The least time between two looks at the store that those who begin to wait ask for; one look serves them all."""

LOOK_SECONDS = 2.0
"""For how long a look at the store is tried; those who wait for records just go on waiting when it fails."""

OPEN_SECONDS = 5.0
"""For how long opening is tried: whoever opens does so again, and is not kept from the rest of its work."""

PATIENCE_SECONDS = 30.0

CLOSE_SECONDS = 5.0
"""For how long what was handed in is tried when the log is closed."""

MAX_FLUSH = 500
MAX_READ = 100

COMPACTED_AT_ONCE = 2000
"""Records that one transaction removes: between two of them, others append."""

FOLLOWED = 10_000
"""Of how many streams it is remembered where they end."""

OWNERSHIP = """
    SELECT pg_has_role(current_user, n.nspowner, 'MEMBER'), current_user::text, current_setting('server_encoding')
    FROM pg_namespace n WHERE n.nspname = $1"""

T = TypeVar("T")

Query = Callable[[Connection], Awaitable[Any]]


class PostgresLog(Log):
    """`owner` is whose streams these are; without one, the role of the DSN. No other owner's are ever seen.

    A role that is not a member of the schema's own is always the owner itself: the database keeps such roles apart.
    `read_only`: the schema must be there, is left as it is, and whatever would write raises `LogUnavailable`.
    `patience` is for how many seconds everything is tried. With a `clock`, leases run by it, and not by the database's.
    """

    sees_all = False

    def __init__(
        self,
        dsn: str,
        *,
        owner: str | None = None,
        patience: float = PATIENCE_SECONDS,
        schema: str = "durable_chat",
        clock: Callable[[], float] | None = None,
        read_only: bool = False,
        tell: Tell = silent,
    ) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,40}", schema):
            raise ValueError(f"not the name of a schema: {schema!r}")
        self._name = f"The chat store in PostgreSQL{place(dsn)}"
        self._schema = schema
        self._wanted_owner = owner
        self._owner = ""
        self._channel = ""
        self.patience = patience
        self._clock = clock
        self._read_only = read_only
        self._tell = tell
        self._id = uuid.uuid4()
        self._flushed = 0
        link = partial(Link, dsn, store=self._name, schema=schema)
        self._writing = link(connected=self._begin_writing)
        self._reading = link(connected=self._begin_reading, lost=self._look_again)
        self._writer = Batches[Write](self._name, MAX_FLUSH, self._flush)
        self._reader = Batches[Question | Query](self._name, MAX_READ, self._answer)
        self._tail = Tail()
        self._reads: dict[Question, Job[Question | Query]] = {}
        self._waiters = Waiters()
        self._asked = asyncio.Event()
        self._looking = False
        self._outdated: LogUnavailable | None = None
        self._watching: asyncio.Task[None] | None = None
        self._numbers: dict[int, str] = {}
        self._ends: dict[str, int] = {}
        """Where streams end that somebody has waited for, as notifications and looks have told since we listen."""

    async def __aenter__(self) -> Self:
        until = self._until(min(OPEN_SECONDS, self.patience))
        try:
            if not self._read_only:
                await self._writing.ask(_nothing, until)
                self._writer.start()
            await self._reading.ask(_nothing, until)
            self._reader.start()
        except BaseException:
            await self.__aexit__()
            raise
        self._looked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watching = asyncio.create_task(self._watch(), name=f"watch {self._schema}")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        self._waiters.fail(LogUnavailable(f"{self._name} was closed"))
        # Nobody's shutdown waits long for a database that is away.
        self._reading.latest = self._writing.latest = self._until(CLOSE_SECONDS)
        await self._reader.stop()
        await self._writer.stop()
        await asyncio.gather(self._reading.close(), self._writing.close())

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
        kept, labels = tuple(records), plain_pairs(labels or {})
        write = Write(
            "create",
            stream,
            kept,
            blobs={"summary": summary, "data": base and base.data},
            stored=lambda answer: self._created(answer, stream, base, kept),
            key=None if key is None else plain(key),
            labels=labels,
            base=base and base.lsn,
        )
        while True:
            match await self._write(write):
                case ["new", created]:
                    size, end = sum(map(len, kept)), (base.lsn if base else 0) + len(kept)
                    there = {name: value for name, value in labels.items() if value}
                    return Head(stream, end, size, 0, created, created, there, summary, key)
                case ["known", name]:
                    with contextlib.suppress(StreamDeleted):  # between the two; so the key is free again
                        return await self.head(name)
                case _:
                    raise ValueError(f"there is, or was, a stream {stream!r}")

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
        kept = tuple(records)
        write = Write(
            "append",
            stream,
            kept,
            blobs={"summary": summary},
            stored=lambda answer: self._appended(answer, stream, kept),
            epoch=bigint(epoch),
            after=bigint(after),
            labels=plain_pairs(labels) if labels else None,
            touch=touch,
            words=[word[:LONGEST_WORD] for word in words_of(plain(words))] or None,
            key=None if key is None else plain(key),
            release=release or None,
        )
        with appending("postgres", self._tell):
            return number(await self._write(write), stream, epoch=epoch, after=after)

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
            job = self._reader.submit(Job(question, self._until(self.patience)))
            job.future.add_done_callback(lambda _, job=job: self._answered(question, job))
            self._reads[question] = job
        return list(await asyncio.shield(job.future))

    async def wait(self, after: Mapping[str, int], timeout: float | None = None) -> Collection[str]:
        self._reader.check_open()
        # Whose end is known is told of when it moves; who will not wait wants to know what is so by now.
        if timeout != 0 and after and self._reading.is_open and all(stream in self._ends for stream in after):
            ready = [stream for stream, lsn in after.items() if self._ends[stream] > lsn]
            return ready or await self._waiters.wait(after, timeout)
        self._asked.set()
        return await self._waiters.wait(after, timeout, self._looked)

    async def head(self, stream: str) -> Head:
        return await self._query(lambda db: queries.head(db, self._owner, stream))

    async def find(self, key: str) -> Head | None:
        return await self._query(lambda db: queries.find(db, self._owner, key))

    async def save_snapshot(self, stream: str, snapshot: Record) -> None:
        write = Write("snapshot", stream, blobs={"data": snapshot.data}, lsn=bigint(snapshot.lsn))
        number(await self._write(write), stream, after=snapshot.lsn)

    async def snapshot(self, stream: str) -> Record | None:
        return await self._query(lambda db: queries.snapshot(db, self._owner, stream))

    async def compact(self, stream: str) -> None:
        write = Write("compact", stream, stored=lambda _: self._tail.drop(stream), most=COMPACTED_AT_ONCE)
        while number(await self._write(write, alone=True), stream) == COMPACTED_AT_ONCE:
            pass

    async def streams(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        search: str | None = None,
        before: str | None = None,
        updated_before: float | None = None,
        limit: int = 100,
    ) -> list[Head]:
        return await self._query(
            lambda db: queries.streams(db, self._owner, labels or {}, search, before, updated_before, limit)
        )

    async def delete(self, stream: str, *, after: int | None = None) -> None:
        write = Write("delete", stream, stored=lambda answer: self._gone(answer, stream), after=bigint(after))
        number(await self._write(write, alone=True), stream, after=after)

    async def lease(self, stream: str, holder: str, seconds: float, *, over: int | None = None) -> int:
        write = Write("lease", stream, holder=plain(holder), seconds=seconds, over=bigint(over))
        return number(await self._write(write), stream)

    async def renew(self, holder: str, seconds: float) -> None:
        await self._write(Write("renew", holder=plain(holder), seconds=seconds))

    async def leases(self) -> list[Lease]:
        return await self._query(lambda db: queries.leases(db, self._owner))

    # Opening

    async def _begin_writing(self, db: Connection) -> None:
        await self._begin(db, migrate)
        await db.execute("DELETE FROM writers WHERE at < now() - interval '30 days'")
        await db.execute(
            "INSERT INTO writers (id, owner, flushed) VALUES ($1, $2, 0) ON CONFLICT (id) DO NOTHING",
            self._id,
            self._owner,
        )

    async def _begin(self, db: Connection, prepare: Callable[[Connection, str], Awaitable[None]]) -> None:
        """See to the schema, and find out whose streams these are."""
        try:
            await prepare(db, self._schema)
            member, role, encoding = await db.fetchrow(OWNERSHIP, self._schema) or (False, "", "")
            if encoding != "UTF8":
                raise LogUnavailable(f"its encoding is {encoding}. Choose a database with the encoding UTF8.")
        except LogUnavailable as error:
            raise LogUnavailable(f"{self._name} cannot be used: {error}") from None
        self._owner = plain(self._wanted_owner or role) if member else role
        self._channel = f"{self._schema}_{hashlib.sha256(self._owner.encode()).hexdigest()[:20]}"

    async def _begin_reading(self, db: Connection) -> None:
        if self._read_only:
            await db.execute("SET default_transaction_read_only = on")
            await self._begin(db, check_current)
        # What was told while nobody listened is not known.
        self._ends.clear()
        await db.add_listener(self._channel, self._notified)
        self._asked.set()

    # Writing

    def _until(self, seconds: float) -> float:
        return asyncio.get_running_loop().time() + seconds

    async def _write(self, write: Write, *, alone: bool = False) -> list[Any]:
        return await self._writer.submit(Job(write, self._until(self.patience), alone=alone)).future

    async def _flush(self, jobs: Sequence[Job[Write]]) -> None:
        self._flushed += 1
        at = self._clock() if self._clock else None
        values = self._id, self._flushed, self._owner, at, self._channel, *handed([job.asked for job in jobs])
        try:
            answer = await self._writing.ask(partial(self._send, values), max(job.until for job in jobs))
        except Refused:
            if len(jobs) == 1:
                raise
            # One of them does not fit, say; the others may.
            for job in jobs:
                try:
                    await self._flush([job])
                except LogUnavailable as refused:
                    job.reject(refused)
            return
        self._tell(Flushed("postgres", len(jobs)))
        for job, outcome in zip(jobs, msgspec.json.decode(answer), strict=True):
            if job.asked.stored is not None:
                job.asked.stored(outcome)
            job.resolve(outcome)

    async def _send(self, values: tuple[Any, ...], db: Connection) -> str:
        try:
            answer = await db.fetchval(FLUSH, *values)
        except asyncpg.PostgresError as error:
            if getattr(error, "sqlstate", None) != UNKNOWN_WRITER:
                raise
            # Forgotten, after a month of sleep, say.
            await self._begin_writing(db)
            answer = await db.fetchval(FLUSH, *values)
        if answer is None:
            await self._end_outdated(db)
        return answer

    async def _end_outdated(self, db: Connection) -> NoReturn:
        """From now on every operation says that this process is too old for the store."""
        outdated = Outdated(await steps_taken(db, self._schema), len(STEPS))
        self._outdated = LogUnavailable(f"{self._name} cannot be used: {outdated}")
        self._waiters.fail(self._outdated)
        raise self._outdated

    def _created(self, answer: list[Any], stream: str, base: Record | None, records: Sequence[bytes]) -> None:
        if answer[0] == "new":
            self._grown(stream, (base.lsn if base else 0) + len(records))

    def _appended(self, answer: list[Any], stream: str, records: Sequence[bytes]) -> None:
        if answer[0] == "at" and records:
            self._tail.extend(stream, answer[1], records)
            self._grown(stream, answer[1])

    def _gone(self, answer: list[Any], stream: str) -> None:
        if answer[0] == "ok":
            self._tail.drop(stream)
            self._grown(stream, GONE)

    # Reading

    async def _query(self, query: Callable[[Connection], Awaitable[T]], seconds: float | None = None) -> T:
        job = Job[Question | Query](query, self._until(self.patience if seconds is None else seconds), alone=True)
        return await self._reader.submit(job).future

    async def _answer(self, jobs: Sequence[Job[Question | Query]]) -> None:
        if self._outdated:
            raise self._outdated
        until = max(job.until for job in jobs)
        if callable(query := jobs[0].asked):
            jobs[0].resolve(await self._reading.ask(query, until))
            return
        questions = [job.asked for job in jobs if not callable(job.asked)]
        answers = await self._reading.ask(lambda db: queries.read(db, self._owner, questions), until)
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, LogError):
                job.reject(answer)
            else:
                job.resolve(answer)

    def _answered(self, question: Question, job: Job[Question | Query]) -> None:
        if self._reads.get(question) is job:
            del self._reads[question]

    # Waiting

    def _grown(self, stream: str, end: int) -> None:
        """The stream ends there now, or further."""
        if stream in self._ends:
            self._ends[stream] = max(self._ends[stream], end)
        self._waiters.tell(stream, end)

    def _look_again(self) -> None:
        self._asked.set()

    def _notified(self, _: object, pid: int, channel: str, payload: object) -> None:
        if pid == self._writing.pid:
            return
        unknown = not payload
        for moved in str(payload).split():
            number, _, end = moved.partition(":")
            stream = self._numbers.get(int(number))
            if stream is None:
                unknown = True
            else:
                if end == "x":
                    self._tail.drop(stream)
                self._grown(stream, GONE if end == "x" else int(end))
        if unknown and (not payload or self._looking or any(s not in self._ends for s in self._waiters.streams)):
            # It may be one that somebody waits for, and whose number nobody here knows yet.
            self._asked.set()

    async def _watch(self) -> None:
        """Tell those who wait what is stored: once for each who comes, and by a poll behind the notifications."""
        while True:
            with contextlib.suppress(TimeoutError):
                # Also while nobody waits: who does soon may count on what was told until then.
                async with asyncio.timeout(POLL_SECONDS):
                    await self._asked.wait()
            self._asked.clear()
            looked, self._looked = self._looked, asyncio.get_running_loop().create_future()
            try:
                await self._look(self._waiters.streams)
            except LogUnavailable as error:
                # Who reads is told; who waits goes on waiting, for the next poll or a new connection.
                logger.debug("Looking for what is new failed: %s", error)
            looked.set_result(None)
            await asyncio.sleep(PACE_SECONDS)

    async def _look(self, streams: Collection[str]) -> None:
        if not streams:
            return
        self._looking = True
        try:
            found = await self._query(lambda db: queries.ends(db, self._owner, streams), LOOK_SECONDS)
        finally:
            self._looking = False
        if len(self._ends) > FOLLOWED:
            self._ends.clear()
            self._numbers.clear()
        for stream, id_, end in found:
            self._numbers[id_] = stream
            self._ends.setdefault(stream, end)
            if end == GONE:
                self._tail.drop(stream)
            self._grown(stream, end)


async def _nothing(_: Connection) -> None:
    pass
