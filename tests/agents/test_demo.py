"""The demo agent: useful, true, the same again, and at a pace that can be read."""

import re
import statistics
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Request, ToolSpec
from jupyter_durable_chat.agents.demo import (
    DATA,
    GREETING,
    PYTHON,
    STATISTICS,
    SURVIVAL,
    TOPICS,
    DemoAgent,
    Topic,
    tokens,
)
from tests.agents.asking import ask, assistant, finish, folded, kinds, reasoning, text, user

QUESTIONS = {
    "Explain df": DATA,
    "What is the mean of {column}?": STATISTICS,
    "How do I sort a list in Python?": PYTHON,
    "What happens when I restart the kernel?": SURVIVAL,
    "Who are you?": SURVIVAL,
    "Hello!": GREETING,
    "What is the mean of 4, 8, 15, 16, 23 and 42?": STATISTICS,
    "x" * 5000: SURVIVAL,
    "": SURVIVAL,
}

every_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question[:30])


async def answer(question: str | list[dict[str, Any]], **settings: Any) -> list[e.Chunk]:
    return await ask(DemoAgent(sleep=at_once, **settings), question)


async def at_once(seconds: float) -> None:
    pass


def told(topic: Topic) -> str:
    """The heading by which an answer on this topic is known."""
    return re.findall(r"^## .*$", topic.answer, re.MULTILINE)[0]


@every_question
async def test_the_answer_is_about_the_question_and_quotes_it(question: str) -> None:
    said = text(await answer(question))

    assert told(QUESTIONS[question]) in said
    assert said.startswith("> " + question[:20])
    assert "«" not in said


@every_question
async def test_it_has_everything_that_the_page_can_show(question: str) -> None:
    said = text(await answer(question))

    for part in (r"^## ", r"^### ", r"^\|[-:| ]+\|$", r"^```python$", r"^\$\$.+", r"[^$]\$[^$\n]+\$[^$]", r"^(-|1\.) "):
        assert re.search(part, said, re.MULTILINE), part
    assert said.count("```") % 2 == 0 and len(re.findall(r"(?<!\\)\$", said)) % 2 == 0


@every_question
async def test_it_is_long_enough_to_be_interrupted(question: str) -> None:
    deltas = [chunk for chunk in await answer(question) if isinstance(chunk, e.TextDelta)]

    assert 320 <= len(deltas) <= 450
    assert 3 <= len(text(deltas)) / len(deltas) <= 5


@every_question
async def test_the_same_question_gets_the_same_answer(question: str) -> None:
    assert await answer(question) == await answer(question)


async def test_it_thinks_first_then_writes_and_says_that_it_finished() -> None:
    chunks = await answer("Hello")

    assert kinds(chunks) == [
        *(e.StartStep, e.ReasoningStart, e.ReasoningDelta, e.ReasoningEnd),
        *(e.TextStart, e.TextDelta, e.TextEnd, e.FinishStep, e.Finish),
    ]
    last = finish(chunks)
    assert last and last.finish_reason == "stop" and last.message_metadata
    usage = last.message_metadata["usage"]
    assert usage["reasoning_tokens"] == len(list(tokens(reasoning(chunks))))
    assert usage["output_tokens"] == usage["reasoning_tokens"] + len(list(tokens(text(chunks))))
    assert usage["input_tokens"] == 1


async def test_it_writes_at_its_pace_and_the_first_word_does_not_wait() -> None:
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    words = 0
    async for chunk in DemoAgent(50, wait).run(Request([user("Hello")])):
        if isinstance(chunk, e.TextDelta):
            words += 1
            assert waits == [1 / 50] * (words - 1)
    assert waits == [1 / 50] * words


@pytest.mark.parametrize("topic", [*TOPICS, GREETING], ids=lambda topic: told(topic)[3:20])
async def test_its_code_compiles(topic: Topic) -> None:
    question = next(question for question, about in QUESTIONS.items() if about is topic)
    blocks = re.findall(r"```python\n(.*?)```", text(await answer(question)), re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "demo", "exec")


@pytest.mark.parametrize(
    ("question", "printed"),
    [
        ("What happens on reload?", "Every piece arrives exactly once.\n"),
        ("Python", "to 2\nbe 2\n['to', 'be']\n"),
        ("The mean of 3, 5 and 8", f"{16 / 3} 5 {statistics.stdev([3, 5, 8])}\n"),
    ],
)
async def test_its_code_prints_what_it_says(question: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text(await answer(question)), re.DOTALL):
        exec(block, scope)
    assert capsys.readouterr().out == printed


LISTS = {
    "3,5,8": [3, 5, 8],
    "of 3, 5, and 8.": [3, 5, 8],
    "-3; 4; 5.5": [-3, 4, 5.5],
    "20000, 30000, 50000.5": [20000, 30000, 50000.5],
    "1,000,000 rows": None,
    "3 and 5": None,
    "0 1.5\n1 2.5\n2 3.5": None,
    ", ".join(map(str, range(50))): None,
    "9" * 400 + ", 1, 2": None,
}


