"""A session as a file, and a file as a session.

A document is made in a thread. A log of any length is read to its end before anything of it is sent: whoever gets a
file gets all of it, also when the log is compacted meanwhile. An import is checked in a thread before anything of it is
stored.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple
from urllib.parse import quote

import msgspec
from tornado.iostream import StreamClosedError

from jupyter_durable_chat import events as e
from jupyter_durable_chat.attachments import URL, UnknownAttachment, is_allowed, media_type
from jupyter_durable_chat.attachments import TooLarge as TooLargeFile
from jupyter_durable_chat.commands import new_id
from jupyter_durable_chat.log import Compacted
from jupyter_durable_chat.portable import ATTACHMENT, Allowed, Refused, TooLarge, attachment, head, opened
from jupyter_durable_chat.readable.document import Document, File, sized, to_document, urls_of
from jupyter_durable_chat.readable.notebook import to_notebook
from jupyter_durable_chat.readable.page import to_page
from jupyter_durable_chat.server.attachments import unavailable
from jupyter_durable_chat.server.handler import ID, ApiError, ChatHandler, route
from jupyter_durable_chat.server.upload import Upload
from jupyter_durable_chat.transcript import JSON

EMBEDDED_BYTES = 20 << 20
"""Of attachments in one document; the others are named in it."""

PORTABLE_BYTES = 60 << 20
"""Of attachments in one exported log; as base64 they are a third more."""

SLICE_BYTES = 1 << 18
"""Of a file, at a time; what is larger is on disk until it is sent."""

CHECK_SECONDS = 30.0
"""How long an import may take to be checked."""

TITLE = 80
"""Characters of a title in a file's name."""

_FORBIDDEN = str.maketrans(dict.fromkeys('/\\:*?"<>|', "-"))
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


class Kind(NamedTuple):
    media_type: str
    write: Callable[[Document], str] | None
    """`None`: the log as it is."""
    embeds: bool


KINDS = {
    "md": Kind("text/markdown; charset=utf-8", to_document, False),
    "html": Kind("text/html; charset=utf-8", to_page, True),
    "ipynb": Kind("application/x-ipynb+json", lambda document: _indented(to_notebook(document)), True),
    "json": Kind("application/json", None, True),
}


