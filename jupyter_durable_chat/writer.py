"""The one who writes: a turn runs here, under a lease, and what becomes of it is stored.

While a turn runs, this process holds the session's lease; every event of the turn carries the lease's epoch, and the
turn's end gives the lease back in the transaction that stores the outcome. Only the lease's holder runs a turn, whoever
asks for one; anybody may ask for a stop, by an event that the holder heeds. A process that runs none stores that one
begins, without a lease, and offers it (`board.py`). A turn ends with an outcome whatever its agent, the store or the
process do: what cannot be stored now is closed by the registry's next round.
"""

import asyncio
import contextlib
import logging
import traceback
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime

import msgspec
from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.admission import Admission, Place
from jupyter_durable_chat.agents import Agent, AgentError, Verdict
from jupyter_durable_chat.agents.catalog import UnknownAgent
from jupyter_durable_chat.agents.title import text_of, title_of
from jupyter_durable_chat.attachments import URL, Attachments, TooLarge, UnknownAttachment, media_type
from jupyter_durable_chat.board import OFFERED, TAKEN
from jupyter_durable_chat.commands import Busy
from jupyter_durable_chat.facts import FirstToken, Tell, TurnBegun, TurnEnded, TurnFact, TurnLeft, model_named
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
from jupyter_durable_chat.notices import DUE, TOLD, Noticed, Notices, asker, kind_of, outcome_noticed, waiting_noticed
from jupyter_durable_chat.replica import KEPT, Numbered, Replica, summary
from jupyter_durable_chat.runners import Runners
from jupyter_durable_chat.stage import Seen, Stage, StepLimits, Whom, verdict_on
from jupyter_durable_chat.steps import Steps, discard
from jupyter_durable_chat.tools import Approval, Tool, Toolbox, ToolError
from jupyter_durable_chat.tools.builtin import ASKING
from jupyter_durable_chat.tools.kernel import KernelTool
from jupyter_durable_chat.transcript import JSON, Transcript
from jupyter_durable_chat.turn import Limits, Turn

logger = logging.getLogger(__name__)

RESTART_SECONDS = 5
"""After which a server that shuts down may be there again."""

LOOK_INTERVAL = 0.25
"""Seconds between two looks at what others appended while a turn runs here."""

OFFER_SECONDS = 30.0
"""How long a turn may wait for somebody to run it; then it fails."""

NO_WORKER = e.Error(
    "internal",
    "Nobody is there to answer: no worker of this owner has taken this question. Start one with 'jupyter durable-chat "
    "worker' (on a hub: with JUPYTERHUB_USER set to this user), or see in the log of the server's own why it does not "
    "run; then try again.",
    recoverable=True,
)

NO_FILES = "This server keeps no files."

INCOMPLETE = ("interrupted", "truncated")
"""Outcomes for which a session needs attention."""

TITLE_SECONDS = 20.0
"""How long an agent may think about a title; then it is made from the text."""


class Start(Struct, frozen=True):
    """A turn to be: who answers, who asks for it, and the events that come before its own."""

    turn_id: str
    user_message_id: str
    message_id: str
    whom: Whom
    user: str
    before: list[e.Event] = []
    client_id: str | None = None
    resume: JSON | None = None
    """How the agent goes on with the step that this turn is in."""


class Terms(Struct, frozen=True):
    """What all sessions of a process share: who writes here, by which clock, and how much is allowed."""

    holder: str
    lease_seconds: float
    clock: Callable[[], float]
    limits: Limits
    admission: Admission
    compact_after: int
    steps: StepLimits
    budget: e.Budget
    tools: Toolbox
    runners: Runners
    attachments: Attachments | None
    notices: Notices
    tell: Tell
    runs: Callable[[], bool]
    """Whether turns run in this process; else they are offered to others."""
    offer: Callable[[str], Awaitable[None]]
    titles: bool = True
    """Whether agents are asked for titles."""


