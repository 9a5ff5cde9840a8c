"""What a server and the worker that it has started say to each other, a line of JSON at a time."""

from typing import Any, Self

import msgspec
from msgspec import Struct

from jupyter_durable_chat.facts import Fact, TurnFact
from jupyter_durable_chat.log.facts import LogFact

TOLD: dict[str, type[Fact]] = {kind.__name__: kind for kind in (*TurnFact.__args__, *LogFact.__args__)}
"""The facts of a worker, by their names."""


class Settings(Struct, frozen=True):
    """What the server says of itself, secrets included."""

    traits: dict[str, Any]
    names_people: bool
    path: list[str]
    """Where it finds its modules."""

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        return msgspec.json.decode(line, type=cls)

    def to_line(self) -> bytes:
        return msgspec.json.encode(self) + b"\n"


def to_line(fact: Fact) -> bytes:
    return msgspec.json.encode([type(fact).__name__, fact]) + b"\n"


def from_line(line: bytes) -> Fact | None:
    """The fact, or nothing where the line is none."""
    try:
        name, said = msgspec.json.decode(line)
        return msgspec.convert(said, TOLD[name])
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError):
        return None
