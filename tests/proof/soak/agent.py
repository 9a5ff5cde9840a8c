"""What the soak has inside of its server: an agent that ends in every way, tools, and gauges that no product needs.

`N words at R per second` is answered so. With `, and raises`, `, and hangs` or `, and stops short` behind it that is
how it ends; without, it is complete. Anything else is for the demo agent, who calls a tool when a line says
`use NAME {…}`.
"""

import asyncio
import gc
import re
from collections.abc import AsyncGenerator

from prometheus_client import Gauge

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.agents.demo import DemoAgent
from jupyter_durable_chat.tools import Context
from jupyter_durable_chat.tools.function import tool

ORDER = re.compile(r"(\d+) words at (\d+) per second(?:, and (raises|hangs|stops short))?")


class Soaked(Agent):
    name = "soaked"
    description = "for the soak"

    def __init__(self) -> None:
        self._demo = DemoAgent(tokens_per_second=100)

    def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        *_, asked = (message for message in request.messages if message["role"] == "user")
        text = "".join(part["text"] for part in asked["parts"] if part["type"] == "text")
        order = ORDER.search(text)
        return say(int(order[1]), int(order[2]), order[3]) if order else self._demo.run(request)


async def say(words: int, pace: int, end: str | None) -> AsyncGenerator[e.Chunk]:
    yield e.StartStep()
    yield e.TextStart(id="t")
    for n in range(1, words + 1):
        await asyncio.sleep(1 / pace)
        yield e.TextDelta(id="t", delta=f"w{n} ")
    match end:
        case "raises":
            raise RuntimeError("It was told to.")
        case "hangs":
            await asyncio.Event().wait()
        case "stops short":
            return
    yield e.TextEnd(id="t")
    yield e.FinishStep()
    usage = {"input_tokens": 10, "output_tokens": words}
    yield e.Finish(finish_reason="stop", message_metadata={"usage": usage})


@tool(approval="never")
async def work(context: Context, steps: int = 3) -> str:
    """Take so many steps."""
    for n in range(steps):
        context.progress(n, steps)
        context.log(f"step {n}")
        await asyncio.sleep(0.2)
    return "worked"


@tool(approval="always")
def careful(size: int = 1000) -> str:
    """Give so many characters, if a person allows it."""
    return "x" * size


soaked = Soaked()
tools = [work, careful]

Gauge("soak_tasks", "Tasks of the event loop.").set_function(lambda: len(asyncio.all_tasks()))
Gauge("soak_objects", "Objects that the garbage collector knows.").set_function(lambda: len(gc.get_objects()))
