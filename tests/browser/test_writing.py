"""Writing in a real host, with keys that are really pressed: they reach what they are meant for, and nothing else."""

import json
import re
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Route, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter
from tests.browser.network import Network
from tests.browser.page import CHAT_CELL, PANEL, ChatView, NotebookPage

SHORTCUTS = ["a", "b", "d", "d", "x", "v", "z", "m", "y", "r", "1", "0", "0", "j", "k", "l", "f"]
"""Keys that in a notebook add, remove, change or move cells, or restart the kernel."""

WITH_CONTROL = ["Control+Shift+c", "Control+b", "Control+Shift+Minus", "Control+Shift+d", "Control+Shift+h"]


def start(open_notebook: Open, *cells: str, port: int | None = None) -> NotebookPage:
    """A saved notebook whose first cell is a chat."""
    notebook = open_notebook(CHAT_CELL, *cells, port=port)
    away = notebook.page.locator(".jp-Dialog", has_text="Server Connection Error")
    notebook.page.add_locator_handler(away, lambda dialog: dialog.get_by_role("button", name="Close").click())
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
    ran = executed(notebook)
    for place in places:
        place.focus()
        before = state(notebook)
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


def unsent(chat: ChatView) -> Locator:
    return chat.root.locator(".jdc-outgoing")


def send(chat: ChatView, text: str) -> None:
    """Type it and press Send, whatever becomes of it."""
    field(chat).fill(text)
    chat.root.locator("button.jdc-send").click()
    expect(field(chat)).to_have_value("")


def test_a_draft_survives(open_notebook: Open, jupyter: Jupyter) -> None:
    """A reload, a restart of the kernel and the cell run again; sent, it is gone for all tabs."""
    notebook = start(open_notebook)
    notebook.chat.root.locator("input[type=file]").set_input_files(
        {"name": "a.txt", "mimeType": "text/plain", "buffer": b"of a file"}
    )
    attachment = notebook.chat.root.locator(".jdc-attachment")
    expect(attachment).to_have_attribute("data-state", "ready")
    field(notebook.chat).press_sequentially("half a th")
    notebook.reload()
    expect(field(notebook.chat)).to_have_value("half a th")
    expect(attachment).to_have_attribute("data-state", "ready")
    notebook.kernel_ready()
    notebook.restart_kernel()
    notebook.run_to_end()
    expect(field(notebook.chat)).to_have_value("half a th")
    field(notebook.chat).press_sequentially("ought")
    notebook.page.close()
    notebook = open_notebook()
    expect(field(notebook.chat)).to_have_value("half a thought")
    field(notebook.chat).press("Enter")
    notebook.chat.wait_for_outcome()
    assert jupyter.asked == ["half a thought"]
    [question, _] = jupyter.transcript(notebook.chat.session)["messages"]
    assert [part.get("filename") for part in question["parts"]] == [None, "a.txt"]
    notebook.reload()
    expect(field(notebook.chat)).to_have_value("")
    expect(notebook.chat.root.locator(".jdc-attachment")).to_have_count(0)


def test_what_is_sent_without_a_server_is_sent_once(open_notebook: Open, jupyter: Jupyter) -> None:
    """When it is back: by the page that is there, or by the one that is opened then."""
    notebook = start(open_notebook)
    chat = notebook.chat
    jupyter.kill()
    send(chat, "3 words")
    send(chat, "4 wrods")
    send(chat, "5 words")
    expect(unsent(chat)).to_have_text([re.compile(r"3 words"), re.compile("4 wrods"), re.compile("5 words")])
    expect(unsent(chat).first).to_contain_text("Waits for the connection")
    unsent(chat).nth(1).get_by_role("button", name="Edit").click()
    chat.root.locator("textarea.jdc-edit-input").fill("4 words")
    chat.root.locator("button.jdc-save").click()
    unsent(chat).nth(2).get_by_role("button", name="Discard").click()
    expect(unsent(chat)).to_have_count(2)
    jupyter.start()
    expect(questions(chat)).to_have_text(["3 words", "4 words"])
    chat.wait_for_outcome()
    expect(unsent(chat)).to_have_count(0)
    assert jupyter.asked == ["3 words", "4 words"]

    jupyter.kill()
    send(chat, "6 words")
    expect(unsent(chat)).to_contain_text("Waits for the connection")
    notebook.page.close()
    jupyter.start()
    chat = open_notebook().chat
    expect(questions(chat).last).to_have_text("6 words")
    chat.wait_for_outcome()
    expect(unsent(chat)).to_have_count(0)
    assert jupyter.asked == ["3 words", "4 words", "6 words"]


def test_a_server_that_dies_with_its_answer_leaves_one_message(open_notebook: Open, jupyter: Jupyter) -> None:
    """The message is in its log, and no page has heard of that."""
    with Network.to(jupyter.port) as network:
        notebook = start(open_notebook, port=network.port)

        def lose(route: Route) -> None:
            network.off()
            body: dict[str, str] = json.loads(route.request.post_data or "")
            jupyter.post(urlsplit(route.request.url).path, **body)
            jupyter.kill()
            route.abort()

        notebook.page.route("**/messages", lose, times=1)
        send(notebook.chat, "3 words")
        expect(unsent(notebook.chat)).to_contain_text("Waits for the connection")
        jupyter.start()
        network.on()
        expect(questions(notebook.chat)).to_have_text("3 words")
        expect(unsent(notebook.chat)).to_have_count(0)
        said = [event for event in jupyter.events(notebook.chat.session) if event["type"] == "user-message"]
        assert len(said) == 1


