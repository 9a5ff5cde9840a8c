"""What the server has in memory, open, running and on the disk, every ten seconds: a line of JSON each."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx2
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.browser.jupyter import Jupyter
from tests.proof.soak.gauges import Course, Limit, course

MB = 1 << 20

LOG = "log (MB)"

LIMITS = {
    "memory (MB)": Limit(10),
    "objects (thousands)": Limit(10, 0.02),
    "tasks": Limit(2),
    "turns": Limit(0.5),
    "readers": Limit(0.5),
    "file handles": Limit(2),
    "threads": Limit(3),
    "sessions in memory": Limit(6),
    "journal (MB)": Limit(8),
    "attachments (MB)": Limit(1),
    "attachments of nobody": Limit(0.5),
    "attachments' folders": Limit(30),
    "other files (MB)": Limit(0.5),
    "other files": Limit(3),
}
"""Of what the server has while it rests, over the time that is judged. Its logs may grow.

Of threads there is a pool that fills; in a short run sessions do not leave memory, and more are made than deleted.
"""

SCRAPED = {
    "soak_tasks": ("tasks", 1),
    "soak_objects": ("objects (thousands)", 1000),
    "python_gc_objects_uncollectable_total": ("uncollectable", 1),
}


class Sample:
    """At a moment of a server's life, at rest or not."""

    def __init__(self, at: float, life: int, rest: bool, values: dict[str, float]) -> None:
        self.at = at
        self.life = life
        self.rest = rest
        self.values = values


def courses_of(samples: Sequence[Sample]) -> dict[str, Course]:
    """How everything went in them."""
    names = samples[0].values if samples else {}
    return {name: course([(sample.at, sample.values[name]) for sample in samples]) for name in names}


class Samples:
    """Taken of this server, and kept in `file` too, so that one may look while it runs."""

    def __init__(self, jupyter: Jupyter, store: Path, file: Path) -> None:
        self._jupyter = jupyter
        self._store = store
        self._file = file
        self._begun = time.monotonic()
        self.life = 0
        self.taken: list[Sample] = []

    async def take(self, http: httpx2.AsyncClient) -> None:
        """One under load; while there is no server, none."""
        if self._jupyter.runs:
            with suppress(httpx2.HTTPError, psutil.Error):
                self._keep(await self._values(http), rest=False)

    async def take_at_rest(self, http: httpx2.AsyncClient) -> None:
        """One of three, each value the middle one. Raises `httpx2.HTTPError`, `psutil.Error`."""
        three: list[dict[str, float]] = []
        for _ in range(3):
            three.append(await self._values(http))
            await asyncio.sleep(1)
        self._keep({name: statistics.median(values[name] for values in three) for name in three[0]}, rest=True)

    async def _values(self, http: httpx2.AsyncClient) -> dict[str, float]:
        return {**self._of_process(), **self._of_disk(), **await self._told(http)}

    def _keep(self, values: dict[str, float], rest: bool) -> None:
        sample = Sample(time.monotonic() - self._begun, self.life, rest, values)
        self.taken.append(sample)
        with self._file.open("a") as kept:
            kept.write(json.dumps({"at": round(sample.at, 1), "life": self.life, "rest": rest, **values}) + "\n")

    async def _told(self, http: httpx2.AsyncClient) -> dict[str, float]:
        metrics = (await http.get(f"{self._jupyter.url}metrics")).raise_for_status().text
        values = {
            SCRAPED[sample.name][0]: sample.value / SCRAPED[sample.name][1]
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name in SCRAPED and sample.labels.get("generation", "2") == "2"
        }
        health = (await http.get("health")).raise_for_status().json()
        return values | {
            "turns": health["turns"],
            "readers": health["readers"],
            "sessions in memory": health["sessions"],
        }

    def _of_process(self) -> dict[str, float]:
        server = psutil.Process(self._jupyter.pid)
        with server.oneshot():
            return {
                "memory (MB)": server.memory_info().rss / MB,
                "file handles": server.num_fds(),
                "threads": server.num_threads(),
            }

    def _of_disk(self) -> dict[str, float]:
        """What there is below the server's folder, but for what the server has printed."""
        store, journals = self._store, [Path(f"{self._store}{end}") for end in ("-wal", "-shm")]
        attachments = Path(f"{store}.attachments")
        log = journal = attached = others = 0
        alone = folders = count = 0
        for path in self._jupyter.folder.rglob("*"):
            try:
                found = path.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            folders += path.parent == attachments / "sessions"
            if path.is_dir() or path.name == "output":
                continue
            if path == store:
                log += found.st_size
            elif path in journals:
                journal += found.st_size
            elif attachments / "all" in path.parents:
                attached += found.st_size
                alone += found.st_nlink == 1
            elif attachments not in path.parents:
                others += found.st_size
                count += 1
        return {
            LOG: log / MB,
            "journal (MB)": journal / MB,
            "attachments (MB)": attached / MB,
            "attachments of nobody": alone,
            "attachments' folders": folders,
            "other files (MB)": others / MB,
            "other files": count,
        }
