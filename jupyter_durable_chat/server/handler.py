"""What every route has in common: who may come in, and how an error looks.

A request is let in when Jupyter knows its user, the server's authorizer allows the action on `durable_chat`, its
origin is ours, and, unless a token proves it, its XSRF token is right: on GET too, because these answers are private.
Kernels have a token of their own; it opens these routes and no others.

An error is a real status code with `{"message", "reason", "code"}`. What a command or the store raises is translated
here and nowhere else.
"""

import hmac
import http.client
import re
import traceback
from collections.abc import Awaitable, Callable
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import quote

import msgspec
from jupyter_server import CallContext
from jupyter_server.auth.decorator import authorized
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.catalog import UnknownAgent
from jupyter_durable_chat.commands import (
    AgentUnavailable,
    AlreadyAnswered,
    AlreadyStarted,
    BudgetSpent,
    Busy,
    ClientIdReused,
    NotAnAnswer,
    NothingToContinue,
    NotWaiting,
    SessionFull,
    TooManyMessages,
    TooManyShares,
    TooManyTurns,
    TurnRunning,
    UnknownApproval,
    UnknownCall,
    UnknownEffort,
    UnknownMessage,
)
from jupyter_durable_chat.log import AheadOfLog, Compacted, Fenced, LogUnavailable, StreamDeleted, UnknownStream
from jupyter_durable_chat.readable.text import line as in_one_line
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.transcript import Transcript

if TYPE_CHECKING:
    from jupyter_durable_chat.server.extension import DurableChat

Handler = TypeVar("Handler", bound="Chatting")
P = ParamSpec("P")
Body = TypeVar("Body", bound=msgspec.Struct)

USER_HEADER = "Durable-Chat-User"
"""Tells a page whom the server takes its requests for, where it tells people apart."""

TYPED = re.compile(r"\b(q|filename|notebook)=[^&]+")
"""What people say in an address."""

ID = r"([A-Za-z0-9_-]{1,64})"
"""An id in an address."""

MAX_NAME = 200
"""Characters of a name that people see."""

_COLOR = re.compile(r"var\(--jp-collaborator-color[1-7]\)|#[0-9a-fA-F]{6}")


def safe_color(color: object) -> str | None:
    """A colour of JupyterLab's for collaborators, or plain hexadecimal; of anything else nothing.

    Users may change theirs (`PATCH /api/me`), so it may be any text.
    """
    return color if isinstance(color, str) and _COLOR.fullmatch(color) else None


