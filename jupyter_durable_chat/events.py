"""The vocabulary: one frozen struct per event type.

An event is an immutable fact with a number. It is encoded once, when it is appended, and the same bytes go to every
reader. The stored record is the event's JSON object without its LSN, because only the store knows the number;
`number` puts it in front. `decode(number(lsn, encode(event, at=..., turn=...)))` gives the event back.

Assistant output uses the chunk types of the AI SDK v6 UI message stream with their exact field names
(https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol), and adds what that has no words for: who runs a call and how far it
is, `parentToolCallId` for what happens inside of one, and how a step ended. Session facts are ours and use snake_case,
as the HTTP API does.
Types that this version does not know decode to `Unknown`; readers skip them.
"""

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

Outcome = Literal["completed", "stopped", "failed", "truncated", "interrupted"]
"""How a turn ended: the provider said so, a person stopped it, it broke, its stream just ended, its writer died."""

Category = Literal["auth", "rate", "network", "refused", "too-long", "provider", "tool", "budget", "internal"]

MAX_DEPTH = 64
"""How deeply JSON in an event may nest; what is stored is read by programs that each have a limit of their own."""


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """The envelope. `lsn`, `at` (RFC 3339, UTC, milliseconds) and `turn` are empty until the event is stored."""

    lsn: int = 0
    at: str = ""
    turn: str | None = None


class Author(Struct, frozen=True, omit_defaults=True):
    """Who did it, as Jupyter's identity provider names them. Never taken from a request's body.

    `via` says that it was code in a kernel, which has the name of the server's owner, whoever ran the cell.
    """

    username: str
    name: str = ""
    color: str | None = None
    via: Literal["kernel"] | None = None


class Error(Struct, frozen=True):
    """Why a turn failed, in words for a person; `recoverable` says that a retry may help."""

    category: Category
    text: str
    recoverable: bool = False


class Usage(Struct, frozen=True, omit_defaults=True):
    """Tokens by kind, as the provider counted them, and what they cost in US dollars, where that is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float | None = None

    @property
    def tokens(self) -> int:
        """All of them; what was read from a cache, and what was reasoned, is part of input and output."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        counts = (name for name in self.__struct_fields__ if name != "cost_usd")
        costs = [usage.cost_usd for usage in (self, other) if usage.cost_usd is not None]
        return Usage(
            **{name: getattr(self, name) + getattr(other, name) for name in counts},
            cost_usd=sum(costs) if costs else None,
        )


Mode = Literal["ask", "plan", "act"]
"""What an answer may do: say something; look, and propose what to do; do it."""


class Budget(Struct, frozen=True, omit_defaults=True):
    """How much a session may use, 0 being no limit."""

    tokens: int = 0
    cost_usd: float = 0.0


class OfferedTool(Struct, frozen=True, omit_defaults=True):
    """A tool that a kernel runs; `parameters` is the JSON Schema of an object."""

    name: str
    description: str
    parameters: dict[str, Any]
    approval: Literal["never", "always", "once"] = "never"
    read_only: bool = False
    idempotent: bool = False


# Session facts


class SessionCreated(Event, frozen=True, tag="session-created"):
    session: str
    name: str = ""
    notebook: str | None = None
    title: str | None = None
    agent: str | None = None
    model: str | None = None
    forked_from: str | None = None
    by: Author | None = None


class SessionUpdated(Event, frozen=True, tag="session-updated"):
    """What changed; a field that is absent did not change."""

    title: str | UnsetType | None = UNSET
    notebook: str | UnsetType | None = UNSET
    agent: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    effort: str | UnsetType | None = UNSET
    mode: Mode | UnsetType | None = UNSET
    budget: Budget | UnsetType | None = UNSET
    muted: bool | UnsetType = UNSET
    by: Author | None = None