class Writer(Replica, ABC):
    """A session whose turns may run here."""

    def __init__(self, log: Log, session_id: str, terms: Terms) -> None:
        super().__init__(log, session_id, terms.clock, terms.compact_after)
        self._holder = terms.holder
        self._lease_seconds = terms.lease_seconds
        self._limits = terms.limits
        self._admission = terms.admission
        self._terms = terms
        self._tell = terms.tell
        self._commands = asyncio.Lock()
        self._turn: Turn | None = None
        self._answering: Agent | None = None
        self._running: asyncio.Task[None] | None = None
        self._titling: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        """What goes on here of a turn that runs elsewhere."""
        self._closing = False
        self._size = 0
        """Bytes that the log had when it was last looked at."""
        self._unstored: tuple[str, e.Error] | None = None
        """A turn that ended here, and why that could not be stored."""
        self._refused: str | None = None
        """A turn that was offered and that this process cannot run."""
        self._asking: Noticed | None = None
        """What the turn that runs here asks of a person, as it was told last."""
        self._asking_known = True
        """Whether that is so whoever wrote before."""

    @property
    def running(self) -> bool:
        """Whether this process runs a turn of this session."""
        return self._running is not None

    @property
    def answering(self) -> bool:
        """Whether a turn of this session runs here, or elsewhere for this process."""
        return self.running or self._following is not None

    @property
    def working(self) -> bool:
        """Whether that turn does anything, and does not wait for a person or a kernel."""
        turn = self.transcript.turn
        return self.answering and (turn is None or turn.get("waits_since") is None)

    @property
    def acting(self) -> bool:
        """Whether something is done here at this moment that is not to be left half-way."""
        return self._commands.locked() or (self.running and self.working)

    def lose(self) -> None:
        """Another process has the lease of the turn that runs here: let go of it."""
        if self._turn:
            self._turn.interrupt()

    @abstractmethod
    def drain(self) -> None:
        """A turn is over: start what waits."""

    @abstractmethod
    def find_agent(self, name: str, model: str | None = None) -> tuple[Agent, str | None]:
        """The agent of that name, and its model. Raises `UnknownAgent`."""

    async def recover(self, over: int | None = None, *, unwanted: e.Error | None = None) -> None:
        """Take the turn that nobody runs: one that was offered, or that of a writer who is gone. Idempotent.

        It goes on here as far as it can, else it is closed; nothing happens when the session is held meanwhile. `over`
        is the epoch of the lease that its holder left; `unwanted`: why one that is still offered fails.
        """
        async with self._commands:
            await self._recover(over, unwanted)
        self.drain()

    async def _recover(self, over: int | None, unwanted: e.Error | None) -> None:
        if self.running or (over is None and unwanted is None and self._is_refused(self.transcript.turn)):
            return
        try:
            mine = await self._log.lease(self.id, self._holder, self._lease_seconds, over=over)
        except LeaseHeld:
            self._unstored = None
            return
        if await self._gave_back(mine):
            return
        turn = self.transcript.turn
        assert turn is not None
        unstored, self._unstored = self._unstored, None
        is_offered = await self._is_offered()
        ending: list[e.Event] | None
        if unstored and unstored[0] == turn["id"]:
            ending = _failed(unstored[1])
        elif turn["stopping"]:
            ending = [e.TurnStopped(outcome="stopped")]
        elif unwanted and is_offered:
            ending = _failed(unwanted)
        elif not self._terms.runs() and (is_offered or self._is_for_others(turn)):
            await self._log.append(self.id, [], epoch=mine, labels=OFFERED, release=True)
            await self._terms.offer(self.id)
            return
        elif is_offered and (why := self._why_not(turn)):
            logger.warning("Session %s: turn %s is left to other workers: %s", self.id, turn["id"], why)
            self._refused = turn["id"]
            await self._log.append(self.id, [], epoch=mine, release=True)
            return
        elif await self._take_over(turn, mine, is_offered):
            return
        else:
            ending = [e.TurnStopped(outcome="interrupted")]
        logger.warning("Session %s: nobody writes turn %s any more; it is closed", self.id, turn["id"])
        try:
            await self._close_turn(turn["id"], mine, ending)
        except LogUnavailable:
            self._unstored = unstored
            raise

    async def _gave_back(self, epoch: int) -> bool:
        """Whether there was no turn to take, so that the lease was given back."""
        while True:
            await self.refresh()
            if self.transcript.turn is not None:
                return False
            try:
                # Only if it is still so: a server may offer a turn at any moment.
                await self._log.append(self.id, [], epoch=epoch, after=self.transcript.lsn, labels=TAKEN, release=True)
            except Conflict:
                continue
            self._unstored = None
            return True

    def _is_for_others(self, turn: JSON) -> bool:
        """Whether another process, which has the agent of this turn, can go on with it."""
        try:
            return self._can_go_on(self.find_agent(turn["agent"], turn["model"])[0])
        except UnknownAgent:
            return False

    async def _is_offered(self) -> bool:
        return (await self._log.head(self.id)).labels.items() >= OFFERED.items()

    def _is_refused(self, turn: JSON | None) -> bool:
        return turn is not None and turn["id"] == self._refused

    def _why_not(self, turn: JSON) -> str | None:
        """Why this process cannot run a turn that was offered: it has another configuration than who offers it."""
        try:
            self.find_agent(turn["agent"], turn["model"])
        except UnknownAgent as error:
            return str(error)
        return None

    async def _take_over(self, turn: JSON, epoch: int, is_offered: bool) -> bool:
        """Run a turn that others have begun, or left while its agent waited; whether that can be."""
        if self._closing or not self._terms.runs():
            return False
        try:
            agent, model = self.find_agent(turn["agent"], turn["model"])
        except UnknownAgent as error:
            logger.warning("Session %s: turn %s cannot go on: %s", self.id, turn["id"], error)
            return False
        goes_on = self._can_go_on(agent)
        if not (goes_on or is_offered):
            return False
        asked = self.transcript.message(turn["user_message_id"])
        user = asked["metadata"].get("author", {}).get("username", "") if asked else ""
        whom = Whom(agent, model, turn.get("effort"), turn.get("mode"), turn.get("tools"))
        start = Start(
            turn["id"], turn["user_message_id"], turn["message_id"], whom, user, resume=self._resume_of(agent)
        )
        if is_offered:
            # Who dies after that has begun it: what kills its process is not begun again by the next one.
            begins = [] if goes_on else [self.encode(e.Start(message_id=start.message_id), start.turn_id)]
            await self._log.append(self.id, begins, epoch=epoch, labels=TAKEN)
            await self.refresh()
        self._asking_known = not goes_on
        logger.info("Session %s: turn %s goes on here", self.id, turn["id"])
        since = None if goes_on else asyncio.get_running_loop().time()
        self._run(start, epoch, self._admission.adopt(user), since)
        return True

    async def _start(self, start: Start) -> None:
        """Store that a turn begins, and run it."""
        # While this waits, who reads moves the transcript on, beyond what was decided on.
        seen = self.transcript.lsn
        since = asyncio.get_running_loop().time()
        if self._closing:
            raise Busy("The server is shutting down.", retry_after=RESTART_SECONDS)
        if self._running:
            # Its outcome is stored; what is left of it is to clear up.
            await asyncio.wait({self._running})
        if self._following:
            # What it has followed is over, as who decides has seen.
            self._following.cancel()
            await asyncio.wait({self._following})
        place = self._admission.turn(start.user)
        try:
            if self._terms.runs():
                self._run(start, await self._begin(start, seen), place, since)
            else:
                await self._store_beginning(start, seen, None)
                self.follow(place)
                await self._terms.offer(self.id)
        except BaseException:
            place.give_back()
            raise

    def follow(self, place: Place | None = None) -> None:
        """Hold the place of the turn that runs elsewhere, until it is over; see that somebody runs it. Idempotent."""
        turn = self.transcript.turn
        if turn is None or self._closing or self.answering:
            if place:
                place.give_back()
            return
        held = place or self._admission.adopt(asker(self.transcript, turn["user_message_id"]))
        self._following = asyncio.create_task(self._follow(turn["id"]), name=f"following {self.id}")

        def over(_: asyncio.Task[None]) -> None:
            held.give_back()
            self._following = None

        self._following.add_done_callback(over)

    async def _follow(self, turn_id: str) -> None:
        loop = asyncio.get_running_loop()
        patience = loop.time() + OFFER_SECONDS

        def goes_on() -> bool:
            return self.transcript.turn is not None and self.transcript.turn["id"] == turn_id

        while goes_on():
            try:
                if loop.time() >= patience:
                    patience = loop.time() + OFFER_SECONDS
                    await self._give_up(turn_id)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(patience):
                        await self.wait()
                await self.refresh()
            except (StreamDeleted, UnknownStream):
                return
            except LogError as error:
                logger.warning("Session %s: its log cannot be read now: %s", self.id, error)
            if goes_on():
                await asyncio.sleep(LOOK_INTERVAL)

    async def _give_up(self, turn_id: str) -> None:
        """Close a turn that nobody has begun for too long, or that nobody holds. One that only waits has time."""
        turn = self.transcript.turn
        if turn is None or turn["id"] != turn_id:
            return
        if await self._is_offered():
            if not turn.get("acting"):
                await self.recover(unwanted=NO_WORKER)
        elif all(lease.stream != self.id for lease in await self._log.leases()):
            # Of one that has a holder, the registry knows best whether that is there.
            await self.recover()

    async def _begin(self, start: Start, seen: int) -> int:
        """Store the beginning of a turn under a new lease, when nothing came after `seen`; returns its epoch.

        Raises `Conflict`, `Busy`.
        """
        try:
            epoch = await self._log.lease(self.id, self._holder, self._lease_seconds)
        except LeaseHeld as held:
            text = "Another Jupyter server is just using this chat. Send the message again."
            raise Busy(text, retry_after=1) from held
        try:
            await self._store_beginning(start, seen, epoch)
        except Conflict:
            await self.refresh()
            if self.transcript.turn is None:
                await self._log.append(self.id, [], epoch=epoch, release=True)
            # Else the lease of that turn had run out, and this is its successor: the registry closes the turn under it.
            raise
        return epoch

    async def _store_beginning(self, start: Start, seen: int, epoch: int | None) -> None:
        """Store that a turn begins, when nothing came after `seen`; without an `epoch`, for whoever takes it.

        Raises `Conflict`.
        """
        started = e.TurnStarted(
            user_message_id=start.user_message_id,
            message_id=start.message_id,
            agent=start.whom.agent.name,
            model=start.whom.model,
            effort=start.whom.effort,
            mode=start.whom.mode,
            tools=start.whom.only,
            client_id=start.client_id,
        )
        records = [*(self.encode(event) for event in start.before), self.encode(started, start.turn_id)]
        if epoch is not None:
            records.append(self.encode(e.Start(message_id=start.message_id), start.turn_id))
        question = next((event.text for event in start.before if isinstance(event, e.UserMessage)), None)
        labels = {"status": "streaming", "outcome": "", "asks": ""} | KEPT | self.queue_label(start.before)
        await self._log.append(
            self.id,
            records,
            epoch=epoch,
            after=seen,
            labels=labels | (OFFERED if epoch is None else TAKEN),
            summary=summary(self.transcript, preview=question, more=2),
            words=question or "",
        )
        await self.refresh()

    async def _answer(self, start: Start) -> AsyncGenerator[e.Chunk]:
        """What the agent says, step by step, to what a person sees."""
        stage = _Stage(self, start.turn_id)
        steps = Steps(stage, start.whom, self._terms.steps, start.message_id, resume=start.resume)
        async with aclosing(steps.run()) as chunks:
            async for chunk in chunks:
                yield chunk

    def _run(self, start: Start, epoch: int, place: Place, since: float | None = None) -> None:
        """Run the turn that was begun here `since`, or elsewhere (`None`)."""
        room = self._limits.session_bytes - self._size
        is_silent = since is not None

        async def append(events: Sequence[e.Event]) -> None:
            nonlocal room, is_silent
            records = [self.encode(event, start.turn_id) for event in events]
            for record in records:
                # What nobody could read is never stored, whatever an agent or a tool says.
                e.decode(record)
            await self._log.append(self.id, records, epoch=epoch)
            if is_silent and any(isinstance(event, e.TextDelta | e.ReasoningDelta) for event in events):
                is_silent = False
                self._tell(FirstToken(start.turn_id, asyncio.get_running_loop().time() - (since or 0.0)))
            room -= sum(map(len, records))
            if room < 0:
                turn.fail(e.Error("too-long", full(self._limits)))

        turn = self._turn = Turn(self._answer(start), append, limits=self._limits)
        self._answering = start.whom.agent
        attending = self._attend(turn, start, epoch, place, taken_over=since is None)
        self._running = asyncio.create_task(attending, name=f"turn {start.turn_id}")

    async def _attend(self, turn: Turn, start: Start, epoch: int, place: Place, *, taken_over: bool) -> None:
        """Run the turn and store its end; look meanwhile whether somebody asked for a stop."""
        model = model_named(start.whom.model)
        self._tell(TurnBegun(self.id, start.turn_id, start.whom.agent.name, model, taken_over))
        looking = asyncio.create_task(self._look(turn, start.turn_id, epoch))
        try:
            ending = await self._ended(turn)
            await self.refresh()
            if turn.left and self._can_go_on(start.whom.agent):
                logger.info("Session %s: turn %s is left to the next server", self.id, start.turn_id)
                return
            unwanted = self._resume_of(start.whom.agent) if _outcome(ending) == "stopped" else None
            title = await self._close_turn(start.turn_id, epoch, ending)
            if unwanted:
                await discard(start.whom.agent, unwanted)
            if title and self._terms.titles and not self._closing and self._titling is None:
                titling = self._title(start.whom.agent, start.whom.model, title)
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
            self._turn = self._answering = self._running = self._asking = None
            self._asking_known = True
            self._tell(TurnLeft(start.turn_id))
        self.drain()

    def _can_go_on(self, agent: Agent) -> bool:
        """Whether another process can go on with the turn that runs, as it is stored."""
        turn = self.transcript.turn
        if turn is None or turn["stopping"]:
            return False
        return bool(turn.get("acting")) or self._resume_of(agent) is not None

    def _resume_of(self, agent: Agent) -> JSON | None:
        """How this agent resumes the step that the turn is in, if it can."""
        turn = self.transcript.turn
        if turn is None or turn.get("acting") or not agent.resumes:
            return None
        return self._message(turn["message_id"])["metadata"].get("resume")

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

    async def _look(self, turn: Turn, turn_id: str, epoch: int) -> None:
        while True:
            if self.transcript.turn is None or self.transcript.turn["id"] != turn_id:
                # Another writer has closed it, while this process slept.
                turn.interrupt()
                return
            # Whoever folds first, what was asked for is heeded.
            self._heed()
            try:
                await self._tell_of_waits(epoch)
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

    # What a person is told who does not watch

    async def tell(self) -> None:
        """Tell of the outcome that is due, whoever stored it. Idempotent."""
        if noticed := outcome_noticed(self.transcript):
            await self._put(noticed)
        await self._log.append(self.id, [], labels=TOLD)

    async def _put(self, noticed: Noticed) -> None:
        person = self._terms.notices.person(noticed.user)
        await self._terms.notices.on(self._log).tell(person, noticed.turn, noticed.notice)

    def _watches(self, user: str) -> bool:
        notices = self._terms.notices
        return notices.watching.sees(notices.person(user), self.id)

    def _is_due(self, stopped: e.TurnStopped) -> bool:
        """Whether somebody is to be told of this end of the turn that runs."""
        turn = self.transcript.turn
        if turn is None or turn["stopping"] or kind_of(stopped.outcome, stopped.error) is None:
            return False
        return not self._watches(asker(self.transcript, turn["user_message_id"]))

    async def _tell_of_waits(self, epoch: int) -> None:
        """Tell that the turn has begun to wait for a person, or that it does not any more."""
        before, asking = self._asking, waiting_noticed(self.transcript)
        if self._asking_known and (before is None) == (asking is None):
            return
        if asking and not self._watches(asking.user):
            await self._put(asking)
        await self._log.append(self.id, [], epoch=epoch, labels={"asks": "person" if asking else ""})
        if before:
            await self._withdraw(before)
        self._asking, self._asking_known = asking, True

    async def _withdraw(self, asked: Noticed) -> None:
        notices = self._terms.notices
        await notices.on(self._log).withdraw(notices.person(asked.user), asked.turn)

    async def keep_file(self, data: bytes) -> str:
        """The `attachment:` URL of these bytes. Raises `ToolError`."""
        if self._terms.attachments is None:
            raise ToolError(NO_FILES)
        try:
            return URL + await self._terms.attachments.put(self.id, data)
        except (TooLarge, OSError) as error:
            raise ToolError(f"A file of the result cannot be kept: {error}") from None

    def spent(self) -> str | None:
        """Why this session must not use more; `None` when it may."""
        own = self.transcript.budget
        budget = msgspec.convert(own, e.Budget) if own is not None else self._terms.budget
        used = self.transcript.usage
        if self.transcript.turn:
            used += msgspec.convert(self.transcript.turn.get("usage", {}), e.Usage)
        where = "its budget" if own is not None else "c.DurableChat.session_tokens"
        if budget.tokens and used.tokens >= budget.tokens:
            return f"This chat has used {used.tokens:,} tokens, as many as {where} allows ({budget.tokens:,})."
        where = "its budget" if own is not None else "c.DurableChat.session_cost_usd"
        if budget.cost_usd and (used.cost_usd or 0) >= budget.cost_usd:
            return f"This chat has cost ${used.cost_usd:.2f}, as much as {where} allows (${budget.cost_usd:.2f})."
        return None

    async def _close_turn(self, turn_id: str, epoch: int, ending: Sequence[e.Event]) -> str | None:
        """Store how the turn ended; returns the title that the session got with it, if it had none."""
        stopped = ending[-1]
        assert isinstance(stopped, e.TurnStopped)
        title, begun, due = None, 0, False
        ended: TurnEnded | None = None

        def decide() -> list[Numbered]:
            nonlocal title, begun, ended
            turn = self.transcript.turn
            used = msgspec.convert(turn["usage"], e.Usage) if turn and turn.get("usage") else stopped.usage
            end = msgspec.structs.replace(stopped, usage=used)
            ended = self._ended_as(turn, end) if turn else None
            answer = self._message(turn["message_id"]) if turn else None
            begun = answer["metadata"]["lsn"] if answer else 0
            named = self.transcript.title is not None or stopped.outcome != "completed"
            title = None if named else title_of(self.transcript.messages)
            decided: list[Numbered] = [(None, e.SessionUpdated(title=title))] if title else []
            decided += [(turn_id, event) for event in (*ending[:-1], end)]
            too_late = turn and turn["stopping"] and stopped.outcome != "stopped"
            if too_late and self.transcript.queue and self.transcript.held is None:
                # Who stops an answer in its last moment does not want the next one either.
                decided.append((None, e.QueueHeld(reason="stopped")))
            return decided

        async def commit(decided: list[Numbered]) -> None:
            nonlocal due
            due = self._is_due(stopped)
            answer = self._message(turn["message_id"]) if (turn := self.transcript.turn) else None
            await self._log.append(
                self.id,
                [self.encode(event, of_turn) for of_turn, event in decided],
                epoch=epoch,
                after=self.transcript.lsn,
                labels={
                    "status": "failed" if stopped.outcome == "failed" else "idle",
                    "outcome": stopped.outcome if stopped.outcome in INCOMPLETE else "",
                    "asks": "",
                }
                | TAKEN
                | (DUE if due else {})
                | self.queue_label(event for _, event in decided),
                summary=summary(self.transcript, title=title),
                words=text_of(answer) if answer else "",
                release=True,
            )

        await self.decide(decide, commit)
        if ended:
            self._tell(ended)
        await self.refresh()
        try:
            await self.keep(since=begun)
        except LogError as error:
            # The outcome is stored; without a snapshot, opening the session costs more.
            logger.warning("Session %s: no snapshot after turn %s: %s", self.id, turn_id, error)
        try:
            if self._asking:
                await self._withdraw(self._asking)
            if due:
                await self.tell()
        except LogError as error:
            # What is due is stored, too: a registry's next round tells it.
            logger.warning("Session %s: nobody is told of turn %s as yet: %s", self.id, turn_id, error)
        return title

    def _ended_as(self, turn: JSON, end: e.TurnStopped) -> TurnEnded:
        used = end.usage or e.Usage()
        seconds = max(0.0, self._clock() - datetime.fromisoformat(turn["started_at"]).timestamp())
        category = end.error.category if end.error else None
        return TurnEnded(self.id, turn["id"], end.outcome, seconds, category, used.input_tokens, used.output_tokens)

    async def _title(self, agent: Agent, model: str | None, made: str) -> None:
        """Let the agent find a better title than the one that was made from the text. A person's own stays."""

        def decide() -> list[Numbered]:
            wanted = title is not None and title != made and self.transcript.title == made
            return [(None, e.SessionUpdated(title=title))] if wanted else []

        try:
            async with asyncio.timeout(TITLE_SECONDS):
                title = await agent.title(list(self.transcript.messages), model)
            async with self._commands:
                await self.decide(decide, self.add)
            await self.summarise(touch=False)
        except (AgentError, LogError, TimeoutError) as error:
            why = error if str(error) else f"it took longer than {TITLE_SECONDS:g} s"
            logger.info("Session %s keeps the title from its text: %s", self.id, why)
        except Exception as error:
            # The text of a foreign exception may hold a key or a prompt.
            logger.error("Agent %s has no title for session %s: %s", agent.name, self.id, type(error).__name__)
        finally:
            self._titling = None


