"""Commands in, one at a time, and the turns that answer.

A session is a replica of its log: it folds what is there, decides, and appends on the condition that nothing was added
meanwhile. So a command sees everything that was acknowledged before it, from whichever process, and two servers on one
store never contradict each other.

While a turn runs, this process holds the session's lease; every event of the turn carries the lease's epoch, and the
turn's end gives the lease back in the transaction that stores the outcome. Only the lease's holder runs a turn, whoever
asks for one; anybody may ask for a stop, by an event that the holder heeds.

After a turn: everything is stored, the turn is closed, and then what waits in the queue is started.
"""

import asyncio
import contextlib
import copy
import logging
import traceback
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.admission import Admission, Place
from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.agents.catalog import Agents, UnknownAgent
from jupyter_durable_chat.agents.title import title_of
from jupyter_durable_chat.commands import (
    AgentUnavailable,
    Busy,
    ClientIdReused,
    Edit,
    Message,
    NothingToContinue,
    NotWaiting,
    Sent,
    SessionFull,
    TooManyTurns,
    TurnRunning,
    UnknownMessage,
    new_id,
)
from jupyter_durable_chat.log import (
    Conflict,
    Fenced,
    LeaseHeld,
    Log,
    LogError,
    LogUnavailable,
    StreamDeleted,
    UnknownStream,
)
from jupyter_durable_chat.replica import KEPT, Numbered, Replica, summary, text_of
from jupyter_durable_chat.transcript import JSON, Transcript, requests
from jupyter_durable_chat.turn import Limits, Turn

logger = logging.getLogger(__name__)

RESTART_SECONDS = 5
"""After which a server that shuts down may be there again."""

STOP_TIMEOUT = 5.0
"""Seconds that a stop waits for the outcome to be in the log."""

LOOK_INTERVAL = 0.25
"""Seconds between two looks at what others appended while a turn runs here."""

TITLE_SECONDS = 20.0
"""How long an agent may think about a title; then it is made from the text."""


class Start(Struct, frozen=True):
    """A turn to be: who answers, who asks for it, and the events that come before its own."""

    turn_id: str
    user_message_id: str
    message_id: str
    agent: Agent
    model: str | None
    user: str
    before: list[e.Event] = []
    client_id: str | None = None


