"""What a model says, as chunks.

Import this in a thread: it imports pydantic-ai. Every part that is opened is closed, also when the response breaks off.
A call is available only when its arguments are a JSON object, and each call's id is one that the conversation does not
have yet. What a provider wants back with a part (signatures, ids) stands in the metadata of the part's end.
"""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from pydantic_ai.messages import (
    ERROR_OUTCOMES,
    BinaryContent,
    FilePart,
    ModelResponse,
    ModelResponsePart,
    NativeToolCallPart,
    NativeToolReturnPart,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
    ToolReturnPart,
    WebCitationSource,
)
from pydantic_core import to_jsonable_python

from jupyter_durable_chat import events as e

Messages = list[dict[str, Any]]

METADATA = "pydantic_ai"
"""The key under which the metadata of a part is ours to read again."""

FOR_PEOPLE = frozenset({"citations", "logprobs", "annotations"})
"""Details of a part that no provider wants back."""


class Call(Struct):
    """A call that is being written; `id` is the one that readers know it by."""

    id: str
    name: str
    provider_executed: bool | None
    over: bool = False


class Writing:
    """One response: its events in, chunks out. `taken` are the ids of calls that there are already."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._prefix = secrets.token_hex(4)
        self._texts = 0
        self._open: dict[int, str] = {}
        self._calls: dict[int, Call] = {}
        self._ids: dict[str, str] = {}
        self._text: str | None = None
        self._text_metadata: dict[str, Any] | None = None
        self._sources: set[str] = set()
        self._begun = False

    def next(self) -> "Writing":
        """The response after this one."""
        return Writing(self._taken)

    @property
    def begun(self) -> bool:
        return self._begun

    def begin(self) -> Iterator[e.Chunk]:
        if not self._begun:
            self._begun = True
            yield e.StartStep()

    def chunks(self, event: object) -> Iterator[e.Chunk]:
        """The chunks for this event of pydantic-ai; none for events that are its own book-keeping."""
        match event:
            case PartStartEvent(index=index, part=part):
                yield from self.begin()
                yield from self._start(index, part)
            case PartDeltaEvent(index=index, delta=delta):
                yield from self._delta(index, delta)
            case PartEndEvent(index=index, part=part):
                yield from self._end(index, part, event.canonical_system, event.next_part_kind)

    def close(self) -> Iterator[e.Chunk]:
        """End what is open, because no more comes."""
        yield from self._end_text()
        for part_id in self._open.values():
            yield e.ReasoningEnd(id=part_id)
        self._open.clear()

    def finish(self, response: ModelResponse) -> Iterator[e.Chunk]:
        """What is left when the response is complete: the calls whose arguments were not, or are nothing to use."""
        yield from self.begin()
        yield from self.close()
        for index, part in enumerate(response.parts):
            call = self._calls.get(index)
            if call and not call.over and isinstance(part, ToolCallPart | NativeToolCallPart):
                metadata = metadata_of(part, response.canonical_system)
                yield self._available(call, part, metadata) or _unusable(call, part, metadata)

    def result(self, part: ToolReturnPart) -> Iterator[e.Chunk]:
        """The result of a call that pydantic-ai has run."""
        call_id = self.known_as(part.tool_call_id)
        call = next((call for call in self._calls.values() if call.id == call_id), None)
        if call and not call.over:  # its arguments were no JSON object
            call.over = True
            yield e.ToolInputError(
                tool_call_id=call_id, tool_name=call.name, input=None, error_text=part.model_response_str()
            )
        elif part.outcome == "denied":
            yield e.ToolOutputDenied(tool_call_id=call_id)
        elif part.outcome in ERROR_OUTCOMES:
            text = part.model_response_str(wrap_if_error=False)
            yield e.ToolOutputError(tool_call_id=call_id, error_text=text)
        else:
            yield e.ToolOutputAvailable(tool_call_id=call_id, output=_output(part))

    def wants_tools(self) -> bool:
        """Whether there is a call that the provider does not run itself."""
        return any(not call.provider_executed for call in self._calls.values())

    def known_as(self, call_id: str) -> str:
        """The id under which readers know the provider's call."""
        return self._ids.get(call_id, call_id)

    def _start(self, index: int, part: ModelResponsePart) -> Iterator[e.Chunk]:
        if not isinstance(part, TextPart):
            yield from self._end_text()
        match part:
            case TextPart(content=content):
                yield from self._write(content)
            case ThinkingPart(content=content):
                yield from self._think(index, content)
            case ToolCallPart() | NativeToolCallPart():
                call = Call(self._mint(part.tool_call_id), part.tool_name, _provider_executed(part))
                self._calls[index] = call
                yield e.ToolInputStart(
                    tool_call_id=call.id, tool_name=call.name, provider_executed=call.provider_executed
                )
                yield from _arguments(call, part.args)
            case NativeToolReturnPart() if part.tool_call_id in self._ids:
                yield self._returned(part)
            case FilePart(content=content):
                yield e.File(url=content.data_uri, media_type=content.media_type)

    def _delta(self, index: int, delta: object) -> Iterator[e.Chunk]:
        match delta:
            case TextPartDelta(content_delta=content):
                yield from self._write(content)
            case ThinkingPartDelta(content_delta=content):
                yield from self._think(index, content or "")
            case ToolCallPartDelta(args_delta=arguments) if index in self._calls:
                if not self._calls[index].over:
                    yield from _arguments(self._calls[index], arguments)

    def _end(
        self, index: int, part: ModelResponsePart, canonical_system: str | None, following: str | None
    ) -> Iterator[e.Chunk]:
        metadata = metadata_of(part, canonical_system)
        match part:
            case TextPart():
                self._text_metadata = self._text_metadata or metadata
                yield from self._cited(part)
                if following not in ("text", None):  # the last one is closed when it is known that no more comes
                    yield from self._end_text()
            case ThinkingPart():
                part_id = self._open.pop(index, None)
                if part_id is None and (part.id or part.signature):
                    part_id = self._name()
                    yield e.ReasoningStart(id=part_id)
                if part_id is not None:
                    yield e.ReasoningEnd(id=part_id, provider_metadata=metadata)
            case ToolCallPart() | NativeToolCallPart() if index in self._calls:
                if available := self._available(self._calls[index], part, metadata):
                    yield available

    def _name(self) -> str:
        self._texts += 1
        return f"{self._prefix}-{self._texts}"

    def _mint(self, call_id: str) -> str:
        """Some providers give the same id twice, or none."""
        name = call_id if call_id and call_id not in self._taken else f"call_{secrets.token_hex(12)}"
        self._taken.add(name)
        self._ids[call_id] = name
        return name

    def _write(self, content: str) -> Iterator[e.Chunk]:
        """Text parts in a row are one: some providers cut a sentence where a citation begins."""
        if content:
            if self._text is None:
                self._text = self._name()
                yield e.TextStart(id=self._text)
            yield e.TextDelta(id=self._text, delta=content)

    def _end_text(self) -> Iterator[e.Chunk]:
        if self._text is not None:
            yield e.TextEnd(id=self._text, provider_metadata=self._text_metadata)
        self._text = self._text_metadata = None

    def _think(self, index: int, content: str) -> Iterator[e.Chunk]:
        if content:
            if index not in self._open:
                self._open[index] = self._name()
                yield e.ReasoningStart(id=self._open[index])
            yield e.ReasoningDelta(id=self._open[index], delta=content)

    def _cited(self, part: TextPart) -> Iterator[e.Chunk]:
        for citation in part.citations or ():
            for source in citation.sources:
                if isinstance(source, WebCitationSource) and source.url not in self._sources:
                    self._sources.add(source.url)
                    yield e.SourceUrl(source_id=source.url, url=source.url, title=source.title)

    def _available(
        self, call: Call, part: ToolCallPart | NativeToolCallPart, metadata: dict[str, Any] | None
    ) -> e.Chunk | None:
        """The call with its arguments; `None` when they are no object, or not yet."""
        arguments = as_object(part.args)
        if call.over or arguments is None:
            return None
        call.over = True
        return e.ToolInputAvailable(
            tool_call_id=call.id,
            tool_name=call.name,
            input=arguments,
            provider_executed=call.provider_executed,
            provider_metadata=metadata,
        )

    def _returned(self, part: NativeToolReturnPart) -> e.Chunk:
        call_id = self.known_as(part.tool_call_id)
        if part.outcome in ERROR_OUTCOMES:
            text = part.model_response_str(wrap_if_error=False)
            return e.ToolOutputError(tool_call_id=call_id, error_text=text, provider_executed=True)
        return e.ToolOutputAvailable(tool_call_id=call_id, output=jsonable(part.content), provider_executed=True)


