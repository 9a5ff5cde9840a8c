"""What a call prints, displays and draws while it runs belongs to it, and to no cell.

Only what the call's own code does is taken: a thread or a task that was running before prints where it always did.
"""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from jupyter_durable_chat.notebook.values import as_seen, figure_png

PRINTED = 100_000
"""Characters that are kept of what one call prints."""

_capturing: ContextVar["Captured | None"] = ContextVar("capturing", default=None)


class Captured:
    """What has come so far. `say` hears of every piece that is printed."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self.outputs: list[dict[str, Any]] = []
        """What was displayed: `data` by MIME type, and `metadata`."""
        self.figures: list[bytes] = []
        """As PNG, what was drawn with pyplot and left open."""
        self._say = say
        self._pieces: list[str] = []
        self._left = PRINTED

    @property
    def printed(self) -> str:
        return as_seen("".join(self._pieces))

    def write(self, text: str, level: str) -> None:
        if not text or not self._left:
            return
        piece, self._left = text[: self._left], max(0, self._left - len(text))
        if not self._left:
            piece += "\n[cut: no more is kept]\n"
        self._pieces.append(piece)
        self._say(piece, level)


@contextmanager
def captured(say: Callable[[str, str], None]) -> Iterator[Captured]:
    """Everything in here is printed and shown to the `Captured`. May be nested, but not in two threads at once."""
    capture = Captured(say)
    token = _capturing.set(capture)
    stdout, stderr = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Stream(stdout, "info"), _Stream(stderr, "warning")  # type: ignore[assignment]
    try:
        with _displays(capture.outputs), _figures(capture.figures):
            yield capture
    finally:
        sys.stdout, sys.stderr = stdout, stderr
        _capturing.reset(token)


class _Stream(io.TextIOBase):
    """Stands in for a stream, and takes what the code of a call writes."""

    def __init__(self, beside: TextIO, level: str) -> None:
        self._beside = beside
        self._level = level

    def write(self, text: str) -> int:
        if capture := _capturing.get():
            capture.write(text, self._level)
            return len(text)
        return self._beside.write(text)

    def flush(self) -> None:
        self._beside.flush()

    def fileno(self) -> int:
        return self._beside.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._beside.encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beside, name)


@contextmanager
def _displays(outputs: list[dict[str, Any]]) -> Iterator[None]:
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    if shell is None:
        yield
        return
    from IPython.core.displaypub import CapturingDisplayPublisher

    before = shell.display_pub
    shell.display_pub = publisher = CapturingDisplayPublisher()
    try:
        yield
    finally:
        shell.display_pub = before
        outputs += publisher.outputs


@contextmanager
def _figures(figures: list[bytes]) -> Iterator[None]:
    """Take the figures that are new in pyplot; without us the inline backend would show them under the next cell."""
    before = set(_open_figures())
    try:
        yield
    finally:
        if _draws_inline():
            pyplot = sys.modules["matplotlib.pyplot"]
            for number in _open_figures():
                if number not in before:
                    figure = pyplot.figure(number)
                    figures.append(figure_png(figure))
                    pyplot.close(figure)


def _open_figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot.get_fignums() if pyplot else []


def _draws_inline() -> bool:
    """Whether figures have no window of their own."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot is not None and any(name in pyplot.get_backend().lower() for name in ("inline", "agg"))
