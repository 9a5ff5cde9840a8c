"""Sessions spoken with by the AI SDK of npm's package `ai`: what its `DefaultChatTransport`, and so `useChat`, sends.

A chat of a client, by the id that the client gave it, is a session; so is an id of ours. A message of the client is
sent once, however often it comes: its id is its `client_id`. The stream of an answer is the difference between what the
client has and what the log has (`ui_messages.py`), again and again, until the turn is over or waits for a person; so a
client that joins late, comes back, or goes on after an approval is served like one that was there. A client that goes
stops nothing.

Format: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
"""

import contextlib
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from itertools import chain
from typing import Any, Literal

from jupyter_server.auth.decorator import allow_unauthenticated
from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.commands import Edit, Message, NothingToContinue, UnknownMessage, new_id
from jupyter_durable_chat.log import Compacted, LogUnavailable, StreamDeleted, UnknownStream
from jupyter_durable_chat.notices import asks
from jupyter_durable_chat.server.api import check_text
from jupyter_durable_chat.server.dialects.ui_messages import Mirror, OtherMessage, approvals_in, asked_in, outputs_in
from jupyter_durable_chat.server.handler import ApiError, ChatHandler, route
from jupyter_durable_chat.server.parts import check_attachments, check_parts
from jupyter_durable_chat.server.stream import EventStream
from jupyter_durable_chat.transcript import JSON, Transcript, nested, requests
from jupyter_durable_chat.watching import View

VERSION_HEADER = "X-AI-SDK-Version"
"""With it a client of version 5 says so; its requests do not differ from those of later ones."""

VERSIONS = ("5", "6", "7")

CHAT_ID = 200
"""Characters of a chat's id."""

MESSAGE_ID = 170
"""Characters of a message's id, so that there is room behind it in a client id."""

EDITED = "~"
"""Stands in a client id behind the id of a message that is edited, which the client keeps."""

SESSION = re.compile(r"s_[0-9a-f]{20}")

TRANSIENT = b'"transient":true'
"""What a record holds, perhaps among others, that is for those who are there."""

DONE = b"data: [DONE]\n\n"

REMOVED = "The message was removed from the queue before its turn."

GONE = "The chat was deleted."


class Chat(Struct, rename="camel"):
    """What the transport sends; `agent` and what follows it are ours, for its option `body`."""

    id: str
    messages: list[dict[str, Any]]
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: str | None = None
    agent: str | None = None
    model: str | None = None
    effort: str | None = None
    mode: e.Mode | None = None


class AnswerStream(EventStream):
    """A handler that streams one answer."""

    @property
    def version(self) -> int:
        said = self.request.headers.get(VERSION_HEADER, VERSIONS[1])
        if said not in VERSIONS:
            raise ApiError(400, "malformed", f"{VERSION_HEADER} takes one of {', '.join(VERSIONS)}, and not {said!r}.")
        return int(said)

    @allow_unauthenticated
    def options(self, *args: str) -> None:
        """What a page of another origin may send, where the server allows it that."""
        super().options(*args)
        if "Access-Control-Allow-Headers" not in self.settings.get("headers", {}):
            allowed = f"accept, content-type, authorization, x-xsrftoken, {VERSION_HEADER.lower()}"
            self.set_header("Access-Control-Allow-Headers", allowed)

    async def find(self, chat_id: str) -> str:
        """The session of this chat: the client's id is its key, or it is the session's own. Raises `UnknownStream`."""
        key = _key(chat_id)
        if found := await self.registry.log.find(key):
            return found.stream
        if not SESSION.fullmatch(chat_id):
            raise UnknownStream(chat_id)
        return chat_id

    async def answer(self, session_id: str, turn_id: str, mirror: Mirror) -> None:
        """Stream this turn's answer until it is over, or waits for a person."""
        self.begin_stream()
        self.set_header("X-Vercel-AI-UI-Message-Stream", "v1")
        with self.chat.watching.view(self.person, [session_id]) as view:
            await self.attend(self._tell(Answer(session_id, turn_id, mirror), view))

    async def _tell(self, answer: "Answer", view: View) -> None:
        try:
            await self.flush()
            async with aclosing(self._chunks(answer, view)) as coming:
                async for chunks in coming:
                    frames = [b"data: %b\n\n" % e.to_json(chunk) for chunk in chunks]
                    await self._say(frames or [b": keep-alive\n\n"])
            await self._say([DONE])
        except LogUnavailable as error:
            # No end is told: the client comes back, when there is a store again.
            self.log.warning("A stream of an answer ends: %s", error)
            self.hang_up()

    async def _chunks(self, answer: "Answer", view: View) -> AsyncGenerator[list[JSON]]:
        """What the client lacks, again and again; an empty list every `keep_alive_seconds` of silence."""
        lsn = None
        while True:
            try:
                async with self.registry.acquire(answer.session) as session:
                    passing: list[JSON] = []
                    # It may be folded further while that is read.
                    while lsn is not None and lsn < (end := session.transcript.lsn):
                        passing += await self._passing(answer, lsn, end)
                        lsn = end
                    chunks = answer.catch_up(session.transcript, passing)
                    lsn = session.transcript.lsn
            except (UnknownStream, StreamDeleted):
                yield [{"type": "error", "errorText": GONE}]
                return
            if chunks:
                yield chunks
            view.given[answer.session] = lsn
            if answer.is_over:
                return
            if not await self.registry.log.wait({answer.session: lsn}, self.chat.keep_alive_seconds):
                yield []

    async def _passing(self, answer: "Answer", after: int, end: int) -> list[JSON]:
        """What has come up to `end` for those who are there, and is in no message."""
        passing: list[JSON] = []
        with contextlib.suppress(Compacted):
            while after < end:
                records = await self.registry.log.read(answer.session, after, limit=end - after)
                said = (e.decode(e.number(*record)) for record in records if TRANSIENT in record.data)
                passing += [chunk for event in said if (chunk := answer.passing(event))]
                after = records[-1].lsn
        return passing


