"""A saved answer shows without a kernel, trust or Jupyter; a busy kernel and the base URL of a hub change nothing."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter
from tests.browser.page import CHAT_CELL, NotebookPage

HUB = "/user/a%40b/"
QUESTION = "300 words at 100 per second"
ALL_WORDS = [f"w{n}" for n in range(1, 301)]


def answered(notebook: NotebookPage) -> NotebookPage:
    """Ask in the notebook's chat cell, wait until the notebook has all of it, and save."""
    notebook.run()
    notebook.chat.ask(QUESTION)
    notebook.chat.wait_for_outcome()
    notebook.wait_for_kept(len(notebook.jupyter.events(notebook.chat.session)))
    notebook.save()
    return notebook


def test_saved_notebook_shows_the_answer_in_nbconvert(open_notebook: Open, browser: Browser, jupyter: Jupyter) -> None:
    notebook = answered(open_notebook(CHAT_CELL))
    file = jupyter.files / notebook.notebook
    assert re.findall(r"\bw\d+\b", nbconvert(file, "markdown")) == ALL_WORDS
    with browser.new_context(offline=True) as context:
        page = context.new_page()
        page.set_content(nbconvert(file, "html"), wait_until="commit")
        expect(page.get_by_text(QUESTION)).to_be_visible()
        shown = page.locator("body").inner_text().split()
    assert [word for word in shown if word in ALL_WORDS] == ALL_WORDS


def nbconvert(file: Path, target: str) -> str:
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", target, "--stdout", "--log-level", "ERROR", file]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_answer_is_drawn_with_the_kernel_dead_and_untrusted(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = answered(open_notebook(CHAT_CELL))
    notebook.shut_down_kernel()
    notebook.page.close()
    path = jupyter.files / notebook.notebook
    distrust(path)

    again = open_notebook()
    assert not again.trusted
    assert again.chat.answer == ALL_WORDS
    expect(again.chat.root).to_have_attribute("data-gaps", "0")


BEATS = "import time\nwhile True:\n    time.sleep(0.1)\n    with open('beats', 'a') as file: file.write('.')"


def test_kernel_is_busy(open_notebook: Open, jupyter: Jupyter) -> None:
    """The chat is drawn, asked and answered while a cell runs; nothing waits for the kernel."""
    notebook = open_notebook(CHAT_CELL, BEATS)
    notebook.run_to_end(0)
    notebook.run(1)
    notebook.kernel_busy()
    notebook.chat.ask(QUESTION)
    notebook.chat.wait_for_outcome()
    notebook.save()
    notebook.reload()
    assert notebook.chat.answer == ALL_WORDS
    notebook.chat.ask(QUESTION)
    notebook.chat.wait_for_outcome()
    assert notebook.chat.answer == ALL_WORDS
    notebook.chat.assert_exact(jupyter)
    notebook.assert_never_wrong()
    # The cell runs on. (The kernel may be called idle by now, of what it was asked beside the cell.)
    beats = jupyter.files / "beats"
    before = beats.stat().st_size
    while beats.stat().st_size == before:
        pass


def distrust(path: Path) -> None:
    """Change the notebook on disk, as a colleague's mail would bring it: Jupyter has not signed this one."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_markdown_cell("This came by mail."))
    nbformat.write(notebook, path)


@pytest.mark.parametrize("jupyter", [("lab", HUB), ("notebook", HUB)], ids=["lab", "notebook"], indirect=True)
def test_base_url_of_a_hub(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = answered(open_notebook(CHAT_CELL))
    notebook.reload()
    assert notebook.chat.answer == ALL_WORDS
    notebook.chat.assert_exact(jupyter)
    assert jupyter.asked == [QUESTION]
    for kind, words in (("md", "w1 w2"), ("html", "<p>w1 w2"), ("ipynb", '"nbformat": 4'), ("json", '"events":[')):
        notebook.page.locator("button.jdc-download-button").click()
        with notebook.page.expect_download() as file:
            notebook.page.locator(f".jdc-downloads [data-format={kind}]").click()
        assert file.value.suggested_filename == f"{QUESTION}.{kind}"
        assert words in file.value.path().read_text()
