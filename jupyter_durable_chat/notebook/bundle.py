"""What the output of a chat cell holds: `docs/architecture.md`, "One MIME bundle per chat cell".

An output stays small whatever the conversation weighs: its snapshot is at most `SNAPSHOT_BYTES` of JSON, and says how
many messages it leaves out. It holds no key, no prompt of the system and no code.
"""

from jupyter_durable_chat import events
from jupyter_durable_chat.notebook.html import to_html
from jupyter_durable_chat.notebook.render import to_markdown, to_text
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
    """The transcript with the turn's messages only, and without its oldest ones as far as it is larger than `limit`."""
    messages = transcript["messages"]
    kept = [message for message in messages if turn is None or message["metadata"].get("turn") == turn]
    size = len(events.to_json({**transcript, "messages": kept}))
    while size > limit and kept:
        size -= len(events.to_json(kept.pop(0))) + 1
    omitted = {"omitted": len(messages) - len(kept)} if len(kept) < len(messages) else {}
    return {**transcript, "messages": kept, **omitted}
