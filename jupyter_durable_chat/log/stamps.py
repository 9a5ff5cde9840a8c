"""Whether a store may have changed, by the times and sizes of its files, which cost next to nothing to look at.

A file system stamps with a clock that may tick as seldom as every two seconds, and a commit need not change a size.
So a change can hide behind an earlier one of the same tick, and stamps are trusted only once they are older than that.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

SETTLED_SECONDS = 2.5


class Stamps:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: list[tuple[int, int, int] | None] = []
        self._since = 0.0
        self._settled = False

    def changed(self, path: Path) -> bool:
        """Whether the SQLite store at `path` may have changed since the last call; the first time it has."""
        stamps, now = [_stamp(f"{path}{side}") for side in ("", "-wal")], self._clock()
        if stamps != self._last:
            self._last, self._since, self._settled = stamps, now, False
        changed = not self._settled
        self._settled = now - self._since > SETTLED_SECONDS
        return changed


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
