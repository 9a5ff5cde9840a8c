"""What a link to read by opens: one session, for as long as the link holds, and nothing else. No login is asked for.

The link is `share/ID#TOKEN`. Browsers keep what follows `#` to themselves, so the token is in no access log, of this
server or of a proxy, and in no `Referer`; the page sends it in a header of its own, `X-Share-Token`, which no page of
another origin can do, and which no proxy takes for its own as it may `Authorization`. No cookie is looked at, and none
is set. Whatever is wrong with a token, and whether there is such a session at all, the answer is the same 404.

Who has no link costs one look at one row; who has one is bound in how often they ask, and how many of them follow. A
guest is nobody who watches, and nothing of theirs is activity.
"""

import asyncio
import hmac
import re
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast

from jupyter_server import CallContext
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from jupyter_durable_chat import events as e
from jupyter_durable_chat import guests
from jupyter_durable_chat.log import AheadOfLog, LogUnavailable, Record, StreamDeleted, UnknownStream
from jupyter_durable_chat.server.attachments import give
from jupyter_durable_chat.server.handler import ID, ApiError, ChatHandler, Logged, translated, translating
from jupyter_durable_chat.server.page import POLICY, page
from jupyter_durable_chat.server.shares import hash_of
from jupyter_durable_chat.server.stream import CaughtUp, EventStream, Item, Lost, Records, Snapshot
from jupyter_durable_chat.session import has_run_out
from jupyter_durable_chat.transcript import JSON

if TYPE_CHECKING:
    from jupyter_durable_chat.server.extension import DurableChat

TOKEN = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)

POSITION = re.compile(rf"{ID}:([0-9]{{1,18}})", re.ASCII)

STRANGERS = 16
"""Who may be looked up at once."""

REQUESTS = 600
"""Of all who have the same link, in a minute."""

LINKS = 1000
"""Of which that is remembered."""

MINUTE = 60.0

KEPT_BYTES = 8 << 20
"""Of transcripts as guests get them, kept until the session goes on."""

Handler = TypeVar("Handler", bound="Guest")
P = ParamSpec("P")


class Link(NamedTuple):
    """A link that holds."""

    session: str
    share: str
    hash: str
    until: float | None
    """In Unix seconds."""


