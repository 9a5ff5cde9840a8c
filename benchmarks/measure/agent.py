"""An agent who gives the benchmarks' answer: `N tokens at R per second`."""

import asyncio
import re
from collections.abc import AsyncGenerator

from benchmarks.measure.answer import answer
from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.events import Chunk, Finish, FinishStep, StartStep, TextDelta, TextEnd, TextStart

ORDER = re.compile(r"(\d+) tokens at (\d+) per second")


class Prose(Agent):
    name = "prose"
    description = "Answers with as many tokens as it is told to, at the pace it is told to"

    async def run(self, request: Request) -> AsyncGenerator[Chunk]:
        *_, asked = (message for message in request.messages if message["role"] == "user")
        order = ORDER.search(asked["parts"][0]["text"])
        count, pace = (int(number) for number in order.groups()) if order else (10, 100)
        yield StartStep()
        yield TextStart(id="t")
        clock = asyncio.get_running_loop().time
        begun = clock()
        for n, token in enumerate(answer(count), 1):
            await asyncio.sleep(begun + n / pace - clock())
            yield TextDelta(id="t", delta=token)
        yield TextEnd(id="t")
        yield FinishStep()
        yield Finish(finish_reason="stop")


prose = Prose()
