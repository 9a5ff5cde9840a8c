"""The HTTP contract. A handler parses, authorizes and delegates; the routes stand at the bottom.

Shapes of bodies and answers: `docs/architecture.md`.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any, get_args

import msgspec
from jupyter_core.utils import ensure_async
from msgspec import UNSET, Struct, UnsetType
from tornado import web

from jupyter_durable_chat import __version__
from jupyter_durable_chat import events as e
from jupyter_durable_chat.commands import Edit, Message, new_id
from jupyter_durable_chat.facts import ResumeBroke
from jupyter_durable_chat.log import AheadOfLog, Compacted, LogError, LogUnavailable
from jupyter_durable_chat.log.words import words_of
from jupyter_durable_chat.notices import inbox_id
from jupyter_durable_chat.registry import OTHERS, must_be_session, notebook_key
from jupyter_durable_chat.server.attachments import ATTACHMENTS
from jupyter_durable_chat.server.calls import CALLS
from jupyter_durable_chat.server.files import FILES
from jupyter_durable_chat.server.handler import ID, ApiError, ChatHandler, route
from jupyter_durable_chat.server.inbox import INBOX
from jupyter_durable_chat.server.parts import check_attachments, check_parts
from jupyter_durable_chat.server.shares import SHARES
from jupyter_durable_chat.server.stream import EventStream, Lost

MAX_PAGE = 1000
"""Events, or sessions, in one JSON page."""

MAX_FOLLOWED = 64
"""Sessions on one shared stream."""

LINGER_SECONDS = 5.0
"""After which somebody who reads in pages does not look any more: the next page is asked for within a second or so."""

VOUCH_SECONDS = 5.0
"""Between two signs that a kernel is there, for other servers; they wait `runners.GRACE_SECONDS` for the next."""

MAX_WORDS = 32
"""Words of one search."""

_LSN = re.compile(r"[0-9]{1,18}", re.ASCII)
_CLIENT_ID = 200


class NewSession(Struct):
    name: str = ""
    notebook: str | None = None
    kernel: str | None = None
    title: str | None = None
    agent: str | None = None
    model: str | None = None


class Change(Struct):
    title: str | UnsetType | None = UNSET
    agent: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    effort: str | UnsetType | None = UNSET
    mode: e.Mode | UnsetType | None = UNSET
    budget: e.Budget | UnsetType | None = UNSET
    muted: bool | UnsetType = UNSET


class StopBody(Struct):
    turn_id: str | None = None


class RetryBody(Struct):
    message_id: str
    text: str | None = None
    agent: str | None = None
    model: str | None = None
    effort: str | None = None
    mode: e.Mode | None = None
    client_id: str | None = None


class ContinueBody(Struct):
    message_id: str | None = None
    client_id: str | None = None


class BranchBody(Struct):
    message_id: str


class QueueBody(Struct):
    message_ids: list[str]


class QueuedBody(Struct):
    text: str
    parts: list[dict[str, Any]] | None = None


class ForkBody(Struct):
    lsn: int | None = None
    message_id: str | None = None


def lsn(text: str, name: str) -> int:
    """An LSN of a request: a decimal number from 0. Raises `ApiError` 400 that quotes it."""
    if not _LSN.fullmatch(text):
        raise ApiError(400, "malformed", f"{name} takes an LSN, a whole number from 0, and not {text!r}.")
    return int(text)


def check_client_id(client_id: str | None) -> None:
    if client_id is not None and not 1 <= len(client_id) <= _CLIENT_ID:
        raise ApiError(400, "malformed", f"client_id takes 1 to {_CLIENT_ID} characters, unique for each message.")


def check_text(text: str | None, parts: list[dict[str, Any]] | None = None) -> None:
    """Refuse a text, if there is one to be said, that says nothing, and parts that are none."""
    if text is not None and not text.strip() and not parts:
        raise ApiError(400, "malformed", "text is empty: a message needs some text, or parts.")
    check_parts(parts or [])


class Sessions(ChatHandler):
    @route
    async def get(self) -> None:
        limit = number(self, "limit", default=100, most=MAX_PAGE)
        notebook = self.get_query_argument("notebook", None)
        listed = await self.registry.sessions(
            notebook=None if notebook is None else self._key(notebook).partition("\n")[0],
            status=self.get_query_argument("status", None),
            search=self._search(),
            before=self.get_query_argument("before", None),
            limit=limit,
            person=self.person,
        )
        self.reply({"sessions": listed, "before": listed[-1]["id"] if len(listed) == limit else None})

    @route
    async def post(self) -> None:
        body = self.body(NewSession)
        notebook = body.notebook
        if notebook is None and body.kernel is not None:
            notebook = await self._notebook_of(body.kernel)
        if notebook is not None:
            await self.chat.notebooks.adopt(notebook, body.name)
        fact = e.SessionCreated(
            session=new_id("s"),
            name=body.name,
            notebook=notebook,
            title=body.title,
            agent=body.agent,
            model=body.model,
            by=self.author,
        )
        key = None if notebook is None else self._key(notebook, body.name)
        transcript, new = await self.registry.create(fact, key)
        if new:
            self.created(transcript)
        else:
            self.reply(transcript.to_json())

    def _search(self) -> str | None:
        search = self.get_query_argument("q", None)
        if search and (count := len(words_of(search))) > MAX_WORDS:
            raise ApiError(400, "too-many", f"q has {count} words; a search takes at most {MAX_WORDS}.")
        return search

    def _key(self, notebook: str, name: str = "") -> str:
        return notebook_key(self.chat.root, notebook, name)

    async def _notebook_of(self, kernel: str) -> str | None:
        """The path of this kernel's notebook now; it is right after renames too."""
        listed: Any = await ensure_async(self.session_manager.list_sessions())
        path = next((s["path"] for s in listed if s["kernel"] and s["kernel"]["id"] == kernel), None)
        return None if path is None else await self.chat.notebooks.now(path)


