"""The result of a call as it travels: JSON, or texts and pictures, or an error; never larger than a server takes."""

import asyncio
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from jupyter_durable_chat.notebook.attach import Upload
from jupyter_durable_chat.notebook.capture import Captured
from jupyter_durable_chat.notebook.values import (
    as_json,
    bytes_of,
    is_table,
    png_of,
    repr_of,
    shortened,
    table_data,
    table_text,
)
from jupyter_durable_chat.transcript import JSON

RESULT_BYTES = 256 * 1024
"""The largest result as JSON; of a larger one the model gets the beginning as text."""

PICTURES = 10

INTERRUPTED = "interrupted: the person interrupted the kernel while the function ran."


class Result(Struct, frozen=True):
    """What a call gave. `content` holds texts and files, and stands for all of it when there is any."""

    value: Any = None
    content: list[str | Upload] = []
    structured: JSON | None = None
    error: str | None = None

    def to_json(self, upload: Callable[[Upload], JSON]) -> JSON:
        """As the server takes it; `upload` gives the part for a file."""
        if self.error is not None:
            return {"error": self.error}
        if not self.content:
            return {"output": self.value}
        parts = [{"type": "text", "text": one} if isinstance(one, str) else upload(one) for one in self.content]
        return {"output": {"content": parts} | ({"structured": self.structured} if self.structured else {})}


class Shown(Struct, frozen=True):
    """What a function returns whose result is all that it printed, displayed and drew, and how it failed, if so.

    `last` is the value that was displayed last.
    """

    error: str = ""
    last: Any = None


def result_of(value: Any, captured: Captured) -> Result:
    """What a function returned, and what it showed and drew meanwhile. Of one that only printed, that."""
    files = _pictures(captured)
    if isinstance(value, Shown):
        printed = [shortened(captured.printed)] if captured.printed.strip() else []
        errors = [value.error] if value.error else []
        texts = [*printed, *_told(captured)]
        content = [*texts, *files, *errors] or ["(It printed and gave nothing.)"]
        if texts and is_table(value.last):
            return Result(content=content, structured=table_data(value.last) | {"text": len(texts) - 1})
        return Result(content=content)
    if (picture := png_of(value)) is not None:
        # A figure that was returned may also have been left open.
        files = [Upload(picture, "figure.png", "image/png"), *(file for file in files if file.data != picture)]
        return Result(content=[*_told(captured), *files[:PICTURES]])
    if is_table(value):
        return Result(content=[table_text(value), *files], structured=table_data(value))
    if value is None:
        told = _told(captured) or ([shortened(captured.printed)] if captured.printed.strip() else [])
        return Result(content=[*told, *files]) if told or files else Result()
    data = as_json(value)
    if data is None or len(data) > RESULT_BYTES:
        text = repr_of(value) if data is None else shortened(data.decode(), RESULT_BYTES)
        return Result(content=[text, *_told(captured), *files])
    plain = msgspec.json.decode(data)
    if files or captured.outputs:
        text = plain if isinstance(plain, str) else data.decode()
        return Result(content=[text, *_told(captured), *files])
    return Result(value=plain)


def _told(captured: Captured) -> list[str | Upload]:
    """The texts of what was displayed, but of pictures."""
    texts = [output["data"].get("text/plain") for output in captured.outputs if "image/png" not in output["data"]]
    return [shortened(str(text)) for text in texts if text]


def _pictures(captured: Captured) -> list[Upload]:
    shown = [bytes_of(output["data"].get("image/png")) for output in captured.outputs]
    pictures = [*filter(None, shown), *captured.figures]
    return [Upload(picture, "figure.png", "image/png") for picture in pictures[:PICTURES]]


def error_of(error: BaseException) -> Result:
    """An exception in words: its type and text, and where in the person's code it came from."""
    if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        return Result(error=INTERRUPTED)
    text = shortened("".join(traceback.format_exception_only(error)).strip(), 4000)
    where = _where(error)
    return Result(error=f"{text}\n{where}" if where else text)


def _where(error: BaseException) -> str:
    """The last frame in the person's own code: no library, and nothing of ours."""
    ours = str(Path(__file__).parents[1])
    libraries = tuple({str(Path(path)) for path in (sys.prefix, sys.base_prefix, ours)})
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(libraries) and not f.filename.startswith("<frozen")]
    if not own:
        return ""
    last = own[-1]
    return f"in {last.name}, line {last.lineno}: {last.line}".rstrip(": ")
