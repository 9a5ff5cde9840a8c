"""Which sessions are loaded here, who writes them, which must be recovered.

Loading is a cache and nothing more: a session that nobody uses and that runs no turn may leave memory at any time. A
turn runs on when the last user of its session leaves. Every lease of this process is renewed until the process ends;
a lease whose holder is gone, or that belongs to no turn here, is taken over and its turn closed as `interrupted`.

Who takes commands need not run turns: a `server` hands them over, and a `worker`, which takes no commands, runs them.
What they know of each other is in the log alone, so there may be any number of either, or none for a while.

A store that cannot be opened stops nothing else: `log` and every command raise `LogUnavailable` with the reason, and
it is tried again from time to time. A session that cannot be read costs no other one anything.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
import time
import traceback
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.admission import Admission
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.agents.title import text_of
from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.board import OFFERED, TAKEN, Board
from jupyter_durable_chat.board import PREFIX as BOARDS
from jupyter_durable_chat.commands import new_id
from jupyter_durable_chat.facts import SessionGone, SessionMade, StoreOpened, StoreUnavailable, Tell, silent
from jupyter_durable_chat.log import (
    AheadOfLog,
    Conflict,
    Head,
    Lease,
    Log,
    LogError,
    LogUnavailable,
    Record,
    StreamDeleted,
    UnknownStream,
)
from jupyter_durable_chat.log.words import words_of
from jupyter_durable_chat.notices import DUE, SESSIONS, TOLD, Inboxes, Notices
from jupyter_durable_chat.notices import PREFIX as INBOXES
from jupyter_durable_chat.portable import Portable
from jupyter_durable_chat.replica import KEPT, SHARES, summary
from jupyter_durable_chat.runners import Runners
from jupyter_durable_chat.session import Session
from jupyter_durable_chat.sight import Sight
from jupyter_durable_chat.stage import StepLimits
from jupyter_durable_chat.streams import PREFIX as STREAMS
from jupyter_durable_chat.tools import Toolbox
from jupyter_durable_chat.transcript import JSON, Transcript
from jupyter_durable_chat.turn import Limits
from jupyter_durable_chat.watching import Watching
from jupyter_durable_chat.writer import INCOMPLETE, Terms

logger = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two rounds of renewing leases and looking for turns to recover."""

UNRENEWED_SECONDS = 3 * TICK
"""How long a lease that has run out must stay so before its holder is taken for gone."""

IDLE_SESSIONS = 64
"""Sessions that stay loaded for a while though nobody uses them."""

IDLE_SECONDS = 60.0
"""How long."""

TIDY_SECONDS = 60.0
"""Between two rounds of compacting and deleting what is old, and of looking for forgotten messages."""

TIDY_SESSIONS = 100
"""Sessions that one such round compacts, or deletes: it shares the store with everybody."""

SWEEP_SECONDS = 3600.0
"""Between two looks for files that no session refers to."""

INDEXED_AT_ONCE = 1 << 16
"""Characters whose words the log reads in one piece."""

DAY = 24 * 3600.0

OTHERS = (INBOXES, BOARDS, STREAMS)
"""How the ids begin of logs that are no sessions."""

WORKER_SECONDS = 3.0
"""For which a server leaves a turn whose writer is gone to workers, before it closes the turn itself."""

TAKEN_AT_ONCE = 32
"""Turns that a worker takes side by side."""

Part = Literal["both", "server", "worker"]
"""Who takes commands, and runs turns; who takes commands, and has turns run; who runs turns."""


class Retention(Struct, frozen=True):
    """What is kept for how long; 0 is for ever, or any number. Nothing that runs or waits is touched."""

    compact_after_days: float = 0
    compact_after_events: int = 0
    delete_after_days: float = 0
    sessions: int = 0


SHUTDOWN_SECONDS = 5.0


