"""Answers that the provider goes on with while nobody listens: OpenAI's Responses in background mode.

Import this in a thread: it imports pydantic-ai. The stream of such an answer can be had again from its beginning. What
was said of it before is left out, character by character, so that what a reader has in the end is exactly what the
provider said.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models import Model, StreamedResponse

from jupyter_durable_chat import events as e

Part = dict[str, Any]

OPTION = "openai_background"


async def position(response: StreamedResponse) -> dict[str, Any] | None:
    """How to go on with this response from elsewhere; `None` when its provider stops when nobody listens.

    The provider names it in its first event, long before the first word of a model that thinks; pydantic-ai tells it
    with the first word only, so it is looked for where pydantic-ai has put that event.
    """
    if not (response.provider_details or {}).get("background"):
        return None
    source: Any = getattr(response, "_response", None)
    if source is None:
        return None
    created: Any = getattr(await source.peek(), "response", None)
    return {"response_id": created.id} if created is not None else None


def suspended(model: Model, state: Mapping[str, Any]) -> list[ModelMessage]:
    """The history with which pydantic-ai asks for the events of that response again, all of them but the first."""
    response = ModelResponse(
        [],
        model_name=model.model_name,
        provider_name=model.system,
        provider_response_id=state["response_id"],
        provider_details={"background": True, "last_sequence_number": 0},
        state="suspended",
    )
    return [ModelRequest([UserPromptPart("")]), response]


class Heard:
    """What was said of a step, as `Rest` wants it: `parts`, and how to go on with it (`state`) until it is over."""

    def __init__(self, state: Mapping[str, Any] | None = None, said: Sequence[Part] = ()) -> None:
        self.parts = [dict(part) for part in said]
        self.state = state

    def note(self, chunk: e.Chunk) -> None:
        match chunk:
            case e.MessageMetadata(message_metadata={"resume": state}):
                self.state = state
            case e.TextStart(id=part_id) | e.ReasoningStart(id=part_id):
                kind = "text" if isinstance(chunk, e.TextStart) else "reasoning"
                self.parts.append({"type": kind, "id": part_id, "text": "", "state": "streaming"})
            case e.TextDelta(id=part_id, delta=delta) | e.ReasoningDelta(id=part_id, delta=delta):
                self._part("id", part_id)["text"] += delta
            case e.TextEnd(id=part_id) | e.ReasoningEnd(id=part_id):
                self._part("id", part_id)["state"] = "done"
            case e.ToolInputStart(tool_call_id=call_id):
                self.parts.append({"type": "dynamic-tool", "toolCallId": call_id, "state": "input-streaming"})
            case e.ToolInputAvailable(tool_call_id=call_id) | e.ToolInputError(tool_call_id=call_id):
                self._part("toolCallId", call_id)["state"] = "input-available"
            case e.SourceUrl(url=url) | e.File(url=url):
                self.parts.append({"type": _kind(chunk), "url": url})

    def close(self) -> Iterator[e.Chunk]:
        """End what is open, because no more comes."""
        for part in self.parts:
            if part.get("state") == "streaming":
                yield e.TextEnd(id=part["id"]) if part["type"] == "text" else e.ReasoningEnd(id=part["id"])

    def _part(self, name: str, value: str) -> Part:
        return next(part for part in reversed(self.parts) if part.get(name) == value)


class Rest:
    """Of a step that is told from its beginning, what was not `said` yet."""

    def __init__(self, said: Sequence[Part]) -> None:
        self._texts = {kind: _Text([p for p in said if p.get("type") == kind]) for kind in ("text", "reasoning")}
        self._calls = [part for part in said if part.get("type") == "dynamic-tool"]
        self._ids: dict[str, Part | None] = {}
        self._others = [(part["type"], part.get("url")) for part in said if "url" in part]

    def of(self, chunk: e.Chunk) -> Iterator[e.Chunk]:
        match chunk:
            case e.StartStep():
                pass
            case e.TextStart() | e.TextDelta() | e.TextEnd():
                yield from self._texts["text"].of(chunk)
            case e.ReasoningStart() | e.ReasoningDelta() | e.ReasoningEnd():
                yield from self._texts["reasoning"].of(chunk)
            case e.ToolInputStart(tool_call_id=call_id):
                self._ids[call_id] = said = self._calls.pop(0) if self._calls else None
                if said is None:
                    yield chunk
            case e.ToolInputDelta(tool_call_id=call_id):
                if self._ids.get(call_id) is None:
                    yield chunk
            case e.ToolInputAvailable(tool_call_id=call_id) | e.ToolInputError(tool_call_id=call_id):
                yield from self._call(chunk, self._ids.get(call_id))
            case e.SourceUrl(url=url) | e.File(url=url) if (_kind(chunk), url) in self._others:
                self._others.remove((_kind(chunk), url))
            case _:
                yield chunk

    def _call(self, chunk: e.ToolInputAvailable | e.ToolInputError, said: Part | None) -> Iterator[e.Chunk]:
        if said is None:
            yield chunk
        elif said["state"] == "input-streaming":
            yield msgspec.structs.replace(chunk, tool_call_id=said["toolCallId"])


class _Text:
    """The texts of one kind: so many characters of them were said, and the last part of them may be open."""

    def __init__(self, said: Sequence[Part]) -> None:
        self._left = sum(len(part.get("text", "")) for part in said)
        last = said[-1] if said else {}
        self._open: str | None = last.get("id") if last.get("state") == "streaming" else None
        self._as: str | None = None

    def of(self, chunk: Any) -> Iterator[e.Chunk]:
        match chunk:
            case e.TextStart() | e.ReasoningStart():
                self._held, self._as = chunk, None
            case e.TextDelta() | e.ReasoningDelta():
                skipped = min(self._left, len(chunk.delta))
                self._left -= skipped
                if rest := chunk.delta[skipped:]:
                    yield from self._begin()
                    yield msgspec.structs.replace(chunk, id=self._as, delta=rest)
            case e.TextEnd() | e.ReasoningEnd():
                if self._as is None and self._left == 0 and self._open:
                    self._as, self._open = self._open, None
                if self._as is not None:
                    yield msgspec.structs.replace(chunk, id=self._as)

    def _begin(self) -> Iterator[e.Chunk]:
        """A part is begun, unless it is the open one."""
        if self._as is not None:
            return
        if self._open:
            self._as, self._open = self._open, None
        else:
            self._as = self._held.id
            yield self._held


def _kind(chunk: e.Chunk) -> str:
    return chunk.__struct_config__.tag  # type: ignore[return-value]
