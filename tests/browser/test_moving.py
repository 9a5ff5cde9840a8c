"""Moving through a session of 500 turns, in real layout, and past chats that are being answered.

What is read stays where it is, and so does what is aimed at; the end is followed, and what is far away is not drawn.
Every claim is about positions, none about time.
"""

import asyncio
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect, sync_playwright

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log.sqlite import SqliteLog
from tests.browser.conftest import FLAGS, Open, chromium
from tests.browser.jupyter import Jupyter
from tests.browser.page import NotebookPage

TURNS = 500
PICTURED = 280
"""A turn whose answer has a picture, a formula and code: what makes them what they are may come late."""

PICTURE = f"attachment:{'5' * 64}"
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
    if n == PICTURED:
        parts.append(
            "$$\\frac{\\frac{a}{b}}{\\frac{\\frac{c}{d}}{e}} = 1$$\n\n```python\nx = f(1)  # a line of code\n```"
        )
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
                *([e.File(url=PICTURE, media_type="image/png")] if n == PICTURED else []),
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
    # As in any feed: from message to message, however long they are, and out of it on both sides.
    for key, message in (("PageDown", "a_123"), ("PageDown", "q_124"), ("PageUp", "a_123"), ("PageUp", "q_123")):
        page.keyboard.press(key)
        expect(root.locator(f"[data-message-id={message}]")).to_be_focused()
        expect(root.locator(f"[data-message-id={message}]")).to_be_in_viewport()
    page.keyboard.press("Control+Home")
    expect(root.locator(".jdc-head button").last).to_be_focused()
    box.focus()
    page.keyboard.press("Control+End")
    expect(root.locator(".jdc-grip")).to_be_focused()

    # An answer comes at the end, while somebody reads up here: they are told, and not moved.
    root.locator("textarea.jdc-input").fill("1000 words at 10 per second, the last 20 on demand")
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


FRAMES = """() => {
  // Each frame after it was laid out, and before it is painted: empty places in the window, and where what is read is.
  Object.assign(window, { frames: 0, blanks: [], offs: [], means: null, read: null });
  const box = document.querySelector('.jdc-scroll');
  const check = () => {
    frames += 1;
    const edge = box.getBoundingClientRect();
    for (const slot of box.querySelectorAll('.jdc-away')) {
      const { top, bottom } = slot.getBoundingClientRect();
      if (bottom > edge.top + 1 && top < edge.bottom - 1) blanks.push([means, box.scrollTop, top - edge.top]);
    }
    const off = read ? read.element.getBoundingClientRect().top - edge.top - read.at : 0;
    if (Math.abs(off) > 1) offs.push([means, off]);
  };
  const look = () => {
    const observer = new ResizeObserver(() => {
      observer.disconnect();
      check();
    });
    observer.observe(box); // a new one is told in this frame, after all that were there before
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""

READ = """id => {
  const element = document.querySelector(`[data-message-id=${id}]`);
  const { top } = document.querySelector('.jdc-scroll').getBoundingClientRect();
  window.read = { element, at: element.getBoundingClientRect().top - top };
}"""

REST = """() => new Promise((resolve) => {
  // Nothing has moved for some frames.
  const box = document.querySelector('.jdc-scroll');
  let still = 0, last = null;
  const look = () => {
    const now = `${box.scrollTop} ${box.scrollHeight} ${box.clientWidth}`;
    still = now === last ? still + 1 : 0;
    last = now;
    if (still > 12) resolve();
    else requestAnimationFrame(look);
  };
  look();
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With scrollbars, to be dragged."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=chromium(playwright), args=FLAGS, ignore_default_args=["--hide-scrollbars"]
        )


def scrolled_by_bar(page: Page, box: Locator) -> None:
    """From the middle up to the beginning, and down again, as a hand does: by many small movements, and a bit too far.

    It does not come off the mouse. (Whenever what is scrolled has become longer or shorter, Chromium takes the next
    movement for the place where the bar is held, and does not scroll by it: so it keeps its length meanwhile.)
    """
    box.evaluate("box => { box.scrollTop = (box.scrollHeight - box.clientHeight) / 2 }")
    page.evaluate(REST)
    x, y, height = box.evaluate(
        "box => (({ left, top }) => [left + (box.clientWidth + box.offsetWidth) / 2, top, box.clientHeight])"
        "(box.getBoundingClientRect())"
    )

    def to(share: float) -> float:
        page.mouse.move(x, y + share * height, steps=25)
        page.evaluate(REST)
        return box.evaluate("box => box.scrollTop")

    page.mouse.move(x, y + height / 2)
    page.mouse.down()
    held = [to(share) for share in (0.45, 0.4, 0.1, -0.3)]
    assert held == sorted(held, reverse=True) and held[-1] == 0
    assert to(0.3) > 0
    page.mouse.up()


def scrolled_by_finger(page: Page, x: float, y: float) -> None:
    finger = page.context.new_cdp_session(page)
    for _ in range(3):
        finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y - 150}]})
        for step in range(1, 16):
            at = [{"x": x, "y": y - 150 + 20 * step}]
            finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_no_frame_has_an_empty_place_in_it(open_notebook: Open, jupyter: Jupyter) -> None:
    """However a person scrolls through a long session, whose last answer is still being written."""
    notebook = opened(open_notebook, jupyter)
    page, root = notebook.page, notebook.chat.root
    box = root.locator(".jdc-scroll")
    at_end(page)
    root.locator("textarea.jdc-input").fill("1000 words at 5 per second")  # more than there is time for
    page.keyboard.press("Enter")
    notebook.chat.wait_for_word(5)
    place = box.bounding_box()
    assert place
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.evaluate(FRAMES)

    def by(means: str) -> None:
        page.evaluate(REST)
        page.evaluate("means => { window.means = means }", means)

    by("wheel")
    page.mouse.move(x, y)
    for delta in [-120] * 20 + [-600] * 10 + [300] * 10:
        page.mouse.wheel(0, delta)
    by("finger")
    scrolled_by_finger(page, x, y)
    by("keys")
    box.focus()
    for key in ["PageUp"] * 3 + ["PageDown", "Home", "PageDown", "End"]:
        page.keyboard.press(key)
        page.evaluate(REST)
    by("keys that are held")
    for key in ["PageUp"] * 15 + ["PageDown"] * 5:
        page.keyboard.press(key)
    by("a jump")
    for share in (0.1, 0.9, 0.5, 0.51):
        box.evaluate("(box, share) => { box.scrollTop = share * box.scrollHeight }", share)
        page.evaluate(REST)
    by("scrollbar")
    scrolled_by_bar(page, box)
    by("a turn that is gone to")
    for n in (77, 401):
        root.locator("button.jdc-outline-button").click()
        root.locator(".jdc-outline-filter").fill(f"question {n}")
        page.keyboard.press("Enter")
        in_place(page, f"q_{n}")
        page.keyboard.press("Alt+ArrowUp")
        in_place(page, f"q_{n - 1}")
    by("the end")
    root.locator(".jdc-below").click()
    at_end(page)
    by("nothing")
    assert page.evaluate("blanks") == []
    assert page.evaluate("frames") > 300
    assert drawn(page) < 80
    root.locator("button.jdc-stop").click()
    notebook.chat.wait_for_outcome("stopped")


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (120, 300), "teal").save(file, "PNG")
    return file.getvalue()


