"""A transcript for viewers that run nothing: Markdown and plain text (`html.py` has the third).

The same strings as the browser's (`js/src/view/static.ts`); `tests/vectors/static/static.json` holds both to them. What
a model or a file wrote cannot leave its place: an unclosed fence is closed, a title or an error stays in its line,
control characters (a terminal would obey them) are gone.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from jupyter_durable_chat.readable.markup import harmless, legible
from jupyter_durable_chat.readable.unseen import named
from jupyter_durable_chat.transcript import JSON

EMPTY = "No messages yet."
RUNNING = "still answering"
WAITING = "waits for its turn"
HELD = "waits for its turn: the queue is held"
REMOVED = "removed from the queue"

OUTCOMES = {
    "completed": "",
    "truncated": "truncated: the answer broke off",
    "interrupted": "interrupted: the server ended in the middle of the answer",
}

TOOL_STATES = {
    "input-streaming": "called",
    "input-available": "called",
    "approval-requested": "waits for approval",
    "approval-responded": "called",
    "output-available": "done",
    "output-error": "failed",
    "output-denied": "denied",
}


class Format(NamedTuple):
    """How to write what a transcript is made of. Texts come with their control characters removed."""

    message: Callable[[JSON, str], str]
    """Of a message and its content, as it is written."""
    said: Callable[[str], str]
    """What a person wrote."""
    answered: Callable[[str], str]
    """What a model wrote, in Markdown."""
    aside: Callable[[str], str]
    """One line about something."""
    link: Callable[[str, str], str]
    """An aside that ends with an address of the web."""
    reasoning: Callable[[str], str] = lambda text: ""
    file: Callable[[str, str], str] = lambda name, url: ""
    """A file that can be shown in its place; nothing for one that is only named."""
    call: Callable[[JSON], str] = lambda part: ""
    """Of a call, more than one line about it; nothing where that is enough."""


def to_markdown(transcript: JSON | None, turn: str | None = None, notice: str | None = None) -> str:
    return write(transcript, turn, notice, MARKDOWN)


def to_text(transcript: JSON | None, turn: str | None = None, notice: str | None = None) -> str:
    return write(transcript, turn, notice, _TEXT)


def text_of(message: JSON) -> str:
    """What a message says: its text parts, a blank line between two."""
    return "\n\n".join(part["text"] for part in message["parts"] if part["type"] == "text" and part["text"])


def messages_of(transcript: JSON, turn: str | None) -> list[JSON]:
    """What there is to show: the shown branch; or one turn's answer with its question, on whatever branch they are."""
    if turn is None:
        return transcript["messages"]
    everything = [*transcript["messages"], *transcript.get("others", [])]
    own = {message["id"] for message in everything if is_of_turn(message, turn)}
    asked = {m["metadata"].get("parent") for m in everything if m["id"] in own and m["role"] == "assistant"}
    return [message for message in everything if message["id"] in own | asked]


def waiting_of(transcript: JSON, turn: str | None) -> list[tuple[JSON, str]]:
    """One turn's question that was not asked yet, and why."""
    waiting = HELD if transcript.get("held") is not None else WAITING
    asked = [(message, waiting) for message in transcript.get("queue", [])]
    asked += [(message, REMOVED) for message in transcript.get("removed", [])]
    return [(message, why) for message, why in asked if turn is not None and is_of_turn(message, turn)]


def is_of_turn(message: JSON, turn: str) -> bool:
    """Whether a message was said, or answered, in this turn; a continued answer is of several."""
    metadata = message["metadata"]
    return turn in (metadata.get("turn"), *(before["turn"] for before in metadata.get("continued", [])))