@pytest.mark.parametrize(("asked", "values"), LISTS.items(), ids=lambda value: str(value)[:20])
async def test_the_worked_example_takes_the_numbers_of_the_question(asked: str, values: list[float] | None) -> None:
    said = text(await answer(f"What is the mean {asked}"))

    if values is None:
        assert "I take a small sample" in said
    else:
        assert "I take the numbers of your question" in said
        assert f"values = {[int(v) if v == int(v) else v for v in values]}" in said
        (mean,) = re.findall(r"= \\frac\{.*\}\{\d\} (?:=|\\approx) (-?[\d.]+)\$\$", said)
        assert float(mean) == pytest.approx(statistics.mean(values), rel=1e-3)


async def test_continue_goes_on_with_what_was_not_told_yet() -> None:
    conversation: list[dict[str, Any]] = []
    seen = []
    for question in ("Explain df", "continue", "go on", "more"):
        conversation.append(user(question))
        said = text(await answer(conversation))
        conversation.append(assistant(said))
        seen.append(next(topic for topic in TOPICS if told(topic) in said))

    assert seen[0] is DATA and len({told(topic) for topic in seen}) == 4


@pytest.mark.parametrize("stopped_at", [1, 57, 800])
async def test_an_answer_that_was_stopped_goes_on_where_it_ended(stopped_at: int) -> None:
    whole = text(await answer("Explain df"))
    chunks = await answer([user("Explain df"), assistant(whole[:stopped_at])])

    assert whole[:stopped_at] + text(chunks) == whole
    assert not reasoning(chunks) and finish(chunks)


async def test_an_answer_that_was_stopped_before_its_first_word_begins_anew() -> None:
    assert text(await answer([user("Explain df"), assistant("")])) == text(await answer("Explain df"))


async def test_a_hostile_question_stays_a_quotation() -> None:
    said = text(await answer("<script>alert(1)</script> ```` | $x$ [a](javascript:b) ![c](d) **e**\n# heading"))

    assert said.splitlines()[0].startswith(r"> \<script\>alert(1)\</script\>")
    assert not re.search(r"(?<!\\)[<`|$\]*]", said.splitlines()[0])
    assert "\\[" not in said.splitlines()[0], "that begins a formula"
    assert not said.splitlines()[1]


# Tools

LOOK = ToolSpec("look_at", "", {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]})
LIST = ToolSpec("list_variables", "", {"type": "object", "properties": {}})
TOOLS = [LOOK, LIST]


async def called(question: str | list[dict[str, Any]]) -> list[tuple[str, Any]]:
    chunks = await ask(DemoAgent(sleep=at_once), question, tools=TOOLS)
    return [(chunk.tool_name, chunk.input) for chunk in chunks if isinstance(chunk, e.ToolInputAvailable)]


@pytest.mark.parametrize(
    ("question", "calls"),
    [
        ('use look_at {"name": "df"}\nuse list_variables', [("look_at", {"name": "df"}), ("list_variables", {})]),
        ("Please list my variables", [("list_variables", {})]),
        ("Have a look at `df`", [("look_at", {"name": "df"})]),
        ("Have a look at it", []),
        ("use another {}", []),
        ("What can I use?", []),
    ],
)
async def test_tools_are_called_by_a_line_or_by_the_words_of_their_name(question: str, calls: list[Any]) -> None:
    assert await called(question) == calls


async def test_without_tools_a_line_that_asks_for_one_is_a_question() -> None:
    assert text(await answer("use list_variables")).startswith("> use list")


async def test_calls_end_a_step_and_their_results_are_quoted_in_the_next() -> None:
    agent = DemoAgent(sleep=at_once)
    question = 'use look_at {"name": "df"}\nuse list_variables\nuse look_at {"name": "x"}\nuse look_at {"name":'
    first = await ask(agent, question, tools=TOOLS)

    last = finish(first)
    assert last and last.finish_reason == "tool-calls" and not text(first)
    ids = [chunk.tool_call_id for chunk in first if isinstance(chunk, e.ToolInputAvailable)]
    assert len(set(ids)) == 3
    picture = {"type": "file", "mediaType": "image/png", "url": "attachment:a", "filename": "figure.png"}
    results = (
        e.ToolOutputAvailable(tool_call_id=ids[0], output={"content": [{"type": "text", "text": "3 rows"}, picture]}),
        e.ToolOutputError(tool_call_id=ids[1], error_text="No kernel."),
        e.ToolOutputAvailable(tool_call_id=ids[2], output={"kg": 7}),
    )
    done = folded(first, *results)
    second = await ask(agent, [user(question), done], tools=TOOLS)

    said = text(second)
    for quoted in (
        "```\n3 rows\n```",
        "*figure.png*",
        "`list_variables` failed: No kernel.",
        '"kg": 7',
        "no JSON object",
    ):
        assert quoted in said
    last = finish(second)
    assert last and last.finish_reason == "stop"

    done["parts"] += [{"type": "step-start"}, {"type": "text", "text": said[:20], "state": "done"}]
    assert said[:20] + text(await ask(agent, [user(question), done], tools=TOOLS)) == said


async def test_then_begins_another_step() -> None:
    question = 'use list_variables\nthen use look_at {"name": "df"}'
    first = await ask(DemoAgent(sleep=at_once), question, tools=TOOLS)
    (call,) = [chunk for chunk in first if isinstance(chunk, e.ToolInputAvailable)]
    done = folded(first, e.ToolOutputAvailable(tool_call_id=call.tool_call_id, output="df"))

    assert call.tool_name == "list_variables"
    assert await called([user(question), done]) == [("look_at", {"name": "df"})]
