"""A store is what it should be, or what is wrong is found, with its place; nothing is changed.

Of every stream: the LSNs are dense, every record is an event, the fold of all of them is at the snapshot's LSN what the
snapshot says, and at the end what the fold of the snapshot and the rest is; the labels that are stored with events say
what the fold says; the files that messages name are there, and every file is what its hash says. A store in use may be
checked: a stream is judged at the end that it had with its labels, and one that is compacted in between is judged anew.
"""

import hashlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import msgspec

from jupyter_durable_chat import events as e
from jupyter_durable_chat.attachments import URL, Attachments, UnknownAttachment
from jupyter_durable_chat.inbox import Inbox
from jupyter_durable_chat.log import Compacted, Head, Log, LogUnavailable, Record, StreamDeleted
from jupyter_durable_chat.replica import SHARES, queue_state
from jupyter_durable_chat.store.check_stream import wrong_with
from jupyter_durable_chat.streams import KIND as STREAM
from jupyter_durable_chat.transcript import JSON, Transcript

ATTEMPTS = 5
"""How often a stream is looked at that is compacted while one looks."""

PAGE = 1000

NAMED = re.compile(rf"{URL}[0-9a-f]{{64}}", re.ASCII)

Folded = Transcript | Inbox

KINDS = {"": "sessions", "inbox": "inboxes"}
"""What a log is, by its label `kind`, of those that are folded."""


class Finding(NamedTuple):
    """What is wrong, and where; without a stream, it is the store's own."""

    stream: str
    lsn: int | None
    text: str

    def __str__(self) -> str:
        place = self.stream + ("" if self.lsn is None else f", LSN {self.lsn}")
        return f"{place}: {self.text}" if place else self.text


class Moved(Exception):
    """The stream was compacted while it was read."""


class Check:
    """One look at a store. `counts` is what has been looked at so far."""

    def __init__(self, log: Log, attachments: Attachments) -> None:
        self._log = log
        self._attachments = attachments
        self.counts: Counter[str] = Counter()

    async def findings(self) -> AsyncIterator[Finding]:
        """What is wrong, stream by stream. Raises `LogUnavailable` when the store cannot be read at all."""
        async for stream in streams(self._log):
            for finding in await self._stream(stream):
                yield finding

    async def _stream(self, stream: str) -> list[Finding]:
        for _ in range(ATTEMPTS):
            try:
                head = await self._log.head(stream)
                if head.labels.items() >= STREAM.items():
                    self.counts["streams"] += 1
                    return [Finding(stream, *wrong) for wrong in await wrong_with(self._log, head)]
                look = _Look(self._log, head)
                await look.take()
                self.counts.update({look.kind: 1, "events": look.events, "snapshots": look.snapshots})
                if look.kind == "sessions":
                    look.found += await self._files(stream, look.folded)
                return look.found
            except StreamDeleted:
                return []
            except Moved:
                continue
            except LogUnavailable as error:
                return [Finding(stream, None, str(error))]
        return [Finding(stream, None, "it is compacted all the time; check it again later")]

    async def _files(self, session: str, folded: Folded | None) -> list[Finding]:
        found: list[Finding] = []
        kept = await self._attachments.of(session)
        for name in kept:
            try:
                data = await self._attachments.get(session, name)
            except UnknownAttachment:
                found.append(Finding(session, None, f"a file among its attachments is none of ours: {name[:80]!r}"))
                continue
            except OSError as error:
                found.append(Finding(session, None, f"its attachment {name} cannot be read: {error.strerror}"))
                continue
            if hashlib.sha256(data).hexdigest() != name:
                found.append(Finding(session, None, f"its attachment {name} is damaged: the bytes have another hash"))
        self.counts["files"] += len(kept)
        if folded is not None:
            missing = sorted(named_files(folded.to_json()) - set(kept))
            # Somebody may have deleted the session, and its files with it, between the two looks.
            if missing and await self._is_living(session):
                texts = (f"a message names the file {name}, which is missing" for name in missing)
                found += [Finding(session, None, text) for text in texts]
        return found

    async def _is_living(self, stream: str) -> bool:
        try:
            await self._log.head(stream)
        except StreamDeleted:
            return False
        return True