class Guests:
    """How much guests may ask of this process; what they are shown is made once for all of them."""

    def __init__(self, *, readers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_readers = readers
        self._clock = clock
        self._strangers = 0
        self._readers = 0
        self._asked: OrderedDict[str, deque[float]] = OrderedDict()
        self._shown: OrderedDict[str, Snapshot] = OrderedDict()

    @contextmanager
    def stranger(self) -> Iterator[None]:
        """Somebody is looked up in here. Raises `ApiError` 429."""
        if self._strangers >= STRANGERS:
            raise _too_many("Too many ask at once. Try again in a moment.", 1)
        self._strangers += 1
        try:
            yield
        finally:
            self._strangers -= 1

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Somebody follows a session in here. Raises `ApiError` 429."""
        if self._readers >= self._most_readers:
            raise _too_many("As many read along as this server takes. It is tried again in a moment.", 10)
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1

    def ask(self, token_hash: str) -> None:
        """Somebody with this link asks for something. Raises `ApiError` 429."""
        now = self._clock()
        recent = self._asked.setdefault(token_hash, deque())
        self._asked.move_to_end(token_hash)
        if len(self._asked) > LINKS:
            self._asked.popitem(last=False)
        while recent and recent[0] <= now - MINUTE:
            recent.popleft()
        if len(recent) >= REQUESTS:
            raise _too_many("Too much is asked for with this link. It is tried again in a moment.", 5)
        recent.append(now)

    def snapshot(self, session: str, lsn: int, make: Callable[[], bytes]) -> Snapshot:
        """The session at this LSN as guests get it."""
        known = self._shown.pop(session, None)
        if known is None or known.lsn != lsn:
            known = Snapshot(session, lsn, make())
        self._shown[session] = known
        while len(self._shown) > 1 and sum(len(shown.data) for shown in self._shown.values()) > KEPT_BYTES:
            self._shown.popitem(last=False)
        return known


def _too_many(text: str, seconds: int) -> ApiError:
    return ApiError(429, "too-many", text, retry_after=seconds)


def nothing() -> ApiError:
    """The one answer to who has no link that holds."""
    return ApiError(404, "unknown-session", "This link opens nothing, or nothing any more.")


def guest_route(
    method: Callable[Concatenate[Handler, P], Awaitable[None]],
) -> Callable[Concatenate[Handler, P], Awaitable[None]]:
    """A method that asks for no login: it must ask for a link. What an error says names nothing of this server."""

    @wraps(method)
    async def discreet(self: Handler, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await method(self, *args, **kwargs)
        except (UnknownStream, StreamDeleted) as error:
            raise nothing() from error
        except LogUnavailable as error:
            raise ApiError(503, "busy", "The server cannot read its conversations now.", retry_after=5) from error

    return cast(Any, allow_unauthenticated(cast(Any, translating(discreet))))


class Guest(ChatHandler):
    """A request of somebody with a link, or of anybody."""

    _track_activity = False

    def set_default_headers(self) -> None:
        super().set_default_headers()
        _keep_out(self)

    async def prepare(self) -> None:  # type: ignore[override]
        _nobody(self)
        if not self.chat.allow_sharing:
            raise nothing()
        await self.chat.ready()

    async def link(self, session_id: str) -> Link:
        """The link that the request has, which leads to this session. Raises `ApiError` 404, 429."""
        token = self.request.headers.get("X-Share-Token", "")
        if not TOKEN.fullmatch(token):
            raise nothing()
        token_hash = hash_of(token)
        with self.chat.guests.stranger():
            hashes = await self.registry.share_hashes(session_id)
        # All of them are compared, so that time says nothing.
        if not any([hmac.compare_digest(token_hash, known) for known in hashes]):
            raise nothing()
        self.chat.guests.ask(token_hash)
        async with self.registry.acquire(session_id) as session:
            share = _share(session.transcript.shares, token_hash)
        if share is None:
            raise nothing()
        expires = share["expires_at"]
        until = None if expires is None else datetime.fromisoformat(expires).timestamp()
        return Link(session_id, share["id"], token_hash, until)

    async def shown(self, link: Link) -> Snapshot:
        """The session now, as guests get it. Raises `ApiError` 404 when the link does not hold any more."""
        async with self.registry.acquire(link.session) as session:
            whole = session.transcript
            if _share(whole.shares, link.hash) is None:
                raise nothing()
            return self.chat.guests.snapshot(whole.id, whole.lsn, lambda: e.to_json(guests.transcript(whole)))


def _share(shares: Sequence[JSON], token_hash: str) -> JSON | None:
    now = e.timestamp(time.time())
    return next((share for share in shares if share["hash"] == token_hash and not has_run_out(share, now)), None)


def _keep_out(handler: JupyterHandler) -> None:
    """Nobody is told where a guest is, and no search engine comes along."""
    handler.set_header("Referrer-Policy", "no-referrer")
    handler.set_header("X-Robots-Tag", "noindex, nofollow")
    handler.set_header("Cache-Control", "no-store")


def _nobody(handler: JupyterHandler) -> None:
    """Let a request in as nobody's, whoever it comes from."""
    CallContext.set(CallContext.JUPYTER_HANDLER, handler)
    handler.current_user = handler._jupyter_current_user = None
    if not handler.check_host():
        raise web.HTTPError(403)


class SharedSession(Guest):
    @guest_route
    async def get(self, session_id: str) -> None:
        self.reply((await self.shown(await self.link(session_id))).data)


class SharedAttachment(Guest):
    """A file that the messages name which are shown."""

    @guest_route
    async def get(self, session_id: str, file_hash: str) -> None:
        shown = await self.shown(await self.link(session_id))
        if b'"attachment:%b"' % file_hash.encode() not in shown.data:
            raise nothing()
        await give(self, session_id, file_hash)


class SharedEvents(Guest, EventStream):
    """What comes, as the stream of many sessions says it, for the one that the link leads to."""

    _link: Link

    @guest_route
    async def get(self) -> None:
        session_id, after = self._position()
        self._link = await self.link(session_id)
        with self.chat.guests.reader():
            if self.paged:
                await self.page({session_id: after}, self._wait())
            else:
                await self.stream({session_id: after}, None, shared=True)

    def _position(self) -> tuple[str, int]:
        found = [POSITION.fullmatch(text) for text in self.get_query_arguments("after")]
        if len(found) != 1 or found[0] is None:
            raise nothing()
        return found[0][1], int(found[0][2])

    def _wait(self) -> float:
        text = self.get_query_argument("wait", "0")
        seconds = float(text) if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text) else 0.0
        return min(seconds, self.chat.long_poll_seconds)

    async def reading(
        self, positions: dict[str, int], keep_alive: float, lost: Sequence[Lost] = ()
    ) -> AsyncGenerator[list[Item]]:
        """What is shown of what is read: from the session as it is now on, whatever the reader has of its past.

        Where the reader is not there yet, and where something begins, the session is told anew. Ends with the link.
        """
        session, after = self._link.session, positions[self._link.session]
        try:
            now = await self.shown(self._link)
            if after > now.lsn:
                raise AheadOfLog(session, after, now.lsn)
            positions[session] = now.lsn
            if after < now.lsn:
                yield [now]
            async with aclosing(super().reading(positions, keep_alive)) as reading:
                while (found := await self._next(reading)) is not None:
                    async for seen in self._seen(found, positions):
                        yield seen
        except (UnknownStream, StreamDeleted):
            yield [Lost(session, nothing())]
        except AheadOfLog as error:
            yield [Lost(session, cast(ApiError, translated(error)))]
        except ApiError as error:
            yield [Lost(session, error)]

    async def _next(self, reading: AsyncGenerator[list[Item]]) -> list[Item] | None:
        """What is read next, as long as the link holds."""
        until = self._link.until
        if until is not None and time.time() >= until:
            raise nothing()  # a read that waits for nothing is not interrupted
        try:
            async with asyncio.timeout(None if until is None else max(0.0, until - time.time())):
                return await anext(reading, None)
        except TimeoutError:
            raise nothing() from None

    async def _seen(self, found: list[Item], positions: dict[str, int]) -> AsyncGenerator[list[Item]]:
        """What of it is shown, and where it ends each time."""
        if not found:
            yield []
        for item in found:
            if isinstance(item, Lost):
                raise nothing()
            if isinstance(item, CaughtUp):
                yield [item]
                continue
            shown, anew = self._records(item.records) if isinstance(item, Records) else ([], True)
            if shown:
                positions[item.session] = shown[-1].lsn
                yield [Records(item.session, shown)]
            if anew:
                now = await self.shown(self._link)
                positions[item.session] = now.lsn
                yield [now]

    def _records(self, records: list[Record]) -> tuple[list[Record], bool]:
        """These as guests get them, up to the first after which the session is told anew; whether there is one."""
        shown: list[Record] = []
        for lsn, data in records:
            event = e.decode(e.number(lsn, data))
            if guests.begins(event) or (isinstance(event, e.ShareRevoked) and event.share == self._link.share):
                return shown, True
            shown.append(Record(lsn, guests.record(event)))
        return shown, False


class SharedPage(Logged):
    """The page of every link, the same for all: it holds no more than where it is."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        _keep_out(self)

    @property
    def content_security_policy(self) -> str:
        return POLICY

    async def prepare(self) -> None:  # type: ignore[override]
        _nobody(self)

    @allow_unauthenticated
    async def get(self, session_id: str) -> None:
        chat = cast("DurableChat", self.settings["durable_chat"])
        if not chat.allow_sharing:
            raise web.HTTPError(404)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(page("shared", session_id, self.base_url, chat.name))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("This link opens nothing, or nothing any more.\n")


GUESTS: list[tuple[str, type[JupyterHandler]]] = [
    (rf"durable-chat/share/{ID}", SharedPage),
    (rf"durable-chat/shared/sessions/{ID}", SharedSession),
    (rf"durable-chat/shared/sessions/{ID}/attachments/([0-9a-f]{{64}})", SharedAttachment),
    (r"durable-chat/shared/events", SharedEvents),
]
