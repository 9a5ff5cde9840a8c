"""What a request in the protocol Durable Streams says, and how it is answered: text in, values out, and back.

Offsets are LSNs in a dress that sorts as text. What does not fit is `Malformed`, in words that quote it.

https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md
"""

import base64
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal
from urllib.parse import unquote

from jupyter_durable_chat import events as e
from jupyter_durable_chat.streams import (
    JSON_TYPE,
    OPAQUE,
    Append,
    Creation,
    Malformed,
    Page,
    Producer,
    media_type,
    unix,
)

NEXT_OFFSET = "Stream-Next-Offset"
UP_TO_DATE = "Stream-Up-To-Date"
CLOSED = "Stream-Closed"
CURSOR = "Stream-Cursor"
SEQ = "Stream-Seq"
TTL = "Stream-TTL"
EXPIRES_AT = "Stream-Expires-At"
FORKED_FROM = "Stream-Forked-From"
FORK_OFFSET = "Stream-Fork-Offset"
FORK_SUB_OFFSET = "Stream-Fork-Sub-Offset"
ENCODING = "Stream-SSE-Data-Encoding"
PRODUCER_ID = "Producer-Id"
PRODUCER_EPOCH = "Producer-Epoch"
PRODUCER_SEQ = "Producer-Seq"
EXPECTED_SEQ = "Producer-Expected-Seq"
RECEIVED_SEQ = "Producer-Received-Seq"

ASKED = (
    "Content-Type",
    "If-None-Match",
    SEQ,
    TTL,
    EXPIRES_AT,
    CLOSED,
    FORKED_FROM,
    FORK_OFFSET,
    FORK_SUB_OFFSET,
    PRODUCER_ID,
    PRODUCER_EPOCH,
    PRODUCER_SEQ,
)
"""Headers of requests."""

ANSWERED = (
    "ETag",
    "Location",
    NEXT_OFFSET,
    UP_TO_DATE,
    CLOSED,
    CURSOR,
    TTL,
    EXPIRES_AT,
    ENCODING,
    PRODUCER_EPOCH,
    PRODUCER_SEQ,
    EXPECTED_SEQ,
    RECEIVED_SEQ,
)
"""Headers of answers."""

ROOT = "durable-chat/v1/stream/"

MAX_PATH = 1024
MAX_HEADER = 256
"""Characters of a producer's id, of a writer's number, of a content type."""

MAX_SAFE = 2**53 - 1
"""The largest number that is one in JavaScript, too."""

CURSOR_SECONDS = 20
CURSOR_EPOCH = 1_728_432_000
"""9 October 2024, in Unix seconds."""

CURSOR_JITTER = 3600

Live = Literal["long-poll", "sse"]

_OFFSET = re.compile(r"[0-9]{16}_[0-9]{16}", re.ASCII)
_COUNT = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,16}", re.ASCII)
_TYPE = re.compile(r"[\w-]+/[\w-]+", re.ASCII)
_LINES = re.compile(r"\r\n|\r|\n")


def offset(lsn: int) -> str:
    """Where what follows this LSN begins."""
    return f"{0:016d}_{lsn:016d}"


def lsn_of(text: str) -> int:
    """The LSN of an offset that was given out. Raises `Malformed`."""
    if not _OFFSET.fullmatch(text):
        raise Malformed(f"An offset is what {NEXT_OFFSET} has said, and not {text[:80]!r}.")
    page, lsn = map(int, text.split("_"))
    if page:
        raise Malformed(f"No stream here has come to the offset {text!r}.")
    return lsn


def position(offsets: Sequence[str], live: Live | None) -> int | Literal["now"]:
    """After which LSN to read. Raises `Malformed`."""
    if len(offsets) > 1:
        raise Malformed("A request has one offset.")
    if not offsets:
        if live:
            raise Malformed(f"live={live} needs an offset.")
        return 0
    if offsets[0] == "now":
        return "now"
    return 0 if offsets[0] == "-1" else lsn_of(offsets[0])


def live(said: Sequence[str]) -> Live | None:
    """How to go on when all that there is was read. Raises `Malformed`."""
    match list(said):
        case []:
            return None
        case ["long-poll"]:
            return "long-poll"
        case ["sse"]:
            return "sse"
    raise Malformed(f"live takes long-poll or sse, and not {said[0][:80]!r}.")


