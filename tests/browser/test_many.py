"""(i) Twelve chats stream in a notebook of JupyterLab, one more in each of ten tabs of Notebook 7, and Jupyter goes on.

A browser has six connections per host, for all its tabs together: 22 streams that each took one would hang all of it.
"""

import pytest

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter

CHATS = 12
TABS = 10
QUESTION = "400 words at 10 per second, the last 50 on demand"
ALL_WORDS = [f"w{n}" for n in range(1, 401)]


def chat_cell(name: str) -> str:
    return f"from jupyter_durable_chat import Chat\nChat({name!r}, agent='paced')"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("jupyter", [("lab", "/")], ids=["lab and notebook"], indirect=True)
def test_failure_36_i_twelve_chats_in_a_notebook_and_ten_tabs(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = open_notebook(*[chat_cell(f"chat {n}") for n in range(CHATS)], name="many.ipynb")
    for n in range(CHATS):
        notebook.run_to_end(n)
    tabs = [open_notebook(chat_cell("chat"), name=f"tab-{n}.ipynb", app="notebook") for n in range(TABS)]
    for tab in tabs:
        tab.run_to_end()

    chats = [(notebook, notebook.chat_of(n)) for n in range(CHATS)] + [(tab, tab.chat) for tab in tabs]
    for tab, chat in chats:
        tab.page.bring_to_front()  # a tab behind others is drawn once a second
        chat.ask(QUESTION)
    for _, chat in chats:
        chat.wait_for_word(30)
    notebook.page.bring_to_front()
    notebook.write(chat_cell("chat 0") + "  # changed")
    notebook.save()
    # No answer ends before it is demanded, so that what had to wait for one would wait for ever.
    health = jupyter.api("durable-chat/api/health")
    assert health["turns"] == len(chats)
    # Each kernel reads by itself, and all pages over one connection; the one before it may not have gone yet.
    assert health["readers"] <= 1 + TABS + 2

    jupyter.demand()
    for _, chat in chats:
        chat.wait_for_outcome()
        assert chat.answer == ALL_WORDS
        chat.assert_exact(jupyter)
    for page in [notebook, *tabs]:
        page.assert_never_wrong()
    assert jupyter.asked == [QUESTION] * len(chats)
