"""An answer of 400 words outlives everything around it: each test breaks one thing while the answer streams.

Whatever broke, the cell shows every word exactly once, its text is the log's, it has counted no gap, and the model was
asked once. Every test runs in JupyterLab and in Notebook 7.
"""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter
from tests.browser.network import Network
from tests.browser.page import CHAT_CELL, NotebookPage

QUESTION = "400 words at 25 per second, the last 50 on demand"
ALL_WORDS = [f"w{n}" for n in range(1, 401)]
HELD_AT = 350


def ask(notebook: NotebookPage) -> NotebookPage:
    """Run the notebook's chat cell, ask in it, and see the answer begin."""
    notebook.run()
    notebook.chat.ask(QUESTION)
    notebook.chat.wait_for_word(20)
    return notebook


def assert_goes_on(notebook: NotebookPage) -> None:
    """The answer is still being given and more of it arrives here, to its end."""
    expect(notebook.chat.root).to_have_attribute("data-status", "streaming")
    notebook.jupyter.demand()
    assert_complete(notebook)


def assert_complete(notebook: NotebookPage) -> None:
    notebook.chat.wait_for_outcome("completed")
    assert notebook.chat.answer == ALL_WORDS
    notebook.chat.assert_exact(notebook.jupyter)
    notebook.assert_never_wrong()
    assert notebook.jupyter.asked == [QUESTION]


def assert_interrupted(notebook: NotebookPage, shown: int) -> None:
    """The partial answer holds at least the words that were shown, and is what the log has."""
    notebook.chat.wait_for_outcome("interrupted")
    answer = notebook.chat.answer
    assert shown <= len(answer) < len(ALL_WORDS)
    assert answer == ALL_WORDS[: len(answer)]
    notebook.chat.assert_exact(notebook.jupyter)
    notebook.assert_never_wrong()
    assert notebook.jupyter.asked == [QUESTION]


def test_a_page_reload_of_a_saved_notebook(open_notebook: Open) -> None:
    notebook = ask(open_notebook(CHAT_CELL))
    notebook.save()
    notebook.reload()
    assert_goes_on(notebook)


def test_b_kernel_restart(open_notebook: Open) -> None:
    notebook = ask(open_notebook(CHAT_CELL))
    notebook.restart_kernel()
    assert_goes_on(notebook)


def test_failure_35_c_kernel_restart_then_reload(open_notebook: Open) -> None:
    notebook = ask(open_notebook(CHAT_CELL))
    notebook.save()
    notebook.restart_kernel()
    notebook.reload()
    assert_goes_on(notebook)


def test_d_server_killed_and_started_again(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = ask(open_notebook(CHAT_CELL))
    notebook.save()
    notebook.chat.wait_for_word(60)
    jupyter.kill()
    shown = len(notebook.chat.answer)
    jupyter.start()
    assert_interrupted(notebook, shown)
    notebook.reload()
    assert_interrupted(notebook, shown)


@pytest.mark.settings(turns="worker")
def test_d_server_killed_while_a_worker_answers(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = ask(open_notebook(CHAT_CELL))
    notebook.save()
    jupyter.kill()
    jupyter.start()
    expect(notebook.chat.root).to_have_attribute("data-status", "streaming")
    notebook.reload()
    assert_goes_on(notebook)


def test_e_notebook_renamed_and_moved_and_its_tab_closed_and_opened_again(
    open_notebook: Open, jupyter: Jupyter
) -> None:
    (jupyter.files / "kept").mkdir()
    notebook = ask(open_notebook(CHAT_CELL))
    notebook.save()
    session = notebook.chat.session

    def listed_as(path: str) -> None:
        """Return when the list has it: Jupyter tells of what has moved after it has moved it."""
        while {s["id"]: s["notebook"] for s in jupyter.api("durable-chat/api/sessions")["sessions"]} != {session: path}:
            notebook.page.wait_for_timeout(50)

    notebook.rename("what it is about.ipynb")
    notebook.chat.wait_for_word(40)
    assert notebook.chat.session == session
    listed_as("what it is about.ipynb")
    notebook.save()
    notebook.move("kept")
    notebook.chat.wait_for_word(60)
    expect(notebook.chat.root).to_have_attribute("data-status", "streaming")
    assert notebook.chat.session == session
    listed_as("kept/what it is about.ipynb")
    notebook.assert_never_wrong()
    notebook.page.close()
    again = open_notebook(name=notebook.notebook)
    assert again.chat.session == session
    assert_goes_on(again)
    # The cell, run once more, finds this conversation under the new name, and makes none.
    again.run_to_end()
    expect(again.chat.root).to_have_attribute("data-session", session)


def test_f_kernel_shut_down_and_notebook_opened_again(open_notebook: Open) -> None:
    notebook = ask(open_notebook(CHAT_CELL))
    notebook.save()
    notebook.shut_down_kernel()
    notebook.page.close()
    assert_goes_on(open_notebook())


def test_g_network_off_for_five_seconds_and_on(open_notebook: Open, jupyter: Jupyter) -> None:
    with Network.to(jupyter.port) as network:
        notebook = ask(open_notebook(CHAT_CELL, port=network.port))
        network.off()
        expect(notebook.chat.root).to_have_attribute("data-state", "offline")
        shown = len(notebook.chat.answer)
        jupyter.wait_for_words(notebook.chat.session, min(shown + 5 * 25, HELD_AT))
        assert len(notebook.chat.answer) == shown, "the network was not off"
        network.on()
        assert_goes_on(notebook)


def test_h_second_browser_joins_in_the_middle(open_notebook: Open, browser: Browser, jupyter: Jupyter) -> None:
    first = ask(open_notebook(CHAT_CELL))
    first.save()
    with browser.new_context() as context:
        second = NotebookPage(context.new_page(), jupyter, first.notebook).open()
        assert second.chat.session == first.chat.session
        assert_goes_on(second)
    assert_complete(first)


def test_notebook_that_was_never_saved(open_notebook: Open) -> None:
    """Neither the cell nor its output is in the file; running the cell again finds the answer, still streaming."""
    notebook = open_notebook("")
    notebook.write(CHAT_CELL)
    ask(notebook)
    notebook.reload()
    expect(notebook.chat.root).to_have_count(0)
    notebook.write(CHAT_CELL)
    notebook.run()
    assert_goes_on(notebook)


def test_tab_that_opened_the_connection_is_closed(open_notebook: Open) -> None:
    """All tabs read from one connection; it is not the first tab's own."""
    first = ask(open_notebook(CHAT_CELL))
    first.save()
    second = open_notebook()
    second.chat.wait_for_word(30)
    first.page.close()
    assert_goes_on(second)


def test_stop_keeps_what_came(open_notebook: Open, jupyter: Jupyter) -> None:
    notebook = ask(open_notebook(CHAT_CELL))
    notebook.chat.root.locator("button.jdc-stop").click()
    notebook.chat.wait_for_outcome("stopped")
    answer = notebook.chat.answer
    assert answer == ALL_WORDS[: len(answer)]
    notebook.chat.assert_exact(jupyter)
    notebook.assert_never_wrong()
