"""A transcript for viewers that run nothing: Markdown, plain text and HTML.

The first two are the same strings as the browser's (`js/src/view/static.ts`); `tests/vectors/static/static.json` holds
both. What a model or a file wrote cannot leave its place: an unclosed fence is closed, a title or an error stays in
its line, control characters (a terminal would obey them) are gone. In the HTML every text is escaped, links lead to
the web or nowhere, and nothing is fetched.
"""

import re
from collections.abc import Callable
from functools import cache
from html import escape
from typing import Any, NamedTuple

JSON = dict[str, Any]

EMPTY = "No messages yet."
RUNNING = "still answering"

OUTCOMES = {
    "completed": "",
    "truncated": "truncated: the answer broke off",
    "interrupted": "interrupted: the server ended in the middle of the answer",
}

TOOL_STATES = {
    "input-streaming": "called",
    "input-available": "called",
    "approval-requested": "waits for approval",
    "output-available": "done",
    "output-error": "failed",
    "output-denied": "denied",
}


class _Format(NamedTuple):
    name: Callable[[str], str]
    text: Callable[[str, str], str]
    """Of a role and what it wrote."""
    aside: Callable[[str], str]
    link: Callable[[str, str], str]


def to_markdown(transcript: JSON | None, turn: str | None = None, notice: str | None = None) -> str:
    return _write(transcript, turn, notice, _MARKDOWN)


def to_text(transcript: JSON | None, turn: str | None = None, notice: str | None = None) -> str:
    return _write(transcript, turn, notice, _TEXT)


def to_html(transcript: JSON | None, turn: str | None = None, notice: str | None = None) -> str:
    return f'<div class="jdc-static">\n{_write(transcript, turn, notice, _HTML)}\n</div>'


def text_of(message: JSON) -> str:
    """What a message says: its text parts, a blank line between two."""
    return "\n\n".join(part["text"] for part in message["parts"] if part["type"] == "text" and part["text"])


def _write(transcript: JSON | None, turn: str | None, notice: str | None, format: _Format) -> str:
    blocks = [format.aside(notice)] if notice else []
    if transcript:
        messages = [m for m in transcript["messages"] if turn is None or m["metadata"].get("turn") == turn]
        omitted = transcript.get("omitted", 0) if turn is None else 0
        if omitted:
            blocks.append(format.aside(f"{omitted} earlier message{' is' if omitted == 1 else 's are'} left out"))
        blocks += [_message(message, format) for message in messages]
    return "\n\n".join(blocks) or format.aside(EMPTY)


def _message(message: JSON, format: _Format) -> str:
    role = message["role"]
    blocks = [_part(part, role, format) for part in message["parts"]]
    if outcome := _outcome(message):
        blocks.append(format.aside(outcome))
    return format.name("You" if role == "user" else "Assistant") + "\n\n".join(filter(None, blocks))


def _outcome(message: JSON) -> str:
    """What became of an answer, in words; nothing for one that is complete, and for what a person said."""
    if message["role"] == "user":
        return ""
    outcome: str | None = message["metadata"].get("outcome")
    error: JSON | None = message["metadata"].get("error")
    if not outcome:
        return RUNNING
    return f"{outcome}: {error['text']}" if error else OUTCOMES.get(outcome, outcome)


def _part(part: JSON, role: str, format: _Format) -> str:
    match part["type"]:
        case "text":
            return format.text(role, _trim(_clean(part["text"])))
        case "dynamic-tool":
            state = TOOL_STATES.get(part["state"], part["state"])
            error = part.get("errorText")
            return format.aside(f"tool {part['toolName']}: {f'{state}: {error}' if error else state}")
        case "source-url":
            title, url = part.get("title"), part["url"]
            if _WEB.fullmatch(url):
                return format.link(f"source {title}" if title else "source", url)
            return format.aside(f"source: {title or url}")
        case "source-document":
            return format.aside(f"source: {part['title']}")
        case "file":
            return format.aside(f"file: {part.get('filename') or part['mediaType']}")
    return ""


_WEB = re.compile(r"https?://[^\x00-\x20<>\x7f-\x9f]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BLANK_LINES = re.compile(r"(?:[ \t]*\n)+")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\n]*)")


def _clean(text: str) -> str:
    r"""Line ends as `\n`, and no other control character but the tab."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _trim(text: str) -> str:
    """Without blank lines in front and blanks behind; the indent of the first line is kept, it may be code."""
    text = text.rstrip(" \t\n")
    blank = _BLANK_LINES.match(text)
    return text[blank.end() :] if blank else text


def _line(text: str) -> str:
    return " ".join(filter(None, re.split(r"[ \t\n]+", _clean(text))))


def _escape_markdown(text: str) -> str:
    return re.sub(r"[\\`*_\[\]<>$~]", r"\\\g<0>", text)


def _close_fence(text: str) -> str:
    """Closes a code fence that is still open at the end, so that what follows is not code."""
    fence = ""
    for row in text.split("\n"):
        found = _FENCE.fullmatch(row)
        if not found:
            continue
        marks, info = found.groups()
        if not fence:
            fence = "" if marks[0] == "`" and "`" in info else marks
        elif marks[0] == fence[0] and len(marks) >= len(fence) and not info.strip(" \t"):
            fence = ""
    return f"{text}\n{fence}" if fence else text


_MARKDOWN = _Format(
    name=lambda role: f"**{role}**\n\n",
    text=lambda role, text: _close_fence(text),
    aside=lambda text: f"*{_escape_markdown(_line(text))}*",
    link=lambda label, url: f"*{_escape_markdown(_line(label))}: <{url}>*",
)

_TEXT = _Format(
    name=lambda role: f"{role}:\n",
    text=lambda role, text: text,
    aside=lambda text: f"[{_line(text)}]",
    link=lambda label, url: f"[{_line(label)}: {url}]",
)

_HTML = _Format(
    name=lambda role: f"<p><strong>{role}</strong></p>\n",
    text=lambda role, text: _paragraphs(text) if role == "user" else _markdown_to_html()(text).strip(),
    aside=lambda text: f"<p><em>{escape(_line(text))}</em></p>",
    link=lambda label, url: f"<p><em>{escape(_line(label))}: {_anchor(escape(url), url)}</em></p>",
)


def _paragraphs(text: str) -> str:
    """What a person typed, as typed: it is no Markdown."""
    paragraphs = (escape(paragraph.strip()) for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip())
    return "\n".join(f"<p>{paragraph.replace(chr(10), '<br>')}</p>" for paragraph in paragraphs)


def _anchor(inner_html: str, url: str) -> str:
    if not _WEB.fullmatch(url):
        return inner_html
    return f'<a href="{escape(url)}" rel="noopener noreferrer">{inner_html}</a>'


@cache
def _markdown_to_html() -> Callable[[str], str]:
    import mistune

    class Renderer(mistune.HTMLRenderer):
        def link(self, text: str, url: str, title: str | None = None) -> str:
            return _anchor(text, url)

        def image(self, text: str, url: str, title: str | None = None) -> str:
            """A link: to show a saved notebook must not tell another host that it is being read."""
            return _anchor(text or escape(url), url)

    render = mistune.create_markdown(
        renderer=Renderer(escape=True), plugins=["table", "strikethrough", "task_lists", "url", "math"]
    )
    return lambda text: str(render(text))
