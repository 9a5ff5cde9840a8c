"""A notebook that came by mail: whatever its chat says, nothing of it runs, and nobody is told that it was opened."""

import json
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Open
from tests.browser.jupyter import ROOT, Jupyter

ATTACK = """
<script>window.attacked = "script"</script>
<img src="x" onerror="window.attacked = 'image'">
<iframe srcdoc="<script>parent.attacked = 'frame'</script>"></iframe>
<svg onload="window.attacked = 'svg'"></svg>

![I see you](http://tracker.example/pixel.png)

[press me](javascript:window.attacked='link')

After all this, the text goes on.
"""


def test_hostile_notebook(open_notebook: Open, context: BrowserContext, jupyter: Jupyter) -> None:
    write_hostile_notebook(jupyter)
    hosts: set[str | None] = set()
    context.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    notebook = open_notebook(name="hostile.ipynb")
    expect(notebook.chat.root).to_have_attribute("data-state", "gone")
    expect(notebook.chat.root).to_contain_text("After all this, the text goes on.")
    for link in notebook.chat.root.get_by_text("press me").all():
        link.click()
    assert notebook.page.evaluate("window.attacked") is None
    assert hosts <= {"127.0.0.1", None}


def write_hostile_notebook(jupyter: Jupyter) -> None:
    """One chat cell with a snapshot of a session that this server has never seen."""
    vector = json.loads((ROOT / "tests" / "vectors" / "completed-answer.json").read_text())
    transcript = vector["transcript"]
    transcript["messages"][-1]["parts"] = [{"type": "text", "text": ATTACK, "state": "done"}]
    bundle = {"session": transcript["id"], "turn": None, "lsn": transcript["lsn"], "snapshot": transcript}
    data = {
        "application/vnd.jupyter-durable-chat.v1+json": {**bundle, "widget": None, "notice": None},
        "text/html": ATTACK,
        "text/plain": ATTACK,
    }
    output = nbformat.v4.new_output("execute_result", data, execution_count=1)
    cell = nbformat.v4.new_code_cell("Chat()", outputs=[output], execution_count=1)
    jupyter.write_notebook("hostile.ipynb", cell)
