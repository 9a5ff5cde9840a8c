"""One long answer as it comes, in Chromium: this front end beside react-markdown and streamdown, on the same text.

    python benchmarks/streaming.py [TOKENS] [RATE]

20,000 tokens at 200 a second, with headings, lists, tables, code and formulas. The peers are handed the text every
25 ms by a timer in their page and do nothing but draw it; this front end is the whole of it: a server, its stream, the
worker, the fold, the chat. One after the other in the same browser, each with a trace of its main thread. Then each
draws answers of several lengths, quickly, and says how much memory it has when garbage is collected.

Fails when the script of a frame takes more than 8 ms at the 95th percentile, when a task takes longer than 50 ms, or
when memory grows faster than the text.
"""

import argparse
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, sync_playwright

from benchmarks.measure.answer import answer
from benchmarks.measure.fit import exponent
from benchmarks.measure.machine import machine
from benchmarks.measure.page import PAGE, mounts, open_empty
from benchmarks.measure.peers import DIST, PEERS, build
from benchmarks.measure.trace import CATEGORIES, Trace, percentile
from tests.browser.conftest import FLAGS, chromium
from tests.browser.jupyter import Jupyter, running

PIECE = 25
"""Milliseconds from one piece of text to the next, for the peers. The server has its own, which is the same."""

LENGTHS = (2_500, 5_000, 10_000, 20_000)
HURRY = 2_000
"""Tokens a second, where only the end counts."""

LIMIT = 8.0
LINEAR = 1.1
"""The exponent of memory over length, at most."""


FEED = """
([tokens, rate, piece]) => new Promise((resolve) => {
  const begun = performance.now();
  let given = 0;
  let text = '';
  const timer = setInterval(() => {
    const due = Math.min(tokens.length, Math.floor(((performance.now() - begun) * rate) / 1000));
    while (given < due) text += tokens[given++];
    const done = given === tokens.length;
    update(text, done);
    if (!done) return;
    clearInterval(timer);
    // Not before the frame with the end of it has been painted.
    requestIdleCallback(() => requestAnimationFrame(() => setTimeout(resolve)));
  }, piece);
})
"""


class Renderer(ABC):
    """Something that draws an answer in a page of its own."""

    name: str

    def __init__(self, page: Page) -> None:
        self.page = page

    @abstractmethod
    def open(self) -> None:
        """The page is there, and empty."""

    @abstractmethod
    def stream(self, tokens: int, rate: int) -> None:
        """Returns when the whole answer has been painted."""

    def memory(self) -> int:
        """Bytes that script and document hold."""
        session = self.page.context.new_cdp_session(self.page)
        for _ in range(3):
            session.send("HeapProfiler.collectGarbage")
        usage = session.send("Runtime.getHeapUsage")
        session.detach()
        return int(usage["usedSize"] + usage.get("embedderHeapUsedSize", 0) + usage.get("backingStorageSize", 0))


class Peer(Renderer):
    def __init__(self, page: Page, name: str) -> None:
        super().__init__(page)
        self.name = name

    def open(self) -> None:
        self.page.route("**/*", serve)
        self.page.goto("http://127.0.0.1:9/page.html")  # nobody listens there: all of it comes from `serve`
        self.page.evaluate(
            "name => import(`/${name}.js`).then(async () => { window.update = await peer(root) })", self.name
        )
        # As every chat does, it shows the end of what grows.
        self.page.evaluate(
            "box.className = 'scrolls', new ResizeObserver(() => { box.scrollTop = box.scrollHeight }).observe(root)"
        )

    def stream(self, tokens: int, rate: int) -> None:
        self.page.evaluate(FEED, [answer(tokens), rate, PIECE])