class UserMessage(Event, frozen=True, tag="user-message"):
    """What a person said. `agent`, `model`, `effort`, `mode` and `tools` are as they were asked for, `None` meaning the
    session's.

    `parent` is the message that it answers or follows, `None` for a first one; absent, it is the last one shown.
    Of one that waited, `queued` is the LSN that it had then, and `sent` what it was sent as if it was edited since.
    """

    message_id: str
    client_id: str
    text: str
    parent: str | UnsetType | None = UNSET
    parts: list[dict[str, Any]] = []
    agent: str | None = None
    model: str | None = None
    effort: str | None = None
    mode: Mode | None = None
    tools: list[str] | None = None
    author: Author | None = None
    queued: int | None = None
    sent: list[dict[str, Any]] | None = None


class MessageQueued(Event, frozen=True, tag="message-queued"):
    """A message that waits for its turn, with everything that it was sent with. `turn` is the id its turn will have.

    What is `resolved` is who would have answered it then, and how, and who will.
    """

    message_id: str
    client_id: str
    text: str
    parts: list[dict[str, Any]] = []
    agent: str | None = None
    model: str | None = None
    effort: str | None = None
    mode: Mode | None = None
    tools: list[str] | None = None
    author: Author | None = None
    resolved_agent: str | None = None
    resolved_model: str | None = None
    resolved_effort: str | None = None
    resolved_mode: Mode | None = None


class MessageDequeued(Event, frozen=True, tag="message-dequeued"):
    """It waits no longer: its turn starts (its `user-message` follows), or a person removed it."""

    message_id: str
    reason: Literal["started", "removed"]
    by: Author | None = None


class QueueEdited(Event, frozen=True, tag="queue-edited"):
    """A waiting message says something else now."""

    message_id: str
    text: str
    parts: list[dict[str, Any]] = []
    by: Author | None = None


class QueueReordered(Event, frozen=True, tag="queue-reordered"):
    """The waiting messages in their new order; those not named come after them, as they were."""

    message_ids: list[str]
    by: Author | None = None


class QueueHeld(Event, frozen=True, tag="queue-held"):
    """What waits is not started by itself, for this reason. (A stop holds the queue without this.)"""

    reason: str


class QueueResumed(Event, frozen=True, tag="queue-resumed"):
    by: Author | None = None


class BranchSelected(Event, frozen=True, tag="branch-selected"):
    """The branch that ends with this message is the one that is shown and gone on with."""

    message_id: str
    by: Author | None = None


class TurnStarted(Event, frozen=True, tag="turn-started"):
    """`message_id` is the answer's id, minted before its first token; `agent`, `model`, … are the ones that answer.

    When there is a message of that id already, this turn goes on with it. `client_id` names the request, if it had one.
    """

    user_message_id: str
    message_id: str
    agent: str
    model: str | None = None
    effort: str | None = None
    mode: Mode | None = None
    tools: list[str] | None = None
    client_id: str | None = None


class ToolsOffered(Event, frozen=True, tag="tools-offered"):
    """What a kernel runs for this session from now on, in place of what it offered before; nothing when it is gone.

    `runner` is one life of a kernel's process: nothing else has this name, ever. `kernel` is Jupyter's id, which
    outlives restarts.
    """

    runner: str
    kernel: str | None = None
    tools: list[OfferedTool] = []
    by: Author | None = None


class ApprovalAnswered(Event, frozen=True, tag="approval-answered"):
    """Whether a call may be run: a person said it, or nobody did in time (`reason`), for this call or for the tool."""

    approval_id: str
    tool_call_id: str
    approved: bool
    reason: str | None = None
    by: Author | None = None


class ShareCreated(Event, frozen=True, tag="share-created"):
    """There is a link by which anybody reads this session, until it is revoked, or until `expires_at` (as `at` is).

    `hash` is the SHA-256 of its token, in hexadecimal digits: the token itself is told once and kept nowhere.
    """

    share: str
    hash: str
    name: str = ""
    expires_at: str | None = None
    by: Author | None = None


class ShareRevoked(Event, frozen=True, tag="share-revoked"):
    """The link opens nothing any more."""

    share: str
    by: Author | None = None


