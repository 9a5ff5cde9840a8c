"""Moving through a session of 500 turns, in real layout, and past chats that are being answered.

What is read stays where it is, and so does what is aimed at; the end is followed, and what is far away is not drawn.
Every claim is about positions, none about time.
"""

import asyncio
import threading
from pathlib import Path

from playwright.sync_api import Page, expect

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log.sqlite import SqliteLog
from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter
from tests.browser.page import NotebookPage

TURNS = 500
CELL = "from jupyter_durable_chat import Chat\nChat(session='s_long', agent='paced')"
AT = e.timestamp(1_790_000_000)


def answer(n: int) -> str:
    """Markdown of many heights, with code and tables in it."""
    parts = [f"### Answer {n}", "Some **words** of `an` answer. " * (10 + 7 * n % 40)]
    if n % 2:
        parts.append("\n".join(f"- point {k} of answer {n}" for k in range(n % 9)))
    if n % 3 == 0:
        parts.append("```python\n" + "\n".join(f"x{k} = f({n})  # a line of code" for k in range(5 + n % 20)) + "\n```")
    if n % 5 == 0:
        parts.append("| a | b |\n|---|---|\n" + "\n".join(f"| {k} | {n} |" for k in range(n % 7)))
    return "\n\n".join(parts)


async def write(path: Path) -> None:
    """A session of many turns, as a server would have kept it."""
    async with SqliteLog(path) as log:
        await log.create("s_long", [e.encode(e.SessionCreated(session="s_long"), at=AT)])
        for n in range(TURNS):
            said = e.UserMessage(message_id=f"q_{n}", client_id=f"c_{n}", text=f"Question {n}?")
            turn: list[e.Event] = [
                e.TurnStarted(user_message_id=f"q_{n}", message_id=f"a_{n}", agent="paced"),
                e.TextStart(id="x"),
                e.TextDelta(id="x", delta=answer(n)),
                e.TextEnd(id="x"),
                e.Finish(finish_reason="stop"),
                e.TurnStopped(outcome="completed"),
            ]
            await log.append(
                "s_long", [e.encode(said, at=AT), *(e.encode(event, at=AT, turn=f"t_{n}") for event in turn)]
            )


WATCH = """() => {
  window.faults = [];
  window.addEventListener('error', ({ message }) => faults.push(message));
}"""

NOTHING_BLANK = """() => {
  const edge = document.querySelector('.jdc-scroll').getBoundingClientRect();
  return [...document.querySelectorAll('.jdc-away')].every((slot) => {
    const { top, bottom } = slot.getBoundingClientRect();
    return bottom <= edge.top || top >= edge.bottom;
  });
}"""

SCROLL = """async ([step, count]) => {
  // Each step moves what stays in sight by that much, but for roundings, whatever is drawn above it meanwhile.
  const box = document.querySelector('.jdc-scroll');
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const wrong = [];
  for (let n = 0; n < count; n += 1) {
    const edge = box.getBoundingClientRect();
    const block = [...document.querySelectorAll('.jdc-message .jdc-text > *')].find((block) => {
      const { top, bottom } = block.getBoundingClientRect();
      return top >= edge.top - Math.min(step, 0) && bottom <= edge.bottom - Math.max(step, 0);
    });
    const before = block?.getBoundingClientRect().top, from = box.scrollTop;
    box.scrollTop -= step;
    const by = from - box.scrollTop;
    for (let frames = 0; frames < 3; frames += 1) await frame();
    const off = block && block.isConnected ? block.getBoundingClientRect().top - before - by : 0;
    if (Math.abs(off) > 2) wrong.push([n, Math.round(off)]);
  }
  return wrong;
}"""


def drawn(page: Page) -> int:
    return page.locator(".jdc-slot .jdc-message").count()


def at_end(page: Page) -> None:
    page.wait_for_function(
        "(box => box.scrollHeight - box.clientHeight - box.scrollTop <= 1)(document.querySelector('.jdc-scroll'))"
    )


def in_place(page: Page, message: str) -> None:
    """The message is drawn, at the upper edge of the window, and has the focus."""
    expect(page.locator(f"[data-message-id={message}]")).to_be_focused()
    page.wait_for_function(
        "id => Math.abs(document.querySelector(`[data-message-id=${id}]`).getBoundingClientRect().top"
        " - document.querySelector('.jdc-scroll').getBoundingClientRect().top - 12) <= 1",
        arg=message,
    )


def opened(open_notebook: Open, jupyter: Jupyter) -> NotebookPage:
    jupyter.stop()
    store = next(jupyter.folder.rglob("*.sqlite3"))
    writing = threading.Thread(target=asyncio.run, args=[write(store)])  # Playwright has a loop in this one
    writing.start()
    writing.join()
    jupyter.start()
    notebook = open_notebook(CELL)
    notebook.run_to_end()
    expect(notebook.chat.root.locator("[data-message-id=a_499]")).to_be_visible()
    return notebook


