"""What counts as watching, of what goes through a kernel: nobody is told of what they see there as it comes."""

import re
import time
from collections.abc import Callable

import pytest

from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import Kernel
from tests.notebook.test_relay import Page
from tests.notebook.test_terminal import BEGIN, IPYTHON, SECONDS, terminal

ANSWER = "20 words at 20 per second"


@pytest.fixture
def unread(jupyter: Jupyter) -> Callable[[str], list[str]]:
    """The turns of a session that the person was told of, and has not read."""
    return lambda session: [
        notice["turn"]
        for notice in jupyter.api("durable-chat/api/inbox")["notices"]
        if notice["session"] == session and not notice["read"]
    ]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ask(jupyter: Jupyter, session: str, client_id: str) -> str:
    """As another page does; the turn."""
    path = f"durable-chat/api/sessions/{session}/messages"
    return jupyter.post(path, client_id=client_id, text=ANSWER, agent="paced")["turn_id"]


def test_a_cell_that_waits_watches_and_a_chat_that_is_only_open_does_not(
    kernel: Kernel, jupyter: Jupyter, unread: Callable[[str], list[str]]
) -> None:
    session = kernel.value("chat.session")
    kernel.run(f"chat.send({ANSWER!r}, agent='paced').text")
    kernel.run(f"''.join(chat.send({ANSWER!r}, agent='paced'))")
    kernel.run(f"[piece async for piece in chat.send({ANSWER!r}, agent='paced')]")
    turn = kernel.value(f"chat.send({ANSWER!r}, agent='paced').id")
    # What is told is told in order.
    until(lambda: turn in unread(session))
    assert unread(session) == [turn]


def test_a_page_that_asks_through_its_kernel_watches_what_is_in_sight(
    kernel: Kernel, jupyter: Jupyter, unread: Callable[[str], list[str]]
) -> None:
    page = Page(kernel)
    session = page.session
    turns: list[str] = []
    for seen in (session, ""):
        head = jupyter.transcript(session)["lsn"]
        events = page.ask(f"api/events?after={session}:{head}&seen={seen}", accept="text/event-stream")
        page.until(events, lambda body: b"caught-up" in body)
        turns.append(ask(jupyter, session, f"c_{seen}"))
        heard = b""
        while b'"turn-stopped"' not in heard:
            _, piece = page.told(events)
            heard += piece
        kernel.ask_widget(page.model, (), type="drop", id=events)
    until(lambda: turns[1] in unread(session))
    assert unread(session) == turns[1:]


def test_a_terminal_that_prints_an_answer_watches(
    jupyter: Jupyter, token: str, unread: Callable[[str], list[str]]
) -> None:
    with terminal(jupyter, token, *IPYTHON) as ipython:
        for number, line in enumerate((*BEGIN, "print('its id:', chat.session)"), 1):
            ipython.until(f"In [{number}]: ")
            ipython.type(line)
        session = re.findall(r"its id: (s_\w+)", ipython.until("In [4]: "))[-1]
        ipython.type("%%chat --agent paced", ANSWER, "", "")
        ipython.until("w20")
        ipython.until("In [5]: ")
        turn = ask(jupyter, session, "c_1")
        # An answer that came before the terminal was connected is told, and read as soon as it is printed.
        until(lambda: unread(session) == [turn])


def test_an_answer_that_was_there_before_anybody_waited_is_read(
    kernel: Kernel, jupyter: Jupyter, unread: Callable[[str], list[str]]
) -> None:
    session = kernel.value("chat.session")
    for read in ("turn.text", "''.join(turn)", "turn.show()", "[piece async for piece in turn]"):
        turn = kernel.value("(turn := chat.send('a b', agent='obedient')).id")
        until(lambda turn=turn: turn in unread(session))
        kernel.run(read)
        until(lambda: not unread(session))


def test_an_answer_that_is_printed_is_read_over_one_connection(kernel: Kernel, jupyter: Jupyter) -> None:
    kernel.run("from jupyter_durable_chat.notebook import follower; connected = []")
    kernel.run("connect = follower._Thread._connect")
    kernel.run("follower._Thread._connect = lambda self, at: connected.append(at) or connect(self, at)")
    kernel.run(f"chat.send({ANSWER!r}, agent='paced').show()")
    # One from when it is waited for, and one for when it is not any more.
    assert kernel.value("len(connected)") <= 2
