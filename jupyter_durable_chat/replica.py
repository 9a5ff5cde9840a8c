"""A session's log, folded here, and moved on by compare-and-append.

Who wants to add something sees everything that is stored, decides, and appends on the condition that nothing was added
meanwhile; else it decides again. So a decision is never made on an old state, and all replicas of one session, in this
process and in others, agree with each other.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.title import text_of, words_of
from jupyter_durable_chat.commands import UnknownMessage
from jupyter_durable_chat.log import Compacted, Conflict, Damaged, Log, Record
from jupyter_durable_chat.transcript import JSON, Transcript

PREVIEW_CHARACTERS = 120

KEPT = {"events": "kept"}
"""The label of sessions that have had events since they were compacted."""

SHARES = "shares"
"""The label that has the hashes of a session's links, so that who has none is known by a look at one row."""

KEPT_PART = 4
"""A new snapshot is due once the events since the last one have a fourth of its bytes."""

Numbered = tuple[str | None, e.Event]
"""A turn, or none, and an event that will get its number."""

Decision = TypeVar("Decision")


class Replica:
    """One session as it is stored, as far as it was read. `clock` gives the time of events, in Unix seconds."""

    def __init__(self, log: Log, session_id: str, clock: Callable[[], float], compact_after: int = 0) -> None:
        self.id = session_id
        self.transcript = Transcript()
        self._log = log
        self._clock = clock
        self._compact_after = compact_after
        self._kept = self._since = 0
        """Bytes of the newest snapshot that was seen here, and of the events that were folded since."""

    # Reading

    async def refresh(self) -> Transcript:
        """Fold what the log has by now, on top of its snapshot if that is further; returns the transcript.

        Raises `LogUnavailable`, also `Damaged`.
        """
        if self.transcript.lsn == 0:
            await self._restore()
        while True:
            # Whoever folds it beside this may be the one who restores it.
            after = self.transcript.lsn
            try:
                records = await self._log.read(self.id, after)
            except Compacted:
                await self._restore()
                if self.transcript.lsn == after:
                    raise Damaged(self.id, after) from None
                continue
            if not records:
                return self.transcript
            # Between two chunks others have their turn on the event loop; who folds twice folds once.
            for record in records:
                if record.lsn > self.transcript.lsn:
                    self.transcript.apply(e.decode(e.number(record.lsn, record.data)))
                    self._since += len(record.data)

    async def _restore(self) -> None:
        snapshot = await self._log.snapshot(self.id)
        if snapshot and snapshot.lsn > self.transcript.lsn:
            self.transcript = Transcript.from_json(msgspec.json.decode(snapshot.data))
            self._kept, self._since = len(snapshot.data), 0

    async def turn_ended(self, turn_id: str, timeout: float) -> bool:
        """Wait until the log has this turn's outcome; false when `timeout` seconds were not enough."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.transcript.turn and self.transcript.turn["id"] == turn_id:
                    await self._log.wait({self.id: self.transcript.lsn})
                    await self.refresh()
                return True
        return False

    async def wait(self) -> None:
        """Return when the log has more than was read, or is gone."""
        await self._log.wait({self.id: self.transcript.lsn})

    def _message(self, message_id: str) -> JSON:
        message = self.transcript.message(message_id)
        if message is None:
            raise UnknownMessage(f"This session has no message {message_id!r}.")
        return message

    # Adding

    async def decide(self, decide: Callable[[], Decision], commit: Callable[[Decision], Awaitable[None]]) -> None:
        """Commit what `decide` wants once it has seen everything that is stored.

        Whatever is appended meanwhile, by whomever, makes `commit` raise `Conflict`, and it decides again.
        """
        while True:
            await self.refresh()
            try:
                return await commit(decide())
            except Conflict:
                continue

    async def add(
        self, decided: Sequence[Numbered], *, key: str | None = None, labels: dict[str, str] | None = None
    ) -> None:
        """Append these, if there are any and nothing was appended meanwhile. Raises `Conflict`."""
        if decided:
            records = [self.encode(event, turn) for turn, event in decided]
            events = [event for _, event in decided]
            labels = KEPT | self.queue_label(events) | self._shares_label(events) | (labels or {})
            await self._log.append(self.id, records, after=self.transcript.lsn, labels=labels, key=key)
            await self.refresh()

    async def summarise(self, *, touch: bool = True) -> None:
        """Let lists of sessions show this one as it is now; without `touch`, in its old place."""
        await self._log.append(self.id, [], summary=summary(self.transcript), touch=touch)

    def encode(self, event: e.Event, turn: str | None = None) -> bytes:
        """The record of an event that happens now."""
        return e.encode(event, at=e.timestamp(self._clock()), turn=turn)

    def queue_label(self, events: Iterable[e.Event]) -> dict[str, str]:
        """The label that says whether messages wait to be started, after these events; a server looks for it."""
        waiting, held = len(self.transcript.queue), self.transcript.held is not None
        before = queue_state(waiting, held)
        for event in events:
            match event:
                case e.MessageQueued():
                    waiting += 1
                case e.MessageDequeued():
                    waiting -= 1
                case e.QueueHeld() | e.TurnStopped(outcome="stopped"):
                    held = True
                case e.QueueResumed():
                    held = False
        after = queue_state(waiting, held)
        return {} if after == before else {"queue": after}

    def _shares_label(self, events: Iterable[e.Event]) -> dict[str, str]:
        """The label that has the hashes of the links there are after these events."""
        before = {share["id"]: share["hash"] for share in self.transcript.shares}
        after = dict(before)
        for event in events:
            match event:
                case e.ShareCreated():
                    after[event.share] = event.hash
                case e.ShareRevoked():
                    after.pop(event.share, None)
        return {} if after == before else {SHARES: " ".join(after.values())}

    # What is kept

    async def keep(self, *, since: int = 0) -> None:
        """Keep a snapshot when one is due, so that opening the session costs what is shown and not how it came.

        After every turn would cost a long conversation the square of its length. As it is, all its snapshots together
        have a few times the bytes of its events, and who opens it folds a part more than what is shown. Whenever the
        log has grown by another `compact_after` events `since` an LSN, the snapshot is all that is kept.
        """
        lsn = self.transcript.lsn
        is_full = bool(self._compact_after) and since // self._compact_after != lsn // self._compact_after
        if is_full or KEPT_PART * self._since >= self._kept:
            await self._keep()
        if is_full:
            await self._forget()

    async def compact(self) -> None:
        """Keep what the session amounts to and not how it came. While a turn runs, everything is left alone."""
        await self.refresh()
        if self.transcript.turn is None:
            await self._keep()
            await self._forget()

    async def _keep(self) -> None:
        snapshot = Record(self.transcript.lsn, e.to_json(self.transcript.to_json()))
        since, self._since = self._since, 0
        try:
            await self._log.save_snapshot(self.id, snapshot)
        except BaseException:
            self._since += since
            raise
        self._kept = len(snapshot.data)

    async def _forget(self) -> None:
        await self._log.compact(self.id)
        await self._log.append(self.id, [], labels={"events": ""})


def summary(transcript: Transcript, *, title: str | None = None, preview: str | None = None, more: int = 0) -> bytes:
    """What a list of sessions shows of one, as JSON. The others speak of what is about to be stored with it."""
    if preview is None:
        preview = next((text for m in reversed(transcript.messages) if (text := text_of(m))), "")
    return e.to_json(
        {
            "title": title or transcript.title,
            "name": transcript.name,
            "notebook": transcript.notebook,
            "agent": transcript.agent,
            "model": transcript.model,
            "muted": transcript.muted,
            "messages": len(transcript.messages) + more,
            "preview": words_of(preview, PREVIEW_CHARACTERS),
            "created_at": transcript.created_at,
        }
    )


def queue_state(waiting: int, held: bool) -> str:
    """What the label `queue` says of so many messages."""
    return "" if not waiting else "held" if held else "waiting"
