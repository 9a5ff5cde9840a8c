"""What a page asks of the server through its kernel: what its chats need, and nothing else."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.browser.jupyter import Jupyter, running
from tests.notebook.kernel import Kernel, running_kernel

_numbers = count(1)


class Page:
    """What a page does with one widget of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.model = kernel.value("chat.model_id")
        self.session = kernel.value("chat.session")

    def ask(self, path: str, *, method: str = "GET", file: bytes | None = None, **more: Any) -> str:
        """The id of a request that is on its way."""
        request_id = f"page:{next(_numbers)}"
        message = {"type": "request", "id": request_id, "method": method, "path": path, "accept": "application/json"}
        self.kernel.ask_widget(self.model, (file,) if file is not None else (), **{**message, **more})
        return request_id

    def told(self, request: str) -> tuple[dict[str, Any], bytes]:
        """What is said next of this request: of streams that others have left open, something is said now and then."""
        while True:
            content, piece = self.kernel.told()
            if content["id"] == request:
                return content, piece

    def until(self, request: str, is_enough: Callable[[bytes], bool] = lambda body: False) -> tuple[int, bytes, str]:
        """Status, body, and the last word that was said of it."""
        status, body, kinds = 0, b"", []
        while True:
            content, piece = self.told(request)
            kinds.append(content["type"])
            assert kinds[0] == "received"
            status = content.get("status", status)
            body += piece
            if content["type"] in ("end", "failed") or is_enough(body):
                return status, body, content["type"]

    def get(self, path: str, **more: Any) -> tuple[int, Any]:
        status, body, ended = self.until(self.ask(path, **more))
        assert ended == "end"
        return status, json.loads(body)


@pytest.fixture
def page(kernel: Kernel) -> Page:
    return Page(kernel)


def test_what_a_chat_needs(page: Page, jupyter: Jupyter) -> None:
    here = f"api/sessions/{page.session}"
    status, transcript = page.get(here)
    assert (status, transcript["id"]) == (200, page.session)
    body = {"client_id": "c_1", "text": "said"}
    status, answer = page.get(f"{here}/messages", method="POST", media_type="application/json", body=json.dumps(body))
    assert status == 202
    events = page.ask(f"api/events?after={page.session}%3A{transcript['lsn']}", accept="text/event-stream")
    _, heard, _ = page.until(events, lambda body: b'"turn-stopped"' in body)
    assert heard.startswith(b"retry:") and b'"delta":"said "' in heard
    file = b"\x89PNG\r\n\x1a\n\0\xff"
    where = f"{here}/attachments?filename=a%20b.png"
    status, uploaded = page.get(where, method="POST", file=file, media_type="image/png")
    assert (status, uploaded["filename"], uploaded["size"]) == (201, "a b.png", len(file))
    hexadecimal = uploaded["url"].removeprefix("attachment:")
    assert page.until(page.ask(f"{here}/attachments/{hexadecimal}", accept="*/*")) == (200, file, "end")
    assert page.get("api/agents")[0] == 200
    status, file, _ = page.until(page.ask(f"{here}/export?format=md", accept="*/*"))
    assert status == 200 and b"said" in file
    assert jupyter.transcript(page.session)["messages"][0]["metadata"]["client_id"] == "c_1"
    assert answer["message_id"] == jupyter.transcript(page.session)["messages"][0]["id"]


