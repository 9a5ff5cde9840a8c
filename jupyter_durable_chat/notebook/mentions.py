"""What a page may name of this kernel with `@`, asked by the page itself: the names, and then the value of one.

The page evaluates `names()` or `value(name)` as a user expression of a silent request, so nothing is printed, counted
or kept in the history. Both answer in JSON under its MIME type, and never raise: what is wrong is in the answer.
"""

import base64
from typing import Any

from IPython.core.getipython import get_ipython

from jupyter_durable_chat.notebook.attach import Upload, variable
from jupyter_durable_chat.notebook.client import ChatError
from jupyter_durable_chat.notebook.values import is_secret, size_of
from jupyter_durable_chat.transcript import JSON

MOST = 1000
"""Names of one answer, the newest first."""


class Told:
    """What travels to the page as JSON."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> JSON:
        return {"application/json": self._data}


def names() -> Told:
    """`[{"name", "detail"}]`: variables of the notebook, the newest first; none that may be a secret by its name."""
    listed = [(name, value) for name, value in _variables().items() if _can_be_named(name, value)]
    return Told([{"name": name, "detail": _detail(value)} for name, value in reversed(listed[-MOST:])])


def value(name: str) -> Told:
    """`{"part": …}`, or `{"file": base64, "filename", "mediaType"}` for a picture or bytes, or `{"error": text}`."""
    variables = _variables()
    if name not in variables or not _can_be_named(name, variables[name]):
        return Told({"error": f"There is no variable {name!r} in the kernel any longer."})
    try:
        thing = variable(name, variables[name])
    except ChatError as error:
        return Told({"error": str(error)})
    if not isinstance(thing, Upload):
        return Told({"part": thing})
    data = base64.b64encode(thing.data).decode()
    return Told({"file": data, "filename": thing.filename, "mediaType": thing.media_type})


def _variables() -> dict[str, Any]:
    shell = get_ipython()
    return dict(shell.user_ns) if shell else {}


def _can_be_named(name: str, value: Any) -> bool:
    hidden = getattr(get_ipython(), "user_ns_hidden", {})
    # A name that IPython hides is shown when the person has given it a value of their own.
    if name.startswith("_") or (name in hidden and hidden[name] is value) or name in ("In", "Out", "exit", "quit"):
        return False
    return name.isidentifier() and type(value).__name__ != "module" and not is_secret(name)


def _detail(value: Any) -> str:
    size = "" if callable(value) else size_of(value)
    return f"{type(value).__name__}, {size}" if size else type(value).__name__
