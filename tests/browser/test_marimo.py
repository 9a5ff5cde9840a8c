"""marimo, with no Jupyter anywhere: the page has what JupyterLab has, and its kernel carries it."""

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, expect

from jupyter_durable_chat.notebook.view import STATIC
from tests.browser.marimo import Marimo, running_marimo
from tests.browser.page import WATCHER, ChatView

WORDS = [f"w{n}" for n in range(1, 61)]
HELD = "60 words at 40 per second, the last 30 on demand"


def opened(context: BrowserContext, marimo: Marimo) -> tuple[Page, ChatView]:
    page = context.new_page()
    page.add_init_script(path=WATCHER)
    page.goto(marimo.url)
    chat = ChatView(page.locator("[data-session]"))
    expect(chat.root).to_have_attribute("data-state", "live")
    return page, chat


def test_a_notebook_its_page_and_its_kernel(context: BrowserContext, tmp_path: Path) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    with running_marimo("edit", tmp_path) as marimo:
        page, chat = opened(context, marimo)
        session = chat.session

        # A cell runs: what has begun keeps coming, what is sent waits and says so.
        chat.ask(HELD)
        chat.wait_for_word(20)
        marimo.busy.touch()
        page.locator(".marimo-cell").nth(1).hover()
        page.locator(".marimo-cell").nth(1).get_by_test_id("run-button").first.click()
        expect(page.get_by_test_id("interrupt-button")).to_be_enabled()
        marimo.server.demand()
        chat.wait_for_outcome()
        assert chat.answer == WORDS
        chat.root.locator("textarea.jdc-input").fill("10 words at 40 per second")
        chat.root.locator("textarea.jdc-input").press("Enter")
        expect(chat.root.locator(".jdc-notice")).to_contain_text("The kernel is busy")
        expect(chat.root.locator(".jdc-outgoing")).to_have_count(1)
        marimo.busy.unlink()
        expect(chat.root.locator(".jdc-outgoing")).to_have_count(0)
        expect(chat.root.locator("[data-role=assistant]")).to_have_count(2)
        chat.wait_for_outcome()
        expect(chat.root.locator(".jdc-notice")).to_have_count(0)
        assert chat.answer == WORDS[:10]
        marimo.server.ask_for_less()

        # The page is loaded anew in the middle of an answer.
        chat.ask(HELD)
        chat.wait_for_word(20)
        page.reload()
        chat.wait_for_word(30)
        marimo.server.demand()
        chat.wait_for_outcome()
        assert chat.answer == WORDS
        chat.assert_exact(marimo.server)
        marimo.server.ask_for_less()

        # The kernel is started anew in the middle of an answer.
        chat.ask(HELD)
        chat.wait_for_word(20)
        restart_kernel(page)
        expect(chat.root).to_have_attribute("data-session", session)
        chat.wait_for_word(30)
        marimo.server.demand()
        chat.wait_for_outcome()
        assert chat.answer == WORDS
        chat.assert_exact(marimo.server)
        expect(chat.root.locator("[data-role=assistant]")).to_have_count(4)
        chat_port = urlsplit(marimo.server.address["url"]).port
    # Nobody but marimo was asked for anything, and the front end came with the notebook, as one file.
    assert (
        {urlsplit(url).port for url in asked if not url.startswith(("blob:", "data:"))} == {marimo.port} != {chat_port}
    )
    assert (STATIC / "core-inline.js").stat().st_size < 700_000


def restart_kernel(page: Page) -> None:
    page.get_by_test_id("notebook-menu-dropdown").click()
    page.get_by_role("menuitem", name="Restart kernel").click()
    with page.expect_navigation():
        page.get_by_role("alertdialog").get_by_role("button", name="Confirm Restart").click()


def test_in_an_app_everybody_has_a_conversation_of_their_own(browser: Browser, tmp_path: Path) -> None:
    with running_marimo("run", tmp_path) as marimo, browser.new_context() as one, browser.new_context() as other:
        _, first = opened(one, marimo)
        first.ask("10 words at 40 per second")
        first.wait_for_outcome()
        assert first.answer == WORDS[:10]
        first.assert_exact(marimo.server)
        _, second = opened(other, marimo)
        assert second.session != first.session
        expect(second.root.locator("[data-role]")).to_have_count(0)
