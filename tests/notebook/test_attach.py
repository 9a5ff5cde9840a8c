"""What goes with a question: figures, tables, variables, cells, outputs, files."""

import hashlib
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import CellError, Kernel

PNG = b"\x89PNG\r\n\x1a\n"


def sent(jupyter: Jupyter, kernel: Kernel, what: str) -> list[dict[str, Any]]:
    """The parts beside the text of a message with this attached."""
    kernel.run(f"turn = chat.send('look', attach={what}); turn.wait()")
    (said, _) = jupyter.transcript(kernel.value("chat.session"))["messages"][-2:]
    return said["parts"][1:]


def stored(jupyter: Jupyter, kernel: Kernel, part: dict[str, Any]) -> bytes:
    """The bytes of an attachment, which its URL names."""
    name = part["url"].removeprefix("attachment:")
    path = f"durable-chat/api/sessions/{kernel.value('chat.session')}/attachments/{name}"
    data = httpx2.get(jupyter.url + path, headers={"Authorization": f"token {jupyter.token}"}, timeout=None).content
    assert hashlib.sha256(data).hexdigest() == name
    return data


def test_figures(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("from matplotlib.figure import Figure; fig = Figure(); axes = fig.subplots(); axes.plot([1, 2])")
    figure, axes = sent(jupyter, kernel, "[fig, axes]")
    assert figure["filename"] == "fig.png" and axes["filename"] == "axes.png"
    assert figure["mediaType"] == "image/png" and figure["url"] == axes["url"], "the same picture is stored once"
    assert stored(jupyter, kernel, figure).startswith(PNG)


def test_images(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("from PIL import Image; image = Image.new('RGB', (2, 2))")
    (part,) = sent(jupyter, kernel, "image")
    assert stored(jupyter, kernel, part).startswith(PNG)


def test_tables(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("import pandas as pd; df = pd.DataFrame({'a': range(1000), 'b': 'x'})")
    table, column = sent(jupyter, kernel, "[df, df.a]")
    assert table["type"] == "data-variable" and table["data"]["label"] == "df"
    first, head, *rows = table["data"]["text"].splitlines()
    assert (first, head) == ("DataFrame, 1000 rows, 2 columns; the first 50 as CSV:", ",a,b")
    assert rows[-1] == "49,49,x"
    assert column["data"]["text"].startswith("Series, 1000 rows; the first 50 as CSV:\n,a\n0,0")
    drawn = table["data"]["table"]
    assert (drawn["rows"], drawn["columns"], drawn["index"]) == (1000, ["a", "b"], [""])
    assert drawn["cells"] == [[n, n, "x"] for n in range(200)]
    assert (column["data"]["table"]["columns"], column["data"]["table"]["cells"][1]) == (["a"], [1, 1])


def test_variables(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("numbers = [1, 2]; text = 'plain text'\ndef double(x):\n    return 2 * x")
    by_value, by_name, function, text = sent(jupyter, kernel, "[numbers, 'numbers', double, 'text']")
    assert by_value == by_name
    assert by_value["data"] == {"label": "numbers", "text": "list, length 2:\n[1, 2]"}
    assert function["data"] == {"label": "double", "text": "def double(x):\n    return 2 * x\n"}
    assert text["data"] == {"label": "text", "text": "plain text"}


def test_a_value_that_shows_itself_badly(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("class Bad:\n    def __repr__(self): raise RuntimeError('no')\nbad = Bad(); long = list(range(100_000))")
    bad, long = sent(jupyter, kernel, "[bad, long]")
    assert bad["data"]["text"].endswith("<Bad, whose repr raises RuntimeError>")
    assert "[cut: 20000 of " in long["data"]["text"]


def test_cells(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("print('printed'); 40 + 2")
    number = kernel.value("len(In) - 1")
    (last,) = sent(jupyter, kernel, "['cell:last']")
    assert last == {
        "type": "data-cell",
        "data": {
            "label": f"cell {number}",
            "text": f"In [{number}]:\nprint('printed'); 40 + 2\n\nOut [{number}]:\nprinted\n42",
        },
    }
    assert sent(jupyter, kernel, f"'cell:{number}'") == [last]


def test_a_cell_that_failed(jupyter: Jupyter, kernel: Kernel) -> None:
    with pytest.raises(CellError):
        kernel.run("1 / 0")
    (last,) = sent(jupyter, kernel, "'cell:last'")
    assert last["data"]["text"].endswith("ZeroDivisionError: division by zero")


def test_outputs(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("{'x': 1}")
    (value,) = sent(jupyter, kernel, "'output:last'")
    assert value["data"]["label"].startswith("output ") and value["data"]["text"] == "dict, length 1:\n{'x': 1}"
    kernel.run("import matplotlib.pyplot as plt; plt.plot([1, 2])")
    number = kernel.value("len(In) - 1")
    (figure,) = sent(jupyter, kernel, f"'output:{number}'")
    assert stored(jupyter, kernel, figure).startswith(PNG)


def test_files(jupyter: Jupyter, kernel: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "a file.csv"
    path.write_text("a,b\n1,2\n")
    kernel.run(f"from pathlib import Path; path = Path({str(path)!r})")
    for part in sent(jupyter, kernel, f"[path, {str(path)!r}, 'path']"):
        assert (part["type"], part["mediaType"], part["filename"]) == ("file", "text/csv", "a file.csv")
        assert stored(jupyter, kernel, part) == b"a,b\n1,2\n"


def test_bytes(jupyter: Jupyter, kernel: Kernel) -> None:
    named, unnamed = sent(jupyter, kernel, "[('x.json', b'{}'), b'text']")
    assert (named["filename"], named["mediaType"]) == ("x.json", "application/json")
    assert (unnamed["filename"], unnamed["mediaType"]) == ("data", "text/plain")
    assert sent(jupyter, kernel, "('x.json', b'{}')") == [named]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("'no such file.csv'", "'no such file.csv' cannot be attached: No such file or directory"),
        ("'cell:99999'", "There is no 'cell:99999' in this kernel's history"),
        ("'output:99999'", "Cell 99999 has no result in this kernel's history"),
        ("'/'", "'/' cannot be attached: Is a directory"),
        ("('x', b'\\0\\1')", r"c\.DurableChat\.attachment_types"),
    ],
)
def test_what_cannot_be_attached(jupyter: Jupyter, kernel: Kernel, what: str, why: str) -> None:
    with pytest.raises(CellError, match=f"ChatError.*{why}"):
        kernel.run(f"chat.send('look', attach=[{what}])")
    assert jupyter.transcript(kernel.value("chat.session"))["messages"] == []


def test_the_magic(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("%load_ext jupyter_durable_chat\nnumbers = [1, 2]")
    kernel.run("%%chat --session magic --agent obedient --attach numbers --attach cell:last --mode ask\nlook")
    session = kernel.value("Chat('magic').session")
    said = jupyter.transcript(session)["messages"][0]
    assert [part["type"] for part in said["parts"]] == ["text", "data-variable", "data-cell"]
    assert said["metadata"]["mode"] == "ask"
    (output,) = kernel.run("%%chat --attach no_such_name\nlook")
    assert output["text"].startswith("UsageError: 'no_such_name' cannot be attached")


def test_modes_and_tools_of_a_question(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("def f(): pass\nchat.send('hi', mode='plan', tools=[f, 'g']).wait()")
    transcript = jupyter.transcript(kernel.value("chat.session"))
    assert transcript["messages"][0]["metadata"]["mode"] == "plan"
    assert transcript["messages"][0]["metadata"]["tools"] == ["f", "g"]
    kernel.run("turn = chat.send('again'); turn.wait(); turn.retry(mode='ask').wait()")
    assert jupyter.transcript(kernel.value("chat.session"))["messages"][-1]["metadata"]["mode"] == "ask"


def test_the_mode_of_a_conversation(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("planning = Chat('planning', mode='plan')")
    assert jupyter.transcript(kernel.value("planning.session"))["mode"] == "plan"
