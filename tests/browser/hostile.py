"""An agent that attacks whoever reads it: the same text in everything that an agent can say.

The attacks are in the file `attacks` of the folder that `PACED_AGENT` names, as a JSON list. Each is a text of its
own, which comes in pieces; every tenth is everything else as well: reasoning, calls with their names, arguments,
results, logs and errors, sources, files and data. The last piece waits for the test's demand.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from jupyter_durable_chat import events
from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.events import Chunk
from tests.browser.agent import demanded

PIECES = 3


class Hostile(Agent):
    name = "hostile"
    description = "Attacks its readers"

    async def run(self, request: Request) -> AsyncGenerator[Any]:
        attacks = told()
        yield events.StartStep()
        for n, attack in enumerate(attacks):
            yield events.TextStart(id=f"t{n}")
            size = len(attack) // PIECES + 1
            for start in range(0, len(attack), size):
                yield events.TextDelta(id=f"t{n}", delta=attack[start : start + size])
            yield events.TextEnd(id=f"t{n}")
            if n % 10 == 0:
                for chunk in everything(attack, f"c{n}"):
                    yield chunk
            await asyncio.sleep(0)
        yield events.TextStart(id="end")
        yield events.TextDelta(id="end", delta="After all this, the text goes ")
        await demand()
        yield events.TextDelta(id="end", delta="on.")
        yield events.TextEnd(id="end")
        yield events.FinishStep()
        yield events.Finish(finish_reason="stop")


async def demand() -> None:
    while not demanded():  # noqa: ASYNC110, it is a file
        await asyncio.sleep(0.02)


def told() -> list[str]:
    return json.loads(Path(os.environ["PACED_AGENT"], "attacks").read_text())


def everything(attack: str, call: str) -> list[Chunk | events.Data]:
    """One of every other part, saying this."""
    given = {attack: attack, "code": attack, "__proto__": attack}
    content = [
        {"type": "text", "text": attack},
        {"type": "file", "mediaType": "image/png", "url": attack, "filename": attack},
    ]
    own = {"tool_name": attack, "title": attack, "provider_executed": True, "dynamic": True}
    return [
        events.ReasoningStart(id=f"{call}r"),
        events.ReasoningDelta(id=f"{call}r", delta=attack),
        events.ReasoningEnd(id=f"{call}r"),
        events.ToolInputAvailable(tool_call_id=call, input=given, **own),
        events.ToolProgress(tool_call_id=call, progress=1, total=2, message=attack),
        events.ToolProgress(tool_call_id=call, log=attack, level="error"),
        events.ToolInputAvailable(tool_call_id=f"{call}i", input=given, parent_tool_call_id=call, **own),
        events.ToolOutputError(tool_call_id=f"{call}i", error_text=attack, provider_executed=True),
        events.ToolOutputAvailable(
            tool_call_id=call, output={"content": content, "structured": given}, provider_executed=True
        ),
        events.ToolInputAvailable(tool_call_id=f"{call}d", input=attack, **own),
        events.ToolOutputAvailable(
            tool_call_id=f"{call}d", output=f"```{attack}\n{attack}\n```", provider_executed=True
        ),
        events.SourceUrl(source_id=call, url=attack, title=attack),
        events.SourceUrl(source_id=call, url=f"https://evil.example/{call}", title=attack),
        events.SourceDocument(source_id=call, media_type=attack, title=attack, filename=attack),
        events.File(url=attack, media_type="image/svg+xml"),
        events.File(url="https://evil.example/x.png", media_type="image/png"),
        events.Data(type="data-plan", data={"entries": [{"content": attack, "status": "completed"}]}),
    ]


hostile = Hostile()
