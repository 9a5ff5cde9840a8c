"""What a person does with an answer: its code in the notebook, its diagrams, its formulas while they come."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Locator, Request, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import Jupyter
from tests.browser.page import PANEL, NotebookPage

ECHO_CELL = "from jupyter_durable_chat import Chat\nchat = Chat(agent='echo')\nchat"

CODE = """Two steps:

```python title="src/add.py"
total = sum(range(11))
print("total", total)
```

```bash
echo "a shell" "says hello"
```

```json
{"a": 1}
```
"""

DIAGRAMS = """```mermaid
flowchart LR
  A["Notebook <img src=TRACKER onerror=parent.attacked=1>"] -->|asks| B(Server)
  click A "javascript:parent.attacked=2"
```

```mermaid
%%{init: {"securityLevel": "loose", "themeCSS": "@import url(TRACKER)"}}%%
%%{init: {"themeVariables": {"lineColor": "url(TRACKER)"}}}%%
sequenceDiagram
  participant Alice
  link Alice: Home @ TRACKER
  Alice->>Bob: Hello
```

```mermaid
flowchart LR
  A[Broken --> B
```

```mermaid
flowchart LR
  A@{ img: "TRACKER", w: 60, h: 60 } --> B
```
"""

ATTACKS = [
    # CVE-2025-54881, CVE-2025-54880, CVE-2021-43861: labels, icons and HTML that are put into the page to be measured
    """sequenceDiagram
  participant A as "$$ <img src=TRACKER onerror=parent.attacked=1> $$"
  A->>B: $$<img src=TRACKER onerror=parent.attacked=1>$$""",
    """architecture-beta
  group api(cloud)[API]
  service db "<img src=TRACKER onerror=parent.attacked=1>"[DB] in api""",
    """flowchart LR
  A["`![x](TRACKER) <img src=TRACKER>`"] --> B@{ icon: "fa:TRACKER", form: "square", label: "x", h: 60 }""",
    # CVE-2022-31108, CVE-2026-50159: styles that leave the diagram, and directives that change what is for safety
    """%%{init: {"fontFamily": "x;a{b} :not(&){background:url(TRACKER) !important} c{d}"}}%%
flowchart LR
  A --> B""",
    """%%{init: {"securityLevel": "loose", "htmlLabels": true, "flowchart": {"htmlLabels": true}}}%%
flowchart LR
  A["<iframe src=TRACKER></iframe><img src=TRACKER onerror=parent.attacked=1>"]
  click A call alert(1)
  click A href "javascript:parent.attacked=1\"""",
    """---
config:
  securityLevel: loose
  themeCSS: "@import url(TRACKER)"
  __proto__: { polluted: 1 }
---
flowchart LR
  A --> B""",
    """%%{init: {"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}}%%
flowchart LR
  A:::x --> B
  classDef x fill:red,background-image:url(TRACKER)
  linkStyle 0 stroke:url(TRACKER)""",
    """stateDiagram-v2
  [*] --> S
  classDef bad fill:url(TRACKER)
  class S bad""",
    """classDiagram
  class A
  link A "javascript:parent.attacked=1"
  click A href "TRACKER\"""",
    """gantt
  dateFormat YYYY-MM-DD
  excludes monday,tuesday,wednesday,thursday,friday,saturday,sunday
  t :a, 2000-01-01, 30d""",
    """gantt
  dateFormat YYYY-MM-DD
  tickInterval 1millisecond
  t :a, 0001-01-01, 9999-12-31""",
    "flowchart LR\n" + "\n".join(f"  subgraph s{n}" for n in range(300)) + "\n  a\n" + "\n".join(["  end"] * 300),
    """C4Context
  Person(a, "<img src=TRACKER>", "x", $link="javascript:parent.attacked=1")
  UpdateElementStyle(a, $bgColor="url(TRACKER)")""",
]
"""What was found against Mermaid, and what takes it long. The last one is drawn with an address in it."""

HANG = "setTimeout(() => { for (;;); })"


@pytest.fixture
def tracker() -> Iterator["Tracker"]:
    with Tracker() as tracker:
        yield tracker


