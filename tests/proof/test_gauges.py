"""The judge of the soak: what grows is found in spite of spikes, and what only goes up and down is not."""

import math
import random

import pytest

from tests.proof.soak.gauges import Limit, Point, course, grown, slope, table

LIMITS = {"memory": Limit(10)}


def hours(count: float, per_hour: float, noise: float = 3.0) -> list[Point]:
    """Points every ten seconds, with a day's waves, chance, and a spike now and then."""
    chance = random.Random(7)
    return [
        (
            10.0 * n,
            100 + per_hour * n / 360 + noise * (math.sin(n / 40) + chance.random()) + 300 * (chance.random() < 0.02),
        )
        for n in range(int(360 * count))
    ]


@pytest.mark.parametrize(("per_hour", "too_much"), [(0.0, False), (-20.0, False), (8.0, True), (100.0, True)])
def test_what_grows_is_found_whatever_it_does_meanwhile(per_hour: float, too_much: bool) -> None:
    went = {"memory": course(hours(2, per_hour))}
    assert went["memory"].per_hour == pytest.approx(per_hour, abs=1.5)
    assert grown(went, LIMITS) == (["memory"] if too_much else [])
    assert ("TOO MUCH" in "\n".join(table(went, LIMITS))) == too_much


def test_a_handle_that_is_lost_at_every_rest_is_found() -> None:
    rests = [(600.0 * n, 40.0 + n) for n in range(11)]
    assert grown({"file handles": course(rests)}, {"file handles": Limit(2)}) == ["file handles"]


def test_one_rest_with_something_left_is_no_growth() -> None:
    rests = [(600.0 * n, 40.0 + 5 * (n == 4)) for n in range(11)]
    went = course(rests)
    assert (went.per_hour, went.most) == (0, 45)


def test_a_share_allows_what_is_large_more() -> None:
    assert Limit(10, 0.02).allows(19, 1000) and not Limit(10, 0.02).allows(19, 100)


def test_of_one_moment_nothing_can_be_told() -> None:
    assert slope([(1.0, 5.0)]) == 0 and course([(1.0, 5.0)]).grown == 0
