"""A chat for everyone: in the language of the person, for keyboard and screen reader, in every theme and direction."""

from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter
from tests.browser.page import CHAT_CELL

LANGUAGE = "lab/api/settings/@jupyterlab/translation-extension:plugin"


def test_a_chat_speaks_the_language_of_the_settings(
    open_notebook: Open, jupyter: Jupyter, context: BrowserContext
) -> None:
    jupyter.put(LANGUAGE, raw='{"locale": "de_DE"}')
    notebook = open_notebook(CHAT_CELL)
    notebook.run()
    root = notebook.chat.root
    assert notebook.page.evaluate("document.documentElement.lang") == "de-DE"
    expect(root.get_by_role("textbox", name="Nachricht")).to_have_attribute("placeholder", "Frage stellen")
    notebook.chat.ask("3 words at 100 per second")
    notebook.chat.wait_for_outcome()
    expect(root.get_by_role("button", name="Antwort kopieren")).to_be_visible()
    expect(root.locator(".jdc-facts")).to_contain_text("paced")

    notebook.save()
    context.route("**/static/durable_chat/de-*.js", lambda route: route.abort())
    notebook.reload()
    expect(root.get_by_role("textbox", name="Message")).to_be_visible()  # its words cannot be had
