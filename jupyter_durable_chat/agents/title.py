"""What a conversation is called, and what is shown of it in a line.

A title is one short line, whoever wrote it: no line break, no control character and nothing that turns the direction of
what stands around it. It is `None` rather than empty.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

FROM_TEXT = 60
"""Most characters of a title that is made from the text."""

FROM_MODEL = 80
"""Most characters of a title that a model gave."""

EXAMINED = 2000
"""Characters that a title can come from."""

CODE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^`\n]*$(?:.*?^ {0,3}\1[^\n]*$|.*)", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^ {0,3}(?:`{3,}|~{3,}).*$", re.MULTILINE)
MAGIC = re.compile(r"^\s*(?:%%?|!)[A-Za-z_][^\n]*$", re.MULTILINE)
RULE = re.compile(r"^[\s|:*_=-]+$", re.MULTILINE)
IN_FRONT = re.compile(r"^\s*(?:(?:#{1,6}|>|[-*+]|\d{1,3}[.)])\s+|\|)+")
LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
MARKS = re.compile(r"(?<!\w)(\*\*\*|\*\*|~~|\*)(?=\S)(.+?)(?<=\S)\1(?!\w)")
SENTENCE = re.compile(r".*?(?:[!?](?=\s)|\.(?=\s+[^\sa-z])|[\u3002\uff01\uff1f])")

QUOTES = "\"'\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019"
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def title_of(messages: Sequence[dict[str, Any]]) -> str | None:
    """The first sentence that a person said in words, without its Markdown; at most `FROM_TEXT` characters."""
    for message in messages:
        if message["role"] == "user":
            words = MAGIC.sub("", CODE.sub("", text_of(message)[:EXAMINED]))
            if line := _first_line(words):
                sentence = SENTENCE.match(line)
                return _shortened((sentence[0] if sentence else line).rstrip(".:"), FROM_TEXT)
    return None


def line_of(text: str, most: int) -> str:
    """The first line of a text that says something, as plain text; empty when there is none."""
    return _shortened(_first_line(text[:EXAMINED]), most)


def words_of(text: str, most: int) -> str:
    """All of a text in one line, as plain text, without the marks of its Markdown; at most this many characters."""
    lines = map(_plain, RULE.sub("", FENCE.sub("", text[: 4 * most])).splitlines())
    return _shortened(" ".join(filter(None, lines)), most)


def as_title(said: str) -> str | None:
    """What a model gave as a title, at most `FROM_MODEL` characters of it."""
    line = _first_line(said[:EXAMINED]).removeprefix("Title: ").strip(QUOTES).rstrip(".")
    return _shortened(line, FROM_MODEL) if line else None


def excerpt(messages: Sequence[dict[str, Any]]) -> str:
    """The beginning of a conversation, as much of it as a title needs."""
    said = (f"{message['role']}: {text_of(message)[:EXAMINED]}" for message in messages[:2])
    return "\n\n".join(said)


def text_of(message: dict[str, Any]) -> str:
    """The words of a message, without its reasoning, tools and files; a line for each part."""
    # Logs of earlier versions have parts that nobody looked at.
    texts = (part.get("text") for part in message["parts"] if part.get("type") == "text")
    return "\n".join(text for text in texts if isinstance(text, str))


def _first_line(text: str) -> str:
    """The first line with a letter or a digit in it, as plain text; empty when there is none."""
    lines = map(_plain, RULE.sub("", text).splitlines())
    return next((line for line in lines if any(map(str.isalnum, line))), "")


def _plain(line: str) -> str:
    """The line without marks; `_` stays, because names are full of it."""
    line = LINK.sub(r"\1", IN_FRONT.sub("", line).replace("`", ""))
    while (bare := MARKS.sub(r"\2", line)) != line:
        line = bare
    seen = (c for c in line.expandtabs(1) if unicodedata.category(c) not in ("Cc", "Cs") and c not in DIRECTIONS)
    return " ".join("".join(seen).split())


def _shortened(line: str, most: int) -> str:
    """At most this many characters: whole words, and an ellipsis where others were."""
    if len(line) <= most:
        return line
    cut = line[:most].rpartition(" ")[0]
    return (cut if len(cut) > most // 2 else line[: most - 1]).rstrip(" ,;:-") + "…"