def test_the_queue_by_keyboard(open_notebook: Open, jupyter: Jupyter) -> None:
    """Under the input: moved, changed, removed, held by Esc and resumed by Enter, without a mouse."""
    notebook = start(open_notebook)
    chat, keyboard = notebook.chat, notebook.page.keyboard
    rows = chat.root.locator(".jdc-queued[data-message-id]")
    chat.ask("40 words at 100 per second, the last 20 on demand")
    chat.wait_for_word(10)
    field(chat).focus()
    for n, text in enumerate(("3 words", "4 words", "5 words"), 1):
        keyboard.type(text)
        keyboard.press("Enter")
        expect(rows).to_have_count(n)
    queue, composer = chat.root.locator(".jdc-queue").bounding_box(), chat.root.locator(".jdc-composer").bounding_box()
    assert queue and composer and queue["y"] >= composer["y"] + composer["height"]

    keyboard.press("ArrowUp")
    expect(rows.nth(2).locator("textarea.jdc-edit-input")).to_be_focused()
    keyboard.press("ControlOrMeta+a")
    keyboard.type("6 words")
    keyboard.press("Enter")
    expect(rows).to_have_text(["3 words", "4 words", "6 words"])
    expect(field(chat)).to_be_focused()

    rows.nth(2).get_by_role("button", name="Move up").focus()
    keyboard.press("Enter")
    expect(rows).to_have_text(["3 words", "6 words", "4 words"])
    expect(rows.nth(1).get_by_role("button", name="Move up")).to_be_focused()
    rows.nth(0).get_by_role("button", name="Remove message").focus()
    keyboard.press("Enter")
    expect(rows).to_have_text(["6 words", "4 words"])

    field(chat).focus()
    keyboard.press("Escape")
    chat.wait_for_outcome("stopped")
    expect(chat.root.locator(".jdc-queue")).to_have_attribute("data-held", "stopped")
    keyboard.press("Enter")
    expect(questions(chat)).to_have_count(3)
    chat.wait_for_outcome()
    expect(rows).to_have_count(0)
    assert jupyter.asked[1:] == ["6 words", "4 words"]


def option(chat: ChatView, name: str) -> Locator:
    return chat.root.locator(
        "[role=option]", has=chat.root.page.locator("b", has_text=re.compile(f"^{re.escape(name)}$"))
    )


def test_what_is_named_goes_along_as_it_is_then(open_notebook: Open, jupyter: Jupyter) -> None:
    """A variable, a cell and a file by `@`, one who answers by `/`; a secret is not offered, a busy kernel is said."""
    (jupyter.files / "rows.csv").write_text("a,b\n1,2\n")
    notebook = start(open_notebook, "amount = 41\napi_key = 'hidden'", "amount = 42", "import time\ntime.sleep(600)")
    notebook.run_to_end(1)
    chat, keyboard = notebook.chat, notebook.page.keyboard
    chips = chat.root.locator(".jdc-named .jdc-attachment-name")
    field(chat).focus()
    keyboard.type("Why is @")
    expect(option(chat, "amount")).to_be_visible()
    expect(option(chat, "api_key")).to_have_count(0)
    keyboard.type("am")
    expect(chat.root.locator("[role=option]")).to_have_count(1)
    keyboard.press("Tab")
    keyboard.type("in @cell:2")
    expect(option(chat, "cell:2")).to_have_attribute("aria-selected", "true")
    keyboard.press("Enter")
    keyboard.type("and @row")
    expect(option(chat, "rows.csv")).to_have_attribute("aria-selected", "true")
    keyboard.press("Enter")
    expect(chips).to_have_text(["@amount", "@cell:2", "@rows.csv"])
    notebook.run_to_end(2)
    field(chat).focus()
    keyboard.press("Enter")
    chat.wait_for_outcome()
    [question, _] = jupyter.transcript(chat.session)["messages"]
    text, variable, cell, file = question["parts"]
    assert text["text"].rstrip() == "Why is @amount in @cell:2 and @rows.csv"
    assert variable["type"] == "data-variable" and "42" in variable["data"]["text"]
    assert cell["type"] == "data-cell" and "amount = 41" in cell["data"]["text"]
    assert file["filename"] == "rows.csv" and file["url"].startswith("attachment:")

    keyboard.type("/dem")
    expect(option(chat, "demo")).to_have_attribute("aria-selected", "true")
    keyboard.press("Enter")
    expect(chips).to_have_text(["Asks demo"])
    keyboard.type("Hello")
    keyboard.press("Enter")
    expect(questions(chat)).to_have_count(2)
    chat.wait_for_outcome()
    answer = jupyter.transcript(chat.session)["messages"][-1]
    assert answer["metadata"]["agent"] == "demo"
    assert len(jupyter.asked) == 1

    notebook.run(3)
    notebook.kernel_busy()
    field(chat).focus()
    keyboard.type("@")
    expect(chat.root.locator(".jdc-completion")).to_contain_text("The kernel is busy")
    expect(option(chat, "rows.csv")).to_be_visible()
    keyboard.press("Escape")
    expect(chat.root.locator(".jdc-completion")).to_have_count(0)
