"""Any sequence of operations leaves a log as it leaves the plainest model of one."""

import asyncio
import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jupyter_durable_chat.log import Log
from jupyter_durable_chat.log.memory import MemoryLog
from jupyter_durable_chat.log.postgres import PostgresLog
from jupyter_durable_chat.log.sqlite import SqliteLog
from tests.log.contract import Clock
from tests.postgres import Postgres

NAMES = st.sampled_from(["a", "b", "c", "d"])
KEYS = st.none() | st.sampled_from(["k", "l"])
HOLDERS = st.sampled_from(["me", "you"])
RECORDS = st.lists(st.binary(max_size=20), max_size=4)
LABELS = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["", "1", "2"]))
SUMMARY = st.binary(max_size=5)
NUMBER = st.integers(0, 6)


@dataclass
class Stream:
    key: str | None
    order: int
    updated: float
    labels: dict[str, str]
    summary: bytes
    records: list[bytes] = field(default_factory=list)
    epoch: int = 0
    holder: str | None = None
    until: float = 0
    deleted: bool = False


class Refused(Exception):
    """The name of the error that the log must raise."""


class Model:
    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}

    def living(self, name: str) -> Stream:
        if name not in self.streams:
            raise Refused("UnknownStream")
        if self.streams[name].deleted:
            raise Refused("StreamDeleted")
        return self.streams[name]

    def create(self, now, name, records, key, labels, summary):
        for other, stream in self.streams.items():
            if key is not None and stream.key == key and not stream.deleted:
                return other
        if name in self.streams:
            raise Refused("ValueError")
        kept = {label: value for label, value in labels.items() if value}
        self.streams[name] = Stream(key, len(self.streams), now, kept, summary, list(records))
        return name

    def append(self, now, name, records, epoch, after, labels, summary, key, release):
        if release and epoch is None:
            raise Refused("ValueError")
        stream = self.living(name)
        if epoch not in (None, stream.epoch):
            raise Refused("Fenced")
        if after not in (None, len(stream.records)):
            raise Refused("Conflict")
        stream.records += records
        for label, value in labels.items():
            stream.labels.pop(label, None)
            if value:
                stream.labels[label] = value
        if summary is not None:
            stream.summary, stream.updated = summary, now
        if key is not None:
            for other in self.streams.values():
                other.key = None if other.key == key else other.key
            stream.key = key or None
        if release:
            stream.holder = None
        return len(stream.records)

    def read(self, name, after, limit, max_bytes):
        stream = self.living(name)
        if after > len(stream.records):
            raise Refused("AheadOfLog")
        found = list(enumerate(stream.records, 1))[after:][:limit]
        return [r for i, r in enumerate(found) if i == 0 or sum(len(data) for _, data in found[:i]) < max_bytes]

    def lease(self, now, name, holder, seconds, over):
        stream = self.living(name)
        if stream.holder not in (None, holder) and stream.until > now and over != stream.epoch:
            raise Refused("LeaseHeld")
        stream.epoch, stream.holder, stream.until = stream.epoch + 1, holder, now + seconds
        return stream.epoch

    def renew(self, now, holder, seconds):
        for stream in self.streams.values():
            if stream.holder == holder:
                stream.until = now + seconds

    def delete(self, name, after):
        if name in self.streams and self.streams[name].deleted:
            return
        stream = self.living(name)
        if after not in (None, len(stream.records)):
            raise Refused("Conflict")
        stream.deleted, stream.holder, stream.records = True, None, []

    def listed(self, labels, before, limit):
        if before is not None and before not in self.streams:
            raise Refused("UnknownStream")
        start = self.streams[before] if before is not None else None
        found = [
            (stream.updated, stream.order, name)
            for name, stream in self.streams.items()
            if not stream.deleted
            and all(stream.labels.get(label, "") == value for label, value in labels.items())
            and (start is None or (stream.updated, stream.order) < (start.updated, start.order))
        ]
        return [name for *_, name in sorted(found, reverse=True)[:limit]]

    def beyond(self, after):
        streams = self.streams
        return {n for n, lsn in after.items() if n in streams and (streams[n].deleted or len(streams[n].records) > lsn)}

    def leases(self):
        return {(n, s.holder, s.epoch, s.until) for n, s in self.streams.items() if s.holder}


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.model = Model()
        self.runner = asyncio.Runner()
        self.log = self.open()
        self.run(self.log.__aenter__())

    def open(self) -> Log:
        raise NotImplementedError

    def run(self, happens):
        return self.runner.run(asyncio.wait_for(happens, 10))

    def teardown(self) -> None:
        self.run(self.log.__aexit__(None, None, None))
        self.runner.close()

    def same(self, expected, happens):
        """What the log answers, or the error that it and the model agree on."""
        try:
            wanted = expected()
        except Refused as refused:
            with pytest.raises(Exception) as raised:
                self.run(happens)
            assert type(raised.value).__name__ == str(refused)
            return None
        got = self.run(happens)
        return wanted, got

    def equal(self, expected, happens):
        if answers := self.same(expected, happens):
            assert answers[0] == answers[1]

    @rule(name=NAMES, records=RECORDS, key=KEYS, labels=LABELS, summary=SUMMARY)
    def create(self, name, records, key, labels, summary):
        answers = self.same(
            lambda: self.model.create(self.clock.now, name, records, key, labels, summary),
            self.log.create(name, records, key=key, labels=labels, summary=summary),
        )
        if answers:
            assert answers[0] == answers[1].stream

    @rule(
        name=NAMES, records=RECORDS, epoch=st.none() | NUMBER, after=st.none() | NUMBER, labels=LABELS,
        summary=st.none() | SUMMARY, key=KEYS | st.just(""), release=st.booleans(),
    )  # fmt: skip
    def append(self, name, records, epoch, after, labels, summary, key, release):
        more = {"epoch": epoch, "after": after, "labels": labels, "summary": summary, "key": key, "release": release}
        self.equal(
            lambda: self.model.append(self.clock.now, name, records, **more), self.log.append(name, records, **more)
        )

    @rule(name=NAMES, records=RECORDS)
    def grow(self, name, records):
        self.append(name, records, None, None, {}, None, None, False)

    @rule(name=NAMES, after=NUMBER, limit=st.integers(1, 10), max_bytes=st.integers(1, 60))
    def read(self, name, after, limit, max_bytes):
        self.equal(
            lambda: self.model.read(name, after, limit, max_bytes),
            self.log.read(name, after, limit=limit, max_bytes=max_bytes),
        )

    @rule(name=NAMES, holder=HOLDERS, seconds=st.integers(1, 9), over=st.none() | NUMBER)
    def lease(self, name, holder, seconds, over):
        self.equal(
            lambda: self.model.lease(self.clock.now, name, holder, seconds, over),
            self.log.lease(name, holder, seconds, over=over),
        )

    @rule(holder=HOLDERS, seconds=st.integers(1, 9))
    def renew(self, holder, seconds):
        self.equal(lambda: self.model.renew(self.clock.now, holder, seconds), self.log.renew(holder, seconds))

    @rule(name=NAMES, after=st.none() | NUMBER)
    def delete(self, name, after):
        self.equal(lambda: self.model.delete(name, after), self.log.delete(name, after=after))

    @rule(labels=LABELS, before=st.none() | NAMES, limit=st.integers(1, 4))
    def streams(self, labels, before, limit):
        async def listed():
            return [head.stream for head in await self.log.streams(labels=labels, before=before, limit=limit)]

        self.equal(lambda: self.model.listed(labels, before, limit), listed())

    @rule(after=st.dictionaries(NAMES, NUMBER))
    def wait(self, after):
        async def ready():
            return set(await self.log.wait(after, 0))

        self.equal(lambda: self.model.beyond(after), ready())

    @rule(seconds=st.integers(1, 10))
    def time_passes(self, seconds):
        self.clock.now += seconds

    @invariant()
    def everything_is_the_same(self):
        for name, stream in self.model.streams.items():
            if not stream.deleted:
                head = self.run(self.log.head(name))
                assert (head.lsn, head.epoch, head.updated) == (len(stream.records), stream.epoch, stream.updated)
                assert (head.labels, head.summary, head.key) == (stream.labels, stream.summary, stream.key)
        leases = self.run(self.log.leases())
        assert {(lease.stream, lease.holder, lease.epoch, lease.until) for lease in leases} == self.model.leases()