class Answer:
    """One turn's answer for one client, from its `start` to its end."""

    def __init__(self, session: str, turn: str, mirror: Mirror) -> None:
        self.session = session
        self.is_over = False
        self._turn = turn
        self._mirror = mirror
        self._message_id: str | None = None

    def passing(self, event: e.AnyEvent) -> JSON | None:
        """Transient data of this turn as a chunk."""
        if not isinstance(event, e.Data) or not event.transient or event.turn != self._turn:
            return None
        return {"type": event.type, "data": event.data, "transient": True} | ({"id": event.id} if event.id else {})

    def catch_up(self, transcript: Transcript, passing: Sequence[JSON] = ()) -> list[JSON]:
        """The chunks that bring the client to where this transcript is; after the last ones it `is_over`.

        `passing`: what has come and is in no transcript.
        """
        message = self._find(transcript)
        if message is None:
            self.is_over = any(m["metadata"]["turn"] == self._turn for m in transcript.removed)
            return [{"type": "error", "errorText": REMOVED}] if self.is_over else []
        chunks: list[JSON] = []
        if self._message_id is None:
            self._message_id = message["id"]
            chunks.append({"type": "start", "messageId": message["id"], "messageMetadata": self._metadata(message)})
        chunks += passing
        turn = transcript.turn if transcript.turn and transcript.turn["id"] == self._turn else None
        chunks += self._mirror.catch_up(message["parts"], continues=turn is not None and turn.get("continues", False))
        if turn is None:
            self.is_over = True
            chunks += self._mirror.end_step() + self._end(message)
        elif turn.get("waits_since") is not None and any(asks(part) for part in nested(message["parts"])):
            self.is_over = True
            chunks += [*self._mirror.end_step(), {"type": "finish", "messageMetadata": self._metadata(message)}]
        return chunks

    def _find(self, transcript: Transcript) -> JSON | None:
        if self._message_id is not None:
            return transcript.message(self._message_id)
        answers = (m for m in chain(transcript.messages, transcript.others) if m["role"] == "assistant")
        return next((m for m in answers if any(r["turn"] == self._turn for r in requests(m))), None)

    def _end(self, message: JSON) -> list[JSON]:
        """How it ended. What went on with the answer since is another turn's."""
        outcome = next(r.get("outcome") for r in requests(message) if r["turn"] == self._turn)
        metadata = {"messageMetadata": self._metadata(message)}
        match outcome:
            case "completed":
                return [{"type": "finish", **metadata}]
            case "stopped":
                return [{"type": "message-metadata", **metadata}, {"type": "abort"}]
        text = message["metadata"].get("error", {}).get("text") or f"The answer was {outcome}."
        return [{"type": "message-metadata", **metadata}, {"type": "error", "errorText": text}]

    def _metadata(self, message: JSON) -> JSON:
        return {"session": self.session, **message["metadata"]}


