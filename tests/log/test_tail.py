import pytest

from jupyter_durable_chat.log.tail import FRESH_SECONDS, OVERHEAD, Tail
from tests.log.contract import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tail(clock):
    return Tail(max_bytes=10 * (OVERHEAD + 1), clock=clock)


def lsns(tail: Tail, stream: str, after: int, limit: int = 1000, max_bytes: int = 1000) -> list[int]:
    return [record.lsn for record in tail.read(stream, after, limit, max_bytes)]


def test_it_gives_what_follows_or_nothing(tail):
    tail.extend("s", 6, [b"5", b"6"])
    tail.extend("s", 7, [b"7"])
    assert tail.read("s", 5, 10, 10) == [(6, b"6"), (7, b"7")]
    assert lsns(tail, "s", 4) == [5, 6, 7]
    assert lsns(tail, "s", 4, limit=2) == [5, 6]
    assert lsns(tail, "s", 4, max_bytes=2) == [5, 6]
    assert lsns(tail, "s", 3) == lsns(tail, "s", 7) == lsns(tail, "s", 99) == lsns(tail, "t", 0) == []


def test_records_of_others_in_between_leave_no_hole(tail):
    tail.extend("s", 2, [b"1", b"2"])
    tail.extend("s", 4, [b"4"])
    assert lsns(tail, "s", 0) == lsns(tail, "s", 2) == []
    assert lsns(tail, "s", 3) == [4]
    tail.extend("s", 6, [])
    assert lsns(tail, "s", 3) == []


def test_the_oldest_go_when_it_is_full(tail):
    for lsn in range(1, 9):
        tail.extend("a", lsn, [b"x"])
    for lsn in range(1, 6):
        tail.extend("b", lsn, [b"x"])
    assert lsns(tail, "a", 2) == []
    assert lsns(tail, "a", 3) == [4, 5, 6, 7, 8]
    assert lsns(tail, "b", 0) == [1, 2, 3, 4, 5]
    tail.extend("c", 10, [b"x"] * 10)
    assert lsns(tail, "a", 7) == lsns(tail, "b", 4) == []
    assert lsns(tail, "c", 0) == list(range(1, 11))
    tail.extend("c", 11, [b"x" * 100_000])
    assert lsns(tail, "c", 10) == []


def test_what_is_dropped_makes_room(tail):
    for i in range(100):
        tail.extend(f"s{i}", 5, [b"x"] * 5)
        tail.drop(f"s{i}")
    tail.drop("never")
    tail.extend("a", 10, [b"x"] * 10)
    assert lsns(tail, "a", 0) == list(range(1, 11))


def test_it_is_silent_about_what_has_not_moved_for_long(tail, clock):
    tail.extend("s", 1, [b"1"])
    clock.now += FRESH_SECONDS
    assert lsns(tail, "s", 0) == [1]
    tail.extend("s", 2, [b"2"])
    clock.now += FRESH_SECONDS
    assert lsns(tail, "s", 0) == [1, 2]
    clock.now += 0.001
    assert lsns(tail, "s", 0) == []
