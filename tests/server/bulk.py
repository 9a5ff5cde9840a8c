"""An agent that gives what it is asked for: `N reports of K kB`, of calls that nobody made, so no transcript grows."""

from collections.abc import AsyncGenerator

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Request


class Bulk(Agent):
    name = "bulk"

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        count, _, _, size, _ = request.messages[-1]["parts"][0]["text"].split()
        for n in range(int(count)):
            yield e.ToolOutputError(tool_call_id=str(n), error_text="x" * 1000 * int(size))
        yield e.Finish(finish_reason="stop")


bulk = Bulk()
