"""A session as a file that another server takes: what is in it, and what is let in.

    {"format": "jupyter-durable-chat", "version": 1, "session": {"id", "title", "lsn", "created_at", "exported_at"},
     "snapshot": transcript | null, "events": [event], "attachments": [{"hash", "size", "media_type", "data"} |
     {"hash", "why"}]}

`events` is the log: all of it, or what follows `snapshot` where the older events are no longer kept. What is taken
from a file is a stranger's. Only what our own structs know is written, with numbers that have no hole; the fold has
seen all of it before anything is stored; whoever wrote a message is named as imported; and the last events see to it
that nothing in it goes on, asks or runs by itself: an unfinished turn is `interrupted`, and what waited, was offered or
was allowed, and who answers, is no more.
"""

import binascii
import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.attachments import media_type
from jupyter_durable_chat.log import Record
from jupyter_durable_chat.shapes import Misshapen, check_at, check_id, check_said, transcript
from jupyter_durable_chat.transcript import JSON, Transcript

FORMAT = "jupyter-durable-chat"
VERSION = 1

IMPORTED = "imported:"
"""How the username of everybody begins whom a file names; no identity provider of ours vouches for it."""

ATTACHMENT = re.compile(rb"attachment:([0-9a-f]{64})")

MAX_TYPE = 64
LEVELS = e.MAX_DEPTH + 16
"""How deeply a file may nest: around what an event may have are messages, their parts, and those of agents in them."""

_CLIENT_ID = 200


class Refused(Exception):
    """What is wrong with a file, with its place."""


class TooLarge(Refused):
    """It is larger than what is kept of a session."""


class Allowed(NamedTuple):
    """What a file may hold."""

    session_bytes: float
    attachment_bytes: int
    allows: Callable[[str], bool]
    """Whether this media type may be attached."""
    patience: Callable[[], bool]
    """Whether there is time to go on."""


class Portable(NamedTuple):
    """A file that was checked, as a new session."""

    base: Record | None
    records: list[bytes]
    transcript: Transcript
    """What all of it amounts to."""
    attachments: dict[str, bytes]
    """By hash."""
    missing: list[JSON]
    """`{hash, why}` of those that the messages name and that are not kept."""


class _Attachment(Struct):
    hash: str
    size: int | None = None
    media_type: str | None = None
    data: str | None = None
    why: str | None = None


class _File(Struct):
    format: str
    version: int
    events: list[Raw]
    snapshot: Raw = Raw(b"null")
    attachments: list[_Attachment] = []


# Out


def head(transcript: JSON, lsn: int, snapshot: bytes, at: str) -> bytes:
    """How the file begins, up to its first event; `snapshot` is JSON."""
    about = {"id": transcript["id"], "title": transcript["title"], "lsn": lsn}
    about |= {"created_at": transcript["created_at"], "exported_at": at}
    return b'{"format":%b,"version":%d,"session":%b,\n"snapshot":%b,\n"events":[' % (
        e.to_json(FORMAT),
        VERSION,
        e.to_json(about),
        snapshot,
    )


def attachment(file_hash: str, data: bytes | None, why: str = "") -> bytes:
    """One of the file's attachments; without data, why."""
    if data is None:
        return e.to_json({"hash": file_hash, "why": why})
    kind = media_type(data)
    return e.to_json({"hash": file_hash, "size": len(data), "media_type": kind, "data": b64encode(data).decode()})


# In


