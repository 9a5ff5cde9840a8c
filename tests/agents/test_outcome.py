"""An answer finishes only if the provider said so, whatever else it said."""

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError
from tests.agents.asking import agent_at, ask, finish, nothing_left, refusal, text
from tests.agents.raw import CHAT, DIALECTS, Dialect, RawProvider, named, says

every_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


async def answer(dialect: Dialect, *pieces: str, end: bool = True) -> list[e.Chunk]:
    async with RawProvider(says(*pieces, end=end)) as provider:
        chunks = await ask(agent_at(provider.url), "Anything", dialect.model)
        assert len(provider.requests) == 1
    return chunks


@every_dialect
async def test_finished_when_a_reason_came(dialect: Dialect) -> None:
    chunks = await answer(dialect, *dialect.hello, *dialect.finish)

    assert text(chunks) == "Hello"
    last = finish(chunks)
    assert last and last.finish_reason == "stop"


@every_dialect
async def test_truncated_when_the_stream_just_ends(dialect: Dialect) -> None:
    chunks = await answer(dialect, *dialect.hello)

    assert text(chunks) == "Hello"
    assert finish(chunks) is None


@every_dialect
async def test_truncated_when_the_socket_is_cut(dialect: Dialect) -> None:
    chunks = await answer(dialect, *dialect.hello, end=False)

    assert text(chunks) == "Hello"
    assert finish(chunks) is None


async def test_a_chat_stream_that_only_says_done_is_truncated() -> None:
    chunks = await answer(CHAT, *CHAT.hello, "data: [DONE]\n\n")

    assert text(chunks) == "Hello"
    assert finish(chunks) is None


@every_dialect
async def test_failed_when_the_stream_ends_before_it_began(dialect: Dialect) -> None:
    async with RawProvider(says()) as provider:
        error = await refusal(agent_at(provider.url), "Anything", dialect.model)
        assert len(provider.requests) == 1

    assert (error.category, error.recoverable) == ("provider", True)


@pytest.mark.parametrize("name", ["chat", "responses", "anthropic", "gemini"])
async def test_failed_when_it_turns_into_nonsense_with_the_text_kept(name: str) -> None:
    dialect = DIALECTS[name]
    seen: list[e.Chunk] = []
    async with RawProvider(says(*dialect.hello, 'event: message_start\ndata: {"type": \n\n')) as provider:
        with pytest.raises(AgentError) as raised:
            await ask(agent_at(provider.url), "Anything", dialect.model, into=seen)

    assert text(seen) == "Hello"
    assert isinstance(seen[-1], e.TextEnd)
    assert (raised.value.category, raised.value.recoverable) == ("provider", True)


async def test_failed_when_the_provider_breaks_off_with_an_error() -> None:
    overloaded = named({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    dialect = DIALECTS["anthropic"]
    seen: list[e.Chunk] = []
    async with RawProvider(says(*dialect.hello, overloaded)) as provider:
        with pytest.raises(AgentError) as raised:
            await ask(agent_at(provider.url), "Anything", dialect.model, into=seen)

    assert text(seen) == "Hello"
    assert (raised.value.category, raised.value.recoverable) == ("provider", True)


async def test_a_content_filter_before_the_first_word_is_a_refusal() -> None:
    filtered = CHAT.finish[0].replace('"stop"', '"content_filter"')
    async with RawProvider(says(filtered, "data: [DONE]\n\n")) as provider:
        error = await refusal(agent_at(provider.url), "Anything", CHAT.model)

    assert (error.category, error.recoverable) == ("refused", False)


@pytest.mark.parametrize(
    ("dialect", "said", "instead", "category"),
    [
        (CHAT, '"stop"', '"content_filter"', "refused"),
        (DIALECTS["anthropic"], '"end_turn"', '"refusal"', "refused"),
        (DIALECTS["gemini"], '"STOP"', '"SAFETY"', "refused"),
        (DIALECTS["gemini"], '"STOP"', '"MALFORMED_FUNCTION_CALL"', "provider"),
    ],
)
async def test_failed_when_the_reason_is_a_failure(dialect: Dialect, said: str, instead: str, category: str) -> None:
    seen: list[e.Chunk] = []
    ending = [piece.replace(said, instead) for piece in dialect.finish]
    async with RawProvider(says(*dialect.hello, *ending)) as provider:
        with pytest.raises(AgentError) as raised:
            await ask(agent_at(provider.url), "Anything", dialect.model, into=seen)

    assert text(seen) == "Hello"
    assert raised.value.category == category


async def test_the_length_limit_is_a_finish_and_is_named() -> None:
    cut = CHAT.finish[0].replace('"stop"', '"length"')
    last = finish(await answer(CHAT, *CHAT.hello, cut, "data: [DONE]\n\n"))

    assert last and last.finish_reason == "length"


async def test_an_empty_answer_that_finished_is_an_answer() -> None:
    chunks = await answer(CHAT, *CHAT.finish)

    assert text(chunks) == ""
    last = finish(chunks)
    assert last and last.finish_reason == "stop"


async def test_nothing_is_left_running_after_an_answer() -> None:
    async with RawProvider(says(*CHAT.hello, *CHAT.finish)) as provider:
        await ask(agent_at(provider.url), "Anything", CHAT.model)
        await provider.left.wait()

    await nothing_left()


async def test_the_length_limit_before_the_first_word_is_told() -> None:
    cut = CHAT.finish[0].replace('"stop"', '"length"')
    async with RawProvider(says(cut, "data: [DONE]\n\n")) as provider:
        error = await refusal(agent_at(provider.url), "Anything", CHAT.model)

    assert (error.category, error.recoverable) == ("provider", False)
    assert "output limit" in error.text
