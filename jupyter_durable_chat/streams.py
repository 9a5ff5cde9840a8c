"""Streams of anybody's bytes, by their path: what the protocol Durable Streams asks of a server, kept in the log.

A stream is a log stream of its own, found by its path as the key. A record is what one append brought, and never empty:
an empty record is an end, of the stream (it is closed) or of its life (it is deleted, and kept for its forks). So a
position is an LSN, and whatever happens to a stream moves it; who wants to add something decides on everything stored
and appends on the condition that nothing was added meanwhile. What is to be known beside the data (who has closed it,
how far each producer is) are labels, stored in the transaction of the data that they speak of.

A fork holds no copy: it begins where it parted, as if it had been compacted there, and names the streams that have what
was before. A stream with forks is only marked as deleted, and goes with the last of them. Marking comes before looking
for forks, and a new fork looks for the mark after it was made; so no fork loses what it stands on, whatever is done at
once.

https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md
"""

import asyncio
import contextlib
import math
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct, structs

from jupyter_durable_chat.commands import new_id
from jupyter_durable_chat.log import AheadOfLog, Compacted, Conflict, Head, Log, Record, StreamDeleted, UnknownStream

PREFIX = "stream_"
"""How the ids of streams begin. No session's does."""

KIND = {"kind": "stream"}

EXPIRES = {"expires": "yes"}
"""The label of streams that are to be looked at, as they may have run out."""

DELETED = {"deleted": "yes"} | EXPIRES

JSON_TYPE = "application/json"
OPAQUE = "application/octet-stream"

LASTS = 1.05
"""How much longer than its time to live a stream may live: who reads it does not write each time that they do."""

MAX_PRODUCERS = 1000
"""Of one stream. Each is a label."""

MAX_GENERATIONS = 100
"""Forks of forks."""

MAX_RECORDS = 10_000
"""Of one page."""

BATCH_BYTES = 4 << 20
"""About how much is stored at once."""

KNOWN = 1000
"""Streams that are remembered."""

LEAST_SECONDS = 0.1
"""Who waits looks no more often whether the stream's time to live has to begin anew."""

SWEEP_SECONDS = 1.0
"""Between two looks for streams that have run out."""

SWEPT_AT_ONCE = 20


class Config(Struct, frozen=True, omit_defaults=True):
    """What was said of a stream when it was made. It never changes."""

    content_type: str
    ttl: int | None = None
    expires_at: str | None = None
    forked_from: str | None = None
    fork_lsn: int = 0
    fork_sub_offset: int = 0
    lineage: tuple[tuple[str, int], ...] = ()
    """Where its first records are: log streams, and up to which LSN each."""


class Producer(Struct, frozen=True):
    """Who has sent something, in which life, as which number."""

    id: str
    epoch: int
    seq: int


class Creation(Struct, frozen=True):
    """A stream that is wanted. Without a content type, a fork has that of its source."""

    content_type: str | None = None
    data: bytes = b""
    ttl: int | None = None
    expires_at: str | None = None
    closed: bool = False
    forked_from: str | None = None
    fork_lsn: int | None = None
    fork_sub_offset: int = 0


class Append(Struct, frozen=True):
    """What is to be added; without data, the stream is only closed."""

    content_type: str = ""
    data: bytes = b""
    closes: bool = False
    producer: Producer | None = None
    seq: str | None = None


class Stream(Struct, frozen=True):
    """A stream as it is stored."""

    head: Head
    config: Config

    @property
    def id(self) -> str:
        return self.head.stream

    @property
    def is_json(self) -> bool:
        return media_type(self.config.content_type) == JSON_TYPE

    @property
    def closed(self) -> bool:
        return "closed" in self.head.labels

    @property
    def deleted(self) -> bool:
        return self.head.labels.items() >= DELETED.items()

    @property
    def tail(self) -> int:
        """The LSN of its last data."""
        return self.head.lsn - 1 if self.closed else self.head.lsn

    @property
    def closed_by(self) -> Producer | None:
        said = self.head.labels.get("closed", "")
        return msgspec.json.decode(said, type=Producer | None) if said else None

    @property
    def seq(self) -> str | None:
        """The last of its writers' own numbers, each of which is followed by greater ones."""
        said = self.head.labels.get("seq")
        return None if said is None else said[1:]

    def producer(self, producer_id: str) -> Producer | None:
        said = self.head.labels.get(_producer_label(producer_id))
        return None if said is None else Producer(producer_id, *map(int, said.split()))

    @property
    def producers(self) -> int:
        return sum(name.startswith("producer:") for name in self.head.labels)

    def expired(self, now: float) -> bool:
        if self.config.ttl is not None:
            return now >= self.head.updated + self.config.ttl * LASTS
        return self.config.expires_at is not None and now >= unix(self.config.expires_at)


