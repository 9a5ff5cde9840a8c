"""A real kernel that a real Jupyter server started for a notebook, and what it sends."""

import ast
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import nbformat
from jupyter_client.blocking.client import BlockingKernelClient

from tests.browser.jupyter import Jupyter

SECONDS = 30


class CellError(Exception):
    """A cell raised; the text is its traceback."""


class Kernel:
    """The kernel of one notebook. `comms` are the comm messages that its cells sent."""

    def __init__(self, jupyter: Jupyter, notebook: str) -> None:
        self._jupyter = jupyter
        self.comms: list[dict[str, Any]] = []
        body = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": "python3"}}
        session = self._ask("POST", "api/sessions", body).json()
        self.session: str = session["id"]
        self.id: str = session["kernel"]["id"]
        self._client = self._connected()

    def restart(self) -> None:
        self._client.stop_channels()
        self._ask("POST", f"api/kernels/{self.id}/restart")
        self._client = self._connected()

    def reconnect(self) -> None:
        """Return when the kernel answers that Jupyter has started by itself, in the place of one that died."""
        self._client.stop_channels()
        self._client = self._connected()

    def interrupt(self) -> None:
        self._ask("POST", f"api/kernels/{self.id}/interrupt")

    def close(self) -> None:
        self._client.stop_channels()
        self._ask("DELETE", f"api/sessions/{self.session}")

    def let_go(self) -> None:
        """It has gone with its server."""
        self._client.stop_channels()

    def run(self, code: str) -> list[Any]:
        """The outputs of a cell, as a notebook keeps them. Raises `CellError`."""
        return self.outputs(self.start(code))

    def start(self, code: str) -> str:
        """Begin to execute a cell; `outputs` waits for it."""
        # Otherwise the kernel also drops the cell that comes right after one that failed.
        return self._client.execute(code, stop_on_error=False)

    def until_busy(self) -> None:
        """Return when the cell that was started runs."""
        while self._client.get_iopub_msg(timeout=SECONDS)["msg_type"] != "execute_input":
            pass

    def until_printed(self) -> None:
        """Return when the cell that was started has printed something, so that an interrupt finds its code running."""
        while self._client.get_iopub_msg(timeout=SECONDS)["msg_type"] != "stream":
            pass

    def outputs(self, request: str) -> list[Any]:
        outputs: list[Any] = []
        deadline = time.monotonic() + SECONDS
        while True:
            message = self._client.get_iopub_msg(timeout=deadline - time.monotonic())
            kind, content = message["msg_type"], message["content"]
            if kind.startswith("comm_"):
                self.comms.append(message)
            if message["parent_header"].get("msg_id") != request:
                continue
            if kind == "error":
                raise CellError("\n".join(content["traceback"]))
            if kind == "status" and content["execution_state"] == "idle":
                return outputs
            if kind in ("stream", "display_data", "execute_result"):
                outputs.append(nbformat.v4.output_from_msg(message))

    def value(self, expression: str) -> Any:
        """The value of an expression in the kernel, for values that are literals."""
        return ast.literal_eval(self.evaluate(expression)["text/plain"])

    def evaluate(self, expression: str) -> dict[str, Any]:
        """The value of an expression as a MIME bundle, asked for as a page does it. Raises `CellError`."""
        request = self._client.execute("", silent=True, user_expressions={"value": expression}, stop_on_error=False)
        reply = self._client.get_shell_msg(timeout=SECONDS)
        while reply["parent_header"].get("msg_id") != request:
            reply = self._client.get_shell_msg(timeout=SECONDS)
        value = reply["content"]["user_expressions"]["value"]
        if value["status"] != "ok":
            raise CellError("\n".join(value["traceback"]))
        return value["data"]

    def tell_widget(self, model: str, data: dict[str, Any]) -> None:
        """Send what a page sends to a widget, and return when the kernel has done what it makes of it."""
        message = self._client.session.msg("comm_msg", {"comm_id": model, "data": data})
        self._client.shell_channel.send(message)
        self.outputs(message["header"]["msg_id"])

    def ask_widget(self, model: str, buffers: tuple[bytes, ...] = (), **content: Any) -> None:
        """Send what a page asks of a widget; `told` has what comes of it."""
        data = {"method": "custom", "content": content}
        message = self._client.session.msg("comm_msg", {"comm_id": model, "data": data})
        self._client.session.send(self._client.shell_channel.socket, message, buffers=list(buffers))

    def told(self) -> tuple[dict[str, Any], bytes]:
        """The next custom message of a widget to its pages, with its buffer, whatever else the kernel sends."""
        deadline = time.monotonic() + SECONDS
        while True:
            message = self._client.get_iopub_msg(timeout=deadline - time.monotonic())
            data = message["content"].get("data", {})
            if message["msg_type"] == "comm_msg" and data.get("method") == "custom":
                return data["content"], b"".join(bytes(buffer) for buffer in message["buffers"])

    def _ask(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """A call of Jupyter's own API."""
        url, headers = f"{self._jupyter.url}{path}", {"Authorization": f"token {self._jupyter.token}"}
        return httpx2.request(method, url, json=body, headers=headers, timeout=SECONDS).raise_for_status()

    def _connected(self) -> BlockingKernelClient:
        client = BlockingKernelClient(connection_file=str(self._jupyter.folder / "runtime" / f"kernel-{self.id}.json"))
        client.load_connection_file()
        # Without the heartbeat, which takes a kernel that is slow to start for a dead one.
        client.start_channels(hb=False)
        client.wait_for_ready(timeout=SECONDS)
        return client


@contextmanager
def running_kernel(jupyter: Jupyter, notebook: str) -> Iterator[Kernel]:
    kernel = Kernel(jupyter, notebook)
    try:
        yield kernel
    finally:
        kernel.close()
