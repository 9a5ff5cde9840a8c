"""anywidget's own runtime in a page that is only its host, and a kernel of a Jupyter server that does not have us."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import anywidget
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.jupyter import PAGES, ROOT, Jupyter
from tests.browser.page import CHAT_CELL, WATCHER, ChatView
from tests.browser.standalone import Standalone

HOST = ROOT / "tests" / "anywidget"

MODEL = "(await host.get_model(location.hash.slice(1)))"

WORDS = [f"w{n}" for n in range(1, 61)]
HELD = "60 words at 40 per second, the last 30 on demand"


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Jupyter]:
    """A server without us and without pages, which serves the host like any other file."""
    assert (HOST / "node_modules").exists(), "anywidget's host is not there: make browser"
    jupyter = Jupyter("server", tmp_path)
    static = tmp_path / "static"
    static.mkdir()
    (static / "host.html").write_text(
        '<!doctype html><meta charset="utf-8"><script type="module" src="host.js"></script>'
    )
    esbuild = ROOT / "js" / "node_modules" / ".bin" / "esbuild"
    bundle = [esbuild, "host.ts", "--bundle", "--format=esm", "--log-level=error", f"--outfile={static / 'host.js'}"]
    subprocess.run(bundle, cwd=HOST, check=True)
    config = json.loads((tmp_path / "config.json").read_text())
    absent = dict.fromkeys((*PAGES, "jupyter_durable_chat"), False)
    config["ServerApp"] |= {"jpserver_extensions": absent, "extra_static_paths": [str(static)]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    jupyter.start()
    yield jupyter
    jupyter.close()
    print(jupyter.output)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Standalone]:
    server = Standalone(tmp_path)
    yield server
    server.close()


def test_its_own_runtime_a_manager_and_a_kernel(context: BrowserContext, jupyter: Jupyter, server: Standalone) -> None:
    pinned = json.loads((HOST / "package.json").read_text())["dependencies"]["anywidget"]
    assert pinned == anywidget.__version__
    asked: list[str] = []
    faults: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    jupyter.write_notebook("a.ipynb", CHAT_CELL)  # the conversation is that of this file
    page = context.new_page()
    page.add_init_script(path=WATCHER)
    page.goto(f"{jupyter.url}static/host.html?notebook=a.ipynb&token={jupyter.token}")
    run(page, CHAT_CELL)
    chat = ChatView(page.locator("[data-session]"))
    expect(chat.root).to_have_attribute("data-state", "live")
    session = chat.session

    # The page is loaded anew in the middle of an answer: the manager has the widget from the kernel.
    chat.ask(HELD)
    chat.wait_for_word(20)
    page.reload()
    chat.wait_for_word(30)
    server.demand()
    chat.wait_for_outcome()
    assert chat.answer == WORDS
    chat.assert_exact(server)

    # The kernel has heard of it, and what it says reaches the page: its traits, a message of its own.
    page.wait_for_function(f"async lsn => {MODEL}.get('bundle').lsn >= lsn", arg=len(server.events(session)))
    assert run(page, "print(chat.status, chat.last_answer)").split() == ["idle", *WORDS]
    run(page, "chat.layout.max_width = '640px'")
    expect(chat.root).to_have_css("max-width", "640px")
    run(page, "turn = chat.send('10 words at 40 per second')")
    expect(chat.root.locator("[data-role=assistant]")).to_have_count(2)
    chat.wait_for_outcome()
    assert chat.answer == WORDS[:10]
    assert page.evaluate("watcher.faults") == []
    server.ask_for_less()

    # The kernel is started anew in the middle of an answer, and the cell run again.
    chat.ask(HELD)
    chat.wait_for_word(20)
    page.evaluate("host.restart()")
    run(page, CHAT_CELL)
    expect(chat.root).to_have_attribute("data-session", session)
    chat.wait_for_word(30)
    server.demand()
    chat.wait_for_outcome()
    assert chat.answer == WORDS
    chat.assert_exact(server)
    expect(chat.root.locator("[data-role=assistant]")).to_have_count(3)

    # What the kernel closes leaves the page, and nobody but Jupyter was asked for anything.
    run(page, "chat.close()")
    expect(page.locator("[data-session]")).to_have_count(0)
    assert page.evaluate("watcher.faults") == faults == []
    assert {urlsplit(url).port for url in asked if not url.startswith(("blob:", "data:"))} == {jupyter.port}


def run(page: Page, code: str) -> str:
    """Run it as a cell; returns what it prints."""
    page.wait_for_function("window.host")
    return page.evaluate("code => host.run(code)", code)
