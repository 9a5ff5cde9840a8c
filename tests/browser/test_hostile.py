"""What a stranger wrote, in a real browser: nothing of it runs, nothing is asked for, nobody is told.

The attacks are those of `js/tests/hostile`, three thousand, DOMPurify's own among them. They come in a notebook that
was sent by mail, from an agent while it answers, and as the text that is saved for viewers that run nothing.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from jupyter_durable_chat.readable.document import Document
from jupyter_durable_chat.readable.html import to_html
from jupyter_durable_chat.readable.page import to_page
from jupyter_durable_chat.readable.text import to_markdown
from tests.browser.conftest import Open
from tests.browser.jupyter import ROOT, Jupyter, running
from tests.browser.page import PANEL, NotebookPage

MIME_TYPE = "application/vnd.jupyter-durable-chat.v1+json"
END = "After all this, the text goes on."

WITNESS = """
window.attacked = [];
for (const name of ['attack', 'alert', 'confirm', 'prompt', 'print', 'open'])
  window[name] = (...said) => void attacked.push(`${name} ${said}`);
window.violations = [];
addEventListener('securitypolicyviolation', ({ effectiveDirective, sourceFile, sample, blockedURI, disposition }) =>
  violations.push({ effectiveDirective, sourceFile, sample, blockedURI, disposition }));
