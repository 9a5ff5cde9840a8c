"""The pictures in docs/images, taken from the running product: JupyterLab with the demo agent, light and dark."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.conftest import FLAGS, chromium
from tests.browser.jupyter import ROOT, Jupyter, running
from tests.browser.page import NotebookPage

IMAGES = ROOT / "docs" / "images"
THEMES = {"chat": "JupyterLab Light", "chat-dark": "JupyterLab Dark"}
CELL = "from jupyter_durable_chat import Chat\n\nchat = Chat()\nchat"
QUESTION = "What survives when I restart the kernel?"
SIZE = {"width": 1120, "height": 860}


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running("lab", Path(folder)) as jupyter,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS) as browser,
    ):
        for name, theme in THEMES.items():
            picture(browser, jupyter, name, theme)


def picture(browser: Browser, jupyter: Jupyter, name: str, theme: str) -> None:
    """An answer that is still arriving, far enough to show a heading, a table and code."""
    with browser.new_context(viewport=SIZE, device_scale_factor=1.5) as context:
        jupyter.write_notebook(f"{name}.ipynb", CELL)
        notebook = NotebookPage(context.new_page(), jupyter, f"{name}.ipynb").open()
        notebook.command("apputils:change-theme", {"theme": theme})
        notebook.command("application:toggle-left-area")
        notebook.run()
        notebook.chat.ask(QUESTION)
        expect(notebook.chat.root.locator("[data-role=assistant] pre").first).to_be_visible()
        notebook.page.screenshot(path=IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
