"""Imports go one way: what docs/extending.md says of the floors of the house, read from every file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import jupyter_durable_chat

NAME = jupyter_durable_chat.__name__
HOUSE = Path(jupyter_durable_chat.__file__).parent

BELOW = {
    "events": set(),
    "log": set(),
    "transcript": {"events"},
    "readable": {"transcript"},
    "agents": {"events", "readable"},
    "turn": {"agents", "events"},
    "streams": {"commands", "log"},
    "notebook": {"events", "transcript", "readable", "rendezvous", "schema"},
}
"""What a room may know beside itself."""

ABOVE = {
    "session": {"registry", "server"},
    "registry": {"server"},
    "server": {"server", "store", "worker", ""},
    "notebook": {""},
    "store": {"worker"},
    "worker": {"server"},
}
"""Who may know of a room, beside itself; "" is the package, which imports when it is asked."""


def rooms(file: Path) -> Iterator[str]:
    """The rooms that this file imports, `TYPE_CHECKING` left out."""
    tree = ast.parse(file.read_text())
    checked = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    left_out = {inner for node in checked for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in left_out and (module := node.module or "").startswith(NAME):
            yield from [module.split(".")[1]] if "." in module else [alias.name for alias in node.names]


def room_of(file: Path) -> str:
    first = file.relative_to(HOUSE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


IMPORTS = {(room_of(file), known) for file in HOUSE.rglob("*.py") for known in rooms(file) if known != room_of(file)}


@pytest.mark.parametrize("room", BELOW)
def test_a_room_knows_what_is_below_it(room: str) -> None:
    assert {known for knows, known in IMPORTS if knows == room} <= BELOW[room]


@pytest.mark.parametrize("room", ABOVE)
def test_a_room_is_known_above_it_alone(room: str) -> None:
    assert {knows for knows, known in IMPORTS if known == room} <= ABOVE[room]
