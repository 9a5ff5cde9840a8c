"""Which agents there are, and which one answers.

An agent is known by its name. Whoever asks for one that is not here is told so, with their word and the names there
are; nothing is chosen silently in its place.
"""

import asyncio
import difflib
import importlib
import importlib.metadata
import importlib.util
import logging
import re
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal

import msgspec
from msgspec import Struct

from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.agents.pydantic_ai import PydanticAgent
from jupyter_durable_chat.events import Chunk

logger = logging.getLogger(__name__)

DEMO = "demo"
ASSISTANT = "assistant"

ENTRY_POINTS = "jupyter_durable_chat.agents"

SETTING = "c.DurableChat.personas"

NAME = re.compile(r"[\w.-]{1,64}")

Effort = Literal["minimal", "low", "medium", "high", "xhigh", "max"]


class Persona(Struct, frozen=True, forbid_unknown_fields=True):
    """What the configuration says of an agent. What it does not say is as for every agent."""

    description: str = ""
    instructions: str | None = None
    model: str | None = None
    models: list[str] = []
    tools: list[str] | None = None
    effort: Effort | None = None
    efforts: list[Effort] = []
    options: dict[str, Any] = {}


def personas(
    config: Mapping[str, Any],
    *,
    instructions: str = "",
    model: str | None = None,
    api_keys: Mapping[str, str] | None = None,
    base_urls: Mapping[str, str] | None = None,
) -> list[Agent]:
    """The agents that the configuration names; the rest is for those that do not say it themselves.

    Raises `ValueError`, which quotes what is wrong.
    """
    return [
        PydanticAgent(
            name,
            description=said.description,
            instructions=instructions if said.instructions is None else said.instructions,
            default_model=said.model or (None if said.models else model),
            models=said.models,
            tools=said.tools,
            effort=said.effort,
            efforts=said.efforts,
            options=said.options,
            api_keys=api_keys,
            base_urls=base_urls,
        )
        for name, said in ((name, _persona(name, said)) for name, said in config.items())
    ]


def _persona(name: object, said: object) -> Persona:
    where = f"{SETTING}[{name!r}]"
    if not isinstance(name, str) or not NAME.fullmatch(name) or name == DEMO:
        raise ValueError(f"{where}: {name!r} cannot be an agent's name; take letters, digits, '-', '_' and '.'.")
    if not isinstance(said, Mapping):
        raise ValueError(f"{where} must be a dictionary, such as {{'instructions': '…'}}.")
    known = Persona.__struct_fields__
    for key in said:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{where} has an unknown key {key!r}.{hint} There are: {', '.join(known)}.")
    try:
        return msgspec.convert(dict(said), Persona)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {error}") from None


def installed() -> list[Agent]:
    """The agents that installed packages name as entry points; they are imported when they are first asked."""
    found: list[Agent] = []
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            found.append(LazyAgent(f"{point.module}:{point.attr}", name=point.name))
        except ValueError as error:
            logger.warning("The entry point %r of %s is left out: %s", point.name, ENTRY_POINTS, error)
    return found


class UnknownAgent(ValueError):
    """There is no agent of that name."""


class Agents:
    """Agents by name: instances, and dotted paths `package.module:object` that are loaded when first asked.

    `default` answers when neither an agent nor a model is named, the assistant when only a model is.
    """

    def __init__(self, agents: Iterable[Agent | str], default: str = DEMO) -> None:
        known = [LazyAgent(agent) if isinstance(agent, str) else agent for agent in agents]
        self._agents = {agent.name: agent for agent in known}
        self.default = default

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
        return DEMO if model == DEMO else ASSISTANT

    def __getitem__(self, name: str) -> Agent:
        try:
            return self._agents[name]
        except KeyError:
            raise UnknownAgent(f"There is no agent {name!r}. There are: {', '.join(self._agents)}.") from None

    async def aclose(self) -> None:
        """Have every agent give up its processes. Idempotent."""
        await asyncio.gather(*(agent.aclose() for agent in self._agents.values()))

    def describe(self) -> dict[str, Any]:
        """The answer to `GET api/agents`."""
        return {"default": self.default, "agents": [_describe(agent) for agent in self._agents.values()]}


def _describe(agent: Agent) -> dict[str, Any]:
    why = agent.unavailable()
    return {
        "name": agent.name,
        "description": agent.description,
        "models": list(agent.models),
        "efforts": list(agent.efforts),
        "available": why is None,
        "why": why,
    }


class LazyAgent(Agent):
    """The agent at `package.module:object`, imported on first use.

    The object is an `Agent`, a `pydantic_ai.Agent`, or what makes one of these when called. The name is the object's
    unless another is given. The import happens in a thread, because it may take long.
    """

    resumes = True  # what it resumes, it has begun

    def __init__(self, path: str, name: str | None = None) -> None:
        self._module, _, self._attribute = path.partition(":")
        if not self._module or not self._attribute.isidentifier():
            raise ValueError(f"{path!r} names no agent; write 'package.module:object'")
        self.name = name or self._attribute
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
        if agent.tools is not None:  # the first request was made before that was known
            tools = [spec for spec in request.tools if spec.name in agent.tools]
            request = msgspec.structs.replace(request, tools=tools)
        async with aclosing(agent.run(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def resume(
        self, request: Request, state: dict[str, Any], said: Sequence[dict[str, Any]]
    ) -> AsyncGenerator[Chunk]:
        agent = await self._agent()
        async with aclosing(agent.resume(request, state, said)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def discard(self, state: dict[str, Any]) -> None:
        await (await self._agent()).discard(state)

    async def title(self, messages: Sequence[dict[str, Any]], model: str | None) -> str | None:
        return await (await self._agent()).title(messages, model)

    async def aclose(self) -> None:
        if self._loaded is not None:
            await self._loaded.aclose()

    async def _agent(self) -> Agent:
        if self._loaded is None:
            loaded = await asyncio.to_thread(self._load)
            self.description = loaded.description or self.description
            self.models, self.efforts, self.tools = loaded.models, loaded.efforts, loaded.tools
            self._loaded = loaded
        return self._loaded

    def _load(self) -> Agent:
        where = f"{self._module}:{self._attribute}"
        try:
            found = getattr(importlib.import_module(self._module), self._attribute)
        except (ImportError, AttributeError) as error:
            raise AgentError("internal", f"The agent {where} cannot be loaded: {error}") from None
        agent = self._as_agent(found) or (self._as_agent(found()) if callable(found) else None)
        if agent is None:
            raise AgentError(
                "internal", f"{where} is no jupyter_durable_chat.agents.Agent or pydantic_ai.Agent, and makes none."
            )
        return agent

    def _as_agent(self, found: object) -> Agent | None:
        if isinstance(found, Agent):
            return found
        if "pydantic_ai" not in sys.modules:  # then it is nothing of pydantic-ai's
            return None
        exported = importlib.import_module("jupyter_durable_chat.agents.exported")
        return exported.ExportedAgent(self.name, found) if exported.is_agent(found) else None
