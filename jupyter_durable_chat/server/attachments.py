"""Files of a session over HTTP.

What somebody attached is hostile: a page shows the four kinds of pictures that hold no program, and everything else is
only given to be saved. What a file is, its bytes say.
"""

import asyncio
from urllib.parse import quote

from jupyter_durable_chat.attachments import INLINE, OPAQUE, URL, TooLarge, UnknownAttachment, is_allowed, media_type
from jupyter_durable_chat.server.handler import ID, ApiError, ChatHandler, route
from jupyter_durable_chat.server.upload import Upload

FILENAME = 200
"""Characters of a file's name."""


class Attachments(Upload):
    limit = "max_attachment_bytes"

    @route
    async def post(self, session_id: str) -> None:
        filename = self._filename()
        data = self.taken()
        if not data:
            raise ApiError(400, "malformed", "The request's body is empty; it takes the bytes of a file.")
        declared = self.request.headers.get("Content-Type", "")
        kind = await asyncio.to_thread(media_type, data, filename, declared)
        if not is_allowed(kind, self.chat.attachment_types):
            text = f"A file of the type {kind} is not among c.DurableChat.attachment_types."
            raise ApiError(415, "unsupported", text)
        async with self.registry.acquire(session_id) as session:
            try:
                file_hash = await self.chat.attachments.put(session.id, data)
            except TooLarge as error:
                raise ApiError(413, "too-large", str(error)) from error
            except OSError as error:
                raise unavailable(error) from error
        self.reply({"url": URL + file_hash, "mediaType": kind, "filename": filename, "size": len(data)}, 201)

    def _filename(self) -> str:
        """The last part of the name, in one line."""
        given = self.get_query_argument("filename", "file", strip=False).replace("\\", "/").rpartition("/")[2]
        name = "".join(character for character in given if character.isprintable()).strip()
        if len(name) > FILENAME:
            raise ApiError(400, "malformed", f"filename takes at most {FILENAME} characters.")
        return name or "file"


class Attachment(ChatHandler):
    @route
    async def get(self, session_id: str, file_hash: str) -> None:
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")
        await give(self, session_id, file_hash)


async def give(handler: ChatHandler, session_id: str, file_hash: str) -> None:
    """Answer with a file of this session."""
    async with handler.registry.acquire(session_id) as session:
        try:
            data = await handler.chat.attachments.get(session.id, file_hash)
        except UnknownAttachment as error:
            raise ApiError(404, "unknown-attachment", str(error)) from error
        except OSError as error:
            raise unavailable(error) from error
    kind = media_type(data[:64])
    inline = kind in INLINE
    filename = quote(handler.get_query_argument("filename", file_hash[:12])[:FILENAME], safe="")
    disposition = "inline" if inline else "attachment"
    handler.set_header("Content-Disposition", f"{disposition}; filename*=UTF-8''{filename}")
    handler.set_header("Content-Security-Policy", "default-src 'none'; sandbox")
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.set_header("Cross-Origin-Resource-Policy", "same-origin")
    handler.finish(data, set_content_type=kind if inline else OPAQUE)


def unavailable(error: OSError) -> ApiError:
    text = f"The folder of the attachments cannot be used: {error.strerror or type(error).__name__}."
    return ApiError(503, "attachments-unavailable", text)


ATTACHMENTS: list[tuple[str, type[ChatHandler]]] = [
    (rf"durable-chat/api/sessions/{ID}/attachments", Attachments),
    (rf"durable-chat/api/sessions/{ID}/attachments/{ID}", Attachment),
]
