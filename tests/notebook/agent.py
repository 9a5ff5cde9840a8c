"""An agent that does what its question says, so that a test decides in one place what is asked and what happens.

The question is a list of steps with ` | ` between them: `wait` waits until it is stopped, `demand` until the test
demands the rest (as with the paced agent), `fail TEXT` fails, `cut` ends without a finish, `part` begins another text
part, `use NAME {json}` calls a tool (`use A & use B {json}` several at once), and anything else is said as it stands.
Asked to continue, it does what comes after the first `wait` or `cut`.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Request
from tests.browser.agent import demand


class Obedient(Agent):
    name = "obedient"
    description = "Does what it is told"

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        part = 0
        for step in steps(request):
            if step == "wait":
                await asyncio.Event().wait()
            elif step == "demand":
                await demand()
            elif step == "cut":
                return
            elif step.startswith("fail "):
                raise AgentError("provider", step.removeprefix("fail "), recoverable=True)
            elif step.startswith("use "):
                yield e.TextEnd(id=str(part))
                yield e.StartStep()
                for number, use in enumerate(step.split(" & ")):
                    _, name, *given = use.split(" ", 2)
                    call_id = f"call {uuid.uuid4().hex[:8]}/{number}"
                    asked = json.loads(given[0]) if given else {}
                    yield e.ToolInputAvailable(tool_call_id=call_id, tool_name=name, input=asked)
                yield e.FinishStep()
                yield e.Finish(finish_reason="tool-calls")
                return
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
    done = sum(part["type"] == "step-start" for part in request.messages[-1]["parts"])
    if done and request.messages[-1]["metadata"].get("outcome") is None:
        uses = [place for place, step in enumerate(steps) if step.startswith("use ")]
        return steps[1 + uses[done - 1] :]
    return steps[1 + min(steps.index(end) for end in ("wait", "cut") if end in steps) :]


obedient = Obedient()
