"""Waiting for a state, where there is no LSN to wait for."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import psutil


async def eventually(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return when this is true; the test's own time-out is the limit."""
    while True:
        found = true()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether the process has ended, be it that nobody has taken note of it yet."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True
