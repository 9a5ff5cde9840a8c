"""The agent that needs nothing: offline, no key, and the same answer to the same conversation.

What it says is true, its code runs and its sums are right, because it is the first thing that a newcomer reads.
"""

import asyncio
import json
import re
import secrets
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Request, ToolSpec


class Topic(Struct, frozen=True):
    """What the demo agent has to say. `words` call it up; `«names»` in the answer are filled in."""

    words: str
    thought: str
    answer: str


SURVIVAL = Topic(
    words="surviv restart reload kernel durable lost disconnect offline resume crash notebook",
    thought="Best shown with the answer itself: I tell what happens to it while it is being written.",
    answer=r"""
## This answer does not live in this page

It is being written in the Jupyter server, and every piece of it is put in a log before anybody sees it. So while you
read, try this:

| what you do | what happens to the answer |
|---|---|
| reload the page | it goes on, and you miss nothing |
| restart the kernel | it goes on, because the kernel never held it |
| close the notebook | it is complete when you come back |
| press **Stop** | it ends at once, and what was said is kept |

### How a page catches up

Each piece has a number, its *LSN*. A page that has seen number $k$ of $n$ asks for what comes after $k$, and gets
exactly

$$n - k$$

pieces, each of them once. Say it had seen 42 of 120 when you reloaded: then it asks for number 43 and what follows, and
$120 - 42 = 78$ pieces arrive.

```python
log = ["Every ", "piece ", "arrives ", "exactly ", "once."]

def after(lsn):
    return list(enumerate(log, 1))[lsn:]

page = after(0)[:2]           # two pieces were shown, then: reload
page += after(page[-1][0])    # ask for what comes after number 2

print("".join(text for _, text in page))
```

It prints the whole sentence, and no word twice.

### Three things to try now

1. Reload this page while the text is still coming.
2. Restart the kernel from the menu, then reload.
3. Open the same notebook in a second window and watch both.
""",
)

STATISTICS = Topic(
    words="statistic mean median average variance deviation std distribution probabilit sample percentile quantile",
    thought="Centre and spread. A worked sample shows more than a definition does.",
    answer=r"""
## Centre and spread

Two questions describe a sample: where is its centre, and how far does it spread? I take «source».

| value | minus the mean | squared |
|---:|---:|---:|
«rows»

### The mean

With $n = «n»$ values, the mean $\bar{x}$ is their sum over their number:

$$\bar{x} = \frac{1}{n} \sum_{i=1}^{n} x_i = \frac{«sum»}{«n»} «mean_is» «mean»$$

### The standard deviation

Add up the last column, divide by $n - 1$ and take the root:

$$s = \sqrt{\frac{1}{n-1} \sum_{i=1}^{n} (x_i - \bar{x})^2} «squares_is» \sqrt{\frac{«squares»}{«n1»}}
«deviation_is» «deviation»$$

### The same in Python

```python
from statistics import mean, median, stdev

values = «values»
print(mean(values), median(values), stdev(values))
```

The **median** has as many values below it as above: it is «median».

### Which one to trust

- The *mean* uses every value, so a single wild one moves it far.
- The *median* hardly notices: it only asks what stands in the middle.
- The *standard deviation* has the unit of the data. In a bell-shaped sample about 68 % lie within $\bar{x} \pm s$.
""",
)

