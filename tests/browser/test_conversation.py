"""A whole conversation in JupyterLab: what waits, versions, branches and continued answers, seen by every tab and kept.

An answer is held back until the test demands it, so each step has the time that it needs.
"""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter
from tests.browser.page import CHAT_CELL, ChatView, NotebookPage

pytestmark = pytest.mark.parametrize("jupyter", [("lab", "/")], indirect=True, ids=["lab"])

LONG = "40 words at 100 per second, the last 20 on demand"
THREE, FOUR, FIVE, SIX = (f"{n} words at 100 per second" for n in (3, 4, 5, 6))


def words(n: int) -> list[str]:
    return [f"w{i}" for i in range(1, n + 1)]


def start(open_notebook: Open) -> NotebookPage:
    """A saved notebook whose chat is ready, so that it can be opened again."""
    notebook = open_notebook(CHAT_CELL)
    notebook.run_to_end()
    expect(notebook.chat.root).to_have_attribute("data-session", re.compile("s_"))
    notebook.save()
    return notebook


def answered(chat: ChatView, question: str) -> None:
    chat.ask(question)
    chat.wait_for_outcome("completed")


def queue(chat: ChatView, text: str) -> None:
    """Send a message while an answer comes."""
    rows = waiting(chat)
    before = rows.count()
    chat.root.locator("textarea.jdc-input").fill(text)
    chat.root.locator("textarea.jdc-input").press("Enter")
    expect(rows).to_have_count(before + 1)


def waiting(chat: ChatView) -> Locator:
    """The messages that wait, as the server has them."""
    return chat.root.locator(".jdc-queued[data-message-id]")


def edit(place: Locator, text: str) -> None:
    place.locator("button.jdc-edit").click()
    place.locator("textarea.jdc-edit-input").fill(text)
    place.locator("textarea.jdc-edit-input").press("Enter")


def step(message: Locator, name: str) -> None:
    message.get_by_role("button", name=name).click()


def messages(chat: ChatView, role: str) -> Locator:
    return chat.root.locator(f"[data-role={role}][data-message-id]:not(.jdc-queued)")


def expect_conversation(chat: ChatView, *exchanges: tuple[str, int]) -> None:
    """The chat shows these questions, each with an answer of so many words, and nothing else."""
    expect(messages(chat, "user").locator(".jdc-text")).to_have_text([question for question, _ in exchanges])
    answers = messages(chat, "assistant")
    expect(answers.locator(".jdc-text")).to_have_text([re.compile(rf"\bw{n}\s*$") for _, n in exchanges])
    for index, (_, n) in enumerate(exchanges):
        assert answers.nth(index).evaluate("message => watcher.words(message)") == words(n)


def test_the_queue(open_notebook: Open, jupyter: Jupyter) -> None:
    """Two tabs change it, a stop holds it, a reload keeps it, and resumed it drains in its order."""
    first = start(open_notebook)
    first.chat.ask(LONG)
    first.chat.wait_for_word(10)
    for text in (THREE, FOUR, FIVE):
        queue(first.chat, text)
    second = open_notebook()
    expect(waiting(second.chat)).to_have_text([THREE, FOUR, FIVE])

    edit(waiting(first.chat).nth(1), SIX)
    expect(waiting(second.chat)).to_have_text([THREE, SIX, FIVE])
    waiting(second.chat).nth(2).locator("button.jdc-remove").click()
    expect(waiting(first.chat)).to_have_text([THREE, SIX])
    waiting(first.chat).nth(1).get_by_role("button", name="Move up").click()
    for notebook in (first, second):
        expect(waiting(notebook.chat)).to_have_text([SIX, THREE])

    first.chat.root.locator("button.jdc-stop").click()
    first.chat.wait_for_outcome("stopped")
    stopped = len(first.chat.answer)
    assert 10 <= stopped <= 20
    second.reload()
    for notebook in (first, second):
        expect(notebook.chat.root.locator(".jdc-queue")).to_have_attribute("data-held", "stopped")
        expect(waiting(notebook.chat)).to_have_text([SIX, THREE])
    assert jupyter.asked == [LONG]

    second.chat.root.locator("button.jdc-resume").click()
    for notebook in (first, second):
        expect(notebook.chat.root.locator(".jdc-queue")).to_have_count(0)
        expect_conversation(notebook.chat, (LONG, stopped), (SIX, 6), (THREE, 3))
        notebook.chat.wait_for_outcome("completed")
        notebook.chat.assert_exact(jupyter)
        notebook.assert_never_wrong()
    assert jupyter.asked == [LONG, SIX, THREE]


