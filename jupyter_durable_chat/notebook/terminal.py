"""A conversation in a terminal: an answer is printed as it comes, as Markdown where `rich` is installed.

What is printed is printed once, so it can be scrolled, copied and piped; only the block that is still coming is drawn
again. No control character of a model, or of a file, reaches the terminal. Ctrl-C ends the printing, not the answer.
"""

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jupyter_durable_chat.readable.markup import FENCE
from jupyter_durable_chat.readable.text import line, plain, to_markdown, to_text
from jupyter_durable_chat.transcript import JSON

if TYPE_CHECKING:
    from rich.console import Console

FRAMES = 8
"""In a second."""


class Told(NamedTuple):
    """A piece of an answer's text, or a line about it."""

    text: str
    aside: bool = False


def adopt() -> None:
    """In an IPython of a terminal, let what a cell ends with be printed as it comes. Idempotent."""
    shell = _shell()
    if shell is not None:
        shows = shell.display_formatter.ipython_display_formatter
        shows.for_type_by_name("jupyter_durable_chat.notebook.turn", "Turn", _shown)
        shows.for_type_by_name("jupyter_durable_chat.notebook.chat", "Chat", _shown)


def show(told: Iterable[Told]) -> None:
    """Print an answer until it is over."""
    with _screen() as screen:
        for text, aside in told:
            if aside:
                screen.aside(line(text))
            else:
                screen.text(plain(text))


def write(transcript: JSON | None, notice: str | None) -> None:
    """Print what was said."""
    console = _console()
    if console is None:
        print(to_text(transcript, None, notice), flush=True)
    else:
        console.print(_markdown(to_markdown(transcript, None, notice)))


def _shell() -> Any:
    """The IPython of this terminal; a kernel's is none."""
    if (ipython := sys.modules.get("IPython")) is None or (shell := ipython.get_ipython()) is None:
        return None
    return None if hasattr(shell, "kernel") else shell


def _shown(thing: Any) -> None:
    print()  # below the prompt
    thing.show()


class _Screen(Protocol):
    def __enter__(self) -> "_Screen": ...
    def __exit__(self, *exc: object) -> None: ...
    def text(self, piece: str) -> None: ...
    def aside(self, words: str) -> None: ...


def _screen() -> _Screen:
    console = _console()
    return _Plain() if console is None else _Rich(console)


def _console() -> "Console | None":
    """What draws on this terminal; nothing where the output is none, or `rich` is not installed."""
    if not sys.stdout.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console()


def _markdown(text: str) -> Any:
    from rich.markdown import Markdown

    # Addresses are shown: words can be taken for another one.
    return Markdown(text, hyperlinks=False)


class _Plain:
    """Text as it is."""

    def __init__(self) -> None:
        self._inside = False

    def __enter__(self) -> "_Plain":
        return self

    def __exit__(self, *exc: object) -> None:
        self._end_line()

    def text(self, piece: str) -> None:
        if piece:
            print(piece, end="", flush=True)
            self._inside = not piece.endswith("\n")

    def aside(self, words: str) -> None:
        self._end_line()
        print(f"[{words}]", flush=True)

    def _end_line(self) -> None:
        if self._inside:
            print(flush=True)
            self._inside = False


class _Rich:
    """Markdown: what is complete stays, and what still comes is drawn below it."""

    def __init__(self, console: "Console") -> None:
        from rich.live import Live

        self._console = console
        self._open = ""
        self._live = Live(
            console=console,
            refresh_per_second=FRAMES,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self._draw,
        )

    def __enter__(self) -> "_Rich":
        self._live.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._close(len(self._open))
        self._live.__exit__(None, None, None)

    def text(self, piece: str) -> None:
        self._open += piece
        self._close(complete(self._open))

    def aside(self, words: str) -> None:
        self._close(len(self._open))
        self._console.print(f"[{words}]", style="dim", markup=False, highlight=False)

    def _close(self, end: int) -> None:
        done, rest = self._open[:end], self._open[end:]
        # It leaves the place where it was drawn before it is printed above that.
        self._open = rest
        if done.strip():
            self._console.print(_markdown(done))
            self._console.print()

    def _draw(self) -> Any:
        return _markdown(self._open)


def complete(text: str) -> int:
    """How much of a Markdown that still comes consists of blocks that nothing that follows can change.

    They end at a blank line outside of a fence, before a line that is not indented: that one continues no list.
    """
    end, start, blank, fence = 0, 0, False, ""
    for row in text.splitlines(keepends=True):
        bare = row.rstrip("\n")
        if blank and not fence and _BEGINS.match(bare):
            end = start
        found = FENCE.fullmatch(bare) if row.endswith("\n") else None
        if found:
            marks, info = found.groups()
            if not fence:
                fence = "" if marks[0] == "`" and "`" in info else marks
            elif marks[0] == fence[0] and len(marks) >= len(fence) and not info.strip(" \t"):
                fence = ""
        blank = not bare.strip(" \t")
        start += len(row)
    return end


_BEGINS = re.compile(r"[^\s\-*+\d]")
"""The first character of a line that begins a block, and is no item of a list that began before."""
