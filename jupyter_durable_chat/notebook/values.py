"""What a Python value looks like to a model: JSON, a table, a picture, or its repr; never more than a model can read.

No library of data or pictures is imported here: a value says by what it can do what it is.
"""

import base64
import inspect
import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time
from typing import Any

import msgspec

from jupyter_durable_chat.transcript import JSON

TEXT = 20_000
"""Characters of one value."""

ROWS = 50
"""Rows of one table."""

DRAWN_ROWS = 200
DRAWN_COLUMNS = 60
DRAWN_CELL = 200
DRAWN_BYTES = 32 * 1024
"""What is told of one table for people to look at: a model reads `ROWS`, as CSV."""

EXACT = 2**53
"""Whole numbers beyond this are others in a browser."""


_SECRET = re.compile(r"key|token|passw|secret|credential|auth|private", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether what has this name may be a secret, so that its value is told to nobody."""
    return bool(_SECRET.search(name))


def shortened(text: str, limit: int = TEXT) -> str:
    """The text, or its beginning and how much there is."""
    return text if len(text) <= limit else f"{text[:limit]}\n[cut: {limit} of {len(text)} characters]"


def as_seen(printed: str) -> str:
    r"""What is left of printed lines that were written over with `\r`, as progress bars do."""
    lines = printed.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def png_of(value: Any) -> bytes | None:
    """A figure (also by what is drawn in it), a PIL image, or whatever else shows itself as a PNG."""
    if isinstance(value, type) or inspect.ismodule(value):
        return None
    if (figure := _figure_of(value)) is not None:
        return figure_png(figure)
    if callable(show := getattr(value, "_repr_png_", None)):
        return bytes_of(show())
    if callable(show := getattr(value, "_repr_mimebundle_", None)):
        bundle: Any = show(include=None, exclude=None)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        return bytes_of(data.get("image/png")) if data else None
    return None


def _figure_of(value: Any) -> Any:
    """The matplotlib figure that this is, or that it belongs to: axes, a line, or several of them."""
    if type(value).__name__ == "ndarray" and value.dtype == object:
        value = list(value.flat)
    if isinstance(value, (list, tuple)):
        figures = [_figure_of(one) for one in value[:100]]
        return figures[0] if figures and all(figure is figures[0] for figure in figures) else None
    return next((it for it in (value, getattr(value, "figure", None)) if callable(getattr(it, "savefig", None))), None)


def figure_png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()


def bytes_of(shown: Any) -> bytes | None:
    """The bytes in what a `_repr_png_` gives, or in a MIME bundle: bytes or base64, perhaps with metadata."""
    if isinstance(shown, tuple):
        shown = shown[0]
    if isinstance(shown, str):
        shown = base64.b64decode(shown)
    return shown if isinstance(shown, bytes) else None


def is_table(value: Any) -> bool:
    """A DataFrame or a Series of pandas, or what does the same."""
    if isinstance(value, type) or not all(callable(getattr(value, name, None)) for name in ("to_csv", "head")):
        return False
    shape = getattr(value, "shape", None)
    return isinstance(shape, tuple) and bool(shape) and all(isinstance(length, int) for length in shape)


def size_of(value: Any) -> str:
    """`3 rows, 2 columns`, `a length of 5`, or nothing."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        if is_table(value):
            rows = f"{shape[0]} row{'' if shape[0] == 1 else 's'}"
            columns = f", {shape[1]} column{'' if shape[1] == 1 else 's'}" if len(shape) > 1 else ""
            return rows + columns
        return f"shape {shape}"
    try:
        return f"length {len(value)}"
    except Exception:  # the person's own `__len__` may raise anything
        return ""


def columns_of(table: Any) -> list[str]:
    columns = getattr(table, "columns", None)
    return [str(getattr(table, "name", None))] if columns is None else [str(column) for column in columns]


def table_text(table: Any, rows: int = ROWS) -> str:
    """Its size, and its first rows as CSV."""
    first = f"; the first {rows}" if table.shape[0] > rows else ""
    return f"{type(table).__name__}, {size_of(table)}{first} as CSV:\n{shortened(table.head(rows).to_csv())}"


def table_data(table: Any) -> JSON:
    """A table to be drawn: how many rows it has, and the first ones.

    `{"rows", "columns", "index", "cells"}`: a row of `cells` has a value for each name of `index` and of `columns`, as
    JSON, what is missing as null. `more_columns`, if there are any, says how many are left out.
    """
    names = columns_of(table)
    data: JSON = {"rows": table.shape[0], "columns": names[:DRAWN_COLUMNS]}
    if (more := len(names) - DRAWN_COLUMNS) > 0:
        data["more_columns"] = more
    try:
        first = table.head(DRAWN_ROWS)
        frame = (first.to_frame() if callable(getattr(first, "to_frame", None)) else first).iloc[:, :DRAWN_COLUMNS]
        index = ["" if name is None else str(name) for name in frame.index.names]
        rows = [[*(key if len(index) > 1 else (key,)), *row] for key, *row in frame.itertuples(name=None)]
    except (AttributeError, TypeError, ValueError, NotImplementedError):
        return data  # it has a table's ways, but not all of them
    columns = [[_cell(value) for value in _days(column)] for column in zip(*rows, strict=True)]
    cells = _within(DRAWN_BYTES, map(list, zip(*columns, strict=True)))
    return data | {"columns": [_name(column) for column in frame.columns], "index": index, "cells": list(cells)}


def _name(column: Any) -> str:
    return " / ".join(map(str, column)) if isinstance(column, tuple) else str(column)


def _days(column: Sequence[Any]) -> Sequence[Any]:
    """Times that are all midnight are days."""
    times = [isinstance(value, datetime) and value == value for value in column]
    if any(is_time and value.time() != time.min for value, is_time in zip(column, times, strict=True)):
        return column
    return [value.date() if is_time else value for value, is_time in zip(column, times, strict=True)]


def _within(limit: int, rows: Iterable[list[Any]]) -> Iterator[list[Any]]:
    for row in rows:
        limit -= len(msgspec.json.encode(row)) + 1
        if limit < 0:
            return
        yield row


def _cell(value: Any) -> Any:
    if getattr(value, "ndim", None) == 0 and callable(plain := getattr(value, "item", None)):
        value = plain()  # numpy's scalars, which columns with missing values hold
    match value:
        case None | bool():
            return value
        case int():
            return int(value) if abs(value) < EXACT else str(value)
        case float() if math.isfinite(value):
            return float(value)
    try:
        if value != value:  # NaN, NaT
            return None
    except (TypeError, ValueError):  # pandas' NA is neither; an array is several
        if type(value).__name__ == "NAType":
            return None
    text = value if isinstance(value, str) else _text_of(value)
    return text if len(text) <= DRAWN_CELL else f"{text[: DRAWN_CELL - 1]}…"


def _text_of(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # the person's own `__str__` may raise anything
        return f"<{type(value).__name__}, whose str raises {type(error).__name__}>"


def described(value: Any) -> str:
    """Any value as text: a table as CSV, a function or class by its source, anything else by its repr."""
    if isinstance(value, str):
        return shortened(value)
    if is_table(value):
        return table_text(value)
    if inspect.isroutine(value) or inspect.isclass(value):
        try:
            return shortened(inspect.getsource(value))
        except (OSError, TypeError):
            return repr_of(value)
    size = size_of(value)
    return f"{type(value).__name__}{', ' if size else ''}{size}:\n{repr_of(value)}"


def repr_of(value: Any, limit: int = TEXT) -> str:
    try:
        return shortened(repr(value), limit)
    except Exception as error:  # the person's own `__repr__` may raise anything
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def as_json(value: Any) -> bytes | None:
    """The value as JSON, with what numpy and pandas have in it; `None` for what is no JSON."""
    try:
        return msgspec.json.encode(value, enc_hook=_plain)
    except (TypeError, ValueError, OverflowError, RecursionError, NotImplementedError):
        return None


def _plain(value: Any) -> Any:
    if is_table(value):
        return {"rows": value.shape[0], "columns": columns_of(value), "text": table_text(value)}
    if hasattr(value, "dtype") and callable(convert := getattr(value, "tolist", None)) and value.size <= 10_000:
        return convert()
    if callable(convert := getattr(value, "isoformat", None)):
        return convert()
    raise NotImplementedError