class _Look:
    """One stream, from its first record to the end that it had, `head.lsn`."""

    def __init__(self, log: Log, head: Head) -> None:
        self._log = log
        self._head = head
        self.kind = KINDS.get(head.labels.get("kind", ""), "other logs")
        self.found: list[Finding] = []
        self.events = 0
        self.snapshots = 0
        self.folded: Folded | None = None
        """What the stream amounts to at its end, if that can be told."""

    @property
    def _folds(self) -> bool:
        """Whether its records are events; of any other log, only the numbers can be judged."""
        return self.kind != "other logs"

    async def take(self) -> None:
        head = self._head
        snapshot = await self._log.snapshot(head.stream)
        self.snapshots = 1 if snapshot else 0
        restored = self._restored(snapshot) if snapshot and self._folds else None
        start = await self._start(snapshot)
        if start is None:
            return
        # What was compacted is only in the snapshot; else all that there is can be folded from nothing.
        whole: Folded | None = self._empty() if start == 0 and self._folds else None
        last = start
        async for record in self._records(start, max(head.lsn, snapshot.lsn if snapshot else 0)):
            if record.lsn != last + 1:
                self._say(last + 1, f"records are missing: after {last} comes {record.lsn}")
                return
            last = record.lsn
            if not self._folds:
                continue
            event = self._event(record)
            if event is None:
                whole = restored = None
                continue
            whole = self._applied(whole, event)
            if whole and snapshot and last == snapshot.lsn and restored:
                self._compare(last, whole, restored, "the snapshot is not what the events amount to")
            if restored and snapshot and last > snapshot.lsn:
                restored = self._applied(restored, event)
            if last == head.lsn:
                self._judge(whole if start == 0 else restored)
        if last < head.lsn:
            self._say(last + 1, f"records are missing: the stream ends at {head.lsn}, its records at {last}")
            return
        if whole and restored and snapshot and last > snapshot.lsn:
            self._compare(last, whole, restored, "the fold of the snapshot and the rest is not that of all events")
        if start == head.lsn:
            self._judge(restored if snapshot else whole)

    def _say(self, lsn: int | None, text: str) -> None:
        self.found.append(Finding(self._head.stream, lsn, text))

    def _empty(self) -> Folded:
        return Inbox(self._head.stream) if self.kind == "inboxes" else Transcript()

    def _restored(self, snapshot: Record) -> Folded | None:
        try:
            data = msgspec.json.decode(snapshot.data)
            restored = Inbox.from_json(data) if self.kind == "inboxes" else Transcript.from_json(data)
            restored.to_json()
        except Exception as error:
            # It may be anything, so the fold may fail in any way.
            self._say(snapshot.lsn, f"the snapshot cannot be read: {_why(error)}")
            return None
        if restored.lsn != snapshot.lsn:
            self._say(snapshot.lsn, f"the snapshot says that it is of LSN {restored.lsn}")
            return None
        return restored

    async def _start(self, snapshot: Record | None) -> int | None:
        """The LSN after which there are records; none when there should be some and are not."""
        if await self._reaches(0):
            return 0
        if snapshot is None:
            self._say(1, "records are missing: the stream does not begin at 1, and has no snapshot")
            return None
        low, high = 0, min(snapshot.lsn, self._head.lsn)
        if not await self._reaches(high):
            if await self._moved(snapshot):
                raise Moved
            self._say(high + 1, "records are missing: the first after the snapshot is not there")
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if await self._reaches(middle) else (middle, high)
        return high

    async def _reaches(self, after: int) -> bool:
        try:
            await self._log.read(self._head.stream, after, limit=1)
        except Compacted:
            return False
        return True

    async def _moved(self, before: Record | None) -> bool:
        now = await self._log.snapshot(self._head.stream)
        return now is not None and (before is None or now.lsn > before.lsn)

    async def _records(self, after: int, end: int) -> AsyncIterator[Record]:
        """Those up to `end`, as far as they go without a hole between two pages, and those that are beyond any end."""
        first = after
        while True:
            try:
                records = await self._log.read(self._head.stream, after, limit=PAGE)
            except Compacted:
                if await self._start_has_moved(first):
                    raise Moved from None
                return
            for record in records:
                if record.lsn > end and record.lsn <= (end := max(end, (await self._log.head(self._head.stream)).lsn)):
                    return  # appended since
                if record.lsn > end:
                    self._say(record.lsn, f"a record is beyond the end of the stream, which is {end}")
                    return
                yield record
                after = record.lsn
            if not records or after >= end:
                return

    async def _start_has_moved(self, first: int) -> bool:
        return not await self._reaches(first)

    def _event(self, record: Record) -> e.AnyEvent | None:
        self.events += 1
        try:
            return e.decode(e.number(record.lsn, record.data))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._say(record.lsn, f"the record is no event: {_why(error)}")
            return None

    def _applied(self, folded: Folded | None, event: e.AnyEvent) -> Folded | None:
        if folded is None:
            return None
        try:
            folded.apply(event)
        except Exception as error:
            # The event may be anything that can be decoded, so the fold may fail in any way.
            self._say(event.lsn, f"the event cannot be folded: {_why(error)}")
            return None
        return folded

    def _compare(self, lsn: int, one: Folded, other: Folded, text: str) -> None:
        left, right = _plain(one), _plain(other)
        if names := sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name)):
            self._say(lsn, f"{text} ({', '.join(names)})")

    def _judge(self, folded: Folded | None) -> None:
        """What the stream is at its end, against what is kept beside its records."""
        head = self._head
        if folded is None or folded.lsn != head.lsn:
            return
        self.folded = folded
        if folded.id != head.stream:
            self._say(head.lsn, f"the events are those of {folded.id[:80]!r}")
        if isinstance(folded, Transcript):
            for name, expected in expected_labels(folded).items():
                if (said := head.labels.get(name, "")) != expected:
                    self._say(head.lsn, f"the label {name!r} says {said[:80]!r}, the events {expected[:80]!r}")


def expected_labels(transcript: Transcript) -> dict[str, str]:
    """The labels that are stored together with what they tell of, so that they always agree with it."""
    return {
        "status": transcript.status,
        "queue": queue_state(len(transcript.queue), transcript.held is not None),
        SHARES: " ".join(share["hash"] for share in transcript.shares),
    }


async def streams(log: Log) -> AsyncIterator[str]:
    """Every living stream once, also those that move to the front of the list meanwhile."""
    seen: set[str] = set()
    found = True
    while found:
        found, before = False, None
        while page := await log.streams(before=before, limit=PAGE):
            before = page[-1].stream
            for head in page:
                if head.stream not in seen:
                    seen.add(head.stream)
                    found = True
                    yield head.stream


def named_files(value: object) -> set[str]:
    """The hashes of the files that JSON names, each by a string that says nothing else."""
    return {text.removeprefix(URL) for text in _texts(value) if NAMED.fullmatch(text)}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _plain(folded: Folded) -> JSON:
    return msgspec.json.decode(e.to_json(folded.to_json()))


def _why(error: Exception) -> str:
    """What is wrong with the shape of something, and never what it says."""
    return str(error).splitlines()[0] if isinstance(error, msgspec.MsgspecError) else type(error).__name__
