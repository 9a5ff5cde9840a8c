"""What a model is told of a conversation.

Import this in a thread: it imports pydantic-ai. Every call that the model is told of has a result, whatever became of
it. A file is sent only when its bytes are in the message or with the host that asks: no URL is ever followed, by us or
by the provider on our behalf, because it would reach whatever the server can reach. What a provider signed is given
back to that provider alone. What happened inside a call, and data that is drawn for people, is not told.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from msgspec import Struct
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from pydantic_ai.models import Model
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.tools import ToolDefinition

from jupyter_durable_chat.agents import AgentError, Host, ToolSpec
from jupyter_durable_chat.agents.chunks import METADATA
from jupyter_durable_chat.events import Outcome

Part = dict[str, Any]
Files = Mapping[str, "File | None"]

GO_ON = (
    "Your last message was cut off, and the end of it was: {end!r}. Go on from exactly there, inside the same word, "
    "sentence, list or block of code if need be. Repeat nothing of it, do not begin anew, and say nothing about the "
    "interruption: what you write is appended to it as it stands."
)

END_CHARACTERS = 60

TEXT_BYTES = 200_000
"""Most bytes of a file that is told as text."""

TEXTS = re.compile(r"text/|application/(?:.*\+)?(?:json|xml|yaml|x-yaml|toml|sql|csv|javascript|x-python|x-sh)\b")

NO_RESULT = "This call was not finished, so there is no result."


class File(Struct, frozen=True):
    """A file's bytes, wherever they were."""

    data: bytes
    media_type: str


class Reader(Struct, frozen=True):
    """What the model that is told can take: `system` is its provider, as parts name it."""

    system: str = ""
    canonical_system: str | None = None
    images: bool = True
    documents: bool = True

    @classmethod
    def of(cls, model: Model) -> "Reader":
        profile: ModelProfile = model.profile
        return cls(
            model.system,
            model.canonical_system,
            profile.get("supports_image_input", True),
            profile.get("supports_document_input", True),
        )


def files(messages: Sequence[dict[str, Any]]) -> list[str]:
    """The `attachment:` URLs of all that is told."""
    urls = (file.get("url") for message in messages for part in message["parts"] for file in _files(part))
    return list(dict.fromkeys(url for url in urls if isinstance(url, str) and url.startswith("attachment:")))


async def fetch(urls: Iterable[str], host: Host | None) -> dict[str, File | None]:
    """The attachments; `None` for one that is not to be had."""

    async def one(url: str) -> File | None:
        try:
            return File(*await host.attachment(url)) if host else None
        except AgentError:
            return None

    urls = list(urls)
    return dict(zip(urls, await asyncio.gather(*map(one, urls)), strict=True))


def history(
    messages: Sequence[dict[str, Any]], reader: Reader, attached: Files, instructions: str = ""
) -> list[ModelMessage]:
    """The conversation up to what is wanted next.

    An unfinished answer at the end is to be continued, and the model is told so in words: only some providers go on
    from the beginning of an answer by themselves. When its last step ends with calls, their results are the end.
    """
    told: list[ModelMessage] = []
    for message in messages:
        if message["role"] == "user":
            told.append(ModelRequest(_asked(message["parts"], reader, attached)))
        else:
            for step in steps(message["parts"]):
                told.extend(_step(step, reader, attached))
    told = _joined(message for message in told if message.parts)
    if told and isinstance(last := told[-1], ModelResponse):
        end = (last.text or "")[-END_CHARACTERS:]
        told.append(ModelRequest([UserPromptPart(GO_ON.format(end=end))]))
    if instructions and told and isinstance(last := told[-1], ModelRequest):
        last.instructions = instructions
    return told


def tools_for(specs: Sequence[ToolSpec], told: Sequence[ModelMessage]) -> tuple[list[ToolDefinition], bool]:
    """The tools that the model is told of, and whether it may call them.

    Some providers take no history with calls from a request without tools: then those that were called stand there by
    name, and may not be called.
    """
    if specs:
        return [
            ToolDefinition(name=spec.name, parameters_json_schema=spec.parameters, description=spec.description or None)
            for spec in specs
        ], True
    called = {part.tool_name for message in told if isinstance(message, ModelResponse) for part in message.tool_calls}
    return [ToolDefinition(name=name, description="Not available now.") for name in sorted(called)], False


def steps(parts: Sequence[Part]) -> list[list[Part]]:
    """The parts of an answer, by the request that each came from."""
    found: list[list[Part]] = [[]]
    for part in parts:
        if part.get("type") == "step-start":
            found.append([])
        else:
            found[-1].append(part)
    return found


# What a person said


def _asked(parts: Sequence[Part], reader: Reader, attached: Files) -> list[ModelRequestPart]:
    content = [item for part in parts if (item := _content(part, reader, attached))]
    match content:
        case []:
            return []
        case [str(text)]:  # the older form, which every OpenAI-compatible server understands
            return [UserPromptPart(text)]
    return [UserPromptPart(content)]


def _content(part: Part, reader: Reader, attached: Files) -> UserContent | None:
    match part:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "file", "url": str(url)}:
            return _file(url, part.get("filename"), part.get("mediaType"), reader, attached)
        case {"type": "data-cell" | "data-variable", "data": {"text": str(text), **more}}:
            return f"[{more.get('label') or part['type'].removeprefix('data-')}]\n{text}"
    return None


