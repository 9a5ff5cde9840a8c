"""The panel of all chats, what is done from there, the settings, and a notebook that is not saved with its chat."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter, running
from tests.browser.page import CHAT_CELL, NotebookPage
from tests.browser.parts import FAIL
from tests.browser.test_accessibility import AXE, THEMES, axe
from tests.browser.test_tools import CELL, PLOT

SHOW = "jupyter-durable-chat:show-panel"
SETTINGS = "lab/api/settings/jupyter-durable-chat:sessions"
SHORT, LONG = "10 words at 100 per second", "3000 words at 20 per second, the last 2900 on demand"


@pytest.fixture(params=["lab", "notebook"])
def jupyter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jupyter]:
    agents = ["tests.browser.agent:paced", "tests.browser.parts:parts"]
    with running(request.param, tmp_path, agents=agents) as server:
        yield server
        print(server.output)


class Panel:
    """The side panel of one page."""

    def __init__(self, notebook: NotebookPage) -> None:
        self.page = notebook.page
        notebook.command(SHOW)
        self.root = self.page.locator(".jdc-sessions")
        self.rows = self.root.get_by_role("option")
        expect(self.root).to_have_attribute("data-phase", "there")

    def row(self, session: str) -> Locator:
        return self.root.locator(f"[data-chat={session}]")

    def choose(self, session: str, command: str) -> None:
        """From the row's context menu."""
        self.row(session).click(button="right")
        self.page.get_by_role("menuitem", name=command).click()

    def select(self, session: str) -> None:
        """With the keyboard, wherever the focus was."""
        self.root.get_by_role("searchbox").press("ArrowDown")
        self.page.keyboard.press("Home")
        while self.row(session).evaluate("row => row !== document.activeElement"):
            self.page.keyboard.press("ArrowDown")


def start(jupyter: Jupyter, title: str, notebook: str | None = None) -> str:
    return jupyter.post("durable-chat/api/sessions", title=title, notebook=notebook)["id"]


def ask(jupyter: Jupyter, session: str, text: str, agent: str = "paced") -> None:
    path = f"durable-chat/api/sessions/{session}/messages"
    jupyter.post(path, client_id=f"c_{jupyter.transcript(session)['lsn']}", text=text, agent=agent)