class Chats(AnswerStream):
    """A client says something, or goes on with an answer."""

    _track_activity = True

    @route
    async def post(self) -> None:
        version, asked = self.version, self.body(Chat)
        _check_chat_id(asked.id)
        if not asked.messages:
            raise ApiError(400, "malformed", "messages is empty: the last one is what is to be answered.")
        named = next((m for m in asked.messages if asked.message_id and m.get("id") == asked.message_id), {})
        last = asked.messages[-1]
        if named.get("role") == "assistant" and asked.trigger == "submit-message":
            mirror = Mirror(version, _parts(named))
            session_id, turn_id = await self._go_on(asked.id, named, Mirror(version, _parts(named)))
        elif last.get("role") == "user":
            mirror = Mirror(version)
            session_id, turn_id = await self._ask(asked, last)
        else:
            raise ApiError(400, "malformed", "The last of messages takes the role 'user': it is to be answered.")
        await self.answer(session_id, turn_id, mirror)

    async def _ask(self, asked: Chat, said: JSON) -> tuple[str, str]:
        """Send this message, or have it answered again: the session, and the turn that will answer it."""
        client_id = said.get("id")
        if not isinstance(client_id, str) or not 1 <= len(client_id) <= MESSAGE_ID:
            raise ApiError(400, "malformed", f"The last of messages needs an id, 1 to {MESSAGE_ID} characters.")
        check_parts(_parts(said))
        text, parts = asked_in(said)
        check_text(text, parts)
        how: dict[str, Any] = {name: getattr(asked, name) for name in ("agent", "model", "effort", "mode")}
        async with self.registry.acquire(await self._open(asked.id)) as session:
            await check_attachments(parts, self.chat.attachments, session.id)
            before = _said_as(session.transcript, client_id)
            if before and (asked.trigger == "regenerate-message" or asked.message_id == client_id):
                if before["parts"][1:] != parts:
                    why = "A message that is answered again may have another text; what else it holds stays."
                    raise ApiError(400, "malformed", why)
                if before["parts"][0]["text"] != text:
                    how |= {"text": text, "client_id": f"{client_id}{EDITED}{new_id('c')}"}
                sent = await session.retry(before["id"], Edit(**how), self.author)
            else:
                sent = await session.send(Message(client_id, text, parts, **how), self.author)
        return session.id, sent.turn_id

    async def _open(self, chat_id: str) -> str:
        """The chat's session, which is made if there is none."""
        try:
            return await self.find(chat_id)
        except UnknownStream:
            if SESSION.fullmatch(chat_id):
                raise
        made = e.SessionCreated(session=new_id("s"), by=self.author)
        transcript, _ = await self.registry.create(made, _key(chat_id))
        return transcript.id

    async def _go_on(self, chat_id: str, theirs: JSON, mirror: Mirror) -> tuple[str, str]:
        """Take what a person has answered in the client's message: the session, and the turn that goes on.

        Where there is nothing left to be said, that is an error: a client that goes on by itself would ask for ever.
        """
        async with self.registry.acquire(await self.find(chat_id)) as session:
            ours = session.transcript.message(theirs["id"])
            if ours is None or ours["role"] != "assistant":
                raise UnknownMessage(f"This chat has no answer {theirs['id']!r}.")
            try:
                lacking = mirror.catch_up(ours["parts"])
            except OtherMessage:
                text = f"Message {theirs['id']!r} is not what the client has of it. Load the chat again."
                raise ApiError(409, "other-message", text) from None
            turn = session.transcript.turn
            turn_id = requests(ours)[-1]["turn"]
            if turn is None or turn["id"] != turn_id:
                if not lacking:
                    raise NothingToContinue("This answer is over, and all of it is in the message.")
            else:
                for approval_id, approved, reason in approvals_in(theirs["parts"]):
                    await session.answer_approval(approval_id, approved, reason, self.author)
                for call_id, output in outputs_in(theirs["parts"], session.transcript.call):
                    await session.answer_call(call_id, output=output, runner=None, by=self.author)
        return session.id, turn_id


class ChatStream(AnswerStream):
    """A client comes back."""

    @route
    async def get(self, chat_id: str) -> None:
        version = self.version
        _check_chat_id(chat_id)
        session_id, turn = "", None
        with contextlib.suppress(UnknownStream):
            async with self.registry.acquire(await self.find(chat_id)) as session:
                session_id, turn = session.id, session.transcript.turn
        if turn is None:
            self.set_header("Cache-Control", "no-store")
            self.set_status(204)
            self.finish()
        else:
            await self.answer(session_id, turn["id"], Mirror(version))


def _key(chat_id: str) -> str:
    return f"ai-sdk:{chat_id}"


def _check_chat_id(chat_id: str) -> None:
    if not 1 <= len(chat_id) <= CHAT_ID or not chat_id.isprintable():
        raise ApiError(400, "malformed", f"id takes 1 to {CHAT_ID} characters that can be printed.")


def _parts(message: JSON) -> list[JSON]:
    parts = message.get("parts")
    if not isinstance(parts, list) or not all(isinstance(p, dict) and isinstance(p.get("type"), str) for p in parts):
        raise ApiError(400, "malformed", f"Message {message.get('id')!r} has no parts, a list of objects with a type.")
    return parts


def _said_as(transcript: Transcript, client_id: str) -> JSON | None:
    """The newest message that the client knows by this id: what it sent, or that as it was edited, or one of ours."""
    said = (m for m in chain(transcript.messages, transcript.others) if m["role"] == "user")

    def is_it(message: JSON) -> bool:
        sent_as: str = message["metadata"]["client_id"]
        return client_id in (message["id"], sent_as) or sent_as.startswith(client_id + EDITED)

    return max(filter(is_it, said), key=lambda message: message["metadata"]["lsn"], default=None)


AI_SDK: list[tuple[str, type[ChatHandler]]] = [
    (r"durable-chat/ai-sdk/chat", Chats),
    (r"durable-chat/ai-sdk/chat/(.+)/stream", ChatStream),
]
