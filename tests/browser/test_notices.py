"""What is told of a chat that nobody watches: by one page in the world, once, and as what it is."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter, running
from tests.browser.page import NotebookPage
from tests.browser.parts import FAIL
from tests.browser.test_tools import CELL, PLOT

WORDS = "10 words at 100 per second"

OBSERVER = """
window.told = [];
const look = ({ target }) => {
  for (const toast of document.querySelectorAll('.Toastify__toast')) {
    const [kind] = /success|error|warning/.exec(toast.className) ?? [''];
    const text = toast.querySelector('.jp-toast-message')?.textContent ?? toast.textContent;
    if (kind && !toast.seen && (toast.seen = true)) told.push(`${kind}: ${text}`);
  }
};
new MutationObserver((records) => records.forEach(look)).observe(document, { childList: true, subtree: true });
"""
"""Notes every notification of JupyterLab that is shown, for however long."""

OUTSIDE = """
window.outside = [];
window.Notification = class extends Notification {
  constructor(title, options) {
    super(title, options);
    outside.push({ title, body: options.body, tag: options.tag, open: true, shown: this });
  }
  close() {
    outside.find(({ shown }) => shown === this).open = false;
    super.close();
  }
};
window.tones = [];
window.OscillatorNode = class extends OscillatorNode {
  start(at) {
    super.start(at);
    if (tones.at(-1)?.audio === this.context) tones.at(-1).pitches.push(this.frequency.value);
    else tones.push({ audio: this.context, pitches: [this.frequency.value], states: [] });
    const { states } = tones.at(-1);
    this.context.onstatechange = () => states.push(this.context.state);
  }
};
"""
"""Notes every notification of the browser's own, and every tone that is begun: its pitches, and what became of it."""

HIDE = """hidden => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
"""The tab is in the background, or in front."""


@pytest.fixture(params=["lab", "notebook"])
def jupyter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jupyter]:
    agents = ["tests.browser.agent:paced", "tests.browser.parts:parts"]
    with running(request.param, tmp_path, agents=agents) as server:
        yield server
        print(server.output)


class Person:
    """Their pages, and what those have told."""

    def __init__(self, jupyter: Jupyter, session: str, pages: list[Page]) -> None:
        self.jupyter = jupyter
        self.session = session
        self.pages = pages
        self._sent = 0

    def ask(self, text: str, agent: str) -> None:
        self._sent += 1
        path = f"durable-chat/api/sessions/{self.session}/messages"
        self.jupyter.post(path, client_id=f"c_{self._sent}", text=text, agent=agent)

    def answered(self) -> None:
        self.until(lambda: self.jupyter.transcript(self.session)["turn"] is None)

    @property
    def notices(self) -> list[dict[str, Any]]:
        return self.jupyter.api("durable-chat/api/inbox")["notices"]

    @property
    def told(self) -> list[str]:
        """What all pages together have told, the first line of it."""
        return [said for page in self.pages for said in page.evaluate("told.map(said => said.split('\\\\n')[0])")]

    def until(self, true: Callable[[], bool]) -> None:
        """The test's own time-out is the limit."""
        while not true():
            self.pages[0].wait_for_timeout(50)


def test_one_page_in_the_world_tells_what_nobody_watches(
    open_notebook: Open, jupyter: Jupyter, context: BrowserContext, browser: Browser
) -> None:
    for observer in (OBSERVER, OUTSIDE):
        context.add_init_script(observer)
    chatting = open_notebook(CELL)
    chatting.run_to_end()
    chatting.save()
    expect(chatting.chat.root).to_have_attribute("data-state", "live")
    other = open_notebook("1", name="b.ipynb")
    with browser.new_context() as elsewhere:
        elsewhere.add_init_script(OBSERVER)
        jupyter.write_notebook("c.ipynb", "1")
        third = NotebookPage(elsewhere.new_page(), jupyter, "c.ipynb").open()
        person = Person(jupyter, chatting.chat.session, [chatting.page, other.page, third.page])

        # In sight on one page: nobody is told.
        watched = lambda: jupyter.api("durable-chat/api/health")["watched"]  # noqa: E731
        person.until(lambda: watched() == 1)
        person.ask(WORDS, "paced")
        chatting.chat.wait_for_outcome()
        assert person.notices == [] and person.told == []

        # The same page in the background: one of three tells, and each kind looks like itself.
        chatting.page.evaluate(HIDE, True)
        person.until(lambda: watched() == 0)
        person.ask(WORDS, "paced")
        person.until(lambda: len(person.told) == 1)
        (done,) = person.told
        assert done.startswith("success: ") and "the answer is there" in done
        expect(chatting.page).to_have_title(title(1))
        person.ask(FAIL, "parts")
        person.until(lambda: len(person.told) == 2)
        person.ask(PLOT, "demo")
        person.until(lambda: len(person.told) == 3)
        kinds = sorted(said.partition(":")[0] for said in person.told)
        assert kinds == ["error", "success", "warning"]
        assert [notice["kind"] for notice in person.notices] == ["done", "failed", "waiting"]
        warnings = [page.locator(".Toastify__toast--warning") for page in person.pages]
        assert sum(warning.count() for warning in warnings) == 1

        # What waited is stopped by the person: nothing is told of that, and nothing waits any more.
        jupyter.post(f"durable-chat/api/sessions/{person.session}/stop")
        for warning in warnings:
            expect(warning).to_have_count(0)
        # A muted chat tells nothing.
        other.page.evaluate(
            "url => fetch(url, {method: 'PATCH', body: JSON.stringify({muted: true}), headers: {'X-XSRFToken':"
            " /_xsrf=([^;]*)/.exec(document.cookie)[1]}}).then(answer => answer.json())",
            f"{jupyter.base_url}durable-chat/api/sessions/{person.session}",
        )
        person.ask(WORDS, "paced")
        person.answered()
        person.until(lambda: len(person.notices) == 3)
        assert [(n["kind"], n["quiet"], n["claimed"] is None) for n in person.notices] == [
            ("done", False, False),
            ("failed", False, False),
            ("done", True, True),
        ]
        assert len(person.told) == 3

        # Who has not allowed it, and has not asked for it, gets nothing from the browser, and hears nothing.
        assert [chatting.page.evaluate(noted) for noted in ("outside.length", "tones.length")] == [0, 0]

        # From the notification to the chat; what is in sight is read, everywhere.
        telling = next(page for page in person.pages if page.locator(".Toastify__toast--error").count())
        telling.evaluate(HIDE, False)
        show = telling.locator(".Toastify__toast--error").get_by_role("button", name="Show")
        if jupyter.app == "lab":
            show.click()
            shown = telling
        else:
            with telling.context.expect_page() as opened:
                show.click()
            shown = opened.value
        expect(shown.locator(f"[data-session={person.session}]")).to_be_visible(timeout=60_000)
        person.until(lambda: jupyter.api("durable-chat/api/inbox")["unread"] == 0)
        expect(telling.locator(".Toastify__toast--error")).to_have_count(0)
        expect(chatting.page).to_have_title(title(0))


