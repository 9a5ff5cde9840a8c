"""One session as this kernel knows it: opened when it is first needed, and again when that failed.

Running the same cell twice, or after a kernel restart, finds the same session: the server knows which notebook this
kernel belongs to. A kernel without a notebook keeps the sessions of its names itself.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from jupyter_durable_chat.notebook.attach import Attached, Upload, part_of
from jupyter_durable_chat.notebook.client import ChatError, Client, ServerUnreachable
from jupyter_durable_chat.notebook.follower import Follower, Reader, connect
from jupyter_durable_chat.notebook.place import kernel_id, notebook, visitor
from jupyter_durable_chat.transcript import JSON

Answer = TypeVar("Answer")

_GONE = (404, 410)

_without_notebook: dict[tuple[str, str, str], str] = {}
"""Sessions by (server, who looks, name), of a kernel that belongs to no notebook."""


class Conversation:
    """Commands to one session. Every method may raise `ServerUnreachable` or `ChatError`."""

    def __init__(
        self,
        name: str = "",
        *,
        session: str | None = None,
        title: str | None = None,
        agent: str | None = None,
        model: str | None = None,
        mode: str | None = None,
        effort: str | None = None,
    ) -> None:
        self.name = name
        self.session = session
        self.reader: Reader | None = None
        wanted = {"title": title, "agent": agent, "model": model, "mode": mode, "effort": effort}
        self._wanted = {name: value for name, value in wanted.items() if value is not None}
        self.follower: Follower | None = None
        self._problem: ServerUnreachable | None = None

    @property
    def client(self) -> Client:
        self.open()
        assert self.follower is not None
        return self.follower.client

    @property
    def notice(self) -> str | None:
        """Why this conversation does not move, if so."""
        problem = self._problem or self._known
        return str(problem) if problem else None

    @property
    def _known(self) -> ChatError | None:
        """What those who follow it have found."""
        return (self.reader and self.reader.error) or (self.follower and self.follower.problem)

    def open(self) -> Reader:
        """Find or create the session. Idempotent."""
        if self.reader is None:
            try:
                self._open()
            except ServerUnreachable as problem:
                self._problem = problem
                raise
            self._problem = None
        assert self.reader is not None
        return self.reader

    def _open(self) -> None:
        follower = connect()
        transcript = self._find(follower.client)
        if changes := {k: v for k, v in self._wanted.items() if transcript.get(k) != v}:
            transcript = follower.client.update(transcript["id"], **changes)
        self.follower, self.session = follower, transcript["id"]
        self.reader = follower.reader(transcript)

    def _find(self, client: Client) -> JSON:
        if self.session is not None:
            return client.transcript(self.session)
        key = ("" if client.is_standalone else client.url, visitor(), self.name)
        if key in _without_notebook:
            try:
                return client.transcript(_without_notebook[key])
            except ChatError as error:
                if error.status not in _GONE:
                    raise
        # Mode and effort are set when the session is there.
        about = {k: v for k, v in self._wanted.items() if k in ("title", "agent", "model")}
        home = {"notebook": notebook()} if client.is_standalone else {"kernel": kernel_id()}
        transcript = client.create(name=self.name, **home, **about)
        if transcript["notebook"] is None:
            _without_notebook[key] = transcript["id"]
        return transcript

    def refresh(self) -> None:
        """Let `reader` have what the server has now, if the server can be asked."""
        if self.reader and not self._known:
            try:
                self.reader.refresh()
                self._problem = None
            except ServerUnreachable as problem:  # whoever follows it may not have heard of that yet
                self._problem = problem
            except ChatError:
                pass

    def read(self, lsn: int) -> None:
        """Say that the person has had it up to there, if the server can be told. Nobody waits for that."""

        def read(client: Client, session: str) -> None:
            with suppress(ChatError):
                client.read(session, lsn)

        if self.session and not self._known:
            threading.Thread(target=read, args=[self.client, self.session], daemon=True).start()

    def send(self, text: str, attach: Sequence[Attached] = (), **options: Any) -> JSON:
        """What the server answered, once it is durable. `reader` has it too. `options` are those of `Client.send`."""

        def send(client: Client, session: str) -> JSON:
            parts = [_part(client, session, thing) for thing in attach]
            return client.send(session, text, parts=parts or None, **options)

        return self._do(send)

    def retry(self, message: str, **options: Any) -> JSON:
        """`options` are those of `Client.retry`."""
        return self._do(lambda client, session: client.retry(session, message, **options))

    def go_on(self, message: str) -> JSON:
        return self._do(lambda client, session: client.go_on(session, message))

    def branch(self, message: str) -> None:
        self._do(lambda client, session: client.branch(session, message))

    def resume(self) -> None:
        self._do(lambda client, session: client.resume(session))

    def remove(self, message: str) -> bool:
        return self._do(lambda client, session: client.remove(session, message))

    def _do(self, command: Callable[[Client, str], Answer]) -> Answer:
        """The server's answer to a command; `reader` has what it did, too."""
        reader = self.open()
        answer = command(self.client, reader.session)
        self._problem = None
        with suppress(ChatError):  # it is done, whatever the network does now
            reader.refresh()
        return answer

    def stop(self, turn: str | None = None) -> bool:
        """Stop this turn, or the one that runs.

        It is stopped by its name, so that a request that arrives twice, or late, stops no other.
        """
        if turn is not None:
            return self._do(lambda client, session: client.stop(session, turn))
        reader = self.open()
        while True:
            reader.refresh()
            running = reader.look(lambda transcript: transcript.turn["id"] if transcript.turn else None)
            if running is None or self.stop(running):
                return running is not None

    def export(self, format: str) -> str:
        return self._do(lambda client, session: client.export(session, format))

    def fork(self, **at: Any) -> str:
        """The id of a new session with the history up to `lsn` or `message_id`; without either, up to now."""
        reader = self.open()
        return self.client.fork(reader.session, **(at or {"lsn": reader.lsn}))["id"]


def bring(file: bytes) -> JSON:
    """A new session of an exported file: its transcript, and what of its files is `missing`."""
    return connect().client.bring(file)


def _part(client: Client, session: str, thing: Attached) -> JSON:
    """The part of a message; a file is the server's from now on."""
    if not isinstance(thing, Upload):
        return thing
    return part_of(thing, client.upload(session, thing.data, thing.filename, thing.media_type))
