"""All tools of a server: named, brought by packages, offered by MCP servers; what is not there says why."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat.tools.catalog import GROUP, Tools
from jupyter_durable_chat.tools.function import FunctionTool, tool
from tests.tools.recorder import Recorder

SERVER = Path(__file__).with_name("mcp_server.py")

MODULE = '''
from jupyter_durable_chat.tools.function import FunctionTool, tool

def one(a: int) -> int:
    """The first."""
    return a

@tool(approval="once", read_only=True)
def two() -> int:
    return 2

class Group:
    @staticmethod
    def three() -> int:
        return 3

both = [one, FunctionTool(two, name="second")]
nothing = 3
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "some_tools.py").write_text(MODULE)
    (tmp_path / "broken_tools.py").write_text("1 / 0")
    info = tmp_path / "brings-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brings\nVersion: 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("some_tools", "broken_tools"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return info


def described(tools: Tools) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in tools.describe()}


@pytest.mark.usefixtures("package")
async def test_tools_are_named_by_path() -> None:
    tools = Tools(["some_tools:both", "some_tools:Group.three"])
    assert described(tools)["both"]["why"] == "It is not loaded yet."
    assert "some_tools" not in sys.modules

    found = await tools.all()

    assert list(found) == ["one", "second", "three"]
    assert await found["one"].call({"a": 1}, Recorder()) == 1
    assert described(tools)["second"] == {
        "name": "second",
        "description": "",
        "origin": "some_tools:both",
        "approval": "once",
        "read_only": True,
        "available": True,
        "why": None,
    }
    await tools.aclose()


async def test_a_package_brings_tools_and_a_person_is_asked_before_they_run(package: Path) -> None:
    (package / "entry_points.txt").write_text(f"[{GROUP}]\nmore = some_tools:both\n")
    tools = Tools()
    found = await tools.all()

    assert {name: one.approval for name, one in found.items()} == {"one": "always", "second": "once"}
    assert found["one"].origin == "some_tools:both of brings"


@pytest.mark.usefixtures("package")
async def test_what_cannot_be_loaded_says_why_and_the_rest_works() -> None:
    tools = Tools(
        ["some_tools:one", "some_tools:missing", "no_such_module_here:f", "broken_tools:f", "some_tools:nothing"]
    )

    assert list(await tools.all()) == ["one"]
    why = {one["name"]: one["why"] for one in tools.describe()}
    assert why["one"] is None
    assert "no attribute 'missing'" in why["missing"]
    assert any("No module named 'no_such_module_here'" in one["why"] for one in tools.describe() if one["why"])
    assert any("ZeroDivisionError" in one["why"] for one in tools.describe() if one["why"])
    assert "is a int: no tool" in why["nothing"]


async def test_the_first_of_a_name_keeps_it(caplog: pytest.LogCaptureFixture) -> None:
    def ask_user() -> None: ...

    tools = Tools([FunctionTool(lambda: 1, name="f", origin="here"), FunctionTool(lambda: 2, name="f"), ask_user])
    found = await tools.all()
    await tools.all()

    assert await found["f"].call({}, Recorder()) == 1
    assert list(found) == ["f"]
    why = [(one["name"], one["why"]) for one in tools.describe() if not one["available"]]
    assert why == [
        ("f", "here has a tool of the name 'f'."),
        ("ask_user", "the chat itself has a tool of the name 'ask_user'."),
    ]
    assert caplog.text.count("is left out") == 2


async def test_the_configuration_says_when_a_person_is_asked() -> None:
    @tool(approval="never")
    def f() -> None: ...

    tools = Tools([f], approvals={"f": "always"})

    assert tools.approval((await tools.all())["f"]) == "always"
    assert described(tools)["f"]["approval"] == "always"


async def test_a_server_that_is_down_leaves_out_its_tools_only(tmp_path: Path) -> None:
    up = {"command": sys.executable, "args": [str(SERVER)], "env": {"NOTES": str(tmp_path / "notes")}}
    tools = Tools(
        [FunctionTool(lambda: 1, name="f")],
        {"up": up, "down": {"command": "no-such-command-here"}},
        {"up_add": "never"},
    )
    assert described(tools)["up"]["why"] == "It was not asked yet."

    found = await tools.all()
    while "up_add" not in found:  # a machine may be busy: it goes on starting meanwhile
        found = await tools.all()

    assert {"f", "up_add", "up_pid"} <= found.keys()
    assert (tools.approval(found["up_add"]), tools.approval(found["up_pid"])) == ("never", "always")
    told = described(tools)
    assert (told["up_add"]["available"], told["down"]["available"]) == (True, False)
    assert "'no-such-command-here' is not found" in told["down"]["why"]
    await tools.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"functions": ["some_tools"]}, "'some_tools' names no tool"),
        ({"functions": ["some tools:f"]}, "'some tools:f' names no tool"),
        ({"servers": {"s": {"comand": "x"}}}, "`comand`"),
        ({"approvals": {"f": "perhaps"}}, "The approval of 'f' is 'perhaps'"),
    ],
)
def test_a_wrong_setting_is_quoted(settings: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Tools(**settings)
