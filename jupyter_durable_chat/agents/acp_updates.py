"""What an ACP agent reports while it answers, as chunks of an answer.

Text and reasoning are parts of their own, one after the other. A call has its input before its result, one result, and
an id of its own, whatever the agent names it; what is not over at the end of the answer is closed with it.
"""

import asyncio
import difflib
import json
import secrets
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from acp import schema

from jupyter_durable_chat import events as e

LONGEST_DIFF = 2000
"""Lines that are compared; of longer files only the name is told."""

LONGEST_TEXT = 100_000

LARGEST_FILE = 8 * 2**20
"""Characters of a `data:` URL."""

PAUSE = 0.25
"""Seconds between two results of a call that are not its last; each one repeats what the others said."""


class _Call:
    def __init__(self, id_: str, name: str, title: str | None) -> None:
        self.id = id_
        self.name = name
        self.title = title
        self.input: Any = None
        self.locations: list[str] = []
        self.told = False
        """Whether its input was told."""
        self.over = False
        self.output: Any = None
        self.shown = -PAUSE
        """When its output was told last, by the event loop's clock."""


class Telling:
    """One answer. Its chunks are iterated once; fed by `update`, `ask` and `deny`, ended by `end`."""

    def __init__(self) -> None:
        self.context: e.Context | None = None
        self.cost: float | None = None
        """What the agent's whole conversation has cost, in US dollars."""
        self._chunks: asyncio.Queue[e.Chunk | None] = asyncio.Queue()
        self._run = secrets.token_hex(4)
        self._calls: dict[str, _Call] = {}
        self._open: type[e.TextDelta] | type[e.ReasoningDelta] | None = None
        self._part = 0
        self._ended = False
        self._waiting: set[asyncio.Future[Any]] = set()

    async def chunks(self) -> AsyncGenerator[e.Chunk]:
        """Closed, nobody listens any longer."""
        try:
            while (chunk := await self._chunks.get()) is not None:
                yield chunk
        finally:
            self._ended = True
            for waiting in self._waiting:
                waiting.cancel()

    def end(self) -> None:
        """Nothing more comes."""
        self._chunks.put_nowait(None)

    def waits_for(self, answer: "asyncio.Future[Any]") -> None:
        """Give this up when nobody listens any longer."""
        self._waiting.add(answer)
        answer.add_done_callback(self._waiting.discard)
        if self._ended:
            answer.cancel()

    def update(self, update: Any) -> None:
        for chunk in self._converted(update):
            self._chunks.put_nowait(chunk)

    def ask(self, call: Any, approval_id: str) -> str:
        """A person is asked about a call; its id here."""
        for chunk in self._called(call, input_is_known=True):
            self._chunks.put_nowait(chunk)
        id_ = self._calls[call.tool_call_id].id
        self._chunks.put_nowait(e.ToolApprovalRequest(approval_id=approval_id, tool_call_id=id_))
        return id_

    def deny(self, id_: str) -> None:
        for call in self._calls.values():
            if call.id == id_ and not call.over:
                call.over = True
                self._chunks.put_nowait(e.ToolOutputDenied(tool_call_id=id_))

    def close(self) -> Iterator[e.Chunk]:
        """What ends everything that is open."""
        yield from self._end_part()
        for call in self._calls.values():
            if not call.over:
                yield from self._input(call)
                if call.output is not None:
                    yield self._result(call)
                else:
                    yield self._error(call, "Its end was not reported.")
                call.over = True

    def _converted(self, update: Any) -> Iterator[e.Chunk]:
        match update:
            case schema.AgentMessageChunk(content=content):
                yield from self._said(content, e.TextStart, e.TextDelta)
            case schema.AgentThoughtChunk(content=content):
                yield from self._said(content, e.ReasoningStart, e.ReasoningDelta)
            case schema.ToolCallStart() | schema.ToolCallProgress():
                yield from self._called(update)
            case schema.AgentPlanUpdate(entries=entries):
                plan = {"entries": [_plain(entry, "content", "priority", "status") for entry in entries]}
                yield e.Data(type="data-plan", id=f"plan_{self._run}", data=plan)  # type: ignore[misc]  # as good as one
            case schema.UsageUpdate(used=used, size=size, cost=cost):
                self.context = e.Context(tokens=used, window=size or None)
                if cost is not None and cost.currency.upper() == "USD":
                    self.cost = cost.amount

    def _said(
        self, content: Any, start: type[e.TextStart | e.ReasoningStart], delta: type[e.TextDelta | e.ReasoningDelta]
    ) -> Iterator[e.Chunk]:
        block = _block(content)
        if block["type"] == "file":
            yield from self._end_part()
            yield e.File(url=block["url"], media_type=block["mediaType"])
        elif block["text"]:
            if self._open is not delta:
                yield from self._end_part()
                self._part += 1
                self._open = delta
                yield start(id=self._part_id)
            yield delta(id=self._part_id, delta=block["text"])

    @property
    def _part_id(self) -> str:
        return f"{self._run}_{self._part}"

    def _end_part(self) -> Iterator[e.Chunk]:
        if self._open is not None:
            end = e.TextEnd if self._open is e.TextDelta else e.ReasoningEnd
            self._open = None
            yield end(id=self._part_id)

    def _called(self, update: Any, *, input_is_known: bool = False) -> Iterator[e.Chunk]:
        """A call that begins or goes on; what is absent did not change."""
        yield from self._end_part()
        call = self._calls.get(update.tool_call_id)
        if call is None:
            id_ = f"acp_{self._run}_{update.tool_call_id}"
            call = self._calls[update.tool_call_id] = _Call(id_, update.kind or "tool", update.title)
            yield e.ToolInputStart(
                tool_call_id=id_, tool_name=call.name, provider_executed=True, dynamic=True, title=call.title
            )
        call.title = update.title or call.title
        if update.raw_input is not None:
            call.input = _short(update.raw_input)
        if update.locations is not None:
            call.locations = [f"{at.path}:{at.line}" if at.line else at.path for at in update.locations]
        output = _output(update)
        changed = output is not None and output != call.output
        if changed:
            call.output = output
        if call.over:
            return
        begun = update.status in ("in_progress", "completed", "failed")
        if input_is_known or begun or update.raw_input is not None:
            yield from self._input(call)
        match update.status:
            case "completed":
                call.over = True
                yield self._result(call)
            case "failed":
                call.over = True
                yield self._error(call, _words(call.output) or "It failed and did not say why.")
            case _ if changed and call.told and call.shown + PAUSE <= (now := asyncio.get_running_loop().time()):
                call.shown = now
                yield self._result(call, preliminary=True)

    def _input(self, call: _Call) -> Iterator[e.Chunk]:
        if not call.told:
            call.told = True
            yield e.ToolInputAvailable(
                tool_call_id=call.id,
                tool_name=call.name,
                input=call.input if call.input is not None else {"locations": call.locations},
                provider_executed=True,
                dynamic=True,
                title=call.title,
            )

    def _result(self, call: _Call, *, preliminary: bool | None = None) -> e.Chunk:
        return e.ToolOutputAvailable(
            tool_call_id=call.id, output=call.output, provider_executed=True, dynamic=True, preliminary=preliminary
        )

    def _error(self, call: _Call, text: str) -> e.Chunk:
        return e.ToolOutputError(tool_call_id=call.id, error_text=text, provider_executed=True, dynamic=True)


