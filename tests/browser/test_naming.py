"""What is named in a message: offered by the real notebook and its real kernel, and sent as it is then."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter, running
from tests.browser.page import NotebookPage

CHAT = "from jupyter_durable_chat import Chat\nchat = Chat(agent='paced')\nchat"
DATA = "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})\nprint('three rows')"


@pytest.fixture
def jupyter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jupyter]:
    app, base_url = request.param
    prompts = {"explain": "Explain {what} to me."}
    with running(app, tmp_path, base_url=base_url, prompts=prompts) as server:
        yield server
        print(server.output)


HOSTS = [("lab", "/"), ("notebook", "/")]
pytestmark = pytest.mark.parametrize("jupyter", HOSTS, indirect=True, ids=["lab", "notebook"])


def names(notebook: NotebookPage) -> Locator:
    return notebook.chat.root.locator(".jdc-name")


def write(notebook: NotebookPage, text: str) -> None:
    notebook.chat.root.locator("textarea.jdc-input").press_sequentially(text)


def choose(notebook: NotebookPage, query: str, name: str) -> None:
    """Write the beginning of a name, and take the one that is offered first."""
    write(notebook, query)
    expect(names(notebook).first).to_have_attribute("data-name", name)
    notebook.page.keyboard.press("Enter")
    expect(names(notebook)).to_have_count(0)


def test_variables_cells_files_and_prompts(open_notebook: Open, jupyter: Jupyter) -> None:
    (jupyter.files / "data").mkdir()
    (jupyter.files / "data" / "orders.csv").write_text("a,b\n1,2\n")
    notebook = open_notebook(DATA, CHAT)
    notebook.run_to_end(0)
    notebook.run_to_end(1)
    chat = notebook.chat
    expect(chat.root).to_have_attribute("data-session", re.compile("s_"))

    write(notebook, "3 words at 100 per second about ")
    choose(notebook, "@df", "df")
    choose(notebook, "@cell", "cell:1")
    write(notebook, "@data/ord")
    expect(names(notebook).first).to_have_attribute("data-name", "data/orders.csv")
    notebook.page.keyboard.press("Tab")
    expect(chat.root.locator(".jdc-named .jdc-attachment")).to_have_count(3)
    notebook.write("df = pd.DataFrame({'a': range(5)})", 0)
    notebook.run_to_end(0)  # it is sent as it is now
    chat.root.locator("button.jdc-send").click()
    chat.wait_for_outcome()
    asked = jupyter.transcript(chat.session)["messages"][0]
    text, variable, cell, file = asked["parts"]
    assert text["text"].endswith("about @df @cell:1 @data/orders.csv ") or text["text"].endswith("@data/orders.csv")
    assert "DataFrame, 5 rows" in variable["data"]["text"]
    assert cell["data"]["label"].startswith("cell ") and "df = " in cell["data"]["text"]
    assert (file["filename"], file["mediaType"]) == ("orders.csv", "text/csv")

    write(notebook, "/exp")
    expect(names(notebook).first).to_have_attribute("data-kind", "prompt")
    notebook.page.keyboard.press("Enter")
    notebook.page.keyboard.type("2 words at 100 per second")
    expect(chat.root.locator("textarea.jdc-input")).to_have_value("Explain 2 words at 100 per second to me.")
    notebook.page.keyboard.press("Enter")
    expect(chat.root.locator("[data-role=assistant]")).to_have_count(2)
    chat.wait_for_outcome()
    assert jupyter.asked[-1] == "Explain 2 words at 100 per second to me."