class Tracker(ThreadingHTTPServer):
    """A host that is not Jupyter's, and who came there."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), BaseHTTPRequestHandler)
        self.visits = 0
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def verify_request(self, request: object, client_address: object) -> bool:
        self.visits += 1
        return False

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


def answered(notebook: NotebookPage, question: str, cell: int = 1) -> Locator:
    """The answer to this, which says the same."""
    notebook.run_to_end(cell)
    notebook.chat.ask(question)
    notebook.chat.wait_for_outcome()
    return notebook.chat.root.locator("[data-role=assistant]").last


def sources(notebook: NotebookPage) -> list[str]:
    return notebook.page.evaluate(f"{PANEL}.content.widgets.map(cell => cell.model.sharedModel.source)")


def menu(block: Locator, item: str) -> None:
    block.hover()
    block.locator(".jdc-more").click()
    block.locator(".jdc-menu button", has_text=item).click()


def test_code_goes_into_the_notebook(open_notebook: Open) -> None:
    notebook = open_notebook("x = 1", ECHO_CELL, "y = 2")
    answer = answered(notebook, CODE)
    python, shell, data = (answer.locator(".jdc-code").nth(n) for n in range(3))
    code = 'total = sum(range(11))\nprint("total", total)'
    cells = notebook.page.locator(".jp-Notebook .jp-Cell")
    first, chat, last = sources(notebook)

    python.hover()
    python.locator(".jdc-insert").click()
    shell.hover()
    shell.locator(".jdc-run").click()
    in_bash = '%%bash\necho "a shell" "says hello"'
    expect(cells.nth(3).locator(".jp-OutputArea-output")).to_have_text("a shell says hello\n")
    assert sources(notebook) == [first, chat, code, in_bash, last]
    expect(cells.nth(2).locator(".jp-OutputArea-output")).to_have_count(0)
    python.hover()
    python.locator(".jdc-run").click()  # it is there
    expect(cells.nth(2).locator(".jp-OutputArea-output")).to_have_text("total 55\n")
    assert sources(notebook) == [first, chat, code, in_bash, last]

    notebook.command("notebook:undo-cell-action")
    assert sources(notebook) == [first, chat, code, last]

    cells.nth(0).locator(".cm-content").click()
    menu(python, "x = 1")
    expect(cells.nth(0).locator(".cm-content")).to_be_focused()
    assert sources(notebook) == [code, chat, code, last]
    notebook.page.keyboard.press("ControlOrMeta+z")
    expect(cells.nth(0).locator(".cm-content")).to_have_text("x = 1")
    assert sources(notebook) == [first, chat, code, last]

    data.hover()
    expect(data.locator(".jdc-more")).to_be_visible()
    expect(data.locator(".jdc-insert")).to_be_hidden()


def test_code_is_wrapped_and_saved(open_notebook: Open, tmp_path: Path) -> None:
    notebook = open_notebook("x = 1", ECHO_CELL)
    answer = answered(notebook, CODE)
    block = answer.locator(".jdc-code").first
    with notebook.page.expect_download() as download:
        menu(block, "add.py")
    download.value.save_as(tmp_path / "saved")
    assert download.value.suggested_filename == "add.py"
    assert (tmp_path / "saved").read_text() == 'total = sum(range(11))\nprint("total", total)\n'

    expect(block.locator("pre")).to_have_css("white-space-collapse", "preserve")
    expect(block.locator("pre")).to_have_css("text-wrap-mode", "nowrap")
    menu(block, "Wrap long lines")
    expect(block.locator("pre")).to_have_css("text-wrap-mode", "wrap")
    notebook.save()
    notebook.reload()
    expect(notebook.chat.root.locator("[data-role=assistant] .jdc-code pre").first).to_have_css(
        "text-wrap-mode", "wrap"
    )


def test_diagram_is_drawn_and_fetches_nothing(open_notebook: Open, tracker: Tracker, context: BrowserContext) -> None:
    """Whatever a diagram says, it has no network, no way to the page, and needs none of this person's cookies."""
    requests: list[Request] = []
    context.on("request", lambda request: requests.append(request))
    notebook = open_notebook("x = 1", ECHO_CELL)
    page = notebook.page
    answered(notebook, "Nothing to draw.")
    assert not fetched(requests, "reading")
    assert [frame.url for frame in page.frames[1:]] == []
    notebook.chat.ask(DIAGRAMS.replace("TRACKER", tracker.url))
    notebook.chat.wait_for_outcome()
    diagrams = notebook.chat.root.locator(".jdc-code[data-lang=mermaid]")
    flow, sequence, broken, foreign = (diagrams.nth(n) for n in range(4))
    for diagram in flow, sequence:
        diagram.scroll_into_view_if_needed()
        image = diagram.get_by_role("img", name="Diagram")
        expect(image).to_be_visible()
        expect(image).to_have_attribute("src", re.compile("^data:image/svg"))
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
        expect(diagram.locator("pre")).to_be_hidden()
    for diagram in broken, foreign:
        diagram.scroll_into_view_if_needed()
        expect(diagram.locator(".jdc-undrawn")).to_contain_text("cannot be drawn")
        expect(diagram.locator("pre")).to_be_visible()

    (frame,) = page.frames[1:]
    assert frame.evaluate("origin") == "null"
    refused = f"fetch('{tracker.url}', {{mode: 'no-cors'}}).then(() => 'fetched', () => 'refused')"
    assert frame.evaluate(refused) == "refused"
    assert httpx2.get(frame.evaluate("document.scripts[0].src"), timeout=60).status_code == 200
    assert page.evaluate("window.attacked") is None

    light = flow.locator("img").get_attribute("src") or ""
    notebook.command("apputils:change-theme", {"theme": "JupyterLab Dark"})
    flow.scroll_into_view_if_needed()
    expect(flow.locator("img")).not_to_have_attribute("src", light)
    flow.hover()
    flow.locator(".jdc-source").click()
    expect(flow.locator("pre")).to_be_visible()
    with page.expect_download() as download:
        menu(flow, "Download as SVG")
    assert download.value.suggested_filename == "code.svg"
    assert "<svg" in download.value.path().read_text()

    blocks = (f"```mermaid\n{attack}\n```" for attack in ATTACKS)
    say(notebook, "\n\n".join(blocks).replace("TRACKER", tracker.url))
    last = page.locator(".jdc-code[data-lang=mermaid]", has_text="C4Context")
    attacks = notebook.chat.root.locator("[data-role=assistant]", has=last).locator(".jdc-code[data-lang=mermaid]")
    expect(attacks).to_have_count(len(ATTACKS))
    for n in range(len(ATTACKS)):
        attacks.nth(n).scroll_into_view_if_needed()
        expect(attacks.nth(n).locator(".jdc-picture img, .jdc-undrawn").first).to_be_visible(timeout=30_000)
    with page.expect_download() as download:
        menu(attacks.last, "Download as SVG")
    assert not re.search(r"url\((?!#)|href=\"(?!#)", download.value.path().read_text())
    (frame,) = page.frames[1:]
    assert frame.evaluate("({}).polluted") is None
    assert page.evaluate("[window.attacked, ({}).polluted]") == [None, None]

    frame.evaluate(HANG)
    say(notebook, "```mermaid\nflowchart LR\n  A --> Never\n```\n\n```mermaid\nflowchart LR\n  A --> Again\n```")
    never, again = (page.locator(".jdc-code[data-lang=mermaid]", has_text=name) for name in ("Never", "Again"))
    expect(again).to_have_count(1)  # the page goes on meanwhile
    never.scroll_into_view_if_needed()
    expect(never.locator(".jdc-undrawn")).to_be_visible(timeout=30_000)
    again.scroll_into_view_if_needed()
    expect(again.locator(".jdc-picture img")).to_be_visible(timeout=30_000)
    assert tracker.visits == 0
    page.evaluate(refused)
    assert tracker.visits > 0  # it would have noticed


