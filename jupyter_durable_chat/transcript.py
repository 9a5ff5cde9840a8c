"""The pure fold of a session's events into what a person sees.

`fold(all events) == fold(the rest, Transcript.from_json(t))` where `t` is the transcript at any LSN in between: a
transcript holds everything that the fold needs to go on. `js/src/fold.ts` is the same fold; the vectors in
`tests/vectors/` hold the two together, and `docs/architecture.md` has the shapes.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Self

import msgspec
from msgspec import UNSET

from jupyter_durable_chat import events
from jupyter_durable_chat.events import AnyEvent, Usage

JSON = dict[str, Any]

_OURS = frozenset(
    {
        *("at", "lsn", "parent", "turn", "agent", "model", "client_id", "outcome", "error", "usage"),
        *("finished_at", "finished_lsn", "continued", "continued_lsn", "effort", "mode", "tools", "context", "waits"),
        "stopped_by",
    }
)
"""What an agent cannot say of its message."""

TOOL_ENDS = frozenset({"output-available", "output-error", "output-denied"})
"""The states of a call that has its result."""

_LATER = ("queue", "held", "removed", "effort", "mode", "budget", "offers", "allowed", "shares")
"""What transcripts of earlier versions do not have."""

OVER = "The call around this one is over."

MAX_OFFERS = 16
"""Offers that are kept; the oldest ones go first: nobody tells of a kernel that died."""

MAX_LOGS = 100
"""Lines that are kept of what a call says; the oldest ones go first."""


class Transcript:
    """One session as it is seen at `lsn`. `apply` moves it on; nothing else changes it."""

    def __init__(self) -> None:
        self.id = ""
        self.lsn = 0
        self.title: str | None = None
        self.name = ""
        self.notebook: str | None = None
        self.agent: str | None = None
        self.model: str | None = None
        self.effort: str | None = None
        self.mode: events.Mode | None = None
        self.budget: JSON | None = None
        self.muted = False
        self.status = "idle"
        self.turn: JSON | None = None
        self.usage = Usage()
        self.created_at = ""
        self.updated_at = ""
        self.queue: list[JSON] = []
        self.held: str | None = None
        self.removed: list[JSON] = []
        self.offers: list[JSON] = []
        self.allowed: list[str] = []
        self.shares: list[JSON] = []
        self.leaf: str | None = None
        # Every message of every branch by its id, in the order in which they came.
        self._messages: dict[str, JSON] = {}
        self._shown: list[JSON] | None = None
        # Deltas since the part was last looked at, so that a long answer costs its length and not its square.
        self._deltas: dict[int, tuple[JSON, str, list[str]]] = {}

    @property
    def messages(self) -> list[JSON]:
        """AI SDK `UIMessage` objects of the chosen branch, oldest first. They belong to the transcript."""
        self._settle()
        if self._shown is None:
            self._shown = self.branch(self.leaf)
        return self._shown

    @property
    def others(self) -> list[JSON]:
        """The messages that are on other branches only, in the order in which they came."""
        shown = {message["id"] for message in self.messages}
        return [message for message_id, message in self._messages.items() if message_id not in shown]

    @property
    def approvals(self) -> list[JSON]:
        """The calls of the running turn that wait for a person's yes or no, oldest first."""
        if self.turn is None:
            return []
        self._settle()
        asking = (part for part in nested(self._answer()["parts"]) if part.get("state") == "approval-requested")
        about = {"turn": self.turn["id"], "message_id": self.turn["message_id"]}
        return [
            {**part["approval"], "tool_call_id": part["toolCallId"], "tool_name": part["toolName"]}
            | {"input": part.get("input"), **about}
            for part in asking
        ]

    def call(self, call_id: str) -> JSON | None:
        """The newest call with this id of the running turn, whatever became of it."""
        if self.turn is None:
            return None
        self._settle()
        return self._find(lambda part: part.get("toolCallId") == call_id)

    def asking(self, approval_id: str) -> JSON | None:
        """The call of the running turn for which this approval was asked for, whatever became of it."""
        if self.turn is None:
            return None
        self._settle()
        return self._find(lambda part: part.get("approval", {}).get("id") == approval_id)

    def branch(self, message_id: str | None) -> list[JSON]:
        """The messages from the first one to this one."""
        self._settle()
        branch: list[JSON] = []
        while message_id is not None:
            branch.append(self._messages[message_id])
            message_id = branch[-1]["metadata"]["parent"]
        return branch[::-1]

    def message(self, message_id: str) -> JSON | None:
        """The message with this id, on whatever branch."""
        self._settle()
        return self._messages.get(message_id)

    def newest_leaf(self, message_id: str) -> str:
        """The end of the newest branch through this message."""
        leaf, seen = message_id, {message_id}
        for later, message in self._messages.items():
            # Children come after their parents, so one pass follows the newest one down.
            if message["metadata"]["parent"] in seen:
                seen.add(later)
                leaf = later
        return leaf

    def sent(self, client_id: str) -> JSON | None:
        """What was sent with this client id: a message, one that waits, one that was removed, or an answer."""
        self._settle()
        # What was sent last is asked for most.
        for message in chain(reversed(self._messages.values()), self.queue, self.removed):
            metadata = message["metadata"]
            if metadata.get("client_id") == client_id:
                return message
            if any(earlier.get("client_id") == client_id for earlier in metadata.get("continued", ())):
                return message
        return None

    def _settle(self) -> None:
        for part, field, pieces in self._deltas.values():
            part[field] = part.get(field, "") + "".join(pieces)
        self._deltas.clear()

    def apply(self, event: AnyEvent) -> None:
        """Fold one event in. An event that is already folded changes nothing."""
        if event.lsn <= self.lsn:
            return
        self.lsn = event.lsn
        self.updated_at = event.at
        handler = _FACTS.get(type(event))
        if handler is None and self.turn and event.turn == self.turn["id"]:
            handler = _CHUNKS.get(type(event))
        if handler:
            handler(self, event)
        if type(event) in _STEPS and self.turn and event.turn == self.turn["id"]:
            self._see_waits(event)

    def to_json(self) -> JSON:
        """The transcript as the HTTP API gives it; shares its messages with the transcript."""
        return {
            "id": self.id,
            "lsn": self.lsn,
            "title": self.title,
            "name": self.name,
            "notebook": self.notebook,
            "agent": self.agent,
            "model": self.model,
            "effort": self.effort,
            "mode": self.mode,
            "budget": self.budget,
            "muted": self.muted,
            "status": self.status,
            "messages": self.messages,
            "others": self.others,
            "turn": self.turn,
            "queue": self.queue,
            "held": self.held,
            "removed": self.removed,
            "approvals": self.approvals,
            "offers": self.offers,
            "allowed": self.allowed,
            "shares": self.shares,
            "usage": msgspec.to_builtins(self.usage),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }

    @classmethod
    def from_json(cls, data: JSON) -> Self:
        """The transcript that `to_json` gave. Takes `data` over: do not use it afterwards."""
        transcript = cls()
        for name in ("id", "lsn", "title", "name", "notebook", "agent", "model", "muted", "status", "turn"):
            setattr(transcript, name, data[name])
        transcript.created_at = data["created_at"]
        transcript.updated_at = data["updated_at"]
        transcript.usage = msgspec.convert(data["usage"], Usage)
        for name in _LATER:
            setattr(transcript, name, data.get(name, getattr(transcript, name)))
        above = None
        for message in data["messages"]:
            # Before there were branches, each message followed the one above it.
            message["metadata"].setdefault("parent", above)
            above = message["id"]
        everything = sorted(data["messages"] + data.get("others", []), key=lambda message: message["metadata"]["lsn"])
        transcript._messages = {message["id"]: message for message in everything}
        transcript.leaf = data["messages"][-1]["id"] if data["messages"] else None
        return transcript

    # Session facts

    def _session_created(self, event: events.SessionCreated) -> None:
        self.id = event.session
        self.name = event.name
        self.notebook = event.notebook
        self.title = event.title
        self.agent = event.agent
        self.model = event.model
        self.created_at = event.at
        # A fork begins with what another session amounts to; what waits there waits there, and its links lead there.
        self.queue, self.held, self.removed, self.offers, self.allowed, self.shares = [], None, [], [], [], []

    def _session_updated(self, event: events.SessionUpdated) -> None:
        for name in ("title", "notebook", "agent", "model", "effort", "mode", "budget", "muted"):
            if (value := getattr(event, name)) is not UNSET:
                setattr(self, name, msgspec.to_builtins(value))

    def _user_message(self, event: events.UserMessage) -> None:
        if event.message_id in self._messages:
            return
        known = event.parent is None or event.parent in self._messages
        parent = event.parent if known else self.leaf
        self._add_message(_said(event, parent=parent, turn=None))

    def _add_message(self, message: JSON) -> None:
        self._messages[message["id"]] = message
        follows = self._shown is not None and message["metadata"]["parent"] == self.leaf
        self.leaf, self._shown = message["id"], [*(self._shown or ()), message] if follows else None

    def _branch_selected(self, event: events.BranchSelected) -> None:
        if event.message_id in self._messages:
            self.leaf, self._shown = event.message_id, None

    def _message_queued(self, event: events.MessageQueued) -> None:
        self.queue.append(_said(event, turn=event.turn, queued=event.lsn))

    def _message_dequeued(self, event: events.MessageDequeued) -> None:
        gone = [m for m in self.queue if m["id"] == event.message_id]
        self.queue = [m for m in self.queue if m["id"] != event.message_id]
        if event.reason == "removed":
            self.removed += gone
        if not self.queue:
            self.held = None

    def _queue_edited(self, event: events.QueueEdited) -> None:
        for message in self.queue:
            if message["id"] == event.message_id:
                message["metadata"].setdefault("sent", message["parts"])
                message["parts"] = _parts(event)

    def _queue_reordered(self, event: events.QueueReordered) -> None:
        places = {message_id: place for place, message_id in enumerate(event.message_ids)}
        self.queue.sort(key=lambda message: places.get(message["id"], len(places)))

    def _queue_held(self, event: events.QueueHeld) -> None:
        if self.queue:
            self.held = event.reason

    def _queue_resumed(self, event: events.QueueResumed) -> None:
        self.held = None

    def _turn_started(self, event: events.TurnStarted) -> None:
        asked = self._messages.get(event.user_message_id)
        if asked and asked["metadata"]["turn"] is None:
            asked["metadata"]["turn"] = event.turn
        metadata: JSON = {
            "at": event.at,
            "lsn": event.lsn,
            "parent": event.user_message_id if asked else self.leaf,
            "turn": event.turn,
            "agent": event.agent,
        }
        for name in ("model", "effort", "mode", "tools", "client_id"):
            if (value := getattr(event, name)) is not None:
                metadata[name] = value
        answer = self._messages.get(event.message_id)
        if answer:
            before = answer["metadata"]
            kept = {name: before[name] for name in ("at", "lsn", "parent", "usage", "waits") if name in before}
            answer["metadata"] = metadata | kept | {"continued": requests(answer), "continued_lsn": event.lsn}
            if "finished_at" in before:
                _waited(answer, before["finished_at"], event.at)
            self.leaf, self._shown = event.message_id, None
        else:
            self._add_message({"id": event.message_id, "role": "assistant", "parts": [], "metadata": metadata})
        self.turn = {
            "id": event.turn,
            "user_message_id": event.user_message_id,
            "message_id": event.message_id,
            "agent": event.agent,
            "model": event.model,
            "effort": event.effort,
            "mode": event.mode,
            "tools": event.tools,
            "started_at": event.at,
            "stopping": False,
            "continues": answer is not None,
            "first_part": len(answer["parts"]) if answer else 0,
            "acting": False,
            "steps": 0,
            "usage": {},
            "nested_tokens": 0,
            "waits_since": None,
        }
        self.status = "streaming"

    def _stop_requested(self, event: events.StopRequested) -> None:
        if self.turn and event.turn == self.turn["id"]:
            self.turn["stopping"] = True
            if event.by is not None:
                self._answer()["metadata"]["stopped_by"] = msgspec.to_builtins(event.by)

    def _tools_offered(self, event: events.ToolsOffered) -> None:
        """One offer for each kernel: a runner of the same kernel stands in for the one before it."""

        def same(offer: JSON) -> bool:
            return offer["runner"] == event.runner or (event.kernel is not None and offer["kernel"] == event.kernel)

        self.offers = [offer for offer in self.offers if not same(offer)]
        if event.tools:
            tools = msgspec.to_builtins(event.tools)
            self.offers.append({"runner": event.runner, "kernel": event.kernel, "tools": tools})
            self.offers = self.offers[-MAX_OFFERS:]

    def _share_created(self, event: events.ShareCreated) -> None:
        if all(share["id"] != event.share for share in self.shares):
            about = {"id": event.share, "hash": event.hash, "name": event.name, "at": event.at}
            by = msgspec.to_builtins(event.by)
            self.shares.append(about | {"expires_at": event.expires_at, "by": by})

    def _share_revoked(self, event: events.ShareRevoked) -> None:
        self.shares = [share for share in self.shares if share["id"] != event.share]

    def _approval_answered(self, event: events.ApprovalAnswered) -> None:
        if self.turn is None or event.turn != self.turn["id"]:
            return
        part = self._tool(event.tool_call_id)
        if part is None or part["state"] != "approval-requested" or part["approval"]["id"] != event.approval_id:
            return
        part["state"] = "approval-responded"
        part["approval"]["approved"] = event.approved
        for name in ("reason", "by"):
            if (value := getattr(event, name)) is not None:
                part["approval"][name] = msgspec.to_builtins(value)
        if event.approved and part["approval"].get("scope") == "session" and part["toolName"] not in self.allowed:
            self.allowed.append(part["toolName"])

    def _turn_stopped(self, event: events.TurnStopped) -> None:
        if self.turn is None or event.turn != self.turn["id"]:
            return
        answer = self._answer()
        # Nobody knows when a writer died.
        _end_all(answer["parts"], event.outcome, None if event.outcome == "interrupted" else event.at)
        self._see_waits(event)
        metadata = answer["metadata"]
        metadata["outcome"] = event.outcome
        metadata["finished_at"] = event.at
        metadata["finished_lsn"] = event.lsn
        if event.error is not None:
            metadata["error"] = msgspec.to_builtins(event.error)
        if event.usage is not None:
            before = msgspec.convert(metadata.get("usage", {}), Usage)
            metadata["usage"] = msgspec.to_builtins(before + event.usage)
            self.usage += event.usage
        self.turn = None
        if event.outcome == "stopped" and self.queue:
            self.held = "stopped"
        self.status = "failed" if event.outcome == "failed" else "idle"

    def _see_waits(self, event: Any) -> None:
        """Note since when nobody works on the answer, and for how long nobody did."""
        assert self.turn is not None
        since = self.turn.get("waits_since")
        waits = _doing(self._answer()["parts"]) == "waits"
        if waits and since is None:
            self.turn["waits_since"] = event.at
        elif not waits and since is not None:
            self.turn["waits_since"] = None
            _waited(self._answer(), since, event.at)

    # Assistant output

    def _answer(self) -> JSON:
        """The running turn's message. Its open parts may lack their last deltas."""
        assert self.turn is not None
        return self._messages[self.turn["message_id"]]

    def _find(self, wanted: Callable[[JSON], bool]) -> JSON | None:
        """The newest part of the answer, or of what happens inside its calls."""
        return next((part for part in _newest_first(self._answer()["parts"]) if wanted(part)), None)

    def _beside(self, event: Any) -> list[JSON]:
        """Where a part of this event goes: into the answer, or into the call in which it happens."""
        parent = event.parent_tool_call_id
        call = self._find(lambda part: part.get("toolCallId") == parent) if parent else None
        return call.setdefault("parts", []) if call else self._answer()["parts"]

    def _metadata(self, event: events.Start | events.MessageMetadata | events.Finish) -> None:
        said = event.message_metadata or {}
        self._answer()["metadata"].update({name: said[name] for name in said if name not in _OURS})

    def _start_step(self, event: events.StartStep) -> None:
        assert self.turn is not None
        if event.parent_tool_call_id is None:
            self.turn["acting"] = False
        self._beside(event).append({"type": "step-start"})

    def _finish_step(self, event: events.FinishStep) -> None:
        assert self.turn is not None
        if event.usage is not None:
            used = msgspec.convert(self.turn.get("usage", {}), Usage) + event.usage
            self.turn["usage"] = msgspec.to_builtins(used)
        if event.parent_tool_call_id is not None:
            if event.usage is not None:
                self.turn["nested_tokens"] = self.turn.get("nested_tokens", 0) + event.usage.tokens
            if call := self._tool(event.parent_tool_call_id):
                call["steps"] = call.get("steps", 0) + 1
            return
        self.turn["acting"] = event.finish_reason == "tool-calls"
        self.turn["steps"] = self.turn.get("steps", 0) + 1
        if event.context is not None:
            self._answer()["metadata"]["context"] = msgspec.to_builtins(event.context)

    def _part_start(self, event: events.TextStart | events.ReasoningStart) -> None:
        kind = "text" if isinstance(event, events.TextStart) else "reasoning"
        part = self._text_to_continue() if kind == "text" and event.parent_tool_call_id is None else None
        if part is None:
            part = {"type": kind, "text": ""} | ({"started": {"at": event.at}} if kind == "reasoning" else {})
            self._beside(event).append(part)
        part |= {"id": event.id, "state": "streaming"}
        _keep_provider_metadata(part, event)

    def _text_to_continue(self) -> JSON | None:
        """The first text of a continuation goes on in the text that was last, even inside a word."""
        assert self.turn is not None
        if not self.turn.get("continues"):
            return None
        self.turn["continues"] = False
        last = next(
            (part for part in reversed(self._answer()["parts"]) if part["type"] in ("text", "dynamic-tool")), {}
        )
        return last if last.get("type") == "text" else None

    def _open_part(self, kind: str, part_id: str) -> JSON | None:
        """A part has its stream id for as long as it is open."""
        return self._find(lambda part: part["type"] == kind and part.get("id") == part_id)

    def _part_delta(self, event: events.TextDelta | events.ReasoningDelta) -> None:
        kind = "text" if isinstance(event, events.TextDelta) else "reasoning"
        if part := self._open_part(kind, event.id):
            self._add(part, "text", event.delta)
            _keep_provider_metadata(part, event)

    def _part_end(self, event: events.TextEnd | events.ReasoningEnd) -> None:
        kind = "text" if isinstance(event, events.TextEnd) else "reasoning"
        if part := self._open_part(kind, event.id):
            _close(part, event.at)
            _keep_provider_metadata(part, event)

    def _add(self, part: JSON, field: str, piece: str) -> None:
        self._deltas.setdefault(id(part), (part, field, []))[2].append(piece)

    def _tool(self, call_id: str) -> JSON | None:
        """The call with this id that has no result yet: a result is final."""
        part = self._find(lambda part: part.get("toolCallId") == call_id)
        return None if part is None or (part["state"] in TOOL_ENDS and not part.get("preliminary")) else part

    def _new_tool(
        self, event: events.ToolInputStart | events.ToolInputAvailable | events.ToolInputError, state: str
    ) -> JSON:
        part: JSON = {
            "type": "dynamic-tool",
            "toolName": event.tool_name,
            "toolCallId": event.tool_call_id,
            "state": state,
        }
        if event.title is not None:
            part["title"] = event.title
        if event.provider_executed is not None:
            part["providerExecuted"] = event.provider_executed
        self._beside(event).append(part)
        return part

    def _tool_input_start(self, event: events.ToolInputStart) -> None:
        self._new_tool(event, "input-streaming")["rawInput"] = ""

    def _tool_input_delta(self, event: events.ToolInputDelta) -> None:
        part = self._tool(event.tool_call_id)
        if part and part["state"] == "input-streaming":
            self._add(part, "rawInput", event.input_text_delta)

    def _tool_input_available(self, event: events.ToolInputAvailable) -> None:
        part = self._tool(event.tool_call_id) or self._new_tool(event, "input-available")
        if part["state"] != "approval-requested":
            part["state"] = "input-available"
        part["input"] = event.input
        part.pop("rawInput", None)
        self._deltas.pop(id(part), None)
        _keep_provider_metadata(part, event, "callProviderMetadata")

    def _tool_input_error(self, event: events.ToolInputError) -> None:
        part = self._tool(event.tool_call_id) or self._new_tool(event, "output-error")
        part["state"] = "output-error"
        part["rawInput"] = event.input
        part.pop("preliminary", None)
        _end(part, event)
        self._deltas.pop(id(part), None)
        part["errorText"] = event.error_text
        _keep_provider_metadata(part, event, "callProviderMetadata")

    def _tool_approval_request(self, event: events.ToolApprovalRequest) -> None:
        if part := self._tool(event.tool_call_id):
            part["state"] = "approval-requested"
            part["approval"] = {"id": event.approval_id}
            for name in ("scope", "deadline"):
                if (value := getattr(event, name)) is not None:
                    part["approval"][name] = value

    def _tool_waiting(self, event: events.ToolWaiting) -> None:
        if part := self._tool(event.tool_call_id):
            part["waitsFor"] = event.waits_for
            part.pop("started", None)

    def _tool_started(self, event: events.ToolStarted) -> None:
        if part := self._tool(event.tool_call_id):
            _end_all(part.get("parts", []), OVER, None)
            part["started"] = {"at": event.at} | ({} if event.runner is None else {"runner": event.runner})

    def _tool_progress(self, event: events.ToolProgress) -> None:
        part = self._tool(event.tool_call_id)
        if part is None:
            return
        said = {name: getattr(event, name) for name in ("progress", "total", "message")}
        if event.log is None and all(value is None for value in said.values()):
            if "started" in part:
                part["started"]["seen"] = event.lsn
        elif any(value is not None for value in said.values()):
            part["progress"] = {name: value for name, value in said.items() if value is not None}
        if event.log is not None:
            line = {"level": event.level or "info", "text": event.log}
            part["logs"] = [*part.get("logs", []), line][-MAX_LOGS:]

    def _tool_suspended(self, event: events.ToolSuspended) -> None:
        if part := self._tool(event.tool_call_id):
            part["suspended"] = {"kept": event.kept, "asked": event.asked}

    def _tool_output_available(self, event: events.ToolOutputAvailable) -> None:
        part = self._tool(event.tool_call_id)
        if part and event.preliminary and part["state"] == "approval-requested":
            part["output"] = event.output
        elif part:
            part["state"] = "output-available"
            part["output"] = event.output
            if event.preliminary:
                part["preliminary"] = True
            else:
                part.pop("preliminary", None)
                _end(part, event)

    def _tool_output_error(self, event: events.ToolOutputError) -> None:
        if part := self._tool(event.tool_call_id):
            part["state"] = "output-error"
            part["errorText"] = event.error_text
            part.pop("preliminary", None)
            _end(part, event)

    def _tool_output_denied(self, event: events.ToolOutputDenied) -> None:
        if part := self._tool(event.tool_call_id):
            part["state"] = "output-denied"
            part.pop("preliminary", None)
            _end(part, event)

    def _source_or_file(self, event: events.SourceUrl | events.SourceDocument | events.File) -> None:
        self._answer()["parts"].append(_as_part(event))

    def _data(self, event: events.Data) -> None:
        """A `data-*` part replaces the one with its type and id; a transient one is for live readers only."""
        if event.transient:
            return
        part: JSON = {"type": event.type, "data": event.data}
        if event.id is not None:
            part["id"] = event.id
            for old in self._answer()["parts"]:
                if old["type"] == event.type and old.get("id") == event.id:
                    old["data"] = event.data
                    return
        self._answer()["parts"].append(part)


