"""What fails before its first chunk may be asked for again; what was begun never is."""

import asyncio
import json

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError, Request
from tests.agents.asking import CHAT, MODELS, agent_at, ask, nothing_left, refusal, text, user
from tests.agents.raw import DIALECTS, Connection, Dialect, RawProvider, Script, refuses, says

HELLO = (*DIALECTS["chat"].hello, *DIALECTS["chat"].finish)
SLOW_DOWN = refuses("429 Too Many Requests", {"error": {"message": "Slow down", "code": "rate_limit_exceeded"}})
OVERLOADED = refuses("503 Service Unavailable", {"error": {"message": "Overloaded"}})


async def hangs_up(connection: Connection) -> None:
    pass


def in_turn(*scripts: Script) -> Script:
    left = iter(scripts)

    async def script(connection: Connection) -> None:
        await next(left)(connection)

    return script


def says_when(seconds: str) -> Script:
    async def script(connection: Connection) -> None:
        body = json.dumps({"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}).encode()
        head = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {seconds}\r\nContent-Type: application/json\r\n"
        await connection.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    return script


class Pauses(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.mark.parametrize("fails", [SLOW_DOWN, OVERLOADED, hangs_up], ids=["rate", "overloaded", "network"])
async def test_asked_again_after_a_pause_that_grows(fails: Script) -> None:
    pauses = Pauses()
    async with RawProvider(in_turn(fails, fails, says(*HELLO))) as provider:
        chunks = await ask(agent_at(provider.url, sleep=pauses), "Anything", CHAT)
        assert len(provider.requests) == 3

    assert text(chunks) == "Hello"
    first, second = pauses
    assert 0.5 <= first <= 1 <= second <= 2


async def test_the_provider_says_how_long() -> None:
    pauses = Pauses()
    async with RawProvider(in_turn(says_when("7"), says(*HELLO))) as provider:
        assert text(await ask(agent_at(provider.url, sleep=pauses), "Anything", CHAT)) == "Hello"

    (pause,) = pauses
    assert pause == 7


async def test_too_long_a_pause_is_the_persons_to_make() -> None:
    pauses = Pauses()
    async with RawProvider(says_when("31")) as provider:
        error = await refusal(agent_at(provider.url, sleep=pauses), "Anything", CHAT)
        assert len(provider.requests) == 1

    assert (error.category, error.recoverable, pauses) == ("rate", True, [])
    assert "31 s" in error.text


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
async def test_what_was_begun_is_not_asked_for_again(dialect: Dialect) -> None:
    async with RawProvider(says(*dialect.hello, end=False)) as provider:
        assert text(await ask(agent_at(provider.url), "Anything", dialect.model)) == "Hello"
        assert len(provider.requests) == 1


async def test_an_error_after_the_first_word_is_told_at_once() -> None:
    overloaded = 'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "Over"}}\n\n'
    dialect = DIALECTS["anthropic"]
    seen: list[e.Chunk] = []
    async with RawProvider(says(*dialect.hello, overloaded)) as provider:
        with pytest.raises(AgentError):
            await ask(agent_at(provider.url), "Anything", dialect.model, into=seen)
        assert len(provider.requests) == 1
    assert text(seen) == "Hello"


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_a_stop_in_the_pause_is_prompt(model: str) -> None:
    paused = asyncio.Event()

    async def pause(seconds: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    async def listen() -> None:
        async for _ in agent_at(provider.url, sleep=pause).run(Request([user("Anything")], model)):
            pass

    async with RawProvider(OVERLOADED) as provider:
        task = asyncio.create_task(listen())
        await paused.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(provider.requests) == 1
    await nothing_left()


async def test_a_title_is_asked_for_once() -> None:
    async with RawProvider(OVERLOADED) as provider:
        assert await agent_at(provider.url).title([user("What is it?")], CHAT) == "What is it?"
        assert len(provider.requests) == 1