DATA = Topic(
    words="data dataframe pandas df column row csv table plot chart group join merge missing clean excel dataset",
    thought="First one has to know what is in the data. Then a trap that many fall into: the means of groups.",
    answer=r"""
## First look, then compute

Four questions come before every analysis, and each is one line:

| question | with pandas |
|---|---|
| How much is there? | `df.shape` |
| What kind of values? | `df.dtypes` |
| What is missing? | `df.isna().sum()` |
| Is it plausible? | `df.describe()` |

### Then group

```python
import pandas as pd

df = pd.DataFrame({
    "group": ["A", "A", "B", "B", "B"],
    "value": [10, 20, 15, 20, 25],
})
by_group = df.groupby("group")["value"].agg(["count", "mean"])
print(by_group)
```

Group A has 2 values with the mean 15, group B has 3 with the mean 20.

### A trap

The mean of all values is **not** the mean of the two means, which would be 17.5. Each group counts by its size $n_g$:

$$\bar{x} = \frac{\sum_g n_g \, \bar{x}_g}{\sum_g n_g} = \frac{2 \cdot 15 + 3 \cdot 20}{2 + 3} = \frac{90}{5} = 18$$

And `df["value"].mean()` says 18, too.

### Before you believe a number

- Was anything dropped? Compare the counts before and after.
- Is one group tiny? The mean of $n = 2$ values tells little.
- Plot it: a histogram shows in a second what a mean hides.
""",
)

PYTHON = Topic(
    words="python code function loop list dict class error exception async generator import string sort comprehension",
    thought="A small program, then what decides whether it stays fast: how its steps grow with the input.",
    answer=r"""
## A small program, taken apart

Count the words of a text, the most frequent first:

```python
from collections import Counter

text = "to be or not to be"
counts = Counter(text.split())

for word, n in counts.most_common(2):
    print(word, n)
```

It prints `to 2` and `be 2`. The dictionary inside `Counter` finds a word in about the same time however many there are.

### Which container?

| container | ordered | find a value |
|---|---|---|
| `list` | yes | looks at every item |
| `dict` | by insertion | at once, by key |
| `set` | no | at once |

### Why it matters

To find one of $n$ items in a list takes about $n / 2$ steps. Doing that for every item costs

$$T(n) = n \cdot \frac{n}{2} = \frac{n^2}{2}$$

steps: for $n = 1000$ that is 500,000. With a set it is one look-up per item, so 1,000.

```python
seen = set()
repeated = [w for w in text.split() if w in seen or seen.add(w)]
print(repeated)
```

This prints `['to', 'be']`, the words that came a second time.

### When something fails

1. Read the **last** line of the traceback first: it says what.
2. Then the line above it in your own file: it says where.
3. Make the input smaller until it just still fails. What is left is usually the cause.
""",
)

GREETING = Topic(
    words="",
    thought="A greeting. I say who I am and what can be tried here.",
    answer=r"""
## Hello, and welcome

I am the demo agent: I work without a network and without a key, so that you can see what this chat does before you
choose a model for it.

### What to ask me

| ask about | and you get |
|---|---|
| the mean of 4, 8, 6 | a sum worked out with *your* numbers |
| a DataFrame | the first look at data, and a trap |
| a Python function | a small program, taken apart |
| a restart of the kernel | what happens to an answer meanwhile |

### What to try

1. **Reload the page** while I write. Nothing is lost.
2. **Restart the kernel.** I go on, because I do not live there.
3. **Run the cell again.** It shows the same conversation.

### How long I write

I send about «rate» tokens per second, so an answer of $n = 400$ of them takes

$$t = \frac{n}{r} = \frac{400}{«rate»} «seconds_is» «seconds» \text{ seconds}$$

which leaves you time to try all of it.

### Also from code

```python
from jupyter_durable_chat import Chat

chat = Chat()                              # this notebook's conversation
turn = chat.send("What is a DataFrame?")   # returns at once
print(turn.text)                           # waits for the answer
```

The answer is in the notebook when you save it, so it can be read where no server runs, on GitHub for instance. Say
`continue`, and I tell you something else.
""",
)

GREETS = re.compile(r"\W*(hi|hello|hey|good (morning|day|evening))\b.{0,20}$", re.IGNORECASE)

CONTINUES = re.compile(r"\W*(continue|go on|more|next|and then)\b.{0,10}$", re.IGNORECASE)

NUMBER = r"-?\d{1,9}(?:\.\d{1,9})?"

LIST = re.compile(rf"(?<![\w.-])(?!\d{{1,3}}(?:,\d{{3}})+\b)({NUMBER}(?:\s*(?:[,;](?:\s*and)?|and)\s*{NUMBER}){{2,}})")
"""At least three numbers; `1,000,000` is one."""

