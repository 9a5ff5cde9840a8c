"""What is written about the product is true."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from traitlets.config import Config

from jupyter_durable_chat import events
from jupyter_durable_chat.notebook.magics import ChatMagics
from jupyter_durable_chat.server.extension import DurableChat
from jupyter_durable_chat.server.handler import _STATUS
from jupyter_durable_chat.server.openapi import DESCRIBED, document
from jupyter_durable_chat.store.command import DurableChatCommand
from jupyter_durable_chat.worker.command import WorkerCommand
from scripts.settings import PAGE, page
from tests import written

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
JS = TESTS.parent / "js"


def test_every_setting_is_documented() -> None:
    assert PAGE.read_text() == page(), "run: python scripts/settings.py"


def test_every_test_that_a_page_names_is_there() -> None:
    named = {name for path in DOCS.rglob("*.md") for name in re.findall(r"`(test_\w+)`", path.read_text())}
    there = {name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert len(named) > 20 and named <= there, sorted(named - there)


def test_every_route_is_documented() -> None:
    paths = document("/", DESCRIBED)["paths"]
    routes = {f"`{method.upper()} {path}`" for path, methods in paths.items() for method in methods}
    assert len(routes) > 40
    assert not missing(routes, "protocol.md")


def test_every_type_of_event_is_documented() -> None:
    types = {kind.__struct_config__.tag for kind in below(events.Event)} - {None}
    assert "text-delta" in types and "turn-noticed" in types
    assert not missing({f"`{tag}`" for tag in types if re.fullmatch(r"[a-z-]+", str(tag))}, "protocol.md")


def test_every_option_of_the_magic_is_documented() -> None:
    options = re.findall(r"--\w+", ChatMagics.chat.parser.format_help())  # type: ignore[attr-defined]
    assert "--session" in options and not missing({f"`{option}" for option in options}, "cells.md")


def test_every_key_is_documented() -> None:
    table = re.search(r"shortcuts: \[\n(.*?)\n  \] as", (JS / "src" / "words" / "late.ts").read_text(), re.DOTALL)
    assert table
    keys = re.findall(r"\['(.+?)', '(.+?)'\]", table[1])
    assert len(keys) == table[1].count("\n") + 1
    assert not missing({f"| {key} | {what} |" for key, what in keys}, "cells.md")


def test_every_command_and_setting_of_jupyterlab_is_documented() -> None:
    commands = re.findall(r"'jupyter-durable-chat:([\w-]+)'", (JS / "src" / "lab" / "commands.ts").read_text())
    settings = json.loads((JS / "schema" / "sessions.json").read_text())["properties"]
    assert commands and settings
    assert not missing({f"`{name}`" for name in (*commands, *settings)}, "panel.md")


def test_every_command_of_the_shell_is_documented() -> None:
    commands = {f"jupyter durable-chat {name}" for name in DurableChatCommand.subcommands}  # type: ignore
    assert not missing(commands, "storage.md", "workers.md")
    assert not missing({f"--{alias}" for alias in WorkerCommand.aliases}, "storage.md", "workers.md")


def test_every_end_and_every_refusal_is_documented() -> None:
    package = (TESTS.parent / "jupyter_durable_chat").rglob("*.py")
    codes = {code for path in package for code in re.findall(r"ApiError\(\d+, \"([a-z-]+)\"", path.read_text())}
    codes |= {code for _, code in _STATUS.values()}
    assert len(codes) > 20
    ends = {*get_args(events.Outcome), *get_args(events.Category)}
    assert not missing({f"`{word}`" for word in codes | ends}, "failures.md")


def test_every_setting_that_is_named_is_one() -> None:
    settings = DurableChat.class_trait_names(config=True)
    pages = {page.name: page.read_text() for page in written.PAGES}
    named = {(page, name) for page, text in pages.items() for name in re.findall(r"DurableChat\.(\w+) ?=", text)}
    assert len(named) > 20 and not {(page, name) for page, name in named if name not in settings}


@pytest.mark.parametrize("block", [block for block in written.blocks() if block.configures and not block.why], ids=str)
def test_what_is_to_be_configured_can_be(block: written.Block) -> None:
    c = Config()
    exec(block.code, {"c": c})
    assert list(c) == ["DurableChat"]
    DurableChat(config=c)  # raises for a value of another type


def test_every_command_that_is_named_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (TESTS.parent / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(page.read_text() for page in written.PAGES) + (TESTS.parent / "CONTRIBUTING.md").read_text()
    lines = re.findall(r"(?:^|`)(make|jupyter durable-chat|python) ([\w./-]+)", text, re.MULTILINE)
    assert len(lines) > 20
    for program, what in lines:
        match program:
            case "make":
                assert what in targets, what
            case "python":
                assert what == "-i" or (TESTS.parent / what).is_file(), what
            case _:
                assert what in DurableChatCommand.subcommands, what


def missing(wanted: set[str], *pages: str) -> list[str]:
    """What none of these pages says."""
    said = "".join((DOCS / page).read_text() for page in pages)
    return sorted(text for text in wanted if text not in said)


def below(kind: type) -> Iterator[Any]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


def test_the_site_is_built_without_a_warning_and_has_its_pictures(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    built = subprocess.run([*command, DOCS, tmp_path], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    missing = {(page.name, file) for page in tmp_path.rglob("*.html") for file in _Files.of(page) if not file.is_file()}
    assert not missing


class _Files(HTMLParser):
    """The files of the site that a page shows; nothing is fetched from elsewhere."""

    @classmethod
    def of(cls, page: Path) -> list[Path]:
        self = cls()
        self.feed(page.read_text())
        assert not any("//" in name for name in self.names), self.names
        return [page.parent / name.partition("?")[0] for name in self.names]

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("img", "source", "script", "link"):
            self.names += [value or "" for name, value in attrs if name in ("src", "srcset", "href") and value != "#"]
