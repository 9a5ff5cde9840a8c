"""A page that holds a chat of the AI SDK: a process of Node with a release of the package, told what to do."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent

JSON = dict[str, Any]


def node() -> str:
    """The Node of this environment."""
    found = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert found
    return found


class Page:
    """One chat of one release, for as long as the process runs."""

    def __init__(self, package: str, url: str, headers: dict[str, str]) -> None:
        assert (FOLDER / "node_modules" / package).exists(), "The AI SDK is not there: make conformance"
        self._url, self._headers = url, headers
        self._process = subprocess.Popen(
            [node(), "client.mjs", package], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, code: str, given: Any = None) -> Any:
        """What the code returns. It has `chat`, `until`, `seen` and what is `given`."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"code": code, "given": given}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the page has crashed"}')
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def open(self, chat_id: str, messages: list[JSON] | None = None, **more: Any) -> None:
        given = {"id": chat_id, "url": self._url, "headers": self._headers, "messages": messages or [], **more}
        self.do("open(given)", given)

    def send(self, text: str) -> None:
        """Say something; the answer streams from now on."""
        self.do("void chat.sendMessage({ text: given })", text)

    def wait(self, state: str) -> None:
        """Return when this expression is true, which has `chat` and the `text` of the answer that came last."""
        last = "const last = chat.lastMessage?.role === 'assistant' ? chat.lastMessage.parts : []"
        text = "const text = last.filter((part) => part.type === 'text').map((part) => part.text).join('')"
        self.do(f"await until(() => {{ {last}; {text}; return {state} }})")

    def answered(self) -> JSON:
        """The last message, once the stream is over."""
        self.wait("chat.status === 'ready' || chat.status === 'error'")
        assert self.do("return chat.error?.message") is None, self.do("return chat.error.message")
        return self.messages()[-1]

    def failed(self) -> str:
        """The error that the page shows, once it does."""
        self.wait("chat.status === 'error'")
        return self.do("return chat.error.message")

    def messages(self) -> list[JSON]:
        return self.do("return chat.messages")

    def close(self) -> None:
        """The page is gone at once, with its connections."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def opened(package: str, url: str, headers: dict[str, str], chat_id: str, **more: Any) -> Iterator[Page]:
    page = Page(package, url, headers)
    try:
        page.open(chat_id, **more)
        yield page
    finally:
        page.close()
