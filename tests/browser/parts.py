"""An agent whose answers have every kind of part: it thinks until the test demands more, calls what a question names,
names sources, and fails.

Its own model is refused a key; the other one answers.
"""

from collections.abc import AsyncGenerator

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.agents.demo import DemoAgent
from tests.browser.agent import demand, text_of

THINK, FAIL = "Think, then say where it is written.", "Answer with a key that is refused."

REFUSED = (
    "parts:small: the provider refused the key (HTTP 401). Check PARTS_API_KEY or c.DurableChat.api_keys['parts']."
)

SOURCES = (
    ("1", "https://a.example/x", "First"),
    ("2", "https://b.example/", None),
    ("3", "https://a.example/x", "Again"),
)


class Parts(Agent):
    name = "parts"
    description = "Answers with every kind of part"
    models = ("parts:small", "parts:large")

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        *_, asked = (message for message in request.messages if message["role"] == "user")
        question = text_of(asked)
        if question not in (THINK, FAIL):
            async for chunk in DemoAgent(tokens_per_second=1000).run(request):
                yield chunk
            return
        yield e.StartStep()
        if question == FAIL and request.model != "parts:large":
            raise AgentError("auth", REFUSED)
        if question == THINK:
            yield e.ReasoningStart(id="r")
            yield e.ReasoningDelta(id="r", delta="Where was it?")
            await demand()
            yield e.ReasoningEnd(id="r")
        yield e.TextStart(id="t")
        yield e.TextDelta(id="t", delta="It is written.")
        yield e.TextEnd(id="t")
        for source_id, url, title in SOURCES:
            yield e.SourceUrl(source_id=source_id, url=url, title=title)
        yield e.FinishStep()
        yield e.Finish(finish_reason="stop", message_metadata={"context": {"tokens": 950, "window": 1000}})


parts = Parts()