def test_five_hundred_turns(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = opened(open_notebook, jupyter)
    page, root = notebook.page, notebook.chat.root
    at_end(page)
    assert drawn(page) < 30
    page.evaluate(WATCH)
    for step, count in ((60, 30), (350, 15), (-200, 15)):
        assert page.evaluate(SCROLL, [step, count]) == []
    assert drawn(page) < 60

    # The first one, the last one, and a place in the middle: nothing is blank there.
    box = root.locator(".jdc-scroll")
    box.focus()
    page.keyboard.press("Home")
    expect(root.locator("[data-message-id=q_0]")).to_be_in_viewport()
    page.keyboard.press("End")
    at_end(page)
    box.evaluate("box => box.scrollTo(0, box.scrollHeight / 2)")
    page.wait_for_function(NOTHING_BLANK)

    # To a turn, by the outline and by keys; what is folded there stays folded.
    root.locator("button.jdc-outline-button").click()
    root.locator(".jdc-outline-filter").fill("question 123")
    page.keyboard.press("Enter")
    in_place(page, "q_123")
    page.keyboard.press("Alt+ArrowDown")
    in_place(page, "q_124")
    page.keyboard.press("f")
    expect(root.locator(".jdc-folded-answer[data-message-id=a_124]")).to_be_visible()
    page.keyboard.press("Alt+ArrowUp")
    in_place(page, "q_123")

    # An answer comes at the end, while somebody reads up here: they are told, and not moved.
    root.locator("textarea.jdc-input").fill("400 words at 20 per second, the last 20 on demand")
    page.keyboard.press("Enter")
    at_end(page)
    notebook.chat.wait_for_word(5)
    box.hover()
    page.mouse.wheel(0, -400)
    expect(root.locator(".jdc-below")).to_be_visible()
    read = box.evaluate("box => box.scrollTop")
    notebook.chat.wait_for_word(60)
    assert box.evaluate("box => box.scrollTop") == read
    root.locator(".jdc-below").click()
    at_end(page)
    expect(root.locator(".jdc-below")).to_have_count(0)
    jupyter.demand()
    notebook.chat.wait_for_outcome()
    at_end(page)
    assert page.evaluate("faults") == []


PLACES = """() => {
  const aims = [...document.querySelectorAll('button.jdc-stop, button.jdc-send, .jp-Cell:last-child .cm-content')];
  window.places = aims.map(() => new Set());
  const look = () => {
    aims.forEach((aim, index) => places[index].add(aim.getBoundingClientRect().top));
    requestAnimationFrame(look);
  };
  look();
}"""


def test_what_is_below_growing_answers_stands_still(open_notebook: Open, jupyter: Jupyter) -> None:
    chat = "from jupyter_durable_chat import Chat\nChat({!r}, agent='paced')"
    notebook = open_notebook(*[chat.format(name) for name in ("one", "two")], "x = 1")
    page = notebook.page
    for n in range(2):
        notebook.run_to_end(n)
    first, second = notebook.chat_of(0), notebook.chat_of(1)
    second.root.locator("textarea.jdc-input").fill("10 words at 100 per second")
    low = first.root.evaluate("root => root.offsetHeight")
    first.ask("400 words at 40 per second, the last 200 on demand")
    first.wait_for_word(1)
    assert first.root.evaluate("root => root.offsetHeight") > low + 200
    expect(first.root.locator(".jdc-composer")).to_be_in_viewport(ratio=0.9)

    # From the first word on, in every frame: its own buttons, those of the chat below, and the cell below both.
    page.evaluate(PLACES)
    first.wait_for_word(200)
    places = page.evaluate("places.map((tops) => [...tops])")
    assert len(places) == 4
    assert [len(tops) for tops in places] == [1] * 4, places
    second.root.locator("button.jdc-send").click()
    second.wait_for_outcome()
    first.root.locator("button.jdc-stop").click()
    first.wait_for_outcome("stopped")


def test_what_stops_one_answer_does_not_move_from_the_pointer(open_notebook: Open, jupyter: Jupyter) -> None:
    cell = "%%chat --agent paced\n400 words at 40 per second, the last 200 on demand"
    notebook = open_notebook("%load_ext jupyter_durable_chat", cell)
    notebook.run_to_end(0)
    notebook.run_to_end(1)
    chat = notebook.chat
    chat.wait_for_word(20)
    stop = chat.root.locator("button.jdc-stop")
    stop.hover()
    before = stop.bounding_box()
    chat.wait_for_word(200)
    assert stop.bounding_box() == before
    expect(chat.root.get_by_text("w200")).to_be_in_viewport()
    notebook.page.mouse.down()
    notebook.page.mouse.up()
    chat.wait_for_outcome("stopped")
    window = chat.root.locator(".jdc-scroll")
    assert window.evaluate("box => box.scrollHeight === box.clientHeight")  # it is there in full, as before
