"""Others, each as its lock file says: fetched, and built, when they are needed. Nothing of them is in the product.

Renderers are an npm package of their own, and so is the reference server of Durable Streams; jupyter-chat is in a
folder of its own, where no server looks.
"""

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "peers"
DIST = FOLDER / "dist"
PEERS = ("streamdown", "react-markdown")

PROTOCOL = FOLDER / "protocol"
CHAT = Path(sys.prefix) / "jupyter-chat"


def build() -> None:
    """The renderers, in `DIST`."""
    _fetch(FOLDER)
    subprocess.run(["node", "build.mjs"], cwd=FOLDER, env=environment(), check=True)


def fetch_server() -> None:
    """The reference server, in `PROTOCOL`."""
    _fetch(PROTOCOL)


def fetch_chat() -> None:
    """jupyter-chat and what its documents are made of, in `CHAT`."""
    pinned, installed = PROTOCOL / "requirements.txt", CHAT / ".installed"
    if not _is_older(installed, pinned):
        return
    command = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", str(CHAT), "--python", sys.executable]
    subprocess.run([*command, "--requirements", str(pinned)], env=environment(), check=True)
    installed.touch()


def environment() -> dict[str, str]:
    # npm and Node are a Python package here, and so is uv.
    return {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def _fetch(folder: Path) -> None:
    installed = folder / "node_modules" / ".package-lock.json"
    if _is_older(installed, folder / "package-lock.json"):
        subprocess.run(["npm", "ci"], cwd=folder, env=environment(), check=True, stdout=subprocess.DEVNULL)
        installed.touch()


def _is_older(installed: Path, wanted: Path) -> bool:
    return not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime
