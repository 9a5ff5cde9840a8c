"""A real JupyterHub: its prefix, its logins and tokens, its proxy, two users, links for others, and its culler."""

import contextlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.hub import PASSWORD, Hub, UserClient, running_hub
from tests.browser.page import CHAT_CELL, WATCHER, ChatView
from tests.browser.test_page import REFUSED
from tests.browser.test_sharing import OVER

QUESTION = "300 words at 25 per second, the last 50 on demand"
ALL_WORDS = [f"w{n}" for n in range(1, 301)]


def log_in(context: BrowserContext, hub: Hub, user: str, page_path: str) -> ChatView:
    """Log in at the hub's own form, and open a notebook of one's server in JupyterLab."""
    page = context.new_page()
    page.add_init_script(path=WATCHER)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{hub.url}hub/login?next=%2Fuser%2F{user}%2Flab%2Ftree%2F{page_path}%3Freset")
    page.locator("#username_input").fill(user)
    page.locator("#password_input").fill(PASSWORD)
    page.locator("#login_submit").click()
    panel = "window.jupyterapp?.shell?.currentWidget"
    page.wait_for_function(f"{panel}?.context?.isReady && {panel}.content.widgets.length > 0", timeout=90_000)
    return ChatView(page.locator("[data-session]"))


def follow(context: BrowserContext, link: str, session: str) -> ChatView:
    """Open a link in somebody's browser, who reads by it while an answer comes."""
    page = context.new_page()
    page.add_init_script(path=WATCHER)
    page.add_init_script(REFUSED)
    page.goto(link)
    shown = ChatView(page.locator(f"[data-session={session}]"))
    expect(shown.root).to_have_attribute("data-state", "live")
    expect(shown.root).to_have_attribute("data-status", "streaming")
    shown.wait_for_word(20)
    return shown


@pytest.mark.timeout(400)
def test_a_chat_in_a_browser_and_two_users(context: BrowserContext, browser: Browser, tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        ada, bob = hub.serve("ada", "bob")
        cell = nbformat.v4.new_code_cell(CHAT_CELL)
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel})
        nbformat.write(notebook, tmp_path / "home/ada/a.ipynb")

        chat = log_in(context, hub, "ada", "a.ipynb")
        page = context.pages[0]
        page.wait_for_function(
            "window.jupyterapp.shell.currentWidget.sessionContext?.session?.kernel?.status === 'idle'", timeout=60_000
        )
        page.evaluate("void jupyterapp.commands.execute('notebook:run-cell')")
        chat.ask(QUESTION)
        chat.wait_for_word(20)
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        page.reload()
        expect(chat.root).to_have_attribute("data-status", "streaming", timeout=60_000)

        # Who has a link needs no account of the hub, and no other right counts in its place: not of the same person.
        session = chat.session
        chat.root.get_by_role("button", name="Share…").click()
        sharing = chat.root.get_by_role("dialog", name="Share…")
        sharing.get_by_role("button", name="Create link").click()
        made = sharing.locator("input.jdc-made-link")
        expect(made).to_have_value(re.compile(rf"^{hub.url}user/ada/durable-chat/share/{session}#[\w-]{{32}}$"))
        link = made.input_value()
        with browser.new_context() as guest:
            shown = [follow(guest, link, session), follow(context, link, session)]
            hub.demand()
            for view in [chat, *shown]:
                view.wait_for_outcome()
                assert view.answer == ALL_WORDS
                expect(view.root).to_have_attribute("data-gaps", "0")
                assert view.root.page.evaluate("[...(window.refused ?? []), ...watcher.faults]") == []
            assert guest.cookies() == []
            refused = guest.request.get(f"{hub.url}user/ada/durable-chat/api/sessions/{session}")
            assert refused.status == 403 and session not in refused.text()
            sharing.get_by_role("button", name="Revoke").click()
            for view in shown:
                expect(view.root).to_have_attribute("data-state", "gone")
                expect(view.root.get_by_role("status").filter(has_text=OVER)).to_be_visible()
                view.root.page.close()
            page.bring_to_front()
            sharing.press("Escape")
        # The hub, its proxy and the server wrote down every address: what opens it is in none.
        address, _, secret = link.partition("#")
        assert hub.output.count(address.removeprefix(hub.url)) >= 4
        hub.until(lambda: hub.output.count("GET /user/ada/durable-chat/shared/events?") == 2, "both streams are over")
        assert secret not in hub.output

        # What a script asks with the cookie alone is refused, by GET too: it needs a token that only the page can read.
        status = "([url, headers]) => fetch(url, {headers}).then(answer => answer.status)"
        xsrf = page.evaluate("/_xsrf=([^;]*)/.exec(document.cookie)[1]")
        for call in (f"sessions/{session}", f"sessions/{session}/events?after=0", f"events?after={session}:0"):
            url = f"/user/ada/durable-chat/api/{call}"
            assert page.evaluate(status, [url, {}]) == 403
            assert page.evaluate(status, [url, {"X-XSRFToken": "another"}]) == 403
            assert page.evaluate(status, [url, {"X-XSRFToken": xsrf}]) == 200

        # A token of the hub is its user, and nobody is at the server of another.
        transcript = ada("GET", f"sessions/{session}").json()
        assert transcript["messages"][0]["metadata"]["author"]["username"] == "ada"
        for call in (
            "sessions",
            f"sessions/{session}",
            f"sessions/{session}/events?after=0",
            f"events?after={session}:0",
        ):
            assert ada("GET", call, of="ada").status_code == 200 or "events" in call
            refused = bob("GET", call, of="ada")
            assert refused.status_code == 403 and session not in refused.text, call
        assert bob("POST", f"sessions/{session}/messages", {"client_id": "b", "text": "x"}, of="ada").status_code == 403
        assert bob("GET", f"sessions/{session}").status_code == 404
        assert bob("GET", "sessions").json()["sessions"] == []


