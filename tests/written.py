"""The code that stands in the documentation: fenced blocks of Markdown, as a reader would take them."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

CONFIGURES = "# jupyter_server_config.py"
_FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>[^\n]+) -->\n)?^```(?P<language>[\w{}-]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    page: str
    language: str
    code: str
    why: str | None
    """Why nobody runs it, if so."""

    @property
    def configures(self) -> bool:
        return self.code.startswith(CONFIGURES)

    @property
    def runs(self) -> bool:
        is_cell = self.language == "python" or self.code.startswith("%%chat")
        return is_cell and not self.configures and self.why is None


def blocks() -> list[Block]:
    return [
        Block(str(page.relative_to(ROOT)), found["language"], found["code"], found["why"])
        for page in PAGES
        for found in _FENCE.finditer(page.read_text())
    ]
