"""What a guest sees of a session: somebody who has nothing but a link to it.

A guest sees the branch that is shown, as it is now and as it goes on, and none of its past: what was said otherwise
before, waits in the queue, or was removed from it, is not theirs. Neither is what the session costs, where its notebook
is, what runs its tools, who may read it, or by which name people log in.

Everything is named: what is not listed here, a field or a type of event, is not shown. An event that is not shown keeps
its number, so that nobody finds a hole. `fold(shown events, transcript(t)) == transcript(fold(events, t))` as long as
no event `begins` something: what that means can depend on what guests do not have, so they get a new transcript.
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from jupyter_durable_chat import events as e
from jupyter_durable_chat.transcript import JSON, Transcript

NOT_SHOWN = "not-shown"
"""The type of an event of which a guest learns that it was."""

_NOBODYS: JSON = {
    **dict.fromkeys(("notebook", "agent", "model", "effort", "mode", "budget", "held")),
    **{name: [] for name in ("others", "queue", "removed", "offers", "allowed", "shares")},
    **{"name": "", "muted": False, "usage": {}},
}
"""What a transcript has of the session's owner."""

_METADATA = (
    *("at", "lsn", "parent", "turn", "agent", "model", "effort", "mode", "outcome", "error"),
    *("finished_at", "finished_lsn", "waits", "continued_lsn"),
)

_PARTS: dict[str, tuple[str, ...]] = {
    "text": ("text", "state", "id", "started", "finishedAt"),
    "reasoning": ("text", "state", "id", "started", "finishedAt"),
    "step-start": (),
    "source-url": ("sourceId", "url", "title"),
    "source-document": ("sourceId", "mediaType", "title", "filename"),
    "file": ("mediaType", "url", "filename"),
    "data": ("id", "data"),
    "dynamic-tool": (
        *("toolName", "toolCallId", "state", "input", "rawInput", "output", "errorText", "title", "providerExecuted"),
        *("preliminary", "steps", "waitsFor", "finishedAt", "progress", "logs"),
    ),
}


def transcript(whole: Transcript) -> JSON:
    """A session's transcript as guests get it. Shares texts with it."""
    turn = whole.turn
    return {
        **whole.to_json(),
        **_NOBODYS,
        "messages": [_message(message) for message in whole.messages],
        "approvals": [{name: asked[name] for name in asked if name != "scope"} for asked in whole.approvals],
        "turn": turn and {**turn, "tools": None, "usage": {}, "nested_tokens": 0},
    }


def _message(message: JSON) -> JSON:
    about: JSON = message["metadata"]
    metadata = _only(about, _METADATA)
    if author := about.get("author"):
        metadata["author"] = _author(author)
    if "continued" in about:
        metadata["continued"] = [_only(request, ("turn", "lsn", "outcome")) for request in about["continued"]]
    return {"id": message["id"], "role": message["role"], "parts": _parts(message["parts"]), "metadata": metadata}


def _author(author: JSON) -> JSON:
    """Who said it, by the name that is shown; nobody's login."""
    name = author.get("name") or "?"
    return {"username": name, "name": name} | _only(author, ("color", "via"))


def _parts(parts: Iterable[JSON]) -> list[JSON]:
    return [shown for part in parts if (shown := _part(part)) is not None]


def _part(part: JSON) -> JSON | None:
    kind: str = part["type"]
    fields = _PARTS.get("data" if kind.startswith("data-") else kind)
    if fields is None:
        return None
    shown = {"type": kind} | _only(part, fields)
    if kind == "dynamic-tool":
        if "approval" in part:
            shown["approval"] = _only(part["approval"], ("id", "deadline", "approved", "reason"))
        if "started" in part:
            shown["started"] = _only(part["started"], ("at", "seen"))
        if "suspended" in part:
            shown["suspended"] = {"kept": None, "asked": part["suspended"]["asked"]}
        if "parts" in part:
            shown["parts"] = _parts(part["parts"])
    return shown


def _only(value: JSON, names: Iterable[str]) -> JSON:
    return {name: value[name] for name in names if name in value}


# As it goes on

_BEGINS = (e.SessionCreated, e.UserMessage, e.BranchSelected, e.TurnStarted)


def begins(event: e.AnyEvent) -> bool:
    """Whether guests need a new transcript after this event."""
    return isinstance(event, _BEGINS)


def _title(event: e.SessionUpdated) -> e.SessionUpdated | None:
    return None if event.title is e.UNSET else e.SessionUpdated(title=event.title)


def _lasting(event: e.Data) -> e.Data | None:
    return None if event.transient else event


def _without(*names: str) -> Callable[[Any], Any]:
    """The event without these fields, all of which may be absent."""
    nothing = dict.fromkeys(names)
    return lambda event: msgspec.structs.replace(event, **nothing)


_whole = _without()
_unsigned = _without("provider_metadata")
_anonymous = _without("by")

_SHOWN: dict[type, Callable[[Any], Any]] = {
    e.SessionUpdated: _title,
    e.StopRequested: _anonymous,
    e.ApprovalAnswered: _anonymous,
    e.TurnStopped: _without("usage"),
    e.StartStep: _whole,
    e.FinishStep: _without("usage", "context"),
    e.TextStart: _unsigned,
    e.TextDelta: _unsigned,
    e.TextEnd: _unsigned,
    e.ReasoningStart: _unsigned,
    e.ReasoningDelta: _unsigned,
    e.ReasoningEnd: _unsigned,
    e.ToolInputStart: _whole,
    e.ToolInputDelta: _whole,
    e.ToolInputAvailable: _unsigned,
    e.ToolInputError: _unsigned,
    e.ToolApprovalRequest: _without("scope"),
    e.ToolWaiting: _whole,
    e.ToolStarted: _without("runner"),
    e.ToolProgress: _whole,
    e.ToolSuspended: _without("kept"),
    e.ToolOutputAvailable: _whole,
    e.ToolOutputError: _whole,
    e.ToolOutputDenied: _whole,
    e.SourceUrl: _unsigned,
    e.SourceDocument: _unsigned,
    e.File: _unsigned,
    e.Data: _lasting,
}
"""What guests see of an event; `None`: nothing."""


def record(event: e.AnyEvent) -> bytes:
    """The record of an event as guests get it."""
    show = _SHOWN.get(type(event))
    shown = show(event) if show else None
    if shown is None:
        return e.to_json({"at": event.at, "turn": None, "type": NOT_SHOWN})
    return e.encode(msgspec.structs.replace(shown, lsn=0, at="", turn=None), at=event.at, turn=event.turn)
