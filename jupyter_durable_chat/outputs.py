"""What a tool gives, as it is stored: JSON, of a bounded size, with its files beside the log.

What is too large is cut where anybody sees it, and says how large it was.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from jupyter_durable_chat import events as e
from jupyter_durable_chat.tools import ToolError

CUT = "\n[cut: {} of {} bytes]"

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,([A-Za-z0-9+/=\s]*)", re.ASCII)


async def cut(output: Any, limit: int, keep: Callable[[bytes], Awaitable[str]]) -> Any:
    """The output as JSON of at most about `limit` bytes, its files not counted.

    A file in its content that is a `data:` URL is kept by `keep`, which gives its new URL. Raises `ToolError` for what
    is no JSON.
    """
    try:
        plain = msgspec.json.decode(e.to_json(output))
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise ToolError(f"The result, of type {type(output).__name__}, cannot be told: {error}") from None
    if content := _content(plain):
        plain["content"] = [await _kept(item, keep) for item in content]
    size = len(e.to_json(plain))
    if size <= limit:
        return plain
    if isinstance(plain, str):
        return _shortened(plain, limit, size)
    if not content:
        text = _shortened(e.to_json(plain).decode(), limit, size)
        return {"content": [{"type": "text", "text": text}], "cut": {"bytes": size}}
    left, shown = limit, []
    for item in content:
        if item.get("type") == "text":
            text = item["text"]
            item = {**item, "text": _shortened(text, left, size) if len(text.encode()) > left else text}
            left = max(0, left - len(text.encode()))
        shown.append(item)
    return {"content": shown, "cut": {"bytes": size}}


def _content(output: Any) -> list[dict[str, Any]] | None:
    """The content of an output that consists of texts and files."""
    content = output.get("content") if isinstance(output, dict) else None
    known = isinstance(content, list) and all(isinstance(item, dict) and _is_item(item) for item in content)
    return content if known else None


def _is_item(item: dict[str, Any]) -> bool:
    match item:
        case {"type": "text", "text": str()} | {"type": "file", "url": str(), "mediaType": str()}:
            return True
    return False


async def _kept(item: dict[str, Any], keep: Callable[[bytes], Awaitable[str]]) -> dict[str, Any]:
    if item["type"] != "file" or not item["url"].startswith("data:"):
        return item
    found = _DATA_URL.fullmatch(item["url"])
    if not found:
        raise ToolError("A file of the result is no proper data: URL.")
    try:
        data = b64decode(found[2])
    except binascii.Error as error:
        raise ToolError(f"A file of the result cannot be read: {error}") from None
    return {**item, "url": await keep(data)}


def _shortened(text: str, limit: int, size: int) -> str:
    kept = text.encode()[:limit].decode(errors="ignore")
    return kept + CUT.format(len(kept.encode()), size)
