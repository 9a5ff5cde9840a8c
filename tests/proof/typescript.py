"""The fold of the front end, in a Node process that stays for as long as it is asked."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]


class TypeScriptFold:
    def __init__(self, to_node: IO[bytes], from_node: IO[bytes]) -> None:
        self._to_node = to_node
        self._from_node = from_node

    def __call__(self, events: list[bytes]) -> dict[str, Any]:
        """The transcript of these events, as JSON."""
        self._to_node.write(b"[" + b",".join(events) + b"]\n")
        self._to_node.flush()
        return json.loads(self._from_node.readline())


@contextmanager
def typescript_fold() -> Iterator[TypeScriptFold]:
    # Node comes into the environment of the tests as a Python package.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with subprocess.Popen(
        ["node", str(ROOT / "js" / "tests" / "fold.mjs")],
        env={**os.environ, "PATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as node:
        assert node.stdin and node.stdout
        yield TypeScriptFold(node.stdin, node.stdout)
        node.stdin.close()
