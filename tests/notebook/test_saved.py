"""Saved notebooks: what nbconvert, nbviewer and GitHub make of an executed one, with no server and no kernel."""

import json
import re
from copy import deepcopy
from html.parser import HTMLParser

import bleach
import nbformat
import pytest
from nbconvert import HTMLExporter, LatexExporter, MarkdownExporter
from traitlets.config import Config

from jupyter_durable_chat.notebook.bundle import MIME_TYPE, SNAPSHOT_BYTES
from tests.notebook.kernel import Kernel

ANSWER = "# The mean\n\n|column|mean|\n|---|---|\n|`age`|**42**|\n\n```python\ndf.age.mean()\n```\n\n<b>raw</b>"

GITHUB = {"a", "blockquote", "br", "code", "del", "details", "div", "em", "hr", "img", "input", "li", "ol", "p", "pre"}
GITHUB |= {"span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul"}
GITHUB |= {f"h{level}" for level in range(1, 7)}
"""Elements that GitHub leaves in, of those that we write: no script, no style, no form."""


class Texts(HTMLParser):
    """What a reader sees, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.feed(html)
        self.close()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.seen.append(data.strip())


def executed(kernel: Kernel, *sources: str) -> nbformat.NotebookNode:
    """A notebook as JupyterLab saves it when a kernel has executed it and no page has touched its outputs."""
    notebook = nbformat.v4.new_notebook()
    for source in sources:
        outputs = kernel.run(source)
        notebook.cells.append(nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=1))
    nbformat.validate(notebook)
    return notebook


@pytest.fixture
def saved(kernel: Kernel) -> nbformat.NotebookNode:
    kernel.run(f"turn = chat.send({ANSWER!r}); turn.wait()")
    return executed(kernel, "chat", "turn")


def without_outputs(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    bare = deepcopy(notebook)
    for cell in bare.cells:
        cell.outputs = []
    return bare


def test_html(saved: nbformat.NotebookNode) -> None:
    html, _ = HTMLExporter().from_notebook_node(saved)
    assert html.count("<h1>The mean</h1>") == 2
    assert html.count("<strong>42</strong>") == 2
    assert html.count("<strong>Assistant</strong>") == 2


def test_nothing_runs_in_the_html(saved: nbformat.NotebookNode) -> None:
    """What nbconvert puts on every page is there, and nothing more."""
    html, _ = HTMLExporter().from_notebook_node(saved)
    bare, _ = HTMLExporter().from_notebook_node(without_outputs(saved))
    for mark in ("<script", "<iframe", "<object", "javascript:", "<link"):
        assert html.lower().count(mark) == bare.lower().count(mark), mark
    assert "Error displaying widget" not in html and "Loading widget" not in html and "widget-view" not in html


def test_markdown(saved: nbformat.NotebookNode) -> None:
    markdown, _ = MarkdownExporter().from_notebook_node(saved)
    assert "42" in markdown and "Assistant" in markdown
    assert "<script" not in markdown and "widget" not in markdown


def test_pdf_is_made_of_the_markdown(saved: nbformat.NotebookNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--to pdf` and `--to latex` give pandoc our Markdown; pandoc itself, and TeX, are not part of this."""
    given: list[str] = []

    def pandoc(source: str, *args: object, **kwargs: object) -> str:
        given.append(source)
        return source

    monkeypatch.setattr("nbconvert.filters.markdown.convert_pandoc", pandoc)
    monkeypatch.setattr("nbconvert.filters.pandoc.convert_pandoc", pandoc)
    exporter = LatexExporter(filters={"convert_pandoc": pandoc, "markdown2latex": pandoc})
    exporter.from_notebook_node(saved)
    texts = "\n".join(given)
    assert texts.count("**Assistant**") == 2 and "|`age`|**42**|" in texts


def test_a_viewer_that_takes_styles_and_scripts_away(saved: nbformat.NotebookNode) -> None:
    """GitHub: a list of elements, hardly an attribute. What was said is there, in order, and nothing else is."""
    said = ["You", ANSWER, "Assistant", "The mean", "column", "mean", "age", "42", "df.age.mean()", "<b>raw</b>"]
    for cell in saved.cells:
        html = cell.outputs[-1].data["text/html"]
        assert "<script" not in html and "<style" not in html and "class=" not in html
        left = bleach.clean(html, tags=GITHUB, attributes={"a": ["href"], "img": ["src", "alt"]}, strip=True)
        assert "style=" not in left
        assert Texts(left).seen == said
        for block in ("<h1>The mean</h1>", "<td><code>age</code></td>", "<pre><code>df.age.mean()", "<p><strong>You"):
            assert block in left


def test_a_saved_cell_is_small(kernel: Kernel) -> None:
    """No code of the front end, and of a long answer a part that says how much there was."""
    kernel.run("chat.send('short').wait()")
    outputs = executed(kernel, "chat").cells[0].outputs[-1].data
    assert len(json.dumps(outputs)) < 5000
    kernel.run("turn = chat.send(' '.join(['word'] * 100_000)); turn.wait()")
    for cell in executed(kernel, "chat", "turn").cells:
        outputs = cell.outputs[-1].data
        snapshot = outputs[MIME_TYPE]["snapshot"]
        assert len(json.dumps(snapshot)) <= SNAPSHOT_BYTES + 100
        for kind in ("text/html", "text/markdown", "text/plain"):
            assert len(outputs[kind]) <= SNAPSHOT_BYTES
            assert re.search(r"\[cut: \d+ of \d+ bytes\]|\\\[cut: \d+ of \d+ bytes", outputs[kind])
        assert len(json.dumps(outputs)) < 4 * SNAPSHOT_BYTES


def test_widget_state_holds_the_loader_and_nothing_that_it_loads(kernel: Kernel) -> None:
    """ "Save Widget State", and `nbconvert --execute`, put the models of widgets into the notebook."""
    assert kernel.value("len(chat.get_state()['_esm'])") < 2100


def test_with_widget_state_nbconvert_shows_the_text_when_it_is_told_to(saved: nbformat.NotebookNode) -> None:
    """nbconvert prefers a widget whose state is there, and fetches what draws it; without the state it has our text."""
    widget = saved.cells[0].outputs[-1].data["application/vnd.jupyter.widget-view+json"]["model_id"]
    state = {"state": {widget: {"model_name": "AnyModel", "model_module": "anywidget", "state": {}}}}
    state |= {"version_major": 2, "version_minor": 0}
    saved.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    clear = {"enabled": True, "clear_cell_metadata": False}
    html, _ = HTMLExporter(config=Config(ClearMetadataPreprocessor=clear)).from_notebook_node(saved)
    assert html.count("<h1>The mean</h1>") == 2 and "widget-view" not in html
