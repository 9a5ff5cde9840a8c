"""The distributions: what is in them, and that they are built without a Node of the machine, and everywhere alike.

What a clean checkout becomes is built once, and tried on a machine that has no Node.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GENERATED = shutil.ignore_patterns(
    ".git", ".venv", ".nox", "node_modules", "static", "labextension", "dist", "__pycache__"
)
UV = Path(sys.executable).with_name("uv")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSION = PROJECT["version"]
NAME = f"jupyter_durable_chat-{VERSION}"
DATA = f"{NAME}.data/data"
LABEXTENSION = f"{DATA}/share/jupyter/labextensions/jupyter-durable-chat"
INFO = f"{NAME}.dist-info"
SBOM = f"{INFO}/sboms/front-end.cdx.json"

# What is in both of them; `*` stands for a part of a name, `**` for anything.
PACKAGE = """
    jupyter_durable_chat/**.py
    jupyter_durable_chat/event_schemas/**.yaml
    jupyter_durable_chat/static/*.js
    jupyter_durable_chat/static/manifest.json
    jupyter_durable_chat/static/licenses.txt
    jupyter_durable_chat/labextension/package.json
    jupyter_durable_chat/labextension/schemas/jupyter-durable-chat/sessions.json
    jupyter_durable_chat/labextension/schemas/jupyter-durable-chat/package.json.orig
    jupyter_durable_chat/labextension/static/*.js
    jupyter_durable_chat/labextension/static/third-party-licenses.json
"""
SDIST = f"""
    {PACKAGE}
    PKG-INFO LICENSE README.md CHANGELOG.md CITATION.cff .gitignore pyproject.toml hatch_build.py
    jupyter-config/install.json
    jupyter-config/server-config/jupyter_durable_chat.json
    js/package.json js/package-lock.json js/tsconfig.json
    js/build.mjs js/build.options.mjs js/sbom.mjs js/labextension.config.cjs
    js/schema/sessions.json
    js/src/**.ts js/src/**.tsx js/src/**.css
    js/dist/front-end.cdx.json
"""
WHEEL = f"""
    {PACKAGE}
    {LABEXTENSION}/package.json
    {LABEXTENSION}/install.json
    {LABEXTENSION}/schemas/jupyter-durable-chat/sessions.json
    {LABEXTENSION}/schemas/jupyter-durable-chat/package.json.orig
    {LABEXTENSION}/static/*.js
    {LABEXTENSION}/static/third-party-licenses.json
    {DATA}/etc/jupyter/jupyter_server_config.d/jupyter_durable_chat.json
    {INFO}/METADATA {INFO}/WHEEL {INFO}/RECORD {INFO}/entry_points.txt
    {INFO}/licenses/LICENSE
    {SBOM}
"""

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


@pytest.fixture
def sdist(dist: Path) -> Path:
    return dist / f"{NAME}.tar.gz"


@pytest.fixture
def wheel(dist: Path) -> Path:
    return dist / f"{NAME}-py3-none-any.whl"


def test_everything_that_belongs_into_an_sdist_is_in_it_and_nothing_else(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        assert_is(SDIST, {member.name.removeprefix(f"{NAME}/") for member in archive if member.isfile()})


def test_everything_that_belongs_into_a_wheel_is_in_it_and_nothing_else(wheel: Path) -> None:
    assert_is(WHEEL, set(zipfile.ZipFile(wheel).namelist()))


def assert_is(wanted: str, names: set[str]) -> None:
    """Each name is wanted, and each that is wanted has one."""
    patterns = {pattern: re.compile(_regex(pattern)) for pattern in wanted.split()}
    assert not [pattern for pattern, regex in patterns.items() if not any(map(regex.fullmatch, names))]
    assert not [name for name in names if not any(regex.fullmatch(name) for regex in patterns.values())]


def _regex(pattern: str) -> str:
    return re.escape(pattern).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")


def test_a_wheel_has_the_same_bytes_wherever_and_whenever_it_is_built(
    sdist: Path, wheel: Path, without_node: dict[str, str], tmp_path: Path
) -> None:
    # From the sdist: there is no npm, and nothing in the environment to build with but hatchling.
    previous = os.umask(0o077)
    try:
        elsewhere = {**without_node, "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
        run(
            UV,
            "build",
            "--wheel",
            "--python",
            sys.executable,
            "--out-dir",
            tmp_path,
            sdist,
            cwd=tmp_path,
            env=elsewhere,
        )
    finally:
        os.umask(previous)
    assert digest(tmp_path / wheel.name) == digest(wheel)
    # The front end of this checkout was built in another folder, at another time.
    built = zipfile.ZipFile(wheel)
    here = {
        path for folder in ("static", "labextension") for path in (ROOT / "jupyter_durable_chat" / folder).rglob("*")
    }
    assert not [
        path for path in here if path.is_file() and built.read(str(path.relative_to(ROOT))) != path.read_bytes()
    ]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_index_will_take_them(sdist: Path, wheel: Path) -> None:
    command = (sys.executable, "-m", "twine", "--no-color", "check", "--strict", sdist, wheel)
    assert run(*command, cwd=sdist.parent, env=os.environ).count("PASSED") == 2


def test_a_wheel_says_which_npm_packages_are_in_it(wheel: Path) -> None:
    built = zipfile.ZipFile(wheel)
    sbom = json.loads(built.read(SBOM))
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.5")
    locked = json.loads((ROOT / "js" / "package-lock.json").read_text())["packages"]
    parts = {(part["name"], part["version"]): part for part in sbom["components"]}
    licensed = re.findall(
        r"^=+\n(\S+) (\S+) \(", built.read("jupyter_durable_chat/static/licenses.txt").decode(), re.MULTILINE
    )
    assert {"preact", "marked", "dompurify", "mermaid"} <= {name for name, _ in parts}
    assert parts.keys() == set(licensed)
    assert parts.keys() <= {(path.rpartition("node_modules/")[2], each["version"]) for path, each in locked.items()}
    assert all(part["purl"].startswith("pkg:npm/") and part["hashes"] for part in parts.values())
    # khroma has its licence in a file only.
    assert {name for (name, _), part in parts.items() if "licenses" not in part} <= {"khroma"}


def test_all_files_say_the_same_version() -> None:
    said = {
        "js/package.json": json.loads((ROOT / "js" / "package.json").read_text())["version"],
        "CITATION.cff": re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[0],
        "CHANGELOG.md": re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0],
    }
    assert said == dict.fromkeys(said, VERSION)


def test_an_installed_wheel_is_enabled_in_the_server_and_in_jupyterlab(
    wheel: Path, without_node: dict[str, str], tmp_path: Path
) -> None:
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
    assert f"jupyter_durable_chat {VERSION} OK" in " ".join(server.split())
    lab = run(jupyter, "labextension", "list", cwd=tmp_path, env=homeless)
    assert f"jupyter-durable-chat v{VERSION} enabled" in lab
