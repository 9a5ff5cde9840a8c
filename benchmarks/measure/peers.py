"""Other renderers, in an npm package of their own: fetched as their lock file says, and built, when they are needed."""

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "peers"
DIST = FOLDER / "dist"
PEERS = ("streamdown", "react-markdown")


def build() -> None:
    # npm and Node are a Python package here.
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run(["npm", "ci"], cwd=FOLDER, env=environment, check=True, stdout=subprocess.DEVNULL)
        installed.touch()
    subprocess.run(["node", "build.mjs"], cwd=FOLDER, env=environment, check=True)
