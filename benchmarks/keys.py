"""Typing in a code cell of JupyterLab, in Chromium, beside thirty chats in the same notebook.

    python benchmarks/keys.py [KEYS]

Four notebooks: an empty one, one with thirty outputs of text that are as high as a chat, one with thirty chats that are
over, and one in which five of them are answered meanwhile, each at 100 tokens a second; nothing else is left to be
drawn. The keys are pressed by the browser, one every 60 ms. A key costs whatever the main thread does from there until
the frame with its letter is committed, whoever did it. Beside that, how many keys took the browser 16 ms and more on
the clock, which waiting for the screen is part of, and other programs.

Fails when a key costs more than 16 ms at the 95th percentile.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat
from playwright.sync_api import Browser, sync_playwright

from benchmarks.measure.machine import machine
from benchmarks.measure.rest import wait_for_rest
from benchmarks.measure.trace import CATEGORIES, Trace, percentile
from tests.browser.conftest import FLAGS, chromium
from tests.browser.jupyter import Jupyter, running
from tests.browser.page import NotebookPage

CHATS = 30
STREAMING = 5
RATE = 100
EVERY = 60
"""Milliseconds from key to key: a quick typist."""

LIMIT = 16

SLOW = """
() => {
  window.slow = [];
  const observer = new PerformanceObserver((list) => {
    for (const { name, duration } of list.getEntries()) if (name === 'keydown') slow.push(duration);
  });
  observer.observe({ type: 'event', durationThreshold: 16 });
}
"""


LINES = 40
"""Of a text as high as a chat."""


def text_cell() -> nbformat.NotebookNode:
    data = {"text/plain": "\n".join(["what a cell has printed, line by line"] * LINES)}
    return nbformat.v4.new_code_cell("text", outputs=[nbformat.v4.new_output("display_data", data=data)])


def chat_cell(session: str) -> nbformat.NotebookNode:
    """A cell whose output was saved: it needs no kernel."""
    data: dict[str, Any] = {
        "application/vnd.jupyter-durable-chat.v1+json": {
            "session": session,
            "turn": None,
            "lsn": 0,
            "snapshot": None,
            "widget": None,
            "notice": None,
        },
        "text/plain": "a chat",
    }
    output = nbformat.v4.new_output("display_data", data=data)
    return nbformat.v4.new_code_cell("chat", outputs=[output])


def ask(jupyter: Jupyter, session: str, tokens: int, rate: int) -> None:
    text = f"{tokens} tokens at {rate} per second"
    jupyter.post(f"durable-chat/api/sessions/{session}/messages", client_id=uuid4().hex, text=text)


def answered(jupyter: Jupyter) -> None:
    while jupyter.api("durable-chat/api/health")["turns"]:
        time.sleep(0.2)


def sessions(jupyter: Jupyter) -> list[str]:
    """Chats with an answer each, which are read: thirty notifications would be measured along with them."""
    made = [jupyter.post("durable-chat/api/sessions", agent="prose")["id"] for _ in range(CHATS)]
    for session in made:
        ask(jupyter, session, 400, 5_000)
    answered(jupyter)
    for notice in jupyter.api("durable-chat/api/inbox")["notices"]:
        jupyter.post("durable-chat/api/inbox/read", session=notice["session"], lsn=notice["lsn"])
    return made


def typed(
    browser: Browser,
    jupyter: Jupyter,
    name: str,
    keys: int,
    *,
    texts: int = 0,
    chats: Sequence[str] = (),
    streaming: int = 0,
) -> float:
    """Prints what keys cost; the 95th percentile."""
    file = f"{texts}-{len(chats)}-{streaming}.ipynb"
    jupyter.write_notebook(file, "", *(text_cell() for _ in range(texts)), *map(chat_cell, chats))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    notebook = NotebookPage(page, jupyter, file, watched=False).open()
    for n in range(min(streaming or 1, len(chats))):
        page.locator(".jp-Notebook .jp-Cell").nth(n + 1).scroll_into_view_if_needed()
        page.wait_for_selector(f"[data-session={chats[n]}] [data-outcome]")
    notebook.kernel_ready()
    for session in chats:
        page.wait_for_selector(f"[data-session={session}] [data-outcome]", state="attached")
    wait_for_rest(browser)
    seconds = keys * EVERY / 1000
    for session in chats[:streaming]:
        ask(jupyter, session, int((seconds + 30) * RATE), RATE)
    for session in chats[:streaming]:
        page.wait_for_selector(f"[data-session={session}][data-status=streaming]")
    editor = page.locator(".jp-Notebook .jp-Cell").first.locator(".cm-content")
    editor.scroll_into_view_if_needed()
    editor.click()
    page.keyboard.type("x = 1\n")
    page.evaluate(SLOW)
    browser.start_tracing(page=page, categories=CATEGORIES)
    line = "total = sum(values) / len(values)  # the mean\n"
    page.keyboard.type((line * keys)[:keys], delay=EVERY)
    trace = Trace(browser.stop_tracing())
    slow: list[float] = page.evaluate("slow")
    for session in chats[:streaming]:
        jupyter.post(f"durable-chat/api/sessions/{session}/stop")
    page.close()
    costs = trace.keys
    p95 = percentile(costs, 95)
    cost = f"median {statistics.median(costs):4.1f}, p95 {p95:4.1f}, max {max(costs):4.1f} ms"
    print(
        f"  {name:22} {len(costs)} keys: {cost}; long tasks: {len(trace.long_tasks)}; on the clock "
        f"{len(slow) / keys:.0%} took 16 ms and more, the longest {max(slow, default=0):.0f} ms"
    )
    return p95


def main() -> None:
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    print(machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        running("lab", Path(folder), agents=["benchmarks.measure.agent:prose"], max_messages_per_minute=0) as jupyter,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS) as browser,
    ):
        chats = sessions(jupyter)
        print(f"what a key in a code cell of JupyterLab costs the main thread, in chromium {browser.version}")
        typed(browser, jupyter, "empty", keys)
        typed(browser, jupyter, f"{CHATS} texts", keys, texts=CHATS)
        typed(browser, jupyter, f"{CHATS} chats", keys, chats=chats)
        p95 = typed(browser, jupyter, f"{CHATS} chats, {STREAMING} streaming", keys, chats=chats, streaming=STREAMING)
    if p95 > LIMIT:
        raise SystemExit("not good enough")


if __name__ == "__main__":
    main()
