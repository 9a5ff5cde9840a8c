"""Agents that speak ACP, the Agent Client Protocol: a command of the server's machine that answers, with its own tools.

A session has one process, started when it is first asked, kept between turns, ended when nobody has asked it for some
minutes, and with its whole process group when the server ends. What it was told is remembered by its messages: a
process that knows the beginning of a conversation is told the rest, any other one is told everything. Where the agent
can, a new process is given back what an old one knew; the id for that stands in the answers' metadata.

What it asks leave for is asked of the person; a stop is told to it, and its process stays. It reads and writes files
through us only inside its folder. Importing this costs nothing: the ACP SDK is imported in a thread (`acp_process`).
"""

import asyncio
import importlib
import importlib.util
import os
import re
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct

from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.events import Chunk

if TYPE_CHECKING:
    from jupyter_durable_chat.agents.acp_process import Process

__all__ = ["AcpAgent", "AcpConfig"]

IDLE_SECONDS = 600.0


class AcpConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How an agent is started; `env` is added to the little of the environment that every process gets."""

    command: str
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str = "."
    description: str = ""
    allow_writes: bool = False
    """Whether it may have us write files inside its folder."""

    def __repr__(self) -> str:
        return "AcpConfig(…)"

    @property
    def folder(self) -> Path:
        return Path(os.path.abspath(os.path.expanduser(self.cwd)))


class AcpAgent(Agent):
    """Answers through a command that speaks ACP. Raises `ValueError` that quotes what is wrong with its settings."""

    def __init__(
        self,
        name: str,
        command: str,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: str = ".",
        description: str = "",
        *,
        allow_writes: bool = False,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._set_up(
            name,
            {
                "command": command,
                "args": list(args),
                "env": dict(env or {}),
                "cwd": cwd,
                "description": description,
                "allow_writes": allow_writes,
            },
            idle_seconds,
        )

    @classmethod
    def configured(cls, name: str, config: Mapping[str, Any]) -> "AcpAgent":
        """The agent of these settings (`AcpConfig`). Raises `ValueError` that quotes what is wrong."""
        agent = cls.__new__(cls)
        agent._set_up(name, dict(config), IDLE_SECONDS)
        return agent

    def _set_up(self, name: str, config: Mapping[str, Any], idle_seconds: float) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
            raise ValueError(f"{name!r} is no name for an agent: letters, digits, '_', '-' and '.', please.")
        try:
            self._config = msgspec.convert(config, AcpConfig)
        except msgspec.ValidationError as error:
            raise ValueError(f"The ACP agent {name!r}: {error}") from None
        if not self._config.command:
            raise ValueError(f"The ACP agent {name!r} has an empty 'command'.")
        self.name = name
        self.description = self._config.description or f"{Path(self._config.command).name}, over ACP"
        self._idle_seconds = idle_seconds
        self._processes: dict[str, Process] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def unavailable(self, model: str | None = None) -> str | None:
        if importlib.util.find_spec("acp") is None:
            return "ACP is not installed where the Jupyter server runs: pip install 'jupyter-durable-chat[acp]'"
        if shutil.which(self._config.command) is None:
            return f"The command {self._config.command!r} is not found where the Jupyter server runs. Install it there."
        if not self._config.folder.is_dir():
            return f"The folder {self._config.cwd!r} of the agent {self.name!r} is not there. Make it, or set another."
        return None

    async def run(self, request: Request) -> AsyncGenerator[Chunk]:
        if why := self.unavailable():
            raise AgentError("provider", why)
        if self._closed:
            raise AgentError("provider", "The server is ending.", recoverable=True)
        module = await asyncio.to_thread(importlib.import_module, "jupyter_durable_chat.agents.acp_process")
        session = request.host.session if request.host else ""
        if timer := self._ends.pop(session, None):
            timer.cancel()
        process: Process | None = self._processes.get(session)
        if process is None or not process.usable:
            process = self._processes[session] = cast("Process", module.Process(self.name, self._config, session))
        try:
            async with aclosing(process.answer(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            seconds = self._idle_seconds if process.usable and session and not self._closed else 0
            self._ends[session] = asyncio.get_running_loop().call_later(seconds, self._end, session, process)

    async def aclose(self) -> None:
        """Idempotent; no process is left."""
        self._closed = True
        for session, process in list(self._processes.items()):
            self._end(session, process)
        while self._ending:
            await asyncio.wait(self._ending)

    def _end(self, session: str, process: "Process") -> None:
        if process.busy and not self._closed:
            return  # it was asked again meanwhile, and whoever asked looks after it
        if timer := self._ends.pop(session, None):
            timer.cancel()
        if self._processes.get(session) is process:
            del self._processes[session]
        ending = asyncio.create_task(process.aclose())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