class Appended(Struct, frozen=True):
    """Where the stream ends now, and whether that was so before: then a producer has said the same again."""

    tail: int
    closed: bool
    again: bool = False
    producer: Producer | None = None
    """As far as the stream knows its producer to be."""


class Page(Struct, frozen=True):
    """Data in order, where it ends, and whether that is all there is now, or ever."""

    data: Sequence[bytes]
    end: int
    up_to_date: bool
    closed: bool


class StreamError(Exception):
    """Why something cannot be done with a stream, in words for the one who asked."""


class NoStream(StreamError):
    pass


class Gone(StreamError):
    """It was deleted, and is kept for its forks, or what it begins with is not there any more."""


class Taken(StreamError):
    """The path, or the source, is not what is asked for."""


class Malformed(StreamError):
    pass


class TooMuch(StreamError):
    pass


class Mismatch(StreamError):
    """The content type is another one, or the writer's number is not greater than the last."""


class Closed(StreamError):
    def __init__(self, tail: int) -> None:
        super().__init__("The stream is closed; nothing can be added to it.")
        self.tail = tail


class StaleEpoch(StreamError):
    def __init__(self, epoch: int) -> None:
        super().__init__(f"The producer is at epoch {epoch} by now.")
        self.epoch = epoch


class Gap(StreamError):
    def __init__(self, expected: int, received: int) -> None:
        super().__init__(f"The producer's next number is {expected}, and not {received}.")
        self.expected = expected
        self.received = received


# What data is


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def unix(moment: str) -> float:
    """An RFC 3339 time in Unix seconds. Raises `ValueError`."""
    at = datetime.fromisoformat(moment)
    if at.tzinfo is None:
        raise ValueError(f"a time without its offset from UTC: {moment!r}")
    return at.timestamp()


def messages(body: bytes) -> bytes:
    """A JSON body as it is stored: its messages, each in one line, with commas between them; empty for `[]`.

    An array is several messages, one for each of its elements. Numbers stay as they were written. Raises `Malformed`.
    """
    try:
        body.decode()
        parsed = msgspec.json.decode(body, type=list[msgspec.Raw] if body.lstrip()[:1] == b"[" else msgspec.Raw)
        parts = parsed if isinstance(parsed, list) else [parsed]
        return b",".join(msgspec.json.format(part, indent=-1) for part in parts)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise Malformed("The body nests too deep.") from error


def records_of(body: bytes, content_type: str, closes: bool, *, first: bool = False) -> list[bytes]:
    """What is stored of a body, and of the end that it brings. Raises `Malformed`."""
    data = messages(body) if body and media_type(content_type) == JSON_TYPE else body
    if body and not data and not first:
        raise Malformed("An empty array adds nothing.")
    return ([data] if data else []) + ([b""] if closes else [])


def beginning(record: bytes, count: int, *, is_json: bool) -> bytes:
    """The first messages, or bytes, of a record. Raises `Malformed` when it has fewer."""
    parts = msgspec.json.decode(b"[%b]" % record, type=list[msgspec.Raw]) if is_json else record
    if count > len(parts):
        raise Malformed(f"What follows the fork's offset has no {count} messages or bytes.")
    return b",".join(map(bytes, parts[:count])) if isinstance(parts, list) else parts[:count]


# What is decided