def test_an_answer_goes_on_while_a_cell_runs(page: Page, jupyter: Jupyter) -> None:
    events = page.ask(f"api/events?after={page.session}:0", accept="text/event-stream")
    page.until(events, lambda body: b"caught-up" in body)
    page.kernel.run("import threading; done = threading.Event()")
    page.kernel.start("assert done.wait(30)")
    page.kernel.until_busy()
    jupyter.post(f"durable-chat/api/sessions/{page.session}/messages", client_id="c_2", text="meanwhile")
    heard = b""
    while b'"turn-stopped"' not in heard:
        content, piece = page.told(events)
        assert content["type"] == "body"
        heard += piece
    late = page.ask("api/agents")
    page.kernel.interrupt()
    assert page.until(late)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "api/sessions", {}),
        ("POST", "api/sessions", {"body": "{}"}),
        ("DELETE", "api/sessions/SESSION", {}),
        ("POST", "api/sessions/SESSION/offers", {"body": "{}"}),
        ("POST", "api/sessions/SESSION/fork", {"body": "{}"}),
        ("GET", "api/inbox", {}),
        ("POST", "api/sessions/import", {"body": "{}"}),
        ("GET", "api/sessions/SESSION/attachments/../../../health", {}),
        ("GET", "api/sessions/SESSION/%2e%2e/%2E%2E/health", {}),
        ("POST", "api/sessions/SESSION/tools/..", {"body": '{"output": 1}'}),
        ("GET", "../api/contents", {}),
        ("GET", "http://127.0.0.1/", {}),
        ("GET", "//127.0.0.1/api/agents", {}),
        ("CONNECT", "api/agents", {}),
        ("POST", "api/sessions/SESSION/tools/c", {"body": '{"runner": "r", "started": true}'}),
        ("POST", "api/sessions/SESSION/tools/c", {"body": "not JSON"}),
    ],
)
def test_a_page_may_ask_nothing_else(page: Page, method: str, path: str, more: dict[str, Any]) -> None:
    status, said = page.get(path.replace("SESSION", page.session), method=method, **more)
    assert (status, said["code"]) == (403, "forbidden")


@pytest.mark.parametrize("path", ["api/sessions/OTHER", "api/events?after=OTHER:0", "api/sessions/OTHER/stop"])
def test_a_session_that_the_kernel_does_not_show(page: Page, jupyter: Jupyter, path: str) -> None:
    other = jupyter.post("durable-chat/api/sessions")["id"]
    method = "POST" if path.endswith("stop") else "GET"
    status, said = page.get(path.replace("OTHER", other), method=method)
    assert (status, said["code"]) == (404, "unknown-session")
    assert "run its cell again" in said["message"]


def test_a_stream_says_which_of_its_sessions_is_not_shown(page: Page, jupyter: Jupyter) -> None:
    other = jupyter.post("durable-chat/api/sessions")["id"]
    events = page.ask(
        f"api/events?after={other}:0&after={page.session}:0&seen={other}&seen=&runner=r", accept="text/event-stream"
    )
    _, heard, _ = page.until(events, lambda body: b"caught-up" in body)
    gone = b'event: gone\ndata: {"session": "%b", "status": 404' % other.encode()
    assert gone in heard
    assert heard.count(other.encode()) == 1


def test_what_is_dropped_ends_and_what_goes_with_its_widget(tmp_path: Path) -> None:
    # Of a server of its own, so that nobody else is among its readers, or still on the way out.
    with running("server", tmp_path) as jupyter, running_kernel(jupyter, "alone.ipynb") as kernel:

        def readers(number: int) -> None:
            while jupyter.api("durable-chat/api/health")["readers"] != number:
                pass

        kernel.run("from jupyter_durable_chat import Chat; chat = Chat('alone', agent='demo')")
        page = Page(kernel)
        readers(1)  # the kernel itself, which begins anew when it has one more chat to follow
        events, _ = (page.ask(f"api/events?after={page.session}:0", accept="text/event-stream") for _ in range(2))
        readers(3)
        kernel.ask_widget(page.model, type="drop", id=events)
        readers(2)
        kernel.run("other = chat; chat = type(chat)(session=chat.session); other.close()")
        readers(1)


def test_a_page_that_reads_nothing_is_sent_no_more_than_a_few_megabytes(page: Page, jupyter: Jupyter) -> None:
    here = f"api/sessions/{page.session}"
    for number in range(7):
        jupyter.post(f"durable-chat/{here}/messages", client_id=f"c_{number}", text="x" * 1_000_000)
    request = page.ask(here)
    _, body, _ = page.until(request, lambda body: len(body) >= 4 << 20)
    assert len(body) < 5 << 20
    assert page.get("api/agents")[0] == 200
    read = 0
    ended = ""
    while ended not in ("end", "failed"):
        page.kernel.ask_widget(page.model, type="read", id=request, bytes=len(body) - read)
        read = len(body)
        content, piece = page.told(request)
        body += piece
        ended = content["type"]
    assert ended == "end"
    assert json.loads(body)["id"] == page.session


def test_no_token_reaches_a_page(page: Page, token: str) -> None:
    page.get(f"api/sessions/{page.session}")
    said = page.kernel.evaluate("(chat.get_state(), chat._repr_mimebundle_())")["text/plain"]
    assert token not in said
