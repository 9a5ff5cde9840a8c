"""A real nginx, or JupyterHub's proxy, in front of JupyterLab: whatever it does to streams, each word is shown once."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.hub import HubProxy
from tests.browser.jupyter import Jupyter, running
from tests.browser.network import Network
from tests.browser.nginx import Nginx, nginx_to
from tests.browser.page import CHAT_CELL, NotebookPage

QUESTION = "{} words at 10 per second, the last 100 on demand"

HOLDS = """
proxy_ignore_headers X-Accel-Buffering;
location ~ /durable-chat/api/ {{
  proxy_pass http://127.0.0.1:{port};
  proxy_http_version 1.0;
}}
"""
"""A stream comes in pieces of 4 kB. HTTP/1.0 is nginx's default for what is behind it."""

COMPRESSES = """
proxy_ignore_headers X-Accel-Buffering; proxy_hide_header Content-Encoding; gzip_types *; gzip_proxied any;
"""
"""Nothing comes of a stream, not even its head."""

CLOSES = """
location ~ /durable-chat/api/ {{
  proxy_pass http://127.0.0.1:{port};
  proxy_read_timeout 4s;
  send_timeout 4s;
}}
"""
"""A stream that says nothing for 4 s is closed."""

STATES = """
window.states = [];
const look = () => {
  const root = document.querySelector('[data-session]');
  const state = root && `${root.dataset.state} ${root.querySelector('.jdc-notice')?.textContent ?? ''}`.trim();
  if (root && states.at(-1) !== state) states.push(state);
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
"""Notes what each painted frame says of the connection."""


@pytest.fixture
def jupyter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jupyter]:
    """JupyterLab alone: what is between browser and server is the same for all hosts. Settings are the parameter."""
    with running("lab", tmp_path, **getattr(request, "param", {})) as server:
        yield server
        print(server.output)


def ask(open_notebook: Open, nginx: Nginx, words: int = 200) -> NotebookPage:
    notebook = open_notebook(CHAT_CELL, port=nginx.port)
    notebook.run()
    notebook.chat.ask(QUESTION.format(words))
    return notebook


def assert_complete(notebook: NotebookPage, words: int = 200) -> None:
    notebook.chat.wait_for_outcome("completed")
    assert notebook.chat.answer == [f"w{n}" for n in range(1, words + 1)]
    notebook.chat.assert_exact(notebook.jupyter)
    notebook.assert_never_wrong()


def pages(nginx: Nginx) -> int:
    return sum("wait=" in line for line in nginx.asked)


def until(notebook: NotebookPage, true: Callable[[], bool]) -> int:
    """How far the answer is when this is so: it goes on all the time."""
    for n in range(20, 1000, 20):
        notebook.chat.wait_for_word(n)
        if true():
            return n
    raise AssertionError("it was never so while an answer came")


def test_nginx_as_debian_has_it_lets_streams_through(open_notebook: Open, jupyter: Jupyter, tmp_path: Path) -> None:
    with nginx_to(tmp_path / "nginx", jupyter.port) as nginx:
        notebook = ask(open_notebook, nginx)
        notebook.chat.wait_for_word(20)
        jupyter.demand()
        assert_complete(notebook)
        assert pages(nginx) == 0


@pytest.mark.parametrize("holds_back", [HOLDS, COMPRESSES], ids=["in pieces", "altogether"])
def test_where_nginx_holds_streams_back_answers_come_in_pages_until_it_does_not(
    open_notebook: Open, jupyter: Jupyter, tmp_path: Path, holds_back: str
) -> None:
    with nginx_to(tmp_path / "nginx", jupyter.port, holds_back.format(port=jupyter.port)) as nginx:
        notebook = ask(open_notebook, nginx, 1000)
        until(notebook, lambda: pages(nginx) > 0)
        expect(notebook.chat.root).to_have_attribute("data-state", "live")
        nginx.become("")
        # While an answer comes, pages follow each other several times a second: without them there is a stream.
        before = -1

        def streams() -> bool:
            nonlocal before
            before, were = pages(nginx), before
            return were == before

        until(notebook, streams)
        jupyter.demand()
        assert_complete(notebook, 1000)


def test_streams_that_nginx_cuts_are_one_to_the_person(open_notebook: Open, jupyter: Jupyter, tmp_path: Path) -> None:
    closes = CLOSES.format(port=jupyter.port)
    with nginx_to(tmp_path / "nginx", jupyter.port, closes) as nginx:
        notebook = open_notebook(CHAT_CELL, port=nginx.port)
        notebook.run()
        page, root = notebook.page, notebook.chat.root
        expect(root).to_have_attribute("data-state", "live")
        page.evaluate(STATES)

        def cut() -> int:
            return len(nginx.asked)

        def until_cut(more: int) -> None:
            before = cut()
            while cut() < before + more:
                page.wait_for_timeout(50)

        until_cut(2)  # while nothing is said
        notebook.chat.ask(QUESTION.format(200))
        for word in (20, 60):
            notebook.chat.wait_for_word(word)
            nginx.become(closes)  # while words come: what is under way has a second left
            until_cut(1)
        notebook.chat.wait_for_word(100)
        until_cut(2)  # in the middle of the answer, which thinks
        jupyter.demand()
        assert_complete(notebook)
        assert pages(nginx) == 0
        # How soon the next one is there is a matter of the machine; nobody reads that there is no connection.
        assert set(page.evaluate("states")) <= {"live", "connecting"}


@pytest.mark.parametrize("jupyter", [{"keep_alive_seconds": 2.5}], indirect=True)
def test_streams_that_the_proxy_of_jupyterhub_cuts_go_on(open_notebook: Open, jupyter: Jupyter, tmp_path: Path) -> None:
    with (
        closing(HubProxy(tmp_path, jupyter.port, "--timeout=2000")) as cuts,
        closing(HubProxy(tmp_path, jupyter.port, "--proxy-timeout=2000")) as forgets,
        Network.to(jupyter.port) as network,
    ):
        # Through none of them at first: some requests of JupyterLab's beginning take longer than they let them.
        notebook = open_notebook(CHAT_CELL, port=network.port)
        notebook.run()
        page, root = notebook.page, notebook.chat.root
        expect(root).to_have_attribute("data-state", "live")
        notebook.kernel_ready()

        def until(true: Callable[[], bool]) -> None:
            while not true():
                page.wait_for_timeout(50)

        network.lead_to(cuts.port)
        until(lambda: cuts.asked > 2)  # while nothing is said
        expect(root).to_have_attribute("data-state", "live")
        page.evaluate(STATES)
        notebook.chat.ask(QUESTION.format(150))
        notebook.chat.wait_for_word(50)
        asked = cuts.asked
        until(lambda: cuts.asked > asked + 1)  # in the middle of the answer, which thinks
        assert set(page.evaluate("states")) <= {"live", "connecting"}
        # This one lets go of the server, and goes on holding the browser's stream, in which nothing comes any more.
        network.lead_to(forgets.port)
        until(lambda: forgets.timed_out > 1)  # pages wait less long for the next words
        expect(root).to_have_attribute("data-state", "live")
        jupyter.demand()
        assert_complete(notebook, 150)