def decide(stream: Stream, asked: Append) -> Appended | None:
    """Whether this may be added: `None`, or what was answered when it was. Raises `StreamError`."""
    producer = asked.producer
    if stream.closed:
        if producer is not None and producer == stream.closed_by:
            return Appended(stream.tail, True, again=True, producer=producer)
        if producer is None and asked.closes and not asked.data:
            return Appended(stream.tail, True, again=True)
        raise Closed(stream.tail)
    if asked.data and media_type(asked.content_type) != media_type(stream.config.content_type):
        raise Mismatch(f"The stream's content type is {stream.config.content_type}, and not {asked.content_type}.")
    if producer is not None and (known := _repeated(stream, producer)):
        return Appended(stream.tail, False, again=True, producer=known)
    if asked.seq is not None and stream.seq is not None and asked.seq.encode() <= stream.seq.encode():
        raise Mismatch(f"Stream-Seq takes what comes after {stream.seq!r}, byte by byte, and not {asked.seq!r}.")
    return None


def _repeated(stream: Stream, producer: Producer) -> Producer | None:
    """What the stream knows of this producer, if it has this already."""
    known = stream.producer(producer.id)
    if known is None:
        if producer.seq:
            raise Gap(0, producer.seq)
        if stream.producers >= MAX_PRODUCERS:
            raise Malformed(f"The stream has {MAX_PRODUCERS} producers, which is as many as one may have.")
        return None
    if producer.epoch < known.epoch:
        raise StaleEpoch(known.epoch)
    if producer.epoch > known.epoch:
        if producer.seq:
            raise Malformed("A new epoch of a producer begins with the number 0.")
        return None
    if producer.seq <= known.seq:
        return known
    if producer.seq > known.seq + 1:
        raise Gap(known.seq + 1, producer.seq)
    return None


def labels_of(asked: Append) -> dict[str, str]:
    """What is to be known of the stream once this is added."""
    labels: dict[str, str] = {}
    if asked.producer:
        labels[_producer_label(asked.producer.id)] = f"{asked.producer.epoch} {asked.producer.seq}"
    if asked.seq is not None:
        labels["seq"] = f"={asked.seq}"  # an empty value would be none
    if asked.closes:
        labels["closed"] = msgspec.json.encode(asked.producer).decode()
    return labels


def _grown(stream: Stream, asked: Append, records: Sequence[bytes], now: float) -> Stream:
    """The stream once this is added."""
    head = stream.head
    grown = structs.replace(
        head,
        lsn=head.lsn + len(records),
        size=head.size + sum(map(len, records)),
        labels={**head.labels, **labels_of(asked)},
        updated=head.updated if stream.config.ttl is None else now,
    )
    return structs.replace(stream, head=grown)


def matches(stream: Stream, wanted: Creation) -> bool:
    """Whether a stream that is there is the one that is wanted. What a fork leaves open is as its source has it."""
    config, is_fork = stream.config, wanted.forked_from is not None
    expiry = (wanted.ttl, wanted.expires_at)
    return (
        ((is_fork and wanted.content_type is None) or _same_type(config.content_type, wanted.content_type))
        and ((is_fork and expiry == (None, None)) or expiry == (config.ttl, config.expires_at))
        and wanted.closed == stream.closed
        and wanted.forked_from == config.forked_from
        and wanted.fork_lsn in (None, config.fork_lsn)
        and wanted.fork_sub_offset == config.fork_sub_offset
    )


def _same_type(one: str, other: str | None) -> bool:
    return media_type(one) == media_type(other or OPAQUE)


def _producer_label(producer_id: str) -> str:
    return f"producer:{producer_id}"


def stream_key(path: str) -> str:
    """The key of a path; no notebook's is like it."""
    return f"{PREFIX}path:{path}"


class _Job:
    """What somebody waits for to be added."""

    __slots__ = ("_records", "asked", "future", "size")

    def __init__(self, asked: Append) -> None:
        self.asked = asked
        self.size = len(asked.data)
        self.future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._records: list[bytes] | None = None

    def records(self) -> list[bytes]:
        """What is stored of it. Raises `Malformed`."""
        if self._records is None:
            self._records = records_of(self.asked.data, self.asked.content_type, self.asked.closes)
        return self._records

    def answer(self, answer: Appended | Exception) -> None:
        if self.future.done():
            return
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