def test_what_is_written_is_kept_when_its_message_is_started(open_notebook: Open, jupyter: Jupyter) -> None:
    chat = start(open_notebook).chat
    chat.ask(LONG)
    queue(chat, THREE)
    waiting(chat).locator("button.jdc-edit").click()
    waiting(chat).locator("textarea.jdc-edit-input").fill(FOUR)
    jupyter.demand()
    expect_conversation(chat, (LONG, 40), (THREE, 3))
    expect(chat.root.locator("textarea.jdc-input")).to_have_value(FOUR)
    assert jupyter.asked == [LONG, THREE]


def test_retry_keeps_every_answer(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = start(open_notebook)
    answered(notebook.chat, FIVE)
    answer = messages(notebook.chat, "assistant")
    one = answer.get_attribute("data-message-id")
    assert one
    answer.locator("button.jdc-retry").click()
    expect(answer.locator(".jdc-versions")).to_have_text("2/2")
    two = answer.get_attribute("data-message-id")
    assert two and two != one
    expect_conversation(notebook.chat, (FIVE, 5))

    step(answer, "Previous version")
    expect(answer).to_have_attribute("data-message-id", one)
    other = open_notebook()
    notebook.reload()
    for tab in (notebook, other):
        expect(messages(tab.chat, "assistant")).to_have_attribute("data-message-id", one)
        expect(messages(tab.chat, "assistant").locator(".jdc-versions")).to_have_text("1/2")
    step(messages(other.chat, "assistant"), "Next version")
    expect(messages(notebook.chat, "assistant")).to_have_attribute("data-message-id", two)
    notebook.chat.assert_exact(jupyter)
    assert jupyter.asked == [FIVE, FIVE]


def test_edit_makes_a_branch(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = start(open_notebook)
    answered(notebook.chat, THREE)
    answered(notebook.chat, FOUR)
    edit(messages(notebook.chat, "user").first, FIVE)
    expect_conversation(notebook.chat, (FIVE, 5))
    notebook.chat.wait_for_outcome("completed")

    other = open_notebook()
    expect_conversation(other.chat, (FIVE, 5))
    step(messages(other.chat, "user"), "Previous version")
    notebook.reload()
    for tab in (notebook, other):
        expect_conversation(tab.chat, (THREE, 3), (FOUR, 4))
        expect(tab.chat.root.locator(".jdc-versions")).to_have_text("1/2")
    answered(notebook.chat, SIX)
    expect_conversation(other.chat, (THREE, 3), (FOUR, 4), (SIX, 6))
    step(messages(notebook.chat, "user").first, "Next version")
    expect_conversation(other.chat, (FIVE, 5))
    assert jupyter.asked == [THREE, FOUR, FIVE, SIX]


def test_continue_goes_on_where_it_was_stopped(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = start(open_notebook)
    notebook.chat.ask(LONG)
    notebook.chat.wait_for_word(10)
    notebook.chat.root.locator("button.jdc-stop").click()
    notebook.chat.wait_for_outcome("stopped")
    notebook.chat.root.locator("button.jdc-continue").click()
    notebook.chat.wait_for_word(20)
    notebook.reload()
    jupyter.demand()
    notebook.chat.wait_for_outcome("completed")
    expect_conversation(notebook.chat, (LONG, 40))
    expect(notebook.chat.root.locator("button.jdc-continue")).to_have_count(0)
    notebook.chat.assert_exact(jupyter)
    notebook.assert_never_wrong()
    assert jupyter.asked == [LONG, LONG]