@pytest.mark.parametrize("jupyter", ["lab"], indirect=True)
def test_the_browser_tells_where_it_is_allowed_and_a_bell_rings(
    open_notebook: Open, jupyter: Jupyter, context: BrowserContext, browser: Browser
) -> None:
    context.grant_permissions(["notifications"])
    context.add_init_script(OUTSIDE)
    notebook = open_notebook(CELL)
    notebook.run_to_end()
    notebook.save()
    page, root = notebook.page, notebook.chat.root
    expect(root).to_have_attribute("data-state", "live")
    root.locator("textarea.jdc-input").click()
    telling = root.locator(".jdc-telling")
    telling.locator("select").select_option("sound")
    expect(telling).to_have_attribute("data-telling", "sound")
    person = Person(jupyter, notebook.chat.session, [page])

    page.evaluate("new AudioContext().resume()")  # what plays sounds may need a while to begin, but no second time

    # Another notebook is in front, and the tab is behind others.
    jupyter.write_notebook("b.ipynb", "1")
    notebook.command("docmanager:open", {"path": "b.ipynb"})
    page.evaluate(HIDE, True)
    person.until(lambda: jupyter.api("durable-chat/api/health")["watched"] == 0)
    asked = [(WORDS, "paced"), (FAIL, "parts"), (PLOT, "demo")]
    for count, (text, agent) in enumerate(asked, 1):
        person.ask(text, agent)
        person.until(lambda count=count: page.evaluate("outside.length") == count)
        expect(page).to_have_title(title(count))
    told = page.evaluate("outside.map(({ title }) => title)")
    assert len(set(told)) == 3, "each kind says what it is"
    assert page.evaluate("outside.map(({ tag }) => tag)") == [f"jupyter-durable-chat:{person.session}"] * 3
    assert "w1 w2" in page.evaluate("outside[0].body")
    # A tone each, which differ, which began to sound, and are over.
    person.until(lambda: page.evaluate("tones.every(({ states }) => states.at(-1) === 'closed')"))
    pitches = page.evaluate("tones.map(({ pitches }) => pitches.join())")
    assert len(pitches) == 3 and len(set(pitches)) == 3
    assert page.evaluate("tones.map(({ states }) => states[0])") == ["running"] * 3

    # A click on one leads to the chat, and what is in sight is told no longer.
    page.evaluate(HIDE, False)
    page.evaluate("outside[0].shown.onclick()")
    expect(root).to_be_in_viewport()
    person.until(lambda: jupyter.api("durable-chat/api/inbox")["unread"] == 0)
    person.until(lambda: page.evaluate("outside.every(({ open }) => !open)"))
    expect(page).to_have_title(title(0))

    # Muted, it stays so, here and elsewhere, and rings no bell.
    jupyter.post(f"durable-chat/api/sessions/{person.session}/stop")
    telling.locator("select").select_option("muted")
    notebook.reload()
    expect(telling).to_have_attribute("data-telling", "muted")
    with browser.new_context() as elsewhere:
        second = NotebookPage(elsewhere.new_page(), jupyter, "a.ipynb").open()
        expect(second.chat.root.locator(".jdc-telling")).to_have_attribute("data-telling", "muted")
    page.evaluate(HIDE, True)
    person.until(lambda: jupyter.api("durable-chat/api/health")["watched"] == 0)
    person.ask(WORDS, "paced")
    person.until(lambda: any(notice["quiet"] for notice in person.notices))
    assert [page.evaluate(noted) for noted in ("outside.length", "tones.length")] == [0, 0]


def title(count: int) -> re.Pattern[str]:
    """Of a page that nobody sees while so many things are unread."""
    return re.compile(rf"^\({count}\) " if count else r"^[^(]")
