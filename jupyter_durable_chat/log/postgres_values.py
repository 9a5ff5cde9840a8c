"""What goes to PostgreSQL, in what it can keep."""

import sys
from collections.abc import Mapping

LONGEST_WORD = 100
"""What of a word is searched for, in characters."""


def bigint(number: int | None) -> int | None:
    """PostgreSQL's integers have 63 bits; Python's, and so a reader's, have not."""
    return number if number is None else min(number, sys.maxsize)


def plain(text: str) -> str:
    """As PostgreSQL can keep it: without NUL, and without halves of characters."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")


def plain_pairs(texts: Mapping[str, str]) -> dict[str, str]:
    return {plain(name): plain(value) for name, value in texts.items()}
