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
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.agents.catalog import Agents, UnknownAgent
from jupyter_durable_chat.log import Compacted, Conflict, Fenced, LeaseHeld, Log, LogError, LogUnavailable, Record
from jupyter_durable_chat.transcript import JSON, Transcript, requests
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


class NothingToContinue(CommandError):
    """The answer is complete, or none."""


class NotWaiting(CommandError):
    """A message that does not wait in the queue."""


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
    """The answer to a send; the same for every repetition of it. `lsn` is the message's, and the first event's."""

    message_id: str
    turn_id: str
    lsn: int
    status: Literal["started", "queued"] = "started"


class Start(Struct, frozen=True):
    """A turn to be: the events that come before its own, and what it answers with."""

    turn_id: str
    user_message_id: str
    message_id: str
    agent: str | None
    model: str | None
    before: list[e.Event] = []
    client_id: str | None = None


class Edit(Struct, frozen=True):
    """How to answer again; with `text`, to that instead. With a `client_id`, a repetition is the same request."""

    text: str | None = None
    agent: str | None = None
    model: str | None = None
    client_id: str | None = None


Numbered = tuple[str | None, e.Event]
"""A turn, or none, and an event that will get its number."""

Decision = TypeVar("Decision", bound=Sent | Start | Sequence[Numbered])


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
        self._draining: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def running(self) -> bool:
        """Whether this process runs a turn of this session."""
        return self._running is not None

    @property
    def busy(self) -> bool:
        """Whether something goes on here by itself, so that this object must stay."""
        return self.running or self._draining is not None

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
        """The LSN at which this message's answer is over, or where the log ends now: where a fork there ends."""
        messages = self.transcript.messages
        place = next((i for i, m in enumerate(messages) if m["id"] == message_id), None)
        if place is None:
            raise UnknownMessage(f"This chat shows no message {message_id!r}.")
        answer = next((m for m in messages[place:] if m["role"] == "assistant"), messages[place])
        return answer["metadata"].get("finished_lsn", self.transcript.lsn)

    # Commands

    async def send(self, message: Message, author: e.Author | None) -> Sent:
        """Store a message, and start the turn that answers it, or queue it behind what runs or waits.

        Raises `ClientIdReused`, `AgentUnavailable`, `Busy`, and `UnknownAgent` of the catalog.
        """
        ids = {"message_id": new_id("m"), "turn_id": new_id("t")}

        def decide() -> Sent | Start | list[Numbered]:
            if before := self.transcript.sent(message.client_id):
                return _sent_before(before, message)
            self._whom(message.agent, message.model)
            if self.transcript.turn or self.transcript.queue:
                queued = e.MessageQueued(message_id=ids["message_id"], author=author, **_content(message))
                return [(ids["turn_id"], queued)]
            said = e.UserMessage(
                message_id=ids["message_id"], parent=self.transcript.leaf, author=author, **_content(message)
            )
            return Start(
                turn_id=ids["turn_id"],
                user_message_id=ids["message_id"],
                message_id=new_id("m"),
                agent=message.agent,
                model=message.model,
                before=[said],
            )

        async with self._commands:
            done = await self._decide(decide)
            if isinstance(done, Sent):
                return done
            said = self.transcript.sent(message.client_id)
            assert said is not None
            return _sent_before(said, message)

    async def retry(self, message_id: str, edit: Edit, author: e.Author | None) -> Sent:
        """Answer again: this message, or the one that this answer is for; with another `text` it is a new branch.

        Nothing is rewritten: the new answer, or message, stands beside the old one. Raises what `send` raises, and
        `TurnRunning`, `UnknownMessage`.
        """

        def decide() -> Sent | Start:
            if edit.client_id and (said := self.transcript.sent(edit.client_id)):
                return _reply(said, edit.client_id)
            asked = self._asked(message_id)
            self._idle()
            metadata = asked["metadata"]
            agent = edit.agent or metadata.get("agent")
            model = edit.model or metadata.get("model")
            before: list[e.Event] = []
            asked_id = asked["id"]
            if edit.text is not None:
                asked_id = new_id("m")
                before.append(
                    e.UserMessage(
                        message_id=asked_id,
                        client_id=edit.client_id or new_id("c"),
                        text=edit.text,
                        parent=metadata["parent"],
                        parts=asked["parts"][1:],
                        agent=agent,
                        model=model,
                        tools=metadata.get("tools"),
                        author=author,
                    )
                )
            client_id = edit.client_id if edit.text is None else None
            return Start(new_id("t"), asked_id, new_id("m"), agent, model, before, client_id)

        return await self._answer_again(decide)

    async def go_on(self, message_id: str | None, client_id: str | None) -> Sent:
        """Go on from an answer that was stopped, cut off or interrupted, the last one by default, keeping its text.

        Raises what `retry` raises, and `NothingToContinue`.
        """

        def decide() -> Sent | Start:
            if client_id and (said := self.transcript.sent(client_id)):
                return _reply(said, client_id)
            self._idle()
            answer = self._message(message_id or self.transcript.leaf or "")
            metadata = answer["metadata"]
            if answer["role"] != "assistant" or metadata.get("outcome") == "completed":
                raise NothingToContinue("Only an answer that was stopped, cut off or interrupted can be continued.")
            asked = self._message(metadata["parent"])
            agent, model = metadata["agent"], metadata.get("model")
            return Start(new_id("t"), asked["id"], answer["id"], agent, model, [], client_id)

        return await self._answer_again(decide)

    async def select_branch(self, message_id: str, by: e.Author | None) -> Transcript:
        """Show the newest branch through this message, and go on from there. Raises `UnknownMessage`, `TurnRunning`."""

        def decide() -> list[Numbered]:
            self._message(message_id)
            self._idle()
            leaf = self.transcript.newest_leaf(message_id)
            return [] if leaf == self.transcript.leaf else [(None, e.BranchSelected(message_id=leaf, by=by))]

        async with self._commands:
            await self._decide(decide)
            return self.transcript

    # The queue

    async def remove_queued(self, message_id: str, by: e.Author | None) -> bool:
        """Remove a waiting message; false when it does not wait any more. Idempotent."""

        def decide() -> list[Numbered]:
            if not self._waiting(message_id):
                return []
            return [(None, e.MessageDequeued(message_id=message_id, reason="removed", by=by))]

        async with self._commands:
            await self._decide(decide)
        if any(m["id"] == message_id for m in self.transcript.removed):
            return True
        if self.transcript.message(message_id) is None:
            raise UnknownMessage(f"This session has no message {message_id!r}.")
        return False

    async def edit_queued(
        self, message_id: str, text: str, parts: list[JSON] | None, by: e.Author | None
    ) -> Transcript:
        """Change what a waiting message says. Raises `NotWaiting`."""

        def decide() -> list[Numbered]:
            waiting = self._must_wait(message_id)
            kept = waiting["parts"][1:] if parts is None else parts
            return [(None, e.QueueEdited(message_id=message_id, text=text, parts=kept, by=by))]

        async with self._commands:
            await self._decide(decide)
            return self.transcript

    async def reorder_queue(self, message_ids: list[str], by: e.Author | None) -> Transcript:
        """Put these waiting messages first, in this order. Raises `NotWaiting`."""

        def decide() -> list[Numbered]:
            for message_id in message_ids:
                self._must_wait(message_id)
            return [(None, e.QueueReordered(message_ids=message_ids, by=by))]

        async with self._commands:
            await self._decide(decide)
            return self.transcript

    async def resume_queue(self, by: e.Author | None) -> Transcript:
        """Let a held queue go on. Idempotent."""
        async with self._commands:
            await self._decide(lambda: [(None, e.QueueResumed(by=by))] if self.transcript.held is not None else [])
        await self.drain()
        return self.transcript

    async def drain(self) -> None:
        """Start the first message that waits, unless a turn runs or the queue is held.

        One that cannot be started stays where it is, and the queue is held with the reason.
        """

        def decide() -> Start | list[Numbered]:
            if not self.transcript.queue or self.transcript.turn or self.transcript.held is not None:
                return []
            first = self.transcript.queue[0]
            metadata = first["metadata"]
            try:
                self._whom(metadata.get("agent"), metadata.get("model"))
            except (AgentUnavailable, UnknownAgent) as error:
                return [(None, e.QueueHeld(reason=str(error)))]
            said = e.UserMessage(
                message_id=first["id"],
                client_id=metadata["client_id"],
                text=first["parts"][0]["text"],
                parent=self.transcript.leaf,
                parts=first["parts"][1:],
                agent=metadata.get("agent"),
                model=metadata.get("model"),
                tools=metadata.get("tools"),
                author=msgspec.convert(metadata["author"], e.Author) if "author" in metadata else None,
                queued=first["metadata"]["lsn"],
                sent=_sent_parts(first),
            )
            return Start(
                turn_id=metadata["turn"],
                user_message_id=first["id"],
                message_id=new_id("m"),
                agent=said.agent,
                model=said.model,
                before=[e.MessageDequeued(message_id=first["id"], reason="started"), said],
            )

        async with self._commands:
            if self._closing:
                return
            try:
                await self._decide(decide)
            except Busy:
                # Another server has the session: it drains the queue.
                return

    async def stop(self, turn_id: str | None, by: e.Author | None) -> bool:
        """Stop the running turn (or only `turn_id`), wherever it runs; false when there is nothing to stop.

        Idempotent: a turn that was stopped before is stopped.
        """
        async with self._commands:
            turn = await self._request_stop(turn_id, by)
        if turn is None:
            return turn_id is not None and any(
                turn["turn"] == turn_id and turn.get("outcome") == "stopped"
                for message in self.transcript.messages
                for turn in requests(message)
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
            await self._decide(lambda: [(None, change)])
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
        """End this process's turn as `interrupted`, wait until that is stored, and start no other."""
        self._closing = True
        if self._turn:
            self._turn.interrupt()
        if going := {task for task in (self._running, self._draining) if task}:
            await asyncio.wait(going)

    # Inside

    async def _answer_again(self, decide: Callable[[], Sent | Start]) -> Sent:
        async with self._commands:
            done = await self._decide(decide)
        if isinstance(done, Sent):
            return done
        return _reply(self._message(done.message_id))

    async def _decide(self, decide: Callable[[], Decision]) -> Decision:
        """Do what `decide` wants once it has seen everything that is stored; returns what it wanted.

        Whatever is appended meanwhile, by whomever, makes it decide again.
        """
        while True:
            await self.refresh()
            decided = decide()
            try:
                if isinstance(decided, Start):
                    await self._start(decided)
                elif not isinstance(decided, Sent) and decided:
                    records = [self._encode(event, turn) for turn, event in decided]
                    labels = self._queue_label(event for _, event in decided)
                    await self._log.append(self.id, records, after=self.transcript.lsn, labels=labels)
                    await self.refresh()
                return decided
            except Conflict:
                continue

    def _whom(self, agent: str | None, model: str | None) -> tuple[Agent, str | None]:
        """Who answers a message that names these, or nobody. Raises `UnknownAgent`, `AgentUnavailable`."""
        chosen, with_model = self._agents.resolve(agent or self.transcript.agent, model or self.transcript.model)
        if why := chosen.unavailable(with_model):
            raise AgentUnavailable(why)
        return chosen, with_model

    def _idle(self) -> None:
        if self.transcript.turn:
            raise TurnRunning("This chat is still answering. Wait for the answer, or stop it, then try again.")

    def _message(self, message_id: str) -> JSON:
        message = self.transcript.message(message_id)
        if message is None:
            raise UnknownMessage(f"This session has no message {message_id!r}.")
        return message

    def _asked(self, message_id: str) -> JSON:
        """The person's message: this one, or the one that this answer is for."""
        message = self._message(message_id)
        return message if message["role"] == "user" else self._message(message["metadata"]["parent"])

    def _waiting(self, message_id: str) -> JSON | None:
        return next((m for m in self.transcript.queue if m["id"] == message_id), None)

    def _must_wait(self, message_id: str) -> JSON:
        if waiting := self._waiting(message_id):
            return waiting
        raise NotWaiting(f"No message {message_id!r} waits in this session: it was started, removed, or never there.")

    async def _start(self, start: Start) -> None:
        agent, model = self._whom(start.agent, start.model)
        if self._running:
            # Its outcome is stored; what is left of it is to clear up.
            await asyncio.wait({self._running})
        try:
            epoch = await self._log.lease(self.id, self._holder, self._lease_seconds)
        except LeaseHeld as held:
            raise Busy("Another Jupyter server is just using this chat. Send the message again.") from held
        started = e.TurnStarted(
            user_message_id=start.user_message_id,
            message_id=start.message_id,
            agent=agent.name,
            model=model,
            client_id=start.client_id,
        )
        records = [
            *(self._encode(event) for event in start.before),
            self._encode(started, start.turn_id),
            self._encode(e.Start(message_id=start.message_id), start.turn_id),
        ]
        question = next((event.text for event in start.before if isinstance(event, e.UserMessage)), None)
        try:
            await self._log.append(
                self.id,
                records,
                epoch=epoch,
                after=self.transcript.lsn,
                labels={"status": "streaming", **self._queue_label(start.before)},
                summary=summary(self.transcript, preview=question, more=2),
                words=question or "",
            )
        except Conflict:
            await self._log.append(self.id, [], epoch=epoch, release=True)
            raise
        await self.refresh()
        request = Request(messages=self._shown_to_agent(start.message_id), model=model)
        self._run(start.turn_id, epoch, agent, request)

    def _queue_label(self, decided: Iterable[e.Event]) -> dict[str, str]:
        """A label for sessions in which messages wait, so that a server finds them when it starts."""
        waiting = len(self.transcript.queue)
        after = waiting
        for event in decided:
            after += isinstance(event, e.MessageQueued) - isinstance(event, e.MessageDequeued)
        return {} if after == waiting else {"queue": "waiting" if after else ""}

    def _shown_to_agent(self, message_id: str) -> list[JSON]:
        """What a person sees is what the model is sent: the branch, with the answer to go on with when it has begun."""
        branch = self.transcript.branch(message_id)
        return branch if branch[-1]["parts"] else branch[:-1]

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
        self._draining = asyncio.create_task(self._drain(), name=f"queue of {self.id}")

    async def _drain(self) -> None:
        try:
            await self.drain()
        except LogError as error:
            # What waits is stored, and found by its label.
            logger.error("Session %s: what waits could not be started: %s", self.id, error)
        finally:
            self._draining = None

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

        def request() -> list[Numbered]:
            turn = self.transcript.turn
            if turn and turn_id in (None, turn["id"]) and not turn["stopping"]:
                return [(turn["id"], e.StopRequested(by=by))]
            return []

        try:
            await self._decide(request)
        except LogUnavailable:
            # Stop always stops, even when nobody can write down who asked for it.
            if self._turn:
                self._turn.stop()
            raise
        self._heed()
        turn = self.transcript.turn
        return turn["id"] if turn and turn_id in (None, turn["id"]) else None

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
            words=text_of(self._message(turn["message_id"])) if (turn := self.transcript.turn) else "",
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


def _content(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def _sent_parts(said: JSON) -> list[JSON] | None:
    """What it was sent as, if it was edited since."""
    return said["metadata"].get("sent")


def _sent_before(said: JSON, message: Message) -> Sent:
    parts = _sent_parts(said) or said["parts"]
    metadata: JSON = said["metadata"]
    same = (
        parts[0]["text"] == message.text
        and parts[1:] == message.parts
        and all(metadata.get(name) == getattr(message, name) for name in ("agent", "model", "tools"))
    )
    if not same:
        raise ClientIdReused(
            f"client_id {message.client_id!r} was already used for another message. "
            "Give every message a client_id of its own."
        )
    return _reply(said)


def _reply(said: JSON, client_id: str | None = None) -> Sent:
    """The answer to the request that this message, or this answer to it, came with; the last one by default."""
    metadata: JSON = said["metadata"]
    message_id = said["id"] if said["role"] == "user" else metadata["parent"]
    if "queued" in metadata:
        return Sent(message_id, metadata["turn"], metadata["queued"], "queued")
    asked = requests(said)
    request = next((r for r in asked if client_id is not None and r.get("client_id") == client_id), asked[-1])
    return Sent(message_id, request["turn"], request["lsn"])