def test_what_is_read_stays_where_it_is(open_notebook: Open, jupyter: Jupyter, context: BrowserContext) -> None:
    """In every frame, to a pixel, while what is above it comes late, is folded, or is wrapped anew."""
    late: list[Route] | None = []

    def give(route: Route) -> None:
        if "/attachments/" in route.request.url:
            route.fulfill(body=picture(), content_type="image/png")
        else:
            route.continue_()

    for what in ("static/durable_chat/languages-*", "static/durable_chat/formulas-*", "api/sessions/*/attachments/*"):
        context.route(f"**/{what}", lambda route: give(route) if late is None else late.append(route))
    notebook = opened(open_notebook, jupyter)
    page, root = notebook.page, notebook.chat.root
    root.locator("button.jdc-outline-button").click()
    root.locator(".jdc-outline-filter").fill(f"question {PICTURED + 1}")
    page.keyboard.press("Enter")
    in_place(page, f"q_{PICTURED + 1}")
    above = root.locator(f"[data-message-id=a_{PICTURED}]")
    expect(above.locator(".jdc-picture-coming")).to_be_attached()
    page.evaluate(REST)
    page.evaluate(FRAMES)
    page.evaluate(READ, f"q_{PICTURED + 1}")
    tall = above.evaluate("message => message.offsetHeight")

    def while_(what: str) -> None:
        page.evaluate(REST)
        page.evaluate("what => { window.means = what }", what)

    while_("pictures, formulas and colours come")
    held, late = late, None
    for route in held:
        give(route)
    expect(above.locator("img")).to_be_attached()
    above.locator("img").evaluate("image => image.decode()")
    expect(above.locator(".jdc-set math")).to_be_attached()
    expect(above.locator(".jdc-hl-comment")).to_be_attached()
    while_("a turn above is folded, and unfolded")
    assert above.evaluate("message => message.offsetHeight") > tall + 200
    fold = root.locator(f"[data-message-id=q_{PICTURED}] .jdc-fold")
    fold.evaluate("button => button.click()")
    expect(root.locator(f".jdc-folded-answer[data-message-id=a_{PICTURED}]")).to_be_attached()
    page.evaluate(REST)
    fold.evaluate("button => button.click()")
    expect(above.locator("img")).to_be_attached()
    while_("the composer grows")
    root.locator("textarea.jdc-input").fill("\n".join(f"line {n}" for n in range(8)))
    while_("the page becomes narrower, and wider")
    for width in (900, 500, 1500):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("width => innerWidth === width", arg=width)
        page.evaluate(REST)
    while_("the chat becomes taller")
    grip = root.locator(".jdc-grip")
    grip.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    while_("nothing happens")
    assert page.evaluate("[offs, blanks]") == [[], []]
    assert page.evaluate("read.element.isConnected")


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
