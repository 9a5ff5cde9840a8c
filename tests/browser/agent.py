"""An agent whose answers are known beforehand, and who keeps count of how often it was asked.

`N words at R per second` is answered with `w1 w2 w3 … wN`, one word per piece, in paragraphs of twenty, at that pace: a
word that is missing, doubled or out of place shows at a glance. With `, the last M on demand` those are held back until
the test demands them; from then on words come ten times as fast. So an answer lasts as long as what happens to it, on a
slow machine too, and no longer. An answer that is continued goes on after its last word.

In the folder that `PACED_AGENT` names, every call adds its question to the file `asked`, and the file `demanded` is the
test's demand.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.events import Chunk, Finish, FinishStep, StartStep, TextDelta, TextEnd, TextStart

ORDER = re.compile(r"(\d+) words at (\d+) per second(?:, the last (\d+) on demand)?")
HURRY = 10


class Paced(Agent):
    name = "paced"
    description = "Answers with as many words as it is told to, at the pace it is told to"

    async def run(self, request: Request) -> AsyncGenerator[Chunk]:
        *_, asked = (message for message in request.messages if message["role"] == "user")
        answer = request.messages[-1] if request.messages[-1]["role"] == "assistant" else None
        question, said = text_of(asked), len(text_of(answer).split()) if answer else 0
        note(question)
        order = ORDER.search(question)
        count, pace, held_back = (int(number or 0) for number in order.groups()) if order else (10, 100, 0)
        yield StartStep()
        yield TextStart(id="t")
        clock = asyncio.get_running_loop().time
        due = clock()
        for n in range(said + 1, count + 1):
            if n > count - held_back and not demanded():
                await demand()
                due = clock()
            due += 1 / (pace * HURRY if held_back and demanded() else pace)
            await asyncio.sleep(due - clock())
            yield TextDelta(id="t", delta=f"w{n}" + (" " if n % 20 else "\n\n"))
        yield TextEnd(id="t")
        yield FinishStep()
        yield Finish(finish_reason="stop")


class Echo(Agent):
    """Says what it is asked, a few characters at a time; at a `⏸`, which is not said, it waits for the demand."""

    name = "echo"
    description = "Says what it is asked"

    async def run(self, request: Request) -> AsyncGenerator[Chunk]:
        said, *held_back = text_of(request.messages[-1]).split("⏸")
        yield StartStep()
        yield TextStart(id="t")
        for delta in pieces(said):
            yield delta
        for said in held_back:
            while not demanded():  # noqa: ASYNC110  (another process demands)
                await asyncio.sleep(0.02)
            for delta in pieces(said):
                yield delta
        yield TextEnd(id="t")
        yield FinishStep()
        yield Finish(finish_reason="stop")


def pieces(text: str) -> list[TextDelta]:
    return [TextDelta(id="t", delta=text[start : start + 7]) for start in range(0, len(text), 7)]


def text_of(message: dict[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def note(question: str) -> None:
    with Path(os.environ["PACED_AGENT"], "asked").open("a") as asked:
        asked.write(question + "\n")


def demanded() -> bool:
    return Path(os.environ["PACED_AGENT"], "demanded").exists()


async def demand() -> None:
    """Returns when the test has demanded the rest."""
    while not demanded():  # noqa: ASYNC110 (another process sets it)
        await asyncio.sleep(0.02)


paced = Paced()
echo = Echo()