def cursor(asked: str, now: float) -> str:
    """A number that grows with time, and always beyond the one that the reader has: no cache answers it twice."""
    current = int((now - CURSOR_EPOCH) // CURSOR_SECONDS)
    given = int(asked) if _NUMBER.fullmatch(asked) else -1
    if given < current:
        return str(current)
    return str(given + max(1, random.randint(1, CURSOR_JITTER) // CURSOR_SECONDS))


def creation(headers: Mapping[str, str], data: bytes, base_url: str) -> Creation:
    """The stream that a PUT wants. Raises `Malformed`."""
    is_fork = FORKED_FROM in headers
    if not is_fork and (FORK_SUB_OFFSET in headers or FORK_OFFSET in headers):
        raise Malformed(f"{FORK_OFFSET} and {FORK_SUB_OFFSET} need {FORKED_FROM}.")
    if TTL in headers and EXPIRES_AT in headers:
        raise Malformed(f"A stream has {TTL} or {EXPIRES_AT}, and not both.")
    sub_offset = _count(headers, FORK_SUB_OFFSET) or 0
    if sub_offset and FORK_OFFSET not in headers:
        raise Malformed(f"{FORK_SUB_OFFSET} needs {FORK_OFFSET}.")
    given = headers.get("Content-Type", "").strip()
    content_type = _short("Content-Type", given) if _TYPE.match(given) else None
    return Creation(
        content_type=content_type if is_fork else content_type or OPAQUE,
        data=data,
        ttl=_count(headers, TTL),
        expires_at=_moment(headers.get(EXPIRES_AT)),
        closed=closes(headers),
        forked_from=path_of(headers[FORKED_FROM], base_url) if is_fork else None,
        fork_lsn=lsn_of(headers[FORK_OFFSET]) if FORK_OFFSET in headers else None,
        fork_sub_offset=sub_offset,
    )


def append(headers: Mapping[str, str], data: bytes) -> Append:
    """What a POST adds. Raises `Malformed`."""
    closing, content_type = closes(headers), headers.get("Content-Type", "")
    producer = _producer(headers)
    if not data and not closing:
        raise Malformed(f"The body is empty. To close the stream, say {CLOSED}: true.")
    if data and not content_type:
        raise Malformed("The body needs a Content-Type, that of the stream.")
    seq = headers.get(SEQ)
    return Append(content_type, data, closing, producer, None if seq is None else _short(SEQ, seq))


def closes(headers: Mapping[str, str]) -> bool:
    return headers.get(CLOSED, "").lower() == "true"


def path_of(said: str, base_url: str) -> str:
    """The path of a stream on this server, which a header names by its URL's path; proxies may take a prefix off."""
    for root in (base_url + ROOT, unquote(base_url) + ROOT, f"/{ROOT}", "/v1/stream/"):
        if said.startswith(root):
            return unquote(said.removeprefix(root))
    return unquote(said)


def _producer(headers: Mapping[str, str]) -> Producer | None:
    names = (PRODUCER_ID, PRODUCER_EPOCH, PRODUCER_SEQ)
    given = [headers[name] for name in names if name in headers]
    if not given:
        return None
    if len(given) < len(names):
        raise Malformed(f"{', '.join(names)} come together.")
    if not given[0]:
        raise Malformed(f"{PRODUCER_ID} is empty.")
    epoch, seq = (_integer(name, text) for name, text in zip(names[1:], given[1:], strict=True))
    return Producer(_short(PRODUCER_ID, given[0]), epoch, seq)


def _integer(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > MAX_SAFE:
        raise Malformed(f"{name} takes a whole number up to {MAX_SAFE}, and not {text[:80]!r}.")
    return int(text)


def _count(headers: Mapping[str, str], name: str) -> int | None:
    if name not in headers:
        return None
    if not _COUNT.fullmatch(headers[name]):
        raise Malformed(f"{name} takes a whole number, and not {headers[name][:80]!r}.")
    return int(headers[name])


def _moment(said: str | None) -> str | None:
    if said is not None:
        try:
            unix(said)
        except (ValueError, OverflowError) as error:
            raise Malformed(f"{EXPIRES_AT} takes a time as RFC 3339 has it, and not {said[:80]!r}.") from error
    return said


def _short(name: str, text: str) -> str:
    if len(text) > MAX_HEADER:
        raise Malformed(f"{name} takes {MAX_HEADER} characters at most.")
    return text


# Answers


def body(data: Sequence[bytes], *, is_json: bool) -> bytes:
    return b"[%b]" % b",".join(data) if is_json else b"".join(data)


def needs_base64(content_type: str) -> bool:
    """Whether the data is no text, so that an event stream has it in another form."""
    kind = media_type(content_type)
    return not (kind.startswith("text/") or kind == JSON_TYPE)


def frames(page: Page, content_type: str, asked_cursor: str, now: float) -> bytes:
    """A page as Server-Sent Events: its data, if there is any, and then where the reader is."""
    control: dict[str, str | bool] = {"streamNextOffset": offset(page.end)}
    if page.closed:
        control["streamClosed"] = True
    else:
        control["streamCursor"] = cursor(asked_cursor, now)
    if page.up_to_date:
        control["upToDate"] = True
    said = b"event: control\ndata:%b\n\n" % e.to_json(control)
    if not page.data:
        return said
    whole = body(page.data, is_json=media_type(content_type) == JSON_TYPE)
    if needs_base64(content_type):
        lines = b"data:%b\n" % base64.b64encode(whole)
    else:
        lines = b"".join(_lines(whole.decode(errors="replace")))
    return b"event: data\n%b\n%b" % (lines, said)


def _lines(text: str) -> Iterator[bytes]:
    """Whatever breaks a line begins the next one, so data never is a field of its own."""
    for line in _LINES.split(text):
        # A reader takes one space away.
        yield f"data:{' ' if line.startswith(' ') else ''}{line}\n".encode()