"""

OPEN_FOLDS = """() => {
  const closed = [...document.querySelectorAll('.jdc details:not([open])')];
  closed.forEach(details => details.open = true);
  return closed.length;
}"""

GLOBALS = """() => ({
  cookie: /attack/.test(document.cookie),
  clobbered: ['forms', 'cookie', 'body', 'head', 'getElementById', 'location', 'defaultView'].filter(
    name => document[name] instanceof Element && !['body', 'head'].includes(name)),
})"""

STRICT = "script-src 'self'; style-src 'self'; object-src 'none'; base-uri 'none'"
"""What JupyterLab itself does not keep to, so it is only reported."""

ENFORCED = "script-src 'self' 'unsafe-eval' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-src 'self'"


FORBIDDEN = (
    "script, iframe, object, embed, form, svg, math, style, link, base, meta, template, video, audio, "
    "input:not([type=checkbox])"
)

FORMULA = "$$\\begin{align} {\\color{red}x} &= y \\tag{1} \\end{align}$$"
"""With styles of its own."""

LINKS = [
    "[https://bank.example](https://evil.example/a)",
    "<https://bank.example@evil.example/b>",
    "[here](https://ok.example/c)",
]


@cache
def told() -> dict[str, Any]:
    """`js/tests/hostile/print.mjs`."""
    done = subprocess.run(
        ["node", str(ROOT / "js" / "tests" / "hostile" / "print.mjs")], capture_output=True, check=True
    )
    return json.loads(done.stdout)


@dataclass
class Watch:
    """What a browser asks for, and what comes up in it."""

    requests: list[tuple[str, str]]
    dialogs: list[str]
    pages: list[Page]

    def assert_quiet(self) -> None:
        assert self.dialogs == []
        assert len(self.pages) == 1
        outside = [url for url, _ in self.requests if urlsplit(url).hostname not in {"127.0.0.1", None}]
        assert outside == []
        strange = re.compile(r"attack|evil|logout|/[xyzpt](?:\.\w+)?$")
        assert [url for url, kind in self.requests if kind == "ping" or strange.search(urlsplit(url).path)] == []


@pytest.fixture(params=["lab", "notebook"])
def jupyter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jupyter]:
    """A server that wants nothing to run that is written into its pages."""
    headers = {"Content-Security-Policy": ENFORCED, "Content-Security-Policy-Report-Only": STRICT}
    with running(request.param, tmp_path, says=headers) as server:
        yield server
        print(server.output)


@pytest.fixture
def watch(context: BrowserContext) -> Iterator[Watch]:
    watch = Watch([], [], [])

    def see(page: Page) -> None:
        watch.pages.append(page)
        page.on("dialog", lambda dialog: watch.dialogs.append(dialog.message))

    context.on("page", see)
    context.on("request", lambda request: watch.requests.append((request.url, request.resource_type)))
    context.add_init_script(WITNESS)
    yield watch


def assert_harmless(page: Page) -> None:
    """Nothing ran, and the chats are made of what the view draws, and of nothing else."""
    while page.evaluate(OPEN_FOLDS):
        page.wait_for_function(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
        )
    assert page.evaluate("attacked") == []
    foreign = page.evaluate(f"[...document.querySelectorAll('.jdc')].map({told()['foreign']})")
    assert foreign
    assert [name for names in foreign for name in names] == []
    found = page.evaluate(GLOBALS)
    assert (found["cookie"], found["clobbered"]) == (False, [])


def assert_policy_kept(page: Page) -> None:
    """No file of ours did what a strict policy forbids."""
    ours = re.compile(r"durable[_-]chat|^ inline")  # what no file has written in is nobody else's
    violations = page.evaluate("violations")
    assert violations  # JupyterLab's own: the policy is there
    assert [one for one in violations if ours.search(f"{one['sourceFile']} {one['blockedURI']}")] == []


def test_hostile_notebook(open_notebook: Open, watch: Watch, jupyter: Jupyter) -> None:
    write_hostile_notebook(jupyter)
    notebook = open_notebook(name="hostile.ipynb")
    chats = notebook.page.locator(".jdc[data-session]")
    expect(chats).to_have_count(1 + len(told()["everything"]))
    expect(notebook.page.locator(".jdc[data-state=gone]")).to_have_count(1 + len(told()["everything"]))
    expect(chats.first).to_contain_text(END)
    drawn = notebook.page.evaluate("document.querySelector('.jdc').querySelectorAll('.jdc-markdown').length")
    assert drawn >= len(told()["corpus"]) - 20  # those that say nothing draw nothing
    assert_harmless(notebook.page)
    press_everything(notebook.page)
    assert_harmless(notebook.page)
    watch.assert_quiet()


def test_hostile_agent(open_notebook: Open, watch: Watch, context: BrowserContext, jupyter: Jupyter) -> None:
    attacks = [*told()["attacks"], *told()["corpus"][::12], *LINKS]
    ordinary = ["# Title", "```python\nprint(1)\n```", FORMULA, "| a |\n|:-:|\n| b |", "**bold** `code`"]
    (jupyter.folder / "attacks").write_text(json.dumps(ordinary))
    jupyter.demand()
    notebook = open_notebook("from jupyter_durable_chat import Chat\nchat = Chat(agent='hostile')\nchat")
    notebook.run_to_end()
    notebook.chat.ask("Say something ordinary")
    notebook.chat.wait_for_outcome()
    expect(notebook.chat.root.locator("math")).to_be_visible()
    expect(notebook.chat.root.locator("mi", has_text="x")).to_have_css("color", "rgb(255, 0, 0)")
    expect(notebook.chat.root.locator("[data-role=user] .jdc-bubble")).not_to_have_css("border-radius", "0px")
    assert_harmless(notebook.page)
    # What attacks try is reported, too, while it is taken apart.
    assert_policy_kept(notebook.page)

    (jupyter.folder / "demanded").unlink()
    (jupyter.folder / "attacks").write_text(json.dumps(attacks))
    notebook.chat.ask(attacks[0])
    expect(notebook.chat.root).to_contain_text("the text goes ")
    assert_harmless(notebook.page)
    jupyter.demand()
    notebook.chat.wait_for_outcome()
    expect(notebook.chat.root.locator("[data-role=assistant]").last).to_contain_text(END)
    assert_harmless(notebook.page)
    watch.assert_quiet()
    assert_links_lead_where_they_say(notebook, context)

    kept = f"{PANEL}.content.widgets[0].model.toJSON().outputs[0].data['text/html']"
    notebook.page.wait_for_function(f"end => [{kept}].flat().join('').includes(end)", arg=END)
    notebook.save()
    saved = nbformat.read(jupyter.files / "a.ipynb", 4)["cells"][0]["outputs"][0]["data"]["text/html"]
    assert END in saved
    assert_saved_text_is_harmless(context, saved)


def assert_links_lead_where_they_say(notebook: NotebookPage, context: BrowserContext) -> None:
    """They open outside, with nothing in their hands, and who could be taken for another one is named."""
    text = notebook.chat.root.locator(".jdc-markdown")
    bank = text.locator("a[href='https://evil.example/a']")
    expect(bank).to_have_text("https://bank.example" + "evil.example")
    expect(bank.locator(".jdc-leads")).to_be_visible()
    expect(text.locator("a[href='https://evil.example/b'] .jdc-leads").last).to_have_text("evil.example")
    expect(text.locator("a[href='https://ok.example/c'] .jdc-leads")).to_have_count(0)
    context.route(
        re.compile(r"^https://evil\.example/"),
        lambda route: route.fulfill(body="<title>evil</title>", content_type="text/html"),
    )
    place = notebook.page.url
    with context.expect_page() as opened:
        bank.click()
    outside = opened.value
    outside.wait_for_load_state()
    assert (outside.url, outside.evaluate("opener"), outside.evaluate("document.referrer")) == (
        "https://evil.example/a",
        None,
        "",
    )
    outside.close()
    assert notebook.page.url == place


def assert_saved_text_is_harmless(context: BrowserContext, *texts: str) -> None:
    """As the whole page of a viewer that cleans nothing."""
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    for text in texts:
        page.goto("about:blank")
        page.set_content(text)
        assert page.evaluate("attacked") == []
        assert page.locator(FORBIDDEN).count() == 0
        names = page.evaluate("[...document.querySelectorAll('*')].flatMap(element => element.getAttributeNames())")
        assert [name for name in names if re.match(r"on|id$|name$", name)] == []
    assert [url for url in asked if not url.startswith(("about:", "data:image/"))] == []
    page.close()


def test_what_python_saves(context: BrowserContext) -> None:
    context.add_init_script(WITNESS)
    whole = [transcript(told()["corpus"]), *told()["everything"]]
    assert_saved_text_is_harmless(context, *(to_html(one) for one in whole))


def test_a_page_that_was_exported(context: BrowserContext, tmp_path: Path) -> None:
    """Opened from the disk: it has its own styles, runs nothing, and asks nobody; its policy had nothing to forbid."""
    context.add_init_script(WITNESS)
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    for one in [transcript(told()["corpus"]), *told()["everything"]]:
        file = tmp_path / "chat.html"
        file.write_text(to_page(Document(one, {}, "2026-11-28T03:00:00.000Z")))
        page.goto(file.as_uri())
        assert page.evaluate("[attacked, violations]") == [[], []]
        assert page.locator(f"body :is({FORBIDDEN}), [style]").count() == 0
        assert page.locator("main").evaluate("main => getComputedStyle(main).maxWidth") == "800px"
    assert [url for url in asked if not url.startswith(("file:", "data:image/"))] == []
    page.close()


def press_everything(page: Page) -> None:
    """Everything in the texts that takes a press and asks nobody outside."""
    page.evaluate(
        """() => {
          addEventListener('click', event => event.target.closest('a[href]') && event.preventDefault(), true);
          const selector = '.jdc .jdc-markdown a, .jdc .jdc-markdown b, .jdc .jdc-copy, .jdc summary';
          for (const element of document.querySelectorAll(selector)) {
            for (const type of ['pointerenter', 'mouseover', 'focus', 'mousedown', 'mouseup'])
              element.dispatchEvent(new MouseEvent(type, { bubbles: true }));
            element.click();
          }
        }"""
    )


def transcript(texts: list[str]) -> dict[str, Any]:
    """An answer of these texts."""
    made = json.loads((ROOT / "tests" / "vectors" / "completed-answer.json").read_text())["transcript"]
    made["messages"][-1]["parts"] = [{"type": "text", "text": text, "state": "done"} for text in [*texts, END]]
    return made


def write_hostile_notebook(jupyter: Jupyter) -> None:
    """Chat cells with snapshots of sessions that this server has never seen, and static texts by themselves."""
    snapshots = [transcript(told()["corpus"]), *({**one, "id": f"s_{n}"} for n, one in enumerate(told()["everything"]))]
    bundles = [
        {
            MIME_TYPE: {
                "session": one["id"],
                "turn": None,
                "lsn": one["lsn"],
                "snapshot": one,
                "widget": None,
                "notice": None,
            }
        }
        for one in snapshots
    ]
    static = [{"text/html": to_html(snapshots[0])}, {"text/markdown": to_markdown(snapshots[1])}]
    cells = []
    for data in [*bundles, *static]:
        output = nbformat.v4.new_output("execute_result", {"text/plain": "a chat", **data}, execution_count=1)
        cells.append(nbformat.v4.new_code_cell("Chat()", outputs=[output], execution_count=1))
    jupyter.write_notebook("hostile.ipynb", *cells)
