"""Who answers.

An agent turns a conversation into a stream of assistant chunks. It knows no log, no session and no turn: it yields, and
whoever iterates decides what becomes of it. It runs no tools of ours: it ends its step with the calls that it wants,
whoever iterates finds their results, and asks it again with its unfinished answer as the last message.

It is stopped by cancelling the iteration or by closing the generator, and then its connection to the provider is closed
before that is through. Whoever iterates closes the generator in any case (`contextlib.aclosing`): a cancellation that
comes between two chunks does not reach it.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from msgspec import Struct

from jupyter_durable_chat.agents.title import title_of
from jupyter_durable_chat.events import Category, Chunk

__all__ = ["Agent", "AgentError", "Host", "Request", "ToolSpec", "Verdict"]


class ToolSpec(Struct, frozen=True):
    """A tool as a model is told of it; `parameters` is the JSON Schema of an object."""

    name: str
    description: str
    parameters: dict[str, Any]


class Verdict(Struct, frozen=True):
    """What a person said when an agent asked for an approval."""

    approved: bool
    reason: str | None = None


class Host(ABC):
    """What an agent may ask of whoever runs it."""

    session: str = ""

    @abstractmethod
    async def attachment(self, url: str) -> tuple[bytes, str]:
        """The bytes and the media type behind an `attachment:` URL of a part. Raises `AgentError`."""

    @abstractmethod
    async def approval(self, approval_id: str) -> Verdict:
        """Wait for the answer to a `ToolApprovalRequest` that the agent has yielded before."""


class Request(Struct, frozen=True):
    """What an agent is asked: the messages a person sees, oldest first.

    The last one is the person's; or it is the assistant's own unfinished answer, and then what is wanted is its
    continuation, from where its text ends, even inside a word. `messages` are AI SDK `UIMessage` objects (`id`, `role`,
    `parts`, `metadata`). `model` is named as pydantic-ai names it (`openai:gpt-5`), or `None` for the agent's own.

    When the unfinished answer's last step ends with tool calls, all of them have their result, and what is wanted is
    the next step. A call that was asked for in this request has an id that no other call of the conversation has.
    `effort` is one of the agent's `efforts`, or `None` for its own. `host` is who runs it, `None` when nobody waits.
    """

    messages: list[dict[str, Any]]
    model: str | None = None
    tools: list[ToolSpec] = []
    effort: str | None = None
    host: Host | None = None


class AgentError(Exception):
    """An answer failed. `text` is for a person: it holds no secret and says what to do."""

    def __init__(self, category: Category, text: str, *, recoverable: bool = False) -> None:
        super().__init__(text)
        self.category: Category = category
        self.text = text
        self.recoverable = recoverable


class Agent(ABC):
    """The seam. Implementations: `demo`, `pydantic_ai`, `acp`, and `exported` for agents of packages."""

    name: str
    description: str = ""
    models: Sequence[str] = ()
    """Models that it offers by name; the first is its own. Others may be asked for, too."""
    efforts: Sequence[str] = ()
    """How hard it can be told to think, from least to most; empty when there is nothing to choose."""
    tools: Sequence[str] | None = None
    """The only tools that it is given, by name; `None`: all there are."""
    resumes: bool = False
    """Whether a step that it has said a `resume` of can be gone on with by `resume`."""

    def unavailable(self, model: str | None = None) -> str | None:
        """Why this agent cannot answer now, with the next step; `None` when it can. Quick, and no I/O."""
        return None

    @abstractmethod
    def run(self, request: Request) -> AsyncGenerator[Chunk]:
        """The answer as chunks: steps, text, reasoning, tools, and a `Finish` when the provider said it is done.

        `start` is not among them: who runs the turn has minted the message's id. Tokens used stand in
        `Finish.message_metadata["usage"]` with the fields of `events.Usage`. An iteration that ends without a `Finish`
        was truncated. A `Finish` with the reason `tool-calls` ends a step: every call of it without a result is run,
        and the agent is asked again. A `tool-input-error` is a call with its result. Raises `AgentError`, and nothing
        else on purpose.
        """

    def resume(self, request: Request, state: dict[str, Any], said: Sequence[dict[str, Any]]) -> AsyncGenerator[Chunk]:
        """The rest of a step that its provider went on with while nobody listened, as `run` would have told it.

        An agent that can do this yields a `MessageMetadata` with a `resume` once it knows how, and one in which that is
        `None` when the step is over; `state` is that value, from the message's metadata. `said` are the parts of that
        step as far as they are stored: after the last `step-start`. A part that is open in it (`streaming`, with its
        `id`) is gone on with under that id. Nothing of `said` is told again. Raises `AgentError`.
        """
        raise NotImplementedError(f"{self.name} does not resume")

    async def discard(self, state: dict[str, Any]) -> None:
        """Tell the provider that nobody wants the rest of such a step: it was stopped. Raises nothing on purpose."""
        return None

    async def aclose(self) -> None:
        """Give up processes and connections, once nothing runs any more. Idempotent."""
        return None

    async def title(self, messages: Sequence[dict[str, Any]], model: str | None) -> str | None:
        """What to call the conversation, in one short line; `None` when it says nothing to be called by.

        Without a title of its own an agent takes it from the text. Raises nothing on purpose; it may take long.
        """
        return title_of(messages)
