"""What a long run has measured, and whether it grows: by the median of all slopes, which no single spike moves.

A quantity is judged by how much it has grown over the time judged, the slope times that time: a long run finds smaller
leaks than a short one, and both have the same limits.
"""

import statistics
from collections.abc import Mapping, Sequence
from itertools import combinations

from msgspec import Struct

MOST_POINTS = 400
"""Of which all pairs are looked at; of more points, the medians of neighbours."""


class Limit(Struct, frozen=True):
    """How much a quantity may grow over the time judged: this much, or this share of what it was."""

    absolute: float
    share: float = 0.0

    def allows(self, grown: float, first: float) -> bool:
        return grown <= max(self.absolute, self.share * first)

    def __str__(self) -> str:
        return f"{self.absolute:g}" + (f" or {self.share:.0%}" if self.share else "")


class Course(Struct, frozen=True):
    """How a quantity went: its level at first, in the middle and in the end, and its slope per hour."""

    start: float
    middle: float
    end: float
    most: float
    per_hour: float
    hours: float

    @property
    def grown(self) -> float:
        return self.per_hour * self.hours


Point = tuple[float, float]
"""Seconds, and a value."""


def slope(points: Sequence[Point]) -> float:
    """The median of the slopes of all pairs (Theil-Sen), per second."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1]
    return statistics.median(slopes) if slopes else 0.0


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most `MOST_POINTS`, each the median of neighbours."""
    size = -(-len(points) // MOST_POINTS)
    groups = [points[n : n + size] for n in range(0, len(points), size)] if points else []
    return [(statistics.median(x for x, _ in group), statistics.median(y for _, y in group)) for group in groups]


def course(points: Sequence[Point]) -> Course:
    """Of at least one point, in the order of time."""
    values = [y for _, y in points]
    third = max(1, len(values) // 3)
    ends = values[:third], values[third:-third] or values, values[-third:]
    start, middle, end = map(statistics.median, ends)
    hours = (points[-1][0] - points[0][0]) / 3600
    return Course(start, middle, end, max(values), slope(thinned(points)) * 3600, hours)


def grown(courses: Mapping[str, Course], limits: Mapping[str, Limit]) -> list[str]:
    """Those that have grown by more than they may."""
    return [name for name, limit in limits.items() if not limit.allows(courses[name].grown, courses[name].start)]


def table(courses: Mapping[str, Course], limits: Mapping[str, Limit]) -> list[str]:
    """A line for each, and one that says what the columns are."""
    lines = [f"{'':24}{'start':>10}{'middle':>10}{'end':>10}{'most':>10}{'per hour':>11}{'grown':>10}   limit"]
    too_much = grown(courses, {name: limits[name] for name in limits if name in courses})
    for name, went in courses.items():
        numbers = f"{went.start:10.1f}{went.middle:10.1f}{went.end:10.1f}{went.most:10.1f}"
        said = f"{limits[name]}{'  TOO MUCH' if name in too_much else ''}" if name in limits else "not judged"
        lines.append(f"{name:24}{numbers}{went.per_hour:+11.2f}{went.grown:+10.2f}   {said}")
    return lines
