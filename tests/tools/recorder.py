"""What a tool does beside returning, recorded; questions are answered as the test said."""

import asyncio
from collections.abc import Sequence
from typing import Any

from jupyter_durable_chat.tools import Context, Question


class Recorder(Context):
    def __init__(self, *answers: dict[str, Any], call_id: str = "call") -> None:
        self.call_id = call_id
        self.session = "s_test"
        self.answers = list(answers)
        self.said: list[tuple[Any, ...]] = []
        self.asked: list[tuple[str, list[Question]]] = []
        self.sampled: list[tuple[str, str, int | None]] = []
        self.told = asyncio.Event()

    def _say(self, *what: Any) -> None:
        self.said.append(what)
        self.told.set()

    def progress(self, progress: float | None = None, total: float | None = None, message: str | None = None) -> None:
        self._say(progress, total, message)

    def log(self, text: str, level: str = "info") -> None:
        self._say(level, text)

    async def ask(self, questions: Sequence[Question], text: str = "") -> dict[str, Any]:
        self.asked.append((text, list(questions)))
        return self.answers.pop(0)

    async def sample(self, text: str, *, instructions: str = "", max_tokens: int | None = None) -> str:
        self.sampled.append((text, instructions, max_tokens))
        return f"sampled for {self.call_id}"

    async def run_agent(self, name: str, text: str) -> str:
        return f"{name} answers"