class Registry:
    """The sessions of one process on one store. Start it, and close it when the process ends."""

    def __init__(
        self,
        open_log: Callable[[], Log],
        agents: Agents,
        *,
        lease_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
        limits: Limits = Limits(),  # noqa: B008 (it is frozen)
        retention: Retention = Retention(),  # noqa: B008
        admission: Admission | None = None,
        tools: Toolbox | None = None,
        steps: StepLimits = StepLimits(),  # noqa: B008
        budget: e.Budget = e.Budget(),  # noqa: B008
        runners: Runners | None = None,
        attachments: Attachments | None = None,
        notices: Notices | None = None,
        part: Part = "both",
        owner: str = "",
        on_offer: Callable[[], None] = lambda: None,
        tell: Tell = silent,
        titles: bool = True,
    ) -> None:
        self.agents = agents
        self._open_log = open_log
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._retention = retention
        self._on_offer = on_offer
        self._tell = tell
        self._part = part
        self._owner = owner
        self._runs = part != "server"
        self._holder = f"{machine()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._terms = Terms(
            holder=self._holder,
            lease_seconds=lease_seconds,
            clock=clock,
            limits=limits,
            admission=admission or Admission(),
            compact_after=retention.compact_after_events,
            steps=steps,
            budget=budget,
            tools=tools or Toolbox(),
            runners=runners or Runners(),
            attachments=attachments,
            notices=notices or Notices(Watching(), clock=clock),
            tell=tell,
            runs=lambda: self._runs,
            offer=self._offer,
            titles=titles,
        )
        self._log: Log | None = None
        self._board: Board | None = None
        self._why = "The store is being opened; try again in a moment."
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._users: dict[str, int] = {}
        self._left: dict[str, float] = {}
        self._leases: dict[str, tuple[Lease, float]] = {}
        """Leases of others as they were last seen, and since when they are so."""
        self._failing: dict[str, str] = {}
        """What was told of, and why it failed: not every second again."""
        self._tidied = clock()
        self._swept = 0.0
        self._ticking: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._taking: asyncio.Task[None] | None = None
        self._has_come = False
        self._alone = False
        """Whether the server that this worker was started by is gone."""

    async def __aenter__(self) -> Self:
        """Open the store and close what earlier writers left open; then keep doing so. Never raises for a bad store."""
        await self._open()
        await self._round()
        await self._drain()
        sight = Sight(self._terms.notices.watching, lambda: (self.log, self.inboxes))
        self._ticking = asyncio.create_task(self._tick(), name="durable-chat registry")
        self._looking = asyncio.create_task(sight.look(), name="durable-chat sight")
        if self._part == "server":
            with self._by_itself("Telling the workers of this server"):
                await self._come()
        if self._part == "worker":
            self._taking = asyncio.create_task(self._take_turns(), name="durable-chat worker")
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End the turns of this process as `interrupted`, within five seconds, and close the store."""
        # From now on nobody gets a session: whoever had one must not begin a turn that nobody ends.
        log, self._log, self._why = self._log, None, "The server is shutting down."
        for task in filter(None, (self._ticking, self._looking, self._taking)):
            task.cancel()
            await asyncio.wait({task})
        ending = [asyncio.create_task(session.shut_down()) for session in self._sessions.values()]
        if ending:
            await asyncio.wait(ending, timeout=SHUTDOWN_SECONDS)
        if log:
            await log.__aexit__(None, None, None)

    @property
    def log(self) -> Log:
        """The open store; raises `LogUnavailable` with the reason when there is none."""
        if self._log is None:
            raise LogUnavailable(self._why)
        return self._log

    @property
    def turns(self) -> int:
        """How many turns run in this process, or elsewhere for it."""
        return sum(session.answering for session in self._sessions.values())

    @property
    def working(self) -> int:
        """How many of them do something, and do not wait for a person or a kernel."""
        return sum(session.working for session in self._sessions.values())

    @property
    def inboxes(self) -> Inboxes:
        """What people are told. Raises `LogUnavailable`."""
        return self._terms.notices.on(self.log)

    @property
    def loaded(self) -> int:
        """How many sessions are in memory."""
        return len(self._sessions)

    async def create(self, fact: e.SessionCreated, key: str | None) -> tuple[Transcript, bool]:
        """A new session, or the one that this key already names; the second value says which (true: new)."""
        self.agents.resolve(fact.agent, fact.model)
        now = e.timestamp(self._clock())
        record = e.encode(fact, at=now)
        transcript = Transcript()
        transcript.apply(e.decode(e.number(1, record)))
        head = await self.log.create(
            fact.session,
            [record],
            key=key,
            labels={"status": "idle"} | KEPT | _notebook(key),
            summary=summary(transcript),
        )
        is_new = head.stream == fact.session
        if is_new:
            self._tell(SessionMade(head.stream, "new"))
        async with self.acquire(head.stream) as session:
            return session.transcript, is_new

    @contextlib.asynccontextmanager
    async def acquire(self, session_id: str) -> AsyncIterator[Session]:
        """The session, loaded and current. Raises `UnknownStream`, `StreamDeleted`, `LogUnavailable`."""
        log = self.log
        must_be_session(session_id)
        session = self._sessions.get(session_id) or Session(log, session_id, self.agents, self._terms)
        self._sessions[session_id] = session
        self._sessions.move_to_end(session_id)
        self._users[session_id] = self._users.get(session_id, 0) + 1
        try:
            await session.refresh()
            yield session
        except (UnknownStream, StreamDeleted):
            # What still goes on in it is counted, and ended when the server is, like anything else.
            if not session.busy and self._sessions.get(session_id) is session:
                self._forget(session_id)
            raise
        finally:
            self._users[session_id] -= 1
            if not self._users[session_id]:
                del self._users[session_id]
                if session_id in self._sessions:
                    self._left[session_id] = asyncio.get_running_loop().time()
            self._unload()

    async def fork(self, session_id: str, lsn: int | None, by: e.Author | None) -> Transcript:
        """A new session whose log is this one's up to `lsn` (`None`: all of it), under the same LSNs.

        A turn that runs there is `interrupted` in the fork; it runs on where it is. The fork begins with the snapshot
        of what it has in common, so it costs what is shown. Raises `AheadOfLog`, and `Compacted` where `lsn` is gone.
        """
        transcript = await self._transcript_at(session_id, lsn)
        fact = e.SessionCreated(
            session=new_id("s"),
            notebook=transcript.notebook,
            title=transcript.title,
            agent=transcript.agent,
            model=transcript.model,
            forked_from=session_id,
            by=by,
        )
        # Under its own id, by which a reader of several sessions knows whose snapshot it is.
        base = Record(transcript.lsn, e.to_json(transcript.to_json() | {"id": fact.session}))
        now = e.timestamp(self._clock())
        records = [e.encode(fact, at=now)]
        if transcript.turn:
            records.append(e.encode(e.TurnStopped(outcome="interrupted"), at=now, turn=transcript.turn["id"]))
        left = dict.fromkeys(("queue", "asks", SHARES), "") | TOLD | TAKEN
        # As the events say it: a fork of what has failed has failed, too.
        status = {"status": "idle" if transcript.turn else transcript.status}
        labels = {**(await self.log.head(session_id)).labels, **status} | left
        await self.log.create(fact.session, records, labels=labels, summary=summary(transcript), base=base)
        self._tell(SessionMade(fact.session, "fork"))
        await self._index(fact.session, transcript)
        if files := self._terms.attachments:
            with _disk_errors():
                await files.fork(session_id, fact.session)
        async with self.acquire(fact.session) as session:
            return session.transcript

    async def take_in(self, portable: Portable) -> Transcript:
        """A session that was a file: all of it is stored, with its files, or nothing. Raises `LogUnavailable`."""
        transcript = portable.transcript
        try:
            if files := self._terms.attachments:
                with _disk_errors():
                    for data in portable.attachments.values():
                        await files.put(transcript.id, data)
            labels = {"status": transcript.status} | KEPT
            about = summary(transcript)
            await self.log.create(transcript.id, portable.records, labels=labels, summary=about, base=portable.base)
        except LogError:
            await self._forget_files(transcript.id)
            raise
        self._tell(SessionMade(transcript.id, "import"))
        with self._by_itself(f"Preparing session {transcript.id}"):
            await self._index(transcript.id, transcript)
            await self.log.save_snapshot(transcript.id, Record(transcript.lsn, e.to_json(transcript.to_json())))
        return transcript

    async def _index(self, session_id: str, transcript: Transcript) -> None:
        """Let the session be found by its words; in pieces, as reading the words of one holds up everybody."""
        text = ""
        for message in transcript.messages:
            text = f"{text} {text_of(message)}"
            if len(text) > INDEXED_AT_ONCE:
                await self.log.append(session_id, [], words=text)
                text = ""
        await self.log.append(session_id, [], words=text)

    async def _transcript_at(self, session_id: str, lsn: int | None) -> Transcript:
        must_be_session(session_id)
        end = (await self.log.head(session_id)).lsn
        if lsn is None:
            lsn = end
        if lsn > end:
            raise AheadOfLog(session_id, lsn, end)
        snapshot = await self.log.snapshot(session_id)
        transcript = Transcript()
        if snapshot and snapshot.lsn <= lsn:
            transcript = Transcript.from_json(json.loads(snapshot.data))
        while transcript.lsn < lsn:
            for record in await self.log.read(session_id, transcript.lsn, limit=min(1000, lsn - transcript.lsn)):
                transcript.apply(e.decode(e.number(*record)))
        return transcript

    async def move(self, root: str, old: str, new: str | None) -> None:
        """A notebook, or a folder of them, is elsewhere now, or gone (`None`); its sessions go with it.

        Paths are relative to `root`. Nothing was at the new path any more, so what sessions are there still belong to a
        notebook that is no more, and to none from now on. What is gone takes no session with it: each is without a
        notebook.
        """
        moves = [(_place(root, old), new)]
        if new is not None:
            moves.insert(0, (_place(root, new), None))
        heads = [head async for head in self._all({})]
        for place, target in moves:
            for head in heads:
                if (rest := _below(place, head.labels.get("notebook", ""))) is None:
                    continue
                notebook = None if target is None else f"{target.strip('/')}{rest}"
                path = "" if notebook is None else _place(root, notebook)
                name = (head.key or "").partition("\n")[2]
                key = None if head.key is None else "" if notebook is None else f"{path}\n{name}"
                with self._by_itself(f"Moving session {head.stream}"):
                    async with self.acquire(head.stream) as session:
                        await session.move(notebook, path=path, key=key)

    async def delete(self, session_id: str) -> None:
        """Stop what runs and remove the session and its files for good; every reader is told."""
        async with self.acquire(session_id) as session:
            await session.delete()
        self._tell(SessionGone(session_id, "person"))
        await self._forget_about(session_id)

    async def _forget_about(self, session_id: str) -> None:
        """What is kept beside the log of a session goes with it."""
        with self._by_itself(f"Removing the notices of session {session_id}"):
            await self.inboxes.forget(session_id)
        await self._forget_files(session_id)

    async def _forget_files(self, session_id: str) -> None:
        if files := self._terms.attachments:
            with self._by_itself(f"Removing the files of session {session_id}"):
                await files.forget(session_id)

    async def keyed(self, session_id: str) -> tuple[str, str] | None:
        """The place of the notebook whose conversation this is, and its name there; `None` when it is no notebook's."""
        try:
            place, _, name = ((await self.log.head(session_id)).key or "").partition("\n")
        except (UnknownStream, StreamDeleted):
            return None
        return (place, name) if place else None

    async def share_hashes(self, session_id: str) -> list[str]:
        """The hashes of the tokens of all links to this session; none where there is no session. Reads one row."""
        try:
            return (await self.log.head(session_id)).labels.get(SHARES, "").split()
        except (UnknownStream, StreamDeleted):
            return []

    async def has(self, key: str) -> bool:
        """Whether there is a session of this key."""
        return await self.log.find(key) is not None

    async def sessions(
        self,
        *,
        notebook: str | None,
        status: str | None,
        search: str | None,
        before: str | None,
        limit: int,
        person: str = "",
    ) -> list[JSON]:
        """What a list of sessions shows this person, the last used first; `search` is for words of their messages."""
        if search and not words_of(search):
            return []
        labels = dict(SESSIONS)
        if notebook is not None:
            labels["notebook"] = notebook
        if status is not None:
            labels["status"] = status
        heads = await self.log.streams(labels=labels, search=search, before=before, limit=limit)
        unread = (await self.inboxes.open(person)).unread_sessions
        return [_listed(head, head.stream in unread) for head in heads]

    async def heads(self, limit: int) -> list[Head]:
        """The sessions that were used last."""
        return await self.log.streams(labels=SESSIONS, limit=limit)

    # Workers

    def nudge(self) -> None:
        """Another process says that it has stored something."""
        if self._log is not None:
            self._log.nudge()

    async def leave_alone(self) -> None:
        """The server of this worker is gone. Go on, until another worker comes and this one has nothing to do.

        Returns when nothing is left that this process must do.
        """
        self._alone = True
        while True:
            # First what waits: what is taken meanwhile is done here by then.
            is_wanted = self._runs and await self._is_wanted()
            if not is_wanted and not any(session.acting for session in self._sessions.values()):
                return
            await asyncio.sleep(TICK)

    async def _is_wanted(self) -> bool:
        """Whether something waits to be run, which this worker would do."""
        try:
            if await self._labelled(OFFERED):
                return True
            waiting = [head async for head in self._all({"queue": "waiting"})]
        except LogError:
            return False
        return any(head.labels.get("status") != "streaming" for head in waiting)

    async def _offer(self, session_id: str) -> None:
        with self._by_itself("Telling the workers of a turn"):
            await self._on_board().offer(session_id)
            self._on_offer()

    def _on_board(self) -> Board:
        if self._board is None:
            self._board = Board(self.log, self._owner)
        return self._board

    async def _come(self) -> None:
        """Say once that this process is there: who was left alone by the last server begins nothing more."""
        if not self._has_come:
            await self._on_board().come(self._holder)
            self._has_come = True

    async def _take_turns(self) -> None:
        """Take what is handed over, as soon as it is; what nobody has told of, a little later."""
        while True:
            with self._by_itself("Looking for turns to run"):
                await self._come()
                if self._runs:
                    await self._take_offered()
                for said in await self._on_board().news(TICK):
                    if said.what == "came" and said.who != self._holder and self._alone:
                        # It has the settings of today. What this one begins from now on is begun there.
                        self._runs = False
                continue
            await asyncio.sleep(TICK)

    async def _take_offered(self) -> None:
        room = asyncio.Semaphore(TAKEN_AT_ONCE)

        async def take(session_id: str) -> None:
            with self._by_itself(f"Taking the turn of session {session_id}"):
                async with room, self.acquire(session_id) as session:
                    await session.recover()

        await asyncio.gather(*map(take, await self._labelled(OFFERED)))

    # Inside

    def _unload(self) -> None:
        """Let go of what nobody uses: all of it after a while, the longest unused of too many at once."""
        now = asyncio.get_running_loop().time()
        idle = [i for i, session in self._sessions.items() if i not in self._users and not session.busy]
        too_many = len(idle) - IDLE_SESSIONS
        for place, session_id in enumerate(idle):
            if place < too_many or self._left.get(session_id, now) <= now - IDLE_SECONDS:
                self._forget(session_id)

    def _forget(self, session_id: str) -> None:
        del self._sessions[session_id]
        self._left.pop(session_id, None)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            with self._by_itself("A round of the registry"):
                if self._log is None:
                    await self._open()
                await self._round()
                if self._part == "server":
                    await self._come()
                    await self._follow()
                if abs(self._clock() - self._tidied) >= TIDY_SECONDS:
                    self._tidied = self._clock()
                    self._failing.clear()
                    await self._drain()
                    if self._part != "worker":
                        await self._tidy()
            self._unload()

    @contextlib.contextmanager
    def _by_itself(self, what: str) -> Iterator[None]:
        """What fails in here costs nothing else. The same failure is told once between two tidyings."""
        try:
            yield
        except (UnknownStream, StreamDeleted):
            pass  # deleted meanwhile, so there is nothing to do
        except Exception as error:
            if self._failing.get(what) != (why := _why(error)):
                self._failing[what] = why
                logger.error("%s failed: %s", what, why)
        else:
            self._failing.pop(what, None)

    async def _open(self) -> None:
        try:
            self._log = await self._open_log().__aenter__()
        except Exception as error:
            why = f"The chat store cannot be opened ({type(error).__name__}). The server's log says where that arose."
            if isinstance(error, LogUnavailable):
                why = str(error)
            if why != self._why:
                logger.error("The chat store cannot be opened: %s", _why(error))
                self._tell(StoreUnavailable())
            self._why = why
        else:
            self._tell(StoreOpened())

    async def _round(self) -> None:
        leases: dict[str, Lease] = {}
        with self._by_itself("Renewing the leases"):
            if self._log is not None:
                await self._log.renew(self._holder, self._lease_seconds)
                leases = {lease.stream: lease for lease in await self._log.leases()}
                self._leases = {stream: seen for stream, seen in self._leases.items() if stream in leases}
        for lease in leases.values():
            if lease.holder != self._holder and (mine := self._sessions.get(lease.stream)):
                mine.lose()
            with self._by_itself(f"Recovering session {lease.stream}"):
                if self._is_abandoned(lease):
                    async with self.acquire(lease.stream) as session:
                        await session.recover(lease.epoch)

    async def _drain(self) -> None:
        """Tell what is due, and start what waits, handed over or in a queue: the last server went before it could."""
        due: list[str] = []
        waiting: list[str] = []
        with self._by_itself("Looking for what is due, and for waiting messages"):
            due, waiting = await self._labelled(DUE), await self._labelled({"queue": "waiting"})
        for session_id in due:
            with self._by_itself(f"Telling of session {session_id}"):
                async with self.acquire(session_id) as session:
                    await session.tell()
        for session_id in waiting:
            with self._by_itself(f"Starting what waits in session {session_id}"):
                async with self.acquire(session_id) as session:
                    session.drain()
        if self._runs:
            with self._by_itself("Looking for turns to run"):
                await self._take_offered()

    async def _follow(self) -> None:
        """Follow every turn that runs elsewhere, whoever has begun it."""
        for session_id in await self._labelled({"status": "streaming"}):
            with self._by_itself(f"Following session {session_id}"):
                async with self.acquire(session_id) as session:
                    session.follow()

    async def _labelled(self, labels: dict[str, str]) -> list[str]:
        """All of them, before any is touched: what is started moves in the list."""
        return [head.stream async for head in self._all(labels)] if self._log is not None else []

    async def _all(self, labels: dict[str, str]) -> AsyncIterator[Head]:
        """Every session that has these labels, the last used first."""
        last = None
        while page := await self.log.streams(labels=SESSIONS | labels, before=last, limit=1000):
            for head in page:
                yield head
            last = page[-1].stream

    async def _tidy(self) -> None:
        """Compact and delete what is older, or more, than is kept."""
        with self._by_itself("Compacting what is old"):
            await self._compact()
        with self._by_itself("Deleting what is old"):
            await self._delete()
        with self._by_itself("Removing files that nobody refers to"):
            await self._sweep()

    async def _compact(self) -> None:
        if days := self._retention.compact_after_days:
            for head in await self._older_than(days, KEPT):
                with self._by_itself(f"Compacting session {head.stream}"):
                    async with self.acquire(head.stream) as session:
                        await session.compact()

    async def _delete(self) -> None:
        kept = self._retention
        surplus = await self._older_than(kept.delete_after_days, {}) if kept.delete_after_days else []
        if (
            kept.sessions
            and len(newest := await self.log.streams(labels=SESSIONS, limit=kept.sessions)) == kept.sessions
        ):
            surplus += await self.log.streams(labels=SESSIONS, before=newest[-1].stream, limit=TIDY_SESSIONS)
        for head in surplus:
            if head.labels.get("status") != "streaming" and not head.labels.get("queue"):
                # Not what somebody has used since this round began.
                with self._by_itself(f"Deleting session {head.stream}"), contextlib.suppress(Conflict):
                    await self.log.delete(head.stream, after=head.lsn)
                    self._tell(SessionGone(head.stream, "retention"))
                    await self._forget_about(head.stream)
                    logger.info("Session %s is deleted, as the retention settings say", head.stream)

    async def _sweep(self) -> None:
        """Files of sessions that were deleted while something went wrong; once an hour is enough.

        Only where all sessions are seen: the folder may have the files of others.
        """
        files, now = self._terms.attachments, self._clock()
        if files is None or not self.log.sees_all or now < self._swept + SWEEP_SECONDS:
            return
        self._swept = now
        await files.sweep({head.stream async for head in self._all({})})

    async def _older_than(self, days: float, labels: dict[str, str]) -> list[Head]:
        before = self._clock() - days * DAY
        return await self.log.streams(labels=SESSIONS | labels, updated_before=before, limit=TIDY_SESSIONS)

    @property
    def _leaves_seconds(self) -> float:
        """How long an abandoned turn is left to those who can go on with it."""
        return 0.0 if self._runs else WORKER_SECONDS

    def _is_abandoned(self, lease: Lease) -> bool:
        """Whether nobody runs a turn under this lease any more.

        A living holder renews every `TICK`. So a lease that stays as it is has nobody, whatever the clocks say: they
        may jump, and those of two machines differ.
        """
        if lease.holder == self._holder:
            session = self._sessions.get(lease.stream)
            return session is None or not session.running
        now = asyncio.get_running_loop().time()
        known, since = self._leases.get(lease.stream, (None, now))
        self._leases[lease.stream] = lease, since if known == lease else now
        if not alive(lease.holder):
            return now - since >= self._leaves_seconds
        patience = UNRENEWED_SECONDS if lease.until <= self._clock() else self._lease_seconds
        return known == lease and now - since >= patience + self._leaves_seconds


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """What the disk refuses is told as what the store refuses."""
    try:
        yield
    except OSError as error:
        raise LogUnavailable(f"The files of this chat cannot be stored: {error.strerror}.") from error


