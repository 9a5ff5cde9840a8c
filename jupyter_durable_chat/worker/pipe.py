"""What a server and the worker that it has started say to each other, a line at a time."""

import base64
import os
import pickle
from collections.abc import Iterator
from typing import Any, Self

import msgspec
from msgspec import Struct

from jupyter_durable_chat.facts import Fact, TurnFact
from jupyter_durable_chat.log.facts import LogFact

TOLD: dict[str, type[Fact]] = {kind.__name__: kind for kind in (*TurnFact.__args__, *LogFact.__args__)}
"""The facts of a worker, by their names."""


class Settings(Struct, frozen=True):
    """What the server says of itself, secrets included; any values that a configuration may have."""

    traits: dict[str, Any]
    names_people: bool
    path: list[str]
    """Where it finds its modules."""

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        return cls(*pickle.loads(base64.b64decode(line)))

    def to_line(self) -> bytes:
        return base64.b64encode(pickle.dumps((self.traits, self.names_people, self.path))) + b"\n"


def to_line(fact: Fact) -> bytes:
    return msgspec.json.encode([type(fact).__name__, fact]) + b"\n"


def from_line(line: bytes) -> Fact | None:
    """The fact, or nothing where the line is none."""
    try:
        name, said = msgspec.json.decode(line)
        return msgspec.convert(said, TOLD[name])
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError):
        return None


def lines(descriptor: int) -> Iterator[bytes]:
    """The lines that come, until the end. No buffer of Python's is held, so a thread that reads may be left behind."""
    rest = b""
    while piece := os.read(descriptor, 1 << 16):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