class ApiError(web.HTTPError):
    """An answer that is not the wished one: `message` says it to a person, `code` to a program."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None, **more: Any) -> None:
        super().__init__(status, "%s", message)
        self.retry_after = retry_after
        self.body = {"message": message, "reason": http.client.responses[status], "code": code, **more}


_STATUS: dict[type[Exception], tuple[int, str]] = {
    TurnRunning: (409, "turn-running"),
    ClientIdReused: (409, "client-id-reused"),
    NothingToContinue: (409, "nothing-to-continue"),
    NotWaiting: (409, "not-waiting"),
    UnknownMessage: (404, "unknown-message"),
    AlreadyAnswered: (409, "already-answered"),
    AlreadyStarted: (409, "already-started"),
    BudgetSpent: (409, "budget-spent"),
    NotAnAnswer: (400, "malformed"),
    UnknownApproval: (404, "unknown-approval"),
    UnknownCall: (404, "unknown-call"),
    UnknownEffort: (400, "unknown-effort"),
    UnknownAgent: (400, "unknown-agent"),
    AgentUnavailable: (503, "agent-unavailable"),
    Busy: (503, "busy"),
    TooManyTurns: (503, "too-many-turns"),
    TooManyMessages: (429, "too-many-messages"),
    TooManyShares: (409, "too-many-shares"),
    SessionFull: (413, "session-full"),
    LogUnavailable: (503, "store-unavailable"),
}


def translated(error: Exception) -> ApiError | None:
    """The answer to what the inside raised; `None` for what nobody expected."""
    if isinstance(error, UnknownStream):
        return ApiError(404, "unknown-session", f"There is no session {error.stream!r} on this server.")
    if isinstance(error, StreamDeleted):
        return ApiError(410, "deleted", f"Session {error.stream!r} was deleted.")
    if isinstance(error, Compacted):
        return ApiError(409, "compacted", f"The events of session {error.stream!r} up to there are no longer kept.")
    if isinstance(error, AheadOfLog):
        message = f"Session {error.stream!r} ends at LSN {error.last_lsn}. Load it again and go on from there."
        return ApiError(409, "lsn-ahead", message, last_lsn=error.last_lsn)
    if isinstance(error, Fenced):
        message = f"Another server has just taken over session {error.stream!r}; try again."
        return ApiError(503, "busy", message, retry_after=1)
    for kind, (status, code) in _STATUS.items():
        if isinstance(error, kind):
            return ApiError(status, code, str(error), retry_after=getattr(error, "retry_after", None))
    return None


def translating(
    method: Callable[Concatenate[Handler, P], Awaitable[None]],
) -> Callable[Concatenate[Handler, P], Awaitable[None]]:
    """A method whose errors are answers, as far as they are known."""

    @wraps(method)
    async def answering(self: Handler, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await method(self, *args, **kwargs)
        except Exception as error:
            if answer := translated(error):
                raise answer from error
            raise

    return answering


def route(
    method: Callable[Concatenate[Handler, P], Awaitable[None]],
) -> Callable[Concatenate[Handler, P], Awaitable[None]]:
    """A method of a handler that only an authenticated and authorized user reaches, with errors translated."""
    return cast(Any, web.authenticated(authorized(cast(Any, translating(method)))))


class Logged(JupyterHandler):
    """A request of which no more stands in the log than belongs there."""

    def _log(self) -> None:
        """Log the request as Jupyter does, without what was searched for, or what files are called.

        Nor may who sent it steer the terminal that shows the log: of control characters, HTTP allows those above ASCII.
        """
        request = self.request
        uri = TYPED.sub(r"\1=[typed]", request.uri or "") if request.query else request.uri or ""
        request.uri = uri if uri.isascii() and uri.isprintable() else in_one_line(uri)
        if referrer := request.headers.get("Referer"):
            request.headers["Referer"] = in_one_line(referrer)
        super()._log()


class Chatting(Logged):
    """A request under `durable-chat/`, in whatever language."""

    auth_resource = "durable_chat"

    @property
    def chat(self) -> "DurableChat":
        """The extension that this server runs."""
        return self.settings["durable_chat"]

    @property
    def registry(self) -> Registry:
        return self.chat.registry

    async def prepare(self) -> None:  # type: ignore[override]
        if self.is_kernel:
            CallContext.set(CallContext.JUPYTER_HANDLER, self)
            if not self.check_host():
                raise web.HTTPError(403)
            self.current_user = self._jupyter_current_user = self.chat.kernel_user
            self._token_authenticated = True
        else:
            await super().prepare()
            if self.current_user and self.request.method in ("GET", "HEAD"):
                self.check_xsrf_cookie()
            if self.current_user and self.chat.tells_apart:
                self.set_header(USER_HEADER, quote(self.author.username))
        await self.chat.ready()

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Log what went wrong. Its text is for who asked, whom it may quote; that of a foreign exception for nobody."""
        what = in_one_line(f"{self.request.method} {self.request.path}")
        if isinstance(value, web.HTTPError):
            why = value.body["code"] if isinstance(value, ApiError) else _CODES.get(value.status_code, "error")
            self.log.warning("%d %s: %s", value.status_code, what, why)
        else:
            where = "".join(traceback.format_tb(tb))
            self.log.error("%s failed with %s\n%s", what, typ.__name__ if typ else "an error", where)

    @property
    def is_kernel(self) -> bool:
        """Whether this comes with the token of this server's kernels."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        mine = self.chat.kernel_token
        return scheme.lower() in ("token", "bearer") and hmac.compare_digest(token.strip().encode(), mine.encode())

    @property
    def author(self) -> e.Author:
        """Who sends this, as Jupyter's identity provider has it."""
        user = cast(User, self.current_user)
        name = (user.display_name or user.name or "")[:MAX_NAME]
        via = "kernel" if user is self.chat.kernel_user else None
        return e.Author(user.username, name, safe_color(user.color), via)

    @property
    def person(self) -> str:
        """Whose inbox is asked for, and who watches."""
        return self.chat.person(self.author.username)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if not isinstance(error, ApiError):
            error = _plain(status_code, error)
        if error.retry_after is not None:
            self.set_header("Retry-After", str(error.retry_after))
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Type", "application/json")
        self.finish(e.to_json(error.body))


class ChatHandler(Chatting, APIHandler):
    """A request that is answered in JSON."""

    def body(self, kind: type[Body]) -> Body:
        """The request's JSON body as this struct. Raises `ApiError` 400 that quotes what is wrong, or 413."""
        limit = self.chat.max_message_bytes
        if len(self.request.body) > limit:
            raise ApiError(
                413,
                "too-large",
                f"The request has {len(self.request.body)} bytes; c.DurableChat.max_message_bytes allows {limit}.",
            )
        try:
            body = msgspec.json.decode(self.request.body or b"{}", type=kind)
        except RecursionError as error:
            raise _too_deep() from error
        except msgspec.ValidationError as error:
            raise ApiError(400, "malformed", f"The request's body is not what this route takes: {error}.") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ApiError(400, "malformed", f"The request's body is not JSON: {error}.") from error
        if not e.nests(msgspec.structs.asdict(body), e.MAX_DEPTH):
            raise _too_deep()
        return body

    def reply(self, value: Any, status: int = 200) -> None:
        """Answer with JSON that no cache keeps."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(value if isinstance(value, bytes) else e.to_json(value))

    def created(self, transcript: Transcript, **more: Any) -> None:
        """Answer with a new session and where it is."""
        self.set_header("Location", f"{self.base_url}durable-chat/api/sessions/{transcript.id}")
        self.reply(transcript.to_json() | more, 201)


def _too_deep() -> ApiError:
    return ApiError(
        400, "malformed", f"The request's body nests deeper than the {e.MAX_DEPTH} levels that are allowed."
    )


_CODES = {400: "malformed", 401: "unauthenticated", 403: "forbidden", 404: "not-found", 405: "method-not-allowed"}


def _plain(status: int, error: BaseException | None) -> ApiError:
    """An error that Jupyter or Tornado raised, in our words where they have none; a bug tells nothing of itself."""
    if not isinstance(error, web.HTTPError) or not (message := error.log_message):
        message = {
            403: "This request is not authenticated, or its XSRF token is missing.",
            404: "There is nothing here.",
            500: "The server failed to answer this. Its log says why.",
        }.get(status, http.client.responses.get(status, "Unknown error"))
    elif error.args:
        message %= error.args
    return ApiError(status, _CODES.get(status, "error"), message)
