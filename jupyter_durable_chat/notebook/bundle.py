"""What the output of a chat cell holds: `docs/architecture.md`, "One MIME bundle per chat cell".

An output stays small whatever the conversation weighs: its snapshot is at most `SNAPSHOT_BYTES` of JSON, and says how
many messages it leaves out. It holds no key, no prompt of the system and no code.
"""

from jupyter_durable_chat import events
from jupyter_durable_chat.readable.html import to_html
from jupyter_durable_chat.readable.text import is_of_turn, messages_of, text_of, to_markdown, to_text
from jupyter_durable_chat.transcript import JSON

MIME_TYPE = "application/vnd.jupyter-durable-chat.v1+json"

SNAPSHOT_BYTES = 256 * 1024


def chat_bundle(
    transcript: JSON | None,
    *,
    session: str | None,
    turn: str | None = None,
    widget: str | None = None,
    notice: str | None = None,
) -> JSON:
    """The data of our MIME type. Takes `transcript` over."""
    return {
        "session": session,
        "turn": turn,
        "lsn": transcript["lsn"] if transcript else 0,
        "snapshot": limited(transcript, turn) if transcript else None,
        "widget": widget,
        "notice": notice,
    }


def output(bundle: JSON) -> JSON:
    """Our MIME type's data and its static forms, by MIME type."""
    shown = bundle["snapshot"], bundle["turn"], bundle["notice"]
    return {
        MIME_TYPE: bundle,
        "text/html": to_html(*shown),
        "text/markdown": to_markdown(*shown),
        "text/plain": to_text(*shown),
    }


def limited(transcript: JSON, turn: str | None, limit: int = SNAPSHOT_BYTES) -> JSON:
    """The transcript as an output keeps it, to be drawn: what the turn shows, or the shown branch and what waits.

    As far as that is larger than `limit`, what is oldest is left out, and of what waits everything. What a turn shows,
    and the newest message, is cut instead, where one sees it.
    """
    kept = list(messages_of(transcript, turn))
    left = {**transcript, "messages": kept, "others": [], "removed": [], "offers": [], "shares": []}
    if turn is not None:
        left |= {name: [m for m in transcript[name] if is_of_turn(m, turn)] for name in ("queue", "removed")}
    size = len(events.to_json(left))
    while size > limit and len(kept) > 1 and turn is None:
        size -= len(events.to_json(kept.pop(0))) + 1
    if size > limit:
        size -= len(events.to_json([left["queue"], left["removed"]])) - len("[[],[]]")
        left |= {"queue": [], "removed": []}
    for message in sorted(kept, key=lambda message: len(events.to_json(message)), reverse=True):
        if size > limit:
            short = shortened(message, limit - size + len(events.to_json(message)))
            size += len(events.to_json(short)) - len(events.to_json(message))
            kept[kept.index(message)] = short
    shown = {message["id"] for message in kept}
    omitted = sum(message["id"] not in shown for message in transcript["messages"])
    return {**left, "omitted": omitted} if omitted else left


def shortened(message: JSON, limit: int) -> JSON:
    """The beginning of what a message says, in about `limit` bytes of JSON, and how much there was."""
    said = text_of(message).encode()
    room = max(limit, 0)
    while True:
        room //= 2
        first = said[:room].decode(errors="ignore")
        note = f"[cut: {len(first.encode())} of {len(said)} bytes]" if len(first.encode()) < len(said) else "[cut]"
        parts = [{"type": "text", "text": text, "state": "done"} for text in (first, note) if text]
        short = {**message, "parts": parts}
        if room == 0 or len(events.to_json(short)) <= limit:
            return short
