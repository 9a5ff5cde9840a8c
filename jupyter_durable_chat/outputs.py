"""What a tool gives, as it is stored: JSON, of a bounded size, with its files beside the log.

What is too large is cut where anybody sees it, and says how large it was.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from itertools import accumulate
from typing import Any

import msgspec

from jupyter_durable_chat import events as e
from jupyter_durable_chat.tools import ToolError

CUT = "\n[cut: {} of {} bytes]"

MAX_ITEMS = 100
"""Texts and files of one result."""

MAX_NAME = 200

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/=\s]*)", re.ASCII | re.IGNORECASE)
_ATTACHMENT = re.compile(r"attachment:[0-9a-f]{64}", re.ASCII)


async def cut(output: Any, limit: int, keep: Callable[[bytes], Awaitable[str]]) -> Any:
    """The output as JSON of at most about `limit` bytes, its files not counted.

    A file in its content that is a `data:` URL is kept by `keep`, which gives its new URL. Raises `ToolError` for what
    is no JSON.
    """
    try:
        plain = msgspec.json.decode(e.to_json(output))
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise ToolError(f"The result, of type {type(output).__name__}, cannot be told: {error}") from None
    if not e.nests(plain, e.MAX_DEPTH):
        raise ToolError(f"The result nests deeper than {e.MAX_DEPTH} levels.")
    items = _content(plain)
    if items is None:
        size = len(e.to_json(plain))
        if size <= limit:
            return plain
        if isinstance(plain, str):
            return _shortened(plain, limit, size)
        text = _shortened(e.to_json(plain).decode(), limit, size)
        return {"content": [{"type": "text", "text": text}], "cut": {"bytes": size}}
    size = sum(len(item["text"].encode()) for item in items if item["type"] == "text")
    told = {"content": await _told(items, limit, size, keep)}
    if (structured := _fitting(plain.get("structured"), limit - size)) is not None:
        told["structured"] = structured
    return told if size <= limit and len(items) <= MAX_ITEMS else {**told, "cut": {"bytes": size}}


def _fitting(structured: Any, room: int) -> Any:
    """All of it; of a table the rows that there is room for; else nothing: the content says it, too."""
    if len(e.to_json(structured)) <= room:
        return structured
    match structured:
        case {"rows": int(), "cells": [*rows], **about}:
            left = room - len(e.to_json({"rows": 0, "cells": [], **about})) - 20
            sizes = accumulate(len(e.to_json(row)) + 1 for row in rows)
            cells = [row for row, size in zip(rows, sizes, strict=True) if size <= left]
            return {**structured, "cells": cells} if cells else None
    return None


async def _told(
    items: list[dict[str, Any]], limit: int, size: int, keep: Callable[[bytes], Awaitable[str]]
) -> list[dict[str, Any]]:
    """The items that there is room for, of what is known of them."""
    told: list[dict[str, Any]] = []
    left = limit
    for item in items[:MAX_ITEMS]:
        if item["type"] == "file":
            told.append(await _kept(item, keep))
        elif left > 0:
            text: str = item["text"]
            told.append({"type": "text", "text": _shortened(text, left, size) if len(text.encode()) > left else text})
            left -= len(text.encode())
    if len(items) > MAX_ITEMS:
        told.append({"type": "text", "text": f"[cut: {MAX_ITEMS} of {len(items)} items]"})
    return told


def _content(output: Any) -> list[dict[str, Any]] | None:
    """The content of an output that consists of texts and files."""
    content = output.get("content") if isinstance(output, dict) else None
    known = isinstance(content, list) and all(isinstance(item, dict) and _is_item(item) for item in content)
    return content if known else None


def _is_item(item: dict[str, Any]) -> bool:
    match item:
        case {"type": "text", "text": str()}:
            return True
        case {"type": "file", "url": str(url), "mediaType": str()}:
            return _ATTACHMENT.fullmatch(url) is not None or url[:5].lower() == "data:"
    return False


async def _kept(item: dict[str, Any], keep: Callable[[bytes], Awaitable[str]]) -> dict[str, Any]:
    about = {"type": "file", "mediaType": item["mediaType"][:MAX_NAME], "url": item["url"]}
    if isinstance(name := item.get("filename"), str):
        about["filename"] = name[:MAX_NAME]
    if _ATTACHMENT.fullmatch(item["url"]):
        return about
    found = _DATA_URL.fullmatch(item["url"])
    if not found:
        raise ToolError("A file of the result is no proper data: URL.")
    try:
        data = b64decode(found[2])
    except binascii.Error as error:
        raise ToolError(f"A file of the result cannot be read: {error}") from None
    return {**about, "url": await keep(data)}


def _shortened(text: str, limit: int, size: int) -> str:
    kept = text.encode()[:limit].decode(errors="ignore")
    return kept + CUT.format(len(kept.encode()), size)