def number(handler: ChatHandler, name: str, *, default: int, most: int) -> int:
    """A query argument from 1 to `most`. Raises `ApiError` 400 that quotes it."""
    text = handler.get_query_argument(name, str(default))
    if not _LSN.fullmatch(text) or not 1 <= int(text) <= most:
        raise ApiError(400, "malformed", f"{name} takes a whole number from 1 to {most}, and not {text!r}.")
    return int(text)


class OneSession(ChatHandler):
    @route
    async def get(self, session_id: str) -> None:
        async with self.registry.acquire(session_id) as session:
            self.reply(session.transcript.to_json())

    @route
    async def patch(self, session_id: str) -> None:
        body = self.body(Change)
        change = e.SessionUpdated(**msgspec.structs.asdict(body), by=self.author)
        async with self.registry.acquire(session_id) as session:
            self.reply((await session.update(change)).to_json())

    @route
    async def delete(self, session_id: str) -> None:
        await self.registry.delete(session_id)
        self.set_status(204)
        self.finish()


class Messages(ChatHandler):
    @route
    async def post(self, session_id: str) -> None:
        message = self.body(Message)
        check_client_id(message.client_id)
        check_text(message.text, message.parts)
        async with self.registry.acquire(session_id) as session:
            await check_attachments(message.parts or [], self.chat.attachments, session.id)
            self.reply(await session.send(message, self.author), 202)


class Stop(ChatHandler):
    @route
    async def post(self, session_id: str) -> None:
        body = self.body(StopBody)
        async with self.registry.acquire(session_id) as session:
            self.reply({"stopped": await session.stop(body.turn_id, self.author)})


class Fork(ChatHandler):
    @route
    async def post(self, session_id: str) -> None:
        body = self.body(ForkBody)
        if body.lsn is not None and body.lsn < 1:
            raise ApiError(400, "malformed", f"lsn takes the number of an event, from 1, and not {body.lsn}.")
        through = body.lsn
        if body.message_id is not None:
            async with self.registry.acquire(session_id) as session:
                through = session.through(body.message_id)
        self.created(await self.registry.fork(session_id, through, self.author))


class Retry(ChatHandler):
    """Answer again; with a `text`, that of a new branch."""

    @route
    async def post(self, session_id: str) -> None:
        body = self.body(RetryBody)
        check_client_id(body.client_id)
        check_text(body.text)
        about = msgspec.structs.asdict(body)
        edit = Edit(**{name: about[name] for name in Edit.__struct_fields__})
        async with self.registry.acquire(session_id) as session:
            self.reply(await session.retry(body.message_id, edit, self.author), 202)


class Continue(ChatHandler):
    @route
    async def post(self, session_id: str) -> None:
        body = self.body(ContinueBody)
        check_client_id(body.client_id)
        async with self.registry.acquire(session_id) as session:
            self.reply(await session.go_on(body.message_id, body.client_id, self.author), 202)


class Branch(ChatHandler):
    @route
    async def post(self, session_id: str) -> None:
        body = self.body(BranchBody)
        async with self.registry.acquire(session_id) as session:
            self.reply((await session.select_branch(body.message_id, self.author)).to_json())


