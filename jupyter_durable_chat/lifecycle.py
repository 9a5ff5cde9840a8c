"""Facts, told to operators as Jupyter's own events: how turns, conversations and the store fare, never what was said.

Each kind has a schema in `event_schemas`; nothing goes out that does not fit it. An event is emitted in a callback of
its own, so a handler of an operator that is slow or fails costs no turn anything but the time of the event loop.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_events import EventLogger

from jupyter_durable_chat import facts as f
from jupyter_durable_chat.log import facts as log

SCHEMAS = Path(__file__).parent / "event_schemas"

KINDS = ("turn", "session", "store")

Soon = Callable[[Callable[[], object]], object]
"""Has something called in the event loop, soon and in order; from any thread."""


class Lifecycle:
    """Emits what it is told to this logger, whose handlers and listeners decide who hears of it."""

    def __init__(self, logger: EventLogger, soon: Soon) -> None:
        self._logger = logger
        self._soon = soon
        for kind in KINDS:
            if schema_id(kind) not in logger.schemas:
                logger.register_event_schema(SCHEMAS / kind / "v1.yaml")
        self._turns: dict[str, str] = {}
        """The sessions of the turns that run here and have no outcome yet."""

    def __call__(self, fact: f.Fact) -> None:
        match fact:
            case f.TurnBegun():
                self._turns[fact.turn] = fact.session
                action = "taken-over" if fact.taken_over else "started"
                model = {"model": fact.model} if fact.model else {}
                self._emit("turn", action, session=fact.session, turn=fact.turn, agent=fact.agent, **model)
            case f.FirstToken(turn, seconds) if session := self._turns.get(turn):
                self._emit("turn", "first-token", session=session, turn=turn, seconds=seconds)
            case f.TurnEnded():
                self._turns.pop(fact.turn, None)
                category = {"category": fact.category} if fact.category else {}
                self._emit(
                    "turn",
                    "ended",
                    session=fact.session,
                    turn=fact.turn,
                    outcome=fact.outcome,
                    seconds=fact.seconds,
                    input_tokens=fact.input_tokens,
                    output_tokens=fact.output_tokens,
                    **category,
                )
            case f.TurnLeft(turn) if session := self._turns.pop(turn, None):
                self._emit("turn", "left", session=session, turn=turn)
            case f.SessionMade(session, origin):
                self._emit("session", "created", session=session, origin=origin)
            case f.SessionGone(session, cause):
                self._emit("session", "deleted", session=session, cause=cause)
            case f.StoreOpened():
                self._emit("store", "opened")
            case f.StoreUnavailable():
                self._emit("store", "unavailable")
            case log.Unstored(store):
                self._emit("store", "append-failed", store=store)
            case log.FencedOff(store):
                self._emit("store", "append-fenced", store=store)

    def _emit(self, kind: str, action: str, **about: Any) -> None:
        data = {"action": action, **about}
        self._soon(lambda: self._logger.emit(schema_id=schema_id(kind), data=data))


def schema_id(kind: str) -> str:
    return f"https://events.jupyter.org/jupyter_durable_chat/{kind}/v1"
