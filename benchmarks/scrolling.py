"""Scrolling through 500 turns with the wheel, in Chromium, beside a plain page that has all of them.

    python benchmarks/scrolling.py [STEPS]

The chat draws what is near, and stays as small as that; the plain page is the same conversation as the server saves it
for a browser: one document without any script, which the browser scrolls by itself. Both are gone through from the end
upwards, 240 pixels in a frame, in the same browser, three times by turns. What a frame costs is everything that its
main thread did for it.

Fails when the chat has a task of more than 50 ms, or more than 16 ms of script in a frame at the 95th percentile.
"""

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, sync_playwright

from benchmarks.measure.machine import machine
from benchmarks.measure.page import mounts, open_empty
from benchmarks.measure.trace import CATEGORIES, Trace, percentile
from tests.browser.conftest import FLAGS, chromium
from tests.browser.jupyter import Jupyter, running
from tests.browser.test_moving import TURNS, write

SESSION = "s_long"
ROUNDS = 3
STEP = 240
"""CSS pixels that a turn of the wheel goes."""

LIMIT_SCRIPT, LIMIT_TASK = 16, 50

AT_END = """
() => {
  const box = document.querySelector('.jdc-scroll') ?? document.scrollingElement;
  box.scrollTop = box.scrollHeight;
  return box.scrollHeight - box.clientHeight - box.scrollTop < 2;
}
"""


def open_chat(context: BrowserContext, jupyter: Jupyter) -> Page:
    page = context.new_page()
    open_empty(page, jupyter)
    page.evaluate(mounts(jupyter, SESSION))
    page.wait_for_selector(f"[data-message-id=a_{TURNS - 1}] .jdc-markdown")
    return page


def open_plain(context: BrowserContext, jupyter: Jupyter) -> Page:
    path = f"durable-chat/api/sessions/{SESSION}/export?format=html"
    saved = context.request.get(jupyter.url + path, headers={"Authorization": f"token {jupyter.token}"})
    assert saved.ok
    page = context.new_page()
    page.set_content(saved.text())
    return page


def scrolled(page: Page, steps: int) -> tuple[Trace, int]:
    """What that cost, and how many elements the page had at its end."""
    page.wait_for_function(AT_END, polling=100)
    page.mouse.move(600, 450)
    browser = page.context.browser
    assert browser
    browser.start_tracing(page=page, categories=CATEGORIES)
    for _ in range(steps):
        page.mouse.wheel(0, -STEP)
        page.evaluate("new Promise(requestAnimationFrame)")  # one turn in a frame, however fast they come
    trace = Trace(browser.stop_tracing())
    elements = page.evaluate("document.querySelectorAll('*').length")
    page.close()
    return trace, elements


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "data" / "durable-chat" / "log.sqlite3"
        file.parent.mkdir(parents=True)
        asyncio.run(write(file))
        with (
            running("server", Path(folder), agents=["benchmarks.measure.agent:prose"]) as jupyter,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS) as browser,
        ):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            open_chat(context, jupyter).close()  # for the cookies, and what is compiled once
            print(f"{TURNS} turns, {steps} turns of the wheel, {STEP} pixels each, in chromium {browser.version}")
            good = True
            found: dict[str, list[tuple[float, float, float, float, int]]] = {"chat": [], "plain page": []}
            for _ in range(ROUNDS):
                for name, open_page in (("chat", open_chat), ("plain page", open_plain)):
                    trace, elements = scrolled(open_page(context, jupyter), steps)
                    script = trace.frames
                    per_frame = sum(trace.tasks) / max(1, len(trace.commits))
                    figures = (per_frame, percentile(script, 95), max(trace.tasks), len(trace.long_tasks), elements)
                    found[name].append(figures)
            for name, rounds in found.items():
                cost, p95, longest, long_tasks, elements = (
                    statistics.median(values) for values in zip(*rounds, strict=True)
                )
                ratio = cost / statistics.median(each[0] for each in found["plain page"])
                print(
                    f"  {name:11} main thread {cost:5.2f} ms a frame ({ratio:.1f} x), script p95 {p95:4.1f} ms; "
                    f"longest task {longest:3.0f} ms, {long_tasks:.0f} over 50 ms; {elements:,.0f} elements"
                )
                if name == "chat":
                    good = p95 <= LIMIT_SCRIPT and max(each[2] for each in rounds) <= LIMIT_TASK
    if not good:
        raise SystemExit("not good enough")


if __name__ == "__main__":
    main()
