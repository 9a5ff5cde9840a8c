"""Two people, one notebook: jupyter-collaboration shares its cells and outputs, and each has a browser and a name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import FAILED
from tests.browser.jupyter import Jupyter, running
from tests.browser.page import CHAT_CELL, ChatView, NotebookPage

FIRST, SECOND = "40 words at 20 per second, the last 30 on demand", "20 words at 40 per second"

TYPES = """() => {
  window.types = [];
  const look = () => {
    const who = [...document.querySelectorAll('.jdc-people li[data-typing]')].map(({ dataset }) => dataset.username);
    types.push(`${who.join()}: ${document.querySelector('.jdc-typing').textContent}`);
  };
  const everything = { attributes: true, characterData: true, childList: true, subtree: true };
  new MutationObserver(look).observe(document, everything);
}"""
"""Notes who is seen to type: they may be seen for a few seconds only."""

COLOR = "var(--jp-collaborator-color5)"


class Person:
    """Somebody with a browser of their own; Jupyter makes up their name."""

    def __init__(self, browser: Browser, jupyter: Jupyter) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.notebook = NotebookPage(self.context.new_page(), jupyter, "a.ipynb").open()
        self.page: Page = self.notebook.page
        self.me: dict[str, Any] = self.page.evaluate("fetch('/api/me').then(answer => answer.json())")["identity"]

    @property
    def name(self) -> str:
        return self.me["username"]

    @property
    def chat(self) -> ChatView:
        return self.notebook.chat

    @property
    def root(self) -> Locator:
        return self.chat.root

    @property
    def shown(self) -> str:
        """The name that others see."""
        return self.me["display_name"]

    def choose_color(self) -> None:
        """As JupyterLab's settings of one's profile do it."""
        xsrf = self.page.evaluate("document.cookie.match(/_xsrf=([^;]*)/)[1]")
        headers = {"X-XSRFToken": xsrf, "Content-Type": "application/json"}
        asked = {"method": "PATCH", "headers": headers, "body": json.dumps({"color": COLOR})}
        assert self.page.evaluate("asked => fetch('/api/me', asked).then(answer => answer.ok)", asked)

    def sees(self, *others: "Person") -> None:
        """These are there beside oneself."""
        here = self.root.locator(".jdc-people li")
        expect(here).to_have_count(len(others))
        for other in others:
            expect(self.root.locator(f".jdc-people li[data-username='{other.name}']")).to_be_visible()

    def question(self, text: str) -> Locator:
        return self.root.locator("[data-role=user]", has_text=text)

    def expect_author(self, text: str, author: "Person") -> None:
        byline = self.question(text).locator(".jdc-author")
        expect(byline).to_have_attribute("title", author.name)
        expect(byline).to_contain_text(author.me["display_name"])


@pytest.fixture(params=["lab", "notebook"])
def jupyter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jupyter]:
    with running(request.param, tmp_path, collaborates=True) as server:
        yield server
        print(server.output)


@pytest.fixture
def people(browser: Browser, jupyter: Jupyter, request: pytest.FixtureRequest) -> Iterator[list[Person]]:
    jupyter.write_notebook("a.ipynb", CHAT_CELL)
    people = [Person(browser, jupyter), Person(browser, jupyter)]
    people[1].choose_color()
    yield people
    for n, person in enumerate(people):
        if request.node.stash.get(FAILED, False) and not person.page.is_closed():
            person.page.screenshot(path=f"test-results/{request.node.name}-{n}.png")
        person.context.close()


def test_two_people_in_one_notebook(people: list[Person], jupyter: Jupyter) -> None:
    ada, bob = people
    assert ada.name != bob.name
    ada.notebook.run()
    for person in people:
        # In Bob's page it is only an output that came with the document.
        expect(person.root).to_have_attribute("data-state", "live")
    assert bob.chat.session == ada.chat.session
    ada.sees(bob)
    bob.sees(ada)

    # One writes, the other knows, until it is sent.
    ada.page.evaluate(TYPES)
    bob.root.locator("textarea.jdc-input").press_sequentially(FIRST)
    typing = ada.root.locator(".jdc-typing")
    ada.page.wait_for_function("said => types.includes(said)", arg=f"{bob.name}: {bob.shown} is typing…")
    expect(bob.root.locator(".jdc-typing")).to_have_text("")
    bob.root.locator("button.jdc-send").click()
    expect(typing).to_have_text("")
    ada.expect_author(FIRST, bob)

    # Both see the answer come; one of them stops it, and the other knows who.
    for person in people:
        person.chat.wait_for_word(2)
    ada.root.locator("button.jdc-stop").click()
    for person in people:
        person.chat.wait_for_outcome("stopped")
    expect(bob.root.locator(".jdc-outcome")).to_contain_text(f"Stopped by {ada.shown}")

    # Once both have written, both names are said, in the same colours in both windows.
    jupyter.demand()
    ada.chat.ask(SECOND)
    for person in people:
        person.chat.wait_for_outcome()
        person.chat.assert_exact(jupyter)
        person.expect_author(FIRST, bob)
        person.expect_author(SECOND, ada)
        expect(person.question(FIRST).locator(".jdc-avatar")).to_have_attribute("data-color", "5")
    colors = [person.question(SECOND).locator(".jdc-avatar").get_attribute("data-color") for person in people]
    assert colors[0] is not None and colors[0] == colors[1]

    # What both pages keep of the answer in the notebook is one output, with all of it.
    lsn = len(jupyter.events(ada.chat.session))
    for person in people:
        person.notebook.wait_for_kept(lsn)
    assert not {"presence", "typing"} & {event["type"] for event in jupyter.events(ada.chat.session)}

    # Who closes the browser is gone.
    bob.context.close()
    ada.sees()