class Session(Replica):
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
        admission: Admission,
        compact_after: int,
    ) -> None:
        super().__init__(log, session_id, clock, compact_after)
        self._agents = agents
        self._holder = holder
        self._lease_seconds = lease_seconds
        self._limits = limits
        self._admission = admission
        self._commands = asyncio.Lock()
        self._turn: Turn | None = None
        self._running: asyncio.Task[None] | None = None
        self._draining: asyncio.Task[None] | None = None
        self._titling: asyncio.Task[None] | None = None
        self._closing = False
        self._size = 0
        """Bytes that the log had when it was last looked at."""
        self._unstored: tuple[str, e.Error] | None = None
        """A turn that ended here, and why that could not be stored."""

    @property
    def running(self) -> bool:
        """Whether this process runs a turn of this session."""
        return self._running is not None

    @property
    def busy(self) -> bool:
        """Whether something goes on here by itself, so that this object must stay."""
        return any((self._running, self._draining, self._titling, self._unstored))

    def through(self, message_id: str) -> int:
        """The LSN at which this message's answer is over, or where the log ends now: where a fork there ends."""
        messages = self.transcript.messages
        place = next((i for i, m in enumerate(messages) if m["id"] == message_id), None)
        if place is None:
            raise UnknownMessage(f"This chat shows no message {message_id!r}.")
        answer = next((m for m in messages[place:] if m["role"] == "assistant"), messages[place])
        return answer["metadata"].get("finished_lsn", self.transcript.lsn)

    # Asking

    async def send(self, message: Message, author: e.Author | None) -> Sent:
        """Store a message, and start the turn that answers it, or queue it behind what runs or waits.

        Raises `ClientIdReused`, `AgentUnavailable`, `Busy`, `TooManyTurns`, `TooManyMessages`, `SessionFull`, and
        `UnknownAgent` of the catalog.
        """
        message_id, turn_id, answer_id = new_id("m"), new_id("t"), new_id("m")

        def decide() -> Start | list[Numbered]:
            agent, model = self._whom(message.agent, message.model)
            content = _content(message)
            if self.transcript.turn or self.transcript.queue:
                queued = e.MessageQueued(
                    message_id=message_id,
                    author=author,
                    resolved_agent=agent.name,
                    resolved_model=model,
                    **content,
                )
                return [(turn_id, queued)]
            said = e.UserMessage(message_id=message_id, parent=self.transcript.leaf, author=author, **content)
            return Start(turn_id, message_id, answer_id, agent, model, _user(author), [said])

        said = await self._ask(message.client_id, author, decide)
        _must_be_same(_is_sent(said, message), message.client_id)
        self.drain()
        return _reply(said, message.client_id)

    async def retry(self, message_id: str, edit: Edit, author: e.Author | None) -> Sent:
        """Answer again: this message, or the one that this answer is for; with another `text` it is a new branch.

        Nothing is rewritten: the new answer, or message, stands beside the old one. Raises what `send` raises, and
        `TurnRunning`, `UnknownMessage`.
        """
        client_id = edit.client_id or new_id("c")
        turn_id, edited_id, answer_id = new_id("t"), new_id("m"), new_id("m")

        def decide() -> Start:
            asked = self._asked(message_id)
            self._idle()
            metadata = asked["metadata"]
            agent = edit.agent or metadata.get("agent")
            model = edit.model or metadata.get("model")
            whom = self._whom(agent, model)
            if edit.text is None:
                return Start(turn_id, asked["id"], answer_id, *whom, _user(author), [], client_id)
            edited = e.UserMessage(
                message_id=edited_id,
                client_id=client_id,
                text=edit.text,
                parent=metadata["parent"],
                parts=asked["parts"][1:],
                agent=agent,
                model=model,
                tools=metadata.get("tools"),
                author=author,
            )
            return Start(turn_id, edited_id, answer_id, *whom, _user(author), [edited])

        said = await self._ask(client_id, author, decide)
        _must_be_same(self._is_retried(said, message_id, edit, client_id), client_id)
        return _reply(said, client_id)

    async def go_on(self, message_id: str | None, client_id: str | None, author: e.Author | None) -> Sent:
        """Go on from an answer that was stopped, cut off or interrupted, the last one by default, keeping its text.

        Raises what `retry` raises, and `NothingToContinue`.
        """
        asked_as = client_id or new_id("c")
        turn_id = new_id("t")

        def decide() -> Start:
            self._idle()
            answer = self._message(message_id or self.transcript.leaf or "")
            metadata = answer["metadata"]
            if answer["role"] != "assistant" or metadata.get("outcome") == "completed":
                raise NothingToContinue("Only an answer that was stopped, cut off or interrupted can be continued.")
            whom = self._whom(metadata["agent"], metadata.get("model"))
            return Start(turn_id, metadata["parent"], answer["id"], *whom, _user(author), [], asked_as)

        said = await self._ask(asked_as, author, decide)
        is_continued = said["role"] == "assistant" and requests(said)[0].get("client_id") != asked_as
        _must_be_same(is_continued and message_id in (None, said["id"]), asked_as)
        return _reply(said, asked_as)

    async def select_branch(self, message_id: str, by: e.Author | None) -> Transcript:
        """Show the newest branch through this message, and go on from there. Raises `UnknownMessage`, `TurnRunning`."""

        def decide() -> list[Numbered]:
            self._message(message_id)
            self._idle()
            leaf = self.transcript.newest_leaf(message_id)
            return [] if leaf == self.transcript.leaf else [(None, e.BranchSelected(message_id=leaf, by=by))]

        return await self._change(decide, grows=True)

    # The queue

    async def remove_queued(self, message_id: str, by: e.Author | None) -> bool:
        """Remove a waiting message; false when it does not wait any more. Idempotent."""

        def decide() -> list[Numbered]:
            if not self._waiting(message_id):
                return []
            return [(None, e.MessageDequeued(message_id=message_id, reason="removed", by=by))]

        await self._change(decide)
        if any(m["id"] == message_id for m in self.transcript.removed):
            return True
        self._message(message_id)
        return False

    async def edit_queued(
        self, message_id: str, text: str, parts: list[JSON] | None, by: e.Author | None
    ) -> Transcript:
        """Change what a waiting message says. Raises `NotWaiting`."""

        def decide() -> list[Numbered]:
            waiting = self._must_wait(message_id)
            kept = waiting["parts"][1:] if parts is None else parts
            return [(None, e.QueueEdited(message_id=message_id, text=text, parts=kept, by=by))]

        return await self._change(decide, grows=True)

    async def reorder_queue(self, message_ids: list[str], by: e.Author | None) -> Transcript:
        """Put these waiting messages first, in this order. Raises `NotWaiting`."""

        def decide() -> list[Numbered]:
            for message_id in message_ids:
                self._must_wait(message_id)
            return [(None, e.QueueReordered(message_ids=message_ids, by=by))]

        return await self._change(decide, grows=True)

    async def resume_queue(self, by: e.Author | None) -> Transcript:
        """Let a held queue go on. Idempotent."""
        await self._change(lambda: [(None, e.QueueResumed(by=by))] if self.transcript.held is not None else [])
        self.drain()
        return self.transcript

    def drain(self) -> None:
        """Start what waits, unless a turn runs or the queue is held; it happens in the background. Idempotent."""
        if self._draining is None and not self._closing:
            self._draining = asyncio.create_task(self._drain(), name=f"queue of {self.id}")

    # Other commands

    async def stop(self, turn_id: str | None, by: e.Author | None) -> bool:
        """Stop the running turn (or only `turn_id`), wherever it runs; false when there is nothing to stop.

        Idempotent: a turn that was stopped before is stopped. Whatever its outcome was by then, what waits is held.
        Raises `Busy` when the turn has been asked to stop and has not ended in time.
        """
        async with self._commands:
            asked = await self._request_stop(turn_id, by) or turn_id
        if asked is None:
            return False
        if not await self.turn_ended(asked, STOP_TIMEOUT):
            raise Busy("The answer was asked to stop and has not ended yet. Try again in a moment.", retry_after=1)
        turns = (turn for m in chain(self.transcript.messages, self.transcript.others) for turn in requests(m))
        return any(turn["turn"] == asked and turn.get("outcome") == "stopped" for turn in turns)

    async def update(self, change: e.SessionUpdated) -> Transcript:
        """Rename, mute, or choose another agent or model for what is sent from now on."""

        def decide() -> list[Numbered]:
            if change.agent or change.model:
                agent = self.transcript.agent if change.agent is e.UNSET else change.agent
                model = self.transcript.model if change.model is e.UNSET else change.model
                self._agents.resolve(agent, model)
            return [(None, change)]

        await self._change(decide, grows=True)
        # The list of sessions shows titles: the summary follows the fact that is stored already.
        await self.summarise()
        return self.transcript

    async def delete(self) -> None:
        """Stop what runs and remove the session for good; every reader is told."""
        with contextlib.suppress(Busy):
            await self.stop(None, None)
        await self._log.delete(self.id)

    async def recover(self, over: int) -> None:
        """Close the turn of a writer that is gone; nothing when the session is held again meanwhile.

        `over` is the epoch of the lease that its holder left.
        """
        async with self._commands:
            if self.running:
                return
            try:
                mine = await self._log.lease(self.id, self._holder, self._lease_seconds, over=over)
            except LeaseHeld:
                self._unstored = None
                return
            await self.refresh()
            turn = self.transcript.turn
            unstored, self._unstored = self._unstored, None
            if turn is None:
                await self._log.append(self.id, [], epoch=mine, release=True)
                return
            if unstored and unstored[0] == turn["id"]:
                why = unstored[1]
                ending = [e.ErrorText(error_text=why.text), e.TurnStopped(outcome="failed", error=why)]
            else:
                ending = [e.TurnStopped(outcome="stopped" if turn["stopping"] else "interrupted")]
            logger.warning("Session %s: nobody writes turn %s any more; it is closed", self.id, turn["id"])
            try:
                await self._close_turn(turn["id"], mine, ending)
            except LogUnavailable:
                self._unstored = unstored
                raise

    async def shut_down(self) -> None:
        """End this process's turn as `interrupted`, wait until that is stored, and start no other."""
        self._closing = True
        if self._turn:
            self._turn.interrupt()
        async with self._commands:
            # What was being started has started; nobody else begins now.
            for waiting in (self._draining, self._titling):
                if waiting:
                    waiting.cancel()
        if self._turn:
            self._turn.interrupt()
        if going := {task for task in (self._running, self._draining, self._titling) if task}:
            await asyncio.wait(going)

    # Inside: deciding

    async def _change(self, decide: Callable[[], Sequence[Numbered]], *, grows: bool = False) -> Transcript:
        """Do what makes no turn. What `grows` the log is refused when it is full."""
        async with self._commands:
            if grows:
                await self._look_at_size()
                self._must_have_room()
            await self.decide(decide, self.add)
            return self.transcript

    async def _ask(self, client_id: str, author: e.Author | None, decide: Callable[[], Start | list[Numbered]]) -> JSON:
        """What was sent, or asked for, with this client id: now, as `decide` wants, or before."""
        counted = False

        def once() -> Start | list[Numbered]:
            nonlocal counted
            if self.transcript.sent(client_id):
                return []
            self._must_have_room()
            decided = decide()
            if not counted:
                self._admission.message(_user(author))
                counted = True
            return decided

        async with self._commands:
            try:
                await self._act(once)
            except BaseException:
                if counted:
                    self._admission.take_back(_user(author))
                raise
            said = self.transcript.sent(client_id)
            assert said is not None
            return said

    async def _act(self, decide: Callable[[], Start | list[Numbered]]) -> None:
        await self._look_at_size()
        await self.decide(decide, self._commit)

    async def _look_at_size(self) -> None:
        self._size = (await self._log.head(self.id)).size

    async def _commit(self, decided: Start | list[Numbered]) -> None:
        await (self._start(decided) if isinstance(decided, Start) else self.add(decided))

    def _must_have_room(self) -> None:
        if self._size >= self._limits.session_bytes:
            raise SessionFull(_full(self._limits))

    def _whom(self, agent: str | None, model: str | None) -> tuple[Agent, str | None]:
        """Who answers a message that names these, or nobody. Raises `UnknownAgent`, `AgentUnavailable`."""
        return self._available(agent or self.transcript.agent, model or self.transcript.model)

    def _available(self, agent: str | None, model: str | None) -> tuple[Agent, str | None]:
        chosen, with_model = self._agents.resolve(agent, model)
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

    def _is_retried(self, said: JSON, message_id: str, edit: Edit, client_id: str) -> bool:
        """Whether this is the answer, or with a text the message, that such a request made."""
        asked = self._asked(message_id)
        metadata = said["metadata"]
        same = all(getattr(edit, name) in (None, metadata.get(name)) for name in ("agent", "model"))
        if edit.text is None:
            first = requests(said)[0].get("client_id") == client_id
            return same and first and said["role"] == "assistant" and metadata["parent"] == asked["id"]
        return (
            same
            and text_of({"parts": said["parts"][:1]}) == edit.text
            and (said["role"] == "user" and metadata["parent"] == asked["metadata"]["parent"])
        )

    def _waiting(self, message_id: str) -> JSON | None:
        return next((m for m in self.transcript.queue if m["id"] == message_id), None)

    def _must_wait(self, message_id: str) -> JSON:
        if waiting := self._waiting(message_id):
            return waiting
        raise NotWaiting(f"No message {message_id!r} waits in this session: it was started, removed, or never there.")

    # Inside: the queue

    async def _drain(self) -> None:
        """Start the first message that waits, when there is a place for its turn."""
        try:
            while True:
                try:
                    await self._start_next()
                    return
                except TooManyTurns:
                    await self._admission.place_left()
        except Busy:
            # Another server has the session: it drains the queue.
            pass
        except LogError as error:
            # What waits is stored, and found by its label.
            logger.error("Session %s: what waits could not be started: %s", self.id, error)
        finally:
            self._draining = None

    async def _start_next(self) -> None:
        """Start the first message that waits. One that cannot be started stays, and holds the queue with the reason."""
        answer_id = new_id("m")

        def decide() -> Start | list[Numbered]:
            if self._closing or not self.transcript.queue or self.transcript.turn or self.transcript.held is not None:
                return []
            first = self.transcript.queue[0]
            metadata = first["metadata"]
            try:
                self._must_have_room()
                whom = self._available(metadata.get("resolved_agent"), metadata.get("resolved_model"))
            except (AgentUnavailable, SessionFull, UnknownAgent) as error:
                return [(None, e.QueueHeld(reason=str(error)))]
            author = msgspec.convert(metadata["author"], e.Author) if "author" in metadata else None
            said = e.UserMessage(
                message_id=first["id"],
                client_id=metadata["client_id"],
                text=first["parts"][0]["text"],
                parent=self.transcript.leaf,
                parts=first["parts"][1:],
                agent=metadata.get("agent"),
                model=metadata.get("model"),
                tools=metadata.get("tools"),
                author=author,
                queued=metadata["lsn"],
                sent=metadata.get("sent"),
            )
            before = [e.MessageDequeued(message_id=first["id"], reason="started"), said]
            return Start(metadata["turn"], first["id"], answer_id, *whom, _user(author), before)

        async with self._commands:
            await self._act(decide)

    # Inside: a turn

    async def _start(self, start: Start) -> None:
        """Store that a turn begins, and run it."""
        # While this waits, who reads moves the transcript on, beyond what was decided on.
        seen = self.transcript.lsn
        if self._closing:
            raise Busy("The server is shutting down.", retry_after=RESTART_SECONDS)
        if self._running:
            # Its outcome is stored; what is left of it is to clear up.
            await asyncio.wait({self._running})
        place = self._admission.turn(start.user)
        try:
            self._run(start, await self._begin(start, seen), place)
        except BaseException:
            place.give_back()
            raise

    async def _begin(self, start: Start, seen: int) -> int:
        """Store the beginning of a turn under a new lease, when nothing came after `seen`; returns its epoch.

        Raises `Conflict`, `Busy`.
        """
        try:
            epoch = await self._log.lease(self.id, self._holder, self._lease_seconds)
        except LeaseHeld as held:
            text = "Another Jupyter server is just using this chat. Send the message again."
            raise Busy(text, retry_after=1) from held
        started = e.TurnStarted(
            user_message_id=start.user_message_id,
            message_id=start.message_id,
            agent=start.agent.name,
            model=start.model,
            client_id=start.client_id,
        )
        records = [
            *(self.encode(event) for event in start.before),
            self.encode(started, start.turn_id),
            self.encode(e.Start(message_id=start.message_id), start.turn_id),
        ]
        question = next((event.text for event in start.before if isinstance(event, e.UserMessage)), None)
        try:
            await self._log.append(
                self.id,
                records,
                epoch=epoch,
                after=seen,
                labels={"status": "streaming"} | KEPT | self.queue_label(start.before),
                summary=summary(self.transcript, preview=question, more=2),
                words=question or "",
            )
        except Conflict:
            await self._log.append(self.id, [], epoch=epoch, release=True)
            raise
        await self.refresh()
        return epoch

    async def _answer(self, start: Start) -> AsyncGenerator[e.Chunk]:
        """What the agent says to what a person sees: the branch, with the answer to go on with when it has begun."""
        *before, answer = self.transcript.branch(start.message_id)
        # The answer goes on changing while the agent has it.
        shown = [*before, copy.deepcopy(answer)] if answer["parts"] else before
        async with aclosing(start.agent.run(Request(messages=shown, model=start.model))) as chunks:
            async for chunk in chunks:
                yield chunk

    def _run(self, start: Start, epoch: int, place: Place) -> None:
        room = self._limits.session_bytes - self._size

        async def append(events: Sequence[e.Event]) -> None:
            nonlocal room
            records = [self.encode(event, start.turn_id) for event in events]
            await self._log.append(self.id, records, epoch=epoch)
            room -= sum(map(len, records))
            if room < 0:
                turn.fail(e.Error("too-long", _full(self._limits)))

        turn = self._turn = Turn(self._answer(start), append, limits=self._limits)
        self._running = asyncio.create_task(self._attend(turn, start, epoch, place), name=f"turn {start.turn_id}")

    async def _attend(self, turn: Turn, start: Start, epoch: int, place: Place) -> None:
        """Run the turn and store its end; look meanwhile whether somebody asked for a stop."""
        looking = asyncio.create_task(self._look(turn))
        try:
            title = await self._close_turn(start.turn_id, epoch, await self._ended(turn))
            if title and not self._closing and self._titling is None:
                titling = self._title(start.agent, start.model, title)
                self._titling = asyncio.create_task(titling, name=f"title of {self.id}")
        except (Fenced, StreamDeleted, UnknownStream) as error:
            logger.warning("Session %s: turn %s ends here: %s", self.id, start.turn_id, error)
        except LogError as error:
            # The lease is still ours, and a lease without a turn is what the registry recovers.
            logger.error("Session %s: turn %s could not be stored: %s", self.id, start.turn_id, error)
            why = e.Error("internal", f"The answer could not be stored. {error}", recoverable=True)
            self._unstored = start.turn_id, why
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            place.give_back()
            self._turn = self._running = None
        self.drain()

    async def _ended(self, turn: Turn) -> Sequence[e.Event]:
        """The turn's last events, also when it broke on what its agent gave."""
        try:
            return await turn.run()
        except LogError:
            raise
        except Exception as error:
            # The text of a foreign exception may hold a key or a prompt.
            name = type(error).__name__
            logger.error("Session %s: a turn broke\n%s", self.id, "".join(traceback.format_tb(error.__traceback__)))
            text = f"The answer could not be kept ({name}). The server's log says where."
            why = e.Error("internal", text, recoverable=True)
            return [e.ErrorText(error_text=text), e.TurnStopped(outcome="failed", error=why)]

    async def _look(self, turn: Turn) -> None:
        while True:
            # Whoever folds first, what was asked for is heeded.
            self._heed()
            try:
                await self.wait()
                await self.refresh()
            except (StreamDeleted, UnknownStream):
                turn.stop()
                return
            except LogError as error:
                logger.warning("Session %s: its log cannot be read now: %s", self.id, error)
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
            await self.decide(request, self.add)
        except LogUnavailable:
            # Stop always stops, even when nobody can write down who asked for it.
            if self._turn:
                self._turn.stop()
            raise
        self._heed()
        turn = self.transcript.turn
        return turn["id"] if turn and turn_id in (None, turn["id"]) else None

    async def _close_turn(self, turn_id: str, epoch: int, ending: Sequence[e.Event]) -> str | None:
        """Store how the turn ended; returns the title that the session got with it, if it had none."""
        stopped = ending[-1]
        assert isinstance(stopped, e.TurnStopped)
        title, begun = None, 0

        def decide() -> list[Numbered]:
            nonlocal title, begun
            turn = self.transcript.turn
            answer = self._message(turn["message_id"]) if turn else None
            begun = answer["metadata"]["lsn"] if answer else 0
            named = self.transcript.title is not None or stopped.outcome != "completed"
            title = None if named else title_of(self.transcript.messages)
            decided: list[Numbered] = [(None, e.SessionUpdated(title=title))] if title else []
            decided += [(turn_id, event) for event in ending]
            if turn and turn["stopping"] and stopped.outcome != "stopped" and self.transcript.held is None:
                # Who stops an answer in its last moment does not want the next one either.
                decided.append((None, e.QueueHeld(reason="stopped")))
            return decided

        async def commit(decided: list[Numbered]) -> None:
            answer = self._message(turn["message_id"]) if (turn := self.transcript.turn) else None
            await self._log.append(
                self.id,
                [self.encode(event, of_turn) for of_turn, event in decided],
                epoch=epoch,
                after=self.transcript.lsn,
                labels={"status": "failed" if stopped.outcome == "failed" else "idle"}
                | self.queue_label(event for _, event in decided),
                summary=summary(self.transcript, title=title),
                words=text_of(answer) if answer else "",
                release=True,
            )

        await self.decide(decide, commit)
        await self.refresh()
        try:
            await self.keep(since=begun)
        except LogError as error:
            # The outcome is stored; without a snapshot, opening the session costs more.
            logger.warning("Session %s: no snapshot after turn %s: %s", self.id, turn_id, error)
        return title

    async def _title(self, agent: Agent, model: str | None, made: str) -> None:
        """Let the agent find a better title than the one that was made from the text. A person's own stays."""

        def decide() -> list[Numbered]:
            wanted = title is not None and title != made and self.transcript.title == made
            return [(None, e.SessionUpdated(title=title))] if wanted else []

        try:
            async with asyncio.timeout(TITLE_SECONDS):
                title = await agent.title(list(self.transcript.messages), model)
            await self._change(decide)
            await self.summarise()
        except (AgentError, LogError, TimeoutError) as error:
            logger.info("Session %s keeps the title from its text: %s", self.id, error)
        except Exception as error:
            # The text of a foreign exception may hold a key or a prompt.
            logger.error("Agent %s has no title for session %s: %s", agent.name, self.id, type(error).__name__)
        finally:
            self._titling = None


