"""Which agents there are, and which one answers.

An agent is known by its name. Whoever asks for one that is not here is told so, with their word and the names there
are; nothing is chosen silently in its place.
"""

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Any

from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.events import Chunk

DEMO = "demo"


class UnknownAgent(ValueError):
    """There is no agent of that name."""


class Agents:
    """Agents by name: instances, and dotted paths `package.module:object` that are loaded when first asked.

    `default` answers when neither an agent nor a model is named, `for_models` when only a model is.
    """

    def __init__(self, agents: Iterable[Agent | str], default: str = DEMO, *, for_models: str = "assistant") -> None:
        known = [LazyAgent(agent) if isinstance(agent, str) else agent for agent in agents]
        self._agents = {agent.name: agent for agent in known}
        self.default = default
        self._for_models = for_models

    def resolve(self, agent: str | None, model: str | None) -> tuple[Agent, str | None]:
        """Who answers, and with which model: `None` when the agent has none to choose.

        Raises `UnknownAgent`.
        """
        chosen = self[agent or self._implied(model)]
        if chosen.name == DEMO:
            return chosen, None
        return chosen, model or next(iter(chosen.models), None)

    def _implied(self, model: str | None) -> str:
        if model is None:
            return self.default
        return DEMO if model == DEMO else self._for_models

    def __getitem__(self, name: str) -> Agent:
        try:
            return self._agents[name]
        except KeyError:
            raise UnknownAgent(f"There is no agent {name!r}. There are: {', '.join(self._agents)}.") from None

    def describe(self) -> dict[str, Any]:
        """The answer to `GET api/agents`."""
        return {"default": self.default, "agents": [_describe(agent) for agent in self._agents.values()]}


def _describe(agent: Agent) -> dict[str, Any]:
    why = agent.unavailable()
    return {
        "name": agent.name,
        "description": agent.description,
        "models": list(agent.models),
        "available": why is None,
        "why": why,
    }


class LazyAgent(Agent):
    """The agent at `package.module:object`, an `Agent` or what makes one when called, imported on first use.

    Its name here is the object's. The import happens in a thread, because it may take long.
    """

    def __init__(self, path: str) -> None:
        self._module, _, self._attribute = path.partition(":")
        if not self._module or not self._attribute.isidentifier():
            raise ValueError(f"{path!r} names no agent; write 'package.module:object'")
        self.name = self._attribute
        self.description = f"{self._attribute} of {self._module}"
        self._loaded: Agent | None = None

    def unavailable(self, model: str | None = None) -> str | None:
        if self._loaded is not None:
            return self._loaded.unavailable(model)
        package = self._module.partition(".")[0]
        if importlib.util.find_spec(package) is None:
            return f"There is no module {package!r} where the Jupyter server runs. Install it there."
        return None

    async def run(self, request: Request) -> AsyncGenerator[Chunk]:
        agent = await self._agent()
        async with aclosing(agent.run(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def title(self, messages: Sequence[dict[str, Any]], model: str | None) -> str | None:
        return await (await self._agent()).title(messages, model)

    async def _agent(self) -> Agent:
        if self._loaded is None:
            self._loaded = await asyncio.to_thread(self._load)
        return self._loaded

    def _load(self) -> Agent:
        where = f"{self._module}:{self._attribute}"
        try:
            found = getattr(importlib.import_module(self._module), self._attribute)
        except (ImportError, AttributeError) as error:
            raise AgentError("internal", f"The agent {where} cannot be loaded: {error}") from None
        agent = found if isinstance(found, Agent) else found() if callable(found) else None
        if not isinstance(agent, Agent):
            raise AgentError("internal", f"{where} is no jupyter_durable_chat.agents.Agent, and makes none.")
        return agent
