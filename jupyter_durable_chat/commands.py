"""What people ask of a session, and why it may be refused.

A command that makes something carries the `client_id` that whoever asks has given it: the same one is the same request
for ever, and gets the same reply.
"""

import secrets
from typing import Any, Literal

from msgspec import Struct

from jupyter_durable_chat.events import Mode


class Message(Struct, frozen=True):
    """What a person sends. The same `client_id` with the same body is one message for ever."""

    client_id: str
    text: str
    parts: list[dict[str, Any]] = []
    agent: str | None = None
    model: str | None = None
    effort: str | None = None
    mode: Mode | None = None
    tools: list[str] | None = None


class Edit(Struct, frozen=True):
    """How to answer again; with `text`, to that instead. With a `client_id`, a repetition is the same request."""

    text: str | None = None
    agent: str | None = None
    model: str | None = None
    effort: str | None = None
    mode: Mode | None = None
    client_id: str | None = None


class Sent(Struct, frozen=True):
    """The answer to a send; the same for every repetition of it. `lsn` is that of the first event it made."""

    message_id: str
    turn_id: str
    lsn: int
    status: Literal["started", "queued"] = "started"


def new_id(kind: str) -> str:
    """A name that is never used twice: 80 random bits behind a letter that says what it names."""
    return f"{kind}_{secrets.token_hex(10)}"


class CommandError(Exception):
    """A command that cannot be done now; its text is for a person. `retry_after`: seconds, when waiting helps."""

    def __init__(self, text: str, *, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class TurnRunning(CommandError):
    """One turn at a time."""


class ClientIdReused(CommandError):
    """The same client id came with another body."""


class AgentUnavailable(CommandError):
    """Whom the message is for cannot answer."""


class NothingToContinue(CommandError):
    """The answer is complete, or none."""


class NotWaiting(CommandError):
    """A message that does not wait in the queue."""


class UnknownEffort(CommandError):
    """An effort that the agent does not take."""


class BudgetSpent(CommandError):
    """The session has used what it may."""


class UnknownApproval(CommandError):
    """An approval that nobody has asked for in this session."""


class UnknownCall(CommandError):
    """A call that nobody has made in this session."""


class AlreadyAnswered(CommandError):
    """An approval, or a call, that has another answer."""


class AlreadyStarted(CommandError):
    """A call that another runner runs."""


class NotAnAnswer(CommandError):
    """What is given as the answer to a question answers something else."""


class UnknownMessage(CommandError):
    """A message id that this session does not have."""


class Busy(CommandError):
    """Another server is just starting or ending a turn of this session; try again."""


class TooManyTurns(CommandError):
    """As many answers as are allowed are running."""


class TooManyMessages(CommandError):
    """More messages in a minute than are allowed."""


class TooManyShares(CommandError):
    """As many links as are allowed lead to the session."""


class SessionFull(CommandError):
    """The session's log has the size that is allowed."""
