"""What a person's message may hold beside its text; whatever is stored is read by every page, for ever."""

from collections.abc import Sequence
from typing import Any

NEEDED = {"text": ("text",), "file": ("mediaType", "url")}
"""The strings that a part of each type has; a `data-*` part has whatever it likes."""


def wrong(parts: Sequence[dict[str, Any]], where: str = "parts") -> str | None:
    """What is wrong with these, with the place and the word quoted; `None` where nothing is."""
    for index, part in enumerate(parts):
        place = f"{where}[{index}]"
        if problem := _no_string(part, "type", place):
            return problem
        kind = part["type"]
        if kind not in NEEDED and not kind.startswith("data-"):
            return f"{place}.type takes 'text', 'file' or 'data-NAME', and not {shown(kind)}."
        for name in NEEDED.get(kind, ()):
            if problem := _no_string(part, name, place):
                return problem
    return None


def _no_string(part: dict[str, Any], name: str, where: str) -> str | None:
    if name not in part:
        return f"{where} has no {name}, which takes a string."
    return None if isinstance(part[name], str) else f"{where}.{name} takes a string, and not {shown(part[name])}."


def shown(value: object) -> str:
    """A value as an error may quote it."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"