def test_all_chats_are_in_a_panel(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = open_notebook(CELL)
    notebook.run_to_end()
    notebook.save()
    expect(notebook.chat.root).to_have_attribute("data-state", "live")
    asks = notebook.chat.session
    ready, fails, held = (start(jupyter, title) for title in ("Peas", "A key", "Beans"))
    elsewhere = start(jupyter, "Elsewhere", notebook="gone.ipynb")
    panel = Panel(notebook)
    expect(panel.rows).to_have_count(5)
    expect(panel.root.locator("[data-state=idle]")).to_have_count(5)

    # What becomes of them is seen as it happens, and what is not seen is unread.
    ask(jupyter, held, LONG)
    expect(panel.row(held)).to_have_attribute("data-state", "streaming")
    ask(jupyter, held, SHORT)
    jupyter.post(f"durable-chat/api/sessions/{held}/stop")
    expect(panel.row(held)).to_have_attribute("data-state", "attention")
    ask(jupyter, ready, SHORT)
    ask(jupyter, fails, FAIL, "parts")
    ask(jupyter, asks, PLOT, "demo")
    expect(panel.row(ready)).to_have_attribute("data-state", "ready")
    expect(panel.row(ready)).to_have_attribute("data-unread", "true")
    expect(panel.row(ready)).to_have_accessible_name(
        "Peas (the answer is ready, unread) now w1 w2 w3 w4 w5 w6 w7 w8 w9 w10"
    )
    expect(panel.row(fails)).to_have_attribute("data-state", "failed")
    expect(panel.row(asks)).to_have_attribute("data-state", "waiting")

    notebook.page.evaluate(AXE.read_text())
    # Without a height it looks to axe as if it hid all that is positioned in it.
    notebook.page.add_style_tag(content="body { height: 100vh }")
    for theme in THEMES:
        notebook.command("apputils:change-theme", {"theme": theme})
        notebook.page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
        expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
        found, texts = axe(notebook.page, within=".jdc-sessions")
        assert found == [], theme
        assert texts > 10

    # Words of messages, and titles.
    search = panel.root.get_by_role("searchbox")
    search.fill("refused")
    expect(panel.rows).to_have_count(1)
    expect(panel.row(fails)).to_be_visible()
    search.fill("elsewh")
    expect(panel.row(elsewhere)).to_be_visible()
    expect(panel.rows).to_have_count(1)
    search.press("Escape")
    expect(panel.rows).to_have_count(5)

    # Without a server it says so, and keeps what it has, until it comes back.
    jupyter.kill()
    expect(panel.root.get_by_role("alert")).to_be_visible()
    expect(panel.rows).to_have_count(5)
    jupyter.start()
    expect(panel.root.get_by_role("alert")).to_have_count(0, timeout=60_000)
    expect(panel.rows).to_have_count(5)


def test_a_chat_is_opened_from_the_panel_and_changed_there(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = open_notebook(CHAT_CELL)
    notebook.run_to_end()
    notebook.save()
    here, elsewhere = notebook.chat.session, start(jupyter, "Elsewhere", notebook="gone.ipynb")
    ready, beans, other = (start(jupyter, title) for title in ("Peas", "Beans", "Lentils"))
    panel = Panel(notebook)
    expect(panel.rows).to_have_count(5)
    ask(jupyter, ready, SHORT)
    expect(panel.row(ready)).to_have_attribute("data-state", "ready")

    # In its notebook: the cell; where there is no such notebook, that is said, and the chat is there all the same.
    notebook.page.mouse.move(900, 300)
    panel.select(here)
    notebook.page.keyboard.press("Enter")
    focused = "document.activeElement.closest('.jp-Notebook') !== null"
    notebook.page.wait_for_function(focused)
    expect(notebook.chat.root).to_be_in_viewport()
    panel.select(elsewhere)
    notebook.page.keyboard.press("Enter")
    toast = notebook.page.locator(".Toastify__toast").filter(has_text="gone.ipynb")
    opened = in_its_own_place(jupyter, notebook.page, lambda: toast.get_by_role("button", name="Open the Chat").click())
    expect(opened.locator(f"[data-session={elsewhere}]")).to_have_attribute("data-state", "live")
    # What is opened is read.
    opened = in_its_own_place(jupyter, notebook.page, lambda: panel.row(ready).click())
    expect(opened.locator(f"[data-session={ready}]")).to_have_attribute("data-state", "live")
    expect(panel.row(ready)).to_have_attribute("data-state", "idle")
    expect(panel.row(ready)).to_have_attribute("data-unread", "false")
    notebook.page.bring_to_front()

    panel.select(beans)
    notebook.page.keyboard.press("F2")
    dialog = notebook.page.locator(".jp-Dialog")
    dialog.get_by_role("textbox").fill("Runner beans")
    dialog.get_by_role("textbox").press("Enter")
    expect(panel.row(beans)).to_contain_text("Runner beans")
    panel.choose(beans, "Mute")
    expect(panel.row(beans).locator(".jdc-icon-silent")).to_be_visible()
    assert jupyter.transcript(beans)["muted"] is True
    panel.select(other)
    notebook.page.keyboard.press("Delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(panel.row(other)).to_have_count(0)
    expect(panel.rows).to_have_count(4)
    created = in_its_own_place(
        jupyter, notebook.page, lambda: panel.root.get_by_role("button", name="New chat").click()
    )
    expect(panel.rows).to_have_count(5)
    # The notebook was shown where it was, and not opened once more: what was opened after that is there.
    assert len(notebook.page.context.pages) == (1 if jupyter.app == "lab" else 4)
    newest = jupyter.api("durable-chat/api/sessions")["sessions"][0]["id"]
    expect(created.locator(f"[data-session={newest}]")).to_have_attribute("data-state", "live")
    if jupyter.app == "lab":
        created.locator(f"[data-session={newest}]").get_by_role("textbox").fill("Kept")
        # JupyterLab saves its layout a moment later, to the server; then a reload finds it.
        notebook.page.wait_for_function(
            "([url, tab]) => fetch(url).then((answer) => answer.text()).then((layout) => layout.includes(tab))",
            arg=[f"{jupyter.base_url}lab/api/workspaces/default", f"jupyter-durable-chat:{newest}"],
            polling=100,
        )
        notebook.page.goto(notebook.page.url.split("?")[0])
        expect(notebook.page.locator(f"[data-session={newest}]").get_by_role("textbox")).to_have_value("Kept")
        expect(panel.rows).to_have_count(5)


def in_its_own_place(jupyter: Jupyter, page: Page, press: Callable[[], None]) -> Page:
    """Where a chat is opened: a tab of JupyterLab, or a page of the browser."""
    if jupyter.app == "lab":
        press()
        return page
    with page.context.expect_page() as opened:
        press()
    return opened.value


OFFERS = """
window.offers = [];
const seen = new WeakSet();
new MutationObserver(() => {
  for (const toast of document.querySelectorAll('.Toastify__toast')) {
    if (seen.has(toast) || !toast.textContent.includes('.ipynb')) continue;
    seen.add(toast);
    offers.push(document.querySelectorAll('[data-role=user]').length);
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
"""
"""Notes of each offer how much had been said when it came: none comes and goes unseen."""


def test_a_notebook_is_offered_to_be_saved_once(context: BrowserContext, jupyter: Jupyter) -> None:
    jupyter.put(SETTINGS, raw='{"sendKey": "accel"}')
    jupyter.write_notebook("Untitled.ipynb", "")
    context.add_init_script(OFFERS)
    notebook = NotebookPage(context.new_page(), jupyter, "Untitled.ipynb").open()
    offer = notebook.page.locator(".Toastify__toast").filter(has_text="Untitled.ipynb")
    notebook.write(CHAT_CELL)
    notebook.run_to_end()
    # What the settings say is what a chat does; what is chosen in a chat is in the settings.
    send_key = notebook.chat.root.locator(".jdc-send-key select")
    expect(send_key).to_have_value("accel")
    send_key.select_option("enter")
    notebook.page.wait_for_function(
        "url => fetch(url).then(answer => answer.json()).then(({ settings }) => settings.sendKey === 'enter')",
        arg=f"{jupyter.base_url}{SETTINGS}",
        polling=100,
    )
    notebook.chat.ask("300 words at 50 per second, the last 200 on demand")
    session = notebook.chat.session
    offer.get_by_role("button", name="Save").click()
    assert notebook.page.evaluate("offers") == [1], "one, and not before anything was said"
    notebook.page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
    expect(offer).to_have_count(0)
    notebook.reload()
    expect(notebook.chat.root).to_have_attribute("data-session", session)
    jupyter.demand()
    notebook.chat.wait_for_outcome()
    notebook.chat.assert_exact(jupyter)
    notebook.chat.ask(SHORT)
    notebook.chat.wait_for_outcome()
    assert notebook.page.evaluate("offers") == [], "its file shows it"

    # Who does not want it is not asked again.
    jupyter.write_notebook("other.ipynb", "")
    other = NotebookPage(context.new_page(), jupyter, "other.ipynb").open()
    asked = other.page.locator(".Toastify__toast").filter(has_text="other.ipynb")
    other.write(CHAT_CELL)
    other.run_to_end()
    other.chat.ask(SHORT)
    asked.get_by_role("button", name="Not for This Notebook").click()
    expect(asked).to_have_count(0)
    other.chat.wait_for_outcome()
    other.reload()
    other.write(CHAT_CELL)
    other.run_to_end()
    other.chat.wait_for_outcome()
    other.chat.ask(SHORT)
    other.chat.wait_for_outcome()
    assert other.page.evaluate("offers") == []
