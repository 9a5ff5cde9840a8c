"""Saved notebooks: what nbconvert makes of an executed one, with no server and no kernel."""

import nbformat
import pytest
from nbconvert import HTMLExporter, MarkdownExporter

from tests.notebook.kernel import Kernel

ANSWER = "# The mean\n\n| column | mean |\n|---|---|\n| `age` | **42** |"


@pytest.fixture
def saved(kernel: Kernel) -> nbformat.NotebookNode:
    """A notebook as JupyterLab saves it when a kernel has executed it and no page has touched its outputs."""
    kernel.run(f"turn = chat.send({ANSWER!r}); turn.wait()")
    notebook = nbformat.v4.new_notebook()
    for source in ("chat", "turn"):
        outputs = kernel.run(source)
        notebook.cells.append(nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=1))
    nbformat.validate(notebook)
    return notebook


def test_html(saved: nbformat.NotebookNode) -> None:
    html, _ = HTMLExporter().from_notebook_node(saved)
    assert html.count("<h1>The mean</h1>") == 2
    assert html.count("<strong>42</strong>") == 2
    assert html.count("<strong>Assistant</strong>") == 2


def test_markdown(saved: nbformat.NotebookNode) -> None:
    markdown, _ = MarkdownExporter().from_notebook_node(saved)
    assert "42" in markdown and "Assistant" in markdown