def nested(parts: Iterable[JSON]) -> Iterator[JSON]:
    """These parts and what happened inside their calls, each call before what is in it."""
    for part in parts:
        yield part
        yield from nested(part.get("parts", ()))


def _newest_first(parts: list[JSON]) -> Iterator[JSON]:
    for part in reversed(parts):
        yield from _newest_first(part.get("parts", []))
        yield part


def fold(stream: Iterable[AnyEvent], start: Transcript | None = None) -> Transcript:
    """The transcript after these events, on top of `start` or of nothing."""
    transcript = start or Transcript()
    for event in stream:
        transcript.apply(event)
    return transcript


def requests(message: JSON) -> list[JSON]:
    """What was asked for with this message: `turn`, `lsn`, `client_id`, `outcome`; several for a continued answer."""
    metadata = message["metadata"]
    last = {name: metadata[name] for name in ("turn", "client_id", "outcome") if name in metadata}
    return [*metadata.get("continued", []), last | {"lsn": metadata.get("continued_lsn", metadata["lsn"])}]


_ABOUT = (
    *("agent", "model", "effort", "mode", "tools", "author", "queued", "sent"),
    *("resolved_agent", "resolved_model", "resolved_effort", "resolved_mode"),
)


def _said(event: events.UserMessage | events.MessageQueued, **more: Any) -> JSON:
    """A person's message as `UIMessage`."""
    metadata: JSON = {"at": event.at, "lsn": event.lsn, **more, "client_id": event.client_id}
    for name in _ABOUT:
        if (value := getattr(event, name, None)) is not None:
            metadata[name] = msgspec.to_builtins(value)
    return {"id": event.message_id, "role": "user", "parts": _parts(event), "metadata": metadata}