class Streams:
    """The streams of one log. `max_bytes` is how large one may become. `clock` gives Unix seconds."""

    def __init__(self, log: Log, *, max_bytes: float = math.inf, clock: Callable[[], float] = time.time) -> None:
        self._log = log
        self._max_bytes = max_bytes
        self._clock = clock
        self._swept = -math.inf
        self._swept_to: str | None = None
        self._waiting: dict[str, deque[_Job]] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._known: OrderedDict[str, Stream] = OrderedDict()
        """Streams as they were when something was added last: whoever adds more finds out whether they still are."""

    async def open(self, path: str) -> Stream:
        """The stream at this path. Raises `NoStream`, `Gone`."""
        stream = await self._find(path)
        if stream is None:
            raise NoStream(f"There is no stream {path!r} on this server.")
        if stream.deleted:
            raise Gone(f"Stream {path!r} was deleted.")
        return stream

    async def create(self, path: str, wanted: Creation) -> tuple[Stream, bool]:
        """The stream at this path, and whether it is new. Raises `StreamError`. Idempotent."""
        await self._sweep()
        while True:
            if there := await self._find(path):
                if there.deleted:
                    if await self._collect(there.head):
                        continue
                    raise Taken(
                        f"Stream {path!r} was deleted, and has forks: its path is taken until they are deleted."
                    )
                if not matches(there, wanted):
                    raise Taken(f"There is a stream {path!r} that is not as this one should be.")
                return there, False
            if made := await self._make(path, wanted):
                return made, True

    async def append(self, path: str, asked: Append) -> Appended:
        """Add data, or close, or both; all of it or nothing. Raises `StreamError`. Idempotent for producers."""
        job = _Job(asked)
        if path not in self._waiting:
            self._waiting[path] = deque()
            working = asyncio.create_task(self._work(path), name=f"append to {path}")
            self._working.add(working)
            working.add_done_callback(self._working.discard)
        self._waiting[path].append(job)
        return await job.future

    async def aclose(self) -> None:
        """Return when what was asked for is done."""
        if self._working:
            await asyncio.wait(self._working)

    async def delete(self, path: str) -> None:
        """Delete the stream, or mark it as deleted as long as it has forks. Raises `NoStream`, `Gone`."""
        await self._remove(await self.open(path))

    async def read(self, stream: Stream, after: int, *, max_bytes: int) -> Page:
        """What follows this LSN, about `max_bytes` of it, whatever came since the stream was opened. Raises `Gone`."""
        data: list[bytes] = []
        end, full, ended = after, False, False
        try:
            for source, last in (*stream.config.lineage, (stream.id, sys.maxsize)):
                if end >= last:
                    continue
                limit = min(last - end, MAX_RECORDS)
                records = await self._log.read(source, end, max_bytes=max_bytes, limit=limit)
                found = [data for _, data in records if data]
                ended = len(found) < len(records)
                data += found
                end += len(found)
                max_bytes -= sum(map(len, found))
                full = max_bytes <= 0 or len(records) == MAX_RECORDS
                if full or end < last:
                    break
            tail = stream.tail
            if full or ended:
                now = _stream(await self._log.head(stream.id))
                if now.deleted:
                    raise Gone("The stream was deleted.")
                tail = now.tail
        except (UnknownStream, StreamDeleted, Compacted) as error:
            raise Gone("The stream was deleted, or what it begins with.") from error
        except AheadOfLog as error:
            raise Malformed("The offset is beyond the end of the stream.") from error
        return Page(data, end, end >= tail, ended)

    async def wait(self, stream: Stream, after: int, seconds: float) -> Stream:
        """Return when there is more than this, or the stream is gone, or after so many seconds.

        Who waits uses the stream; what is returned is the stream as one who waits on has to have it.
        """
        ttl, now = stream.config.ttl, asyncio.get_running_loop().time
        until = now() + seconds
        while True:
            stream = await self.touch(stream)
            left = max(0.0, until - now())
            turn = left if ttl is None else min(left, max(ttl / 2, LEAST_SECONDS))
            if await self._log.wait({stream.id: after}, turn) or turn == left:
                return stream

    async def touch(self, stream: Stream) -> Stream:
        """Somebody uses the stream: its time to live begins anew."""
        ttl, now = stream.config.ttl, self._clock()
        if ttl is None or now - stream.head.updated < ttl * (LASTS - 1):
            return stream
        with contextlib.suppress(UnknownStream, StreamDeleted):
            await self._log.append(stream.id, [], summary=stream.head.summary)
        return structs.replace(stream, head=structs.replace(stream.head, updated=now))

    # Inside

    async def _work(self, path: str) -> None:
        """Add what is waited for; what has gathered in the meantime is stored together."""
        waiting = self._waiting[path]
        while waiting:
            jobs = [waiting.popleft()]
            size = jobs[0].size
            while waiting and size + waiting[0].size <= BATCH_BYTES:
                jobs.append(waiting.popleft())
                size += jobs[-1].size
            try:
                await self._add(path, jobs)
            except Exception as error:
                # Whoever asked gets it; the next batch is another one.
                for job in jobs:
                    job.answer(error)
        del self._waiting[path]

    async def _add(self, path: str, jobs: Sequence["_Job"]) -> None:
        """Decide on all of these in their order, and store what they add in one transaction."""
        known = self._known.get(path)
        stream = known if known and not known.expired(self._clock()) else await self.open(path)
        while True:
            grown, records, answers = self._decided(stream, jobs)
            if records:
                ttl, labels = stream.config.ttl, grown.head.labels
                new = {name: labels[name] for name in labels if labels[name] != stream.head.labels.get(name)}
                summary = None if ttl is None else stream.head.summary
                try:
                    await self._log.append(stream.id, records, after=stream.head.lsn, labels=new, summary=summary)
                    break
                except (Conflict, StreamDeleted):
                    stream = await self.open(path)
            elif stream is known:
                # What is refused, or was there before, is said of the stream as it is stored, and not as it was.
                known, stream = None, await self.open(path)
            else:
                grown = await self.touch(stream)
                break
        self._know(path, grown)
        for job, answer in zip(jobs, answers, strict=True):
            job.answer(answer)

    def _decided(
        self, stream: Stream, jobs: Sequence["_Job"]
    ) -> tuple[Stream, list[bytes], list[Appended | StreamError]]:
        """The stream with what is added, the records of that, and what each is answered once they are stored."""
        records: list[bytes] = []
        answers: list[Appended | StreamError] = []
        for job in jobs:
            try:
                answer = decide(stream, job.asked)
                if answer is None:
                    mine = job.records()
                    if stream.head.size + sum(map(len, mine)) > self._max_bytes:
                        raise TooMuch("The stream is full.")
                    stream = _grown(stream, job.asked, mine, self._clock())
                    records += mine
                    answer = Appended(stream.tail, stream.closed, producer=job.asked.producer)
            except StreamError as error:
                answers.append(error)
            else:
                answers.append(answer)
        return stream, records, answers

    def _know(self, path: str, stream: Stream) -> None:
        self._known[path] = stream
        self._known.move_to_end(path)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    async def _find(self, path: str) -> Stream | None:
        """The stream that has the path, unless its time has run out."""
        head = await self._log.find(stream_key(path))
        if head is None:
            return None
        stream = _stream(head)
        if stream.deleted or not stream.expired(self._clock()):
            return stream
        await self._remove(stream)
        head = await self._log.find(stream_key(path))
        return _stream(head) if head else None

    async def _make(self, path: str, wanted: Creation) -> Stream | None:
        """A new stream; `None` when somebody else has just made one there."""
        source = await self._source(wanted.forked_from) if wanted.forked_from is not None else None
        config = _config(wanted, source)
        records = await self._inherited(config, wanted, source) if source else []
        records += records_of(wanted.data, config.content_type, wanted.closed, first=True)
        if sum(map(len, records)) > self._max_bytes:
            raise TooMuch("The stream would be too large.")
        labels = dict(KIND)
        if wanted.closed:
            labels["closed"] = "null"
        if source:
            labels["source"] = source.id
        if config.ttl is not None or config.expires_at is not None:
            labels |= EXPIRES
        name = new_id(PREFIX.rstrip("_"))
        base = Record(config.fork_lsn, b"") if config.fork_lsn else None
        summary = msgspec.json.encode(config)
        head = await self._log.create(name, records, key=stream_key(path), labels=labels, summary=summary, base=base)
        if head.stream != name:
            return None
        made = _stream(head)
        if source:
            await self._stands(made, source)
        return made

    async def _source(self, path: str) -> Stream:
        try:
            return await self.open(path)
        except Gone as error:
            raise Taken(f"Stream {path!r} was deleted; nothing new can begin with it.") from error

    async def _inherited(self, config: Config, wanted: Creation, source: Stream) -> list[bytes]:
        """What a fork begins with of its own: the part of the next record that it was asked to have."""
        if not wanted.fork_sub_offset:
            return []
        if config.fork_lsn >= source.tail:
            raise Malformed("Nothing follows the fork's offset.")
        page = await self.read(source, config.fork_lsn, max_bytes=1)
        return [beginning(page.data[0], wanted.fork_sub_offset, is_json=source.is_json)]

    async def _stands(self, made: Stream, source: Stream) -> None:
        """Take a fork back whose source was deleted while it was made."""
        try:
            if not _stream(await self._log.head(source.id)).deleted:
                return
        except (UnknownStream, StreamDeleted):
            pass
        await self._remove(made)
        raise Taken("The source was deleted while it was forked.")

    async def _remove(self, stream: Stream) -> None:
        """Mark, then look for forks. Idempotent."""
        try:
            if not stream.deleted:
                await self._log.append(stream.id, [b""], labels=DELETED)
            await self._collect(stream.head)
        except (UnknownStream, StreamDeleted):
            return

    async def _collect(self, head: Head) -> bool:
        """Delete what is marked and has no forks, and then its source, if that waits for it; whether `head` is gone."""
        gone = False
        while not await self._log.streams(labels={"source": head.stream}, limit=1):
            await self._log.delete(head.stream)
            gone = True
            source = head.labels.get("source")
            if source is None:
                break
            try:
                head = await self._log.head(source)
            except (UnknownStream, StreamDeleted):
                break
            if not _stream(head).deleted:
                break
        return gone

    async def _sweep(self) -> None:
        """Remove some of what has run out and nobody asks for, going round: who makes streams makes room."""
        now = self._clock()
        if now < self._swept + SWEEP_SECONDS:
            return
        self._swept = now
        heads = await self._log.streams(labels=EXPIRES, before=self._swept_to, limit=SWEPT_AT_ONCE)
        self._swept_to = heads[-1].stream if len(heads) == SWEPT_AT_ONCE else None
        for head in heads:
            stream = _stream(head)
            if stream.deleted or stream.expired(now):
                await self._remove(stream)


