"""An answer as a client of the AI SDK has it, and the chunks that bring it to where the answer is.

A client folds chunks into a message, as we fold events into one, with the same parts in the same order. So nothing of
how an answer came has to be told again: what a client lacks is the difference between its message and ours, and what it
folds equals ours, whether it was there from the beginning, joins in the middle, or has been away.

Only chunks and fields are said that all of versions 5 and 6 take, whose schemas refuse any other. The exceptions are
`tool-approval-request` and `tool-output-denied`, of which version 5 is told in its own words, and outputs that are not
the last ones.

Format: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from jupyter_durable_chat.transcript import JSON, TOOL_ENDS, nested

APPROVALS_SINCE = 6
"""The first version of the AI SDK that knows approvals."""

PRELIMINARY_SINCE = 6
"""The first version whose every release knows that an output is not the last one; others get the last one."""

DENIED = "The call was not allowed."

OVER = "The answer ended before it was complete."


class OtherMessage(Exception):
    """What the client has is not the beginning of this answer."""


@dataclass(slots=True)
class _Seen:
    """What the client has of a part."""

    is_open: bool
    """More may come."""
    size: int = 0
    """Characters of a text, or of the input of a call that is being written."""
    has_input: bool = False
    input: Any = None
    asked: bool = False
    """Whether it knows that a person is asked to allow the call."""
    value: Any = UNSET
    """The data of a part, or the output of a call so far."""


class Mirror:
    """One answer as one client has it: at first nothing, or the `parts` of the message that it sent."""

    def __init__(self, version: int, parts: Sequence[JSON] = ()) -> None:
        self._version = version
        self._given = list(parts)
        self._seen: list[_Seen | None] = []
        self._in_step = False
        self._open_texts: set[int] = set()
        self._told: set[str] = set()

    def catch_up(self, parts: Sequence[JSON], *, continues: bool = False) -> list[JSON]:
        """The chunks after which the client's message has these parts. Raises `OtherMessage`.

        `continues`: the turn may still go on in the last text, which has been over; the client could not open it again.
        """
        chunks: list[JSON] = []
        if self._given:
            if len(self._given) > len(parts) or not all(map(_is_same, self._given, parts)):
                raise OtherMessage
            self._seen = [_had(part) for part in self._given]
            self._given = []
        reopened = _last_said(parts) if continues else None
        for index, part in enumerate(parts):
            if index == len(self._seen):
                self._seen.append(None)
            now = part | {"state": "streaming"} if index == reopened else part
            self._seen[index] = self._part(now, self._seen[index], index, chunks)
        return chunks

    def end_step(self) -> list[JSON]:
        """The end of the step that the client is in. A text that is open in it could not go on after that."""
        if not self._in_step or self._open_texts:
            return []
        self._in_step = False
        return [{"type": "finish-step"}]

    def _part(self, part: JSON, seen: _Seen | None, index: int, chunks: list[JSON]) -> _Seen | None:
        match part["type"]:
            case "text" | "reasoning":
                return self._text(part, seen, index, chunks)
            case "dynamic-tool":
                return self._call(part, seen or _Seen(is_open=False), seen is None, chunks)
            case "step-start":
                if seen is None:
                    chunks += self.end_step()
                    chunks.append({"type": "start-step"})
                    self._in_step = True
            case "source-url" | "source-document" | "file" as kind:
                if seen is None:
                    chunks.append(_only(part, _FIELDS[kind]))
            case str() as kind if kind.startswith("data-"):
                if seen is None or ("id" in part and seen.value != part["data"]):
                    chunks.append(_only(part, ("type", "id", "data")))
                return _Seen(is_open=False, value=part["data"])
        return _Seen(is_open=False)

    def _text(self, part: JSON, seen: _Seen | None, index: int, chunks: list[JSON]) -> _Seen:
        kind, name, text = part["type"], str(index), part.get("text", "")
        over = part.get("state") == "done"
        if seen is None or (not seen.is_open and len(text) > seen.size):
            chunks.append({"type": f"{kind}-start", "id": name})
            seen = _Seen(is_open=True, size=seen.size if seen else 0)
            self._open_texts.add(index)
        if len(text) > seen.size:
            chunks.append({"type": f"{kind}-delta", "id": name, "delta": text[seen.size :]})
        if over and seen.is_open:
            chunks.append({"type": f"{kind}-end", "id": name} | _provider(part, "providerMetadata"))
            self._open_texts.discard(index)
        return _Seen(is_open=not over, size=len(text))

    def _call(self, part: JSON, seen: _Seen, is_new: bool, chunks: list[JSON]) -> _Seen:
        ended = part["state"] in TOOL_ENDS and not part.get("preliminary")
        if ended and not seen.is_open and not is_new:
            return seen
        self._input(part, seen, is_new, ended, chunks)
        if part["state"] == "approval-requested" and not seen.asked:
            chunks.append(self._asked(part))
            seen.asked = True
        self._ask_inside(part, chunks)
        so_far = part["output"] if part["state"] == "output-available" else UNSET
        if ended:
            chunks.append(self._result(part))
        elif so_far is not UNSET and so_far != seen.value and self._version >= PRELIMINARY_SINCE:
            chunks.append(self._result(part) | {"preliminary": True})
        seen.value = so_far
        seen.is_open = not ended
        return seen

    def _input(self, part: JSON, seen: _Seen, is_new: bool, ended: bool, chunks: list[JSON]) -> None:
        call, raw = {"toolCallId": part["toolCallId"]}, part.get("rawInput")
        named = call | {"toolName": part["toolName"], "dynamic": True} | _only(part, ("providerExecuted",))
        available = {"type": "tool-input-available", **named, **_provider(part, "callProviderMetadata")}
        if part["state"] == "input-streaming" and isinstance(raw, str):
            if is_new:
                chunks.append({"type": "tool-input-start", **named})
            if len(raw) > seen.size:
                chunks.append({"type": "tool-input-delta", **call, "inputTextDelta": raw[seen.size :]})
                seen.size = len(raw)
        elif "input" in part and not (seen.has_input and seen.input == part["input"]):
            chunks.append(available | {"input": part["input"]})
            # With another input it is another question.
            seen.has_input, seen.input, seen.asked = True, part["input"], False
        elif ended and not seen.has_input:
            # Its input was never whole, for which the first release has no word.
            chunks.append(available | {"input": raw})

    def _result(self, part: JSON) -> JSON:
        result = {"toolCallId": part["toolCallId"], "dynamic": True} | _only(part, ("providerExecuted",))
        match part["state"]:
            case "output-available":
                return {"type": "tool-output-available", **result, "output": part["output"]}
            case "output-denied" if self._version >= APPROVALS_SINCE:
                return {"type": "tool-output-denied", "toolCallId": part["toolCallId"]}
            case "output-denied":
                return {"type": "tool-output-error", **result, "errorText": part["approval"].get("reason") or DENIED}
        return {"type": "tool-output-error", **result, "errorText": part.get("errorText") or OVER}

    def _asked(self, call: JSON) -> JSON:
        approval = call["approval"]
        if self._version >= APPROVALS_SINCE:
            about = {"approvalId": approval["id"], "toolCallId": call["toolCallId"]}
            return {"type": "tool-approval-request", **about}
        return _told(call)

    def _ask_inside(self, call: JSON, chunks: list[JSON]) -> None:
        """A message of the client has no place for what happens inside of a call, but a person has to know."""
        for part in nested(call.get("parts", ())):
            if part.get("state") == "approval-requested" and part["approval"]["id"] not in self._told:
                self._told.add(part["approval"]["id"])
                chunks.append(_told(part))


def _told(call: JSON) -> JSON:
    """A question whether a call may be run, in words for whoever looks at data; no part of the message."""
    approval = call["approval"]
    data = {"approvalId": approval["id"], **_only(call, ("toolCallId", "toolName", "input"))}
    return {"type": "data-approval-request", "data": data | _only(approval, ("deadline",)), "transient": True}


_FIELDS = {
    "source-url": ("type", "sourceId", "url", "title"),
    "source-document": ("type", "sourceId", "mediaType", "title", "filename"),
    "file": ("type", "mediaType", "url"),
}


def _only(value: JSON, names: Sequence[str]) -> JSON:
    return {name: value[name] for name in names if value.get(name) is not None or (name == "data" and name in value)}


def _provider(part: JSON, name: str) -> JSON:
    """What a provider said of a part, where it has the form that clients take: objects by the provider's name."""
    said = part.get(name)
    is_well_formed = isinstance(said, dict) and all(isinstance(about, dict) for about in said.values())
    return {"providerMetadata": said} if said and is_well_formed else {}


