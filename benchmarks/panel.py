"""A thousand chats in the panel of a real JupyterLab, in Chromium, beside its file browser with as many files.

    python benchmarks/panel.py [CHATS]

Both lists are gone through with the wheel from their beginning to their end, 240 pixels in a frame, and back, in the
same page; the panel reads on meanwhile, until it has all chats. What a frame costs is everything that the main thread
did for it, JupyterLab's own work included. Then a word is searched for, and then all chats are listed while five of
them are answered, and the order of the rows changes.

Fails when a frame has more than 16 ms of script at the 95th percentile while one scrolls, or when anything of it is a
task of more than 50 ms.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from benchmarks.keys import answered, ask
from benchmarks.measure.machine import machine
from benchmarks.measure.trace import CATEGORIES, Trace, percentile
from tests.browser.conftest import FLAGS, chromium
from tests.browser.jupyter import Jupyter, running
from tests.browser.page import NotebookPage

PANEL = "jupyter-durable-chat:show-panel"
NEEDLE = "quinoa"
STREAMING, SECONDS = 5, 10
STEP = 240
"""CSS pixels that a turn of the wheel goes."""

OPENINGS = 3

LIMIT_SCRIPT, LIMIT_TASK = 16, 50

ROWS = ".jdc-sessions [role=option]"

AT_EDGE = """([box, down]) => down
  ? box.scrollHeight - box.clientHeight - box.scrollTop < 2 && !box.querySelector('.jdc-panel-more')
  : box.scrollTop < 1
"""

SHOWN = """async (search) => {
  const begun = performance.now();
  await jupyterapp.commands.execute(search);
  while (!document.querySelector('.jdc-sessions [role=option]')) await new Promise(requestAnimationFrame);
  await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted)));
  return performance.now() - begun;
}"""


def fill(jupyter: Jupyter, chats: int) -> list[str]:
    """Chats with titles, one in three in a notebook, one with a message; and as many files."""
    made: list[str] = []
    for n in range(chats):
        notebook = f"experiments/{n:04}.ipynb" if n % 3 == 0 else None
        body = {"title": f"What the growth of plant {n} says", "notebook": notebook, "agent": "prose"}
        made.append(jupyter.post("durable-chat/api/sessions", **body)["id"])
        (jupyter.files / f"plant {n:04}.txt").touch()
    path = f"durable-chat/api/sessions/{made[chats // 2]}/messages"
    jupyter.post(path, client_id="c", text=f"10 tokens at 1000 per second about {NEEDLE}")
    answered(jupyter)
    return made


def opened(browser: Browser, jupyter: Jupyter) -> Page:
    jupyter.write_notebook("a.ipynb", "1 + 1")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    NotebookPage(page, jupyter, "a.ipynb", watched=False).open()
    return page


def scrolled(page: Page, box: Locator) -> Trace:
    """To its end and back."""
    box.hover()
    element = box.element_handle()
    browser = page.context.browser
    assert browser
    browser.start_tracing(page=page, categories=CATEGORIES)
    for down in (True, False):
        while not page.evaluate(AT_EDGE, [element, down]):
            page.mouse.wheel(0, STEP if down else -STEP)
            page.evaluate("new Promise(requestAnimationFrame)")
    return Trace(browser.stop_tracing())


def heap(page: Page) -> float:
    """Megabytes of script's memory, after all that is not needed any more is gone."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return used / 1e6


def told(name: str, trace: Trace) -> bool:
    """Prints what its frames cost; whether that is good enough."""
    script = percentile(trace.frames, 95)
    cost = f"main thread {sum(trace.tasks) / len(trace.commits):5.2f} ms a frame, script p95 {script:4.1f} ms"
    print(f"  {name:31} {cost}; longest task {max(trace.tasks):3.0f} ms, {len(trace.long_tasks)} over {LIMIT_TASK} ms")
    return script <= LIMIT_SCRIPT and not trace.long_tasks


def main() -> None:
    chats = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(machine())
    with (
        tempfile.TemporaryDirectory() as folder,
        running("lab", Path(folder), agents=["benchmarks.measure.agent:prose"], max_messages_per_minute=0) as jupyter,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS) as browser,
    ):
        made = fill(jupyter, chats)
        print(f"{chats} chats in the panel of JupyterLab, in chromium {browser.version}")
        times: list[float] = []
        for _ in range(OPENINGS):
            page = opened(browser, jupyter)
            times.append(page.evaluate(SHOWN, PANEL))
            page.close()
        print(f"  shown: median {statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})")

        page = opened(browser, jupyter)
        page.evaluate("jupyterapp.commands.execute('filebrowser:activate')")
        files = page.locator(".jp-DirListing-content")
        page.locator(".jp-DirListing-item").first.wait_for()
        told(f"file browser, {chats} files", scrolled(page, files))
        before = heap(page)
        page.evaluate("command => jupyterapp.commands.execute(command)", PANEL)
        box = page.locator(".jdc-panel-rows")
        page.locator(ROWS).first.wait_for()
        good = told("panel, which reads on", scrolled(page, box))
        good &= told("panel, once more", scrolled(page, box))
        assert page.locator(ROWS).count() == chats
        print(f"  script's memory: {heap(page) - before:.1f} MB more than without the panel")

        search = page.get_by_role("searchbox", name="Search chats")
        begun = time.perf_counter()
        search.fill(NEEDLE)
        page.wait_for_function("rows => document.querySelectorAll(rows).length === 1", arg=ROWS)
        found = (time.perf_counter() - begun) * 1000
        print(f"  a word of a message is found in {found:.0f} ms, 200 of which it waits for another key")
        search.press("Escape")
        page.wait_for_function("([rows, n]) => document.querySelectorAll(rows).length === n", arg=[ROWS, chats])

        page.mouse.move(900, 400)
        browser.start_tracing(page=page, categories=CATEGORIES)
        for session in made[::-1][:: chats // STREAMING][:STREAMING]:
            ask(jupyter, session, SECONDS * 100, 100)
        answered(jupyter)
        good &= told(f"{STREAMING} of all that are listed stream", Trace(browser.stop_tracing()))
    if not good:
        raise SystemExit("not good enough")


if __name__ == "__main__":
    main()
