"""A JupyterLab whose server does not have us: anywidget shows the chat, and its kernel brings it, the front end too."""

import json
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.browser.jupyter import Jupyter
from tests.browser.page import CHAT_CELL, NotebookPage
from tests.browser.standalone import Standalone

WORDS = [f"w{n}" for n in range(1, 61)]
HELD = "60 words at 40 per second, the last 30 on demand"
BUSY_CELL = "import time, pathlib\nwhile pathlib.Path({!r}).exists():\n    time.sleep(0.02)"


def test_the_kernel_of_a_jupyterlab_without_us(context: BrowserContext, tmp_path: Path) -> None:
    jupyter, server = Jupyter("lab", tmp_path), Standalone(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["ServerApp"]["jpserver_extensions"] = {"jupyter_durable_chat": False}
    (tmp_path / "config.json").write_text(json.dumps(config))
    page_config = tmp_path / "config" / "labconfig" / "page_config.json"
    disabled = json.loads(page_config.read_text())
    disabled["disabledExtensions"]["jupyter-durable-chat"] = True
    page_config.write_text(json.dumps(disabled))
    busy = tmp_path / "busy"
    busy.touch()
    jupyter.write_notebook("a.ipynb", CHAT_CELL, BUSY_CELL.format(str(busy)))
    jupyter.start()
    try:
        notebook = NotebookPage(context.new_page(), jupyter, "a.ipynb").open()
        notebook.run(0)
        chat = notebook.chat
        expect(chat.root).to_have_attribute("data-state", "live")
        session = chat.session

        # Busy: what has begun keeps coming.
        chat.ask(HELD)
        chat.wait_for_word(20)
        notebook.run(1)
        notebook.kernel_busy()
        server.demand()
        chat.wait_for_outcome()
        assert chat.answer == WORDS
        busy.unlink()
        server.ask_for_less()

        # Started anew, and its cell run again.
        notebook.kernel_ready()
        chat.ask(HELD)
        chat.wait_for_word(20)
        notebook.restart_kernel()
        notebook.run(0)
        expect(chat.root).to_have_attribute("data-session", session)
        chat.wait_for_word(30)
        server.demand()
        chat.wait_for_outcome()
        assert chat.answer == WORDS
        chat.assert_exact(server)
        notebook.assert_never_wrong()
    finally:
        jupyter.close()
        server.close()
        print(jupyter.output)
