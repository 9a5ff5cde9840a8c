"""The tools that every notebook can offer, each behind an approval."""

from typing import Any

import httpx2
import pytest

from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import Kernel
from tests.notebook.test_tools import JSON, calls_of, is_over, until

pytestmark = pytest.mark.slow  # kernels are started, restarted and killed


@pytest.fixture
def offering(kernel: Kernel) -> Kernel:
    """A kernel whose `chat` offers all that is built in."""
    kernel.run("chat = Chat(session=chat.session, tools='all')")
    return kernel


def allow(jupyter: Jupyter, kernel: Kernel, use: str) -> JSON:
    """The call, when a person has allowed it and it is over."""
    session = kernel.value("chat.session")
    kernel.run(f"turn = chat.send({use!r})")
    say_yes(jupyter, session)
    return calls_of(until(jupyter, session, is_over))[-1]


def say_yes(jupyter: Jupyter, session: str) -> None:
    (approval,) = until(jupyter, session, lambda transcript: transcript["approvals"])["approvals"]
    path = f"durable-chat/api/sessions/{session}/approvals/{approval['id']}"
    headers = {"Authorization": f"token {jupyter.token}"}
    httpx2.post(jupyter.url + path, json={"approved": True}, headers=headers, timeout=None).raise_for_status()


def text_of(call: JSON) -> str:
    output: Any = call["output"]
    if isinstance(output, dict) and "content" in output:
        return "\n".join(item["text"] for item in output["content"] if item["type"] == "text")
    return str(output)


def test_they_ask_before_each_call(jupyter: Jupyter, offering: Kernel) -> None:
    assert offering.value("chat.tools") == ["list_variables", "describe_dataframe", "run_code", "read_notebook"]
    (offer,) = jupyter.transcript(offering.value("chat.session"))["offers"]
    assert {tool["approval"] for tool in offer["tools"]} == {"always"}
    assert [tool["name"] for tool in offer["tools"] if not tool.get("read_only")] == ["run_code"]


def test_variables(jupyter: Jupyter, offering: Kernel) -> None:
    offering.run(
        "import pandas as pd, numpy as np; numbers = [1, 2]; frame = pd.DataFrame({'a': [1]}); eye = np.eye(2)"
    )
    offering.run("API_KEY = 'hush'; _hidden = 1; long = 'x' * 1000")
    listed = {entry["name"]: entry for entry in allow(jupyter, offering, "use list_variables")["output"]}
    assert listed["numbers"] == {"name": "numbers", "type": "list", "size": "length 2", "value": "[1, 2]"}
    assert listed["frame"] == {"name": "frame", "type": "DataFrame", "size": "1 row, 1 column"}
    assert listed["eye"]["size"] == "shape (2, 2)"
    assert "hush" not in str(listed) and listed["API_KEY"]["type"] == "str"
    assert len(listed["long"]["value"]) < 150
    assert not {"_hidden", "In", "Out", "get_ipython", "exit"} & listed.keys()


def test_a_dataframe(jupyter: Jupyter, offering: Kernel) -> None:
    offering.run("import pandas as pd; frame = pd.DataFrame({'a': [1, None, 4], 'b': list('xyz')})")
    text = text_of(allow(jupyter, offering, 'use describe_dataframe {"name": "frame"}'))
    assert text.startswith("frame: 3 rows, 2 columns\n\na: float64, 1 missing\nb: ")
    assert "mean,2.5" in text
    call = allow(jupyter, offering, 'use describe_dataframe {"name": "no_such_variable"}')
    assert call["errorText"] == "ValueError: There is no variable 'no_such_variable'."


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("x = 20\\nprint('said')\\nx + 1", ["said\n", "21"]),
        ("import asyncio\\nawait asyncio.sleep(0)\\n'awaited'", ["'awaited'"]),
        ("%pwd", None),
        ("x = 1", ["(It printed and gave nothing.)"]),
    ],
)
def test_code(jupyter: Jupyter, offering: Kernel, code: str, shown: list[str] | None) -> None:
    call = allow(jupyter, offering, f'use run_code {{"code": "{code}"}}')
    texts = [item["text"] for item in call["output"]["content"]]
    assert texts == shown if shown else len(texts) == 1


def test_a_table_that_code_gives_is_one_to_look_at(jupyter: Jupyter, offering: Kernel) -> None:
    offering.run("import pandas as pd; frame = pd.DataFrame({'a': [1, 2]})")
    output = allow(jupyter, offering, 'use run_code {"code": "print(1)\\nframe"}')["output"]
    assert [item["text"] for item in output["content"]] == ["1\n", "   a\n0  1\n1  2"]
    assert output["structured"] == {"rows": 2, "columns": ["a"], "index": [""], "cells": [[0, 1], [1, 2]], "text": 1}
    assert "structured" not in allow(jupyter, offering, 'use run_code {"code": "frame\\nNone\\nprint(1)"}')["output"]


def test_code_in_the_notebooks_namespace_and_not_in_its_history(jupyter: Jupyter, offering: Kernel) -> None:
    allow(jupyter, offering, 'use run_code {"code": "made_by_model = 42"}')
    assert offering.value("made_by_model") == 42
    assert not offering.value("'made_by_model = 42' in In")


def test_code_that_fails(jupyter: Jupyter, offering: Kernel) -> None:
    call = allow(jupyter, offering, 'use run_code {"code": "print(1)\\n1 / 0"}')
    assert text_of(call).startswith("1\n") and "ZeroDivisionError: division by zero" in text_of(call)
    assert "\x1b" not in text_of(call)
    call = allow(jupyter, offering, 'use run_code {"code": "1 +"}')
    assert "SyntaxError" in text_of(call)
    assert offering.run("pass") == [], "nothing of it is shown by a cell"


def test_code_that_draws(jupyter: Jupyter, offering: Kernel) -> None:
    call = allow(
        jupyter, offering, 'use run_code {"code": "import matplotlib.pyplot as plt\\nplt.plot([1, 2])\\nprint(3)"}'
    )
    files = [item for item in call["output"]["content"] if item["type"] == "file"]
    assert [file["mediaType"] for file in files] == ["image/png"]


def test_code_while_a_cell_waits(jupyter: Jupyter, offering: Kernel) -> None:
    session = offering.value("chat.session")
    for code in ("40 + 2", "import asyncio; await asyncio.sleep(0); 42"):
        cell = offering.start(f"""text = chat.send('use run_code {{"code": "{code}"}} | done').text""")
        say_yes(jupyter, session)
        offering.outputs(cell)
        assert offering.value("chat.messages[-1]['parts'][1]['output']")["content"][0]["text"] == "42"


def test_the_notebook(jupyter: Jupyter, own_kernel: Kernel, notebook: str) -> None:
    jupyter.write_notebook(notebook, "print('a cell')")
    own_kernel.run("from jupyter_durable_chat import Chat; chat = Chat(agent='obedient', tools=['read_notebook'])")
    text = text_of(allow(jupyter, own_kernel, "use read_notebook"))
    assert text.startswith(f"{notebook}, as it was saved at ") and "print('a cell')" in text
    (jupyter.files / notebook).unlink()
    text = text_of(allow(jupyter, own_kernel, "use read_notebook"))
    assert text.startswith("The notebook's file was not found.") and "from jupyter_durable_chat import Chat" in text
