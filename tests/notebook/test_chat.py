"""`Chat` in real kernels of a real server."""

from pathlib import Path

import httpx2
import pytest

from jupyter_durable_chat.notebook.bundle import MIME_TYPE
from jupyter_durable_chat.notebook.view import STATIC, loader
from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import CellError, Kernel, running_kernel

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def post(jupyter: Jupyter, path: str, **body: object) -> None:
    """What a browser does."""
    headers = {"Authorization": f"token {jupyter.token}"}
    httpx2.post(f"{jupyter.url}durable-chat/api/{path}", json=body, headers=headers, timeout=None).raise_for_status()


def ask_from_elsewhere(jupyter: Jupyter, session: str, text: str) -> None:
    post(jupyter, f"sessions/{session}/messages", client_id=f"b_{text}", text=text, agent="obedient")


def test_the_same_cell_twice_is_the_same_session(own_kernel: Kernel) -> None:
    own_kernel.run("from jupyter_durable_chat import Chat; one = Chat(); two = Chat()")
    assert own_kernel.value("one.session == two.session and one.session.startswith('s_')")
    assert own_kernel.value("Chat('second').session not in (one.session, None)")
    assert own_kernel.value("Chat('second').session == Chat('second').session")
    assert own_kernel.value("Chat(session=Chat('second').session).session == Chat('second').session")


def test_a_restarted_kernel_finds_its_session(own_kernel: Kernel) -> None:
    own_kernel.run("from jupyter_durable_chat import Chat; chat = Chat(agent='obedient'); chat.send('hello').text")
    session = own_kernel.value("chat.session")
    own_kernel.restart()
    own_kernel.run("from jupyter_durable_chat import Chat; chat = Chat()")
    assert own_kernel.value("chat.session") == session
    assert own_kernel.value("chat.last_answer") == "hello "


def test_a_new_kernel_of_the_notebook_finds_its_session(jupyter: Jupyter, notebook: str) -> None:
    sessions = []
    for _ in range(2):
        with running_kernel(jupyter, notebook) as kernel:
            kernel.run("from jupyter_durable_chat import Chat")
            sessions.append(kernel.value("Chat().session"))
    assert sessions[0] == sessions[1]


def test_notebooks_do_not_share_their_sessions(own_kernel: Kernel, shared_kernel: Kernel) -> None:
    own_kernel.run("from jupyter_durable_chat import Chat")
    assert own_kernel.value("Chat().session") != shared_kernel.value("Chat().session")


