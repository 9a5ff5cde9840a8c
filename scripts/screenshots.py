"""The pictures in docs/images, taken from the running product in JupyterLab, light and dark.

`chat` is the whole window, for the front page, and `panel` is it with the panel, for docs/panel.md; every other picture
is one state of the chat, and docs/states.md shows them all.
"""

import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page, ViewportSize, expect, sync_playwright

from scripts import scenes
from tests.browser.conftest import FLAGS, chromium
from tests.browser.jupyter import ROOT, Jupyter, running
from tests.browser.page import NotebookPage

IMAGES = ROOT / "docs" / "images"
THEMES = {"": "JupyterLab Light", "-dark": "JupyterLab Dark"}
WINDOW = ViewportSize(width=1120, height=840)
STATE = ViewportSize(width=1000, height=1400)
SETTINGS = "lab/api/settings/jupyter-durable-chat:sessions"
EDGE = 12

DEMO = "from jupyter_durable_chat import Chat\n\nchat = Chat()\nchat"
SCENES = DEMO.replace("Chat()", "Chat(agent='scenes')")
TOOLS = """
import pandas as pd
from jupyter_durable_chat import Chat

orders = pd.DataFrame({
    "region": ["North", "South", "East", "West"],
    "orders": [3120, 2874, 4051, 2435],
    "returned": [0.081, 0.064, 0.112, 0.073],
})
chat = Chat(agent="scenes")

@chat.tool
def orders_by_region(year: int):
    '''The orders of a year by region.'''
    return orders

@chat.tool(approval="always")
def drop_rows(where: str):
    '''Delete rows of the table.'''
    return 17

chat
"""


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running("lab", Path(folder), agents=["scripts.scenes:scenes"]) as jupyter,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS) as browser,
    ):
        # The offer to save a notebook, and what is told of other chats, would lie over what is shown.
        jupyter.put(SETTINGS, raw='{"offerToSave": false, "notifications": false}')
        for suffix, theme in THEMES.items():
            studio = Studio(browser, jupyter, theme, suffix)
            for scene in (empty, streaming, reasoning, tool, approval, question, queue, stopped, error, long):
                studio.take(scene)
            panel(studio)
            studio.take(offline)
            jupyter.start()
            studio.take(interrupted)
            window(studio)