def _last_said(parts: Sequence[JSON]) -> int | None:
    """The place of the text in which a turn goes on with an answer, as the transcript has it."""
    said = [index for index, part in enumerate(parts) if part["type"] in ("text", "dynamic-tool")]
    return said[-1] if said and parts[said[-1]]["type"] == "text" else None


def _is_same(theirs: JSON, ours: JSON) -> bool:
    """Whether a part of the client's message is this part, perhaps not yet whole."""
    if ours["type"] != "dynamic-tool":
        return theirs.get("type") == ours["type"]
    kind = theirs.get("toolName") if theirs.get("type") == "dynamic-tool" else theirs.get("type")
    known = (ours["toolName"], f"tool-{ours['toolName']}")
    return kind in known and theirs.get("toolCallId") == ours["toolCallId"]


def _had(part: JSON) -> _Seen:
    """What a client has that sent this part: it adds to no text of an earlier stream."""
    if "toolCallId" in part:
        state = part.get("state")
        ended = state in TOOL_ENDS and not part.get("preliminary")
        has_input = state != "input-streaming"
        asked = state in ("approval-requested", "approval-responded")
        raw = part.get("rawInput")
        size = len(raw) if isinstance(raw, str) else 0
        return _Seen(
            is_open=not ended,
            size=size,
            has_input=has_input,
            asked=asked,
            input=part.get("input"),
            value=part.get("output"),
        )
    text = part.get("text")
    return _Seen(is_open=False, size=len(text) if isinstance(text, str) else 0, value=part.get("data", UNSET))


