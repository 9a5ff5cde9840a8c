"""Where this process runs notebooks: what is known of the kernel, the notebook and who looks at it."""

import os
import sys
import threading
import uuid
from pathlib import Path
from typing import Any


def kernel_id() -> str | None:
    """The id under which the Jupyter server started this kernel: its connection file is named after it."""
    kernelapp = sys.modules.get("ipykernel.kernelapp")
    if kernelapp is None or not kernelapp.IPKernelApp.initialized():
        return None
    name = Path(kernelapp.IPKernelApp.instance().connection_file).stem
    return name.removeprefix("kernel-") if name.startswith("kernel-") else None


def notebook() -> str | None:
    """The file of the notebook or script that runs here, from the root of its drive; `None` for none, and for an app.

    VS Code names it in the kernel, Jupyter in the environment, and marimo is a module with a file, as a script is.
    """
    if is_app():
        return None
    ipython = sys.modules.get("IPython")
    if shell := ipython and ipython.get_ipython():
        named = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    else:
        named = getattr(sys.modules.get("__main__"), "__file__", None)
    file = Path(str(named or "")).absolute()
    return file.relative_to(file.anchor).as_posix() if named and file.is_file() else None


def is_marimo() -> bool:
    """Whether this runs in a marimo notebook or app."""
    marimo = _marimo()
    return marimo is not None and marimo.running_in_notebook()


def visitor() -> str:
    """Who looks at this: in a marimo app everybody has a notebook of their own, in a thread of this process."""
    return _visitor.id if is_app() else ""


def is_app() -> bool:
    """Whether this process runs one marimo notebook for many people."""
    marimo = _marimo()
    return marimo is not None and marimo.running_in_notebook() and marimo.app_meta().mode == "run"


def _marimo() -> Any:
    return sys.modules.get("marimo")


class _Visitor(threading.local):
    def __init__(self) -> None:
        self.id = uuid.uuid4().hex


_visitor = _Visitor()
