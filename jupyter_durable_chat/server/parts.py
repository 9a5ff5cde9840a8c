"""A person's parts as they come over HTTP.

The agents' parts are made by the fold of the agent's own events and never come over HTTP.
"""

from collections.abc import Sequence
from typing import Any

from jupyter_durable_chat.attachments import URL, Attachments
from jupyter_durable_chat.parts import shown, wrong
from jupyter_durable_chat.server.handler import ApiError


def check_parts(parts: Sequence[dict[str, Any]]) -> None:
    """Raises `ApiError` 400 that quotes the place and the word."""
    if problem := wrong(parts):
        raise ApiError(400, "malformed", problem)


async def check_attachments(parts: Sequence[dict[str, Any]], attachments: Attachments, session: str) -> None:
    """Raises `ApiError` 400 for a file that should be an attachment of this session and is none."""
    for index, part in enumerate(parts):
        if part["type"] == "file" and part["url"].startswith(URL):
            file_hash = part["url"].removeprefix(URL)
            if not await attachments.has(session, file_hash):
                text = f"parts[{index}].url: this session has no attachment {shown(file_hash)}. Upload the file first."
                raise ApiError(400, "unknown-attachment", text)
