"""A chat elsewhere: a link opens it to read in a browser that has no login, as it comes, until it is revoked."""

import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import ROOT, Jupyter, running
from tests.browser.page import CHAT_CELL, WATCHER, ChatView
from tests.browser.test_accessibility import AXE, axe
from tests.browser.test_page import REFUSED

READER = ROOT / "js" / "node_modules" / "jsqr" / "dist" / "jsQR.js"

OVER = "This link opens nothing, or nothing any more"

DECODE = """async picture => {
  const image = new Image();
  image.src = `data:image/png;base64,${picture}`;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const { data, width, height } = context.getImageData(0, 0, image.width, image.height);
  // As a camera would: black on white only.
  return jsQR(data, width, height, { inversionAttempts: 'dontInvert' })?.data ?? null;
}"""


def read_code(code: Locator, reader: Page) -> str | None:
    """What a QR code says, read from its picture by somebody who has not drawn it."""
    picture = b64encode(code.screenshot()).decode()
    return reader.evaluate(DECODE, picture)


@pytest.fixture
def reader(browser: Browser) -> Iterator[Page]:
    """A page of nobody, that reads codes."""
    page = browser.new_page()
    page.add_script_tag(path=READER)
    yield page
    page.context.close()


def test_a_link_is_followed_without_a_login_and_revoked(
    jupyter: Jupyter, open_notebook: Open, browser: Browser, reader: Page
) -> None:
    notebook = open_notebook(CHAT_CELL)
    notebook.run_to_end()
    notebook.save()
    chat = notebook.chat
    expect(chat.root).to_have_attribute("data-state", "live")
    expect(chat.root.locator("button.jdc-share-button")).to_have_count(0)
    chat.ask("300 words at 50 per second, the last 200 on demand")

    button = chat.root.get_by_role("button", name="Share…")
    button.click()
    panel = chat.root.get_by_role("dialog", name="Share…")
    expect(panel.get_by_role("textbox", name="Address of this chat")).to_be_focused()
    name = panel.get_by_role("textbox", name="For whom")
    name.fill("My class")
    name.press("Enter")
    made = panel.locator("input.jdc-made-link")
    expect(made).to_have_value(re.compile(r"/durable-chat/share/s_\w+#[\w-]{32}$"))
    link = made.input_value()
    assert read_code(panel.get_by_role("img", name="QR code of the link to read"), reader) == link
    expect(panel).to_contain_text("other devices cannot open it")
    expect(panel.locator(".jdc-links li")).to_contain_text("My class")

    with browser.new_context() as guest:
        page = guest.new_page()
        page.add_init_script(path=WATCHER)
        page.add_init_script(REFUSED)
        page.goto(link)
        shown = ChatView(page.locator(f"[data-session={chat.session}]"))
        expect(shown.root).to_have_attribute("data-state", "live")
        expect(shown.root).to_have_attribute("data-status", "streaming")
        shown.wait_for_word(20)
        # There is nothing that a guest could press and that would not work.
        expect(page.get_by_role("textbox")).to_have_count(0)
        expect(shown.root.get_by_role("button", name=re.compile("Stop|Retry|Edit|Send|Share|Download"))).to_have_count(
            0
        )
        expect(shown.root).to_contain_text("read only")
        jupyter.demand()
        shown.wait_for_outcome()
        assert shown.answer == [f"w{n}" for n in range(1, 301)]
        expect(shown.root).to_have_attribute("data-gaps", "0")
        expect(page).to_have_title(re.compile("300 words"))  # it has one when it is answered
        # Who comes again, by a bookmark, reads it all; and what is asked then comes here, too.
        page.reload()
        shown.wait_for_outcome()
        chat.wait_for_outcome()
        panel.press("Escape")
        expect(button).to_be_focused()
        chat.ask("10 words at 100 per second")
        expect(page.locator("[data-outcome=completed]")).to_have_count(2)
        assert shown.answer == [f"w{n}" for n in range(1, 11)]
        assert guest.cookies() == []
        assert page.evaluate("[...refused, ...watcher.faults]") == []

        button.click()
        panel.get_by_role("button", name="Revoke: My class").click()
        expect(panel.locator(".jdc-links")).to_have_count(0)
        expect(shown.root).to_have_attribute("data-state", "gone")
        expect(shown.root.get_by_role("status").filter(has_text=OVER)).to_be_visible()
        page.reload()
        expect(shown.root).to_have_attribute("data-state", "gone")
        expect(page.get_by_text(OVER)).to_be_visible()
        expect(page.locator("[data-message-id]")).to_have_count(0)
        page.goto(link.partition("#")[0])
        expect(page.get_by_text(OVER)).to_be_visible()
    assert link.partition("#")[2] not in jupyter.output


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Jupyter]:
    with running("server", tmp_path, base_url="/user/ada/", allow_sharing=True) as server:
        yield server


def test_codes_are_read_in_every_theme_and_width(
    server: Jupyter, context: BrowserContext, reader: Page, browser: Browser
) -> None:
    session = server.post("durable-chat/api/sessions", agent="paced")["id"]
    address = f"{server.url}durable-chat/s/{session}"
    page = context.new_page()
    page.add_init_script(path=AXE)
    page.goto(f"{address}?token={server.token}")
    chat = page.locator(f"[data-session={session}]")
    chat.get_by_role("textbox").fill("10 words at 100 per second")
    chat.get_by_role("textbox").press("Enter")
    expect(chat.locator("[data-outcome=completed]")).to_have_count(1)
    chat.get_by_role("button", name="Share…").click()
    panel = chat.get_by_role("dialog", name="Share…")
    panel.get_by_role("button", name="Create link").click()
    panel.get_by_role("button", name="QR code of the address of this chat").click()
    expect(panel.get_by_role("img")).to_have_count(2)
    link = panel.get_by_role("textbox", name="The new link").input_value()
    guest = browser.new_page()
    guest.add_init_script(path=AXE)
    guest.goto(link)
    expect(guest.locator("[data-outcome=completed]")).to_have_count(1)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        guest.emulate_media(color_scheme=scheme)
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            codes = panel.get_by_role("img")
            assert [read_code(codes.nth(n), reader) for n in range(2)] == [address, link], (scheme, width)
            assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth"), (scheme, width)
        for shown in (page, guest):
            found, texts = axe(shown)
            assert found == [] and texts > 3, scheme
    guest.context.close()
    # What is made elsewhere is in the list at once.
    server.post(f"durable-chat/api/sessions/{session}/shares", name="Other")
    expect(panel.locator(".jdc-links li")).to_have_count(2)
    panel.get_by_role("button", name="Revoke: Other").click()
    expect(panel.locator(".jdc-links li")).to_have_count(1)