STRICTNESS: list[Approval] = ["never", "once", "always"]


class _Stage(Stage):
    """A session while a turn of it runs."""

    def __init__(self, writer: Writer, turn_id: str) -> None:
        self.session = writer.id
        self.turn_id = turn_id
        self._writer = writer

    @property
    def transcript(self) -> Transcript:
        return self._writer.transcript

    def tell(self, fact: TurnFact) -> None:
        self._writer._tell(fact)

    async def until(self, look: Callable[[Transcript], Seen | None]) -> Seen:
        while True:
            if (seen := look(self.transcript)) is not None:
                return seen
            try:
                await self._writer.wait()
                await self._writer.refresh()
            except LogUnavailable:
                # What cannot be read now is there later, or the turn ends because nothing can be stored.
                await asyncio.sleep(LOOK_INTERVAL)

    async def add(self, decide: Callable[[Transcript], Sequence[e.Event]]) -> None:
        while True:
            try:
                return await self._writer.decide(
                    lambda: [(self.turn_id, event) for event in decide(self.transcript)], self._writer.add
                )
            except LogUnavailable:
                await asyncio.sleep(LOOK_INTERVAL)

    async def tools(self) -> dict[str, Tool]:
        found = dict(await self._writer._terms.tools.all())
        offered: dict[str, KernelTool] = {}
        for offer in reversed(self.transcript.offers):
            for about in offer["tools"]:
                tool = KernelTool(msgspec.convert(about, e.OfferedTool))
                newest = offered.setdefault(tool.name, tool)
                # Whoever of them runs it, its owner was asked as that one wants it.
                newest.approval = max(newest.approval, tool.approval, key=STRICTNESS.index)
        return {**{name: tool for name, tool in offered.items() if name not in ASKING}, **found}

    def policy(self, tool: Tool) -> Approval:
        return self._writer._terms.tools.approval(tool)

    def resting(self) -> contextlib.AbstractContextManager[None]:
        assert self._writer._turn is not None
        return self._writer._turn.resting()

    async def gone(self, runner: str, call_id: str) -> None:
        def replaced() -> bool:
            return all(offer["runner"] != runner for offer in self.transcript.offers)

        def seen() -> object:
            call = self.transcript.call(call_id)
            return call["started"].get("seen") if call and "started" in call else None

        await self._writer._terms.runners.gone(runner, replaced, seen)

    def spent(self) -> str | None:
        return self._writer.spent()

    def time(self, seconds: float) -> str:
        return e.timestamp(self._writer._clock() + seconds)

    def seconds_to(self, at: str) -> float:
        return datetime.fromisoformat(at).timestamp() - self._writer._clock()

    async def keep(self, data: bytes) -> str:
        return await self._writer.keep_file(data)

    async def attachment(self, url: str) -> tuple[bytes, str]:
        attachments = self._writer._terms.attachments
        if attachments is None:
            raise AgentError("internal", NO_FILES)
        try:
            data = await attachments.get(self.session, url.removeprefix(URL))
        except UnknownAttachment as error:
            raise AgentError("internal", str(error)) from None
        return data, media_type(data)

    async def approval(self, approval_id: str) -> Verdict:
        with self.resting():
            return await verdict_on(self, approval_id)

    def agent(self, name: str) -> tuple[Agent, str | None]:
        try:
            agent, model = self._writer.find_agent(name)
        except UnknownAgent as error:
            raise ToolError(str(error)) from None
        if why := agent.unavailable(model):
            raise ToolError(why)
        return agent, model


def _failed(why: e.Error) -> list[e.Event]:
    return [e.ErrorText(error_text=why.text), e.TurnStopped(outcome="failed", error=why)]


def _outcome(ending: Sequence[e.Event]) -> e.Outcome:
    assert isinstance(ending[-1], e.TurnStopped)
    return ending[-1].outcome


def full(limits: Limits) -> str:
    """Why a session takes no more."""
    size = f"{limits.session_bytes:,.0f} bytes, as much as c.DurableChat.max_session_bytes allows"
    return f"This chat has {size}. Fork it, or begin a new one."
