"""How the tests ask an agent, and what they make of its chunks."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.agents.pydantic_ai import PydanticAgent
from jupyter_durable_chat.transcript import fold

INSTRUCTIONS = "You are a laconic librarian whose name is Ermintrude Quellwasser."
KEY = "sk-test-5f0c9a2e7b1d4c6f8a90"

CHAT = "openai-chat:mock"

MODELS = {
    "responses": "openai:mock",
    "chat": CHAT,
    "anthropic": "anthropic:mock",
    "gemini": "google:mock",
    "ollama": "ollama:mock",
}

PATHS = {"openai": "/v1", "openai-chat": "/v1", "ollama": "/v1", "vllm": "/v1", "anthropic": "", "google": ""}


async def at_once(seconds: float) -> None:
    """A pause that is none."""


async def nothing_left() -> None:
    """Return when no other task is there; the loop takes some turns to finalize what the SDKs leave to it."""
    async with asyncio.timeout(30):
        while asyncio.all_tasks() != {asyncio.current_task()}:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0)


def agent_at(url: str, **settings: Any) -> PydanticAgent:
    """An agent whose providers are all at `url`, and which does not pause before it asks again."""
    settings.setdefault("sleep", at_once)
    return PydanticAgent(
        instructions=INSTRUCTIONS,
        api_keys=dict.fromkeys(PATHS, KEY),
        base_urls={provider: url + path for provider, path in PATHS.items()},
        **settings,
    )


def user(text: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"id": "m_u", "role": "user", "parts": [{"type": "text", "text": text}, *parts], "metadata": {}}


def assistant(text: str) -> dict[str, Any]:
    parts = [{"type": "step-start"}, {"type": "text", "text": text, "state": "done"}]
    return {"id": "m_a", "role": "assistant", "parts": parts, "metadata": {}}


def folded(chunks: Sequence[e.Chunk | e.Data], *results: e.Chunk) -> dict[str, Any]:
    """The answer that readers see when these were stored: an assistant's message."""
    facts = [
        e.SessionCreated(session="s_1"),
        e.UserMessage(turn="t_1", message_id="m_u", client_id="c", text="?"),
        e.TurnStarted(turn="t_1", user_message_id="m_u", message_id="m_a", agent="assistant"),
    ]
    said = [msgspec.structs.replace(chunk, turn="t_1") for chunk in (*chunks, *results)]
    events = [msgspec.structs.replace(event, lsn=lsn) for lsn, event in enumerate((*facts, *said), 1)]
    wire = [e.decode(e.number(event.lsn, e.encode(event, at="", turn=event.turn))) for event in events]
    return fold(wire).messages[-1]


async def ask(
    agent: Agent,
    question: str | Sequence[dict[str, Any]],
    model: str | None = None,
    *,
    into: list[e.Chunk] | None = None,
    **more: Any,
) -> list[e.Chunk]:
    """All chunks of the answer; `into` has those that came before an error."""
    messages = [user(question)] if isinstance(question, str) else list(question)
    seen: list[e.Chunk] = [] if into is None else into
    async with aclosing(agent.run(Request(messages, model, **more))) as chunks:
        async for chunk in chunks:
            seen.append(chunk)
    return seen


async def refusal(agent: Agent, question: str, model: str | None = None) -> AgentError:
    """The error of an answer that fails before its first chunk."""
    try:
        chunks = await ask(agent, question, model)
    except AgentError as error:
        return error
    raise AssertionError(f"no error, but {chunks}")


def text(chunks: Sequence[e.Chunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, e.TextDelta))


def reasoning(chunks: Sequence[e.Chunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, e.ReasoningDelta))


def finish(chunks: Sequence[e.Chunk]) -> e.Finish | None:
    assert not any(isinstance(chunk, e.Finish) for chunk in chunks[:-1])
    return chunks[-1] if chunks and isinstance(chunks[-1], e.Finish) else None


def kinds(chunks: Sequence[e.Chunk]) -> list[type]:
    """The types in order, runs of one type as one."""
    types = [type(chunk) for chunk in chunks]
    return [kind for i, kind in enumerate(types) if i == 0 or types[i - 1] is not kind]
