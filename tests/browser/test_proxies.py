"""A real nginx in front of JupyterLab: whatever it does to streams, every word is shown once, while answers come."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter, running
from tests.browser.nginx import Nginx, nginx_to
from tests.browser.page import CHAT_CELL, NotebookPage

QUESTION = "200 words at 10 per second, the last 100 on demand"
ALL_WORDS = [f"w{n}" for n in range(1, 201)]


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Jupyter]:
    """JupyterLab alone: what is between browser and server is the same for all hosts."""
    with running("lab", tmp_path) as server:
        yield server
        print(server.output)


def ask(open_notebook: Open, nginx: Nginx) -> NotebookPage:
    notebook = open_notebook(CHAT_CELL, port=nginx.port)
    notebook.run()
    notebook.chat.ask(QUESTION)
    return notebook


def assert_complete(notebook: NotebookPage) -> None:
    notebook.chat.wait_for_outcome("completed")
    assert notebook.chat.answer == ALL_WORDS
    notebook.chat.assert_exact(notebook.jupyter)
    notebook.assert_never_wrong()


def test_nginx_as_debian_has_it_lets_streams_through(open_notebook: Open, jupyter: Jupyter, tmp_path: Path) -> None:
    with nginx_to(tmp_path / "nginx", jupyter.port) as nginx:
        notebook = ask(open_notebook, nginx)
        notebook.chat.wait_for_word(20)
        jupyter.demand()
        assert_complete(notebook)
        assert not any("wait=" in line for line in nginx.asked), "nothing was asked for in pages"
