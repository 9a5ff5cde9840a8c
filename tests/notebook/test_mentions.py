"""What a page may name of a kernel: asked silently, so that nothing of it is seen in the notebook."""

import base64
from typing import Any

from tests.notebook.kernel import Kernel


def told(kernel: Kernel, expression: str) -> Any:
    """The answer, as the page gets it."""
    module = "__import__('jupyter_durable_chat.notebook.mentions', fromlist=['*'])"
    return kernel.evaluate(f"{module}.{expression}")["application/json"]


def test_variables_are_named_with_what_they_are_the_newest_first(own_kernel: Kernel) -> None:
    own_kernel.run(
        "import os, pandas as pd\nn = 3\ndf = pd.DataFrame({'a': [1, 2]})\n_hidden = 1\napi_key = 'k'\ndef f(): ..."
    )
    listed = told(own_kernel, "names()")
    assert listed == [
        {"name": "f", "detail": "function"},
        {"name": "df", "detail": "DataFrame, 2 rows, 1 column"},
        {"name": "n", "detail": "int"},
    ]


def test_a_value_is_what_an_attached_one_is(own_kernel: Kernel) -> None:
    own_kernel.run("from matplotlib.figure import Figure\nn = 3\nfig = Figure()")
    assert told(own_kernel, "value('n')") == {
        "part": {"type": "data-variable", "data": {"label": "n", "text": "int:\n3"}}
    }
    picture = told(own_kernel, "value('fig')")
    assert (picture["filename"], picture["mediaType"]) == ("fig.png", "image/png")
    assert base64.b64decode(picture["file"]).startswith(b"\x89PNG")


def test_what_cannot_be_named_says_why(own_kernel: Kernel) -> None:
    own_kernel.run("api_key = 'k'\nclass Bad:\n    def _repr_png_(self): raise ValueError('no')\nbad = Bad()")
    assert "'gone'" in told(own_kernel, "value('gone')")["error"]
    assert "api_key" in told(own_kernel, "value('api_key')")["error"]
    assert "ValueError: no" in told(own_kernel, "value('bad')")["error"]


def test_asking_leaves_no_trace(own_kernel: Kernel) -> None:
    own_kernel.run("n = 3")
    before = own_kernel.value("len(In)")
    told(own_kernel, "names()")
    assert own_kernel.value("len(In)") == before
