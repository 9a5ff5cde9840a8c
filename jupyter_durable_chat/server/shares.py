"""Links by which others read: made, listed and revoked by who may write here.

A link's token is told once, in the answer to who makes it. What is kept is its hash, in the session's log, so whatever
happens to this server, and on every other one on this store, a link that was revoked opens nothing.
"""

import hashlib
import secrets
import time

from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.commands import new_id
from jupyter_durable_chat.server.handler import ID, ApiError, ChatHandler, route
from jupyter_durable_chat.transcript import JSON

TOKEN_BYTES = 24
"""Of 32 characters, each of `A-Z a-z 0-9 _ -`."""

MAX_NAME = 100

MAX_SECONDS = 10 * 366 * 24 * 3600.0


class NewShare(Struct):
    name: str = ""
    expires_seconds: float | None = None


def hash_of(token: str) -> str:
    """What is kept of a token. (It is random, so nobody finds it by guessing what has this hash.)"""
    return hashlib.sha256(token.encode()).hexdigest()


class Shares(ChatHandler):
    @route
    async def get(self, session_id: str) -> None:
        async with self.registry.acquire(session_id) as session:
            listed = [told(share) for share in session.transcript.shares]
        self.reply({"allowed": self.chat.allow_sharing, "shares": listed})

    @route
    async def post(self, session_id: str) -> None:
        body = self.body(NewShare)
        if not self.chat.allow_sharing:
            raise ApiError(403, "forbidden", "Links to read by are switched off here: c.DurableChat.allow_sharing.")
        if self.is_kernel:
            raise ApiError(403, "forbidden", "A kernel shares nothing: a person does, in the browser.")
        if len(body.name) > MAX_NAME:
            raise ApiError(400, "malformed", f"name takes at most {MAX_NAME} characters.")
        token = secrets.token_urlsafe(TOKEN_BYTES)
        made = e.ShareCreated(
            share=new_id("h"),
            hash=hash_of(token),
            name=body.name.strip(),
            expires_at=_expiry(body.expires_seconds),
            by=self.author,
        )
        async with self.registry.acquire(session_id) as session:
            share = await session.share(made)
        self.reply(
            {"share": told(share), "token": token, "path": f"{self.base_url}durable-chat/share/{session_id}"}, 201
        )


class OneShare(ChatHandler):
    @route
    async def delete(self, session_id: str, share_id: str) -> None:
        async with self.registry.acquire(session_id) as session:
            self.reply({"revoked": await session.revoke_share(share_id, self.author)})


def told(share: JSON) -> JSON:
    """What a list says of a link."""
    return {name: value for name, value in share.items() if name != "hash"}


def _expiry(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    if not 0 < seconds <= MAX_SECONDS:
        raise ApiError(400, "malformed", f"expires_seconds takes a number up to {MAX_SECONDS:.0f}, and not {seconds}.")
    return e.timestamp(time.time() + seconds)


SHARES: list[tuple[str, type[ChatHandler]]] = [
    (rf"durable-chat/api/sessions/{ID}/shares", Shares),
    (rf"durable-chat/api/sessions/{ID}/shares/{ID}", OneShare),
]
