"""What a log tells of its work, as it happens, to whoever counts it: never a record, a name or a key.

A log tells from whatever thread it works in, so who is told takes each fact at once, from anywhere, and raises nothing.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from jupyter_durable_chat.log import Fenced, LogUnavailable


class Appended(Struct, frozen=True):
    """An append is stored, so many seconds after it was asked for."""

    store: str
    seconds: float


class FencedOff(Struct, frozen=True):
    """An append was refused: it came from a writer that has lost its lease."""

    store: str


class Unstored(Struct, frozen=True):
    """An append failed, as the store could not be used."""

    store: str


class Flushed(Struct, frozen=True):
    """So many operations, appends or others, were stored by one commit."""

    store: str
    operations: int


LogFact = Appended | FencedOff | Unstored | Flushed

Tell = Callable[[LogFact], None]


def silent(_: Any) -> None:
    """Tell nobody."""


@contextlib.contextmanager
def appending(store: str, tell: Tell) -> Iterator[None]:
    """Tell what becomes of the append in here; of one that conflicts, which is decided on anew, nothing."""
    asked = time.perf_counter()
    try:
        yield
    except Fenced:
        tell(FencedOff(store))
        raise
    except LogUnavailable:
        tell(Unstored(store))
        raise
    tell(Appended(store, time.perf_counter() - asked))
