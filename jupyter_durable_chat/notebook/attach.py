"""What may go with a question, as parts of its message.

Pictures and files become attachments of the session; cells and variables become text that the model reads. What cannot
be attached is refused before anything is sent.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from jupyter_durable_chat.notebook.client import ChatError
from jupyter_durable_chat.notebook.values import bytes_of, described, is_table, png_of, shortened, table_data
from jupyter_durable_chat.transcript import JSON

CAN = (
    "Attach a figure, an image, a DataFrame or any other variable, 'cell:3', 'cell:last', 'output:3', the name of a "
    "variable, a file (its name or a Path), or ('name.bin', bytes)."
)

_CELL = re.compile(r"(cell|output):(\w+)")


class Upload(Struct, frozen=True):
    """A file that becomes an attachment of the session; the server finds its media type."""

    data: bytes
    filename: str
    media_type: str = "application/octet-stream"


Attached = Upload | JSON
"""A file, or a part as it is."""


def attached(things: Any) -> list[Attached]:
    """What these things become; one thing may stand for itself. Raises `ChatError` that quotes what cannot be attached.

    `("name.bin", b"…")` is one thing, a file; any other list or tuple holds several.
    """
    several = isinstance(things, list) or (isinstance(things, tuple) and not _is_named(things))
    return [_attached(thing) for thing in (things if several else [things])]


def _attached(thing: Any) -> Attached:
    if isinstance(thing, str):
        return _named(thing)
    if isinstance(thing, Path):
        return _file(thing)
    if _is_named(thing):
        return Upload(bytes(thing[1]), thing[0])
    if isinstance(thing, (bytes, bytearray, memoryview)):
        return Upload(bytes(thing), "data")
    return variable(_name_of(thing) or type(thing).__name__, thing)


def variable(name: str, value: Any) -> Attached:
    """A variable of the notebook: as a picture if it is one, else in words."""
    if isinstance(value, Path):
        return _file(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Upload(bytes(value), name)
    try:
        picture = png_of(value)
    except Exception as error:  # drawing is other people's code
        raise ChatError(f"{name} cannot be drawn: {type(error).__name__}: {error}. {CAN}") from error
    if picture is not None:
        return Upload(picture, f"{name}.png", "image/png")
    data: JSON = {"label": name, "text": described(value)}
    return {"type": "data-variable", "data": data | ({"table": table_data(value)} if is_table(value) else {})}


def _is_named(thing: Any) -> bool:
    return (
        isinstance(thing, tuple)
        and len(thing) == 2
        and isinstance(thing[0], str)
        and isinstance(thing[1], (bytes, bytearray, memoryview))
    )


def _named(name: str) -> Attached:
    if found := _CELL.fullmatch(name):
        return _cell(found[2]) if found[1] == "cell" else _output(found[2])
    names = _notebook()
    if name.isidentifier() and name in names:
        return variable(name, names[name])
    return _file(Path(name))


def _file(path: Path) -> Upload:
    try:
        return Upload(path.expanduser().read_bytes(), path.name)
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ChatError(f"{str(path)!r} cannot be attached: {why}. {CAN}") from error


def _cell(which: str) -> JSON:
    """The source and the text output of a cell, by its execution count."""
    sources = _history("In")
    if which == "last":
        # The newest cell is the one that asks.
        which = str(max((n for n in range(1, len(sources) - 1) if sources[n].strip()), default=0))
    if not which.isdigit() or not 0 < int(which) < len(sources):
        raise ChatError(f"There is no 'cell:{which}' in this kernel's history. {CAN}")
    number = int(which)
    source, output = sources[number].strip("\n"), cell_output(number)
    text = f"In [{number}]:\n{source}" + (f"\n\nOut [{number}]:\n{output}" if output else "")
    return {"type": "data-cell", "data": {"label": f"cell {number}", "text": shortened(text)}}


def cell_output(number: int) -> str:
    """What a cell printed and showed, as text, as far as IPython keeps it."""
    manager = getattr(_shell(), "history_manager", None)
    texts = [_text_of(output) for output in getattr(manager, "outputs", {}).get(number, [])]
    if failed := getattr(manager, "exceptions", {}).get(number):
        texts.append(f"{failed.get('ename')}: {failed.get('evalue')}")
    if not any(texts) and number in (results := _history("Out")):
        texts.append(described(results[number]))
    return "\n".join(filter(None, (text.rstrip("\n") for text in texts)))


def _text_of(output: Any) -> str:
    text = output.bundle.get("stream") or output.bundle.get("text/plain") or ""
    return text if isinstance(text, str) else "".join(text)


def _output(which: str) -> Attached:
    """The result of a cell: its picture if it has one."""
    results = _history("Out")
    if which == "last":
        which = str(max(results, default=0))
    if not which.isdigit() or (number := int(which)) not in results:
        if which.isdigit() and (picture := _shown_picture(int(which))):
            return Upload(picture, f"output-{which}.png", "image/png")
        raise ChatError(f"Cell {which} has no result in this kernel's history ('output:{which}'). {CAN}")
    if picture := _shown_picture(number):
        return Upload(picture, f"output-{which}.png", "image/png")
    kind = variable(f"output-{which}", results[number])
    return kind if isinstance(kind, Upload) else {**kind, "data": {**kind["data"], "label": f"output {which}"}}


def _shown_picture(number: int) -> bytes | None:
    """The last picture that a cell showed, as IPython keeps it."""
    outputs = getattr(getattr(_shell(), "history_manager", None), "outputs", {}).get(number, [])
    shown = (bytes_of(output.bundle.get("image/png")) for output in reversed(outputs))
    return next(filter(None, shown), None)


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _notebook() -> dict[str, Any]:
    """The names of the notebook, or of the script."""
    shell = _shell()
    return shell.user_ns if shell else vars(sys.modules["__main__"])


def _history(name: str) -> Any:
    shell = _shell()
    if shell is None:
        raise ChatError(f"There are no cells outside of IPython. {CAN}")
    return shell.user_ns.get(name) or ([] if name == "In" else {})


def _name_of(value: Any) -> str | None:
    return next((name for name, other in _notebook().items() if other is value and not name.startswith("_")), None)


def names_of(tools: Iterable[Any]) -> list[str]:
    """The tools of one message by name; a function stands for its name."""
    return [tool if isinstance(tool, str) else tool.__name__ for tool in tools]


def part_of(upload: Upload, uploaded: JSON) -> JSON:
    """The part of a message for a file that the server has."""
    return {"type": "file", "mediaType": uploaded["mediaType"], "url": uploaded["url"], "filename": upload.filename}
