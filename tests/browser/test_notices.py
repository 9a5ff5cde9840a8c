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
    context.add_init_script(OBSERVER)
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

        # From the notification to the chat; what is in sight is read, everywhere.
        telling = next(page for page in person.pages if page.locator(".Toastify__toast--error").count())
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


def title(count: int) -> re.Pattern[str]:
    """Of a page that nobody sees while so many things are unread."""
    return re.compile(rf"^\({count}\) " if count else r"^[^(]")