class Queue(ChatHandler):
    """All that waits: its order."""

    @route
    async def patch(self, session_id: str) -> None:
        body = self.body(QueueBody)
        async with self.registry.acquire(session_id) as session:
            self.reply((await session.reorder_queue(body.message_ids, self.author)).to_json())


class ResumeQueue(ChatHandler):
    @route
    async def post(self, session_id: str) -> None:
        async with self.registry.acquire(session_id) as session:
            self.reply((await session.resume_queue(self.author)).to_json())


class Queued(ChatHandler):
    """One message that waits."""

    @route
    async def patch(self, session_id: str, message_id: str) -> None:
        body = self.body(QueuedBody)
        check_text(body.text, body.parts)
        async with self.registry.acquire(session_id) as session:
            await check_attachments(body.parts or [], self.chat.attachments, session.id)
            self.reply((await session.edit_queued(message_id, body.text, body.parts, self.author)).to_json())

    @route
    async def delete(self, session_id: str, message_id: str) -> None:
        async with self.registry.acquire(session_id) as session:
            self.reply({"removed": await session.remove_queued(message_id, self.author)})


class SessionEvents(EventStream):
    """Events of one session: as SSE, or in JSON pages for whoever accepts only JSON."""

    @route
    async def get(self, session_id: str) -> None:
        must_be_session(session_id)
        after = lsn(self.get_query_argument("after", "0", strip=False), "after")
        if seen := self.request.headers.get("Last-Event-ID"):
            after = lsn(seen, "Last-Event-ID")
        try:
            if self.paged:
                await self._page(session_id, after)
                return
            # A position that cannot be read is an error of this request, not an event of its stream.
            with contextlib.suppress(Compacted):
                await self.registry.log.read(session_id, after, limit=1)
        except AheadOfLog:
            self.chat.tell(ResumeBroke("ahead"))
            raise
        with self.chat.watching.view(self.person, [session_id]) as view:
            await self.stream({session_id: after}, view, shared=False)

    async def _page(self, session_id: str, after: int) -> None:
        limit = number(self, "limit", default=MAX_PAGE, most=MAX_PAGE)
        log = self.registry.log
        snapshot = b"null"
        wait = seconds(self)
        while True:
            try:
                records = await log.read(session_id, after, limit=limit)
            except Compacted:
                kept = await self.chat.snapshots.after(after, log, session_id)
                if after:
                    self.chat.tell(ResumeBroke("compacted"))
                after, snapshot = kept.lsn, kept.data
                continue
            if records or not wait:
                break
            with self.chat.watching.view(self.person, [session_id]) as view:
                await log.wait({session_id: after}, wait)
                view.lingers = 0.0 if self.hung_up else LINGER_SECONDS
            wait = 0.0
        last = (await log.head(session_id)).lsn
        page = b",".join(e.number(*record) for record in records)
        more = b"true" if last > (records[-1].lsn if records else after) else b"false"
        self.reply(b'{"events":[%b],"lsn":%d,"more":%b,"snapshot":%b}' % (page, last, more, snapshot))


def seconds(handler: ChatHandler) -> float:
    """How long a page may wait for its first event. Raises `ApiError` 400 that quotes it."""
    text = handler.get_query_argument("wait", "0")
    try:
        wait = float(text)
    except ValueError:
        wait = -1.0
    if not 0 <= wait < float("inf"):
        raise ApiError(400, "malformed", f"wait takes a number of seconds from 0, and not {text!r}.")
    return min(wait, handler.chat.long_poll_seconds)


