"""Who waits for which stream, and beyond which LSN.

A waiter is woken by being told where a stream ends now; nothing is polled. Being told is cheap when nobody waits, and
a waiter that is told of several streams before it runs again gets all of them.
"""

import asyncio
import sys
from collections.abc import Collection, Mapping

from jupyter_durable_chat.log import LogUnavailable

GONE = sys.maxsize
"""Where a deleted stream ends: beyond every LSN, so that all who wait for it learn of it."""


class _Waiter:
    __slots__ = ("after", "error", "ready", "woken")

    def __init__(self, after: Mapping[str, int]) -> None:
        self.after = after
        self.ready: set[str] = set()
        self.error: LogUnavailable | None = None
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self, _: object = None) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


class Waiters:
    """The waiters of one event loop."""

    def __init__(self) -> None:
        self._by_stream: dict[str, set[_Waiter]] = {}

    @property
    def streams(self) -> list[str]:
        """What somebody waits for."""
        return list(self._by_stream)

    async def wait(
        self, after: Mapping[str, int], timeout: float | None, looked: asyncio.Future[None] | None = None
    ) -> Collection[str]:
        """The streams that were told to go beyond `after`; empty after `timeout`, but not before `looked` is done."""
        waiter = _Waiter(dict(after))
        for stream in waiter.after:
            self._by_stream.setdefault(stream, set()).add(waiter)
        give_up = waiter.wake if looked is None else lambda: looked.add_done_callback(waiter.wake)
        timer = None if timeout is None else asyncio.get_running_loop().call_later(timeout, give_up)
        try:
            await waiter.woken
        finally:
            if timer is not None:
                timer.cancel()
            for stream in waiter.after:
                self._leave(stream, waiter)
        if waiter.error is not None:
            raise waiter.error
        return waiter.ready

    def _leave(self, stream: str, waiter: _Waiter) -> None:
        waiting = self._by_stream[stream]
        waiting.discard(waiter)
        if not waiting:
            del self._by_stream[stream]

    def tell(self, stream: str, end: int) -> None:
        """The stream ends at `end` now; `GONE` when it was deleted."""
        for waiter in self._by_stream.get(stream, ()):
            if end > waiter.after[stream]:
                waiter.ready.add(stream)
                waiter.wake()

    def fail(self, error: LogUnavailable) -> None:
        """Every `wait` under way raises `error`."""
        for waiting in self._by_stream.values():
            for waiter in waiting:
                waiter.error = error
                waiter.wake()
