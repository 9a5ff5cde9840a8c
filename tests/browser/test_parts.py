"""The parts of an answer as a person reads them: how long it thought, tables, data, what failed, sources, pictures."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter, running
from tests.browser.parts import FAIL, THINK

CELL = """
import pandas as pd
from jupyter_durable_chat import Chat

orders = pd.DataFrame({"region": ["North", "South"], "orders": [3120, 74], "share": [0.5, None]})
chat = Chat(agent="parts")

@chat.tool
def orders_by_region():
    '''The orders of each region.'''
    return orders

@chat.tool
def settings():
    '''What is set.'''
    return {"model": {"name": "ridge", "scores": list(range(120))}, "notes": "long " * 200}

@chat.tool
def chart():
    '''The orders as a figure.'''
    return orders.plot(x="region", y="orders", kind="bar").figure

chat
"""


@pytest.fixture(params=["lab", "notebook"])
def jupyter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jupyter]:
    with running(request.param, tmp_path, agents=["tests.browser.parts:parts"]) as server:
        yield server
        print(server.output)


def test_an_answer_is_read_part_by_part(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = open_notebook(CELL)
    notebook.run()
    chat, page = notebook.chat, notebook.page
    answer = chat.root.locator("[data-role=assistant]").last

    chat.ask(THINK)
    clock = answer.locator(".jdc-reasoning [role=timer]")
    expect(clock).to_have_text(re.compile(r"^[1-9]\d* s$"))
    seen = clock.inner_text()
    expect(clock).not_to_have_text(seen)
    expect(answer.locator(".jdc-facts [role=timer]")).to_be_visible()
    jupyter.demand()
    chat.wait_for_outcome("completed")
    expect(answer.locator(".jdc-reasoning")).to_have_text(re.compile(r"^Thought for \d+ s$"))
    expect(answer.locator(".jdc-nearly-full")).to_contain_text("95%")
    expect(answer.get_by_role("meter")).to_have_attribute("aria-valuenow", "95")
    notebook.save()
    notebook.reload()
    expect(answer.locator(".jdc-reasoning")).to_have_text(re.compile(r"^Thought for \d+ s$"))
    answer.locator(".jdc-sources summary").click()
    expect(answer.locator(".jdc-sources li")).to_have_text(["Firsthttps://a.example/x", "b.examplehttps://b.example/"])

    chat.ask("use orders_by_region\nuse settings\nuse chart")
    chat.wait_for_outcome("completed")
    for name in ("orders_by_region", "settings"):
        answer.locator(f".jdc-tool[data-tool-name={name}] summary").first.click()
    grid = answer.locator(".jdc-grid")
    expect(grid.locator("thead tr > *")).to_have_text(["", "region", "orders", "share"])
    expect(grid.locator("tbody tr")).to_have_text(["0North31200.5", "1South74missing"])
    expect(grid.get_by_role("group")).to_have_attribute("aria-label", re.compile("Result: 2 rows . 3 columns"))

    lines = answer.locator(".jdc-node")
    expect(lines).to_have_count(4)
    lines.first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    expect(lines).to_have_count(55)
    expect(answer.locator(".jdc-node:focus")).to_have_text(re.compile("^scores: 120 items"))
    answer.locator(".jdc-tree-more").click()
    expect(answer.locator(".jdc-node:focus")).to_have_text("50: 50")

    answer.locator(".jdc-enlarge").click()
    large = answer.locator("dialog.jdc-lightbox img")
    expect(large).to_be_visible()
    with page.expect_download() as saved:
        answer.locator(".jdc-save-picture").click()
    assert saved.value.suggested_filename == "figure.png"
    page.keyboard.press("Escape")
    expect(large).to_have_count(0)
    expect(answer.locator(".jdc-enlarge")).to_be_focused()

    chat.ask(FAIL)
    chat.wait_for_outcome("failed")
    expect(answer.locator(".jdc-outcome code").first).to_have_text("PARTS_API_KEY")
    answer.locator(".jdc-ending .jdc-retry-with").click()
    answer.locator(".jdc-choice", has_text="parts:large").click()
    chat.wait_for_outcome("completed")
    expect(answer.locator(".jdc-fact-line")).to_contain_text("parts:large")
