"""What a person is told of sessions that they do not watch, in an inbox: a log of its own in the same store.

Which inbox a person has follows from their name. Whatever is added is decided on everything stored and appended on the
condition that nothing was added meanwhile, so of all servers on one store one tells a thing, once, and of all pages one
shows it. That something is to be told is stored with the outcome of its turn, as a label of the session, and the label
goes when it has been told: who dies in between leaves that to the next round of any registry.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.title import line_of, text_of
from jupyter_durable_chat.inbox import Inbox, notice_key
from jupyter_durable_chat.log import Compacted, Conflict, Damaged, Log, Record
from jupyter_durable_chat.tools.builtin import ASK_USER, PROPOSE_PLAN
from jupyter_durable_chat.transcript import JSON, TOOL_ENDS, Transcript, nested
from jupyter_durable_chat.watching import Watching

PREFIX = "inbox_"
"""How the ids of inboxes begin. No session's does."""

KIND = {"kind": "inbox"}
"""The label of inboxes."""

SESSIONS = {"kind": ""}
"""What lists of sessions ask for: a log lists whatever it holds."""

DUE = {"notice": "due"}
"""The label of a session whose last outcome is to be told."""

TOLD = {"notice": ""}

CHARACTERS = 200
"""Most of the title, and of the text, of a notice."""

COMPACT_AFTER = 200
"""Events of an inbox after which it begins with what they amount to."""

KINDS: dict[e.Outcome, e.NoticeKind] = {
    "completed": "done",
    "truncated": "done",
    "failed": "failed",
    "interrupted": "failed",
}
"""What is told of an outcome; `stopped` is for its budget alone, else a person has said so."""


def inbox_id(person: str) -> str:
    return f"{PREFIX}{hashlib.sha256(person.encode()).hexdigest()[:32]}"


class Inboxes:
    """The inboxes of one log."""

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log = log
        self._clock = clock
        self._known: dict[str, Inbox] = {}

    async def open(self, person: str) -> Inbox:
        """The person's inbox as it is stored; a new one when there is none."""
        name = inbox_id(person)
        if name not in self._known:
            await self._log.create(name, [], key=name, labels=KIND)
        return await self._current(name)

    async def tell(self, person: str, turn: str, notice: e.TurnNoticed) -> None:
        """Put a notice into the inbox, unless it was there ever. Idempotent."""
        key = notice_key(turn, notice.kind, notice.wait)
        await self.open(person)
        await self._add(inbox_id(person), turn, lambda inbox: [] if key in inbox.told else [notice])

    async def withdraw(self, person: str, turn: str) -> None:
        """What this turn waited for is answered. Idempotent."""
        await self.open(person)
        await self._add(
            inbox_id(person),
            turn,
            lambda inbox: [e.NoticeWithdrawn()] if any(_waits(n, turn) for n in inbox.notices) else [],
        )

    async def claim(self, person: str, turn: str, kind: e.NoticeKind, wait: str | None, by: str) -> bool:
        """Whether `by` is the page in the world that shows this notice. Idempotent."""

        def decide(inbox: Inbox) -> list[e.Event]:
            notice = inbox.notice(turn, kind, wait)
            free = notice and not (notice["read"] or notice["quiet"] or notice["claimed"])
            return [e.NoticeClaimed(kind=kind, wait=wait, by=by)] if free else []

        await self.open(person)
        inbox = await self._add(inbox_id(person), turn, decide)
        notice = inbox.notice(turn, kind, wait)
        return notice is not None and not notice["read"] and notice["claimed"] == by

    async def read(self, person: str, through: dict[str, int] | None) -> Inbox:
        """The person has seen these sessions up to these LSNs; `None`: all that there is. Idempotent."""

        def decide(inbox: Inbox) -> list[e.Event]:
            ends: dict[str, int] = {}
            for notice in inbox.notices:
                session, lsn = notice["session"], notice["lsn"]
                if not notice["read"] and (through is None or lsn <= through.get(session, 0)):
                    ends[session] = max(ends.get(session, 0), lsn)
            return [e.SessionRead(session_id=session, session_lsn=lsn) for session, lsn in ends.items()]

        await self.open(person)
        return await self._add(inbox_id(person), None, decide)

    async def clear(self, person: str) -> Inbox:
        """Nothing of what there was is shown any more. Idempotent."""
        await self.open(person)
        return await self._add(inbox_id(person), None, lambda inbox: [e.NoticesCleared()] if inbox.notices else [])

    async def forget(self, session_id: str) -> None:
        """The session was deleted: its notices go, whoever has them, and what was stored of them. Idempotent."""
        forgotten = e.SessionForgotten(session_id=session_id)
        last = None
        while heads := await self._log.streams(labels=KIND, before=last):
            for head in heads:
                inbox = await self._add(
                    head.stream,
                    None,
                    lambda inbox: [forgotten] if any(n["session"] == session_id for n in inbox.notices) else [],
                )
                # Also of a notice that was cleared before: its record has the words, and so may the snapshot.
                kept = await self._log.snapshot(head.stream)
                if inbox.lsn > (kept.lsn if kept else 0):
                    await self._begin_anew(inbox)
            last = heads[-1].stream

    async def _add(self, name: str, turn: str | None, decide: Callable[[Inbox], Sequence[e.Event]]) -> Inbox:
        """Append what `decide` wants once it has seen everything; the inbox with it."""
        while True:
            inbox = await self._current(name)
            # While this waits, others may read on: the condition is what was decided on.
            seen, decided = inbox.lsn, decide(inbox)
            if not decided:
                return inbox
            at = e.timestamp(self._clock())
            try:
                await self._log.append(name, [e.encode(event, at=at, turn=turn) for event in decided], after=seen)
            except Conflict:
                continue
            inbox = await self._current(name)
            if seen // COMPACT_AFTER != inbox.lsn // COMPACT_AFTER:
                await self._begin_anew(inbox)
            return inbox

    async def _begin_anew(self, inbox: Inbox) -> None:
        """Keep what the inbox amounts to in place of its records."""
        await self._log.save_snapshot(inbox.id, Record(inbox.lsn, e.to_json(inbox.to_json())))
        await self._log.compact(inbox.id)

    async def _current(self, name: str) -> Inbox:
        inbox = self._known.setdefault(name, Inbox(name))
        while True:
            after = inbox.lsn
            try:
                records = await self._log.read(name, after)
            except Compacted:
                snapshot = await self._log.snapshot(name)
                if snapshot is None or snapshot.lsn <= after:
                    raise Damaged(name, after) from None
                inbox = self._known[name] = Inbox.from_json(msgspec.json.decode(snapshot.data))
                continue
            if not records:
                return inbox
            for record in records:
                inbox.apply(e.decode(e.number(*record)))


