"""A person's inbox, and who watches what.

Nothing here is activity: pages do it by themselves. Shapes of bodies and answers: `docs/architecture.md`.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from jupyter_durable_chat import events as e
from jupyter_durable_chat.inbox import Inbox
from jupyter_durable_chat.server.handler import ApiError, ChatHandler, route

MAX_NAME = 200


class ReadBody(Struct):
    session: str | None = None
    lsn: int = 0
    all: bool = False


class ClaimBody(Struct):
    turn: str
    kind: e.NoticeKind
    by: str
    wait: str | None = None


class WatchingBody(Struct):
    stream: str
    sessions: list[str] | None = None
    typing: str | UnsetType | None = UNSET


class Quiet(ChatHandler):
    _track_activity = False

    def told(self, inbox: Inbox) -> None:
        """Answer with an inbox."""
        about: dict[str, Any] = inbox.to_json()
        self.reply(about)


class OneInbox(Quiet):
    @route
    async def get(self) -> None:
        self.told(await self.registry.inboxes.open(self.person))


class Read(Quiet):
    @route
    async def post(self) -> None:
        body = self.body(ReadBody)
        if body.all == (body.session is not None):
            raise ApiError(400, "malformed", "The body takes either session and lsn, or all: true.")
        through = None if body.session is None else {body.session: body.lsn}
        if through:
            self.chat.watching.read(self.person, through)
        self.told(await self.registry.inboxes.read(self.person, through))


class Clear(Quiet):
    @route
    async def post(self) -> None:
        self.told(await self.registry.inboxes.clear(self.person))


class Claim(Quiet):
    @route
    async def post(self) -> None:
        body = self.body(ClaimBody)
        if not 1 <= len(body.by) <= MAX_NAME:
            raise ApiError(400, "malformed", f"by takes 1 to {MAX_NAME} characters, a name of the page.")
        claimed = await self.registry.inboxes.claim(self.person, body.turn, body.kind, body.wait, body.by)
        self.reply({"claimed": claimed})


class Watch(Quiet):
    """What of what a stream brings is in sight, and where of that somebody is typing."""

    @route
    async def post(self) -> None:
        body = self.body(WatchingBody)
        view = self.chat.watching.find(body.stream, self.person)
        if view is None or (view.who and view.who.username != self.author.username):
            raise ApiError(404, "unknown-stream", "There is no such stream (any more). The next one says it anew.")
        if body.sessions is not None:
            self.chat.watching.look(view, body.sessions)
        if body.typing is not UNSET:
            self.chat.watching.type(view, body.typing)
        self.reply({})


INBOX: list[tuple[str, type[ChatHandler]]] = [
    (r"durable-chat/api/inbox", OneInbox),
    (r"durable-chat/api/inbox/read", Read),
    (r"durable-chat/api/inbox/clear", Clear),
    (r"durable-chat/api/inbox/claim", Claim),
    (r"durable-chat/api/watching", Watch),
]