def ids_of_calls(messages: Messages) -> Iterator[str]:
    """The ids that calls of these UI messages have."""
    for message in messages:
        yield from (part["toolCallId"] for part in message["parts"] if isinstance(part.get("toolCallId"), str))


def metadata_of(part: ModelResponsePart, canonical_system: str | None) -> dict[str, Any] | None:
    """What the provider that said this wants back with it."""
    details = getattr(part, "provider_details", None) or {}
    said = {
        "id": getattr(part, "id", None),
        "signature": getattr(part, "signature", None),
        "provider_details": {name: value for name, value in details.items() if name not in FOR_PEOPLE} or None,
    }
    said = {name: jsonable(value) for name, value in said.items() if value is not None}
    if not said:
        return None
    who = {"provider_name": part.provider_name, "canonical_system": canonical_system}
    return {METADATA: {name: value for name, value in who.items() if value is not None} | said}


def as_object(arguments: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The arguments of a call, if they are a JSON object, and not too deep; nothing at all is one without fields."""
    if not isinstance(arguments, str):
        return dict(arguments or {})
    try:
        value = json.loads(arguments, parse_constant=_no_json) if arguments.strip() else {}
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and e.nests(value, e.MAX_DEPTH) else None


def jsonable(value: object) -> Any:
    return to_jsonable_python(value, serialize_unknown=True, bytes_mode="base64")


def _output(part: ToolReturnPart) -> Any:
    """What a tool returned as JSON, with its files as parts."""
    files = [content for content in part.files if isinstance(content, BinaryContent)]
    if not files:
        return jsonable(part.content)
    text = part.model_response_str()
    content: Messages = [{"type": "text", "text": text}] if text else []
    content += [{"type": "file", "mediaType": file.media_type, "url": file.data_uri} for file in files]
    return {"content": content}


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _arguments(call: Call, arguments: object) -> Iterator[e.Chunk]:
    if isinstance(arguments, str) and arguments:
        yield e.ToolInputDelta(tool_call_id=call.id, input_text_delta=arguments)


def _unusable(call: Call, part: ToolCallPart | NativeToolCallPart, metadata: dict[str, Any] | None) -> e.Chunk:
    call.over = True
    why = f"The arguments of {call.name} are no JSON object of at most {e.MAX_DEPTH} levels."
    return e.ToolInputError(
        tool_call_id=call.id,
        tool_name=call.name,
        input=part.args,
        error_text=f"{why} Call it again with one.",
        provider_executed=call.provider_executed,
        provider_metadata=metadata,
    )


def _provider_executed(part: ToolCallPart | NativeToolCallPart) -> bool | None:
    return True if isinstance(part, NativeToolCallPart) else None
