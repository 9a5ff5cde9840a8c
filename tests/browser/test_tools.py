"""Tools in a cell: approved, run by a kernel, answered by a person; whatever restarts and wherever one looks."""

import json

from playwright.sync_api import Browser, BrowserContext, Locator, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter
from tests.browser.page import NotebookPage

CELL = """
import pandas as pd
from jupyter_durable_chat import Chat

df = pd.DataFrame({"month": [1, 2, 3], "sales": [3, 1, 2]})
chat = Chat(agent="demo")

@chat.tool(approval="always")
def plot_sales(kind: str = "line"):
    '''Plot the sales of each month.'''
    return df.plot(x="month", y="sales", kind=kind).figure

chat
"""

PLOT = 'use plot_sales {"kind": "bar"}'

ASK = {"questions": [{"id": "colour", "question": "Which colour?", "options": [{"label": "Red"}, {"label": "Blue"}]}]}


def tool(notebook: NotebookPage, name: str = "plot_sales") -> Locator:
    return notebook.chat.root.locator(f".jdc-tool[data-tool-name={name}]")


def asked(notebook: NotebookPage, question: str) -> NotebookPage:
    notebook.run()
    notebook.chat.ask(question)
    return notebook


def assert_figure(notebook: NotebookPage) -> None:
    """The answer has a picture, which is drawn and has a size."""
    picture = tool(notebook).locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("async image => (await image.decode(), image.naturalWidth)") > 100


def test_a_figure_of_a_kernels_tool_arrives_in_the_answer(open_notebook: Open) -> None:
    notebook = asked(open_notebook(CELL), PLOT)
    expect(notebook.chat.root).to_have_attribute("data-waiting", "approval")
    expect(tool(notebook)).to_contain_text("kind: “bar”")
    tool(notebook).locator("button.jdc-approve").click()
    notebook.chat.wait_for_outcome("completed")
    assert_figure(notebook)
    notebook.save()
    notebook.reload()
    notebook.chat.wait_for_outcome("completed")
    assert_figure(notebook)


def test_an_approval_is_answered_in_a_second_browser_after_a_kernel_restart(
    browser: Browser, open_notebook: Open, jupyter: Jupyter
) -> None:
    first = asked(open_notebook(CELL), PLOT)
    expect(tool(first).locator("button.jdc-approve")).to_be_visible()
    first.save()
    first.restart_kernel()
    with browser.new_context() as another_browser:
        second = NotebookPage(another_browser.new_page(), jupyter, "a.ipynb").open()
        tool(second).locator("button.jdc-approve").click()
        for notebook in (first, second):
            expect(notebook.chat.root).to_have_attribute("data-waiting", "kernel")
        second.run()
        for notebook in (first, second):
            notebook.chat.wait_for_outcome("completed")
            assert_figure(notebook)
            expect(notebook.chat.root).to_have_attribute("data-gaps", "0")


def test_an_approval_waits_while_the_server_is_killed(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = asked(open_notebook(CELL), PLOT)
    expect(tool(notebook).locator("button.jdc-approve")).to_be_visible()
    notebook.save()
    jupyter.kill()
    jupyter.start()
    notebook.reload()
    tool(notebook).locator("button.jdc-approve").click()
    expect(notebook.chat.root).to_have_attribute("data-waiting", "kernel")
    notebook.run()
    notebook.chat.wait_for_outcome("completed")
    assert_figure(notebook)


def test_a_refused_call_is_told_to_the_model(open_notebook: Open) -> None:
    notebook = asked(open_notebook(CELL), PLOT)
    tool(notebook).locator("button.jdc-deny").click()
    notebook.chat.wait_for_outcome("completed")
    expect(tool(notebook)).to_have_attribute("data-state", "output-denied")


def test_a_question_is_answered_in_the_cell(open_notebook: Open) -> None:
    notebook = asked(open_notebook(CELL), f"use ask_user {json.dumps(ASK)}")
    form = notebook.chat.root.locator("form.jdc-questions")
    form.get_by_label("Blue").check()
    form.locator("button.jdc-answer").click()
    notebook.chat.wait_for_outcome("completed")
    expect(tool(notebook, "ask_user")).to_contain_text("Blue")


def test_a_pasted_picture_is_sent(open_notebook: Open, context: BrowserContext, jupyter: Jupyter) -> None:
    notebook = open_notebook(CELL)
    notebook.run()
    field = notebook.chat.root.locator("textarea.jdc-input")
    field.evaluate(
        """async field => {
          const canvas = Object.assign(document.createElement('canvas'), {width: 40, height: 30})
          const blob = await new Promise(done => canvas.toBlob(done))
          const data = new DataTransfer()
          data.items.add(new File([blob], 'drawn.png', {type: 'image/png'}))
          field.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}))
        }"""
    )
    expect(notebook.chat.root.locator(".jdc-composer")).to_contain_text("drawn.png")
    notebook.chat.ask("What is this?")
    notebook.chat.wait_for_outcome("completed")
    question = jupyter.transcript(notebook.chat.session)["messages"][0]
    assert question["parts"][1]["mediaType"] == "image/png" and question["parts"][1]["url"].startswith("attachment:")
    picture = notebook.chat.root.locator("[data-role=user] img")
    assert picture.evaluate("async image => (await image.decode(), image.naturalWidth)") == 40
