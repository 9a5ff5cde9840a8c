"""Which kernels are there to run what they offered.

A runner is one life of a kernel's process. It is there while it has a connection; a connection that breaks may come
back within `GRACE_SECONDS`, unless another runner has taken the kernel's place. The operating system closes the
connection of a process that dies, and keeps that of one that is busy: a function that holds the interpreter for an
hour is no dead kernel.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator

GRACE_SECONDS = 15.0


class Runners:
    """Of this process. A runner that it never saw is taken for one whose connection just broke."""

    def __init__(self, grace: float = GRACE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = grace
        self._clock = clock
        self._connected: Counter[str] = Counter()
        self._changed = asyncio.Event()

    @contextlib.contextmanager
    def connected(self, runner: str) -> Iterator[None]:
        """The runner has a connection while in here."""
        self._connected[runner] += 1
        self._tell()
        try:
            yield
        finally:
            self._connected[runner] -= 1
            if not self._connected[runner]:
                del self._connected[runner]
            self._tell()

    async def gone(self, runner: str, replaced: Callable[[], bool], seen: Callable[[], object]) -> None:
        """Return when this runner is gone for good.

        `replaced()` says that its kernel has another one by now; `seen()` changes when another server, to which it is
        connected, says that it is there.
        """
        since: float | None = None
        sign = seen()
        while True:
            changed = self._changed
            if runner in self._connected:
                since = None
            elif seen() != sign:
                since, sign = self._clock(), seen()
            else:
                since = since if since is not None else self._clock()
                if replaced() or self._clock() >= since + self._grace:
                    return
            # Others are looked at from time to time: what they say comes with the log.
            left = 1.0 if since is None else min(1.0, max(0.0, since + self._grace - self._clock()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
