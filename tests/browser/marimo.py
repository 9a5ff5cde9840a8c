"""A real marimo on a machine without Jupyter: a notebook to edit, or an app, and the server that its kernel starts."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx2
import psutil

from tests.browser.jupyter import ROOT, free_port
from tests.browser.standalone import Standalone

NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    from jupyter_durable_chat import Chat

    chat = Chat(agent="paced")
    chat
    return


@app.cell
def _():
    import time
    from pathlib import Path

    while Path({busy!r}).exists():
        time.sleep(0.02)
    return


if __name__ == "__main__":
    app.run()
"""


class Marimo:
    def __init__(self, mode: Literal["edit", "run"], folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.busy = folder / "busy"
        notebook = folder / "notebook.py"
        notebook.write_text(NOTEBOOK.format(busy=str(self.busy)))
        (folder / "pyproject.toml").write_text("[tool.marimo.runtime]\nauto_instantiate = true\n")
        self.server = Standalone(folder)
        command = [sys.executable, "-m", "marimo", "--yes", mode, str(notebook), "--headless", "--no-token"]
        self._output = (folder / "output").open("w")
        self._process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(self.port)],
            cwd=folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        with httpx2.Client(transport=httpx2.HTTPTransport(retries=8), timeout=60) as http:
            http.get(f"{self.url}/health").raise_for_status()

    def close(self) -> None:
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait(20)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, 10)
        self.server.close()
        self._output.close()

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))}
        folders = {f"JUPYTER_{kind.upper()}_DIR": str(self.folder / kind) for kind in ("config", "data", "runtime")}
        home = {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder)}
        return {**kept, **folders, **home, "PYTHONPATH": str(ROOT), "PACED_AGENT": str(self.folder)}


@contextlib.contextmanager
def running_marimo(mode: Literal["edit", "run"], folder: Path) -> Iterator[Marimo]:
    marimo = Marimo(mode, folder)
    try:
        yield marimo
    finally:
        marimo.close()
        print(marimo.output)  # pytest shows it when the test has failed
