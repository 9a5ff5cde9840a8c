"""A body that is a file: its bytes are taken as they come, so that no more of them than allowed is ever in memory."""

from typing import Any, ClassVar

from tornado import web

from jupyter_durable_chat.server.handler import ApiError, ChatHandler, Chatting


@web.stream_request_body
class Taking(Chatting):
    """A route that takes bytes."""

    limit: ClassVar[str]
    """The setting that limits it, in bytes."""
    taken_as: ClassVar[str] = "body"
    """What its sender calls it."""

    def initialize(self, **kwargs: Any) -> None:
        super().initialize(**kwargs)
        self._pieces: list[bytes] = []
        self._size = 0

    def data_received(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= self._allowed:
            self._pieces.append(chunk)
        else:
            self._pieces.clear()

    def taken(self) -> bytes:
        """The body, once. Raises `ApiError` 413."""
        if self._size > self._allowed:
            text = f"The {self.taken_as} has {self._size} bytes; c.DurableChat.{self.limit} allows {self._allowed}."
            raise ApiError(413, "too-large", text)
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data

    @property
    def _allowed(self) -> int:
        return getattr(self.chat, self.limit)


class Upload(Taking, ChatHandler):
    """A route that takes a file."""

    taken_as = "file"