def write(transcript: JSON | None, turn: str | None, notice: str | None, format: Format) -> str:
    """All of a transcript, or one turn of it, after a notice."""
    blocks = [format.aside(notice)] if notice else []
    if transcript:
        omitted = transcript.get("omitted", 0) if turn is None else 0
        if omitted:
            blocks.append(format.aside(f"{omitted} earlier message{' is' if omitted == 1 else 's are'} left out"))
        blocks += [_message(message, format, outcome_of(message)) for message in messages_of(transcript, turn)]
        blocks += [_message(message, format, why) for message, why in waiting_of(transcript, turn)]
    return "\n\n".join(blocks) or format.aside(EMPTY)


def _message(message: JSON, format: Format, state: str) -> str:
    blocks = [part_of(part, message["role"], format) for part in message["parts"]]
    if state:
        blocks.append(format.aside(state))
    return format.message(message, "\n\n".join(filter(None, blocks)))


def name_of(message: JSON) -> str:
    return "You" if message["role"] == "user" else "Assistant"


def outcome_of(message: JSON) -> str:
    """What became of an answer, in words; nothing for one that is complete, and for what a person said."""
    if message["role"] == "user":
        return ""
    outcome: str | None = message["metadata"].get("outcome")
    error: JSON | None = message["metadata"].get("error")
    if not outcome:
        return RUNNING
    return f"{outcome}: {error['text']}" if error else OUTCOMES.get(outcome, outcome)


def part_of(part: JSON, role: str, format: Format) -> str:
    match part["type"]:
        case "text":
            text = clean(part["text"])
            return format.said(text) if role == "user" else format.answered(text)
        case "reasoning":
            return format.reasoning(clean(part["text"]))
        case "dynamic-tool":
            return format.call(part) or format.aside(called(part))
        case "source-url":
            title, url = part.get("title"), part["url"]
            if WEB.fullmatch(url) and named(url) == url:
                return format.link(f"source {title}" if title else "source", url)
            return format.aside(f"source: {title or url}")
        case "source-document":
            return format.aside(f"source: {part['title']}")
        case "file":
            name = part.get("filename") or part["mediaType"]
            return format.file(name, part["url"]) or format.aside(f"file: {name}")
        case "data-cell" | "data-variable":
            return format.aside(f"attached: {_label(part.get('data'))}")
    return ""


def called(part: JSON) -> str:
    """A call in a line: its tool and what became of it."""
    state = TOOL_STATES.get(part["state"], part["state"])
    error = part.get("errorText")
    return f"tool {part['toolName']}: {f'{state}: {error}' if error else state}"


def _label(data: object) -> str:
    """What an attached cell or variable is called."""
    label = data.get("label") if isinstance(data, dict) else None
    return label if isinstance(label, str) and label else "without a name"


WEB = re.compile(r"https?://[^\x00-\x20<>\x7f-\x9f]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")


def clean(text: str) -> str:
    r"""Line ends as `\n`, no other control character but the tab, and no blank lines around it."""
    return _trim(plain(text))


def plain(text: str) -> str:
    r"""Line ends as `\n`, and no other control character but the tab: a terminal would obey them."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _trim(text: str) -> str:
    """Without blank lines in front and blanks behind; the indent of the first line is kept, it may be code."""
    text = text.rstrip(" \t\n")
    blank = _BLANK_LINES.match(text)
    return text[blank.end() :] if blank else text


def line(text: str) -> str:
    """The text in one line."""
    return named(" ".join(filter(None, re.split(r"[ \t\n]+", plain(text)))))


def escape_markdown(text: str) -> str:
    return re.sub(r"[\\`*_\[\]<>$~]", r"\\\g<0>", text)


MARKDOWN = Format(
    message=lambda message, content: f"**{name_of(message)}**\n\n{content}",
    said=harmless,
    answered=harmless,
    aside=lambda text: f"*{escape_markdown(line(text))}*",
    link=lambda label, url: f"*{escape_markdown(line(label))}: <{url}>*",
)

_TEXT = Format(
    message=lambda message, content: f"{name_of(message)}:\n{content}",
    said=legible,
    answered=legible,
    aside=lambda text: f"[{line(text)}]",
    link=lambda label, url: f"[{line(label)}: {url}]",
)
