"""The server that a kernel starts where no Jupyter server with us has started it, as it can be found in its folder."""

import contextlib
import json
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.browser.jupyter import AGENTS


class Standalone:
    """`folder` has Jupyter's folders `config`, `data` and `runtime`, and is where the paced agent looks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        config = folder / "config" / "jupyter_server_config.json"
        config.parent.mkdir(exist_ok=True)
        config.write_text(json.dumps({"DurableChat": {"agents": AGENTS}}))

    @property
    def address(self) -> dict[str, Any]:
        """Where it says that it is."""
        (file,) = (self._folder / "runtime").glob("durable-chat-*.json")
        return json.loads(file.read_text())

    def transcript(self, session: str) -> dict[str, Any]:
        return self._get(f"api/sessions/{session}")

    def events(self, session: str) -> list[dict[str, Any]]:
        return self._get(f"api/sessions/{session}/events?after=0&limit=1000")["events"]

    def demand(self) -> None:
        """Have the paced agent give the rest of its answers, quickly."""
        (self._folder / "demanded").touch()

    def ask_for_less(self) -> None:
        """Have it hold back again."""
        (self._folder / "demanded").unlink()

    def close(self) -> None:
        with contextlib.suppress(ValueError, psutil.NoSuchProcess):  # there may be none
            process = psutil.Process(self.address["pid"])
            process.kill()
            psutil.wait_procs([process], 10)

    def _get(self, path: str) -> Any:
        address = self.address
        headers = {"Authorization": f"token {address['token']}", "Accept": "application/json"}
        return httpx2.get(address["url"] + path, headers=headers, timeout=60).raise_for_status().json()
