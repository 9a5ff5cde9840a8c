"""The server as a kernel sees it: HTTP and nothing else.

A call ends in one of three ways: an answer, `ServerUnreachable` (nobody answered who could), or `ChatError` (the server
said no, and why). A message is sent once, however often the connection breaks: its client id is minted here, and the
server answers the same id with the same answer.
"""

import ipaddress
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from jupyter_durable_chat.rendezvous import TOKEN_VARIABLE, URL_VARIABLE
from jupyter_durable_chat.transcript import JSON

if TYPE_CHECKING:
    import httpx2


CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 60.0
RETRY_DELAYS = (0.1, 0.4, 1.0)

REFUSED = (401, 403)
"""Statuses that say that this kernel's token is worth nothing: trying again is useless."""


class ChatError(Exception):
    """The server said no. `status` is the HTTP status and `code` the server's word for it, if it answered with one."""

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ServerUnreachable(ChatError):
    """Nobody answered who could. Nothing is lost: what runs goes on in the server."""


def server_address() -> tuple[str, str] | None:
    """URL and token of the server that started this kernel; `None` when none did."""
    url = os.environ.get(URL_VARIABLE)
    return (url, os.environ.get(TOKEN_VARIABLE, "")) if url else None


class Client:
    """The calls. `url` ends with `/durable-chat/`. Safe to use from several threads.

    Of a server that may come back elsewhere, `locate` says where it is now.
    """

    def __init__(self, url: str, token: str, locate: Callable[[], tuple[str, str]] | None = None) -> None:
        self.url = url.rstrip("/") + "/"
        self._token = token
        self._locate = locate

    @property
    def is_standalone(self) -> bool:
        """Whether the server is no Jupyter's, and knows notebooks as files of this machine."""
        return self._locate is not None

    def relocate(self) -> None:
        """After nobody answered: look where the server is now, and have it started if it is to be."""
        if self._locate is None:
            return
        with suppress(ServerUnreachable):
            url, token = self._locate()
            if (url, token) != (self.url, self._token):
                self.url, self._token = url, token
                self.close()

    def options(self) -> JSON:
        """How to build an HTTP client for this server, blocking or not."""
        import httpx2

        local = _is_loopback(self.url)
        return {
            "base_url": self.url,
            "headers": {"Accept": "application/json", "Authorization": f"token {self._token}"},
            "timeout": httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            # Nobody stands between a kernel and the server on its own machine: no proxy, and a certificate that nobody
            # has signed is as good as any.
            "trust_env": not local,
            "verify": not local,
        }

    def close(self) -> None:
        """Give up the connections; the next call opens new ones."""
        if http := self.__dict__.pop("_http", None):
            http.close()

    def health(self) -> JSON:
        """How it is there. Tried once."""
        return self._request("GET", "api/health", delays=()).json()

    def create(self, **about: str | None) -> JSON:
        """The session of this `name` in this `notebook` or `kernel`, new or as it is: its transcript."""
        body = {name: value for name, value in about.items() if value is not None}
        return self._call("POST", "api/sessions", body, repeat="notebook" in body or "kernel" in body)

    def transcript(self, session: str) -> JSON:
        return self._call("GET", session_path(session))

    def events(self, session: str, after: int) -> bytes:
        """A page of the events after this LSN, as JSON."""
        return self._request("GET", session_path(session, f"events?after={after}")).content

    def read(self, session: str, lsn: int) -> None:
        """Say that the session was read up to there, and nobody need be told of it. Tried once."""
        self._request("POST", "api/inbox/read", {"session": session, "lsn": lsn}, delays=())

    def update(self, session: str, **changes: str) -> JSON:
        return self._call("PATCH", session_path(session), changes)

    def send(self, session: str, text: str, **options: Any) -> JSON:
        """Returns `{message_id, turn_id, lsn, status}` once the message is durable.

        `options`: `parts`, `agent`, `model`, `mode`, `effort`, `tools` (names).
        """
        return self._ask(session, "messages", text=text, **options)

    def retry(self, session: str, message: str, *, text: str | None = None, **options: Any) -> JSON:
        """Answer this message again, or with `text` another one beside it. Returns what `send` returns.

        `options`: `agent`, `model`, `mode`, `effort`.
        """
        return self._ask(session, "retry", message_id=message, text=text, **options)

    def go_on(self, session: str, message: str) -> JSON:
        """Continue this answer. Returns what `send` returns."""
        return self._ask(session, "continue", message_id=message)

    def branch(self, session: str, message: str) -> JSON:
        """Show the newest branch through this message: the transcript."""
        return self._call("POST", session_path(session, "branch"), {"message_id": message})

    def resume(self, session: str) -> JSON:
        """Let a held queue go on: the transcript."""
        return self._call("POST", session_path(session, "queue/resume"), {})

    def remove(self, session: str, message: str) -> bool:
        """Take a waiting message out of the queue; false for one whose turn has started."""
        return self._call("DELETE", session_path(session, "queue", quote(message, safe="")))["removed"]

    def stop(self, session: str, turn: str) -> bool:
        """Whether there was something to stop. Its outcome is in the log when this returns."""
        return self._call("POST", session_path(session, "stop"), {"turn_id": turn})["stopped"]

    def fork(self, session: str, **at: int | str) -> JSON:
        """A new session with the history up to `lsn` or `message_id`: its transcript."""
        return self._call("POST", session_path(session, "fork"), at, repeat=False)

    def export(self, session: str, format: str) -> str:
        """The session as a file: `md`, `html`, `ipynb` or `json`."""
        return self._request("GET", session_path(session, f"export?format={quote(format, safe='')}")).text

    def bring(self, file: bytes) -> JSON:
        """A new session of an exported `json` file: its transcript, and what of its files is `missing`."""
        return self._request("POST", "api/sessions/import", data=file, repeat=False).json()

    def upload(self, session: str, data: bytes, filename: str, media_type: str) -> JSON:
        """Make a file an attachment of the session: `{url, mediaType, filename, size}`."""
        path = session_path(session, f"attachments?filename={quote(filename, safe='')}")
        return self._request("POST", path, data=data, media_type=media_type).json()

    def offer(self, session: str, runner: str, kernel: str | None, tools: list[JSON]) -> None:
        """From now on these are the tools that this runner runs for the session; with none it runs nothing."""
        self._call("POST", session_path(session, "offers"), {"runner": runner, "kernel": kernel, "tools": tools})

    def claim(self, session: str, call: str, runner: str) -> None:
        """Say that this runner begins to run a call. Raises `ChatError` when it is not to be run here."""
        self._call("POST", _call_path(session, call), {"runner": runner, "started": True})

    def report(self, session: str, call: str, runner: str, said: JSON) -> None:
        """Tell how far a call is, or what it said; told once at most."""
        self._request("POST", _call_path(session, call), {"runner": runner, **said}, repeat=False, delays=())

    def finish(self, session: str, call: str, runner: str, result: JSON) -> None:
        """The result of a call: `{output}` or `{error}`."""
        self._call("POST", _call_path(session, call), {"runner": runner, **result})

    def _ask(self, session: str, what: str, **about: Any) -> JSON:
        """A request for an answer, under a client id of its own, so that repeating it asks once."""
        body = {"client_id": f"k_{uuid.uuid4().hex}", **about}
        return self._call("POST", session_path(session, what), {k: v for k, v in body.items() if v is not None})

    @cached_property
    def _http(self) -> "httpx2.Client":
        import httpx2

        return httpx2.Client(**self.options())

    def _call(self, method: str, path: str, body: JSON | None = None, *, repeat: bool = True) -> Any:
        return self._request(method, path, body, repeat=repeat).json()

    def _request(
        self,
        method: str,
        path: str,
        body: JSON | None = None,
        *,
        data: bytes | None = None,
        media_type: str | None = None,
        repeat: bool = True,
        delays: tuple[float, ...] = RETRY_DELAYS,
    ) -> "httpx2.Response":
        """One call, made again when the connection breaks; without `repeat` only if it cannot have arrived."""
        import httpx2

        again = httpx2.TransportError if repeat else (httpx2.ConnectError, httpx2.ConnectTimeout)
        headers = {"Content-Type": media_type} if media_type else None
        try:
            response = self._http.request(method, path, json=body, content=data, headers=headers)
        except httpx2.TransportError as error:
            if not delays or not isinstance(error, again):
                raise self.unreachable(error) from error
        else:
            check(response)
            return response
        time.sleep(delays[0])
        self.relocate()
        more = {"data": data, "media_type": media_type, "repeat": repeat}
        return self._request(method, path, body, **more, delays=delays[1:])

    def unreachable(self, error: Exception) -> ServerUnreachable:
        """A transport's error in words for a person."""
        return ServerUnreachable(
            f"The Jupyter server at {self.url} does not answer ({type(error).__name__}: {error}). "
            "Answers that were running there are kept. If the server was started anew, restart this kernel."
        )


def check(response: "httpx2.Response") -> None:
    """Raise what the server said, unless it is a success. The body must have been read."""
    is_json = response.headers.get("content-type", "").startswith("application/json")
    is_file = response.headers.get("content-disposition", "").startswith("attachment")
    if response.is_success and (is_json or is_file or not response.content):
        return
    status = response.status_code
    body = response.json() if is_json else None
    if not isinstance(body, dict) or "code" not in body:
        # A proxy, a login page, a Jupyter without us: what it says is for a browser.
        url = response.url.copy_with(query=None)
        raise ServerUnreachable(
            f"HTTP {status} {response.reason_phrase} from {url}: no durable-chat there.", status=status
        )
    message, code = str(body["message"]), str(body["code"])
    if status in REFUSED:
        message = (
            f"The Jupyter server does not accept this kernel. Restart the kernel: it gets a new token. ({message})"
        )
    unreachable = status in REFUSED or code == "store-unavailable"
    raise (ServerUnreachable if unreachable else ChatError)(message, status=status, code=code)


def session_path(session: str, *more: str) -> str:
    return "/".join(("api/sessions", quote(session, safe=""), *more))


def _call_path(session: str, call: str) -> str:
    return session_path(session, "tools", quote(call, safe=""))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
