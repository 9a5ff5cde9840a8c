"""Ctrl-C ends the call that runs, wherever it runs.

Between its cells a kernel ignores it, and while a cell awaits, it is the cell's.
"""

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interruptible() -> Iterator[None]:
    """Have Ctrl-C raise `KeyboardInterrupt` in here; between its cells a kernel ignores it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def held_back() -> Iterator[None]:
    """Have Ctrl-C that comes in here raise `KeyboardInterrupt` at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


async def cancelled_by_interrupt(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Await it, in the main thread so that Ctrl-C cancels it."""
    if threading.current_thread() is not threading.main_thread():
        return await coroutine
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(coroutine)

    def cancel(*_: object) -> None:
        loop.call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGINT, cancel)
    try:
        return await task
    finally:
        signal.signal(signal.SIGINT, before)
