"""Tools that every notebook can offer: `Chat(tools=["list_variables", "run_code"])`, or `tools="all"`.

None is offered by itself, and each asks a person before every call: what they tell goes to the model's provider. No
value of a variable whose name looks like a secret is among it.
"""

import asyncio
import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from jupyter_durable_chat.notebook.attach import cell_output
from jupyter_durable_chat.notebook.client import ChatError
from jupyter_durable_chat.notebook.follower import connect
from jupyter_durable_chat.notebook.interrupt import interruptible
from jupyter_durable_chat.notebook.result import Shown
from jupyter_durable_chat.notebook.tools import KernelTool, ToolContext, kernel_tool
from jupyter_durable_chat.notebook.values import is_secret, is_table, repr_of, shortened, size_of

VARIABLES = 200
REPR = 80
CELLS = 50_000
"""Characters of a whole notebook."""

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def list_variables() -> list[dict[str, str]]:
    """List the variables of the notebook: name, type, size and the beginning of the value."""
    hidden = set(getattr(_shell(), "user_ns_hidden", ()))
    names = [
        n for n in _names() if not n.startswith("_") and n not in hidden and n not in ("In", "Out", "exit", "quit")
    ]
    return [_listed(name, _names()[name]) for name in names[:VARIABLES]]


def _listed(name: str, value: Any) -> dict[str, str]:
    listed = {"name": name, "type": type(value).__name__}
    if not callable(value) and (size := size_of(value)):
        listed["size"] = size
    if is_secret(name):
        listed["value"] = "[not shown: by its name it may be a secret]"
    elif not is_table(value):
        listed["value"] = repr_of(value, REPR)
    return listed


def describe_dataframe(name: str) -> str:
    """Describe a pandas DataFrame: its columns with types and missing values, the first rows, and statistics.

    :param name: the name of a variable that holds a DataFrame or a Series
    """
    names = _names()
    if name not in names:
        raise ValueError(f"There is no variable {name!r}.")
    table = names[name]
    if not is_table(table):
        raise ValueError(f"{name} is no DataFrame, it is a {type(table).__name__}.")
    frame = table.to_frame() if hasattr(table, "to_frame") else table
    columns = [
        f"{column}: {dtype}, {missing} missing"
        for (column, dtype), missing in zip(frame.dtypes.items(), frame.isna().sum(), strict=True)
    ]
    statistics = frame.describe(include="all").to_csv() if len(frame.columns) and len(frame) else ""
    pieces = [f"{name}: {size_of(table)}", "\n".join(columns[:200]), f"First rows:\n{frame.head().to_csv()}"]
    return shortened("\n\n".join([*pieces, f"Statistics:\n{statistics}"] if statistics else pieces))


async def run_code(code: str) -> Shown:
    """Run Python code in the notebook's kernel, with its variables. Gives what it prints, shows and draws, the value of
    its last expression, or its error.

    :param code: the code, as in a cell of the notebook; magics and top-level await work too
    """
    shell = _shell()
    if shell is None:
        raise ValueError("Code is run in IPython only.")
    with _unseen(shell) as unseen:
        transformed = shell.transform_cell(code)
        if shell.should_run_async(code, transformed_cell=transformed):
            result = await shell.run_cell_async(code, transformed_cell=transformed)
            shell.events.trigger("post_execute")
            shell.events.trigger("post_run_cell", result)
        else:
            with interruptible():
                result = shell.run_cell(code)
    if isinstance(result.error_in_exec, (KeyboardInterrupt, asyncio.CancelledError)):
        raise result.error_in_exec
    return Shown("\n".join(unseen.errors), unseen.last)


class _Unseen:
    """What code failed with, and the last value that it gave."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.last: Any = None


@contextlib.contextmanager
def _unseen(shell: Any) -> Iterator[_Unseen]:
    """Have values and errors of code go where a call's displays go, and not under the last cell."""
    from IPython.core.displayhook import CapturingDisplayHook

    unseen = _Unseen()
    show = CapturingDisplayHook(shell, shell.display_pub.outputs)

    def show_error(kind: Any, value: Any, lines: list[str]) -> None:
        unseen.errors.append(shortened(_ANSI.sub("", "\n".join(lines))))

    def show_value(value: Any = None) -> None:
        unseen.last = value
        show(value)

    # There is no public way to see tracebacks of syntax errors too.
    shell._showtraceback = show_error
    try:
        # Inside of it the shell no longer sets a hook of its own.
        with shell.display_trap:
            before, sys.displayhook = sys.displayhook, show_value
            try:
                yield unseen
            finally:
                sys.displayhook = before
    finally:
        del shell._showtraceback


def read_notebook(context: ToolContext) -> str:
    """Read the cells of the notebook: their code and text, and what they printed and gave."""
    path = _notebook_file(context.session)
    if path is None:
        return _from_history()
    saved = datetime.fromtimestamp(path.stat().st_mtime).isoformat(" ", "seconds")
    cells = msgspec.json.decode(path.read_bytes())["cells"]
    told = [f"{path.name}, as it was saved at {saved}; what was changed since then is not in it."]
    for number, cell in enumerate(cells, 1):
        told.append(f"[{number}] {cell['cell_type']}:\n{_joined(cell['source'])}")
        if text := "\n".join(filter(None, map(_output_text, cell.get("outputs", ())))):
            told.append(f"output:\n{shortened(text, 2000)}")
    return shortened("\n\n".join(told), CELLS)


def _from_history() -> str:
    sources = _names().get("In") or []
    told = ["The notebook's file was not found. These are the cells that were run in this kernel, as they were run."]
    for number, source in enumerate(sources):
        if source.strip():
            told.append(f"In [{number}]:\n{source}")
            if output := cell_output(number):
                told.append(f"Out [{number}]:\n{shortened(output, 2000)}")
    return shortened("\n\n".join(told), CELLS)


def _notebook_file(session: str) -> Path | None:
    """The file of this session's notebook. Jupyter starts a kernel in the notebook's folder, or in the root."""
    try:
        path = connect().client.transcript(session)["notebook"]
    except ChatError:
        return None
    if not path:
        return None
    folder = Path.cwd()
    for root in (folder, *folder.parents):
        if (root / path).is_file():
            return root / path
    return None


def _output_text(output: dict[str, Any]) -> str:
    match output["output_type"]:
        case "stream":
            return _joined(output["text"])
        case "error":
            return f"{output['ename']}: {output['evalue']}"
    data = output.get("data", {})
    return _joined(data.get("text/plain", "")) or ", ".join(data)


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _names() -> dict[str, Any]:
    shell = _shell()
    return shell.user_ns if shell else vars(sys.modules["__main__"])


def _built_in(function: Callable[..., Any], *, read_only: bool) -> KernelTool:
    return kernel_tool(function, approval="always", read_only=read_only, idempotent=read_only)


BUILT_IN = {
    tool.name: tool
    for tool in (
        _built_in(list_variables, read_only=True),
        _built_in(describe_dataframe, read_only=True),
        _built_in(run_code, read_only=False),
        _built_in(read_notebook, read_only=True),
    )
}
