"""Real terminals: IPython and Python in a pseudo-terminal, at a real server."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jupyter_durable_chat
from jupyter_durable_chat.notebook.terminal import complete
from tests.browser.jupyter import Jupyter

ROOT = Path(jupyter_durable_chat.__file__).parents[1]

WITHOUT_RICH = "import sys; sys.modules['rich'] = None"

BEGIN = ("from jupyter_durable_chat import Chat; chat = Chat(agent='obedient')", "%load_ext jupyter_durable_chat")

IPYTHON = ("-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=NoColor")

SECONDS = 40

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\r\x00]")


class Terminal:
    """A program in a pseudo-terminal of 80 columns."""

    def __init__(self, jupyter: Jupyter, token: str, *arguments: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "IPYTHONDIR": str(jupyter.folder / "ipython"),
            "TERM": "xterm-256color",
            "JUPYTER_DURABLE_CHAT_URL": f"{jupyter.url}durable-chat/",
            "JUPYTER_DURABLE_CHAT_TOKEN": token,
        }
        for name in ("NO_COLOR", "PYTHONSTARTUP", "COLUMNS", "LINES"):
            environment.pop(name, None)
        size = (40, 80)
        self._process = pexpect.spawn(
            sys.executable,
            list(arguments),
            env=environment,
            encoding="utf-8",
            dimensions=size,
            timeout=SECONDS,
            preexec_fn=hears_interrupts,
        )
        self._process.delaybeforesend = None
        self.everything = ""
        self._unread = ""

    def type(self, *lines: str) -> None:
        for line in lines:
            self._process.sendline(line)

    def until(self, text: str) -> str:
        """What it showed from where this ended last, up to this, without colours and the like."""
        deadline = time.monotonic() + SECONDS
        while text not in (seen := CONTROL.sub("", self._unread)):
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} is not in {seen!r}")
            raw = self._process.read_nonblocking(4096, timeout=SECONDS)
            self.everything += raw
            self._unread += raw
        before, _, self._unread = seen.partition(text)
        return before + text

    def interrupt(self) -> None:
        self._process.sendintr()

    def close(self) -> None:
        self._process.kill(signal.SIGKILL)
        self._process.wait()
        self._process.close()


def hears_interrupts() -> None:
    """As a shell starts a program, also where these tests run in the background of one, and so hear none."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def terminal(jupyter: Jupyter, token: str, *arguments: str) -> Iterator[Terminal]:
    opened = Terminal(jupyter, token, *arguments)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(params=["rich", "plain"])
