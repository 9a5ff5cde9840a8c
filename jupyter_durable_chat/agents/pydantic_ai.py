"""The agent that asks a provider, through pydantic-ai.

Importing this costs nothing: pydantic-ai and the provider's SDK take seconds to import, and the server's event loop is
shared with every kernel of its user, so they are imported in a thread when the first answer is asked for.
"""

import asyncio
import importlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.agents.providers import obstacle
from jupyter_durable_chat.events import Chunk


class PydanticAgent(Agent):
    """Answers with any `provider:model` that pydantic-ai knows.

    `api_keys` and `base_urls` are by provider; what they do not say, the provider's environment variables say. Keys and
    `instructions` reach the provider and nobody else.
    """

    def __init__(
        self,
        name: str = "assistant",
        *,
        description: str = "A model of your choice",
        instructions: str = "",
        default_model: str | None = None,
        api_keys: Mapping[str, str] | None = None,
        base_urls: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.models = (default_model,) if default_model else ()
        self._default_model = default_model
        self._instructions = instructions
        self._api_keys = dict(api_keys or {})
        self._base_urls = dict(base_urls or {})

    def unavailable(self, model: str | None = None) -> str | None:
        found = obstacle(model or self._default_model, self._api_keys, self._base_urls)
        return found.text if found else None

    async def run(self, request: Request) -> AsyncGenerator[Chunk]:
        model = request.model or self._default_model
        if found := obstacle(model, self._api_keys, self._base_urls):
            raise AgentError(found.category, found.text)
        answer = await asyncio.to_thread(importlib.import_module, "jupyter_durable_chat.agents.answer")
        chunks = answer.run(request.messages, model, self._instructions, self._api_keys, self._base_urls)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk
