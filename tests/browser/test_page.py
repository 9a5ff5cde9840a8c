"""`s/{id}`: one session as a page of its own, under a base URL, for whoever may come in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser import newer
from tests.browser.jupyter import Jupyter, running

REFUSED = """
window.refused = []
document.addEventListener('securitypolicyviolation', (event) => refused.push(event.violatedDirective))
"""


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Jupyter]:
    with running("server", tmp_path, base_url="/user/ada/") as server:
        yield server


def test_a_session_is_a_page(jupyter: Jupyter, context: BrowserContext) -> None:
    session = jupyter.post("durable-chat/api/sessions", agent="paced", title="Growth <of> peas")["id"]
    address = f"{jupyter.url}durable-chat/s/{session}"

    page = context.new_page()
    page.add_init_script(REFUSED)
    page.goto(address)
    expect(page.get_by_role("main")).to_have_count(0)  # the server asks who it is, first
    page.goto(f"{address}?token={jupyter.token}")
    expect(page).to_have_title("Growth <of> peas")
    chat = page.locator(f"[data-session={session}]")
    expect(chat).to_have_attribute("data-state", "live")

    chat.get_by_role("textbox").fill("300 words at 50 per second, the last 200 on demand")
    chat.get_by_role("textbox").press("Enter")
    expect(chat).to_have_attribute("data-status", "streaming")
    page.reload()
    expect(chat).to_have_attribute("data-status", "streaming")
    jupyter.demand()
    expect(chat.locator("[data-outcome=completed]")).to_have_count(1)
    assert page.evaluate("refused") == []

    # It is the window that it fills, and its messages that scroll.
    for width, height in ((320, 500), (1280, 800), (3840, 2000)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function("size => `${innerWidth} ${innerHeight}` === size", arg=f"{width} {height}")
        box = chat.bounding_box()
        assert box
        assert (box["width"], box["height"]) == (width, height)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        expect(chat.get_by_role("textbox")).to_be_in_viewport(ratio=1)


def test_one_that_is_gone_says_so(jupyter: Jupyter, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{jupyter.url}durable-chat/s/s_never?token={jupyter.token}")
    expect(page.locator("[data-session=s_never]")).to_have_attribute("data-state", "gone")


def test_a_page_that_is_older_than_its_server_says_so(tmp_path: Path, context: BrowserContext) -> None:
    with running("server", tmp_path, agents=["tests.browser.newer:paced"]) as server:
        session = server.post("durable-chat/api/sessions", agent="paced")["id"]
        said = {"client_id": "c", "text": "3 words at 50 per second"}
        server.post(f"durable-chat/api/sessions/{session}/messages", **said)
        while (transcript := server.transcript(session))["turn"]:  # it loads the agent
            server.wait_for_lsn(session, transcript["lsn"] + 1)

        page = context.new_page()
        page.goto(f"{server.url}durable-chat/s/{session}?token={server.token}")
        line = page.get_by_role("status").filter(has_text=newer.VERSION)
        expect(line).to_contain_text("Reload the page")
        chat = page.locator(f"[data-session={session}]")
        expect(chat.locator("[data-outcome=completed]")).to_have_count(1)
        expect(chat.get_by_role("textbox")).to_be_in_viewport(ratio=1)
        above, below = line.bounding_box(), chat.bounding_box()
        assert above and below and page.viewport_size
        assert (above["y"], below["y"], below["y"] + below["height"]) == (
            0,
            above["height"],
            page.viewport_size["height"],
        )
