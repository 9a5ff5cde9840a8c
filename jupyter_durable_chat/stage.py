"""Where an answer is given: what its steps and its calls see of the session, and may ask of it.

Everything that they decide on is stored; they wait for it to be, and never act on what was only said.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal, TypeVar

from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Host, Verdict
from jupyter_durable_chat.facts import TurnFact
from jupyter_durable_chat.tools import Approval, Tool
from jupyter_durable_chat.transcript import JSON, TOOL_ENDS, Transcript

Denial = Literal["error", "disable", "stop"]
"""What a denial does beside telling the model: nothing, no more of this tool in this answer, an end to the answer."""

NOBODY_ANSWERED = "Nobody answered in time."

Seen = TypeVar("Seen")


class StepLimits(Struct, frozen=True):
    """How far an answer with tools may go."""

    steps: int = 10
    tool_seconds: float = 300.0
    output_bytes: int = 64 * 1024
    failures: int = 3
    """Failures of a tool in a row, after which it rests for the answer."""
    approval_seconds: float = 0.0
    """After which a call that nobody has approved is denied; 0: it waits for ever."""
    denial: Denial = "error"
    depth: int = 2
    """Agents within agents."""
    nested_tokens: int = 100_000
    """What the calls of one answer may use, of models that they ask."""


class Stage(Host):
    """Where an answer is given: the session, and what goes on in it beside the answer."""

    turn_id: str
    """Which turn is given here."""

    @property
    @abstractmethod
    def transcript(self) -> Transcript:
        """The session as far as it was read."""

    @abstractmethod
    def tell(self, fact: TurnFact) -> None:
        """Tell whoever counts or notes it."""

    @abstractmethod
    async def until(self, look: Callable[[Transcript], Seen | None]) -> Seen:
        """What `look` sees as soon as it sees something in what is stored."""

    @abstractmethod
    async def add(self, decide: Callable[[Transcript], Sequence[e.Event]]) -> None:
        """Store what `decide` wants of this turn, once it has seen everything that is stored."""

    @abstractmethod
    async def tools(self) -> dict[str, Tool]:
        """The tools of the server and of the kernels, by name."""

    @abstractmethod
    def policy(self, tool: Tool) -> Approval:
        """When a person is asked before this tool is run here."""

    @abstractmethod
    def resting(self) -> AbstractContextManager[None]:
        """A context in which the answer waits for others, so that it is not late."""

    @abstractmethod
    async def gone(self, runner: str, call_id: str) -> None:
        """Return when this runner of a kernel, which runs this call, is gone for good."""

    @abstractmethod
    def spent(self) -> str | None:
        """Why the session must not use more, in words; `None` when it may."""

    @abstractmethod
    def time(self, seconds: float) -> str:
        """`at` of an event so many seconds from now."""

    @abstractmethod
    def seconds_to(self, at: str) -> float:
        """How long it is until then."""

    @abstractmethod
    async def keep(self, data: bytes) -> str:
        """The `attachment:` URL under which these bytes are kept. Raises `ToolError`."""

    @abstractmethod
    def agent(self, name: str) -> tuple[Agent, str | None]:
        """Another agent, and its model. Raises `ToolError`."""


class Whom(Struct, frozen=True):
    """Who answers, and how. `only`: the tools that were asked for, by name."""

    agent: Agent
    model: str | None = None
    effort: str | None = None
    mode: e.Mode | None = None
    only: list[str] | None = None


async def verdict_on(stage: Stage, approval_id: str) -> Verdict:
    """What a person answers to a request that is on its way into the log, or what is answered when nobody does."""

    def answered(transcript: Transcript) -> JSON | None:
        part = transcript.call(call_id)
        is_open = (
            part and not ended(part) and part["approval"]["id"] == approval_id and "approved" not in part["approval"]
        )
        return None if is_open else part

    part = await stage.until(lambda transcript: transcript.asking(approval_id))
    call_id = part["toolCallId"]
    deadline = part["approval"].get("deadline")
    limit = asyncio.timeout(stage.seconds_to(deadline) if deadline else None)
    try:
        async with limit:
            part = await stage.until(answered)
    except TimeoutError:
        if not limit.expired():
            raise
        expired = e.ApprovalAnswered(
            approval_id=approval_id, tool_call_id=call_id, approved=False, reason=NOBODY_ANSWERED
        )
        await stage.add(lambda transcript: [] if answered(transcript) else [expired])
        part = await stage.until(answered)
    approval = part["approval"]
    if approval["id"] != approval_id:
        return Verdict(False, "It was asked for anew.")
    return Verdict(approval.get("approved", False), approval.get("reason"))


def ended(part: JSON | None) -> bool:
    """Whether this call has its result."""
    return part is not None and part["state"] in TOOL_ENDS and not part.get("preliminary")
