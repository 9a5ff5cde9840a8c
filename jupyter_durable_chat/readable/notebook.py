"""A session's shown branch as a notebook: what was said as Markdown, Python of answers as code cells that nobody ran.

https://nbformat.readthedocs.io/en/latest/format_description.html (4.5). Pictures are attachments of their cells.
"""

import re
from base64 import b64encode
from collections.abc import Iterator

from jupyter_durable_chat.readable.document import URL, Document, speaker
from jupyter_durable_chat.readable.markup import FENCE, harmless
from jupyter_durable_chat.readable.text import (
    EMPTY,
    MARKDOWN,
    Format,
    clean,
    escape_markdown,
    line,
    outcome_of,
    part_of,
)
from jupyter_durable_chat.transcript import JSON

PICTURES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"}

_PYTHON = re.compile(r"\{?\.?(?:python3?|py3?|ipython3?)\b(?![-+.\w])", re.IGNORECASE)
_PICTURE = re.compile(r"\(attachment:([0-9a-f]{64})\.[a-z]+\)", re.ASCII)


def to_notebook(document: Document) -> JSON:
    """A valid notebook, as JSON has it."""
    format = MARKDOWN._replace(file=lambda name, url: _picture(document, name, url))
    cells = [_markdown([f"# {escape_markdown(document.title)}", format.aside(document.about)], document)]
    for message in document.transcript["messages"]:
        cells += _cells(message, format, document)
    if len(cells) == 1:
        cells.append(_markdown([format.aside(EMPTY)], document))
    for place, cell in enumerate(cells):
        cell["id"] = f"chat-{place}"
    transcript = document.transcript
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "jupyter_durable_chat": {"session": transcript["id"], "lsn": transcript["lsn"]},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cells(message: JSON, format: Format, document: Document) -> Iterator[JSON]:
    blocks = [f"**{escape_markdown(speaker(message))}**"]
    for part in message["parts"]:
        if part["type"] != "text" or message["role"] == "user":
            blocks.append(part_of(part, message["role"], format))
            continue
        for is_code, text in pieces(clean(part["text"])):
            if is_code:
                if any(blocks):
                    yield _markdown(blocks, document)
                blocks = []
                yield {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text}
            else:
                blocks.append(harmless(text))
    if state := outcome_of(message):
        blocks.append(format.aside(state))
    if any(blocks):
        yield _markdown(blocks, document)


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """An answer in order: its Markdown, and (true) the code of its fences that say Python.

    Only a fence at the beginning of a line, which is inside of nothing else, leaves the Markdown around it.
    """
    kept: list[str] = []
    code: list[str] | None = None
    fence = ""
    for row in text.split("\n"):
        found = FENCE.fullmatch(row)
        marks, info = found.groups() if found else ("", "")
        if not fence:
            opens = found is not None and not (marks[0] == "`" and "`" in info)
            fence = marks if opens else ""
            if opens and row[0] != " " and _PYTHON.match(info.strip()):
                if shown := clean("\n".join(kept)):
                    yield False, shown
                kept, code = [], []
                continue
        elif found and marks[0] == fence[0] and len(marks) >= len(fence) and not info.strip(" \t"):
            fence = ""
            if code is not None:
                yield True, "\n".join(code)
                code = None
                continue
        (kept if code is None else code).append(row)
    if code:
        yield True, "\n".join(code)
    elif shown := clean("\n".join(kept)):
        yield False, shown


def _picture(document: Document, name: str, url: str) -> str:
    file = document.files.get(url)
    if file is None or file.why or file.kind not in PICTURES:
        return ""
    return f"![{escape_markdown(line(name))}]({url}.{PICTURES[file.kind]})"


def _markdown(blocks: list[str], document: Document) -> JSON:
    source = "\n\n".join(filter(None, blocks))
    attached: JSON = {}
    for name in dict.fromkeys(_PICTURE.findall(source)):
        file = document.files.get(URL + name)
        if file and file.kind in PICTURES:
            attached[f"{name}.{PICTURES[file.kind]}"] = {file.kind: b64encode(file.data).decode()}
    cell: JSON = {"cell_type": "markdown", "metadata": {}, "source": source}
    return cell | {"attachments": attached} if attached else cell
