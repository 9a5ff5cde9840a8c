"""An agent whose every step a test decides: what it yields, when, and how it ends."""

import asyncio
from collections.abc import AsyncGenerator

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Request


class Scripted(Agent):
    """Answers with what the test puts into `script`: a chunk is yielded, an exception raised, `None` ends it.

    `requests` holds every request so far, so its length is how often the model was asked. `closed` is set when an
    iteration has ended, for whatever reason.
    """

    name = "scripted"
    description = "for tests"

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: asyncio.Queue[e.Chunk | Exception | None] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.started = asyncio.Event()
        self.refuses: str | None = None

    def unavailable(self, model: str | None = None) -> str | None:
        return self.refuses

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        self.requests.append(request)
        self.started.set()
        try:
            while (step := await self.script.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                yield step
        finally:
            self.closed.set()

    def say(self, *steps: e.Chunk | Exception | None) -> None:
        for step in steps:
            self.script.put_nowait(step)

    def say_text(self, *pieces: str) -> None:
        self.say(e.TextStart(id="x"), *(e.TextDelta(id="x", delta=piece) for piece in pieces), e.TextEnd(id="x"))

    def finish(self) -> None:
        usage = {"input_tokens": 2, "output_tokens": 3}
        self.say(e.Finish(finish_reason="stop", message_metadata={"usage": usage}), None)


current: list[Scripted] = []
"""The agent of the test that runs, for servers that load their agents by a dotted path."""


def scripted() -> Agent:
    return current[-1]