def _user(author: e.Author | None) -> str:
    return author.username if author else ""


def _full(limits: Limits) -> str:
    size = f"{limits.session_bytes:,.0f} bytes, as much as c.DurableChat.max_session_bytes allows"
    return f"This chat has {size}. Fork it, or begin a new one."


def _content(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def _must_be_same(is_same: bool, client_id: str) -> None:
    if not is_same:
        raise ClientIdReused(
            f"client_id {client_id!r} was already used for something else. Give every request a client_id of its own."
        )


def _is_sent(said: JSON, message: Message) -> bool:
    """Whether this is what the message says, as it was sent."""
    metadata: JSON = said["metadata"]
    parts = metadata.get("sent") or said["parts"]
    return (
        said["role"] == "user"
        and parts[0]["text"] == message.text
        and parts[1:] == message.parts
        and all(metadata.get(name) == getattr(message, name) for name in ("agent", "model", "tools"))
    )


def _reply(said: JSON, client_id: str) -> Sent:
    """The answer to the request that this message, or this answer, came with."""
    metadata: JSON = said["metadata"]
    message_id = said["id"] if said["role"] == "user" else metadata["parent"]
    if "queued" in metadata:
        return Sent(message_id, metadata["turn"], metadata["queued"], "queued")
    request = next(request for request in requests(said) if request.get("client_id") == client_id)
    return Sent(message_id, request["turn"], request["lsn"])
