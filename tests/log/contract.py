"""The contract of `Log` as tests.

A backend runs them by subclassing `LogContract`, or `SharedLogContract` when several instances can open one store, and
giving `open_log`: a callable that makes a log, closed as yet, on the store of this test.
"""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from jupyter_durable_chat.log import (
    AheadOfLog,
    Compacted,
    Conflict,
    Fenced,
    Lease,
    LeaseHeld,
    Log,
    LogUnavailable,
    Record,
    StreamDeleted,
    UnknownStream,
)
from jupyter_durable_chat.log.facts import Appended, FencedOff, Flushed, Unstored

OpenLog = Callable[..., Log]


class Clock:
    """Time that stands still until it is set."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def read_all(log: Log, stream: str, after: int = 0, **limits: int) -> list[bytes]:
    """All records after `after`, read to the end; fails on a hole."""
    found: list[bytes] = []
    while records := await log.read(stream, after, **limits):
        assert [record.lsn for record in records] == list(range(after + 1, after + 1 + len(records)))
        found += [record.data for record in records]
        after = records[-1].lsn
    return found


async def names(log: Log, **query) -> list[str]:
    return [head.stream for head in await log.streams(**query)]


async def turns() -> None:
    """Give the event loop's other tasks all the steps they can take without waiting for anything."""
    for _ in range(10):
        await asyncio.sleep(0)


ON_A_STREAM: dict[str, Callable[[Log, str], object]] = {
    "append": lambda log, stream: log.append(stream, [b"x"]),
    "read": lambda log, stream: log.read(stream, 0),
    "head": lambda log, stream: log.head(stream),
    "lease": lambda log, stream: log.lease(stream, "me", 10),
}

ON_A_LOG: dict[str, Callable[[Log], object]] = {
    **{name: lambda log, call=call: call(log, "s") for name, call in ON_A_STREAM.items()},
    "create": lambda log: log.create("t", []),
    "find": lambda log: log.find("k"),
    "streams": lambda log: log.streams(before="s"),
    "delete": lambda log: log.delete("s"),
    "renew": lambda log: log.renew("me", 10),
    "leases": lambda log: log.leases(),
    "wait": lambda log: log.wait({"s": 0}),
    "wait for nothing": lambda log: log.wait({}),
}