# What people ask and answer


def asked_in(message: JSON) -> tuple[str, list[JSON]]:
    """The text of a person's message, and what it holds beside that."""
    parts: list[JSON] = list(message.get("parts") or ())
    place = next((place for place, part in enumerate(parts) if part.get("type") == "text"), None)
    if place is None:
        return "", parts
    said = parts.pop(place).get("text")
    kept = [_only(part, ("type", "text")) if part.get("type") == "text" else part for part in parts]
    return said if isinstance(said, str) else "", kept


def approvals_in(parts: Sequence[JSON]) -> Iterator[tuple[str, bool, str | None]]:
    """The approvals that a person has answered in these: id, yes or no, and why."""
    for part in parts:
        approval = part.get("approval")
        if part.get("state") == "approval-responded" and isinstance(approval, dict):
            approved, reason = approval.get("approved"), approval.get("reason")
            if isinstance(approval.get("id"), str) and isinstance(approved, bool):
                yield approval["id"], approved, reason if isinstance(reason, str) else None


def outputs_in(parts: Sequence[JSON], find: Callable[[str], JSON | None]) -> Iterator[tuple[str, Any]]:
    """The outputs that a person has given in these to calls that wait for one; `find` is a call of ours by its id."""
    for part in parts:
        if part.get("state") == "output-available" and isinstance(call_id := part.get("toolCallId"), str):
            call = find(call_id)
            if call and call.get("waitsFor") == "person" and call["state"] not in TOOL_ENDS:
                yield call_id, part.get("output")