def test_send_returns_while_the_answer_runs(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('one two | wait')")
    assert kernel.value("turn.outcome") is None
    assert kernel.value("[m['role'] for m in chat.messages]") == ["user", "assistant"]
    assert kernel.value("chat.messages[0]['id'] == turn.message_id")
    assert kernel.value("chat.stop()") is True
    assert kernel.value("turn.text") == "one two "
    assert kernel.value("(turn.outcome, turn.error)") == ("stopped", None)
    assert kernel.value("chat.stop()") is False


def test_a_second_message_waits_for_its_turn(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('first'); second = chat.send('and now?')")
    assert kernel.value("(turn.text, second.text)") == ("first ", "and now? ")
    assert kernel.value("[m['parts'][0]['text'] for m in chat.messages if m['role'] == 'user']") == [
        "first",
        "and now?",
    ]


def test_traits_move_with_the_answer(kernel: Kernel) -> None:
    kernel.run(
        """
        import queue, threading
        seen, final = [], queue.Queue()
        chat.observe(lambda change: seen.append((change.name, change.new, threading.current_thread().name)))
        chat.observe(lambda change: change.new == "idle" and final.put(chat.last_answer), "status")
        turn = chat.send("one two three")
        assert final.get(timeout=20) == "one two three ", "when the status changes the answer is complete"
        """
    )
    assert kernel.value("[new for name, new, _ in seen if name == 'status']") == ["streaming", "idle"]
    assert kernel.value("[new for name, new, _ in seen if name == 'last_answer'][-1]") == "one two three "
    assert kernel.value("{thread for *_, thread in seen}") == {"jupyter-durable-chat"}


def test_traits_move_when_somebody_else_asks(jupyter: Jupyter, kernel: Kernel) -> None:
    session = kernel.value("chat.session")
    kernel.run("import queue; q = queue.Queue(); chat.observe(lambda change: q.put(change.new), 'last_answer')")
    ask_from_elsewhere(jupyter, session, "from the browser")
    kernel.run(
        """
        while q.get(timeout=20) != "from the browser ":
            pass
        """
    )
    kernel.run("q = queue.Queue(); chat.observe(lambda change: q.put(change.new), 'title')")
    headers = {"Authorization": f"token {jupyter.token}"}
    url = f"{jupyter.url}durable-chat/api/sessions/{session}"
    httpx2.patch(url, json={"title": "Renamed"}, headers=headers, timeout=None).raise_for_status()
    # The first answer has given it one from its text, which may come as late as this.
    assert kernel.value("next(title for title in iter(lambda: q.get(timeout=20), None) if title == 'Renamed')")


def test_traits_move_while_the_kernel_is_busy(kernel: Kernel) -> None:
    """A cell that waits sees the trait move: nothing here needs the kernel's loop."""
    kernel.run(
        """
        import threading
        done = threading.Event()
        chat.observe(lambda change: change.new == "failed" and done.set(), "status")
        chat.send("some text | fail on purpose")
        assert done.wait(20)
        """
    )


def test_an_observer_that_fails_is_reported_and_hurts_nobody(kernel: Kernel) -> None:
    kernel.run("def fails(change): raise RuntimeError('an observer of the test')")
    kernel.run("chat.observe(fails, 'last_answer')")
    kernel.run("turn = chat.send('a b c'); turn.wait()")
    assert kernel.value("turn.text") == "a b c "


def test_an_observer_cannot_wait_for_its_own_thread(kernel: Kernel) -> None:
    kernel.run(
        """
        import queue
        q = queue.Queue()
        def waits(change):
            try:
                turn.text
            except Exception as error:
                q.put(str(error))
        turn = chat.send("wait")
        chat.observe(waits, "status")
        turn.stop()
        """
    )
    assert "cannot wait" in kernel.value("q.get(timeout=20)")


def test_two_kernels_follow_one_session(own_kernel: Kernel, kernel: Kernel) -> None:
    session = kernel.value("chat.session")
    own_kernel.run(f"from jupyter_durable_chat import Chat; chat = Chat(session={session!r})")
    waiting = """
        import queue
        q = queue.Queue()
        chat.observe(lambda change: q.put(change.new), "last_answer")
    """
    own_kernel.run(waiting)
    kernel.run(waiting)
    kernel.run("turn = chat.send('said to both')")
    for each in (kernel, own_kernel):
        each.run("while q.get(timeout=20) != 'said to both ': pass")
    assert own_kernel.value("chat.messages") == kernel.value("chat.messages")


def test_many_chats_are_read_by_one_thread(own_kernel: Kernel) -> None:
    """One thread is one connection; without a chat there is none."""
    own_kernel.run("import threading")
    own_kernel.run("def readers(): return [t for t in threading.enumerate() if t.name == 'jupyter-durable-chat']")
    own_kernel.run("from jupyter_durable_chat import Chat; chats = [Chat(str(n), agent='obedient') for n in range(5)]")
    own_kernel.run("assert [chat.send('hi').text for chat in chats] == ['hi '] * 5")
    assert own_kernel.value("len(readers())") == 1
    own_kernel.run("for chat in chats: chat.close()")
    own_kernel.run("for reader in readers(): reader.join(10)")
    assert own_kernel.value("readers()") == []


def test_title_agent_and_model_change_the_session(jupyter: Jupyter, kernel: Kernel) -> None:
    session = kernel.value("chat.session")
    kernel.run(f"Chat(session={session!r}, title='A title', agent='paced')")
    transcript = jupyter.transcript(session)
    assert (transcript["title"], transcript["agent"]) == ("A title", "paced")


def test_fork(kernel: Kernel) -> None:
    kernel.run(
        """
        first = chat.send("one")
        first.wait()
        chat.send("two").wait()
        before = chat.fork(message_id=first.message_id)
        """
    )
    assert kernel.value("[m['parts'][0]['text'] for m in before.messages]") == ["one", "one "]
    assert kernel.value("len(chat.fork().messages)") == 4
    assert kernel.value("before.session != chat.session")


def test_a_session_that_does_not_exist(kernel: Kernel) -> None:
    with pytest.raises(CellError, match="There is no session 's_none'"):
        kernel.run("Chat(session='s_none')")


def test_an_agent_that_does_not_exist(kernel: Kernel) -> None:
    with pytest.raises(CellError, match=r"ChatError.*nobody"):
        kernel.run("Chat('with nobody', agent='nobody')")


def test_a_deleted_session(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("turn = chat.send('wait')")
    session = kernel.value("chat.session")
    waiting = kernel.start("turn.text")
    kernel.until_busy()
    headers = {"Authorization": f"token {jupyter.token}"}
    httpx2.delete(f"{jupyter.url}durable-chat/api/sessions/{session}", headers=headers, timeout=None).raise_for_status()
    try:
        kernel.outputs(waiting)  # the stop came before the deletion, and was seen
    except CellError as error:
        assert "was deleted" in str(error)
    with pytest.raises(CellError, match="was deleted"):
        kernel.run("chat.send('again')")


def test_the_bundle(kernel: Kernel) -> None:
    kernel.run("chat.send('*said*').wait()")
    (output,) = kernel.run("chat")
    data = output["data"]
    assert set(data) == {MIME_TYPE, WIDGET_VIEW, "text/html", "text/markdown", "text/plain"}
    bundle = data[MIME_TYPE]
    assert set(bundle) == {"session", "turn", "lsn", "snapshot", "widget", "notice"}
    assert bundle["session"] == kernel.value("chat.session")
    assert bundle["widget"] == data[WIDGET_VIEW]["model_id"] == kernel.value("chat.model_id")
    assert (bundle["turn"], bundle["notice"]) == (None, None)
    assert bundle["lsn"] == bundle["snapshot"]["lsn"] > 3
    assert bundle["snapshot"]["messages"] == kernel.value("chat.messages")
    assert "<em>said</em>" in data["text/html"]
    assert data["text/markdown"].endswith("**Assistant**\n\n*said*")
    assert data["text/plain"].endswith("Assistant:\n*said*")


def test_the_widgets_model(kernel: Kernel) -> None:
    """Hosts without our renderer get the same bundle by the widget's state, and it is current when nothing moves."""
    before = len(kernel.comms)
    kernel.run("other = Chat('conversation of a widget', agent='obedient'); other")
    opened = [m["content"] for m in kernel.comms[before:] if m["msg_type"] == "comm_open"][-1]
    state = opened["data"]["state"]
    assert opened["comm_id"] == state["bundle"]["widget"]
    assert state["bundle"]["session"] == kernel.value("other.session")
    assert "status" not in state and "last_answer" not in state, "no answer travels through the kernel"
    kernel.run("import queue; q = queue.Queue(); other.observe(lambda change: q.put(change.new), 'bundle')")
    kernel.run("other.send('x').wait()")
    assert kernel.value("q.get(timeout=20)['snapshot']['messages'][1]['parts'][0]['text']") == "x "


def test_a_page_without_the_server_asks_the_kernel_for_the_front_end(kernel: Kernel) -> None:
    kernel.tell_widget(kernel.value("chat.model_id"), {"method": "custom", "content": {"type": "core"}})
    content = kernel.comms[-1]["content"]["data"]["content"]
    assert content == {"type": "core", "code": (STATIC / "core-inline.js").read_text(encoding="utf-8")}


def test_the_loader(tmp_path: Path) -> None:
    """It travels once for every widget, so it is small; without a front end it says what to do."""
    assert len(loader(STATIC)) < 2000 and "render" in loader(STATIC)
    assert "npm run build" in loader(tmp_path)


def test_inside_other_widgets(kernel: Kernel) -> None:
    (output,) = kernel.run("import ipywidgets; ipywidgets.Tab([chat, ipywidgets.HBox([chat])])")
    assert WIDGET_VIEW in output["data"]


def test_a_cell_shows_while_the_kernel_is_busy(kernel: Kernel) -> None:
    """Displaying waits for nothing: not for the answer and not for the page."""
    outputs = kernel.run("turn = chat.send('a | wait'); display(chat, turn); turn.stop()")
    assert [MIME_TYPE in output.get("data", {}) for output in outputs[:2]] == [True, True]


def test_a_conversation_is_saved_and_loaded(kernel: Kernel, tmp_path: Path) -> None:
    file = tmp_path / "chat.json"
    kernel.run("chat.send('hello **you**').wait()")
    assert kernel.value("chat.export()").startswith("# ") and "hello **you**" in kernel.value("chat.export('md')")
    assert "<strong>you</strong>" in kernel.value("chat.export('html')")
    assert kernel.value("__import__('json').loads(chat.export('ipynb'))['nbformat']") == 4
    kernel.run(f"path = __import__('pathlib').Path({str(file)!r}); path.write_text(chat.export('json'))")
    kernel.run("again = Chat.load(path)")
    assert kernel.value("again.session != chat.session and again.last_answer == chat.last_answer")
    assert kernel.value("again.messages[0]['metadata']['author']['username']").startswith("imported:")
    file.write_text("{}")
    with pytest.raises(CellError, match=r"ChatError.*missing required field"):
        kernel.run("Chat.load(path)")
    with pytest.raises(CellError, match=r"ChatError.*format takes md"):
        kernel.run("chat.export('docx')")