class Chat(Renderer):
    name = "this front end"

    def __init__(self, page: Page, jupyter: Jupyter) -> None:
        super().__init__(page)
        self.jupyter = jupyter
        self.session: str = jupyter.post("durable-chat/api/sessions", agent="prose")["id"]

    def open(self) -> None:
        open_empty(self.page, self.jupyter)
        self.page.evaluate(mounts(self.jupyter, self.session))
        self.page.wait_for_selector("[data-state=idle], [data-state=live]")

    def stream(self, tokens: int, rate: int) -> None:
        text = f"{tokens} tokens at {rate} per second"
        self.jupyter.post(f"durable-chat/api/sessions/{self.session}/messages", client_id=text, text=text)
        # The page is not asked meanwhile: that would be script, too.
        while self.jupyter.api("durable-chat/api/health")["turns"]:
            time.sleep(0.25)
        self.page.wait_for_selector("[data-outcome=completed]")
        self.page.wait_for_function("window.kept")


def serve(route: Route) -> None:
    name = Path(route.request.url).name
    file = PAGE if name == PAGE.name else DIST / name
    route.fulfill(path=file)


@contextmanager
def renderers(browser: Browser, jupyter: Jupyter) -> Iterator[Iterator[Renderer]]:
    """This front end and its peers, each open in a page that nothing else is in."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})

    def each() -> Iterator[Renderer]:
        for name in (Chat.name, *PEERS):
            page = context.new_page()
            renderer = Chat(page, jupyter) if name == Chat.name else Peer(page, name)
            renderer.open()
            yield renderer
            page.close()

    yield each()
    context.close()


def streamed(browser: Browser, renderer: Renderer, tokens: int, rate: int) -> bool:
    """Prints how it went; whether that is good enough."""
    browser.start_tracing(page=renderer.page, categories=CATEGORIES)
    begun = time.monotonic()
    renderer.stream(tokens, rate)
    late = time.monotonic() - begun - tokens / rate
    trace = Trace(browser.stop_tracing())
    frames, long = trace.frames, len(trace.long_tasks)
    p95 = percentile(frames, 95)
    script = f"median {statistics.median(frames):5.1f}, p95 {p95:5.1f}, max {max(frames):5.1f} ms"
    print(
        f"  {renderer.name:15} {len(frames):5} frames; script per frame: {script}; long tasks: {long:4}, longest task "
        f"{max(trace.tasks):4.0f} ms; main thread busy {trace.busy:4.0%}; complete {max(late, 0):.1f} s late"
    )
    return p95 <= LIMIT and not long


def remembered(renderer: Renderer, tokens: int) -> int:
    """How many bytes of memory an answer takes."""
    before = renderer.memory()
    renderer.stream(tokens, HURRY)
    return renderer.memory() - before


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("tokens", type=int, nargs="?", default=20_000)
    arguments.add_argument("rate", type=int, nargs="?", default=200)
    given = arguments.parse_args()
    build()
    print(machine())
    good = True
    sizes: dict[str, dict[int, int]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(
            "server", Path(folder), agents=["benchmarks.measure.agent:prose"], max_messages_per_minute=0
        ) as jupyter,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS) as browser,
    ):
        print(f"{given.tokens:,} tokens at {given.rate} a second, in {browser.browser_type.name} {browser.version}")
        with renderers(browser, jupyter) as each:
            for renderer in each:
                enough = streamed(browser, renderer, given.tokens, given.rate)
                good = good and (enough or renderer.name != Chat.name)
        for length in LENGTHS:
            with renderers(browser, jupyter) as each:
                for renderer in each:
                    sizes.setdefault(renderer.name, {})[length] = remembered(renderer, length)
    print("memory of an answer, when it is complete")
    for name, found in sizes.items():
        steps = ", ".join(f"{length:,} tokens {size / 1e6:.1f} MB" for length, size in found.items())
        print(f"  {name:15} {steps}; exponent {exponent(found):.2f}")
    if not good or exponent(sizes[Chat.name]) > LINEAR:
        raise SystemExit("not good enough")


if __name__ == "__main__":
    main()
