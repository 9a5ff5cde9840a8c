"""What `import jupyter_durable_chat; jupyter_durable_chat.Chat` costs a kernel beyond `import anywidget`.

Both are measured in fresh interpreters, in turns, so that they see the same machine; in the processor's time, since the
files are cached and other programs are nobody's cost here. The least of all rounds counts, as in `timeit`.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent

ANYWIDGET = "import anywidget"
CHAT = "import anywidget, jupyter_durable_chat; jupyter_durable_chat.Chat"

LIMIT = 0.150
"""Seconds beyond anywidget that are promised."""


class Costs(NamedTuple):
    """Seconds."""

    anywidget: float
    chat: float

    @property
    def beyond(self) -> float:
        return self.chat - self.anywidget


def seconds(code: str) -> float:
    """How long this code takes in a fresh interpreter, the interpreter's own start not counted."""
    timed = f"import time; start = time.process_time(); {code}; print(time.process_time() - start)"
    command = [sys.executable, "-c", timed]
    keeping = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return float(subprocess.run(command, cwd=ROOT, env=keeping, check=True, capture_output=True, text=True).stdout)


def measure(rounds: int) -> Costs:
    seconds(CHAT)  # writes the bytecode, fills the disk's cache
    pairs = [(seconds(ANYWIDGET), seconds(CHAT)) for _ in range(rounds)]
    return Costs(*(min(column) for column in zip(*pairs, strict=True)))


if __name__ == "__main__":
    costs = measure(rounds=11)
    print(f"import anywidget            {costs.anywidget * 1000:6.0f} ms")
    print(f"and jupyter_durable_chat    {costs.chat * 1000:6.0f} ms")
    print(f"beyond anywidget            {costs.beyond * 1000:6.0f} ms   (limit {LIMIT * 1000:.0f} ms)")
    sys.exit(costs.beyond > LIMIT)