class StopRequested(Event, frozen=True, tag="stop-requested"):
    by: Author | None = None


class TurnStopped(Event, frozen=True, tag="turn-stopped"):
    """The end of a turn. Nothing follows it but a new turn."""

    outcome: Outcome
    error: Error | None = None
    usage: Usage | None = None


# Facts of an inbox: what a person is told of their sessions

NoticeKind = Literal["done", "failed", "waiting"]
"""An answer is complete, or its stream just ended; it broke; it waits for a person."""


class TurnNoticed(Event, frozen=True, tag="turn-noticed"):
    """Something happened in this turn of `session_id` that the person did not see, at its LSN `session_lsn`.

    `wait` is the call with which a turn waits for the person, `tool` what it calls. What is `quiet` is unread and no
    more: the session is muted.
    """

    session_id: str
    kind: NoticeKind
    session_lsn: int
    wait: str | None = None
    tool: str | None = None
    title: str | None = None
    text: str = ""
    notebook: str | None = None
    quiet: bool = False


class NoticeClaimed(Event, frozen=True, tag="notice-claimed"):
    """One page in the world shows this notice: the one that calls itself `by`."""

    kind: NoticeKind
    by: str
    wait: str | None = None


class NoticeWithdrawn(Event, frozen=True, tag="notice-withdrawn"):
    """What this turn waited for has been answered."""


class SessionRead(Event, frozen=True, tag="session-read"):
    """The person has seen this session up to here."""

    session_id: str
    session_lsn: int


class NoticesCleared(Event, frozen=True, tag="notices-cleared"):
    """The person wants to see none of what there was."""


class SessionForgotten(Event, frozen=True, tag="session-forgotten"):
    """The session was deleted."""

    session_id: str


# Assistant output: the chunks of the AI SDK v6 UI message stream


class Chunk(Event, frozen=True, rename="camel"):
    """One piece of an assistant's message; field names on the wire are the AI SDK's camelCase."""


class Start(Chunk, frozen=True, tag="start"):
    message_id: str | None = None
    message_metadata: dict[str, Any] | None = None


class StartStep(Chunk, frozen=True, tag="start-step"):
    parent_tool_call_id: str | None = None


class TextStart(Chunk, frozen=True, tag="text-start"):
    id: str
    provider_metadata: dict[str, Any] | None = None
    parent_tool_call_id: str | None = None


class TextDelta(Chunk, frozen=True, tag="text-delta"):
    id: str
    delta: str
    provider_metadata: dict[str, Any] | None = None


class TextEnd(Chunk, frozen=True, tag="text-end"):
    id: str
    provider_metadata: dict[str, Any] | None = None


class ReasoningStart(Chunk, frozen=True, tag="reasoning-start"):
    id: str
    provider_metadata: dict[str, Any] | None = None
    parent_tool_call_id: str | None = None


class ReasoningDelta(Chunk, frozen=True, tag="reasoning-delta"):
    id: str
    delta: str
    provider_metadata: dict[str, Any] | None = None


class ReasoningEnd(Chunk, frozen=True, tag="reasoning-end"):
    id: str
    provider_metadata: dict[str, Any] | None = None


class ToolInputStart(Chunk, frozen=True, tag="tool-input-start"):
    tool_call_id: str
    tool_name: str
    provider_executed: bool | None = None
    dynamic: bool | None = None
    title: str | None = None
    parent_tool_call_id: str | None = None


class ToolInputDelta(Chunk, frozen=True, tag="tool-input-delta"):
    tool_call_id: str
    input_text_delta: str


class ToolInputAvailable(Chunk, frozen=True, tag="tool-input-available"):
    tool_call_id: str
    tool_name: str
    input: Any
    provider_executed: bool | None = None
    provider_metadata: dict[str, Any] | None = None
    dynamic: bool | None = None
    title: str | None = None
    parent_tool_call_id: str | None = None


