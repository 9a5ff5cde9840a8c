"""What is written about the product is true."""

import re
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