def _stream(head: Head) -> Stream:
    return Stream(head, msgspec.json.decode(head.summary, type=Config))


def _config(wanted: Creation, source: Stream | None) -> Config:
    """What is kept of what is wanted. Raises `StreamError` for a fork that cannot be."""
    if source is None:
        return Config(wanted.content_type or OPAQUE, wanted.ttl, wanted.expires_at)
    mine = source.config
    if wanted.content_type is not None and not _same_type(mine.content_type, wanted.content_type):
        raise Mismatch(f"The source's content type is {mine.content_type}, and not {wanted.content_type}.")
    lsn = source.tail if wanted.fork_lsn is None else wanted.fork_lsn
    if lsn > source.tail:
        raise Malformed("The fork's offset is beyond the end of its source.")
    inherits = wanted.ttl is None and wanted.expires_at is None
    begun = mine.lineage[-1][1] if mine.lineage else 0
    lineage = [(name, min(last, lsn)) for name, last in mine.lineage]
    lineage = [place for at, place in enumerate(lineage) if at == 0 or lineage[at - 1][1] < place[1]]
    if lsn > begun:
        lineage.append((source.id, lsn))
    if len(lineage) > MAX_GENERATIONS:
        raise Malformed(f"A fork may have {MAX_GENERATIONS} streams before it, and not more.")
    return Config(
        wanted.content_type or mine.content_type,
        mine.ttl if inherits else wanted.ttl,
        mine.expires_at if inherits else wanted.expires_at,
        wanted.forked_from,
        lsn,
        wanted.fork_sub_offset,
        tuple(lineage) if lsn else (),
    )
