"""Costs that can be counted do not grow faster than what they are for; `benchmarks/scale.py` tells seconds, too."""

import math
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.measure.counted import Cost, CountedSqlite
from benchmarks.measure.fit import exponent, last_exponent


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_exponent_of_a_power_is_that_power(power: float) -> None:
    costs = {size: 3 * size**power for size in (1, 10, 100, 1000)}
    assert math.isclose(exponent(costs), power, abs_tol=1e-9)
    assert math.isclose(last_exponent(costs), power, abs_tol=1e-9)


def test_what_is_off_on_both_sides_does_not_change_the_exponent() -> None:
    assert math.isclose(exponent({1: 2.0, 10: 5.0, 100: 200.0}), 1.0)


def test_a_constant_hides_growth_least_at_the_largest_sizes() -> None:
    costs = {size: 1000 + size**2 for size in (1, 10, 100, 1000)}
    assert exponent(costs) < 1.1 < last_exponent(costs)


@pytest.fixture
def log(tmp_path: Path) -> CountedSqlite:
    return CountedSqlite(tmp_path / "log.sqlite3")


FLOOR = {"steps": 2000, "rows": 1, "reads": 1, "bytes": 1}
"""What is less is not told apart: whether something is still in memory, say, is a matter of time."""

FLAT = 0.3
"""Of the same: on a busy machine an answer's pieces are stored in a few events more or less."""


def growth(costs: dict[int, Cost], kind: str) -> float:
    return last_exponent({size: max(getattr(cost, kind), FLOOR[kind]) for size, cost in costs.items()})


async def test_what_is_done_with_one_conversation_costs_the_same_however_many_there_are(log: CountedSqlite) -> None:
    found = await scale.by_stored(log, (200, 800), times=3)
    everything = {"storing them all", "search, all have it", "a look for what is old"}
    assert everything < set(found)
    for work, costs in found.items():
        limit = 1.1 if work in everything else FLAT
        for kind in ("steps", "rows", "reads"):
            assert growth(costs, kind) < limit, (work, kind, costs)


async def test_what_is_read_of_a_log_costs_the_same_however_long_it_is(log: CountedSqlite) -> None:
    found = await scale.by_events(log, (1000, 6000), times=3)
    everything = {"storing it", "folding all of it", "compacting it"}
    assert everything < set(found)
    for work, costs in found.items():
        limit = 1.1 if work in everything else FLAT
        for kind in ("steps", "bytes", "rows", "reads"):
            assert growth(costs, kind) < limit, (work, kind, costs)


async def test_a_turn_costs_the_store_the_same_however_much_was_said(log: CountedSqlite) -> None:
    found = await scale.by_turns(log, (8, 64), (8, 64), times=4)
    assert growth(found["opening it"], "bytes") < 1.1
    for kind in ("steps", "rows", "reads"):
        assert growth(found["opening it"], kind) < FLAT
        assert growth(found["one turn more"], kind) < FLAT
    # All snapshots together have a few times the bytes of the events; one after every turn had the square of them.
    whole = found["all of its turns"]
    assert all(growth(whole, kind) < 1.3 for kind in ("rows", "reads", "bytes"))


async def test_readers_ask_the_store_as_often_as_one_does(log: CountedSqlite) -> None:
    found = (await scale.by_readers(log, (4, 32)))["an answer to all"]
    assert growth(found, "steps") < FLAT and growth(found, "rows") == 0
    assert growth(found, "bytes") == pytest.approx(1)
    # Once for what has come, and once more to see that it was all; together with others' events, or each alone.
    assert all(cost.reads <= readers * 2 * (cost.rows + 1) for readers, cost in found.items())
