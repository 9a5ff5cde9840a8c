"""Waiting for a state, where there is no LSN to wait for."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return when this is true; the test's own time-out is the limit."""
    while True:
        found = true()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.01)
