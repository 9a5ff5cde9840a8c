"""A title is one short line, whoever wrote it, and always to be had offline."""

import json
import unicodedata
from collections.abc import AsyncGenerator

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.agents.catalog import LazyAgent
from jupyter_durable_chat.agents.demo import DemoAgent
from jupyter_durable_chat.agents.title import FROM_MODEL, FROM_TEXT, as_title, text_of, title_of, words_of
from tests.agents.asking import CHAT, INSTRUCTIONS, MODELS, agent_at, assistant, user
from tests.agents.conftest import Aimock
from tests.agents.raw import DIALECTS, Connection, RawProvider, Script, data, refuses, says

LONG = "How do I join two data frames by the nearest time stamp when their clocks differ"

FROM = {
    "Explain df": "Explain df",
    "# What is **the mean** of `x`?\nI mean the column.": "What is the mean of x?",
    "Hello there. How are you?": "Hello there",
    "What is e.g. a B-tree? Tell me.": "What is e.g. a B-tree?",
    "\u8fd9\u662f\u4ec0\u4e48\uff1f\u4f60\u597d": "\u8fd9\u662f\u4ec0\u4e48\uff1f",
    "> - a *quoted* snake_case_name, and 2*3*4": "a quoted snake_case_name, and 2*3*4",
    "see [this](http://x.y/z) and `__init__`": "see this and __init__",
    "%%time\n!pip install x\nWhat takes so long": "What takes so long",
    "```python\nf(1)\n```\nWhy does this fail?": "Why does this fail?",
    LONG: "How do I join two data frames by the nearest time stamp\u2026",
    "x" * 100: "x" * 59 + "\u2026",
    "red\x1b[31m\u202elive\x00\u2028second line": "red[31mlive",
    "| a | b |\n|---|---|": "a | b |",
}

NOTHING = ["", "  \n\t", "***", "```\nf(1)\n```", "~~~\nnever closed", "%matplotlib inline", "\x00\u202e"]

HOSTILE = [
    LONG * 5,
    "a\nb",
    "\x1b]0;owned\x07",
    "\u202egnp.exe",
    "x" * 10**6,
    "**" * 999 + "a",
    "*a " * 900,
    "[" * 2000,
]


@pytest.mark.parametrize(("text", "title"), FROM.items(), ids=lambda text: repr(text[:20]))
def test_a_title_from_the_text(text: str, title: str) -> None:
    assert title_of([user(text), assistant("An answer.")]) == title


@pytest.mark.parametrize("text", NOTHING, ids=repr)
def test_no_words_no_title(text: str) -> None:
    assert title_of([user(text)]) is None
    assert title_of([user(text), assistant("Hm?"), user("In words, then")]) == "In words, then"


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
def test_a_title_is_one_short_line(text: str) -> None:
    for title, most in ((title_of([user(text)]), FROM_TEXT), (as_title(text), FROM_MODEL)):
        assert title is None or (title and len(title) <= most)
        assert not {"Cc", "Zl", "Zp"} & {unicodedata.category(character) for character in title or ""}
        assert "\u202e" not in (title or "")


def test_parts_that_an_old_log_has_are_passed_over() -> None:
    parts = [{}, {"type": "text"}, {"type": "text", "text": 5}, {"type": "text", "text": "What is it?"}]
    assert title_of([{"role": "user", "parts": parts}]) == "What is it?"


@pytest.mark.parametrize("said", ['"The Mean"', "**The Mean**.", "Title: The Mean\n\nIt is 6.", "\n# The `Mean`\n"])
def test_what_models_put_around_a_title_is_taken_off(said: str) -> None:
    assert as_title(said) == "The Mean"


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_the_model_is_asked_for_a_title(aimock: Aimock, model: str) -> None:
    conversation = [user("A plain question"), assistant("It is 6.")]
    title = await agent_at(aimock.url).title(conversation, model)

    assert title == "Means and medians"
    (body,) = aimock.requests()
    assert INSTRUCTIONS not in json.dumps(body)
    assert "It is 6." in json.dumps(body["messages"][-1])


async def test_a_title_takes_no_thinking() -> None:
    async with RawProvider(says(*DIALECTS["chat"].hello, *DIALECTS["chat"].finish)) as provider:
        assert await agent_at(provider.url).title([user("Anything")], "openai-chat:gpt-5") == "Hello"
        (request,) = provider.requests
        assert json.loads(request.partition(b"\r\n\r\n")[2])["reasoning_effort"] == "minimal"
        await provider.left.wait()


@pytest.mark.parametrize(
    "script",
    [
        refuses("500 Internal Server Error", {}),
        says(*DIALECTS["chat"].hello),  # cut off
        says(*DIALECTS["chat"].finish),  # without a word
    ],
    ids=["refused", "cut", "empty"],
)
async def test_without_the_models_title_there_is_the_texts(script: Script) -> None:
    async with RawProvider(script) as provider:
        assert await agent_at(provider.url).title([user("What is it?")], CHAT) == "What is it?"


async def test_a_model_that_does_not_come_to_an_end() -> None:
    async def script(connection: Connection) -> None:
        await connection.begin()
        while True:
            await connection.send(data({"choices": [{"index": 0, "delta": {"content": "and on " * 100}}]}))

    async with RawProvider(script) as provider:
        assert await agent_at(provider.url).title([user("What is it?")], CHAT) == "What is it?"
        await provider.left.wait()


async def test_an_agent_that_cannot_answer_takes_the_text() -> None:
    assert await agent_at("http://127.0.0.1:1").title([user("What is it?")], "nobody:x") == "What is it?"
    assert await DemoAgent().title([user("What is it?")], None) == "What is it?"


class Namer(Agent):
    name = "namer"

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        yield e.Finish()

    async def title(self, messages: object, model: str | None) -> str:
        return "My own"


async def test_an_agent_of_a_dotted_path_has_its_own() -> None:
    assert await LazyAgent(f"{__name__}:Namer").title([user("What is it?")], None) == "My own"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("> What happened?\n\n**All** of `it`, [here](https://x.example).", "What happened? All of it, here."),
        ("# Means\n\n- one\n- two\n\n---\n1. three", "Means one two three"),
        ("```python\nx_1 = 2\n```\nSo", "x_1 = 2 So"),
        ("a\u202eb\x1b[0m", "ab[0m"),
        ("```", ""),
        ("word " * 100, ("word " * 24).strip() + "…"),
    ],
)
def test_what_a_list_shows_of_a_text_is_plain_words(text: str, words: str) -> None:
    assert words_of(text, 120) == words


def test_the_words_around_a_call_stay_words() -> None:
    """They were found as one word by no search."""
    parts = [{"type": "text", "text": "I read the data"}, {"type": "tool-plot"}, {"type": "text", "text": "The result"}]
    assert text_of({"parts": parts}).split() == ["I", "read", "the", "data", "The", "result"]