def _parts(event: events.UserMessage | events.MessageQueued | events.QueueEdited) -> list[JSON]:
    return [{"type": "text", "text": event.text, "state": "done"}, *event.parts]


def _close(part: JSON, at: str | None) -> None:
    """`at`: when it ended; `None` if nobody knows."""
    part["state"] = "done"
    part.pop("id", None)
    if "started" in part and at is not None:
        part["finishedAt"] = at


def _end(part: JSON, event: events.Chunk) -> None:
    """A call that was started has its end, and so a duration; what is open in it ends with it."""
    if "started" in part:
        part["finishedAt"] = event.at
    _end_all(part.get("parts", []), OVER, event.at)


def _end_all(parts: list[JSON], why: str, at: str | None) -> None:
    """Nothing of these stays open."""
    for part in nested(parts):
        if part["type"] in ("text", "reasoning") and part.get("state") != "done":
            _close(part, at)
        elif part["type"] == "dynamic-tool" and part["state"] not in TOOL_ENDS:
            part["state"] = "output-error"
            part["errorText"] = why


def _doing(parts: Iterable[JSON]) -> str:
    """Whether somebody `works` on one of these, all that is open `waits` for a person or a kernel, or all is `over`."""
    states = {_state(part) for part in parts}
    return next((state for state in ("works", "waits") if state in states), "over")


