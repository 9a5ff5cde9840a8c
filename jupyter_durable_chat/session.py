"""Commands in, one at a time.

A session is itself a reader of its log: it folds what is there, decides, and appends on the condition that nothing was
added meanwhile (compare-and-append). So a command sees everything that was acknowledged before it, from whichever
process, and two servers on one store never contradict each other.

While a turn runs, this process holds the session's lease; every event of the turn carries the lease's epoch, and the
turn's end gives the lease back in the transaction that stores the outcome. Only the lease's holder runs a turn, whoever
asks for one; anybody may ask for a stop, by an event that the holder heeds.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.log import Compacted, Conflict, Fenced, LeaseHeld, Log, LogError, LogUnavailable, Record
from jupyter_durable_chat.transcript import JSON, Transcript
from jupyter_durable_chat.turn import Limits, Turn

logger = logging.getLogger(__name__)

STOP_TIMEOUT = 5.0
"""Seconds that a stop waits for the outcome to be in the log."""

LOOK_INTERVAL = 0.25
"""Seconds between two looks at what others appended while a turn runs here."""

PREVIEW_CHARACTERS = 120


class CommandError(Exception):
    """A command that cannot be done now; its text is for a person."""


class TurnRunning(CommandError):
    """One turn at a time."""


class ClientIdReused(CommandError):
    """The same client id came with another body."""


class AgentUnavailable(CommandError):
    """Whom the message is for cannot answer."""


class Busy(CommandError):
    """Another server is just starting or ending a turn of this session; try again."""


class UnknownMessage(CommandError):
    """A message id that this session does not have."""


class Message(Struct, frozen=True):
    """What a person sends. The same `client_id` with the same body is one message for ever."""

    client_id: str
    text: str
    parts: list[JSON] = []
    agent: str | None = None
    model: str | None = None
    tools: list[str] | None = None


class Sent(Struct, frozen=True):
    """The answer to a send; the same for every repetition of it. `lsn` is the message's."""

    message_id: str
    turn_id: str
    lsn: int
    status: str = "started"


def new_id(kind: str) -> str:
    """A name that is never used twice: 80 random bits behind a letter that says what it names."""
    return f"{kind}_{secrets.token_hex(10)}"


