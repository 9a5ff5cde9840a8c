"""What is written about the product is true."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

from scripts.settings import PAGE, page

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"


def test_every_setting_is_documented() -> None:
    assert PAGE.read_text() == page(), "run: python scripts/settings.py"


def test_every_test_that_a_page_names_is_there() -> None:
    named = {name for path in DOCS.rglob("*.md") for name in re.findall(r"`(test_\w+)`", path.read_text())}
    there = {name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    assert len(named) > 20 and named <= there, sorted(named - there)


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