TOPICS = (SURVIVAL, STATISTICS, DATA, PYTHON)

CLOSING = """
---
*The demo agent wrote this, not a model. To ask one: `%%chat --model openai:gpt-5`*
"""

SAMPLE = [12.0, 15.0, 11.0, 18.0, 14.0]

MOST_VALUES = 12

MOST_ROWS = 4

QUOTED_CHARACTERS = 100

RESULT_CHARACTERS = 1000

USE = re.compile(r"^[ \t]*(then[ \t]+)?use[ \t]+`?([\w.-]+)`?[ \t]*(\{.*)?$", re.MULTILINE | re.IGNORECASE)
"""A line that asks for a call. All of them are made at once, but `then` begins a step of its own."""


class DemoAgent(Agent):
    name = "demo"
    description = "Offline, without a key: shows what this chat does"

    def __init__(
        self, tokens_per_second: float = 40.0, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> None:
        self._rate = tokens_per_second
        self._sleep = sleep

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        """A line `use NAME {json}` of the question calls that tool, and so do the words of its name."""
        if asked := wanted(request.messages, request.tools):
            for chunk in _calls(asked, request.messages):
                yield chunk
            return
        if told := _results(request.messages):
            thought, answer = "", told
        else:
            thought, answer = compose(request.messages, self._rate)
        if begun := _begun(request.messages):
            thought, answer = "", answer.removeprefix(begun)
        thinking, writing = list(tokens(thought)), list(tokens(answer))
        yield e.StartStep()
        if thinking:
            yield e.ReasoningStart(id="reasoning")
            for token in thinking:  # all at once, so that the first word of the answer is there at once, too
                yield e.ReasoningDelta(id="reasoning", delta=token)
            yield e.ReasoningEnd(id="reasoning")
        yield e.TextStart(id="text")
        for token in writing:
            yield e.TextDelta(id="text", delta=token)
            await self._sleep(1 / self._rate)
        yield e.TextEnd(id="text")
        yield e.FinishStep()
        yield e.Finish(
            finish_reason="stop", message_metadata=_usage(request.messages, len(thinking) + len(writing), len(thinking))
        )


def _usage(messages: Sequence[dict[str, Any]], written: int, thought: int = 0) -> dict[str, Any]:
    asked = sum(1 for message in messages for _ in tokens(_text(message)))
    return {"usage": msgspec.to_builtins(e.Usage(asked, written, reasoning_tokens=thought))}


def tokens(text: str) -> Iterator[str]:
    """The text in pieces of about four characters, as models write it; joined, they are the text."""
    return (found[0] for found in re.finditer(r"\s*(?:\w{1,6}|[^\w\s]{1,4})|\s+", text))


def compose(messages: Sequence[dict[str, Any]], rate: float) -> tuple[str, str]:
    """What the demo agent thinks and says about the last of these UI messages."""
    questions = [" ".join(_text(message).split()) for message in messages if message["role"] == "user"]
    topic = _topic(questions)
    values = _statistics(questions[-1]) | _pace(rate)
    answer = re.sub(r"«(\w+)»", lambda name: values[name[1]], topic.answer)
    return topic.thought, f"> {_quoted(questions[-1])}\n{_attached(messages)}{answer}{CLOSING}"


def _attached(messages: Sequence[dict[str, Any]]) -> str:
    """What came with the last question, by name."""
    asked = next(message for message in reversed(messages) if message["role"] == "user")
    names = [name for part in asked["parts"] if (name := _name_of(part))]
    return f"\nWith it came {', '.join(f'*{_quoted(name)}*' for name in names)}.\n" if names else ""


def _name_of(part: dict[str, Any]) -> str:
    if part.get("type") == "file":
        return str(part.get("filename") or part.get("mediaType") or "a file")
    if part.get("type") in ("data-cell", "data-variable") and isinstance(part.get("data"), dict):
        return str(part["data"].get("label") or "a value")
    return ""


def _begun(messages: Sequence[dict[str, Any]]) -> str:
    """What there is already of the answer that is asked for; after calls, of what is said about them."""
    parts = _answer(messages)
    last = max((i for i, part in enumerate(parts) if part.get("type") == "dynamic-tool"), default=-1)
    return _text({"parts": parts[last + 1 :]})


def _answer(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of the answer that is to be gone on with."""
    return messages[-1]["parts"] if messages[-1]["role"] == "assistant" else []


class Wanted(Struct, frozen=True):
    """A call that a question asks for, with its arguments as JSON."""

    name: str
    arguments: str


def wanted(messages: Sequence[dict[str, Any]], tools: Sequence[ToolSpec]) -> list[Wanted]:
    """The calls of the next step; none when all that were asked for were made."""
    names = {spec.name: spec for spec in tools}
    question = next((_text(message) for message in reversed(messages) if message["role"] == "user"), "")
    rounds: list[list[Wanted]] = []
    for then, name, arguments in USE.findall(question):
        if then or not rounds:
            rounds.append([])
        rounds[-1].append(Wanted(name, arguments.strip() or "{}"))
    if not rounds:
        rounds = [[call] for spec in tools if (call := _by_its_words(question, spec))][:1]
    made = _rounds(_answer(messages))
    # Which tools there are may change between two steps: a plan that is approved brings others.
    return [call for call in rounds[made] if call.name in names] if made < len(rounds) else []


def _rounds(parts: Sequence[dict[str, Any]]) -> int:
    """How many steps of an answer have calls."""
    with_calls: set[int] = set()
    step = 0
    for part in parts:
        step += part.get("type") == "step-start"
        if part.get("type") == "dynamic-tool":
            with_calls.add(step)
    return len(with_calls)


def _by_its_words(question: str, spec: ToolSpec) -> Wanted | None:
    """A call of this tool, if the question has every word of its name and, in backticks, every argument it needs."""
    said = set(re.findall(r"[a-z0-9]+", question.lower()))
    words = re.findall(r"[a-z0-9]+", spec.name.lower())
    if len(words) < 2 or not said.issuperset(words):
        return None
    given = iter(re.findall(r"`([^`\n]+)`", question))
    properties = spec.parameters.get("properties", {})
    arguments: dict[str, str] = {}
    for name in spec.parameters.get("required", []):
        value = next(given, None)
        if value is None or properties.get(name, {}).get("type") != "string":
            return None
        arguments[name] = value
    return Wanted(spec.name, json.dumps(arguments))


def _calls(asked: Sequence[Wanted], messages: Sequence[dict[str, Any]]) -> Iterator[e.Chunk]:
    yield e.StartStep()
    for call in asked:
        call_id = f"call_{secrets.token_hex(12)}"
        yield e.ToolInputStart(tool_call_id=call_id, tool_name=call.name)
        yield e.ToolInputDelta(tool_call_id=call_id, input_text_delta=call.arguments)
        try:
            arguments = json.loads(call.arguments)
        except ValueError:
            said = f"The arguments of {call.name} are no JSON object."
            yield e.ToolInputError(tool_call_id=call_id, tool_name=call.name, input=call.arguments, error_text=said)
        else:
            yield e.ToolInputAvailable(tool_call_id=call_id, tool_name=call.name, input=arguments)
    yield e.FinishStep()
    written = sum(1 for call in asked for _ in tokens(call.name + call.arguments))
    yield e.Finish(finish_reason="tool-calls", message_metadata=_usage(messages, written))


def _results(messages: Sequence[dict[str, Any]]) -> str:
    """What to say about the calls of the answer so far; empty when there are none."""
    calls = [part for part in _answer(messages) if part.get("type") == "dynamic-tool"]
    # A line of text right above the closing line would be a heading.
    return "\n\n".join(_told(call) for call in calls) + "\n" + CLOSING if calls else ""


def _told(call: dict[str, Any]) -> str:
    name = f"`{call['toolName']}`"
    if call["state"] == "output-denied":
        reason = (call.get("approval") or {}).get("reason")
        return f"{name} was not allowed{f': {_quoted(reason)}' if reason else '.'}"
    if call["state"] != "output-available":
        return f"{name} failed: {_quoted(str(call.get('errorText') or 'there is no result'))}"
    output = call.get("output")
    items = output["content"] if isinstance(output, dict) and isinstance(output.get("content"), list) else [output]
    return "\n\n".join([f"{name} returned:", *map(_shown, items)])


def _shown(item: Any) -> str:
    """A result as Markdown: pictures by name, text and data as they are."""
    match item:
        case {"type": "file"}:
            return f"a file, *{_quoted(str(item.get('filename') or item.get('mediaType')))}*"
        case {"type": "text", "text": str(text)} | str(text):
            language = ""
        case _:
            text, language = json.dumps(item, indent=2, ensure_ascii=False), "json"
    if len(text) > RESULT_CHARACTERS:
        text = text[:RESULT_CHARACTERS] + "…"
    fence = "`" * max(3, *(len(found) + 1 for found in re.findall("`+", text)), 3)
    return f"{fence}{language}\n{text}\n{fence}"


def _text(message: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in message["parts"] if part.get("type") == "text")


def _topic(questions: Sequence[str]) -> Topic:
    """What the last question is about. `continue` asks for what was not told yet."""
    told: list[Topic] = []
    for question in questions:
        if GREETS.match(question):
            told.append(GREETING)
        elif CONTINUES.match(question):
            told.append(next((topic for topic in TOPICS if topic not in told), TOPICS[len(told) % len(TOPICS)]))
        else:
            told.append(max(TOPICS, key=partial(_hits, question)))
    return told[-1]


def _hits(question: str, topic: Topic) -> int:
    starts = tuple(topic.words.split())
    return sum(word.startswith(starts) for word in re.findall(r"\w+", question.lower()))


def _quoted(question: str) -> str:
    """One line of Markdown that shows the question's own characters."""
    short = question if len(question) <= QUOTED_CHARACTERS else question[:QUOTED_CHARACTERS].rstrip() + "…"
    # Not `[`: escaped, it begins a formula; and a `]` that is escaped already makes a link impossible.
    return re.sub(r"([\\`*_\]<>|$~#&])", r"\\\1", short)


def _statistics(question: str) -> dict[str, str]:
    """The worked example: with the numbers of the question if it lists at least three, else with a sample."""
    listed = LIST.search(question)
    found = [float(number) for number in re.findall(NUMBER, listed[0])] if listed else []
    values = found if 3 <= len(found) <= MOST_VALUES else SAMPLE
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    squares = [(value - mean) ** 2 for value in values]
    rows = [
        f"| {v:.10g} | {_number(v - mean)} | {_number(square)} |" for v, square in zip(values, squares, strict=True)
    ]
    if len(rows) > MOST_ROWS:
        rows[MOST_ROWS - 1 :] = ["| … | … | … |"]
    return {
        "source": "the numbers of your question" if values is found else "a small sample",
        "rows": "\n".join(rows),
        "n": str(len(values)),
        "n1": str(len(values) - 1),
        "sum": f"{sum(values):.10g}",
        "squares": _number(sum(squares)),
        "squares_is": _equal(sum(squares)),
        "values": f"[{', '.join(f'{value:.10g}' for value in values)}]",
        "mean": _number(mean),
        "mean_is": _equal(mean),
        "median": _number(statistics.median(values)),
        "deviation": _number(deviation),
        "deviation_is": _equal(deviation),
    }


def _pace(rate: float) -> dict[str, str]:
    return {"rate": _number(rate), "seconds": _number(400 / rate), "seconds_is": _equal(400 / rate)}


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"


def _equal(value: float) -> str:
    """The sign between a value and its rounded form."""
    return "=" if float(_number(value)) == value else r"\approx"
