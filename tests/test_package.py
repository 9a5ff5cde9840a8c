"""The built distributions: a clean checkout builds on a machine without Node, and what comes out needs none."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GENERATED = shutil.ignore_patterns(".git", ".venv", "node_modules", "static", "labextension", "dist", "__pycache__")
UV = Path(sys.executable).with_name("uv")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*command: str | Path, cwd: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


@pytest.fixture(scope="module")
def without_node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment whose PATH has a shell and no Node."""
    path = tmp_path_factory.mktemp("bin")
    for tool in ("sh", "env"):
        path.joinpath(tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool} on this machine"))
    return {**os.environ, "PATH": str(path)}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory, without_node: dict[str, str]) -> Path:
    """The sdist, built from a copy of the sources, and the wheel, built from that sdist."""
    source = tmp_path_factory.mktemp("checkout") / "source"
    shutil.copytree(ROOT, source, ignore=GENERATED)
    run(UV, "build", "--python", sys.executable, cwd=source, env=without_node)
    return source / "dist"


def test_sdist_holds_sources_only(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"hatch_build.py", "js/package-lock.json", "jupyter_durable_chat/events.py", "LICENSE"} <= names
    assert not [name for name in names if "node_modules" in name or "/static/" in name or "/labextension/" in name]


def test_wheel_holds_the_front_end(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    data = next(name.partition("/")[0] for name in names if ".data/" in name) + "/data"
    for wanted in (
        "jupyter_durable_chat/static/manifest.json",
        "jupyter_durable_chat/static/widget.js",
        "jupyter_durable_chat/labextension/package.json",
        f"{data}/share/jupyter/labextensions/jupyter-durable-chat/package.json",
        f"{data}/share/jupyter/labextensions/jupyter-durable-chat/install.json",
        f"{data}/etc/jupyter/jupyter_server_config.d/jupyter_durable_chat.json",
    ):
        assert wanted in names


def test_an_installed_wheel_is_enabled_in_the_server_and_in_jupyterlab(
    dist: Path, without_node: dict[str, str], tmp_path: Path
) -> None:
    (wheel,) = dist.glob("*.whl")
    locked = run(UV, "export", "--frozen", "--all-groups", "--no-hashes", "--no-emit-project", cwd=ROOT, env=os.environ)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(locked)
    run(UV, "venv", "--python", sys.executable, "venv", cwd=tmp_path, env=without_node)
    python = tmp_path / "venv" / "bin" / "python"
    run(
        *(UV, "pip", "install", "--python", python, "--constraint", constraints, wheel, "jupyterlab"),
        cwd=tmp_path,
        env=without_node,
    )
    homeless = {**without_node, "HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    jupyter = python.with_name("jupyter")
    server = run(jupyter, "server", "extension", "list", cwd=tmp_path, env=homeless)
    assert "jupyter_durable_chat enabled" in server
    assert "jupyter_durable_chat 0.1.0 OK" in " ".join(server.split())
    lab = run(jupyter, "labextension", "list", cwd=tmp_path, env=homeless)
    assert "jupyter-durable-chat v0.1.0 enabled" in lab