class ToolInputError(Chunk, frozen=True, tag="tool-input-error"):
    tool_call_id: str
    tool_name: str
    input: Any
    error_text: str
    provider_executed: bool | None = None
    provider_metadata: dict[str, Any] | None = None
    dynamic: bool | None = None
    title: str | None = None
    parent_tool_call_id: str | None = None


class ToolApprovalRequest(Chunk, frozen=True, tag="tool-approval-request"):
    """A person is asked. With the scope `session`, a yes is one for all calls of this tool in this session.

    `deadline` is when it will be denied, as `at` says times.
    """

    approval_id: str
    tool_call_id: str
    scope: Literal["session"] | None = None
    deadline: str | None = None


class ToolWaiting(Chunk, frozen=True, tag="tool-waiting"):
    """Who runs this call: a kernel that offers the tool, or a person, who answers it."""

    tool_call_id: str
    waits_for: Literal["kernel", "person"]


class ToolStarted(Chunk, frozen=True, tag="tool-started"):
    """It is being run: by this runner of a kernel, or in the server."""

    tool_call_id: str
    runner: str | None = None


class ToolProgress(Chunk, frozen=True, tag="tool-progress"):
    """How far a call is, or (`log`) a line that it said; with neither, that whoever runs it is there."""

    tool_call_id: str
    progress: float | None = None
    total: float | None = None
    message: str | None = None
    log: str | None = None
    level: str | None = None


class ToolSuspended(Chunk, frozen=True, tag="tool-suspended"):
    """The first phase of a call is done, and this is what it left; `asked` is the nested call for somebody else."""

    tool_call_id: str
    kept: Any
    asked: str


class ToolOutputAvailable(Chunk, frozen=True, tag="tool-output-available"):
    tool_call_id: str
    output: Any
    provider_executed: bool | None = None
    dynamic: bool | None = None
    preliminary: bool | None = None


class ToolOutputError(Chunk, frozen=True, tag="tool-output-error"):
    tool_call_id: str
    error_text: str
    provider_executed: bool | None = None
    dynamic: bool | None = None


class ToolOutputDenied(Chunk, frozen=True, tag="tool-output-denied"):
    tool_call_id: str


class SourceUrl(Chunk, frozen=True, tag="source-url"):
    source_id: str
    url: str
    title: str | None = None
    provider_metadata: dict[str, Any] | None = None


class SourceDocument(Chunk, frozen=True, tag="source-document"):
    source_id: str
    media_type: str
    title: str
    filename: str | None = None
    provider_metadata: dict[str, Any] | None = None


class File(Chunk, frozen=True, tag="file"):
    url: str
    media_type: str
    provider_metadata: dict[str, Any] | None = None


class MessageMetadata(Chunk, frozen=True, tag="message-metadata"):
    message_metadata: dict[str, Any]


class Context(Struct, frozen=True, omit_defaults=True):
    """How full the model's context was after a step, in tokens; `window` is how many it takes, if that is known."""

    tokens: int
    window: int | None = None


class FinishStep(Chunk, frozen=True, tag="finish-step"):
    """The end of one request to a model. After `tool-calls`, its calls are run, and another step follows."""

    finish_reason: str | None = None
    usage: Usage | None = None
    context: Context | None = None
    parent_tool_call_id: str | None = None


class Finish(Chunk, frozen=True, tag="finish"):
    """The provider said that it is done. Without one, a turn is at best `truncated`."""

    finish_reason: str | None = None
    message_metadata: dict[str, Any] | None = None


class Abort(Chunk, frozen=True, tag="abort"):
    reason: str | None = None


class ErrorText(Chunk, frozen=True, tag="error"):
    error_text: str