def say(notebook: NotebookPage, text: str) -> None:
    """Without a look at how many answers are drawn: what is far away is not."""
    notebook.chat.root.locator("textarea.jdc-input").fill(text)
    notebook.chat.root.locator("textarea.jdc-input").press("Enter")


def fetched(requests: list[Request], chunk: str) -> list[Request]:
    return [request for request in requests if f"/static/durable_chat/{chunk}-" in request.url]


def test_growing_answer(open_notebook: Open, context: BrowserContext, jupyter: Jupyter) -> None:
    """What has come is there to the last character, a formula stays set, a library comes when it is needed first."""
    requests: list[Request] = []
    context.on("request", lambda request: requests.append(request))
    notebook = open_notebook("x = 1", ECHO_CELL)
    notebook.run_to_end(1)
    notebook.chat.ask("Only text, and `code`.")
    notebook.chat.wait_for_outcome()
    assert not fetched(requests, "formulas")
    assert not fetched(requests, "languages")

    notebook.chat.ask("Of $a^2$, this[^1] and an unfin⏸ished line:\n$$b^2$$\n\n[^1]: A note.")
    answer = notebook.chat.root.locator("[data-role=assistant]").last
    expect(answer.locator("p").first).to_contain_text("and an unfin")
    expect(answer.locator("math")).to_have_count(1)
    assert len(fetched(requests, "formulas")) == 1
    answer.locator("math").evaluate("formula => { window.formula = formula }")
    jupyter.demand()
    notebook.chat.wait_for_outcome()
    expect(answer.locator("math")).to_have_count(2)
    assert notebook.page.evaluate("formula.isConnected")
    assert not fetched(requests, "languages")

    mark = answer.get_by_role("button", name="Footnote 1")
    mark.hover()
    expect(mark).to_have_attribute("title", "A note.")
    mark.click()
    expect(answer.locator("[data-jdc-note]")).to_be_focused()
    answer.get_by_role("button", name="Back to the text").click()
    expect(mark).to_be_focused()
