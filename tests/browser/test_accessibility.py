"""A chat for everyone: in the language of the person, for keyboard and screen reader, in every theme and direction."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from scripts import scenes
from tests.browser.conftest import Open
from tests.browser.jupyter import ROOT, Jupyter, running
from tests.browser.page import CHAT_CELL, NotebookPage
from tests.browser.test_hostile import MIME_TYPE, OPEN_FOLDS

LANGUAGE = "lab/api/settings/@jupyterlab/translation-extension:plugin"

AXE = ROOT / "js" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
THEMES = ["JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"]

SCENE = "from jupyter_durable_chat import Chat\nchat = Chat('{name}', agent='scenes')\n{more}chat"
TOOL = "@chat.tool(approval='always')\ndef drop_rows(where: str):\n    '''Delete rows.'''\n    return 17\n\n"

STOPS = ["summary", "jdc-table", "pre", "jdc-copy", "jdc-edit", "jdc-remove", "jdc-input", "jdc-attach", "jdc-mode"]
STOPS += ["jdc-pick", "jdc-stop"]

STATES = {"empty": "", "streaming": "", "stopped": "", "approval": TOOL, "question": TOOL, "error": "", "choices": ""}


@pytest.fixture(params=["lab", "notebook"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jupyter]:
    with running(request.param, tmp_path, agents=["scripts.scenes:scenes"]) as server:
        yield server
        print(server.output)


def test_a_chat_speaks_the_language_of_the_settings(
    open_notebook: Open, jupyter: Jupyter, context: BrowserContext
) -> None:
    jupyter.put(LANGUAGE, raw='{"locale": "de_DE"}')
    notebook = open_notebook(CHAT_CELL)
    notebook.run()
    root = notebook.chat.root
    assert notebook.page.evaluate("document.documentElement.lang") == "de-DE"
    expect(root.get_by_role("textbox", name="Nachricht")).to_have_attribute("placeholder", "Frage stellen")
    notebook.chat.ask("3 words at 100 per second")
    notebook.chat.wait_for_outcome()
    expect(root.get_by_role("button", name="Antwort kopieren")).to_be_visible()
    notebook.save()
    context.route("**/static/durable_chat/de-*.js", lambda route: route.abort())
    notebook.reload()
    expect(root.get_by_role("textbox", name="Message")).to_be_visible()  # its words cannot be had


def everything() -> dict[str, Any]:
    """A conversation with one of everything that there is to draw."""
    source = ROOT / "js" / "tests" / "hostile" / "everything.ts"
    print_it = f"import {{ transcripts }} from '{source}'; process.stdout.write(JSON.stringify(transcripts[0]))"
    done = subprocess.run(["node", "--input-type=module", "-e", print_it], capture_output=True, check=True)
    return json.loads(done.stdout)


def saved(transcript: dict[str, Any]) -> Any:
    """The cell of a notebook that was saved with it."""
    data = {"session": transcript["id"], "turn": None, "lsn": transcript["lsn"], "snapshot": transcript}
    bundle = {"text/plain": "a chat", MIME_TYPE: {**data, "widget": None, "notice": None}}
    output = nbformat.v4.new_output("execute_result", bundle, execution_count=1)
    return nbformat.v4.new_code_cell("Chat()", outputs=[output], execution_count=1)


def test_axe_finds_nothing_in_any_state_and_theme(context: BrowserContext, stage: Jupyter) -> None:
    scenes_of = [SCENE.format(name=name, more=more) for name, more in STATES.items()]
    stage.write_notebook("a.ipynb", *scenes_of, saved(everything()))
    notebook = NotebookPage(context.new_page(), stage, "a.ipynb").open()
    page = notebook.page
    page.set_viewport_size({"width": 1000, "height": 6000})  # every cell is there
    for index in range(len(STATES)):
        notebook.run_to_end(index)
    chats = dict(zip(STATES, [notebook.chat_of(index) for index in range(len(STATES))], strict=True))
    chats["streaming"].ask(scenes.STREAMING)
    streaming = chats["streaming"].root
    expect(streaming).to_contain_text("so it is")
    streaming.locator(".jdc-reasoning summary").click()
    for n, text in enumerate(scenes.QUEUE):
        streaming.locator(".jdc-input").fill(text)
        streaming.locator(".jdc-input").press("Enter")
        expect(streaming.locator(".jdc-queued[data-message-id]")).to_have_count(n + 1)
    chats["stopped"].ask(scenes.STREAMING)
    expect(chats["stopped"].root).to_contain_text("so it is")
    chats["stopped"].root.locator("button.jdc-stop").click()
    chats["stopped"].wait_for_outcome("stopped")
    chats["approval"].ask(scenes.APPROVAL)
    expect(chats["approval"].root.locator("button.jdc-approve")).to_be_visible()
    chats["question"].ask(scenes.QUESTION)
    expect(chats["question"].root.locator(".jdc-option").first).to_be_visible()
    chats["error"].ask(scenes.REFUSED)
    chats["error"].wait_for_outcome("failed")
    chats["choices"].root.locator("button.jdc-pick").click()
    expect(chats["choices"].root.locator(".jdc-choice").first).to_be_visible()
    chats["stopped"].root.locator("button.jdc-edit").click()
    expect(chats["stopped"].root.locator(".jdc-editor")).to_be_visible()

    whole = page.locator(".jdc[data-session=s_1]")
    expect(whole.locator(".jdc-tool").first).to_be_visible()
    while page.evaluate(OPEN_FOLDS):
        page.wait_for_function("() => new Promise(done => requestAnimationFrame(() => done(true)))")
    for one in ".jdc-grid", ".jdc-tree", ".jdc-plan", ".jdc-sources", ".jdc-trouble pre", ".jdc-picture img":
        expect(whole.locator(one).first).to_be_visible()
    chats["empty"].root.locator(".jdc-input").press_sequentially("/")
    expect(chats["empty"].root.locator(".jdc-suggestion").first).to_be_visible()

    page.evaluate(AXE.read_text())
    # A body without a height looks to axe as if it hid all that is positioned in it.
    page.add_style_tag(
        content="body { height: 100vh } .jdc .jdc-scroll { height: auto !important; max-height: none !important }"
    )
    for theme in THEMES:
        notebook.command("apputils:change-theme", {"theme": theme})
        page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
        expect(page.locator("#jupyterlab-splash")).to_have_count(0)  # it covers what axe should see
        found, texts = axe(page)
        assert found == [], theme
        assert texts > 100  # they were seen
    page.emulate_media(forced_colors="active")
    found, _ = axe(page, {"color-contrast": {"enabled": False}})  # it reads the colours that were not taken
    assert found == []
    page.emulate_media(forced_colors="none")
    whole.locator(".jdc-picture button").first.click()
    expect(whole.locator(".jdc-lightbox")).to_be_visible()
    found, _ = axe(page)
    assert found == []
    page.keyboard.press("Escape")
    stage.kill()
    for root in (streaming, chats["empty"].root):
        expect(root).to_have_attribute("data-state", "offline")
    found, _ = axe(page)
    assert found == []


def test_the_keyboard_reaches_everything_and_leaves_again(context: BrowserContext, stage: Jupyter) -> None:
    stage.write_notebook("a.ipynb", SCENE.format(name="keys", more=""))
    notebook = NotebookPage(context.new_page(), stage, "a.ipynb").open()
    page, chat = notebook.page, notebook.chat
    notebook.run_to_end()
    chat.ask(scenes.STREAMING)
    expect(chat.root).to_contain_text("so it is")
    chat.root.locator(".jdc-input").fill(scenes.QUEUE[0])
    chat.root.locator(".jdc-input").press("Enter")
    expect(chat.root.locator(".jdc-queued[data-message-id]")).to_have_count(1)
    chat.root.locator("button.jdc-pick").press("Enter")
    expect(chat.root.locator(".jdc-choice:focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(chat.root.locator("button.jdc-pick")).to_be_focused()
    expect(chat.root.locator("button.jdc-stop")).to_be_visible()  # Esc has closed the choices, and stopped no answer

    chat.root.locator(".jdc-scroll").focus()
    chat.root.evaluate("""root => {
      window.walk = [];
      root.addEventListener('focusin', ({ target }) => {
        const { width, height } = target.getBoundingClientRect();
        const fits = (width >= 23.5 && height >= 23.5) || target.matches('.jdc-grip'); // a thin edge, with room around
        const isSeen = getComputedStyle(target).outlineStyle !== 'none' || target.matches('.jdc-input');
        walk.push([target.className || target.localName, isSeen && fits]);
      });
    }""")
    for _ in range(40):
        page.keyboard.press("Tab")
        if not chat.root.evaluate("root => root.contains(document.activeElement)"):
            break
    walk = page.evaluate("walk")
    reached = " ".join(name for name, _ in walk)
    for name in STOPS:
        assert name in reached, name
    assert [name for name, fits in walk if not fits] == []
    assert len(walk) < 40  # it came out again

    if stage.app == "lab":
        page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")  # at 320 pixels it leaves nothing
    field = chat.root.locator(".jdc-input")
    for direction, end in (("ltr", "right"), ("rtl", "left")):
        page.evaluate("direction => (document.documentElement.dir = direction)", direction)
        for width in (3840, 320):
            page.set_viewport_size({"width": width, "height": 1200})
            page.wait_for_function(f"() => innerWidth === {width}")
            until_it_fits(chat.root, f"{direction} at {width} pixels")
            # One writes in the direction of the text, in a composer that has the page's.
            for text, written in (("שלום, עולם", "rtl"), ("Hello, world", "ltr"), ("مرحبا", "rtl")):
                field.fill(text)
                assert field.evaluate("field => getComputedStyle(field).direction") == written
            assert chat.root.evaluate(SEND_SIDE) == end
            field.fill("")


def until_it_fits(root: Locator, how: str) -> None:
    """Return when a chat is no wider than its place, or fail and name what sticks out: it is laid out a frame later."""
    over = root.evaluate(
        """async (root) => {
          const isOut = ({ left, right }, place) => left < place.left - 1 || right > place.right + 1;
          for (const until = performance.now() + 10_000; performance.now() < until; ) {
            if (root.scrollWidth <= root.clientWidth) return [];
            await new Promise(requestAnimationFrame);
          }
          const place = root.getBoundingClientRect();
          const out = [...root.querySelectorAll('*')].filter((one) => isOut(one.getBoundingClientRect(), place));
          return [`${root.scrollWidth} in ${root.clientWidth}`, ...out.map((one) => one.outerHTML.slice(0, 100))];
        }"""
    )
    assert over == [], how


SEND_SIDE = """root => {
  const boxOf = (name) => root.querySelector(name).getBoundingClientRect();
  const [composer, button] = [boxOf('.jdc-composer'), boxOf('.jdc-composer button.jdc-stop')];
  return button.left + button.right > composer.left + composer.right ? 'right' : 'left';
}"""


def axe(page: Page, rules: dict[str, Any] | None = None, within: str = ".jdc") -> tuple[list[str], int]:
    """What axe has to say against the chats of a page, and of how many texts it saw the contrast."""
    answer = page.evaluate(
        """async ([tags, rules, within]) => {
          const how = { runOnly: { type: 'tag', values: tags }, rules };
          const { violations, passes } = await axe.run({ include: [[within]] }, how);
          const name = ({ id, nodes }) => nodes.map(({ target, any }) => `${id}: ${target} ${any[0]?.message ?? ''}`);
          const seen = passes.find(({ id }) => id === 'color-contrast')?.nodes.length ?? 0;
          return [violations.flatMap(name), seen];
        }""",
        [TAGS, rules or {}, within],
    )
    return answer[0], answer[1]