def _state(part: JSON) -> str:
    if part["type"] in ("text", "reasoning"):
        return "works" if part.get("state") == "streaming" else "over"
    if part["type"] != "dynamic-tool" or (part["state"] in TOOL_ENDS and not part.get("preliminary")):
        return "over"
    waits_for = part.get("waitsFor")
    if part["state"] == "approval-requested" or waits_for == "person" or (waits_for and "started" not in part):
        return "waits"
    # Who asks inside of a call waits with it.
    return "waits" if _doing(part.get("parts", ())) == "waits" else "works"


def _waited(answer: JSON, since: str, until: str) -> None:
    answer["metadata"]["waits"] = [*answer["metadata"].get("waits", []), {"from": since, "to": until}]


def _keep_provider_metadata(part: JSON, event: Any, name: str = "providerMetadata") -> None:
    """Providers want back what they said of a part (signatures, ids): the newest word on it stays."""
    if event.provider_metadata:
        part[name] = event.provider_metadata


def _as_part(event: events.Chunk) -> JSON:
    part = msgspec.to_builtins(event)
    for name in ("lsn", "at", "turn"):
        part.pop(name, None)
    return part


_Handler = Callable[[Transcript, Any], None]

_FACTS: dict[type, _Handler] = {
    events.SessionCreated: Transcript._session_created,
    events.SessionUpdated: Transcript._session_updated,
    events.UserMessage: Transcript._user_message,
    events.BranchSelected: Transcript._branch_selected,
    events.MessageQueued: Transcript._message_queued,
    events.MessageDequeued: Transcript._message_dequeued,
    events.QueueEdited: Transcript._queue_edited,
    events.QueueReordered: Transcript._queue_reordered,
    events.QueueHeld: Transcript._queue_held,
    events.QueueResumed: Transcript._queue_resumed,
    events.TurnStarted: Transcript._turn_started,
    events.ToolsOffered: Transcript._tools_offered,
    events.ShareCreated: Transcript._share_created,
    events.ShareRevoked: Transcript._share_revoked,
    events.ApprovalAnswered: Transcript._approval_answered,
    events.StopRequested: Transcript._stop_requested,
    events.TurnStopped: Transcript._turn_stopped,
}