class Session:
    """One conversation, loaded. Several may exist for one log, here and elsewhere; the log keeps them honest."""

    def __init__(
        self,
        log: Log,
        session_id: str,
        agents: Agents,
        *,
        holder: str,
        lease_seconds: float,
        clock: Callable[[], float],
        limits: Limits,
    ) -> None:
        self.id = session_id
        self.transcript = Transcript()
        self._log = log
        self._agents = agents
        self._holder = holder
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._limits = limits
        self._commands = asyncio.Lock()
        self._turn: Turn | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether this process runs a turn of this session."""
        return self._running is not None

    # Reading

    async def refresh(self) -> Transcript:
        """Fold what the log has by now, on top of its snapshot if that is further; returns the transcript."""
        if self.transcript.lsn == 0:
            await self._restore()
        while True:
            try:
                records = await self._log.read(self.id, self.transcript.lsn)
            except Compacted:
                await self._restore()
                continue
            if not records:
                return self.transcript
            # Between two chunks others have their turn on the event loop; who folds twice folds once.
            for record in records:
                if record.lsn > self.transcript.lsn:
                    self.transcript.apply(e.decode(e.number(record.lsn, record.data)))

    async def _restore(self) -> None:
        snapshot = await self._log.snapshot(self.id)
        if snapshot and snapshot.lsn > self.transcript.lsn:
            self.transcript = Transcript.from_json(msgspec.json.decode(snapshot.data))

    async def save_snapshot(self) -> None:
        """Keep the transcript as it is now, so that opening the session costs what is shown and not how it came."""
        await self._log.save_snapshot(self.id, Record(self.transcript.lsn, e.to_json(self.transcript.to_json())))

    async def turn_ended(self, turn_id: str, timeout: float) -> bool:
        """Wait until the log has this turn's outcome; false when `timeout` seconds were not enough."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.transcript.turn and self.transcript.turn["id"] == turn_id:
                    await self._log.wait({self.id: self.transcript.lsn})
                    await self.refresh()
                return True
        return False

    def through(self, message_id: str) -> int:
        """The LSN at which this message's turn is over, or where the log ends now: where a fork there ends."""
        messages = self.transcript.messages
        place = next((i for i, m in enumerate(messages) if m["id"] == message_id), None)
        if place is None:
            raise UnknownMessage(f"This session has no message {message_id!r}.")
        turn = messages[place]["metadata"]["turn"]
        later = next((m for m in messages[place + 1 :] if m["metadata"]["turn"] != turn), None)
        return later["metadata"]["lsn"] - 1 if later else self.transcript.lsn

    # Commands

    async def send(self, message: Message, author: e.Author | None) -> Sent:
        """Store a message and start the turn that answers it.

        Raises `TurnRunning`, `ClientIdReused`, `AgentUnavailable`, `Busy`, and `UnknownAgent` of the catalog.
        """
        async with self._commands:
            while True:
                await self.refresh()
                if said := self.transcript.sent(message.client_id):
                    return _sent_before(said, message)
                if self.transcript.turn:
                    raise TurnRunning(
                        "This chat is still answering. Wait for the answer, or stop it, then send the message again."
                    )
                agent, model = self._whom(message)
                try:
                    return await self._start(message, agent, model, author)
                except Conflict:
                    continue

    async def stop(self, turn_id: str | None, by: e.Author | None) -> bool:
        """Stop the running turn (or only `turn_id`), wherever it runs; false when there is nothing to stop.

        Idempotent: a turn that was stopped before is stopped.
        """
        async with self._commands:
            turn = await self._request_stop(turn_id, by)
        if turn is None:
            return turn_id is not None and any(
                m["metadata"]["turn"] == turn_id and m["metadata"].get("outcome") == "stopped"
                for m in self.transcript.messages
            )
        await self.turn_ended(turn, STOP_TIMEOUT)
        return True

    async def update(self, change: e.SessionUpdated) -> Transcript:
        """Rename, mute, or choose another agent or model for what is sent from now on."""
        async with self._commands:
            if change.agent or change.model:
                await self.refresh()
                agent = self.transcript.agent if change.agent is e.UNSET else change.agent
                model = self.transcript.model if change.model is e.UNSET else change.model
                self._agents.resolve(agent, model)
            await self._add(lambda: [(None, change)])
            # The list of sessions shows titles: the summary follows the fact that is stored already.
            await self._log.append(self.id, [], summary=summary(self.transcript))
            return self.transcript

    async def delete(self) -> None:
        """Stop what runs and remove the session for good; every reader is told."""
        await self.stop(None, None)
        await self._log.delete(self.id)

    async def recover(self, over: int | None) -> None:
        """Close the turn of a writer that is gone; nothing when the session is held again meanwhile.

        `over` is the epoch of a lease that has not run out though its holder is gone.
        """
        async with self._commands:
            if self.running:
                return
            try:
                mine = await self._log.lease(self.id, self._holder, self._lease_seconds, over=over)
            except LeaseHeld:
                return
            await self.refresh()
            turn = self.transcript.turn
            if turn is None:
                await self._log.append(self.id, [], epoch=mine, release=True)
                return
            outcome: e.Outcome = "stopped" if turn["stopping"] else "interrupted"
            logger.warning("Session %s: the writer of turn %s is gone; closed as %s", self.id, turn["id"], outcome)
            await self._close_turn(turn["id"], mine, [e.TurnStopped(outcome=outcome)])

    async def shut_down(self) -> None:
        """End this process's turn as `interrupted` and wait until that is stored."""
        if self._turn:
            self._turn.interrupt()
        if self._running:
            await asyncio.wait({self._running})

    # Inside

    def _whom(self, message: Message) -> tuple[Agent, str | None]:
        agent, model = self._agents.resolve(
            message.agent or self.transcript.agent, message.model or self.transcript.model
        )
        if why := agent.unavailable(model):
            raise AgentUnavailable(why)
        return agent, model

    async def _start(self, message: Message, agent: Agent, model: str | None, author: e.Author | None) -> Sent:
        if self._running:
            # Its outcome is stored; what is left of it is to clear up.
            await asyncio.wait({self._running})
        try:
            epoch = await self._log.lease(self.id, self._holder, self._lease_seconds)
        except LeaseHeld as held:
            raise Busy("Another Jupyter server is just using this chat. Send the message again.") from held
        sent = Sent(message_id=new_id("m"), turn_id=new_id("t"), lsn=self.transcript.lsn + 1)
        answer_id = new_id("m")
        said = e.UserMessage(
            message_id=sent.message_id,
            client_id=message.client_id,
            text=message.text,
            parts=message.parts,
            agent=message.agent,
            model=message.model,
            tools=message.tools,
            author=author,
        )
        started = e.TurnStarted(user_message_id=sent.message_id, message_id=answer_id, agent=agent.name, model=model)
        records = [
            self._encode(said),
            self._encode(started, sent.turn_id),
            self._encode(e.Start(message_id=answer_id), sent.turn_id),
        ]
        try:
            await self._log.append(
                self.id,
                records,
                epoch=epoch,
                after=self.transcript.lsn,
                labels={"status": "streaming"},
                summary=summary(self.transcript, preview=message.text, more=2),
                words=message.text,
            )
        except Conflict:
            await self._log.append(self.id, [], epoch=epoch, release=True)
            raise
        await self.refresh()
        request = Request(messages=self.transcript.messages[:-1], model=model)
        self._run(sent.turn_id, epoch, agent, request)
        return sent

    def _run(self, turn_id: str, epoch: int, agent: Agent, request: Request) -> None:
        async def append(events: Sequence[e.Event]) -> None:
            await self._log.append(self.id, [self._encode(event, turn_id) for event in events], epoch=epoch)

        self._turn = Turn(agent.run(request), append, limits=self._limits)
        self._running = asyncio.create_task(self._attend(self._turn, turn_id, epoch), name=f"turn {turn_id}")

    async def _attend(self, turn: Turn, turn_id: str, epoch: int) -> None:
        """Run the turn and store its end; look meanwhile whether somebody asked for a stop."""
        looking = asyncio.create_task(self._look(turn_id))
        try:
            await self._close_turn(turn_id, epoch, await turn.run())
        except Fenced:
            logger.warning("Session %s: turn %s was taken over by another writer", self.id, turn_id)
        except LogError as error:
            # The lease is still ours, and a lease without a turn is what the registry recovers.
            logger.error("Session %s: turn %s could not be stored: %s", self.id, turn_id, error)
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            self._turn = self._running = None

    async def _look(self, turn_id: str) -> None:
        while True:
            await self._log.wait({self.id: self.transcript.lsn})
            with contextlib.suppress(LogError):
                await self.refresh()
            self._heed()
            await asyncio.sleep(LOOK_INTERVAL)

    def _heed(self) -> None:
        if self._turn and self.transcript.turn and self.transcript.turn["stopping"]:
            self._turn.stop()

    async def _request_stop(self, turn_id: str | None, by: e.Author | None) -> str | None:
        """The id of the turn that is asked to stop, `None` when there is none."""

        def request() -> list[tuple[str | None, e.Event]]:
            turn = self.transcript.turn
            if turn and turn_id in (None, turn["id"]) and not turn["stopping"]:
                return [(turn["id"], e.StopRequested(by=by))]
            return []

        try:
            await self._add(request)
        except LogUnavailable:
            # Stop always stops, even when nobody can write down who asked for it.
            if self._turn:
                self._turn.stop()
            raise
        self._heed()
        turn = self.transcript.turn
        return turn["id"] if turn and turn_id in (None, turn["id"]) else None

    async def _add(self, decide: Callable[[], list[tuple[str | None, e.Event]]]) -> None:
        """Append the (turn, event) pairs that `decide` wants once it has seen everything that is stored."""
        while True:
            await self.refresh()
            if not (decided := decide()):
                return
            records = [self._encode(event, turn) for turn, event in decided]
            try:
                await self._log.append(self.id, records, after=self.transcript.lsn)
            except Conflict:
                continue
            await self.refresh()
            return

    async def _close_turn(self, turn_id: str, epoch: int, events: Sequence[e.Event]) -> None:
        await self.refresh()
        stopped = events[-1]
        assert isinstance(stopped, e.TurnStopped)
        status = "failed" if stopped.outcome == "failed" else "idle"
        await self._log.append(
            self.id,
            [self._encode(event, turn_id) for event in events],
            epoch=epoch,
            labels={"status": status},
            summary=summary(self.transcript),
            words=text_of(self.transcript.messages[-1]),
            release=True,
        )
        await self.refresh()
        await self.save_snapshot()

    def _encode(self, event: e.Event, turn: str | None = None) -> bytes:
        return e.encode(event, at=e.timestamp(self._clock()), turn=turn)