class Export(ChatHandler):
    @route
    async def get(self, session_id: str) -> None:
        wanted = self.get_query_argument("format", "md")
        if (kind := KINDS.get(wanted)) is None:
            raise ApiError(400, "malformed", f"format takes {', '.join(KINDS)}, and not {wanted[:80]!r}.")
        async with self.registry.acquire(session_id) as session:
            data = e.to_json(session.transcript.to_json())
        transcript: JSON = await asyncio.to_thread(msgspec.json.decode, data)
        now = e.timestamp(time.time())
        if kind.write is None:
            with SpooledTemporaryFile(SLICE_BYTES) as log:
                try:
                    names = await self._take(transcript, now, log)
                except OSError as error:
                    why = f"There is no room to make the file: {error.strerror or type(error).__name__}."
                    raise ApiError(503, "no-room", why) from error
                self._describe(kind, transcript, wanted)
                await self._send(self._slices(transcript["id"], log, names))
        else:
            files = await self._files(transcript) if kind.embeds else {}
            text = await asyncio.to_thread(kind.write, Document(transcript, files, now))
            self._describe(kind, transcript, wanted)
            self.finish(text, set_content_type=kind.media_type)

    def _describe(self, kind: Kind, transcript: JSON, ending: str) -> None:
        name = quote(f"{filename(transcript['title'] or transcript['name'])}.{ending}", safe="")
        self.set_header("Content-Type", kind.media_type)
        self.set_header("Content-Disposition", f"attachment; filename=\"chat.{ending}\"; filename*=UTF-8''{name}")
        # It is made to be saved; shown in its place all the same, it may do nothing with this server's name.
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    async def _files(self, transcript: JSON) -> dict[str, File]:
        """What the messages refer to, as far as there is room for it."""
        files: dict[str, File] = {}
        room = EMBEDDED_BYTES
        for url in urls_of(transcript):
            if url in files or not url.startswith(URL):
                continue
            data = await self._bytes(transcript["id"], url.removeprefix(URL))
            if data is None:
                files[url] = File(why="no longer kept")
            elif len(data) > room:
                files[url] = File(why=f"{sized(len(data))}, too large to be in this file")
            else:
                room -= len(data)
                files[url] = File(media_type(data), data)
        return files

    async def _bytes(self, session_id: str, file_hash: str) -> bytes | None:
        try:
            return await self.chat.attachments.get(session_id, file_hash)
        except UnknownAttachment:
            return None
        except OSError as error:
            raise unavailable(error) from error

    async def _take(self, transcript: JSON, at: str, file: IO[bytes]) -> list[str]:
        """Write the log, up to the LSN that the session has now, into `file`; what attachments it names.

        Where it is compacted in the middle, begin anew with what is kept.
        """
        log, session_id, end = self.registry.log, transcript["id"], transcript["lsn"]
        after, snapshot = 0, b"null"
        while True:
            await asyncio.to_thread(_begin, file, head(transcript, max(end, after), snapshot, at))
            named = dict.fromkeys(ATTACHMENT.findall(snapshot))
            between = b"\n"
            try:
                while after < end:
                    records = await log.read(session_id, after, limit=min(1000, end - after))
                    numbered = b",\n".join(e.number(*record) for record in records)
                    named.update(dict.fromkeys(ATTACHMENT.findall(numbered)))
                    await asyncio.to_thread(file.write, between + numbered)
                    after, between = records[-1].lsn, b",\n"
            except Compacted:
                kept = await self.chat.snapshots.after(after, log, session_id)
                after, snapshot = kept.lsn, kept.data
            else:
                return [name.decode() for name in named]

    async def _slices(self, session_id: str, log: IO[bytes], names: list[str]) -> AsyncGenerator[bytes]:
        """The file: its log, and what that names."""
        log.seek(0)
        while data := await asyncio.to_thread(log.read, SLICE_BYTES):
            yield data
        yield b'],\n"attachments":['
        room, between = PORTABLE_BYTES, b"\n"
        for file_hash in names:
            try:
                data = await self._bytes(session_id, file_hash)
                why = "" if data is not None else "it is no longer kept"
            except ApiError:  # the head is out: what is here must be whole
                data, why = None, "it cannot be read"
            if data is not None and len(data) > room:
                data, why = None, f"it is too large to be in the file ({sized(len(data))})"
            room -= len(data or b"")
            yield between + await asyncio.to_thread(attachment, file_hash, data, why)
            between = b",\n"
        yield b"]}\n"

    async def _send(self, slices: AsyncGenerator[bytes]) -> None:
        try:
            async with aclosing(slices):
                async for data in slices:
                    self.write(data)
                    await self.flush()
        except StreamClosedError:
            return  # whoever wanted it has gone
        self.finish(set_content_type=KINDS["json"].media_type)


def _begin(file: IO[bytes], data: bytes) -> None:
    """Write this in place of what there was."""
    file.seek(0)
    file.truncate()
    file.write(data)


def filename(title: str) -> str:
    """A title as the name of a file that every system takes, without its ending."""
    name = "".join(character for character in title.translate(_FORBIDDEN) if character.isprintable())
    name = name[:TITLE].strip(" .") or "chat"
    return f"_{name}" if name.partition(".")[0].lower() in _RESERVED else name


def _indented(notebook: JSON) -> str:
    return msgspec.json.format(e.to_json(notebook), indent=1).decode() + "\n"


class Import(Upload):
    limit = "max_import_bytes"

    @route
    async def post(self) -> None:
        data = self.taken()
        until = time.monotonic() + CHECK_SECONDS
        allowed = Allowed(
            session_bytes=self.chat.max_session_bytes or float("inf"),
            attachment_bytes=self.chat.max_attachment_bytes,
            allows=lambda kind: is_allowed(kind, self.chat.attachment_types),
            patience=lambda: time.monotonic() < until,
        )
        now = e.timestamp(time.time())
        try:
            portable = await asyncio.to_thread(
                opened, data, session=new_id("s"), by=self.author, at=now, allowed=allowed
            )
            transcript = await self.registry.take_in(portable)
        except TooLarge as error:
            raise ApiError(413, "too-large", f"{error}.") from error
        except (Refused, TooLargeFile) as error:
            raise ApiError(400, "malformed", f"{error}.") from error
        self.created(transcript, missing=portable.missing)


FILES: list[tuple[str, type[ChatHandler]]] = [
    (r"durable-chat/api/sessions/import", Import),
    (rf"durable-chat/api/sessions/{ID}/export", Export),
]
