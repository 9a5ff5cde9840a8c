"""What the JSON of a transcript must be like so that the fold can go on from it, wherever it came from.

`transcript` takes a stranger's snapshot and gives a `Transcript` whose messages are a forest in the order of their
LSNs, whose shown branch is one of it, and whose parts have what the fold, the agents and the documents read. What is
said in them stays a stranger's.
"""

import re
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from jupyter_durable_chat import events as e
from jupyter_durable_chat.parts import wrong
from jupyter_durable_chat.transcript import JSON, Transcript

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


class Misshapen(ValueError):
    """What is wrong, with its place."""


class _Request(Struct):
    turn: str | None
    lsn: int
    client_id: str | None = None
    outcome: e.Outcome | None = None


class _Wait(Struct, rename={"since": "from", "until": "to"}):
    since: str
    until: str


class _Metadata(Struct):
    at: str
    lsn: int
    turn: str | None = None
    parent: str | UnsetType | None = UNSET
    client_id: str | None = None
    agent: str | None = None
    model: str | None = None
    effort: str | None = None
    mode: e.Mode | None = None
    tools: list[str] | None = None
    author: e.Author | None = None
    queued: int | None = None
    sent: list[JSON] | None = None
    resolved_agent: str | None = None
    resolved_model: str | None = None
    resolved_effort: str | None = None
    resolved_mode: str | None = None
    outcome: e.Outcome | None = None
    stopped_by: e.Author | None = None
    error: e.Error | None = None
    usage: e.Usage | None = None
    context: e.Context | None = None
    finished_at: str | None = None
    finished_lsn: int | None = None
    waits: list[_Wait] = []
    continued: list[_Request] = []
    continued_lsn: int | None = None


class _Message(Struct):
    id: str
    role: Literal["user", "assistant"]
    parts: list[JSON]
    metadata: JSON


class _Turn(Struct):
    id: str
    user_message_id: str
    message_id: str
    agent: str
    started_at: str
    model: str | None = None
    effort: str | None = None
    mode: e.Mode | None = None
    tools: list[str] | None = None
    stopping: bool = False
    continues: bool = False
    first_part: int = 0
    acting: bool = False
    steps: int = 0
    usage: JSON = {}
    nested_tokens: int = 0
    waits_since: str | None = None


class _Snapshot(Struct):
    lsn: int
    title: str | None
    status: Literal["idle", "streaming", "failed"]
    messages: list[_Message]
    turn: _Turn | None
    usage: e.Usage
    created_at: str
    updated_at: str
    others: list[_Message] = []


class _Part(Struct, tag_field="type", rename="camel"):
    pass


class _Text(_Part, tag="text"):
    text: str
    state: Literal["streaming", "done"] | None = None
    id: str | None = None
    provider_metadata: JSON | None = None


class _Start(Struct):
    at: str
    runner: str | None = None
    seen: int | None = None


class _Reasoning(_Part, tag="reasoning"):
    text: str
    state: Literal["streaming", "done"] | None = None
    id: str | None = None
    provider_metadata: JSON | None = None
    started: _Start | None = None
    finished_at: str | None = None


class _StepStart(_Part, tag="step-start"):
    pass


class _SourceUrl(_Part, tag="source-url"):
    source_id: str
    url: str
    title: str | None = None


class _SourceDocument(_Part, tag="source-document"):
    source_id: str
    media_type: str
    title: str
    filename: str | None = None


class _File(_Part, tag="file"):
    media_type: str
    url: str
    filename: str | None = None


class _Approval(Struct):
    id: str
    scope: Literal["session"] | None = None
    deadline: str | None = None
    approved: bool | None = None
    reason: str | None = None
    by: e.Author | None = None


class _Said(Struct):
    level: str
    text: str


class _Suspended(Struct):
    kept: Any
    asked: str


class _Progress(Struct):
    progress: float | None = None
    total: float | None = None
    message: str | None = None


class _Call(_Part, tag="dynamic-tool"):
    tool_name: str
    tool_call_id: str
    state: Literal[
        "input-streaming",
        "input-available",
        "approval-requested",
        "approval-responded",
        "output-available",
        "output-error",
        "output-denied",
    ]
    title: str | None = None
    provider_executed: bool | None = None
    call_provider_metadata: JSON | None = None
    error_text: str | None = None
    approval: _Approval | None = None
    waits_for: Literal["kernel", "person"] | None = None
    started: _Start | None = None
    finished_at: str | None = None
    progress: _Progress | None = None
    logs: list[_Said] = []
    suspended: _Suspended | None = None
    parts: list[JSON] = []
    steps: int = 0
    preliminary: bool = False