class MemoryLogMachine(LogMachine):
    def open(self) -> Log:
        return MemoryLog(clock=self.clock)


class SqliteLogMachine(LogMachine):
    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        super().__init__()

    def open(self) -> Log:
        return SqliteLog(Path(self.folder.name) / "log.sqlite3", clock=self.clock)

    @rule()
    def open_again(self):
        self.run(self.log.__aexit__(None, None, None))
        self.log = self.open()
        self.run(self.log.__aenter__())

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


class PostgresLogMachine(LogMachine):
    server: Postgres
    schemas = itertools.count()

    def __init__(self) -> None:
        self.schema = f"model_{next(self.schemas)}"
        super().__init__()

    def open(self) -> Log:
        return PostgresLog(self.server.dsn(), schema=self.schema, clock=self.clock)

    @rule()
    def open_again(self):
        self.run(self.log.__aexit__(None, None, None))
        self.log = self.open()
        self.run(self.log.__aenter__())


class TestMemoryLog(MemoryLogMachine.TestCase):
    settings = settings(max_examples=50, stateful_step_count=40)


class TestSqliteLog(SqliteLogMachine.TestCase):
    settings = settings(max_examples=25, stateful_step_count=40)


@pytest.mark.usefixtures("modelled")
class TestPostgresLog(PostgresLogMachine.TestCase):
    settings = settings(max_examples=15, stateful_step_count=40)

    @pytest.fixture
    def modelled(self, postgres):
        PostgresLogMachine.server = postgres
