"""Markdown of somebody else, as it may be shown by a viewer that believes it: nothing is fetched, nothing is markup.

A picture becomes a link, a tag becomes text, what is not to be seen is named, and an open fence is closed. Code stays
as it is where it is certain that every viewer takes it for code; where viewers could differ, it is treated like prose.

The same strings as `js/src/view/markup.ts`; `tests/vectors/static/static.json` holds both to them.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Literal

from jupyter_durable_chat.readable.unseen import named

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\n]*)")
_INNER_FENCE = re.compile(r"[ \t]*(?:(?:[-+*>]|\d{1,9}[.)])[ \t]*)*(?:`{3,}|~{3,})")
_TICKS = re.compile(r"\\.|`+")
_TAG = re.compile(r"(?<!\\)(\\*)<(?=[A-Za-z/!?])(?!(?:https?://|mailto:)[^\s<>`]*>)")
_BARE = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*/?>")
_ACTIVE = re.compile(
    r"</?(?:base|embed|frameset|iframe|link|math|meta|noembed|noframes|noscript|object|plaintext|script|select|style|svg"
    r"|template|textarea|title|xmp)\b",
    re.IGNORECASE,
)
_TAKES_TICKS = re.compile(r"://|www\.|mailto:|\$")
"""Addresses and formulas may have what else begins code."""
_BEGINNING = re.compile(r"[ \t]*(?:(?:[-+*>]|\d{1,9}[.)])[ \t]*)*")
_IMAGE = re.compile(r"(?<!\\)(\\*)(?<!!)(!+)\[")
_WHOLE = re.compile(r"\][(\[]")

Kind = Literal["code", "prose", "unclear"]


def harmless(text: str) -> str:
    """Markdown that fetches nothing, with its fences closed."""
    shown: list[str] = []
    fence = ""
    for kind, group in groupby(_rows(text), key=lambda row: row[0]):
        rows: list[str] = []
        for _, row, fence in group:  # noqa: B007, the last one counts
            rows.append(row)
        if kind == "code":
            shown += map(named, rows)
        elif kind == "unclear":
            shown += (_disarmed(named(row), True) for row in rows)
        else:
            shown += _prose(rows)
    return "\n".join([*shown, fence] if fence else shown)


def legible(text: str) -> str:
    """Text, not to be read as Markdown by anybody, in which what is not to be seen is named."""
    return "\n".join(named(row, prose=kind == "prose") for kind, row, _ in _rows(text))


def _rows(text: str) -> Iterator[tuple[Kind, str, str]]:
    """Each row with the fence that is open behind it, and as what every viewer takes it.

    A fence inside of something (`inner`), which only some find there, is over where a row begins at the edge: at once
    for another fence, and for anything else after a blank row. Of a fence that is indented itself nobody knows where it
    ends once something in it is indented less.
    """
    fence, indent, clear, inner, after_blank = "", 0, True, False, False
    for row in text.split("\n"):
        found = FENCE.fullmatch(row)
        marks, info = found.groups() if found else ("", "")
        is_inner = not found and _INNER_FENCE.match(row) is not None
        if fence:
            if indent and row.strip(" \t") and (_indent(row) < indent or is_inner):
                clear = False
            is_end = marks[:1] == fence[0] and len(marks) >= len(fence) and not info.strip(" \t")
            fence = "" if is_end else fence
            yield "code" if clear else "unclear", row, fence
        else:
            opens = marks != "" and not (marks[0] == "`" and "`" in info)
            if inner and row[:1] not in ("", " ", "\t") and (opens or (after_blank and not is_inner)):
                clear, inner = True, False
            elif opens:
                inner = False
            elif is_inner:
                clear, inner = False, inner or clear
            if opens:
                fence, indent = marks, _indent(row)
            kind: Kind = "code" if opens else "prose"
            yield kind if clear else "unclear", row, fence
        after_blank = not row.strip(" \t")


def _indent(row: str) -> int:
    return len(row) - len(row.lstrip(" "))


def _prose(rows: list[str]) -> Iterator[str]:
    """Rows outside of fences, by paragraphs: code spans count where no viewer could pair their marks otherwise."""
    for blank, group in groupby(rows, key=lambda row: not row.strip(" \t")):
        paragraph = list(group)
        if blank:
            yield from paragraph
            continue
        spans = [_spans(row) for row in paragraph]
        is_clear = all(found is not None for found in spans)
        for row, found in zip(paragraph, spans, strict=True):
            yield _row(row, found or []) if is_clear else _disarmed(named(row), True)


def _row(row: str, spans: list[tuple[int, int]]) -> str:
    shown, end = "", 0
    for start, stop in spans:
        shown += _disarmed(named(row[end:start], prose=True), end == 0) + named(row[start:stop])
        end = stop
    return shown + _disarmed(named(row[end:], prose=True), end == 0)


def _spans(row: str) -> list[tuple[int, int]] | None:
    """Where the code spans of a row are; nothing if a viewer could see others."""
    if "`" not in row:
        return []
    runs = [found for found in _TICKS.finditer(row) if found[0][0] == "`"]
    if runs and _TAKES_TICKS.search(row):
        return None
    spans: list[tuple[int, int]] = []
    place = 0
    while place < len(runs):
        opening = runs[place]
        place = next((other for other in range(place + 1, len(runs)) if runs[other][0] == opening[0]), -1)
        if place < 0 or re.search(r"\||\\`", row[opening.end() : runs[place].start()]):
            return None
        spans.append((opening.start(), runs[place].end()))
        place += 1
    return spans


def _disarmed(text: str, begins: bool) -> str:
    """Prose without tags that could do something, or begin a block, and without pictures."""
    beginning = _BEGINNING.match(text).end() if begins else -1  # pyright: ignore[reportOptionalMemberAccess]

    def tag(found: re.Match[str]) -> str:
        bare = _BARE.match(text, found.end(1)) and not _ACTIVE.match(text, found.end(1))
        # An address in front would take a backslash for its own.
        return found[0] if bare and found.start() != beginning else f"{_even(found[1])}&lt;"

    # What is not there is found sooner so, and nothing else runs while a pattern looks through a row.
    text = _TAG.sub(tag, text) if "<" in text else text
    if "![" not in text:
        return text
    last = max((found.start() for found in _WHOLE.finditer(text)), default=-1)

    def link(found: re.Match[str]) -> str:
        slashes, marks = found.groups()
        is_whole = slashes == _even(slashes) and found.end() < last
        return f"{slashes}[" if is_whole else f"{_even(slashes)}{marks}\\["

    return _IMAGE.sub(link, text)


def _even(slashes: str) -> str:
    """Without the one that escapes what follows."""
    return slashes[len(slashes) % 2 :]
