"""A session's shown branch as a Markdown document, and what every document has: a title, who speaks, its files.

Nothing is fetched to make one and nothing to read one. A file is in it, or it is named with the reason why not.
"""

from collections.abc import Iterator
from typing import NamedTuple

from jupyter_durable_chat.readable.text import MARKDOWN, escape_markdown, line, write
from jupyter_durable_chat.transcript import JSON

URL = "attachment:"


class File(NamedTuple):
    """The bytes of a part's URL, or why they are not here."""

    kind: str = ""
    data: bytes = b""
    why: str = ""


class Document(NamedTuple):
    """What a document is made of. `files` are those of the URLs that begin with `attachment:`."""

    transcript: JSON
    files: dict[str, File]
    at: str
    """When it was made, as events say times."""

    @property
    def title(self) -> str:
        return line(self.transcript["title"] or self.transcript["name"]) or "Chat"

    @property
    def about(self) -> str:
        """In a line, what there is and of when."""
        count = len(self.transcript["messages"])
        return f"{count} message{'' if count == 1 else 's'}, exported {moment(self.at)}"


def moment(at: str) -> str:
    """The time of an event, for a person: minutes of UTC, whatever the reader's clock is."""
    return f"{at[:10]} {at[11:16]} UTC"


def speaker(message: JSON) -> str:
    """Whose a message is, in one line: a document is read by others than who was there."""
    metadata = message["metadata"]
    if message["role"] == "user":
        author = metadata.get("author") or {}
        return line(author.get("name") or author.get("username") or "") or "You"
    model = metadata.get("model") or metadata.get("agent")
    return f"Assistant ({line(model)})" if model else "Assistant"


def urls_of(transcript: JSON) -> Iterator[str]:
    """The files that the messages shown refer to, those of calls too, in the order in which they are read."""
    for message in transcript["messages"]:
        yield from _urls_in(message["parts"])


def _urls_in(parts: list[JSON]) -> Iterator[str]:
    for part in parts:
        if part["type"] == "file":
            yield part["url"]
        yield from (item["url"] for item in content_of(part.get("output")) if item["type"] == "file")
        yield from _urls_in(part.get("parts", []))


def content_of(output: object) -> list[JSON]:
    """The texts and files that a call gave; nothing where it gave something else."""
    content = output.get("content") if isinstance(output, dict) else None
    return [item for item in content if _is_item(item)] if isinstance(content, list) else []


def _is_item(item: object) -> bool:
    match item:
        case {"type": "text", "text": str()} | {"type": "file", "url": str(), "mediaType": str()}:
            return True
    return False


def sized(count: int) -> str:
    """A number of bytes, for a person."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB" if count >= 1e3 else f"{count} bytes"


def to_document(document: Document) -> str:
    """Markdown that reads well as it is, and rendered."""
    format = MARKDOWN._replace(
        message=lambda message, content: f"## {escape_markdown(speaker(message))}\n\n{content}",
    )
    head = f"# {escape_markdown(document.title)}\n\n{format.aside(document.about)}"
    return f"{head}\n\n{write(document.transcript, None, None, format)}\n"
