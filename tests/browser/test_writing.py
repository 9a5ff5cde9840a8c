"""Writing in a real host, with keys that are really pressed: they reach what they are meant for, and nothing else."""

import re

from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open
from tests.browser.page import CHAT_CELL, PANEL, ChatView, NotebookPage

SHORTCUTS = ["a", "b", "d", "d", "x", "v", "z", "m", "y", "r", "1", "0", "0", "j", "k", "l", "f"]
"""Keys that in a notebook add, remove, change or move cells, or restart the kernel."""

WITH_CONTROL = ["Control+Shift+c", "Control+b", "Control+Shift+Minus", "Control+Shift+d", "Control+Shift+h"]


def start(open_notebook: Open, *cells: str) -> NotebookPage:
    """A saved notebook whose first cell is a chat."""
    notebook = open_notebook(CHAT_CELL, *cells)
    notebook.run_to_end()
    expect(notebook.chat.root).to_have_attribute("data-session", re.compile("s_"))
    notebook.save()
    return notebook


def field(chat: ChatView) -> Locator:
    return chat.root.locator("textarea.jdc-input")


def questions(chat: ChatView) -> Locator:
    return chat.root.locator("[data-role=user][data-message-id]")


def executed(notebook: NotebookPage) -> list[int | None]:
    """The execution counts of all cells."""
    return notebook.page.evaluate(f"{PANEL}.content.widgets.map(cell => cell.model.executionCount ?? null)")


def state(notebook: NotebookPage) -> object:
    """All that a shortcut could have changed."""
    return notebook.page.evaluate(
        f"""() => ({{
          cells: {PANEL}.content.widgets.map(cell => [cell.model.type, cell.model.sharedModel.getSource()]),
          kernel: {PANEL}.sessionContext.session.kernel.id,
          active: {PANEL}.content.activeCellIndex,
          dialogs: document.querySelectorAll('.jp-Dialog, .lm-CommandPalette:not(.lm-mod-hidden) input:focus').length,
          shell: [jupyterapp.shell.leftCollapsed ?? null, document.querySelectorAll('.jp-mod-searchActive').length],
        }})"""
    )


def dirty(notebook: NotebookPage) -> bool:
    return notebook.page.evaluate(f"{PANEL}.context.model.dirty")


def test_keys_are_the_chats(open_notebook: Open) -> None:
    """No shortcut of the notebook runs in the input, on a button or in a message; Ctrl+S saves."""
    notebook = start(open_notebook, "other = 1")
    chat, keyboard = notebook.chat, notebook.page.keyboard
    chat.ask("3 words at 100 per second")
    chat.wait_for_outcome()
    notebook.save()
    places = [field(chat), chat.root.locator("button.jdc-attach"), chat.root.locator(".jdc-scroll")]
    for place in places:
        place.focus()
        before, ran = state(notebook), executed(notebook)
        for key in [*SHORTCUTS, "Escape", *WITH_CONTROL]:
            keyboard.press(key)
        expect(place).to_be_focused()
        assert (state(notebook), executed(notebook)) == (before, ran)
    expect(field(chat)).to_have_value("".join(SHORTCUTS))

    # Shift+Enter is a new line, and runs nothing.
    field(chat).fill("one")
    keyboard.press("Shift+Enter")
    keyboard.type("two")
    expect(field(chat)).to_have_value("one\ntwo")
    assert executed(notebook) == ran

    notebook.write("other = 2", 1)
    assert dirty(notebook)
    field(chat).focus()
    keyboard.press("Control+s")
    notebook.page.wait_for_function(f"!{PANEL}.context.model.dirty")
    expect(field(chat)).to_be_focused()


def test_what_sends_is_preferred(open_notebook: Open) -> None:
    """In one place for all chats and tabs, and for the editor too; Up goes back to what was asked."""
    first = start(open_notebook)
    second = open_notebook()
    first.chat.root.locator(".jdc-send-key select").select_option("accel")
    expect(second.chat.root.locator(".jdc-send-key select")).to_have_value("accel")
    for notebook, text in ((first, "3 words"), (second, "4 words")):
        notebook.page.bring_to_front()
        field(notebook.chat).focus()
        notebook.page.keyboard.type(f"{text} at 100")
        notebook.page.keyboard.press("Enter")
        notebook.page.keyboard.type("per second")
        expect(field(notebook.chat)).to_have_value(f"{text} at 100\nper second")
        notebook.page.keyboard.press("Control+Enter")
        expect(questions(notebook.chat).last).to_contain_text(text)
        notebook.chat.wait_for_outcome()
    second.page.keyboard.press("ArrowUp")
    editor = second.chat.root.locator("textarea.jdc-edit-input")
    expect(editor).to_be_focused()
    second.page.keyboard.press("Enter")
    second.page.keyboard.type("please")
    second.page.keyboard.press("Control+Enter")
    expect(questions(first.chat).last).to_contain_text("please")
    second.reload()
    expect(second.chat.root.locator(".jdc-send-key select")).to_have_value("accel")
