"""What a page's main thread did, from Chromium's own trace.

Script is everything between a call into JavaScript and its return, with what it made the browser do meanwhile (collect
garbage, lay out at once). A frame reaches from one commit to the next; what ran in between is its cost, whether it ran
for a message, a timer or the frame itself.

All durations are the thread's own time, in milliseconds: what else the machine did meanwhile is nobody's cost here.
"""

import json
import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any

CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline", "v8.execute"]

SCRIPT = {
    "EvaluateScript",
    "EventDispatch",
    "FireAnimationFrame",
    "FunctionCall",
    "RunMicrotasks",
    "TimerFire",
    "v8.evaluateModule",
    "v8.run",
}

LONG = 50
"""From which on a task is a long one, as browsers say it."""

Interval = tuple[float, float]


class Trace:
    """Of the page that had most frames."""

    def __init__(self, raw: bytes) -> None:
        events: list[dict[str, Any]] = json.loads(raw)["traceEvents"]
        timed = [event for event in events if event["ph"] == "X" and "tdur" in event]
        main, _ = Counter((e["pid"], e["tid"]) for e in timed if e["name"] == "Commit").most_common(1)[0]
        mine = [event for event in timed if (event["pid"], event["tid"]) == main]
        self.script = list(union(spans(mine, SCRIPT)))
        self.tasks = [end - start for start, end in spans(mine, {"RunTask"})]
        self.commits = sorted(end for _, end in spans(mine, {"Commit"}))
        self.events = [
            (event["args"]["data"]["type"], *span(event)) for event in mine if event["name"] == "EventDispatch"
        ]
        begun = [event["ts"] for event in mine]
        self.busy = sum(self.tasks) * 1000 / (max(begun) - min(begun))

    @property
    def keys(self) -> list[float]:
        """Everything that was done between a key and the frame with what it typed."""
        found: list[float] = []
        pressed = 0.0
        for kind, start, end in sorted(self.events, key=itemgetter(1)):
            if kind == "keydown":
                pressed = start
            elif kind == "input" and pressed:
                found += [commit - pressed for commit in self.commits[bisect_left(self.commits, end) :][:1]]
                pressed = 0.0
        return found

    @property
    def frames(self) -> list[float]:
        """Script in each frame, in the order of the frames."""
        found = [0.0] * (len(self.commits) + 1)
        for start, end in self.script:
            found[bisect_left(self.commits, end)] += end - start
        return found[:-1]

    @property
    def long_tasks(self) -> list[float]:
        return [task for task in self.tasks if task > LONG]


def span(event: dict[str, Any]) -> Interval:
    return event["tts"] / 1000, (event["tts"] + event["tdur"]) / 1000


def spans(events: Iterable[dict[str, Any]], names: set[str]) -> list[Interval]:
    return [span(event) for event in events if event["name"] in names]


def union(intervals: Iterable[Interval]) -> Iterator[Interval]:
    """The same time, with what lies in something else, or overlaps it, counted once."""
    begun: Interval | None = None
    for start, end in sorted(intervals):
        if begun and start <= begun[1]:
            begun = begun[0], max(begun[1], end)
            continue
        if begun:
            yield begun
        begun = start, end
    if begun:
        yield begun


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
