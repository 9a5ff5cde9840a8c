"""What the house tells of its work, as it happens, to whoever counts or notes it: facts in the past tense.

A fact never holds what anybody said, named or typed: no text, title, argument, result, token or key. Ids are for notes
and traces; whoever counts leaves them out. Whoever is told raises nothing and takes no time: a fact is told where it
happens, on the event loop, and nobody waits for what becomes of it. The log has facts of its own (`log/facts.py`).
"""

import re
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log.facts import LogFact, silent

__all__ = ["Fact", "Tell", "silent"]

MODEL = re.compile(r"[\w.:/@+-]{1,128}", re.ASCII)
"""What a model is called."""

Transport = Literal["stream", "pages"]

FINISH_REASONS = ("stop", "length", "content-filter", "tool-calls", "error", "other", "unknown")

Runs = Literal["server", "kernel", "person"]

Origin = Literal["new", "fork", "import"]

Cause = Literal["person", "retention"]

Break = Literal["compacted", "ahead"]
"""Why a reader was not given the events after its position: a snapshot took their place; or the log ends before it."""


class TurnBegun(Struct, frozen=True):
    """This process runs a turn from now on. Told inside of the turn's own task."""

    session: str
    turn: str
    agent: str
    model: str | None
    taken_over: bool
    """Whether another process has begun it."""


class FirstToken(Struct, frozen=True):
    """The first text or reasoning of a turn is stored, so many seconds after the turn was begun."""

    turn: str
    seconds: float


class TurnEnded(Struct, frozen=True):
    """The outcome of a turn is stored; it was begun so many seconds ago, by whomever."""

    session: str
    turn: str
    outcome: e.Outcome
    seconds: float
    category: str | None
    """Of its error."""
    input_tokens: int
    output_tokens: int


class TurnLeft(Struct, frozen=True):
    """This process runs a turn no more, whether or not it has an outcome. Told inside of the turn's own task."""

    turn: str


class StepEnded(Struct, frozen=True):
    """One request to a model of a turn is over, after so many seconds."""

    turn: str
    agent: str
    model: str | None
    seconds: float
    reason: str | None
    """Why the model ended, one of `FINISH_REASONS`; `None` when it did not say."""
    error: str | None
    """The category of an error that ended it, or `cancelled`."""
    input_tokens: int
    output_tokens: int


class CallEnded(Struct, frozen=True):
    """A call that was allowed has its result, or gets none any more, after so many seconds."""

    turn: str
    tool: str | None
    """Its name, if it is a tool of the server: people name those of kernels."""
    runs: Runs
    seconds: float
    has_failed: bool


class SessionMade(Struct, frozen=True):
    """There is a session that was not there before."""

    session: str
    origin: Origin


class SessionGone(Struct, frozen=True):
    """A session was deleted, by a person or by what the settings keep."""

    session: str
    cause: Cause


class StoreOpened(Struct, frozen=True):
    """The log can be used from now on."""


class StoreUnavailable(Struct, frozen=True):
    """The log cannot be opened, for another reason than the last one, if there was one."""


class ReaderCame(Struct, frozen=True):
    transport: Transport


class ReaderLeft(Struct, frozen=True):
    transport: Transport


class Resumed(Struct, frozen=True):
    """A reader that came back with a position has caught up: so many events were after it."""

    events: int


class ResumeBroke(Struct, frozen=True):
    """A reader with a position was not given all events after it."""

    reason: Break


TurnFact = TurnBegun | FirstToken | StepEnded | CallEnded | TurnEnded | TurnLeft
HouseFact = SessionMade | SessionGone | StoreOpened | StoreUnavailable
ReaderFact = ReaderCame | ReaderLeft | Resumed | ResumeBroke

ChatFact = TurnFact | HouseFact | ReaderFact

Fact = LogFact | ChatFact

Tell = Callable[[Fact], None]


def several(*listeners: Tell) -> Tell:
    """Tell all of these, in this order."""

    def tell(fact: Fact) -> None:
        for listener in listeners:
            listener(fact)

    return tell


def model_named(model: str | None) -> str | None:
    """The model, unless somebody has typed what is no model's name."""
    return model if model and MODEL.fullmatch(model) else None
