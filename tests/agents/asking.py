"""How the tests ask an agent, and what they make of its chunks."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.agents.pydantic_ai import PydanticAgent

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

PATHS = {"openai": "/v1", "openai-chat": "/v1", "ollama": "/v1", "anthropic": "", "google": ""}


def agent_at(url: str, **settings: Any) -> PydanticAgent:
    """An agent whose providers are all at `url`."""
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


async def ask(
    agent: Agent,
    question: str | Sequence[dict[str, Any]],
    model: str | None = None,
    *,
    into: list[e.Chunk] | None = None,
) -> list[e.Chunk]:
    """All chunks of the answer; `into` has those that came before an error."""
    messages = [user(question)] if isinstance(question, str) else list(question)
    seen: list[e.Chunk] = [] if into is None else into
    async with aclosing(agent.run(Request(messages, model))) as chunks:
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
