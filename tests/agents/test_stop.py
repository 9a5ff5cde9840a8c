"""Stop reaches the provider's socket within a second, whenever it comes."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Request
from tests.agents.asking import agent_at, nothing_left, user
from tests.agents.raw import DIALECTS, Connection, Dialect, RawProvider, Script

SOON = 30.0

every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def streams_for_ever(dialect: Dialect) -> Script:
    async def script(connection: Connection) -> None:
        await connection.begin()
        for piece in dialect.hello:
            await connection.send(piece)
        gone = asyncio.ensure_future(connection.closed())
        while not gone.done():
            await connection.send(dialect.hello[-1])
            await asyncio.wait({gone}, timeout=0.02)

    return script


async def sends_headers_only(connection: Connection) -> None:
    await connection.begin()
    await connection.closed()


async def says_nothing(connection: Connection) -> None:
    await connection.closed()


def run(provider: RawProvider, dialect: Dialect) -> AsyncGenerator[e.Chunk]:
    return agent_at(provider.url).run(Request([user("Anything")], dialect.model))


async def listen(chunks: AsyncGenerator[e.Chunk], heard: asyncio.Event) -> None:
    async for chunk in chunks:
        if isinstance(chunk, e.TextDelta):
            heard.set()


async def stop(task: asyncio.Task[None], provider: RawProvider) -> None:
    """Cancel, and see that the task ends as cancelled, the socket is closed, and nothing is left."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SOON)
    await asyncio.wait_for(provider.left.wait(), SOON)


@every_dialect
async def test_while_the_answer_streams(dialect: Dialect) -> None:
    async with RawProvider(streams_for_ever(dialect)) as provider:
        heard = asyncio.Event()
        task = asyncio.create_task(listen(run(provider, dialect), heard))
        await heard.wait()
        assert not provider.left.is_set()
        await stop(task, provider)
    await nothing_left()


@every_dialect
@pytest.mark.parametrize("script", [sends_headers_only, says_nothing])
async def test_before_the_first_word(dialect: Dialect, script: Script) -> None:
    async with RawProvider(script) as provider:
        task = asyncio.create_task(listen(run(provider, dialect), asyncio.Event()))
        await provider.asked.wait()
        await stop(task, provider)
    await nothing_left()


@every_dialect
async def test_by_closing_the_generator_between_two_chunks(dialect: Dialect) -> None:
    async with RawProvider(streams_for_ever(dialect)) as provider:
        chunks = run(provider, dialect)
        async for chunk in chunks:
            if isinstance(chunk, e.TextDelta):
                break
        await asyncio.wait_for(chunks.aclose(), SOON)
        await asyncio.wait_for(provider.left.wait(), SOON)
    await nothing_left()


async def test_one_stop_leaves_the_other_answers_alone() -> None:
    dialect = DIALECTS["chat"]
    async with RawProvider(streams_for_ever(dialect)) as stopped, RawProvider(streams_for_ever(dialect)) as other:
        agent = agent_at(stopped.url)
        first = asyncio.create_task(listen(agent.run(Request([user("A")], dialect.model)), asyncio.Event()))
        await stopped.asked.wait()
        chunks = run(other, dialect)
        await anext(chunks)
        await stop(first, stopped)
        for _ in range(20):
            await anext(chunks)
        assert not other.left.is_set()
        await chunks.aclose()


async def test_before_anything_was_sent() -> None:
    async with RawProvider(says_nothing) as provider:
        task = asyncio.create_task(listen(run(provider, DIALECTS["chat"]), asyncio.Event()))
        await asyncio.sleep(0)  # it runs up to where it waits for the imports
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, SOON)
        assert provider.requests == []
    await nothing_left()