def _why(error: Exception) -> str:
    """What the server's log may say: of an error that is not ours only where it arose, as its text can be anything."""
    if isinstance(error, LogError):
        return str(error)
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}".rstrip()


def machine() -> str:
    """A name for the place where a process id means something: host, boot and process namespace."""
    marks = [socket.gethostname()]
    with contextlib.suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        marks.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return "/".join(marks)


def alive(holder: str) -> bool:
    """Whether this holder may still be there: false only when its process is surely gone."""
    place, pid, _ = holder.rsplit(":", 2)
    if place != machine() or os.name == "nt":  # where a signal of 0 is one
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def must_be_session(stream: str) -> None:
    """Raises `UnknownStream` for a log of another kind."""
    if stream.startswith(OTHERS):
        raise UnknownStream(stream)


def notebook_key(root: str, notebook: str, name: str) -> str:
    """The key of a notebook's conversation: one per (notebook, name), apart for servers with other root folders."""
    return f"{_place(root, notebook)}\n{name}"


def _place(root: str, path: str) -> str:
    return str(Path(root, path.strip("/")))


def _below(place: str, path: str) -> str | None:
    """What follows `place` in a path that it is, or that is in it."""
    rest = path.removeprefix(place)
    return rest if path.startswith(place) and rest[:1] in ("", "/") else None


def _notebook(key: str | None) -> dict[str, str]:
    return {"notebook": key.partition("\n")[0]} if key else {}


def _state(labels: Mapping[str, str], unread: bool) -> str:
    """What a list of sessions says of one, that first which wants a person soonest."""
    status = labels.get("status")
    if status == "streaming":
        return "waiting" if labels.get("asks") else "streaming"
    if labels.get("queue") == "held":
        return "attention"
    if status == "failed":
        return "failed"
    if labels.get("outcome") in INCOMPLETE:
        return "attention"
    return "ready" if unread else "idle"


def _listed(head: Head, unread: bool) -> JSON:
    return {
        "id": head.stream,
        "lsn": head.lsn,
        "status": head.labels.get("status", "idle"),
        "state": _state(head.labels, unread),
        "unread": unread,
        "updated_at": e.timestamp(head.updated),
        **json.loads(head.summary),
    }