@contextmanager
def open_chat(user: UserClient, session: str) -> Iterator[list[bytes]]:
    """The stream of a session, open through the hub's proxy as a page has it: what came over it so far."""
    heard: list[bytes] = []
    begun = threading.Event()
    path = f"user/{user.name}/durable-chat/api/events?after={session}:0"

    def follow() -> None:
        # The proxy breaks the connection of a server that is gone, or says nothing on it any more.
        with (
            contextlib.suppress(httpx2.TransportError),
            user.client(read=20) as client,
            client.stream("GET", path, headers={"Accept": "text/event-stream"}) as response,
        ):
            for piece in response.iter_bytes():
                heard.append(piece)
                begun.set()

    following = threading.Thread(target=follow)
    following.start()
    assert begun.wait(30)
    yield heard
    following.join(30)


@pytest.mark.timeout(400)
def test_failure_40_the_culler_stops_an_idle_server_with_a_chat_open_and_none_that_answers(tmp_path: Path) -> None:
    with running_hub(tmp_path, keep_alive=0.5) as hub:
        ada, bob = hub.serve("ada", "bob")
        idle = bob("POST", "sessions", {}).json()["id"]
        busy = ada.ask("20 words at 100 per second, the last 10 on demand")
        with open_chat(ada, busy), open_chat(bob, idle) as heard:
            hub.cull(20)
            hub.until(lambda: not hub.serves("bob"), "the idle server was stopped")
            # Who has a link to it comes to the hub, which wants a login for everything.
            link = f"{hub.url}user/bob/durable-chat/share/{idle}"
            assert httpx2.get(link, follow_redirects=True, trust_env=False, timeout=60).url.path == "/hub/login"
            assert len(heard) > 10, "its stream was open all the time"
            # Ada's server has had no request for as long; what keeps it is that it answers.
            assert hub.runs("ada"), hub.output
            hub.cull_no_more()
            hub.demand()
            hub.until(lambda: ada("GET", f"sessions/{busy}").json()["turn"] is None, "the answer is over")
            hub.cull(5)
            hub.until(lambda: not hub.serves("ada"), "the server was stopped when its answer was over")
        hub.cull_no_more()
        (ada,) = hub.serve("ada")
        answered = ada("GET", f"sessions/{busy}").json()["messages"][-1]
        assert answered["metadata"]["outcome"] == "completed"
