"""An agent whose answers are known beforehand, and who keeps count of how often it was asked.

`N words at R per second` is answered with `w1 w2 w3 … wN`, one word per piece, in paragraphs of twenty, at that pace: a
word that is missing, doubled or out of place shows at a glance. Every call adds the question, as one line, to the file
that the environment variable `PACED_AGENT_ASKED` names.
"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from pathlib import Path

from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.events import Chunk, Finish, FinishStep, StartStep, TextDelta, TextEnd, TextStart


class Paced(Agent):
    name = "paced"
    description = "Answers with as many words as it is told to, at the pace it is told to"

    async def run(self, request: Request) -> AsyncGenerator[Chunk]:
        question = "".join(part["text"] for part in request.messages[-1]["parts"] if part["type"] == "text")
        _note(question)
        order = re.search(r"(\d+) words at (\d+) per second", question)
        count, pace = (int(n) for n in order.groups()) if order else (10, 100)
        clock = asyncio.get_running_loop().time
        start = clock()
        yield StartStep()
        yield TextStart(id="t")
        for n in range(1, count + 1):
            await asyncio.sleep(start + n / pace - clock())
            yield TextDelta(id="t", delta=f"w{n}" + (" " if n % 20 else "\n\n"))
        yield TextEnd(id="t")
        yield FinishStep()
        yield Finish(finish_reason="stop")


def _note(question: str) -> None:
    with Path(os.environ["PACED_AGENT_ASKED"]).open("a") as asked:
        asked.write(question + "\n")


paced = Paced()