def opened(data: bytes, *, session: str, by: e.Author, at: str, allowed: Allowed) -> Portable:
    """The file as the session `session`, which this person makes now. Takes a while: call it in a thread.

    Raises `Refused` that names the place.
    """
    try:
        file = msgspec.json.decode(data, type=_File)
        if file.format != FORMAT:
            raise Refused(f"format takes {FORMAT!r}, and not {file.format[:80]!r}")
        if file.version != VERSION:
            raise Refused(f"version takes {VERSION}, and not {file.version}: the file comes from another version")
        return _checked(file, session, by, at, allowed)
    except RecursionError:
        raise Refused(f"The file nests deeper than the {LEVELS} levels that are allowed") from None
    except Misshapen as error:
        raise Refused(str(error)) from None
    except msgspec.ValidationError as error:
        raise Refused(f"This is no exported conversation: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"The file is not JSON: {error}") from None


def _checked(file: _File, session: str, by: e.Author, at: str, allowed: Allowed) -> Portable:
    folded, base = _base(file.snapshot, session)
    size = len(base.data) if base else 0
    records: list[bytes] = []
    for place, raw in enumerate(file.events):
        if not allowed.patience():
            raise Refused(f"events[{place}]: up to here the file has taken longer than is allowed to be checked")
        record = _event(bytes(raw), folded, session, f"events[{place}]")
        size += len(record)
        if size > allowed.session_bytes:
            raise TooLarge(
                f"events[{place}]: up to here the conversation has {size} bytes; c.DurableChat.max_session_bytes "
                f"allows {allowed.session_bytes:.0f}"
            )
        records.append(record)
    if not folded.id:
        raise Refused("events is empty")
    for turn, event in _endings(folded, session, by):
        records.append(e.encode(event, at=at, turn=turn))
        folded.apply(e.decode(e.number(folded.lsn + 1, records[-1])))
    named = dict.fromkeys(_names(base, records))
    kept, missing = _attachments(file.attachments, named, allowed)
    return Portable(base, records, folded, kept, missing)


def _base(raw: Raw, session: str) -> tuple[Transcript, Record | None]:
    value = _plain(bytes(raw), "snapshot")
    if value is None:
        return Transcript(), None
    if not isinstance(value, dict):
        raise Refused("snapshot takes a transcript, or null")
    folded = transcript(value, "snapshot")
    folded.id = session
    for message in (*folded.messages, *folded.others):
        metadata = message["metadata"]
        for name in ("author", "stopped_by"):
            if metadata.get(name):
                metadata[name] = _stranger(metadata[name])
        _mark_parts(message["parts"])
    data = e.to_json(folded.to_json())
    # What is stored is what is gone on from.
    return Transcript.from_json(msgspec.json.decode(data)), Record(folded.lsn, data)


def _mark_parts(parts: list[JSON]) -> None:
    for part in parts:
        approval = part.get("approval")
        if part["type"] == "dynamic-tool" and approval and approval.get("by"):
            approval["by"] = _stranger(approval["by"])
        if part["type"] == "dynamic-tool":
            _mark_parts(part.get("parts", []))


def _event(data: bytes, folded: Transcript, session: str, where: str) -> bytes:
    """The record of this event; it is folded in. Raises `Refused`, `Misshapen`."""
    _plain(data, where)
    try:
        event = e.decode(data)
    except msgspec.ValidationError as error:
        raise Refused(f"{where}: {error}") from None
    if not e.is_shallow(event):
        raise Refused(f"{where} nests deeper than the {e.MAX_DEPTH} levels that are allowed")
    if event.lsn != folded.lsn + 1:
        raise Refused(f"{where}.lsn takes {folded.lsn + 1}, the number after the one before it, and not {event.lsn}")
    if not event.at:
        raise Refused(f"{where} has no at, which takes a time")
    check_at(event.at, f"{where}.at")
    check_id(event.turn, f"{where}.turn")
    record = _record(_ours(event, session, where), event.at, event.turn)
    _check_order(event, folded, where)
    try:
        folded.apply(e.decode(e.number(event.lsn, record)))
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise Refused(f"{where}: a {_type(event)} cannot come here") from error
    return record


def _type(event: e.AnyEvent) -> str:
    return event.type if isinstance(event, e.Data | e.Unknown) else str(type(event).__struct_config__.tag)


def _plain(data: bytes, where: str) -> object:
    value = msgspec.json.decode(data)
    if not e.nests(value, LEVELS):
        raise Refused(f"{where} nests deeper than the {LEVELS} levels that are allowed")
    return value


def _ours(event: e.AnyEvent, session: str, where: str) -> e.AnyEvent:
    """The event as it is written here: of this session, without a place in a notebook, said by strangers."""
    changes: JSON = {}
    for name in ("message_id", "user_message_id", "parent"):
        if isinstance(value := getattr(event, name, None), str):
            check_id(value, f"{where}.{name}")
    client_id = getattr(event, "client_id", None)
    if client_id is not None and not 1 <= len(client_id) <= _CLIENT_ID:
        raise Refused(f"{where}.client_id takes 1 to {_CLIENT_ID} characters")
    for name in ("author", "by"):
        if isinstance(author := getattr(event, name, None), e.Author):
            changes[name] = msgspec.convert(_stranger(msgspec.to_builtins(author)), e.Author)
    match event:
        case e.SessionCreated():
            changes |= {"session": session, "name": "", "notebook": None, "agent": None, "model": None}
            changes["forked_from"] = None
        case e.SessionUpdated():
            changes |= {"notebook": UNSET}
        case e.UserMessage() | e.MessageQueued() | e.QueueEdited():
            check_said(event.parts, f"{where}.parts")
            check_said(getattr(event, "sent", None), f"{where}.sent")
        case e.Unknown():
            if len(event.type) > MAX_TYPE:
                raise Refused(f"{where}.type takes at most {MAX_TYPE} characters")
    return msgspec.structs.replace(event, **changes) if changes else event


def _record(event: e.AnyEvent, at: str, turn: str | None) -> bytes:
    if isinstance(event, e.Unknown):
        # What nobody here knows keeps its number and nothing else.
        return e.to_json({"at": at, "turn": turn, "type": event.type})
    return e.encode(msgspec.structs.replace(event, lsn=0, at="", turn=None), at=at, turn=turn)


def _check_order(event: e.AnyEvent, folded: Transcript, where: str) -> None:
    """What no log of ours has, though the fold would take it."""
    if not folded.id and not isinstance(event, e.SessionCreated):
        raise Refused(f"{where}: a conversation begins with session-created, and not with {_type(event)}")
    if isinstance(event, e.TurnStarted):
        if event.turn is None:
            raise Refused(f"{where} has no turn, which takes the id of the turn that starts")
        if folded.turn is not None:
            raise Refused(f"{where}: a turn starts before turn {folded.turn['id']!r} has stopped")
        answer = folded.message(event.message_id)
        if answer is not None and answer["role"] != "assistant":
            raise Refused(f"{where}.message_id names a message that is no answer")


def _stranger(author: JSON) -> JSON:
    """Somebody whom a file names, who is nobody here; marked once, however often a file goes around."""
    username, name = author["username"], author.get("name") or author["username"]
    if username.startswith(IMPORTED):
        return {"username": username, "name": name}
    return {"username": IMPORTED + username, "name": f"{name} (imported)"}


def _endings(folded: Transcript, session: str, by: e.Author) -> Iterator[tuple[str | None, e.Event]]:
    if folded.turn:
        yield folded.turn["id"], e.TurnStopped(outcome="interrupted")
    # As a fork begins: what waited there waits there, and nobody here has offered or allowed anything.
    yield None, e.SessionCreated(session=session, title=folded.title, by=by)
    yield None, e.SessionUpdated(effort=None, mode=None, budget=None, muted=False, by=by)


def _names(base: Record | None, records: list[bytes]) -> Iterator[str]:
    for data in ([base.data] if base else []) + records:
        yield from (found.decode() for found in ATTACHMENT.findall(data))


def _attachments(
    given: list[_Attachment], named: dict[str, None], allowed: Allowed
) -> tuple[dict[str, bytes], list[JSON]]:
    kept: dict[str, bytes] = {}
    whys = dict.fromkeys(named, "it is not in the file")
    for place, attachment in enumerate(given):
        where = f"attachments[{place}]"
        if attachment.hash not in named:
            raise Refused(f"{where}: nothing in the conversation refers to {attachment.hash[:80]!r}")
        if attachment.hash in kept:
            raise Refused(f"{where}: {attachment.hash!r} is there twice")
        if attachment.data is None:
            whys[attachment.hash] = (attachment.why or "it is not in the file")[:MAX_TYPE]
            continue
        data = _bytes(attachment, allowed.attachment_bytes, where)
        if allowed.allows(kind := media_type(data, declared=attachment.media_type or "")):
            kept[attachment.hash] = data
        else:
            whys[attachment.hash] = f"its type {kind} is not among c.DurableChat.attachment_types"
    return kept, [{"hash": name, "why": why} for name, why in whys.items() if name not in kept]


def _bytes(attachment: _Attachment, limit: int, where: str) -> bytes:
    assert attachment.data is not None
    if len(attachment.data) * 3 // 4 > limit + 2:
        raise Refused(f"{where} is larger than the {limit} bytes that c.DurableChat.max_attachment_bytes allows")
    try:
        data = b64decode(attachment.data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(f"{where}.data is not base64: {error}") from None
    if len(data) > limit:
        raise Refused(f"{where} has {len(data)} bytes; c.DurableChat.max_attachment_bytes allows {limit}")
    if attachment.size not in (None, len(data)):
        raise Refused(f"{where}.size takes {len(data)}, and not {attachment.size}")
    if hashlib.sha256(data).hexdigest() != attachment.hash:
        raise Refused(f"{where}.hash is not the SHA-256 of its data")
    return data