_CHUNKS: dict[type, _Handler] = {
    events.Start: Transcript._metadata,
    events.MessageMetadata: Transcript._metadata,
    events.Finish: Transcript._metadata,
    events.StartStep: Transcript._start_step,
    events.FinishStep: Transcript._finish_step,
    events.TextStart: Transcript._part_start,
    events.TextDelta: Transcript._part_delta,
    events.TextEnd: Transcript._part_end,
    events.ReasoningStart: Transcript._part_start,
    events.ReasoningDelta: Transcript._part_delta,
    events.ReasoningEnd: Transcript._part_end,
    events.ToolInputStart: Transcript._tool_input_start,
    events.ToolInputDelta: Transcript._tool_input_delta,
    events.ToolInputAvailable: Transcript._tool_input_available,
    events.ToolInputError: Transcript._tool_input_error,
    events.ToolApprovalRequest: Transcript._tool_approval_request,
    events.ToolWaiting: Transcript._tool_waiting,
    events.ToolStarted: Transcript._tool_started,
    events.ToolProgress: Transcript._tool_progress,
    events.ToolSuspended: Transcript._tool_suspended,
    events.ToolOutputAvailable: Transcript._tool_output_available,
    events.ToolOutputError: Transcript._tool_output_error,
    events.ToolOutputDenied: Transcript._tool_output_denied,
    events.SourceUrl: Transcript._source_or_file,
    events.SourceDocument: Transcript._source_or_file,
    events.File: Transcript._source_or_file,
    events.Data: Transcript._data,
}

_STEPS = frozenset({events.ApprovalAnswered, *_CHUNKS}) - {
    *(events.TextDelta, events.ReasoningDelta, events.ToolInputDelta, events.ToolProgress)
}
"""Events with which a turn may begin or cease to wait."""