def summary(transcript: Transcript, *, preview: str | None = None, more: int = 0) -> bytes:
    """What a list of sessions shows of one, as JSON. `preview` and `more` speak of messages about to be stored."""
    if preview is None:
        preview = next((text for m in reversed(transcript.messages) if (text := text_of(m))), "")
    return e.to_json(
        {
            "title": transcript.title,
            "name": transcript.name,
            "notebook": transcript.notebook,
            "agent": transcript.agent,
            "model": transcript.model,
            "messages": len(transcript.messages) + more,
            "preview": " ".join(preview[: 4 * PREVIEW_CHARACTERS].split())[:PREVIEW_CHARACTERS],
            "created_at": transcript.created_at,
        }
    )


def text_of(message: JSON) -> str:
    """The words of a message, without its reasoning, tools and files."""
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def _sent_before(said: JSON, message: Message) -> Sent:
    metadata: dict[str, Any] = said["metadata"]
    same = (
        text_of({"parts": said["parts"][:1]}) == message.text
        and said["parts"][1:] == message.parts
        and all(metadata.get(name) == getattr(message, name) for name in ("agent", "model", "tools"))
    )
    if not same:
        raise ClientIdReused(
            f"client_id {message.client_id!r} was already used for another message. "
            "Give every message a client_id of its own."
        )
    return Sent(message_id=said["id"], turn_id=metadata["turn"], lsn=metadata["lsn"])