def _file(url: str, filename: object, media_type: object, reader: Reader, attached: Files) -> UserContent:
    name = str(filename or media_type or "without a name")
    file = _from_data(url) if url.startswith("data:") else attached.get(url)
    if file is None:
        return f"[A file that could not be sent: {name}]"
    if TEXTS.match(file.media_type):
        return _as_text(file.data, name)
    if file.media_type.startswith("image/"):
        taken = reader.images and file.media_type != "image/svg+xml"
    else:
        taken = reader.documents and file.media_type == "application/pdf"
    if taken:
        return BinaryContent(file.data, media_type=file.media_type)
    return f"[A file that this model cannot read: {name}, {file.media_type}, {len(file.data)} bytes]"


def _from_data(url: str) -> File | None:
    try:
        content = BinaryContent.from_data_uri(url)
    except ValueError:
        return None
    return File(content.data, content.media_type)


def _as_text(data: bytes, name: str) -> str:
    text = data[:TEXT_BYTES].decode(errors="replace")
    cut = f"\n[Cut: {len(data)} bytes, of which these are the first {TEXT_BYTES}]" if len(data) > TEXT_BYTES else ""
    return f"[File: {name}]\n{text}{cut}"


# What the assistant said and did


def _step(parts: Sequence[Part], reader: Reader, attached: Files) -> list[ModelMessage]:
    """One response, and the results of its calls.

    What was thought is told only together with calls: there providers need it to go on, and elsewhere it is in the way.
    """
    calls = [part for part in parts if _is_call(part) and not part.get("providerExecuted")]
    whole = [call for call in calls if "input" in call or call.get("callProviderMetadata") or _is_refused(call)]
    intact = len(whole) == len(calls) and not any(part.get("providerExecuted") for part in parts)
    said: list[ModelResponsePart] = []
    for part in parts:
        match part:
            case {"type": "text", "text": str(text)} if text.strip():  # some take no text without a word
                said.append(TextPart(text, **_given_back(part, reader) if whole and intact else {}))
            case {"type": "reasoning", "text": str(text)} if whole and intact:
                if given_back := _given_back(part, reader):
                    said.append(ThinkingPart(text, **given_back))
            case {"type": "dynamic-tool"} if part in whole:
                said.append(_call(part, reader, intact))
    results = [_result(call, reader, attached) for call in whole]
    return [ModelResponse(said, provider_name=reader.system or None), ModelRequest(results)]


def _is_call(part: Part) -> bool:
    return part.get("type") == "dynamic-tool" and isinstance(part.get("toolCallId"), str)


def _is_refused(call: Part) -> bool:
    """Whether its arguments were no JSON object; others without arguments were cut off while they were written."""
    return call.get("state") == "output-error" and call.get("errorText") not in get_args(Outcome)


def _given_back(part: Part, reader: Reader) -> dict[str, Any]:
    """What the provider said of this part, if it is the one that is told; else nothing."""
    said = (part.get("callProviderMetadata") or part.get("providerMetadata") or {}).get(METADATA)
    if not isinstance(said, dict) or said.get("provider_name") != reader.system:
        return {}
    if said.get("canonical_system", reader.canonical_system) != reader.canonical_system:
        return {}
    names = ("id", "signature", "provider_name", "provider_details")
    return {name: said[name] for name in names if name in said}


def _call(part: Part, reader: Reader, intact: bool) -> ToolCallPart:
    given_back = _given_back(part, reader) if intact else {}
    arguments = part["input"] if "input" in part else part.get("rawInput")
    if not isinstance(arguments, dict | str):
        arguments = None
    return ToolCallPart(part["toolName"], arguments, part["toolCallId"], **given_back)


def _result(part: Part, reader: Reader, attached: Files) -> ToolReturnPart:
    name, call_id = part["toolName"], part["toolCallId"]
    match part:
        case {"state": "output-available"} if not part.get("preliminary"):
            return ToolReturnPart(name, _output(part.get("output"), reader, attached), call_id)
        case {"state": "output-error", "errorText": str(text)} if text and text not in get_args(Outcome):
            return ToolReturnPart(name, text, call_id, outcome="failed")
        case {"state": "output-denied"}:
            reason = (part.get("approval") or {}).get("reason")
            text = f"The user did not allow this call{f': {reason}' if reason else '.'}"
            return ToolReturnPart(name, text, call_id, outcome="denied")
    return ToolReturnPart(name, NO_RESULT, call_id, outcome="failed")


def _output(output: object, reader: Reader, attached: Files) -> Any:
    match output:
        case {"content": [*items]}:
            content = [item for part in items if isinstance(part, dict) if (item := _content(part, reader, attached))]
            if all(isinstance(item, str) for item in content):
                return "\n".join(map(str, content)) or "There is no output."
            return content
        case None | "":
            return "There is no output."
    return output


def _files(part: Part) -> Iterator[Part]:
    match part:
        case {"type": "file"}:
            yield part
        case {"type": "dynamic-tool", "output": {"content": [*items]}}:
            yield from (item for item in items if isinstance(item, dict) and item.get("type") == "file")


def _joined(messages: Iterable[ModelMessage]) -> list[ModelMessage]:
    """The same with requests in a row as one, and responses in a row as one, which is what providers expect."""
    told: list[ModelMessage] = []
    for message in messages:
        last = told[-1] if told else None
        if isinstance(message, ModelRequest) and isinstance(last, ModelRequest):
            told[-1] = ModelRequest([*last.parts, *message.parts])
        elif isinstance(message, ModelResponse) and isinstance(last, ModelResponse):
            told[-1] = ModelResponse([*last.parts, *message.parts], provider_name=message.provider_name)
        else:
            told.append(message)
    return told
