"""What a person may put into a message beside its text; whatever is stored is read by every page, for ever.

The agents' parts are made by the fold of the agent's own events and never come over HTTP.
"""

from collections.abc import Sequence
from typing import Any

from jupyter_durable_chat.attachments import URL, Attachments
from jupyter_durable_chat.server.handler import ApiError

NEEDED = {"text": ("text",), "file": ("mediaType", "url")}
"""The strings that a part of each type has; a `data-*` part has whatever it likes."""


def check_parts(parts: Sequence[dict[str, Any]]) -> None:
    """Raises `ApiError` 400 that quotes the place and the word."""
    for index, part in enumerate(parts):
        where = f"parts[{index}]"
        kind = _string(part, "type", where)
        if kind not in NEEDED and not kind.startswith("data-"):
            raise ApiError(400, "malformed", f"{where}.type takes 'text', 'file' or 'data-NAME', and not {kind!r}.")
        for name in NEEDED.get(kind, ()):
            _string(part, name, where)


async def check_attachments(parts: Sequence[dict[str, Any]], attachments: Attachments, session: str) -> None:
    """Raises `ApiError` 400 for a file that should be an attachment of this session and is none."""
    for index, part in enumerate(parts):
        if part["type"] == "file" and part["url"].startswith(URL):
            file_hash = part["url"].removeprefix(URL)
            if not await attachments.has(session, file_hash):
                text = f"parts[{index}].url: this session has no attachment {_shown(file_hash)}. Upload the file first."
                raise ApiError(400, "unknown-attachment", text)


def _string(part: dict[str, Any], name: str, where: str) -> str:
    if name not in part:
        raise ApiError(400, "malformed", f"{where} has no {name}, which takes a string.")
    if not isinstance(value := part[name], str):
        raise ApiError(400, "malformed", f"{where}.{name} takes a string, and not {_shown(value)}.")
    return value


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"
