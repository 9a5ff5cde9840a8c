"""The wire formats of the providers, spoken by aimock."""

import asyncio

import pytest

from jupyter_durable_chat import events as e
from tests.agents.asking import (
    INSTRUCTIONS,
    MODELS,
    agent_at,
    ask,
    assistant,
    finish,
    kinds,
    reasoning,
    refusal,
    text,
    user,
)
from tests.agents.conftest import Aimock

every_provider = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@every_provider
async def test_an_answer_comes_in_pieces_and_finishes_with_its_usage(aimock: Aimock, model: str) -> None:
    chunks = await ask(agent_at(aimock.url), "A plain question", model)

    assert text(chunks) == "The mean of 4, 8 and 6 is 6, and so is their median."
    assert len([chunk for chunk in chunks if isinstance(chunk, e.TextDelta)]) > 2
    last = finish(chunks)
    assert last and last.finish_reason == "stop"
    assert last.message_metadata == {"usage": {"input_tokens": 11, "output_tokens": 7}, "context": {"tokens": 18}}


@every_provider
async def test_steps_and_parts_open_and_close_once_and_in_order(aimock: Aimock, model: str) -> None:
    chunks = await ask(agent_at(aimock.url), "A plain question", model)

    seen = [kind for kind in kinds(chunks) if kind not in (e.ReasoningStart, e.ReasoningEnd)]
    assert seen == [e.StartStep, e.TextStart, e.TextDelta, e.TextEnd, e.FinishStep, e.Finish]
    assert len({chunk.id for chunk in chunks if isinstance(chunk, e.TextStart | e.TextDelta | e.TextEnd)}) == 1


@pytest.mark.parametrize("model", [MODELS[name] for name in ("responses", "anthropic", "gemini", "ollama")])
async def test_reasoning_comes_before_the_text_and_apart_from_it(aimock: Aimock, model: str) -> None:
    chunks = await ask(agent_at(aimock.url), "A hard question", model)

    assert reasoning(chunks) == "Six times seven, so forty-two."
    assert text(chunks) == "It is 42."
    seen = kinds(chunks)
    assert seen.index(e.ReasoningEnd) < seen.index(e.TextStart)


@every_provider
async def test_the_model_is_told_the_conversation_and_the_instructions(aimock: Aimock, model: str) -> None:
    conversation = [user("Earlier words"), assistant("Earlier answer"), user("A plain question")]
    chunks = await ask(agent_at(aimock.url), conversation, model)

    (body,) = await asyncio.to_thread(aimock.requests)
    assert [(m["role"], m["content"]) for m in body["messages"]] == [
        ("system", INSTRUCTIONS),
        ("user", "Earlier words"),
        ("assistant", "Earlier answer"),
        ("user", "A plain question"),
    ]
    assert "Quellwasser" not in repr(chunks)


@every_provider
async def test_an_unfinished_answer_is_gone_on_with(aimock: Aimock, model: str) -> None:
    """The model is asked once more, and what it says is the rest."""
    chunks = await ask(agent_at(aimock.url), [user("An unfinished question"), assistant("The mean is 6, and")], model)

    assert text(chunks) == " so is the median."
    assert finish(chunks)
    (body,) = await asyncio.to_thread(aimock.requests)
    roles = [m["role"] for m in body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert [m["content"] for m in body["messages"][1:3]] == ["An unfinished question", "The mean is 6, and"]


@every_provider
async def test_a_cut_stream_is_truncated_and_not_an_error(aimock: Aimock, model: str) -> None:
    chunks = await ask(agent_at(aimock.url), "A long question", model)

    assert text(chunks) and "This answer goes on and on, but the provider cuts it".startswith(text(chunks)[:40])
    assert finish(chunks) is None
    assert isinstance(chunks[-1], e.TextEnd)


@every_provider
async def test_a_429_is_told_after_the_third_attempt(aimock: Aimock, model: str) -> None:
    error = await refusal(agent_at(aimock.url), "An impatient question", model)

    assert (error.category, error.recoverable) == ("rate", True)
    assert model in error.text and "20 s" in error.text
    assert len(await asyncio.to_thread(aimock.requests)) == 3


@every_provider
async def test_a_malformed_answer_is_the_providers_fault(aimock: Aimock, model: str) -> None:
    error = await refusal(agent_at(aimock.url), "A garbled question", model)

    assert (error.category, error.recoverable) == ("provider", True)
    assert len(await asyncio.to_thread(aimock.requests)) == 1


@every_provider
async def test_a_connection_cut_before_the_answer_is_a_network_error(aimock: Aimock, model: str) -> None:
    error = await refusal(agent_at(aimock.url), "An abrupt question", model)

    assert (error.category, error.recoverable) == ("network", True)
    assert aimock.url in error.text
    assert len(await asyncio.to_thread(aimock.requests)) == 3