def ipython(jupyter: Jupyter, token: str, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    with terminal(jupyter, token, *IPYTHON) as opened:
        for number, line in enumerate(("pass" if request.param == "rich" else WITHOUT_RICH, *BEGIN), 1):
            opened.until(f"In [{number}]: ")
            opened.type(line)
        opened.until("In [4]: ")
        yield opened


def stop(jupyter: Jupyter, session: str) -> None:
    """What a browser does."""
    headers = {"Authorization": f"token {jupyter.token}"}
    path = f"{jupyter.url}durable-chat/api/sessions/{session}/stop"
    httpx2.post(path, json={}, headers=headers, timeout=None).raise_for_status()


def test_a_cell_prints_its_answer_as_it_comes(ipython: Terminal, jupyter: Jupyter) -> None:
    ipython.type("chat")
    ipython.until("No messages yet.")
    ipython.type("print('its id:', chat.session)")
    session = re.findall(r"its id: (s_\w+)", ipython.until("In [6]: "))[-1]
    ipython.type("%%chat", "**one** two | wait", "", "")
    ipython.until("Out[6]: ")
    assert "one" in ipython.until("two")
    stop(jupyter, session)
    ipython.until("[stopped]")
    ipython.until("In [7]: ")
    ipython.type("chat")
    shown = ipython.until("In [8]: ")
    assert "You" in shown and "one" in shown and "stopped" in shown
    assert "Chat(" not in shown and "<Chat" not in shown, "text, and no widget"


def test_markdown_is_rendered_where_rich_is_installed(ipython: Terminal, request: pytest.FixtureRequest) -> None:
    ipython.type(r"turn = chat.send('# Title\n\nA **word** and\n\n- an item\n\n```python\nprint(1)\n```')")
    ipython.until("In [5]: ")
    ipython.type("turn.show()")
    printed = ipython.until("In [6]: ")
    is_rich = "[rich]" in request.node.name
    assert ("**word**" in printed) is not is_rich
    assert ("• an item" in printed) is is_rich
    assert "Title" in printed and "print(1)" in printed


def test_a_failure_is_said(ipython: Terminal) -> None:
    ipython.type("chat.send('so far | fail it broke')")
    assert "so far" in ipython.until("[failed: it broke]")


def test_an_interrupt_ends_the_printing_and_not_the_answer(ipython: Terminal, jupyter: Jupyter) -> None:
    ipython.type("turn = chat.send('one two | wait')")
    ipython.until("In [5]: ")
    ipython.type("turn")
    ipython.until("two")
    ipython.interrupt()
    ipython.until("KeyboardInterrupt")
    ipython.until("In [6]: ")
    ipython.type("turn.outcome is None, turn.stop(), turn.outcome")
    ipython.until("(True, True, 'stopped')")


def test_python_without_ipython(jupyter: Jupyter, token: str) -> None:
    with terminal(jupyter, token, "-i", "-q") as python:
        python.until(">>> ")
        python.type("from jupyter_durable_chat import Chat; chat = Chat(agent='obedient')")
        python.until(">>> ")
        python.type("chat.send('good **morning**').show()")
        python.until(".show()")
        assert "good morning" in python.until("morning")
        python.until(">>> ")
        python.type("for piece in chat.send('in | part | pieces'): print(piece, end='|')")
        python.type("")
        python.until("pieces |")
        python.type("chat.show()")
        shown = python.until("pieces")
        assert "You" in shown and "Assistant" in shown


def test_no_control_character_of_a_model_reaches_the_terminal(jupyter: Jupyter, token: str) -> None:
    with terminal(jupyter, token, "-i", "-q") as python:
        python.until(">>> ")
        python.type("from jupyter_durable_chat import Chat; chat = Chat(agent='obedient')")
        python.until(">>> ")
        for rich in (True, False):
            if not rich:
                python.type(WITHOUT_RICH)
                python.until(">>> ")
            python.type(r"turn = chat.send('safe \x1b]0;owned\x07\x1b[2J\x9b2J text')")
            python.until(">>> ")
            python.type("turn.show()")
            python.until("turn.show()")
            python.until("text")
            python.until(">>> ")
            python.type("chat.show()")
            python.until("chat.show()")
            python.until("text")
            assert "\x1b]0;" not in python.everything and "\x1b[2J" not in python.everything
            assert "\x9b" not in python.everything


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("", ""),
        ("a", ""),
        ("a\n\n", ""),
        ("a\n\nb", "a\n\n"),
        ("a\n\n  b", ""),
        ("- a\n\n- b", ""),
        ("1. a\n\n2. b", ""),
        ("```\na\n\nb", ""),
        ("```\na\n\nb\n```\n\nc", "```\na\n\nb\n```\n\n"),
        ("a\n\nb\n\nc", "a\n\nb\n\n"),
    ],
)
def test_what_is_printed_for_good(text: str, done: str) -> None:
    assert text[: complete(text)] == done


rows = st.sampled_from(["a", "", "", "- b", "  c", "```", "# d", "> e", "| f |"])


@given(st.lists(rows, max_size=12).map("\n".join), st.lists(rows, max_size=6).map("\n".join))
def test_what_was_complete_stays_so(text: str, more: str) -> None:
    assert complete(text + "\n" + more) >= complete(text)