class LogContract:
    async def test_it_tells_of_what_it_stores_and_of_what_it_refuses(self, open_log):
        told = []
        async with open_log(tell=told.append) as log:
            await log.create("s", [b"secret"])
            old = await log.lease("s", "me", 10)
            new = await log.lease("s", "me", 10)
            told.clear()
            await log.append("s", [b"secret"], epoch=new)
            with pytest.raises(Fenced):
                await log.append("s", [b"secret"], epoch=old)
            with pytest.raises(Conflict):
                await log.append("s", [b"secret"], after=0)
        [appended] = [fact for fact in told if isinstance(fact, Appended)]
        [fenced] = [fact for fact in told if isinstance(fact, FencedOff)]
        flushes = [fact.operations for fact in told if isinstance(fact, Flushed)]
        assert appended.seconds >= 0 and appended.store == fenced.store
        assert flushes and all(operations >= 1 for operations in flushes)
        assert not any("secret" in str(fact) or "'s'" in str(fact) for fact in told)

    async def test_a_log_that_cannot_store_tells_so(self, open_log):
        told = []
        async with open_log(tell=told.append) as log:
            await log.create("s", [])
        told.clear()
        with pytest.raises(LogUnavailable):
            await log.append("s", [b"x"])
        assert [type(fact) for fact in told] == [Unstored]

    @pytest.fixture
    def open_log(self) -> OpenLog:
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def log(self, open_log: OpenLog, clock: Clock, jp_asyncio_loop) -> Iterator[Log]:
        log = open_log(clock=clock)
        jp_asyncio_loop.run_until_complete(log.__aenter__())
        yield log
        jp_asyncio_loop.run_until_complete(log.__aexit__(None, None, None))

    # Creating

    async def test_a_new_stream_is_as_it_was_given(self, log, clock):
        head = await log.create("s", [b"one", b"two"], labels={"a": "1", "empty": ""}, summary=b"sum")
        assert (head.stream, head.lsn, head.epoch, head.summary) == ("s", 2, 0, b"sum")
        assert head.labels == {"a": "1"}
        assert head.created == head.updated == clock.now
        assert await log.head("s") == head
        assert await log.read("s", 0) == [(1, b"one"), (2, b"two")]

    async def test_a_stream_may_begin_empty(self, log):
        assert (await log.create("s", [])).lsn == 0
        assert await log.read("s", 0) == []
        assert await log.append("s", [b"one"]) == 1

    async def test_a_key_gives_the_living_stream_untouched(self, log):
        first = await log.create("s", [b"one"], key="k", labels={"a": "1"}, summary=b"sum")
        assert await log.create("other", [b"x", b"y"], key="k", labels={"b": "2"}, summary=b"new") == first
        assert await read_all(log, "s") == [b"one"]
        with pytest.raises(UnknownStream):
            await log.head("other")

    async def test_creating_again_by_key_changes_no_record(self, log):
        await log.create("s", [b"one"], key="k")
        await log.create("s", [b"other"], key="k")
        assert await read_all(log, "s") == [b"one"]

    async def test_one_key_is_one_stream_when_many_create_at_once(self, log):
        heads = await asyncio.gather(*(log.create(f"s{i}", [b"%d" % i], key="k") for i in range(30)))
        assert len({head.stream for head in heads}) == 1
        assert await names(log) == [heads[0].stream]

    async def test_a_name_is_given_once(self, log):
        await log.create("s", [], key="k")
        for key in (None, "other"):
            with pytest.raises(ValueError, match="'s'"):
                await log.create("s", [], key=key)
        await log.delete("s")
        with pytest.raises(ValueError, match="'s'"):
            await log.create("s", [])

    async def test_deleting_frees_the_key(self, log):
        await log.create("s", [b"old"], key="k")
        await log.delete("s")
        assert (await log.create("t", [b"new"], key="k")).stream == "t"

    async def test_a_stream_is_found_by_its_key_while_it_lives(self, log):
        key = "/" + "a long path" * 40
        assert await log.find(key) is None
        await log.create("s", [b"one"], key=key, labels={"a": "1"}, summary=b"sum")
        await log.create("t", [], key=key + "!")
        await log.append("s", [b""])
        assert await log.find(key) == await log.head("s")
        await log.delete("s")
        assert await log.find(key) is None
        assert await log.find("") is None

    async def test_a_key_is_given_replaced_and_removed(self, log):
        await log.create("s", [], key="k")
        await log.append("s", [b"1"], key="new")
        assert (await log.head("s")).key == "new"
        assert (await log.create("t", [], key="k")).stream == "t"
        assert (await log.create("u", [], key="new")).stream == "s"
        await log.append("s", [], key="")
        assert (await log.head("s")).key is None
        assert (await log.create("u", [], key="new")).stream == "u"
        await log.append("s", [])
        assert (await log.head("s")).key is None

    async def test_who_is_given_a_key_takes_it_from_whoever_has_it(self, log):
        await log.create("s", [], key="k")
        await log.create("t", [], key="other")
        await log.append("t", [], key="k")
        assert [(await log.head(name)).key for name in ("s", "t")] == [None, "k"]
        await log.append("t", [], key="k")
        await log.append("s", [], key="other")
        assert [(await log.head(name)).key for name in ("s", "t")] == ["other", "k"]
        await log.delete("t")
        await log.append("s", [], key="k")
        assert (await log.create("u", [], key="k")).stream == "s"

    async def test_a_key_that_is_refused_is_not_given(self, log):
        await log.create("s", [], key="k")
        await log.create("t", [b"1"])
        with pytest.raises(Conflict):
            await log.append("t", [b"2"], after=0, key="k")
        assert [(await log.head(name)).key for name in ("s", "t")] == ["k", None]

    async def test_a_summary_may_leave_the_order_alone(self, log, clock):
        await log.create("s", [])
        before = (await log.head("s")).updated
        clock.now += 1
        await log.append("s", [], summary=b"new", touch=False)
        head = await log.head("s")
        assert (head.summary, head.updated) == (b"new", before)

    # Appending

    async def test_lsns_are_dense_from_one(self, log):
        await log.create("s", [b"1"])
        assert await log.append("s", [b"2", b"3"]) == 3
        assert await log.append("s", [b"4"]) == 4
        assert await log.append("s", []) == 4
        assert await read_all(log, "s") == [b"1", b"2", b"3", b"4"]
        assert (await log.head("s")).lsn == 4

    async def test_streams_are_numbered_apart(self, log):
        await asyncio.gather(*(log.create(f"s{i}", []) for i in range(20)))
        ends = await asyncio.gather(*(log.append(f"s{i % 20}", [b"%d" % i]) for i in range(200)))
        assert sorted(ends) == sorted(list(range(1, 11)) * 20)

    async def test_a_batch_stays_together_among_many_writers(self, log):
        await log.create("s", [])

        async def write(writer: int) -> None:
            for batch in range(10):
                records = [b"%d %d %d" % (writer, batch, i) for i in range(3)]
                end = await log.append("s", records)
                assert [r.data for r in await log.read("s", end - 3, limit=3)] == records

        await asyncio.gather(*(write(writer) for writer in range(20)))
        stored = await read_all(log, "s")
        assert len(stored) == 600
        assert all(stored[i][:-1] == stored[i + 2][:-1] for i in range(0, 600, 3))

    async def test_a_record_is_any_bytes(self, log):
        records = [b"", b"\x00\xff", bytes(range(256)) * 4000, "…".encode()]
        await log.create("s", records)
        assert await read_all(log, "s") == records

    async def test_an_append_is_readable_when_it_is_acknowledged(self, log):
        await log.create("s", [])
        for lsn in range(1, 20):
            await log.append("s", [b"x"])
            assert (await log.head("s")).lsn == lsn
            assert [r.lsn for r in await log.read("s", lsn - 1)] == [lsn]

    async def test_only_the_stream_s_epoch_may_write(self, log):
        await log.create("s", [], labels={"a": "1"}, summary=b"sum")
        assert await log.append("s", [b"1"], epoch=0) == 1
        old = await log.lease("s", "one", 10)
        new = await log.lease("s", "two", 10, over=old)
        before = await log.head("s")
        for epoch in (0, old, new + 1):
            with pytest.raises(Fenced, match="'s'"):
                await log.append("s", [b"x"], epoch=epoch, labels={"a": "2"}, summary=b"x", release=True)
        assert await log.head("s") == before
        assert [lease.holder for lease in await log.leases()] == ["two"]
        assert await log.append("s", [b"2"], epoch=new) == 2
        assert await log.append("s", [b"3"]) == 3

    async def test_after_refuses_who_has_not_seen_the_end(self, log):
        await log.create("s", [b"1", b"2"])
        for after in (0, 1, 3):
            with pytest.raises(Conflict) as refused:
                await log.append("s", [b"x"], after=after, labels={"a": "1"}, summary=b"x")
            assert refused.value.last_lsn == 2
        assert (await log.head("s")).labels == {}
        assert await log.append("s", [b"3"], after=2) == 3

    async def test_of_many_who_have_seen_the_same_one_appends(self, log):
        await log.create("s", [b"0"])

        async def increment() -> None:
            while True:
                last = (await log.read("s", (await log.head("s")).lsn - 1))[-1]
                try:
                    await log.append("s", [b"%d" % (int(last.data) + 1)], after=last.lsn)
                except Conflict:
                    continue
                return

        await asyncio.gather(*(increment() for _ in range(25)))
        assert await read_all(log, "s") == [b"%d" % i for i in range(26)]

    async def test_what_is_refused_takes_nothing_with_it(self, log):
        await log.create("s", [])
        epoch = await log.lease("s", "me", 10)
        good = [log.append("s", [b"%d" % i], epoch=epoch) for i in range(10)]
        bad = [
            log.append("s", [b"x"], epoch=epoch + 1),
            log.append("s", [b"x"], after=99),
            log.append("unknown", [b"x"]),
            log.create("s", [b"x"]),
            log.lease("s", "other", 10),
        ]
        outcomes = await asyncio.gather(*(op for pair in zip(good[:5], bad, strict=True) for op in pair), *good[5:],
                                        return_exceptions=True)  # fmt: skip
        assert [o for o in outcomes if isinstance(o, int)] == list(range(1, 11))
        assert [type(o) for o in outcomes if not isinstance(o, int)] == [
            Fenced, Conflict, UnknownStream, ValueError, LeaseHeld,
        ]  # fmt: skip
        assert await read_all(log, "s") == [b"%d" % i for i in range(10)]

    async def test_labels_are_merged_and_the_empty_removed(self, log):
        await log.create("s", [], labels={"a": "1", "b": "1"})
        await log.append("s", [], labels={"b": "2", "c": "2"})
        assert (await log.head("s")).labels == {"a": "1", "b": "2", "c": "2"}
        await log.append("s", [b"x"], labels={"a": "", "never": ""})
        assert (await log.head("s")).labels == {"b": "2", "c": "2"}

    async def test_updated_moves_with_the_summary_only(self, log, clock):
        await log.create("s", [], summary=b"old")
        clock.now = 1010.0
        await log.append("s", [b"x"], labels={"a": "1"})
        head = await log.head("s")
        assert (head.created, head.updated, head.summary) == (1000.0, 1000.0, b"old")
        await log.append("s", [], summary=b"")
        head = await log.head("s")
        assert (head.created, head.updated, head.summary) == (1000.0, 1010.0, b"")

    async def test_a_cancelled_append_happens_once_or_not_at_all(self, log):
        await log.create("s", [])
        for i in range(50):
            appending = asyncio.create_task(log.append("s", [b"cancelled %d" % i]))
            for _ in range(i % 3):
                await asyncio.sleep(0)
            appending.cancel()
            end = await log.append("s", [b"kept %d" % i])
            assert (await log.read("s", end - 1))[0].data == b"kept %d" % i
        stored = await read_all(log, "s")
        assert len(stored) == len(set(stored))
        assert [data for data in stored if data.startswith(b"kept")] == [b"kept %d" % i for i in range(50)]

    async def test_who_was_cancelled_may_use_its_list_again(self, log):
        await log.create("s", [])
        records = [b"as handed in"]
        appending = asyncio.create_task(log.append("s", records))
        await asyncio.sleep(0)
        appending.cancel()
        records[:] = [b"something", b"else"]
        await log.append("s", [b"end"])
        assert await read_all(log, "s") == [b"as handed in", b"end"]

    # Reading

    async def test_after_is_exclusive(self, log):
        await log.create("s", [b"1", b"2", b"3"])
        assert await log.read("s", 1) == [(2, b"2"), (3, b"3")]
        assert await log.read("s", 3) == []

    async def test_a_position_beyond_the_end_is_refused(self, log):
        await log.create("s", [b"1"])
        for after in (2, 1 << 63, 1 << 80):
            with pytest.raises(AheadOfLog, match=str(after)) as ahead:
                await log.read("s", after)
            assert ahead.value.last_lsn == 1
        with pytest.raises(ValueError, match="-1"):
            await log.read("s", -1)

    @pytest.mark.parametrize("fresh", [True, False], ids=["just appended", "from the beginning"])
    async def test_pages_keep_to_their_limits(self, log, fresh):
        await log.create("s", [] if fresh else [b"x" * 100] * 10)
        if fresh:
            await log.append("s", [b"x" * 100] * 10)
        assert [r.lsn for r in await log.read("s", 2, limit=3)] == [3, 4, 5]
        assert [r.lsn for r in await log.read("s", 0, max_bytes=250)] == [1, 2, 3]
        assert [r.lsn for r in await log.read("s", 4, max_bytes=1)] == [5]
        assert len(await read_all(log, "s", limit=1)) == len(await read_all(log, "s", max_bytes=1)) == 10

    async def test_eight_readers_and_one_that_comes_late(self, log):
        await log.create("s", [b"%d" % i for i in range(500)])
        total = 1000

        async def follow(limit: int) -> list[bytes]:
            found: list[bytes] = []
            while len(found) < total:
                records = await log.read("s", len(found), limit=limit)
                assert all(r.lsn == len(found) + i for i, r in enumerate(records, 1))
                found += [r.data for r in records]
                if not records:
                    await log.wait({"s": len(found)})
            return found

        readers = [asyncio.create_task(follow(limit)) for limit in (1, 2, 3, 7, 50, 100, 500, 1000)]
        for i in range(500, total):
            await log.append("s", [b"%d" % i])
            if i == 750:
                readers.append(asyncio.create_task(follow(10)))
        for reader in readers:
            assert await reader == [b"%d" % i for i in range(total)]

    @pytest.mark.parametrize("call", ON_A_STREAM.values(), ids=ON_A_STREAM)
    async def test_a_stream_that_is_not_there_has_its_own_error(self, log, call):
        await log.create("gone", [b"x"])
        await log.delete("gone")
        with pytest.raises(UnknownStream, match="'never'"):
            await call(log, "never")
        with pytest.raises(StreamDeleted, match="'gone'"):
            await call(log, "gone")

    # Waiting

    async def test_wait_returns_at_once_when_there_is_more(self, log):
        await log.create("a", [b"1"])
        await log.create("b", [b"1"])
        await log.create("gone", [b"1"])
        await log.delete("gone")
        assert set(await log.wait({"a": 0, "b": 1}, 0)) == {"a"}
        assert set(await log.wait({"a": 0, "b": 0}, 0)) == {"a", "b"}
        await log.append("b", [b"2"])
        assert set(await log.wait({"a": 0, "b": 1, "gone": 1, "never": 0})) == {"a", "b", "gone"}
        assert set(await log.wait({"a": 0})) == {"a"}
        assert set(await log.wait({"gone": 1})) == {"gone"}
        assert set(await log.wait({"gone": 99}, 0)) == {"gone"}

    async def test_wait_gives_up_after_its_timeout(self, log):
        await log.create("a", [b"1"])
        for timeout in (0, 0.01):
            assert not await log.wait({"a": 1, "never": 0}, timeout)
            assert not await log.wait({"a": 7}, timeout)
            assert not await log.wait({}, timeout)

    async def test_waiters_are_woken_by_what_happens_to_their_streams(self, log):
        await log.create("a", [])
        await log.create("b", [])
        await log.create("gone", [])
        waits = {
            "append": log.wait({"a": 0, "b": 0}),
            "delete": log.wait({"gone": 0, "b": 0}),
            "create": log.wait({"new": 0, "b": 0}),
            "nothing": log.wait({"b": 0, "never": 0}),
            "later": log.wait({"a": 1}),
        }
        waiting = {name: asyncio.create_task(wait) for name, wait in waits.items()}
        await turns()
        assert not any(task.done() for task in waiting.values())
        await log.append("a", [b"1"])
        await log.delete("gone")
        await log.create("new", [b"1"])
        # No polling: who is woken is awake by the time that the writer goes on.
        await turns()
        done = {name: set(task.result()) for name, task in waiting.items() if task.done()}
        assert done == {"append": {"a"}, "delete": {"gone"}, "create": {"new"}}
        await log.append("a", [b"2"])
        await log.append("b", [b"1"])
        assert set(await waiting["later"]) == {"a"}
        assert set(await waiting["nothing"]) == {"b"}

    async def test_one_append_wakes_a_thousand(self, log):
        await log.create("s", [])
        waiting = [asyncio.create_task(log.wait({"s": 0})) for _ in range(1000)]
        await turns()
        await log.append("s", [b"1"])
        assert all(set(ready) == {"s"} for ready in await asyncio.gather(*waiting))
        assert await asyncio.gather(*(log.read("s", 0) for _ in range(1000))) == [[(1, b"1")]] * 1000
        assert await asyncio.gather(*(log.read("s", 1) for _ in range(1000))) == [[]] * 1000

    async def test_a_wait_that_is_cancelled_leaves_the_others(self, log):
        await log.create("s", [])
        one, other = (asyncio.create_task(log.wait({"s": 0})) for _ in range(2))
        await turns()
        one.cancel()
        await turns()
        assert one.cancelled()
        await log.append("s", [b"1"])
        assert set(await other) == {"s"}

    async def test_a_read_that_is_cancelled_leaves_the_others(self, log):
        await log.create("s", [b"1"])
        reads = [asyncio.create_task(log.read("s", 0)) for _ in range(4)]
        await asyncio.sleep(0)
        reads[0].cancel()
        reads[2].cancel()
        assert await reads[1] == await reads[3] == [(1, b"1")]

    # Listing

    async def test_streams_are_listed_the_last_updated_first(self, log, clock):
        for name in "abc":
            await log.create(name, [])
        assert await names(log) == ["c", "b", "a"]
        clock.now += 1
        await log.append("a", [], summary=b"new")
        await log.append("b", [b"x"])
        assert await names(log) == ["a", "c", "b"]
        await log.delete("c")
        assert await names(log) == ["a", "b"]
        assert await log.streams() == [await log.head("a"), await log.head("b")]

    async def test_streams_are_listed_by_labels(self, log):
        for i in range(12):
            await log.create(f"s{i}", [], labels={"two": str(i % 2), "three": str(i % 3)})
        assert await names(log, labels={"two": "1"}) == [f"s{i}" for i in (11, 9, 7, 5, 3, 1)]
        assert await names(log, labels={"two": "1", "three": "0"}) == ["s9", "s3"]
        assert await names(log, labels={"two": "1", "never": "0"}) == []
        await log.append("s9", [], labels={"three": "1"})
        await log.append("s4", [], labels={"two": ""})
        assert await names(log, labels={"three": "1", "two": "1"}) == ["s9", "s7", "s1"]
        assert "s4" not in await names(log, labels={"two": "0"})
        assert await names(log, labels={"two": ""}) == ["s4"]
        assert await names(log, labels={"two": "", "three": "1"}) == ["s4"]
        assert await names(log, labels={"two": "", "three": "2"}) == []

    async def test_a_list_is_read_page_by_page(self, log, clock):
        for i in range(10):
            clock.now += i % 2
            await log.create(f"s{i}", [], labels={"even": str(i % 2)})
        everything = await names(log)
        pages: list[str] = []
        while page := await names(log, before=pages[-1] if pages else None, limit=3):
            pages += page
        assert pages == everything == [f"s{i}" for i in reversed(range(10))]
        assert await names(log, before="s5", labels={"even": "0"}, limit=1) == ["s4"]
        assert await names(log, before="s0") == []

    async def test_a_list_goes_on_after_a_stream_that_was_deleted(self, log, clock):
        for i in range(4):
            clock.now += i % 2
            await log.create(f"s{i}", [])
        for gone, rest in ("s3", ["s2", "s1", "s0"]), ("s2", ["s1", "s0"]), ("s0", []):
            await log.delete(gone)
            assert await names(log, before=gone) == [name for name in rest if name != gone]
        with pytest.raises(UnknownStream, match="'never'"):
            await log.streams(before="never")

    # Deleting

    async def test_deleting_leaves_nothing_but_the_name(self, log):
        await log.create("s", [b"1"], key="k", labels={"a": "1"}, summary=b"x")
        await log.append("s", [b"2"])
        epoch = await log.lease("s", "me", 10)
        await log.delete("s")
        await log.delete("s")
        assert await log.leases() == await log.streams() == await log.streams(labels={"a": "1"}) == []
        for after in (0, 1, 2):
            with pytest.raises(StreamDeleted):
                await log.read("s", after)
        with pytest.raises(StreamDeleted):
            await log.append("s", [b"x"], epoch=epoch)
        with pytest.raises(UnknownStream):
            await log.delete("never")

    async def test_a_stream_that_has_grown_is_not_deleted(self, log):
        await log.create("s", [b"1"])
        seen = (await log.head("s")).lsn
        await log.append("s", [b"2"])
        with pytest.raises(Conflict):
            await log.delete("s", after=seen)
        assert await read_all(log, "s") == [b"1", b"2"]
        await log.delete("s", after=2)
        await log.delete("s", after=1)
        with pytest.raises(StreamDeleted):
            await log.head("s")

    # Leases

    async def test_a_lease_keeps_others_out_until_it_runs_out(self, log, clock):
        await log.create("s", [])
        epoch = await log.lease("s", "me", 10)
        assert await log.leases() == [Lease("s", "me", epoch, 1010.0)]
        clock.now = 1009.9
        with pytest.raises(LeaseHeld) as held:
            await log.lease("s", "you", 10)
        assert held.value.lease == Lease("s", "me", epoch, 1010.0)
        clock.now = 1010.0
        assert await log.leases() == [Lease("s", "me", epoch, 1010.0)]
        assert await log.lease("s", "you", 5) > epoch
        assert [(lease.holder, lease.until) for lease in await log.leases()] == [("you", 1015.0)]

    async def test_who_names_the_epoch_takes_a_lease_over(self, log):
        await log.create("s", [])
        first = await log.lease("s", "one", 10)
        second = await log.lease("s", "two", 10, over=first)
        assert second > first
        with pytest.raises(LeaseHeld):
            await log.lease("s", "three", 10, over=first)
        assert (await log.head("s")).epoch == second

    async def test_a_holder_may_lease_again_and_fences_itself(self, log):
        await log.create("s", [])
        first = await log.lease("s", "me", 10)
        second = await log.lease("s", "me", 10)
        assert second > first
        with pytest.raises(Fenced):
            await log.append("s", [b"x"], epoch=first)
        assert len(await log.leases()) == 1

    async def test_of_many_who_want_a_lease_one_has_it(self, log):
        await log.create("s", [])
        outcomes = await asyncio.gather(*(log.lease("s", f"holder {i}", 10) for i in range(20)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes].count(int) == 1
        assert [type(outcome) for outcome in outcomes].count(LeaseHeld) == 19

    async def test_a_lease_is_given_back_with_the_last_records(self, log):
        await log.create("s", [])
        first = await log.lease("s", "me", 10)
        assert await log.append("s", [b"end"], epoch=first, labels={"status": "idle"}, release=True) == 1
        assert await log.leases() == []
        assert await log.lease("s", "you", 10) > first
        with pytest.raises(ValueError, match="epoch"):
            await log.append("s", [], release=True)

    async def test_renewing_prolongs_what_is_not_lost(self, log, clock):
        for name in "abcd":
            await log.create(name, [])
        epochs = {name: await log.lease(name, "me", 10) for name in "abc"}
        await log.lease("d", "you", 10)
        await log.lease("c", "you", 10, over=epochs["c"])
        clock.now = 1020.0
        await log.renew("me", 10)
        await log.renew("nobody", 10)
        assert {lease.stream: (lease.holder, lease.until) for lease in await log.leases()} == {
            "a": ("me", 1030.0),
            "b": ("me", 1030.0),
            "c": ("you", 1010.0),
            "d": ("you", 1010.0),
        }
        assert await log.append("a", [b"x"], epoch=epochs["a"]) == 1

    # Closing

    @pytest.mark.parametrize("call", ON_A_LOG.values(), ids=ON_A_LOG)
    async def test_a_closed_log_is_unavailable(self, open_log, call):
        log = open_log()
        with pytest.raises(LogUnavailable):
            await call(log)
        async with log:
            await log.create("s", [b"1"])
            await log.append("s", [b"2"])
        with pytest.raises(LogUnavailable):
            await call(log)
        await log.__aexit__(None, None, None)

    async def test_closing_ends_every_wait(self, open_log):
        async with open_log() as log:
            await log.create("s", [])
            waiting = [asyncio.create_task(log.wait({"s": 0}, timeout)) for timeout in (None, 1000)]
            await turns()
        for wait in waiting:
            with pytest.raises(LogUnavailable):
                await wait

    async def test_closing_stores_what_was_handed_in(self, open_log):
        async with open_log() as log:
            await log.create("s", [])
            appending = [asyncio.create_task(log.append("s", [b"%d" % i])) for i in range(100)]
            await asyncio.sleep(0)
        assert await asyncio.gather(*appending) == list(range(1, 101))

    # Snapshots, compaction, search

    async def test_the_newest_snapshot_is_kept(self, log: Log) -> None:
        await log.create("s", [b"1", b"2", b"3"])
        assert await log.snapshot("s") is None
        await log.save_snapshot("s", Record(2, b"two"))
        await log.save_snapshot("s", Record(1, b"one"))
        assert await log.snapshot("s") == Record(2, b"two")
        await log.save_snapshot("s", Record(3, b"three"))
        assert await log.snapshot("s") == Record(3, b"three")
        with pytest.raises(AheadOfLog):
            await log.save_snapshot("s", Record(4, b"four"))
        for call in (log.snapshot("none"), log.compact("none"), log.save_snapshot("none", Record(1, b""))):
            with pytest.raises(UnknownStream):
                await call

    async def test_compaction_removes_what_the_snapshot_stands_for_and_no_more(self, log: Log) -> None:
        await log.create("s", [b"1", b"2", b"3"])
        await log.compact("s")
        assert await read_all(log, "s") == [b"1", b"2", b"3"]
        await log.save_snapshot("s", Record(2, b"two"))
        await log.compact("s")
        await log.compact("s")
        for after in (0, 1):
            with pytest.raises(Compacted):
                await log.read("s", after)
        assert await read_all(log, "s", 2) == [b"3"]
        assert await log.append("s", [b"4"], after=3) == 4
        assert (await log.head("s")).lsn == 4 and await log.snapshot("s") == Record(2, b"two")

    async def test_others_append_while_much_is_compacted(self, log: Log) -> None:
        await log.create("s", [b"%d" % n for n in range(1, 7001)])
        await log.save_snapshot("s", Record(6990, b"much"))
        compacting = asyncio.create_task(log.compact("s"))
        assert await log.append("s", [b"7001"]) == 7001
        await compacting
        assert await read_all(log, "s", 6990) == [b"%d" % n for n in range(6991, 7002)]
        with pytest.raises(Compacted):
            await log.read("s", 6989)

    async def test_a_stream_that_is_all_snapshot_goes_on(self, log: Log) -> None:
        await log.create("s", [b"1", b"2"])
        await log.save_snapshot("s", Record(2, b"two"))
        await log.compact("s")
        with pytest.raises(Compacted):
            await log.read("s", 1)
        assert await log.read("s", 2) == []
        with pytest.raises(AheadOfLog):
            await log.read("s", 3)
        assert await log.append("s", [b"3"]) == 3
        assert await log.read("s", 2) == [Record(3, b"3")]

    async def test_a_stream_may_begin_with_a_snapshot(self, log: Log) -> None:
        assert (await log.create("s", [b"8"], base=Record(7, b"seven"))).lsn == 8
        assert await log.snapshot("s") == Record(7, b"seven")
        with pytest.raises(Compacted):
            await log.read("s", 6)
        assert await log.read("s", 7) == [Record(8, b"8")]
        assert await log.append("s", [b"9"], after=8) == 9

    async def test_the_size_of_a_stream_counts_what_was_compacted(self, log: Log) -> None:
        assert (await log.create("s", [b"123", b"45"])).size == 5
        await log.append("s", [b"6789"])
        await log.save_snapshot("s", Record(3, b""))
        await log.compact("s")
        assert (await log.head("s")).size == 9

    async def test_search_finds_all_words_by_their_beginnings(self, log: Log) -> None:
        await log.create("a", [])
        await log.append("a", [], words="The Mean of a column")
        await log.append("a", [], words="Écarts-types, naïvely")
        await log.create("b", [])
        await log.append("b", [], words="mean things")
        for search, found in {
            "mean": {"a", "b"},
            "MEAN colu": {"a"},
            "ecart types": {"a"},
            "column naive": {"a"},
            "median": set(),
            "ean": set(),
            "": {"a", "b"},
        }.items():
            assert set(await names(log, search=search)) == found, search
        for odd in ('"', "a OR b", "mean*", "text : x", "(", "NEAR(", "'; DROP TABLE words", "-", "\x00"):
            await names(log, search=odd)
        await log.delete("a")
        assert await names(log, search="mean") == ["b"]

    async def test_streams_that_were_not_updated_since(self, log: Log, clock: Clock) -> None:
        await log.create("old", [])
        clock.now += 10
        await log.create("new", [])
        assert await names(log, updated_before=clock.now) == ["old"]
        assert await names(log, updated_before=clock.now + 1) == ["new", "old"]

    async def test_deleted_leaves_no_snapshot(self, log: Log) -> None:
        await log.create("s", [b"1"])
        await log.save_snapshot("s", Record(1, b"one"))
        await log.delete("s")
        with pytest.raises(StreamDeleted):
            await log.snapshot("s")


class SharedLogContract(LogContract):
    """For a store that outlives its log and that several logs share."""

    @pytest.fixture
    def other(self, open_log: OpenLog, clock: Clock, log: Log, jp_asyncio_loop) -> Iterator[Log]:
        other = open_log(clock=clock)
        jp_asyncio_loop.run_until_complete(other.__aenter__())
        yield other
        jp_asyncio_loop.run_until_complete(other.__aexit__(None, None, None))

    async def test_everything_is_there_when_it_is_opened_again(self, open_log, clock):
        async with open_log(clock=clock) as log:
            await log.create("gone", [], key="gone")
            await log.delete("gone")
            await log.create("s", [b"1"], key="k", labels={"a": "1"}, summary=b"x")
            await log.append("s", [b"2", b"3"])
            await log.lease("s", "me", 10)
            head, leases = await log.head("s"), await log.leases()
        async with open_log(clock=clock) as log:
            assert await log.head("s") == head
            assert await log.leases() == leases
            assert await read_all(log, "s") == [b"1", b"2", b"3"]
            assert (await log.create("t", [], key="k")).stream == "s"
            with pytest.raises(StreamDeleted):
                await log.head("gone")
            assert await log.append("s", [b"4"]) == 4

    async def test_another_s_records_are_read_and_waited_for(self, log, other):
        await log.create("s", [b"1"])
        assert await other.read("s", 0) == [(1, b"1")]
        waiting = asyncio.create_task(other.wait({"s": 1, "t": 0}))
        await log.append("s", [b"2"])
        assert set(await waiting) == {"s"}
        assert await other.read("s", 1) == [(2, b"2")]
        assert set(await log.wait({"t": 0, "s": 1}, 0)) == {"s"}
        await log.append("s", [b"3"])
        assert set(await other.wait({"s": 2}, 0)) == {"s"}
        assert not await other.wait({"s": 3}, 0)

    async def test_a_wait_sees_another_s_every_commit(self, log, other):
        await log.create("s", [])

        async def follow(reader: Log) -> None:
            after = 0
            while after < 200:
                await reader.wait({"s": after})
                after = (await reader.read("s", after))[-1].lsn

        readers = [asyncio.create_task(follow(reader)) for reader in (log, other, other)]
        for i in range(200):
            await (log, other)[i // 3 % 2].append("s", [b"x"])
        await asyncio.gather(*readers)

    async def test_another_s_end_of_a_stream_is_told(self, log, other):
        await log.create("s", [b"1"])
        await log.append("s", [b"2"])
        waiting = asyncio.create_task(log.wait({"s": 2}))
        await other.delete("s")
        assert set(await waiting) == {"s"}
        for after in (0, 1, 2):
            with pytest.raises(StreamDeleted):
                await log.read("s", after)
        with pytest.raises(StreamDeleted):
            await log.append("s", [b"3"])

    async def test_reading_goes_past_what_was_just_appended_here(self, log, other):
        await log.create("s", [])
        writers = [log, log, other, log, other, other, log, log, other]
        for lsn, writer in enumerate(writers, 1):
            assert await writer.append("s", [b"%d" % lsn]) == lsn
            for reader in (log, other):
                for after in range(lsn + 1):
                    assert await read_all(reader, "s", after) == [b"%d" % i for i in range(after + 1, lsn + 1)]

    async def test_two_write_into_one_stream_without_a_hole(self, log, other):
        await log.create("s", [])
        writes = [(log, other)[i % 2].append("s", [b"%d" % i, b"%d" % i]) for i in range(200)]
        ends = await asyncio.gather(*writes)
        assert sorted(ends) == list(range(2, 401, 2))
        stored = await read_all(log, "s")
        assert stored == await read_all(other, "s")
        assert sorted(stored) == sorted(b"%d" % i for i in range(200) for _ in range(2))

    async def test_what_one_may_not_the_other_may_not(self, log, other):
        await log.create("s", [b"1"], key="k")
        epoch = await log.lease("s", "me", 10)
        await log.append("s", [b"2"])
        refused = {
            Conflict: other.append("s", [b"x"], after=1),
            Fenced: other.append("s", [b"x"], epoch=epoch + 1),
            LeaseHeld: other.lease("s", "you", 10),
            ValueError: other.create("s", []),
            AheadOfLog: other.read("s", 3),
        }
        for error, call in refused.items():
            with pytest.raises(error):
                await call
        taken = await other.lease("s", "you", 10, over=epoch)
        with pytest.raises(Fenced):
            await log.append("s", [b"x"], epoch=epoch)
        assert await other.append("s", [b"3"], epoch=taken) == 3

    async def test_one_key_is_one_stream_for_all(self, log, other):
        creating = [(log, other)[i % 2].create(f"s{i}", [], key="k") for i in range(20)]
        assert len({head.stream for head in await asyncio.gather(*creating)}) == 1
        assert await names(log) == await names(other)
        assert len(await names(log)) == 1
