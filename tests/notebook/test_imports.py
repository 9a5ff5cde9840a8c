"""What `import jupyter_durable_chat` costs a kernel, and how a process that used it ends."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jupyter_durable_chat
from benchmarks.imports import measure
from tests.browser.jupyter import Jupyter

SERVERS = ("httpx2", "pydantic_ai", "pydantic", "jupyter_server", "tornado.web", "sqlite3", "mistune", "anywidget")


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment)


def loaded(code: str) -> set[str]:
    done = run(
        f"import sys; {code}; print(*sys.modules)", PYTHONPATH=str(Path(jupyter_durable_chat.__file__).parents[1])
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_package_alone_loads_nothing() -> None:
    extra = loaded("import jupyter_durable_chat") - loaded("import importlib, typing")
    assert extra == {"jupyter_durable_chat"}


def test_chat_loads_nothing_of_the_server() -> None:
    beyond = loaded("import jupyter_durable_chat; jupyter_durable_chat.Chat") - loaded("import anywidget")
    big = {name for name in beyond if name.startswith(SERVERS)}
    assert not big
    assert {name.partition(".")[0] for name in beyond} <= {
        "jupyter_durable_chat",
        "msgspec",
        "typing_extensions",
    } | sys.stdlib_module_names


def test_chat_costs_little_beyond_anywidget() -> None:
    """On any machine: less than anywidget itself by far. The figure in milliseconds is printed by the benchmark."""
    costs = measure(rounds=5)
    assert costs.beyond < costs.anywidget / 2


def test_the_versions_agree() -> None:
    project = Path(jupyter_durable_chat.__file__).parents[1] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == jupyter_durable_chat.__version__


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Chta'"):
        jupyter_durable_chat.Chta  # noqa: B018
    assert "Chat" in dir(jupyter_durable_chat)


def test_a_process_ends_quietly_while_an_answer_streams(jupyter: Jupyter, token: str) -> None:
    code = """
from jupyter_durable_chat import Chat
chat = Chat(agent="paced")
turn = chat.send("500 words at 50 per second")
for piece in turn:
    break
"""
    done = run(
        code,
        PYTHONPATH=str(Path(jupyter_durable_chat.__file__).parents[1]),
        JUPYTER_DURABLE_CHAT_URL=f"{jupyter.url}durable-chat/",
        JUPYTER_DURABLE_CHAT_TOKEN=token,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
