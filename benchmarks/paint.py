"""From nothing to a long conversation on the screen, in Chromium: a log of 10,000 events.

    python benchmarks/paint.py

Two logs of that size: forty turns, and one long answer of 50,000 tokens. The server has never loaded them; they are as
it leaves them after an answer. A page that has nothing but the front end, in a browser at rest, mounts a chat, which
asks for the transcript and draws it: the time until the frame with what is in sight has been painted, and in how many
frames there was more of it than before. (Formulas are set when Temml has come, which is not counted.) The median of 15
pages, each with a log of its own.

Fails when that takes more than 300 ms, or more than one paint.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import BrowserContext, sync_playwright

from benchmarks.measure.answer import answer
from benchmarks.measure.machine import machine
from benchmarks.measure.page import mounts, open_empty
from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.agents.demo import DemoAgent
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import Registry
from tests.browser.conftest import FLAGS, chromium
from tests.browser.jupyter import Jupyter, running

EVENTS = 10_000
AROUND = 6
"""Events of a turn beside its pieces; the session itself is one event more."""

SHAPES = {"40 turns": 40, "one answer": 1}
PAGES = 15
PIECE = 5
"""Tokens in an event: 25 ms of a model that gives 200 a second."""

LIMIT = 300
AT = e.timestamp(1_790_000_000)

EDGE = 60
"""How far from the edges of the window is in sight for sure, in CSS pixels: formulas change their height when set."""

OPEN = """
async () => {
  const questions = '[data-role=user] .jdc-text';
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const inSight = (edge) => {
    const { top, bottom } = (root.querySelector('.jdc-scroll') ?? root).getBoundingClientRect();
    const blocks = [...root.querySelectorAll(`${questions}, .jdc-markdown > *`)].filter((block) => {
      const rect = block.getBoundingClientRect();
      return rect.bottom > Math.max(top, 0) + edge && rect.top < Math.min(bottom, innerHeight) - edge;
    });
    return blocks.filter((block) => !block.querySelector('.jdc-math')).map(({ textContent }) => textContent);
  };
  await painted();
  const begun = performance.now();
  MOUNT;
  const frames = [];
  for (let still = 0; still < 20; still++) {
    await painted();
    const texts = new Set(inSight(0));
    const before = frames.at(-1);
    if (root.dataset.lastLsn !== LSN || texts.size !== before?.texts.size) still = 0;
    frames.push({ at: performance.now() - begun, texts });
  }
  if (!root.querySelector(questions)) throw new Error('The last question is always drawn, and was not found.');
  const final = inSight(EDGE);
  const there = frames.map(({ at, texts }) => [at, final.filter((text) => texts.has(text)).length]);
  return there.filter(([, count], index) => count > (there[index - 1]?.[1] ?? 0)).map(([at]) => at);
}
"""


def events(session: str, turns: int) -> Iterator[bytes]:
    yield e.encode(e.SessionCreated(session=session), at=AT)
    pieces = [(EVENTS - 1) // turns - AROUND] * turns
    pieces[-1] += (EVENTS - 1) % turns
    tokens = iter(answer(sum(pieces) * PIECE))
    for n, count in enumerate(pieces):
        turn = f"t_{n}"
        said = e.UserMessage(message_id=f"q_{n}", client_id=f"c_{n}", text=f"Question {n}?")
        yield e.encode(said, at=AT)
        begins = [e.TurnStarted(user_message_id=f"q_{n}", message_id=f"a_{n}", agent="prose"), e.TextStart(id="x")]
        grows = [e.TextDelta(id="x", delta="".join(next(tokens) for _ in range(PIECE))) for _ in range(count)]
        ends = [e.TextEnd(id="x"), e.Finish(finish_reason="stop"), e.TurnStopped(outcome="completed")]
        yield from (e.encode(event, at=AT, turn=turn) for event in [*begins, *grows, *ends])


async def write(file: Path) -> None:
    file.parent.mkdir(parents=True)
    async with SqliteLog(file) as log:
        for session, turns in sessions():
            first, *rest = events(session, turns)
            await log.create(session, [first])
            await log.append(session, rest)
    async with Registry(lambda: SqliteLog(file), Agents([DemoAgent()])) as registry:
        for name, _ in sessions():
            async with registry.acquire(name) as session:
                await session.keep()


def sessions() -> Iterator[tuple[str, int]]:
    """All that are opened: their names, and how many turns they have."""
    for turns in SHAPES.values():
        yield from ((f"s_{turns}_{n}", turns) for n in range(PAGES))


def opened(context: BrowserContext, jupyter: Jupyter, session: str) -> list[float]:
    """When there was more text on the screen, in milliseconds from the mount."""
    page = context.new_page()
    open_empty(page, jupyter)
    paints: list[float] = page.evaluate(
        OPEN.replace("MOUNT", mounts(jupyter, session)).replace("LSN", f"'{EVENTS}'").replace("EDGE", str(EDGE))
    )
    page.close()
    return paints


def main() -> None:
    print(machine())
    good = True
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(write(Path(folder) / "data" / "durable-chat" / "log.sqlite3"))
        with (
            running("server", Path(folder), agents=["benchmarks.measure.agent:prose"]) as jupyter,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS) as browser,
        ):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            for shape, turns in SHAPES.items():
                all_paints = [opened(context, jupyter, name) for name, its in sessions() if its == turns]
                took = [paints[-1] for paints in all_paints]
                most = max(len(paints) for paints in all_paints)
                median = statistics.median(took)
                print(
                    f"{EVENTS:,} events, {shape}: painted after {median:.0f} ms (fastest {min(took):.0f}, "
                    f"slowest {max(took):.0f}), in {most} paint{'s' if most > 1 else ''}"
                )
                good = good and most == 1 and median <= LIMIT
    if not good:
        raise SystemExit("not good enough")


if __name__ == "__main__":
    main()