class Data(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A `data-*` chunk: the one family whose type is open, so it is no member of the tagged union."""

    type: str
    data: Any
    id: str | None = None
    transient: bool | None = None
    lsn: int = 0
    at: str = ""
    turn: str | None = None


class Unknown(Struct, frozen=True, kw_only=True):
    """An event of a type that this version does not know: a number to remember and nothing to do."""

    type: str
    lsn: int = 0
    at: str = ""
    turn: str | None = None


Known = (
    SessionCreated | SessionUpdated | UserMessage | TurnStarted | StopRequested | TurnStopped | BranchSelected
    | MessageQueued | MessageDequeued | QueueEdited | QueueReordered | QueueHeld | QueueResumed
    | ToolsOffered | ApprovalAnswered | ShareCreated | ShareRevoked
    | TurnNoticed | NoticeClaimed | NoticeWithdrawn | SessionRead | NoticesCleared | SessionForgotten
    | Start | StartStep | TextStart | TextDelta | TextEnd | ReasoningStart | ReasoningDelta | ReasoningEnd
    | ToolInputStart | ToolInputDelta | ToolInputAvailable | ToolInputError | ToolApprovalRequest
    | ToolWaiting | ToolStarted | ToolProgress | ToolSuspended
    | ToolOutputAvailable | ToolOutputError | ToolOutputDenied | SourceUrl | SourceDocument | File
    | MessageMetadata | FinishStep | Finish | Abort | ErrorText
)  # fmt: skip

AnyEvent = Known | Data | Unknown

_encoder = msgspec.json.Encoder()
_known = msgspec.json.Decoder(Known)
_data = msgspec.json.Decoder(Data)
_unknown = msgspec.json.Decoder(Unknown)
_TYPES = frozenset(struct.__struct_config__.tag for struct in Known.__args__)

_JSON_FIELDS = {"data", "input", "kept", "message_metadata", "output", "provider_metadata"}
_JSON_FIELDS_OF = {struct: _JSON_FIELDS.intersection(struct.__struct_fields__) for struct in (*Known.__args__, Data)}


def nests(value: object, levels: int) -> bool:
    """Whether arrays and objects nest in this one at most so deeply."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return True
    return levels > 0 and all(nests(inside, levels - 1) for inside in value)


def is_shallow(event: "Event | Data | Unknown") -> bool:
    """Whether what is any JSON in it nests no deeper than is allowed."""
    return all(nests(getattr(event, field), MAX_DEPTH) for field in _JSON_FIELDS_OF.get(type(event), ()))


def encode(event: Event | Data, *, at: str, turn: str | None = None) -> bytes:
    """The record to store: one JSON object with `at` and `turn` first and no `lsn`."""
    try:
        body = _encoder.encode(event)
    except UnicodeEncodeError:
        body = _encoder.encode(_well_formed(msgspec.to_builtins(event)))
    return b'{"at":%b,"turn":%b,%b' % (_encoder.encode(at), _encoder.encode(turn), body[1:])


def _well_formed(value: Any) -> Any:
    """The same with surrogates joined to what they stand for; one without its other half becomes U+FFFD."""
    match value:
        case str():
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case dict():
            return {_well_formed(name): _well_formed(item) for name, item in value.items()}
        case list():
            return [_well_formed(item) for item in value]
    return value


def number(lsn: int, record: bytes) -> bytes:
    """The event as readers see it: the stored record with its LSN in front."""
    return b'{"lsn":%d,%b' % (lsn, record[1:])


def decode(data: bytes | str) -> AnyEvent:
    """The event in a JSON object, numbered or not.

    Raises `msgspec.ValidationError` when a known type lacks a field, `msgspec.DecodeError` when it is no JSON.
    """
    try:
        return _known.decode(data)
    except msgspec.ValidationError:
        unknown = _unknown.decode(data)
        if unknown.type in _TYPES:
            raise
        return _data.decode(data) if unknown.type.startswith("data-") else unknown


def understood(data: bytes | str) -> AnyEvent:
    """The same for who only shows it, and may be older than its writer: what has a value not known is `Unknown`."""
    try:
        return decode(data)
    except msgspec.ValidationError:
        return _unknown.decode(data)


def timestamp(seconds: float) -> str:
    """`at` for a Unix time in seconds: RFC 3339, UTC, milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(value: Any) -> bytes:
    """Any value of this vocabulary, or made of its values, as compact JSON."""
    return _encoder.encode(value)