def _output(update: Any) -> Any:
    """What a call has brought so far: text as text, files with it as content, else what the tool itself gave."""
    content = [_content(one) for one in update.content or []]
    if content and all(block["type"] == "text" for block in content):
        return _cut("\n".join(block["text"] for block in content))
    content = [block | {"text": _cut(block["text"])} if block["type"] == "text" else block for block in content]
    return {"content": content} if content else _short(update.raw_output)


def _content(content: Any) -> dict[str, Any]:
    match content:
        case schema.FileEditToolCallContent(path=path, old_text=old, new_text=new):
            return {"type": "text", "text": _diff(path, old or "", new)}
        case schema.TerminalToolCallContent():
            return {"type": "text", "text": "[a terminal]"}
    return _block(content.content)


def _diff(path: str, old: str, new: str) -> str:
    before, after = old.splitlines(), new.splitlines()
    if len(before) + len(after) > LONGEST_DIFF:
        return f"{path}: {len(before)} lines before, {len(after)} lines after"
    return "\n".join(("```diff", *difflib.unified_diff(before, after, path, path, lineterm=""), "```"))


def _block(block: Any) -> dict[str, Any]:
    match block:
        case schema.TextContentBlock(text=text):
            return {"type": "text", "text": text}
        case schema.ImageContentBlock() | schema.AudioContentBlock():
            return _file(block.mime_type, block.data)
        case schema.ResourceContentBlock(name=name, uri=uri):
            return {"type": "text", "text": f"[{name}]({uri})"}
        case schema.EmbeddedResourceContentBlock(resource=schema.TextResourceContents(text=text)):
            return {"type": "text", "text": text}
        case schema.EmbeddedResourceContentBlock(resource=schema.BlobResourceContents() as blob):
            return _file(blob.mime_type or "application/octet-stream", blob.blob)
    return {"type": "text", "text": f"[{getattr(block, 'type', 'something')}]"}


def _file(media_type: str, data: str) -> dict[str, Any]:
    if len(data) > LARGEST_FILE:
        return {"type": "text", "text": f"[{media_type}, too large to be kept]"}
    return {"type": "file", "mediaType": media_type, "url": f"data:{media_type};base64,{data}"}


def _cut(text: str) -> str:
    left_out = len(text) - LONGEST_TEXT
    return text if left_out <= 0 else f"{text[:LONGEST_TEXT]}\n[… {left_out} more characters]"


def _short(value: Any) -> Any:
    """The same JSON, or when it is long the beginning of it, as text."""
    if value is None or len(text := json.dumps(value, ensure_ascii=False)) <= LONGEST_TEXT:
        return value
    return _cut(text)


def _words(output: Any) -> str:
    match output:
        case str():
            return output
        case {"content": list(content)}:
            return "\n".join(block.get("text", "") for block in content)
    return "" if output is None else str(output)[:2000]


def _plain(value: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}