class SharedEvents(EventStream):
    """Events of many sessions in one stream, or in pages."""

    @route
    async def get(self) -> None:
        positions: dict[str, int] = {}
        for text in self.get_query_arguments("after"):
            positions |= self._position(text, "after")
        for text in self.request.headers.get("Last-Event-ID", "").split():
            positions |= self._position(text, "Last-Event-ID")
        if not positions:
            raise ApiError(400, "malformed", "after is missing: name at least one session as after=ID:LSN.")
        if len(positions) > MAX_FOLLOWED:
            text = f"after names {len(positions)} sessions; one stream follows at most {MAX_FOLLOWED}."
            raise ApiError(400, "too-many", text)
        seen = [name for name in self.get_query_arguments("seen") or positions if name]
        lost = await self._not_mine(positions)
        runner = self.get_query_argument("runner", None)
        lists = self.get_query_argument("sessions", "") == "1"
        wait = seconds(self) if self.paged else None
        async with self._runs(runner, list(positions)) if runner else contextlib.nullcontext():
            with self.chat.watching.view(self.person, seen, self._seen_as) as view:
                if wait is None:
                    await self.stream(positions, view, shared=True, lost=lost, lists=lists)
                else:
                    await self.page(positions, wait, lost, view)
                    view.lingers = 0.0 if self.hung_up else LINGER_SECONDS

    @property
    def _seen_as(self) -> e.Author | None:
        """As whom others see this reader. Who wants to see is seen; code in a kernel does not look."""
        wants = self.get_query_argument("presence", "") == "1" and self.chat.tells_apart
        return self.author if wants and self.author.via is None else None

    async def _not_mine(self, positions: dict[str, int]) -> list[Lost]:
        """Take the inboxes of others out, and what has no events: nobody learns whether there are any."""
        mine = inbox_id(self.person)
        if mine in positions:
            await self.registry.inboxes.open(self.person)
        others = [name for name in positions if name.startswith(OTHERS) and name != mine]
        for name in others:
            del positions[name]
        return [Lost(name, ApiError(404, "unknown-session", f"There is no session {name!r} here.")) for name in others]

    @contextlib.asynccontextmanager
    async def _runs(self, runner: str, sessions: list[str]) -> AsyncIterator[None]:
        """A kernel is there, also for servers that it is not connected to."""
        vouching = asyncio.create_task(self._vouch(runner, sessions))
        try:
            with self.chat.runners.connected(runner):
                yield
        finally:
            vouching.cancel()
            await asyncio.wait({vouching})

    async def _vouch(self, runner: str, sessions: list[str]) -> None:
        while True:
            await asyncio.sleep(VOUCH_SECONDS)
            for session_id in sessions:
                try:
                    async with self.registry.acquire(session_id) as session:
                        await session.vouch(runner)
                except LogError as error:
                    self.log.debug("Nobody hears of a kernel of session %s: %s", session_id, error)

    def _position(self, text: str, name: str) -> dict[str, int]:
        session_id, colon, position = text.rpartition(":")
        if not colon or not session_id:
            raise ApiError(400, "malformed", f"{name} takes ID:LSN, and not {text!r}.")
        return {session_id: lsn(position, name)}


class Agents(ChatHandler):
    @route
    async def get(self) -> None:
        self.reply(
            {
                **self.registry.agents.describe(),
                "tools": self.chat.tools_at_hand.describe(),
                "prompts": self.chat.prompts_at_hand,
                "modes": list(get_args(e.Mode)),
            }
        )


class Health(ChatHandler):
    @route
    async def get(self) -> None:
        registry = self.registry
        counts = {
            "version": __version__,
            "turns": registry.turns,
            "sessions": registry.loaded,
            "readers": len(self.chat.streams),
            "watched": len(self.chat.watching.watched),
        }
        try:
            _ = registry.log
        except LogUnavailable as error:
            self.reply({"status": "unavailable", "why": str(error), **counts}, 503)
        else:
            self.reply({"status": "ok", **counts})


class NotFound(ChatHandler):
    """Everything else under our address."""

    async def prepare(self) -> None:  # type: ignore[override]
        await super().prepare()
        if not self.current_user:
            raise web.HTTPError(403)
        raise ApiError(404, "not-found", f"There is no route {self.request.path}.")


ROUTES: list[tuple[str, type[ChatHandler]]] = [
    (r"durable-chat/api/sessions", Sessions),
    *FILES,
    (rf"durable-chat/api/sessions/{ID}", OneSession),
    (rf"durable-chat/api/sessions/{ID}/messages", Messages),
    (rf"durable-chat/api/sessions/{ID}/stop", Stop),
    (rf"durable-chat/api/sessions/{ID}/fork", Fork),
    (rf"durable-chat/api/sessions/{ID}/retry", Retry),
    (rf"durable-chat/api/sessions/{ID}/continue", Continue),
    (rf"durable-chat/api/sessions/{ID}/branch", Branch),
    (rf"durable-chat/api/sessions/{ID}/queue", Queue),
    (rf"durable-chat/api/sessions/{ID}/queue/resume", ResumeQueue),
    (rf"durable-chat/api/sessions/{ID}/queue/{ID}", Queued),
    (rf"durable-chat/api/sessions/{ID}/events", SessionEvents),
    *ATTACHMENTS,
    *CALLS,
    *SHARES,
    *INBOX,
    (r"durable-chat/api/events", SharedEvents),
    (r"durable-chat/api/agents", Agents),
    (r"durable-chat/api/health", Health),
    (r"durable-chat/.*", NotFound),
]
