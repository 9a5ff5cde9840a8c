"""What can be installed together with other chats of Jupyter, asked of the resolver: the table of docs/versions.md.

The core has to go with each of them, or this fails. What an extra of ours conflicts with is only said, with the
resolver's reason. Each other chat is held at the version that one gets of it alone: else an old one might be found.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent

OTHERS = {
    "jupyter-ai": "",
    "jupyter-ai-jupyternaut": "",
    "jupyter-ai[all]": "<3",
    "notebook-intelligence": "",
}

LINES = 8
"""Of a reason, the end: the whole may be thousands."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE: list[str] = PROJECT["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


class Conflict(Exception):
    """The resolver's reason."""


def resolve(*requirements: str) -> dict[str, str]:
    """The version of each package that one would get."""
    command = [
        "uv",
        "pip",
        "compile",
        "--no-annotate",
        "--no-header",
        "--quiet",
        "--color=never",
        "--python-version=3.11",
        "-",
    ]
    done = subprocess.run(command, input="\n".join(requirements), capture_output=True, text=True)
    if done.returncode:
        raise Conflict(done.stderr.strip())
    return dict(line.split("==") for line in done.stdout.split() if "==" in line)


def main() -> int:
    reasons: dict[tuple[str, str], str] = {}
    print("| beside | core |", *(f"`{extra}` |" for extra in EXTRAS))
    print("|---|---|" + "---|" * len(EXTRAS))
    for other, versions in OTHERS.items():
        held = f"{other}=={resolve(other + versions)[other.partition('[')[0]]}"
        row = []
        for extra, needs in {"core": [], **EXTRAS}.items():
            try:
                resolve(*CORE, *needs, held)
                row.append("yes")
            except Conflict as conflict:
                row.append("no")
                reasons[held, extra] = str(conflict)
        print(f"| {held.replace('==', ' ')} |", *(f"{cell} |" for cell in row), flush=True)
    for (held, extra), reason in reasons.items():
        print(f"\n{held} and {extra}:", *reason.splitlines()[-LINES:], sep="\n")
    return int(any(extra == "core" for _, extra in reasons))


if __name__ == "__main__":
    sys.exit(main())
