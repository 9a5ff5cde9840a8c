"""An agent that does what its question says, so that a test decides in one place what is asked and what happens.

The question is a list of steps with ` | ` between them: `wait` waits until it is stopped, `fail TEXT` fails, `cut` ends
without a finish, `part` begins another text part, and anything else is said as it stands. Asked to continue, it does
what comes after the first `wait` or `cut`.
"""

import asyncio
from collections.abc import AsyncGenerator

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Request


class Obedient(Agent):
    name = "obedient"
    description = "Does what it is told"

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        part = 0
        for step in steps(request):
            if step == "wait":
                await asyncio.Event().wait()
            elif step == "cut":
                return
            elif step.startswith("fail "):
                raise AgentError("provider", step.removeprefix("fail "), recoverable=True)
            elif step == "part":
                yield e.TextEnd(id=str(part))
                part += 1
            else:
                yield e.TextStart(id=str(part))
                for word in step.split(" "):
                    yield e.TextDelta(id=str(part), delta=f"{word} ")
        yield e.TextEnd(id=str(part))
        yield e.Finish(finish_reason="stop")


def steps(request: Request) -> list[str]:
    *_, asked = (message for message in request.messages if message["role"] == "user")
    steps = asked["parts"][0]["text"].split(" | ")
    if request.messages[-1] is asked:
        return steps
    return steps[1 + min(steps.index(end) for end in ("wait", "cut") if end in steps) :]


obedient = Obedient()
