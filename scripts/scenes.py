"""The agent of the pictures: every question of a scene has one answer, which goes as far as the picture needs.

An answer that is to be seen while it comes stays open until it is stopped.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Request


class Scene(Struct, frozen=True):
    """What is thought, called and said, and how it ends: `opens` means that it does not."""

    thought: str = ""
    call: tuple[str, dict[str, Any]] | None = None
    answer: str = ""
    opens: bool = False
    error: AgentError | None = None
    sources: list[tuple[str, str]] = []


STREAMING = "Which columns tell whether an order comes back?"
REASONING = "Is 2⁶¹ minus one a prime number?"
REFUSED = "Translate the column names into English"
STOPPED = "Explain every parameter of read_csv"
TOOL = "Show me the orders of this year by region"
APPROVAL = "Throw out what cannot be an order"
QUESTION = "Clean up the duplicates"
QUEUE = ("And the same for returns only", "Plot the three strongest", "Now write it up for my boss")
LONG = (
    "What is in this table?",
    "How many orders are there per month?",
    "Which region grows fastest?",
    "Is that difference significant?",
    "What would a forecast look like?",
    "How far can I trust it?",
)

PREDICTORS = """Three of them do, and one only seems to. I compared each column with `returned` on the 12,480 orders:

| column | kind | strength | keep |
|---|---|---:|:---:|
| `days_to_ship` | number | 0.41 | yes |
| `category` | text | 0.27 | yes |
| `discount` | number | 0.19 | yes |
| `order_id` | number | 0.08 | no |

The strength is the mutual information, which also sees what is not linear:

$$I(X; Y) = \\sum_{x, y} p(x, y) \\log \\frac{p(x, y)}{p(x)\\,p(y)}$$

```python
from sklearn.feature_selection import mutual_info_classif

strength = mutual_info_classif(orders[columns], orders["returned"], random_state=0)
ranked = sorted(zip(columns, strength), key=lambda pair: -pair[1])
```

Leave `order_id` out: it grows with time, and so did the share of returns, so it is"""

PRIME = """It is $2^{61} - 1 = 2305843009213693951$. For a Mersenne number $2^p - 1$ with a prime exponent there is the
test of Lucas and Lehmer: start with $s = 4$, square and subtract two, $p - 2$ times, always modulo $2^p - 1$.

The exponent is 61, which is prime, so the test applies. If the last $s$ is zero, the number is prime."""

PARAMETERS = """There are about fifty. In the order in which one meets them:

1. **`filepath_or_buffer`** is the file: a path, a URL, or anything with a `read` method.
2. **`sep`** is what stands between two values, a comma if you say nothing. `None` lets pandas guess.
3. **`header`** is the number of the line with the names, and `names` replaces"""

REGIONS = """**East** has the most orders, and the largest share of them comes back:
11.2 %, where the others have 6 to 8 %."""

ASKED = {
    "questions": [
        {
            "id": "which",
            "header": "Duplicates",
            "question": "Forty orders are there twice. Which of each pair do I keep?",
            "options": [
                {"label": "The first", "description": "as it was entered"},
                {"label": "The last", "description": "with later corrections"},
                {"label": "Both", "description": "and mark them"},
            ],
        }
    ]
}

SHORT = """**{n}** is what the data says, and it holds for every region.

- The median is a little lower than the mean, so a few large orders pull it up.
- Without them the picture stays the same."""

SCENES: dict[str, Scene] = {
    STREAMING: Scene("Mutual information sees more than a correlation.", answer=PREDICTORS, opens=True),
    REASONING: Scene(PRIME, opens=True),
    TOOL: Scene(call=("orders_by_region", {"year": 2026}), answer=REGIONS),
    APPROVAL: Scene(call=("drop_rows", {"where": "quantity <= 0"})),
    QUESTION: Scene(call=("ask_user", ASKED)),
    REFUSED: Scene(
        error=AgentError(
            "auth",
            "openai:gpt-5: the provider refused the key (HTTP 401). Check OPENAI_API_KEY or DurableChat.api_keys.",
        )
    ),
    STOPPED: Scene(answer=PARAMETERS, opens=True),
    **{
        question: Scene(
            answer=SHORT.format(n=f"{17 * n + 4} %"),
            sources=[("https://pandas.pydata.org/docs/", "pandas documentation")] if n == 5 else [],
        )
        for n, question in enumerate(LONG)
    },
}


class Scenes(Agent):
    name = "scenes"
    description = "for pictures"

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        question = next(message for message in reversed(request.messages) if message["role"] == "user")
        scene = SCENES.get(_text(question), Scene(answer="As you wish."))
        yield e.StartStep()
        if scene.error:
            raise scene.error
        if scene.thought:
            yield e.ReasoningStart(id="r")
            yield e.ReasoningDelta(id="r", delta=scene.thought)
            if scene.opens and not scene.answer:
                await asyncio.Event().wait()
            yield e.ReasoningEnd(id="r")
        if scene.call and request.messages[-1]["role"] == "user":
            name, arguments = scene.call
            yield e.ToolInputStart(tool_call_id="call_1", tool_name=name)
            yield e.ToolInputAvailable(tool_call_id="call_1", tool_name=name, input=arguments)
            yield e.FinishStep(finish_reason="tool-calls")
            yield e.Finish(finish_reason="tool-calls")
            return
        yield e.TextStart(id="t")
        yield e.TextDelta(id="t", delta=scene.answer)
        if scene.opens:
            await asyncio.Event().wait()
        yield e.TextEnd(id="t")
        for n, (url, title) in enumerate(scene.sources):
            yield e.SourceUrl(source_id=str(n), url=url, title=title)
        usage = {"input_tokens": 1840, "output_tokens": len(scene.answer) // 4}
        yield e.FinishStep(finish_reason="stop")
        # What a step has used is taken from what its end says.
        yield e.Finish(
            finish_reason="stop", message_metadata={"usage": usage, "context": {"tokens": 2100, "window": 8192}}
        )


def _text(message: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in message["parts"] if part.get("type") == "text")


scenes = Scenes()
