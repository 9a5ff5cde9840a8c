"""Streams of anybody's bytes on every log: what is decided, what a fork stands on, when a stream has run out."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_durable_chat import streams as s
from jupyter_durable_chat.log import Log, StreamDeleted
from jupyter_durable_chat.log.memory import MemoryLog
from jupyter_durable_chat.log.postgres import PostgresLog
from jupyter_durable_chat.log.sqlite import SqliteLog
from tests.log.contract import Clock
from tests.postgres import Postgres

TEXT = "text/plain"
WANTED = s.Creation(TEXT)


def said(data: bytes, **more) -> s.Append:
    return s.Append(TEXT, data, **more)


async def everything(streams: s.Streams, path: str) -> bytes:
    """All data of a stream, as one reads it in small pages."""
    stream, after, data = await streams.open(path), 0, b""
    while True:
        page = await streams.read(stream, after, max_bytes=3)
        data += b"".join(page.data)
        if page.up_to_date and not page.data:
            return data
        after = page.end


SCHEMAS = itertools.count()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def log(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Log]:
    made: Log = MemoryLog(clock=clock)
    if request.param == "sqlite":
        made = SqliteLog(tmp_path / "log.sqlite3", clock=clock)
    elif request.param == "postgres":
        dsn = request.getfixturevalue("postgres").dsn()
        made = PostgresLog(dsn, schema=f"streams_{next(SCHEMAS)}", clock=clock)
    yield jp_asyncio_loop.run_until_complete(made.__aenter__())
    jp_asyncio_loop.run_until_complete(made.__aexit__())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def streams(log: Log, clock: Clock) -> s.Streams:
    return s.Streams(log, clock=clock)


# What data is


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        (b'{"a": 1}', b'{"a":1}'),
        (b'[{"a" : 1.50},\n "x\\ny"]', b'{"a":1.50},"x\\ny"'),
        (b"[[1, 2], [3]]", b"[1,2],[3]"),
        (b" [ [ ] ] ", b"[]"),
        (b"[]", b""),
        (b"12345678901234567890123", b"12345678901234567890123"),
        ('"ü"'.encode(), '"ü"'.encode()),
    ],
)
def test_json_is_kept_message_by_message_in_a_line_with_its_numbers_as_they_were(body: bytes, stored: bytes) -> None:
    assert s.messages(body) == stored


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{", b"[1,]", b"nul", b"[1] 2", b'"\xff"', b"[" * 100_000, b"NaN", b"'a'"]
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(s.Malformed):
        s.messages(body)


def test_an_empty_array_begins_a_stream_and_adds_nothing_to_one() -> None:
    assert s.records_of(b"[]", s.JSON_TYPE, True, first=True) == [b""]
    with pytest.raises(s.Malformed):
        s.records_of(b"[]", s.JSON_TYPE, False)


def test_the_beginning_of_a_record_is_counted_in_messages_or_bytes() -> None:
    assert s.beginning(b'{"a":[1,2]},3,"x,y"', 2, is_json=True) == b'{"a":[1,2]},3'
    assert s.beginning(b"hello", 5, is_json=False) == b"hello"
    for count, is_json in ((4, True), (20, False)):
        with pytest.raises(s.Malformed):
            s.beginning(b'{"a":[1,2]},3,"x"', count, is_json=is_json)


# Producers


async def test_a_producer_is_heard_once(streams: s.Streams) -> None:
    await streams.create("p", WANTED)

    async def send(epoch: int, seq: int, data: bytes = b"x") -> s.Appended:
        return await streams.append("p", said(data, producer=s.Producer("me", epoch, seq)))

    assert not (await send(0, 0)).again
    assert not (await send(0, 1)).again
    repeated = await send(0, 0, b"other")
    assert repeated.again and repeated.producer == s.Producer("me", 0, 1) and repeated.tail == 2
    with pytest.raises(s.Gap) as gap:
        await send(0, 3)
    assert (gap.value.expected, gap.value.received) == (2, 3)
    with pytest.raises(s.Malformed):
        await send(1, 1)
    await send(1, 0)
    with pytest.raises(s.StaleEpoch) as stale:
        await send(0, 2)
    assert stale.value.epoch == 1
    with pytest.raises(s.Gap):
        await streams.append("p", said(b"x", producer=s.Producer("you", 0, 1)))
    assert await everything(streams, "p") == b"xxx"


async def test_a_stream_has_so_many_producers_and_no_more(streams: s.Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s, "MAX_PRODUCERS", 2)
    await streams.create("p", WANTED)
    for name in ("a", "b"):
        await streams.append("p", said(b"x", producer=s.Producer(name, 0, 0)))
    with pytest.raises(s.Malformed):
        await streams.append("p", said(b"x", producer=s.Producer("c", 0, 0)))
    assert not (await streams.append("p", said(b"x", producer=s.Producer("a", 0, 1)))).again


async def test_many_retries_at_once_are_stored_once(log: Log, clock: Clock) -> None:
    """Each request is sent to two servers, several times, all at once."""
    servers = [s.Streams(log, clock=clock), s.Streams(log, clock=clock)]
    await servers[0].create("p", WANTED)
    await asyncio.gather(
        *(
            server.append("p", said(b"%d;" % seq, producer=s.Producer("me", 0, seq)))
            for seq in range(20)
            for server in servers
            for _ in range(3)
        )
    )
    assert await everything(servers[0], "p") == b"".join(b"%d;" % seq for seq in range(20))


async def test_what_many_add_at_once_is_stored_together(
    log: Log, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams, stored = s.Streams(log, clock=clock), []
    await streams.create("p", WANTED)
    append = log.append
    monkeypatch.setattr(log, "append", lambda *args, **kw: stored.append(len(args[1])) or append(*args, **kw))
    done = await asyncio.gather(*(streams.append("p", said(b"x")) for _ in range(100)))
    assert [answer.tail for answer in done] == list(range(1, 101))
    assert sum(stored) == 100 and len(stored) <= 3


async def test_one_refusal_in_a_batch_is_that_one_s_alone(streams: s.Streams) -> None:
    await streams.create("p", WANTED)
    asked = [said(b"a"), s.Append("text/html", b"b"), said(b"c", closes=True), said(b"d"), said(b"", closes=True)]
    done = await asyncio.gather(*(streams.append("p", one) for one in asked), return_exceptions=True)
    kinds = [type(answer) for answer in done]
    assert kinds == [s.Appended, s.Mismatch, s.Appended, s.Closed, s.Appended]
    assert await everything(streams, "p") == b"ac"


async def test_nothing_is_refused_on_what_another_server_has_changed_since(log: Log, clock: Clock) -> None:
    mine, other = s.Streams(log, clock=clock), s.Streams(log, clock=clock)
    await mine.create("p", WANTED)
    await mine.append("p", said(b"1", producer=s.Producer("me", 0, 0)))
    await other.append("p", said(b"2", producer=s.Producer("me", 0, 1)))
    assert not (await mine.append("p", said(b"3", producer=s.Producer("me", 0, 2)))).again
    await other.delete("p")
    with pytest.raises(s.NoStream):
        await mine.append("p", said(b"4"))
    await other.create("p", WANTED)
    await mine.append("p", said(b"5"))
    await other.append("p", said(b"", closes=True))
    with pytest.raises(s.Closed):
        await mine.append("p", said(b"6"))
    assert await everything(mine, "p") == b"5"


async def test_a_stream_is_full_at_its_limit(log: Log, clock: Clock) -> None:
    streams = s.Streams(log, max_bytes=5, clock=clock)
    await streams.create("p", replace_data(b"abc"))
    done = await asyncio.gather(
        streams.append("p", said(b"defg")), streams.append("p", said(b"de")), return_exceptions=True
    )
    assert [type(answer) for answer in done] == [s.TooMuch, s.Appended]
    with pytest.raises(s.TooMuch):
        await streams.create("q", replace_data(b"abcdef"))
    assert await everything(streams, "p") == b"abcde"


def replace_data(data: bytes) -> s.Creation:
    return s.Creation(TEXT, data)


async def test_one_owner_s_streams_are_not_another_s(postgres: Postgres) -> None:
    schema = f"streams_{next(SCHEMAS)}"
    async with (
        PostgresLog(postgres.dsn(), schema=schema, owner="ann") as ann,
        PostgresLog(postgres.dsn(), schema=schema, owner="bob") as bob,
    ):
        hers, his = s.Streams(ann), s.Streams(bob)
        await hers.create("p", replace_data(b"hers"))
        with pytest.raises(s.NoStream):
            await his.open("p")
        with pytest.raises(s.NoStream):
            await his.create("fork", s.Creation(None, forked_from="p"))
        await his.create("p", replace_data(b"his"))
        await his.delete("p")
        assert await everything(hers, "p") == b"hers"


# Time


async def test_a_stream_lives_as_long_as_it_is_used(streams: s.Streams, clock: Clock) -> None:
    await streams.create("p", s.Creation(TEXT, ttl=100))
    for use in (
        lambda: streams.append("p", said(b"x")),
        lambda: touched(streams, "p"),
        lambda: waited(streams, "p"),
        lambda: touched(streams, "p"),
    ):
        clock.now += 99
        await use()
    clock.now += 106
    with pytest.raises(s.NoStream):
        await streams.open("p")


async def touched(streams: s.Streams, path: str) -> None:
    await streams.touch(await streams.open(path))


async def waited(streams: s.Streams, path: str) -> None:
    stream = await streams.open(path)
    await streams.wait(stream, stream.tail, 0)


async def test_looking_at_a_stream_does_not_prolong_it_and_reading_it_often_writes_little(
    log: Log, streams: s.Streams, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await streams.create("p", s.Creation(TEXT, ttl=100))
    append, stored = log.append, []
    monkeypatch.setattr(log, "append", lambda *args, **kw: stored.append(args) or append(*args, **kw))
    for _ in range(100):
        clock.now += 1
        await touched(streams, "p")
    assert len(stored) <= 20
    for _ in range(10):
        clock.now += 9.9
        await streams.open("p")
    clock.now += 10
    with pytest.raises(s.NoStream):
        await streams.open("p")


async def test_what_has_run_out_goes_when_others_come(log: Log, streams: s.Streams, clock: Clock) -> None:
    for number in range(50):
        await streams.create(f"short/{number}", s.Creation(TEXT, b"x", ttl=10))
    await streams.create("long", s.Creation(TEXT, b"x", ttl=10_000))
    await streams.create("dated", s.Creation(TEXT, b"x", expires_at="1970-01-01T00:20:00Z"))
    clock.now += 300
    for number in range(4):
        clock.now += 2
        await streams.create(f"new/{number}", WANTED)
    left = [head.key for head in await log.streams(labels=s.EXPIRES)]
    assert left == [s.stream_key("long")]


async def test_a_new_stream_has_nothing_of_an_old_one_at_its_path(streams: s.Streams, clock: Clock) -> None:
    first, _ = await streams.create("p", s.Creation(TEXT, b"old", ttl=10))
    await streams.append("p", said(b"x", producer=s.Producer("me", 3, 0), seq="9"))
    clock.now += 20
    second, is_new = await streams.create("p", s.Creation(s.JSON_TYPE, b"[1]"))
    assert is_new and second.id != first.id and await everything(streams, "p") == b"1"
    await streams.append("p", s.Append(s.JSON_TYPE, b"2", producer=s.Producer("me", 0, 0), seq="1"))


# Forks


async def test_a_fork_of_forks_reads_through_all_of_them(streams: s.Streams) -> None:
    await streams.create("a", replace_data(b"1"))
    for path, source, data in (("b", "a", b"2"), ("c", "b", b"3"), ("d", "c", b"4")):
        await streams.create(path, s.Creation(None, data, forked_from=source))
        await streams.append(source, said(b"!"))
    assert await everything(streams, "d") == b"1234"
    stream, _ = await streams.create("e", s.Creation(None, forked_from="d", fork_lsn=2))
    assert await everything(streams, "e") == b"12"
    assert len(stream.config.lineage) == 2, "only what it reads"
    stream, _ = await streams.create("f", s.Creation(None, b"x", forked_from="d", fork_lsn=0))
    assert stream.config.lineage == () and await everything(streams, "f") == b"x"


async def test_a_stream_goes_with_the_last_of_its_forks(log: Log, streams: s.Streams) -> None:
    await streams.create("a", replace_data(b"1"))
    await streams.create("b", s.Creation(None, b"2", forked_from="a"))
    await streams.create("c", s.Creation(None, b"3", forked_from="b"))
    names = [(await streams.open(path)).id for path in "abc"]
    for path in "ab":
        await streams.delete(path)
        with pytest.raises(s.Gone):
            await streams.open(path)
        with pytest.raises(s.Taken):
            await streams.create(path, WANTED)
    assert await everything(streams, "c") == b"123"
    await streams.delete("c")
    for name in names:
        with pytest.raises(StreamDeleted):
            await log.head(name)
    assert (await streams.create("a", WANTED))[1]


async def test_a_source_that_runs_out_is_kept_for_its_forks(streams: s.Streams, clock: Clock) -> None:
    await streams.create("a", s.Creation(TEXT, b"1", ttl=10))
    await streams.create("b", s.Creation(None, forked_from="a", ttl=1000))
    clock.now += 20
    with pytest.raises(s.Gone):
        await streams.open("a")
    assert await everything(streams, "b") == b"1"
    with pytest.raises(s.Taken):
        await streams.create("c", s.Creation(None, forked_from="a"))


@pytest.mark.parametrize("at", range(8))
async def test_a_fork_and_a_delete_at_once_leave_a_whole_fork_or_none(log: Log, clock: Clock, at: int) -> None:
    """The delete begins at every step of the fork, from another server."""
    streams, other = s.Streams(log, clock=clock), s.Streams(log, clock=clock)
    await streams.create("a", replace_data(b"1"))

    async def later() -> None:
        for _ in range(at):
            await asyncio.sleep(0)
        await other.delete("a")

    forked, _ = await asyncio.gather(
        streams.create("b", s.Creation(None, b"2", forked_from="a")), later(), return_exceptions=True
    )
    if isinstance(forked, tuple):
        assert await everything(streams, "b") == b"12"
        await streams.delete("b")
    else:
        assert isinstance(forked, (s.Taken, s.NoStream))
    assert not await log.streams(labels=s.KIND)


async def test_forks_have_an_end_of_their_generations(streams: s.Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s, "MAX_GENERATIONS", 2)
    await streams.create("a", replace_data(b"1"))
    await streams.create("b", s.Creation(None, b"2", forked_from="a"))
    await streams.create("c", s.Creation(None, b"3", forked_from="b"))
    with pytest.raises(s.Malformed):
        await streams.create("d", s.Creation(None, b"4", forked_from="c"))


# Whatever is done, in whatever order


@dataclass
class Model:
    """A stream as it should be."""

    data: list[bytes] = field(default_factory=list)
    closed: bool = False
    deleted: bool = False
    source: str | None = None


PATHS = st.sampled_from("abcd")
DOINGS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), PATHS, st.binary(max_size=3)),
        st.tuples(st.just("fork"), PATHS, PATHS, st.integers(0, 6), st.binary(max_size=3)),
        st.tuples(st.just("append"), PATHS, st.binary(min_size=1, max_size=3), st.booleans()),
        st.tuples(st.just("delete"), PATHS),
    ),
    max_size=30,
)


@given(DOINGS)
def test_whatever_is_done_streams_are_as_they_should_be(doings: list[tuple]) -> None:
    asyncio.run(tell(doings))


async def tell(doings: list[tuple]) -> None:
    model: dict[str, Model] = {}

    def forks(path: str) -> bool:
        return any(other.source == path for other in model.values())

    def remove(path: str) -> None:
        if forks(path):
            model[path].deleted = True
            return
        source = model.pop(path).source
        if source is not None and model[source].deleted:
            remove(source)

    async with MemoryLog() as log:
        streams = s.Streams(log)

        async def tried(doing) -> bool:
            try:
                await doing
            except s.StreamError:
                return False
            return True

        for what, path, *more in doings:
            there = model.get(path)
            if what == "create":
                ok = await tried(streams.create(path, s.Creation(TEXT, *more)))
                same = there is not None and not (there.deleted or there.closed or there.source)
                assert ok == (there is None or same)
                if there is None:
                    model[path] = Model([data for data in more if data])
            elif what == "fork":
                source, lsn, data = more
                ok = await tried(streams.create(path, s.Creation(None, data, forked_from=source, fork_lsn=lsn)))
                known = model.get(source)
                if there is None:
                    can = known is not None and not known.deleted and lsn <= len(known.data)
                    assert ok == can
                    if known and can:
                        model[path] = Model(known.data[:lsn] + ([data] if data else []), source=source)
            elif what == "append":
                data, closes = more
                ok = await tried(streams.append(path, said(data, closes=closes)))
                assert ok == (there is not None and not there.deleted and not there.closed)
                if ok and there:
                    there.data.append(data)
                    there.closed = closes
            else:
                ok = await tried(streams.delete(path))
                assert ok == (there is not None and not there.deleted)
                if ok:
                    remove(path)
        for path in "abcd":
            known = model.get(path)
            if known is None or known.deleted:
                with pytest.raises(s.NoStream if known is None else s.Gone):
                    await streams.open(path)
            else:
                stream = await streams.open(path)
                assert (stream.tail, stream.closed) == (len(known.data), known.closed)
                assert await everything(streams, path) == b"".join(known.data)
        assert len(await log.streams(labels=s.KIND)) == len(model), "and nothing else is kept"