class _DataPart(Struct):
    data: Any
    id: str | None = None


_Parts = _Text | _Reasoning | _StepStart | _SourceUrl | _SourceDocument | _File | _Call


def check_id(value: str | None, where: str) -> None:
    """Refuse a name that no address could have. Raises `Misshapen`."""
    if value is not None and not _ID.fullmatch(value):
        raise Misshapen(f"{where} takes 1 to 64 letters, digits, '_' and '-', and not {value[:80]!r}")


def check_at(value: str | None, where: str) -> None:
    """Raises `Misshapen`."""
    if value is not None and not _AT.fullmatch(value):
        raise Misshapen(f"{where} takes a time as 2026-01-31T12:00:00.000Z, and not {value[:80]!r}")


def transcript(data: JSON, where: str) -> Transcript:
    """The transcript that this JSON is. Takes it over. Raises `Misshapen`."""
    snapshot = _as(_Snapshot, data, where)
    check_at(snapshot.created_at, f"{where}.created_at")
    check_at(snapshot.updated_at, f"{where}.updated_at")
    if snapshot.lsn < 1:
        raise Misshapen(f"{where}.lsn takes a number from 1, and not {snapshot.lsn}")
    for name, messages in (("messages", snapshot.messages), ("others", snapshot.others)):
        for place, message in enumerate(messages):
            _check_message(message, snapshot.lsn, f"{where}.{name}[{place}]")
    ids = [message.id for message in (*snapshot.messages, *snapshot.others)]
    if len(set(ids)) < len(ids):
        raise Misshapen(f"{where} has two messages of one id")
    kept = ("lsn", "title", "status", "turn", "usage", "created_at", "updated_at", "messages")
    empty = {"id": "", "name": "", "notebook": None, "agent": None, "model": None, "muted": False}
    restored = Transcript.from_json({**empty, **{name: data[name] for name in kept}, "others": data.get("others", [])})
    _check_forest([*data["messages"], *data.get("others", [])], where)
    if restored.branch(restored.leaf) != data["messages"]:
        raise Misshapen(f"{where}.messages is no branch, from its first message to its last")
    if turn := snapshot.turn:
        check_id(turn.id, f"{where}.turn.id")
        answer = restored.message(turn.message_id)
        if answer is None or answer["role"] != "assistant":
            raise Misshapen(f"{where}.turn.message_id names no answer")
        _as(e.Usage, turn.usage, f"{where}.turn.usage")
    elif snapshot.status == "streaming":
        raise Misshapen(f"{where}.status is 'streaming', but there is no turn")
    return restored


def _check_forest(messages: list[JSON], where: str) -> None:
    before: set[str] = set()
    for message in sorted(messages, key=lambda message: message["metadata"]["lsn"]):
        parent = message["metadata"].get("parent")
        if parent is not None and parent not in before:
            raise Misshapen(f"{where}: the parent of message {message['id']!r} is none that came before it")
        before.add(message["id"])


def _check_message(message: _Message, lsn: int, where: str) -> None:
    check_id(message.id, f"{where}.id")
    metadata = _as(_Metadata, message.metadata, f"{where}.metadata")
    check_id(metadata.turn, f"{where}.metadata.turn")
    for name in ("at", "finished_at"):
        check_at(getattr(metadata, name), f"{where}.metadata.{name}")
    if not 1 <= metadata.lsn <= lsn:
        raise Misshapen(f"{where}.metadata.lsn takes a number from 1 to {lsn}, and not {metadata.lsn}")
    if message.role == "user":
        check_said(message.parts, f"{where}.parts")
        check_said(metadata.sent, f"{where}.metadata.sent")
        if not message.parts or message.parts[0]["type"] != "text":
            raise Misshapen(f"{where}.parts does not begin with a text")
    else:
        _check_parts(message.parts, f"{where}.parts")


def check_said(parts: list[JSON] | None, where: str) -> None:
    """Refuse what is no part of a person's message. Raises `Misshapen`."""
    if problem := wrong(parts or [], where):
        raise Misshapen(problem.rstrip("."))


def _check_parts(parts: list[JSON], where: str) -> None:
    for place, part in enumerate(parts):
        here = f"{where}[{place}]"
        kind = part.get("type")
        if isinstance(kind, str) and kind.startswith("data-"):
            _as(_DataPart, part, here)
        else:
            known = _as(_Parts, part, here)
            if isinstance(known, _Call):
                _check_parts(known.parts, f"{here}.parts")


def _as(kind: Any, value: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Misshapen(f"{where}: {error}") from None