class Studio:
    """Takes chats in one theme."""

    def __init__(self, browser: Browser, jupyter: Jupyter, theme: str, suffix: str) -> None:
        self.jupyter = jupyter
        self._browser = browser
        self._theme = theme
        self.suffix = suffix

    def take(self, scene: Callable[["Studio"], NotebookPage]) -> None:
        page = scene(self).page
        page.mouse.move(0, 0)
        self.keep(scene.__name__, around(page))
        page.context.close()

    def visit(self, name: str, size: ViewportSize = STATE) -> NotebookPage:
        """A notebook that is there, in a browser of its own."""
        context = self._browser.new_context(viewport=size, device_scale_factor=1.5)
        notebook = NotebookPage(context.new_page(), self.jupyter, f"{name}.ipynb").open()
        notebook.command("apputils:change-theme", {"theme": self._theme})
        notebook.command("application:toggle-left-area")
        return notebook

    def open(self, name: str, cell: str, size: ViewportSize = STATE) -> NotebookPage:
        """A new notebook whose chat is ready."""
        self.jupyter.write_notebook(f"{name}{self.suffix}.ipynb", cell)
        notebook = self.visit(f"{name}{self.suffix}", size)
        notebook.run_to_end()
        expect(notebook.chat.root).to_have_attribute("data-state", "live")
        return notebook

    def keep(self, name: str, png: bytes) -> None:
        """In a palette: these pictures have few colours, and they live in the repository."""
        picture = Image.open(BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        picture.save(IMAGES / f"{name}{self.suffix}.png", optimize=True)


def window(studio: Studio) -> None:
    """All of JupyterLab: a question, and its answer that is still arriving."""
    notebook = studio.open("chat", DEMO, WINDOW)
    notebook.chat.ask("What survives when I restart the kernel?")
    expect(notebook.chat.root.locator("[data-role=assistant] h3").first).to_be_visible()
    studio.keep("chat", notebook.page.screenshot())
    notebook.page.context.close()


def panel(studio: Studio) -> None:
    """The chats of all pictures so far, each in its state, and one whose answer nobody has seen."""
    session = studio.jupyter.post("durable-chat/api/sessions", agent="scenes")["id"]
    studio.jupyter.post(f"durable-chat/api/sessions/{session}/messages", client_id="c", text=scenes.LONG[4])
    notebook = studio.open("panel", SCENES, WINDOW)
    notebook.chat.ask(scenes.LONG[2])
    notebook.chat.wait_for_outcome()
    notebook.command("jupyter-durable-chat:show-panel")
    rows = notebook.page.locator(".jdc-panel-row")
    expect(rows.and_(notebook.page.locator(f"[data-chat={session}][data-state=ready]"))).to_be_visible()
    notebook.page.mouse.move(0, 0)
    studio.keep("panel", notebook.page.screenshot())
    notebook.page.context.close()


def around(page: Page) -> bytes:
    """The chat with a little of the page around it."""
    box = page.locator("[data-session] .jdc-chat").bounding_box()
    assert box
    width, height = box["width"] + 2 * EDGE, box["height"] + 2 * EDGE
    return page.screenshot(clip=FloatRect(x=box["x"] - EDGE, y=box["y"] - EDGE, width=width, height=height))


def empty(studio: Studio) -> NotebookPage:
    return studio.open("empty", SCENES)


def streaming(studio: Studio) -> NotebookPage:
    notebook = studio.open("streaming", SCENES)
    notebook.chat.ask(scenes.STREAMING)
    expect(notebook.chat.root).to_contain_text("so it is")
    expect(notebook.chat.root.locator("math").first).to_be_visible()
    return notebook


def reasoning(studio: Studio) -> NotebookPage:
    notebook = studio.open("reasoning", SCENES)
    notebook.chat.ask(scenes.REASONING)
    notebook.chat.root.locator(".jdc-reasoning summary").click()
    expect(notebook.chat.root.locator("math").first).to_be_visible()
    return notebook


def tool(studio: Studio) -> NotebookPage:
    notebook = studio.open("tool", TOOLS)
    notebook.chat.ask(scenes.TOOL)
    notebook.chat.wait_for_outcome()
    notebook.chat.root.locator(".jdc-tool summary").first.click()
    notebook.chat.root.locator(".jdc-scroll").evaluate("box => box.scrollTop = 0")
    return notebook


def approval(studio: Studio) -> NotebookPage:
    notebook = studio.open("approval", TOOLS)
    notebook.chat.ask(scenes.APPROVAL)
    expect(notebook.chat.root.locator("button.jdc-approve")).to_be_visible()
    return notebook


def question(studio: Studio) -> NotebookPage:
    notebook = studio.open("question", TOOLS)
    notebook.chat.ask(scenes.QUESTION)
    notebook.chat.root.locator(".jdc-option").nth(1).click()
    return notebook


def queue(studio: Studio) -> NotebookPage:
    notebook = studio.open("queue", SCENES)
    notebook.chat.ask(scenes.STOPPED)
    for n, text in enumerate(scenes.QUEUE):
        notebook.chat.root.locator("textarea.jdc-input").fill(text)
        notebook.chat.root.locator("textarea.jdc-input").press("Enter")
        expect(notebook.chat.root.locator(".jdc-queued[data-message-id]")).to_have_count(n + 1)
    return notebook


def stopped(studio: Studio) -> NotebookPage:
    notebook = studio.open("stopped", SCENES)
    notebook.chat.ask(scenes.STOPPED)
    expect(notebook.chat.root).to_contain_text("replaces")
    notebook.chat.root.locator("button.jdc-stop").click()
    notebook.chat.wait_for_outcome("stopped")
    return notebook


def error(studio: Studio) -> NotebookPage:
    notebook = studio.open("error", SCENES)
    notebook.chat.ask(scenes.REFUSED)
    notebook.chat.wait_for_outcome("failed")
    return notebook


def long(studio: Studio) -> NotebookPage:
    notebook = studio.open("long", SCENES)
    for text in scenes.LONG:
        notebook.chat.ask(text)
        notebook.chat.wait_for_outcome()
    return notebook


def offline(studio: Studio) -> NotebookPage:
    notebook = studio.open("offline", SCENES)
    notebook.chat.ask(scenes.STOPPED)
    expect(notebook.chat.root).to_contain_text("replaces")
    notebook.save()
    studio.jupyter.kill()
    expect(notebook.chat.root).to_have_attribute("data-state", "offline")
    return notebook


def interrupted(studio: Studio) -> NotebookPage:
    """What the server that was killed had begun."""
    notebook = studio.visit(f"offline{studio.suffix}")
    notebook.chat.wait_for_outcome("interrupted")
    return notebook


if __name__ == "__main__":
    main()