def _waits(notice: JSON, turn: str) -> bool:
    return notice["turn"] == turn and notice["kind"] == "waiting"


class Notices:
    """How a process tells: who looks at what, and which person a user's name stands for."""

    def __init__(
        self, watching: Watching, person: Callable[[str], str] = str, clock: Callable[[], float] = time.time
    ) -> None:
        self.watching = watching
        self.person = person
        self._clock = clock
        self._inboxes: tuple[Log, Inboxes] | None = None

    def on(self, log: Log) -> Inboxes:
        """The inboxes in this log."""
        if self._inboxes is None or self._inboxes[0] is not log:
            self._inboxes = log, Inboxes(log, self._clock)
        return self._inboxes[1]


# What is told of a session


class Noticed(NamedTuple):
    """What is to be told, of which turn, and to whom: the name of the user who asked for it, if anybody knows."""

    user: str
    turn: str
    notice: e.TurnNoticed


def kind_of(outcome: e.Outcome, error: object) -> e.NoticeKind | None:
    """What is told of this outcome; `None`: nothing, as a person stopped the answer, and no budget did."""
    return "failed" if outcome == "stopped" and error else KINDS.get(outcome)


def outcome_noticed(transcript: Transcript) -> Noticed | None:
    """What is told of the turn that ended last; `None`: nothing."""
    answers = [m for m in (*transcript.messages, *transcript.others) if "finished_lsn" in m["metadata"]]
    answer = max(answers, key=lambda message: message["metadata"]["finished_lsn"], default=None)
    if answer is None:
        return None
    metadata = answer["metadata"]
    error = metadata.get("error")
    if (kind := kind_of(metadata["outcome"], error)) is None:
        return None
    said = error["text"] if error and kind == "failed" else text_of(answer)
    notice = _notice(transcript, kind, metadata["finished_lsn"], said)
    return Noticed(asker(transcript, metadata["parent"]), metadata["turn"], notice)


def waiting_noticed(transcript: Transcript) -> Noticed | None:
    """What is told of a turn that waits for a person; `None`: it does not."""
    turn = transcript.turn
    answer = transcript.message(turn["message_id"]) if turn else None
    call = next((part for part in nested(answer["parts"]) if asks(part)), None) if answer else None
    if turn is None or call is None:
        return None
    notice = _notice(transcript, "waiting", transcript.lsn, _asked(call))
    notice = msgspec.structs.replace(notice, wait=call["toolCallId"], tool=call["toolName"])
    return Noticed(asker(transcript, turn["user_message_id"]), turn["id"], notice)


def asks(part: JSON) -> bool:
    """Whether this is a call that waits for a person."""
    if part["type"] != "dynamic-tool" or part["state"] in TOOL_ENDS:
        return False
    return part["state"] == "approval-requested" or part.get("waitsFor") == "person"


def _asked(call: JSON) -> str:
    """The words of a question, or a plan; what any other tool is given may be anything, and is not told."""
    match call["toolName"], call.get("input"):
        case ASK_USER.name, {"questions": [{"question": str(question)}, *_]}:
            return question
        case PROPOSE_PLAN.name, {"title": str(title)} if title:
            return title
        case PROPOSE_PLAN.name, {"plan": str(plan)}:
            return plan
    return ""


def asker(transcript: Transcript, message_id: str | None) -> str:
    """The name of the user who asked this; empty when nobody knows."""
    asked = transcript.message(message_id) if message_id else None
    return asked["metadata"].get("author", {}).get("username", "") if asked else ""


def _notice(transcript: Transcript, kind: e.NoticeKind, lsn: int, said: str) -> e.TurnNoticed:
    return e.TurnNoticed(
        session_id=transcript.id,
        kind=kind,
        session_lsn=lsn,
        title=line_of(transcript.title or "", CHARACTERS) or None,
        text=line_of(said, CHARACTERS),
        notebook=transcript.notebook,
        quiet=transcript.muted,
    )
