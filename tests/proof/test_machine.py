"""Whatever people, servers, crashes and clocks do, in any order: nothing acknowledged is lost, and all see the same.

Hypothesis decides what happens; the servers, their registries and their logs are the real ones, in simulated time. A
failure is one short story. `PROOF=long` tells far more of them.
"""

import asyncio
import json
import os
import tempfile
from asyncio import Runner
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError
from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.commands import (
    AgentUnavailable,
    AlreadyAnswered,
    AlreadyStarted,
    Busy,
    ClientIdReused,
    Edit,
    Message,
    NothingToContinue,
    NotWaiting,
    Sent,
    TurnRunning,
    UnknownMessage,
    new_id,
)
from jupyter_durable_chat.log import AheadOfLog, Compacted, Fenced, StreamDeleted
from jupyter_durable_chat.registry import Part
from jupyter_durable_chat.server.stream import CaughtUp, Item, Lost, Records, Snapshot, read
from jupyter_durable_chat.session import Session
from jupyter_durable_chat.store.check import Check
from jupyter_durable_chat.transcript import TOOL_ENDS, Transcript, fold
from tests.proof.referee import JSON, Referee
from tests.proof.simulation import (
    LEASE_SECONDS,
    Answer,
    Server,
    SimulatedLoop,
    Store,
    Witness,
    memory_store,
    sqlite_store,
)
from tests.proof.typescript import TypeScriptFold, typescript_fold

HOUR = 3600.0
FOR_EVER = 2000.0
"""Simulated seconds after which nobody will ever be ready."""

CHATS = 3
READERS = 3

Command = Callable[[Session], Coroutine[Any, Any, None]]


class Chat:
    """What is known of one session: all that its log ever held, and all that was promised to anybody."""

    def __init__(self, session_id: str, before: list[bytes] | None = None) -> None:
        self.id = session_id
        self.deleted = False
        self.events: list[bytes] = []
        self.whole = Transcript()
        self.referee = Referee()
        self.replies: dict[str, Sent] = {}
        self.sends: dict[str, Message] = {}
        """Every message that was sent, acknowledged or not, by its client id."""
        for event in before or []:
            self.add(event)
        self.own = len(self.events)
        """The LSN after which a fork's own events begin."""

    def add(self, event: bytes) -> None:
        self.referee.see(json.loads(event))
        self.whole.apply(e.decode(event))
        self.events.append(event)

    def at(self, lsn: int) -> JSON:
        """The transcript as it was."""
        return as_json(fold(map(e.decode, self.events[:lsn])))

    def promised(self, client_id: str, reply: Sent) -> None:
        """A reply was given: it is what the log says, and it is the only one for ever."""
        first = self.replies.setdefault(client_id, reply)
        assert first == reply, f"another reply for {client_id}: {reply}, not {first}"

    def check_promises(self) -> None:
        kept = {m["id"]: m for m in [*self.whole.messages, *self.whole.others, *self.whole.queue, *self.whole.removed]}
        for client_id, reply in self.replies.items():
            if reply.lsn > len(self.events):
                continue  # it came a moment ago
            message = kept[reply.message_id]
            if client_id in self.sends:
                said = self.sends[client_id]
                first = json.loads(self.events[reply.lsn - 1])
                assert first["type"] == ("message-queued" if reply.status == "queued" else "user-message")
                assert (first["message_id"], first["client_id"]) == (reply.message_id, client_id)
                assert first["text"] == said.text
                assert (message["metadata"].get("sent") or message["parts"])[0]["text"] == said.text
                assert message["metadata"]["turn"] == reply.turn_id


class Reader:
    """A position in some sessions, and what was seen up to there. It reads when it is told to, else it stalls."""

    def __init__(self, chats: list[Chat], catch_up: Callable[[Chat], Awaitable[None]]) -> None:
        self._catch_up = catch_up
        self.seen = {chat.id: Transcript() for chat in chats}
        self._chats = {chat.id: chat for chat in chats}
        self._server: Server | None = None
        self._stream: AsyncGenerator[list[Item]] | None = None

    async def read_on(self, server: Server) -> None:
        """Read all there is, from this server; the connection to a server that was killed is gone."""
        if self._server is not server or self._stream is None:
            await self.leave()
            self._server = server
            positions = {session: seen.lsn for session, seen in self.seen.items()}
            found = read(server.log, positions, 0.2, server.snapshots)
            self._stream = cast(AsyncGenerator[list[Item]], found)
        async for found in self._stream:
            for item in found:
                await self._take(item)
            if not found:
                return
        self._stream = None

    async def leave(self) -> None:
        if self._stream is not None and self._server and not self._server.killed:
            await self._stream.aclose()
        self._stream = None

    async def _take(self, item: Item) -> None:
        chat, seen = self._chats[item.session], self.seen[item.session]
        # What a reader has, is stored: so whoever looks after it finds as much.
        await self._catch_up(chat)
        match item:
            case Records(records=records):
                for record in records:
                    assert record.lsn == seen.lsn + 1, f"a gap: {record.lsn} follows {seen.lsn}"
                    event = e.number(*record)
                    assert event == chat.events[record.lsn - 1]
                    seen.apply(e.decode(event))
            case Snapshot(lsn=lsn, data=data):
                assert lsn > seen.lsn
                assert json.loads(data) == chat.at(lsn) | {"id": item.session}  # a fork's is its own
                self.seen[item.session] = Transcript.from_json(json.loads(data))
            case CaughtUp(lsn=lsn):
                assert lsn == seen.lsn
            case Lost(error=error):
                assert chat.deleted and error.status_code == 410
                del self.seen[item.session]


def as_json(transcript: Transcript) -> JSON:
    return json.loads(e.to_json(transcript.to_json()))


# What may happen

PLACE = st.integers(0, 5)
TEXT = st.text("ab <`é\U0001f600\n", max_size=6)
SOON = st.sampled_from([0.0, 0.03, 0.3, 1.2])
WAIT = st.sampled_from([True, True, False])
PART = st.sampled_from(["1", "2"])
VALUE = st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 3) | TEXT, max_size=2)
TOOL = {"tool_call_id": PART}
CHUNKS = st.lists(
    st.one_of(
        st.builds(e.StartStep),
        st.builds(e.TextStart, id=PART),
        st.builds(e.TextDelta, id=PART, delta=TEXT),
        st.builds(e.TextDelta, id=PART, delta=TEXT),
        st.builds(e.TextEnd, id=PART, provider_metadata=st.none() | VALUE),
        st.builds(e.ReasoningStart, id=PART),
        st.builds(e.ReasoningDelta, id=PART, delta=TEXT),
        st.builds(e.ReasoningEnd, id=PART),
        st.builds(e.ToolInputStart, tool_name=st.just("f"), **TOOL),
        st.builds(e.ToolInputDelta, input_text_delta=TEXT, **TOOL),
        st.builds(e.ToolInputAvailable, tool_name=st.just("f"), input=VALUE, **TOOL),
        st.builds(e.ToolInputError, tool_name=st.just("f"), input=TEXT, error_text=TEXT, **TOOL),
        st.builds(e.ToolOutputAvailable, output=VALUE, preliminary=st.sampled_from([None, True]), **TOOL),
        st.builds(e.ToolOutputError, error_text=TEXT, **TOOL),
        st.builds(e.ToolOutputDenied, **TOOL),
        st.builds(e.SourceUrl, source_id=PART, url=TEXT),
        st.builds(e.Data, type=st.just("data-x"), id=st.none() | PART, data=VALUE),
        st.builds(e.MessageMetadata, message_metadata=VALUE),
    ),
    min_size=1,
    max_size=6,
)
TOOLS = ["work", "careful", "trusted", "plot", "ask_plot", "ask_user", "unknown"]
RUNNER = st.sampled_from(["a1", "a2", "b1"])
"""Lives of two kernels."""

USAGE = {"usage": {"input_tokens": 2}}
ENDS: dict[str, Callable[[], list[e.Chunk | Exception | None]]] = {
    "completed": lambda: [e.Finish(finish_reason="stop", message_metadata=USAGE), None],
    "truncated": lambda: [None],
    "failed": lambda: [AgentError("provider", "It broke.")],
    "raised": lambda: [RuntimeError("a secret")],
}


class NoFiles(Attachments):
    """A folder of attachments that is empty, without a thread that looks."""

    async def of(self, session: str) -> list[str]:
        return []


class Machine(RuleBasedStateMachine):
    """People, servers and time around one store.

    Which rules there are to choose from must not depend on what happened: threads make that differ a little from one
    telling to the next. So a rule has no precondition, and does nothing where there is nothing to do.
    """

    in_typescript: ClassVar[TypeScriptFold]
    PARTS: ClassVar[tuple[Part, ...]] = ("both", "both")
    """The processes that there are at most."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._runner = Runner(loop_factory=SimulatedLoop)
        self._loop = cast(SimulatedLoop, self._runner.get_loop())
        self._open = self.store(Path(self._folder.name))
        self._jumped = 1.7e9
        self._witness = Witness(self._look)
        self._names = 0
        self._ran: list[str] = []
        self._servers: list[Server] = []
        """Those that take commands."""
        self._workers: list[Server] = []
        self._dead: list[Server] = []
        """What they were doing stays as it was, for ever."""
        self._chats: list[Chat] = []
        self._readers: list[Reader] = []
        self._observer = self._open(self._clock)
        self._run(self._begin())

    def store(self, folder: Path) -> Store:
        raise NotImplementedError

    async def _begin(self) -> None:
        await self._observer.__aenter__()
        await self._create(await self._server(0))

    def _clock(self) -> float:
        return self._jumped + self._loop.now

    def _run(self, happens: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(asyncio.wait_for(happens, FOR_EVER))

    async def _server(self, place: int) -> Server:
        if not self._servers:
            await self._start(next(part for part in self.PARTS if part != "worker"))
        return self._servers[place % len(self._servers)]

    @property
    def _processes(self) -> list[Server]:
        return [*self._servers, *self._workers]

    async def _process(self, place: int) -> Server:
        await self._server(0)
        return _nth(self._processes, place)

    async def _start(self, part: Part) -> None:
        server = Server(self._open(self._clock), self._witness, self._clock, self._ran, part)
        await server.start()
        self._alike(server).append(server)

    def _alike(self, server: Server) -> list[Server]:
        return self._workers if server.part == "worker" else self._servers

    def _chat(self, place: int) -> Chat:
        return self._chats[place % len(self._chats)]

    async def _create(self, server: Server) -> None:
        async def create() -> None:
            transcript, new = await server.registry.create(e.SessionCreated(session=new_id("s")), None)
            assert new
            self._chats.append(Chat(transcript.id))

        await server.ask(create(), wait=True)
        await self._settle(0)

    def _do(self, place: int, chat: Chat, command: Command, *refusals: type[Exception], wait: bool = True) -> None:
        """Ask a server for something that it may refuse in these ways."""

        async def ask(server: Server) -> None:
            async with server.registry.acquire(chat.id) as session:
                await command(session)

        self._ask(place, chat, ask, *refusals, wait=wait)

    def _ask(
        self,
        place: int,
        chat: Chat,
        ask: Callable[[Server], Coroutine[Any, Any, None]],
        *refusals: type[Exception],
        wait: bool = True,
    ) -> None:
        async def attempt(server: Server) -> None:
            try:
                await ask(server)
            except (Busy, Fenced, AgentUnavailable, *refusals):
                pass  # and nothing was stored
            except StreamDeleted:
                assert await self._is_deleted(chat)

        async def happen() -> None:
            server = await self._server(place)
            await server.ask(attempt(server), wait=wait)
            await self._settle(0)

        self._run(happen())

    async def _settle(self, seconds: float) -> None:
        """Let time pass, and then see what was stored, and who has died."""
        await asyncio.sleep(seconds)
        for server in self._processes:
            server.hear()
            if server.killed:
                self._alike(server).remove(server)
                self._dead.append(server)
                await server.kill()
        for chat in self._chats:
            await self._watch(chat)

    async def _look(self, session_id: str) -> None:
        for chat in self._chats:
            if chat.id == session_id:
                await self._watch(chat)

    async def _is_deleted(self, chat: Chat) -> bool:
        await self._watch(chat)
        return chat.deleted

    async def _watch(self, chat: Chat) -> None:
        if chat.deleted:
            return
        try:
            while records := await self._observer.read(chat.id, len(chat.events)):
                for record in records:
                    if record.lsn > len(chat.events):  # somebody else may look, too
                        chat.add(e.number(*record))
        except StreamDeleted:
            chat.deleted = True

    # People

    def _name(self) -> str:
        self._names += 1
        return f"c{self._names}"

    @rule(chat=PLACE, server=PLACE, text=TEXT, parts=st.booleans(), wait=WAIT)
    def send(self, chat: int, server: int, text: str, parts: bool, wait: bool) -> None:
        files = [{"type": "file", "mediaType": "text/plain", "url": "data:,x"}] if parts else []
        message = Message(client_id=self._name(), text=text, parts=files)
        at = self._chat(chat)
        at.sends[message.client_id] = message
        self._send(at, server, message, wait)

    def _send(self, chat: Chat, server: int, message: Message, wait: bool) -> None:
        async def send(session: Session) -> None:
            chat.promised(message.client_id, await session.send(message, None))

        self._do(server, chat, send, wait=wait)

    @rule(chat=PLACE, server=PLACE, which=PLACE, wait=WAIT)
    def send_again(self, chat: int, server: int, which: int, wait: bool) -> None:
        at = self._chat(chat)
        if at.sends:
            self._send(at, server, _nth(list(at.sends.values()), which), wait)

    @rule(chat=PLACE, text=TEXT)
    def send_to_all_servers_at_once(self, chat: int, text: str) -> None:
        at = self._chat(chat)
        message = Message(client_id=self._name(), text=text)
        at.sends[message.client_id] = message
        for server in range(len(self._servers)):
            self._send(at, server, message, wait=False)

    @rule(chat=PLACE, server=PLACE, which=PLACE)
    def send_something_else_under_a_known_name(self, chat: int, server: int, which: int) -> None:
        at = self._chat(chat)
        if not at.replies:
            return

        async def send(session: Session) -> None:
            with pytest.raises(ClientIdReused):
                await session.send(Message(client_id=_nth(list(at.replies), which), text="something else"), None)

        self._do(server, at, send)

    @rule(chat=PLACE, server=PLACE, message=PLACE, text=st.none() | TEXT, again=st.booleans(), wait=WAIT)
    def retry(self, chat: int, server: int, message: int, text: str | None, again: bool, wait: bool) -> None:
        at = self._chat(chat)
        if not (messages := [*at.whole.messages, *at.whole.others]):
            return
        client_id = self._name()
        edit = Edit(text=text, client_id=client_id)
        message_id = _nth(messages, message)["id"]

        async def retry(session: Session) -> None:
            for _ in range(1 + again):
                at.promised(client_id, await session.retry(message_id, edit, None))

        self._do(server, at, retry, TurnRunning, wait=wait)

    @rule(chat=PLACE, server=PLACE, message=st.none() | PLACE, wait=WAIT)
    def go_on(self, chat: int, server: int, message: int | None, wait: bool) -> None:
        at = self._chat(chat)
        messages = at.whole.messages
        message_id = _nth(messages, message)["id"] if messages and message is not None else None
        client_id = self._name()

        async def go_on(session: Session) -> None:
            at.promised(client_id, await session.go_on(message_id, client_id, None))

        self._do(server, at, go_on, TurnRunning, NothingToContinue, UnknownMessage, wait=wait)

    @rule(chat=PLACE, server=PLACE, times=st.integers(1, 2), wait=WAIT)
    def stop(self, chat: int, server: int, times: int, wait: bool) -> None:
        at = self._chat(chat)

        async def stop(session: Session) -> None:
            turn = session.transcript.turn
            for _ in range(times):
                stopped = await session.stop(turn["id"] if turn else None, None)
                running = session.transcript.turn
                assert stopped or running is None or turn is None or running["id"] != turn["id"]

        self._do(server, at, stop, wait=wait)

    @rule(chat=PLACE, server=PLACE, message=PLACE)
    def select_branch(self, chat: int, server: int, message: int) -> None:
        at = self._chat(chat)
        if not (messages := [*at.whole.others, *at.whole.messages]):
            return

        async def select(session: Session) -> None:
            chosen = _nth(messages, message)["id"]
            transcript = await session.select_branch(chosen, None)
            assert chosen in [shown["id"] for shown in transcript.messages]

        self._do(server, at, select, TurnRunning)

    @rule(chat=PLACE, server=PLACE, message=PLACE, what=st.sampled_from(["remove", "edit", "first"]), wait=WAIT)
    def change_queue(self, chat: int, server: int, message: int, what: str, wait: bool) -> None:
        at = self._chat(chat)
        if not at.whole.queue:
            return
        waiting = _nth(at.whole.queue, message)["id"]

        async def change(session: Session) -> None:
            if what == "remove":
                await session.remove_queued(waiting, None)
                assert waiting not in [m["id"] for m in session.transcript.queue]
            elif what == "edit":
                await session.edit_queued(waiting, "edited", None, None)
            else:
                await session.reorder_queue([waiting], None)

        self._do(server, at, change, NotWaiting, wait=wait)

    @rule(chat=PLACE, server=PLACE, wait=WAIT)
    def resume_queue(self, chat: int, server: int, wait: bool) -> None:
        async def resume(session: Session) -> None:
            await session.resume_queue(None)

        self._do(server, self._chat(chat), resume, wait=wait)

    @rule(server=PLACE)
    def create(self, server: int) -> None:
        if len(self._chats) == CHATS:
            return

        async def create() -> None:
            await self._create(await self._server(server))

        self._run(create())

    @rule(chat=PLACE, server=PLACE, back=st.none() | st.integers(-1, 12))
    def fork(self, chat: int, server: int, back: int | None) -> None:
        at = self._chat(chat)
        if at.deleted or len(self._chats) == CHATS:
            return
        lsn = None if back is None else max(0, len(at.events) - back)

        async def fork(server: Server) -> None:
            transcript = await server.registry.fork(at.id, lsn, None)
            await self._watch(at)
            base = await self._observer.snapshot(transcript.id)
            assert base and base.lsn == (base.lsn if lsn is None else lsn)
            self._chats.append(Chat(transcript.id, at.events[: base.lsn]))

        self._ask(server, at, fork, AheadOfLog, Compacted)

    @rule(chat=PLACE, server=PLACE, sure=st.sampled_from([False] * 7 + [True]))
    def delete(self, chat: int, server: int, sure: bool) -> None:
        async def delete(session: Session) -> None:
            await session.delete()

        if sure:
            self._do(server, self._chat(chat), delete)

    # Agents

    @rule(answer=PLACE, part=PART, pieces=st.lists(TEXT, min_size=1, max_size=4), ends=st.booleans(), then=SOON)
    def say_text(self, answer: int, part: str, pieces: list[str], ends: bool, then: float) -> None:
        text = [e.TextStart(id=part), *(e.TextDelta(id=part, delta=piece) for piece in pieces)]
        self._say(answer, [*text, e.TextEnd(id=part)] if ends else text, then)

    @rule(answer=PLACE, part=PART, output=st.none() | VALUE, then=SOON)
    def call_a_tool(self, answer: int, part: str, output: Any, then: float) -> None:
        call: list[e.Chunk] = [
            e.ToolInputStart(tool_call_id=part, tool_name="f"),
            e.ToolInputDelta(tool_call_id=part, input_text_delta="{}"),
            e.ToolInputAvailable(tool_call_id=part, tool_name="f", input={}),
        ]
        if output is not None:
            call.append(e.ToolOutputAvailable(tool_call_id=part, output=output))
        self._say(answer, call, then)

    @rule(answer=PLACE, chunks=CHUNKS, then=SOON)
    def say_anything(self, answer: int, chunks: list[e.Chunk], then: float) -> None:
        """Also what no agent should say."""
        self._say(answer, chunks, then)

    @rule(answer=PLACE, chunks=st.just([]) | CHUNKS, end=st.sampled_from(sorted(ENDS)), then=SOON)
    def end(self, answer: int, chunks: list[e.Chunk], end: str, then: float) -> None:
        self._say(answer, [*chunks, *ENDS[end]()], then)

    def _answers(self) -> list[Answer]:
        return [answer for server in self._processes for answer in server.answers]

    def _say(self, answer: int, steps: Sequence[e.Chunk | Exception | None], then: float) -> None:
        if answers := self._answers():
            _nth(answers, answer).say(*steps)
        self._run(self._settle(then))

    @rule(answer=PLACE, tools=st.lists(st.sampled_from(TOOLS), min_size=1, max_size=3), then=SOON)
    def end_a_step_with_calls(self, answer: int, tools: list[str], then: float) -> None:
        calls = [self._called(name) for name in tools]
        self._say(answer, [e.StartStep(), *calls, e.FinishStep(), e.Finish(finish_reason="tool-calls"), None], then)

    def _called(self, name: str) -> e.ToolInputAvailable:
        arguments = {"questions": [{"id": "q", "question": "Which?"}]} if name == "ask_user" else {}
        return e.ToolInputAvailable(tool_call_id=f"call-{self._name()}-{name}", tool_name=name, input=arguments)

    @rule(chat=PLACE, server=PLACE, which=PLACE, approved=st.booleans(), wait=WAIT)
    def answer_an_approval(self, chat: int, server: int, which: int, approved: bool, wait: bool) -> None:
        at = self._chat(chat)
        if not at.whole.approvals:
            return
        asked = _nth(at.whole.approvals, which)["id"]

        async def answer(session: Session) -> None:
            assert (await session.answer_approval(asked, approved, None, None))["approved"] is approved

        self._do(server, at, answer, AlreadyAnswered, wait=wait)

    @rule(chat=PLACE, server=PLACE, which=PLACE, wait=WAIT)
    def answer_a_question(self, chat: int, server: int, which: int, wait: bool) -> None:
        at = self._chat(chat)
        if asked := waiting(at.whole, "person"):
            call_id = _nth(asked, which)["toolCallId"]

            async def answer(session: Session) -> None:
                for _ in range(2):
                    await session.answer_call(call_id, output={"action": "decline"}, runner=None, by=None)

            self._do(server, at, answer, AlreadyAnswered, NotWaiting, wait=wait)

    # Kernels

    @rule(chat=PLACE, server=PLACE, runner=RUNNER, gone=st.sampled_from([False, False, True]))
    def offer_tools(self, chat: int, server: int, runner: str, gone: bool) -> None:
        async def offer(session: Session) -> None:
            tools = (
                [] if gone else [e.OfferedTool("plot", "", {}), e.OfferedTool("ask_plot", "", {}, approval="always")]
            )
            await session.offer(e.ToolsOffered(runner=runner, kernel=runner[0], tools=tools))

        self._do(server, self._chat(chat), offer)

    @rule(server=PLACE, runner=RUNNER, connected=st.booleans())
    def follow(self, server: int, runner: str, connected: bool) -> None:
        self._run(self._server(server)).connect(runner, connected)

    @rule(chat=PLACE, server=PLACE, which=PLACE, runner=RUNNER, ends=st.booleans(), wait=WAIT)
    def run_in_a_kernel(self, chat: int, server: int, which: int, runner: str, ends: bool, wait: bool) -> None:
        at = self._chat(chat)
        if calls := waiting(at.whole, "kernel"):
            call_id = _nth(calls, which)["toolCallId"]

            async def work(session: Session) -> None:
                await session.start_call(call_id, runner)
                if ends:
                    await session.answer_call(call_id, output=runner, runner=runner, by=None)

            self._do(server, at, work, AlreadyStarted, AlreadyAnswered, NotWaiting, wait=wait)

    @rule(server=PLACE, away=st.sampled_from([False, False, True]))
    def be_away(self, server: int, away: bool) -> None:
        """A model that cannot be asked holds the queue; it must not lose what waits."""
        self._run(self._process(server)).agent.away = away

    # Readers

    @rule(chats=st.sets(PLACE, min_size=1))
    def join(self, chats: set[int]) -> None:
        if len(self._readers) == READERS:
            self._run(self._readers.pop(0).leave())
        chosen = {chat.id: chat for chat in map(self._chat, chats)}
        self._readers.append(Reader(list(chosen.values()), self._watch))

    @rule(reader=PLACE, server=PLACE)
    def read_on(self, reader: int, server: int) -> None:
        if not self._readers:
            return
        at = _nth(self._readers, reader)

        async def happen() -> None:
            chosen = await self._server(server)
            if not chosen.wire.frozen:
                await chosen.ask(at.read_on(chosen), wait=True)
            await self._settle(0)

        self._run(happen())

    # Servers

    @rule()
    def start_server(self) -> None:
        running: list[Part] = [server.part for server in self._processes]
        missing: list[Part] = [part for part in self.PARTS if running.count(part) < self.PARTS.count(part)]
        if missing:
            # One that is needed most.
            self._run(self._start(min(missing, key=lambda part: running.count(part))))

    @rule(server=PLACE, how=st.sampled_from(["shut down", "killed", "paused", "frozen", "thawed"]))
    def misfortune(self, server: int, how: str) -> None:
        self._run(self._befall(server, how))

    async def _befall(self, place: int, how: str) -> None:
        server = await self._process(place)
        match how:
            case "shut down":
                self._alike(server).remove(server)
                self._dead.append(server)
                await server.shut_down()
            case "killed":
                server.wire.cut.set()
            case "paused":
                # As a laptop is whose lid is closed: it goes on, and believes that it still has its leases.
                server.wire.freeze()
                await self._settle(LEASE_SECONDS + 2)
                server.wire.thaw()
            case "frozen":
                server.wire.freeze()
            case "thawed":
                server.wire.thaw()
        await self._settle(0)

    @rule(server=PLACE, writes=st.integers(0, 4), stored=st.booleans())
    def will_be_killed(self, server: int, writes: int, stored: bool) -> None:
        """Before, or after, one of its next commits."""
        self._run(self._process(server)).wire.cut_after(writes, stored=stored)

    # Time, and the store

    @rule(seconds=st.sampled_from([0.0, 0.03, 0.3, 1.2, LEASE_SECONDS + 2]))
    def time_passes(self, seconds: float) -> None:
        self._run(self._settle(seconds))

    @rule(hours=st.sampled_from([-5, -1, 1, 30]))
    def the_clock_jumps(self, hours: int) -> None:
        self._jumped += hours * HOUR

    @rule(chat=PLACE, server=PLACE)
    def compact(self, chat: int, server: int) -> None:
        async def compact(session: Session) -> None:
            await session.compact()

        self._do(server, self._chat(chat), compact)

    # What must hold

    @invariant()
    def a_snapshot_and_the_rest_are_the_whole(self) -> None:
        self._run(self._snapshots())

    async def _snapshots(self) -> None:
        for chat in self._chats:
            if await self._is_deleted(chat):
                continue
            snapshot = await self._observer.snapshot(chat.id)
            await self._watch(chat)
            chat.check_promises()
            if snapshot:
                rest = map(e.decode, chat.events[snapshot.lsn :])
                assert as_json(fold(rest, Transcript.from_json(json.loads(snapshot.data)))) == as_json(chat.whole)

    @invariant()
    def a_call_is_run_once(self) -> None:
        assert len(self._ran) == len(set(self._ran)), f"run twice: {self._ran}"

    @invariant()
    def one_writer_at_a_time(self) -> None:
        newest: dict[str, int] = {}
        for stream, _, epoch in sorted(self._witness.written):
            assert epoch >= newest.get(stream, 0), f"{stream}: a fenced writer has written"
            newest[stream] = epoch

    # The end

    def teardown(self) -> None:
        try:
            self._run(self._come_to_rest())
            self._run(self._check_everything())
        finally:
            self._run(self._close())
            self._runner.close()
            self._folder.cleanup()

    async def _come_to_rest(self) -> None:
        """Let everything that was begun come to its end, by the servers that are left or by a new one."""
        for server in self._processes:
            server.wire.thaw()
            server.wire.spare()
            server.agent.away = False
        server = await self._server(0)
        if "worker" in self.PARTS and not self._workers:
            await self._start("worker")
        open_chats: list[Chat] = []
        for _ in range(100):
            await self._settle(LEASE_SECONDS / 4)
            self._jumped += HOUR
            open_chats = [chat for chat in self._chats if not chat.deleted and (chat.whole.turn or chat.whole.queue)]
            if not open_chats and not await self._observer.leases():
                return
            server = await self._server(0)
            for answer in self._answers():
                answer.say(*ENDS["completed"]())
            for chat in open_chats:
                async with server.registry.acquire(chat.id) as session:
                    if session.transcript.held is not None:
                        await session.resume_queue(None)
                    with suppress(AlreadyAnswered, AlreadyStarted, NotWaiting):
                        for approval in session.transcript.approvals:
                            await session.answer_approval(approval["id"], True, None, None)
                        for call in waiting(session.transcript, "person"):
                            await session.answer_call(
                                call["toolCallId"], output={"action": "cancel"}, runner=None, by=None
                            )
                        for call in waiting(session.transcript, "kernel"):
                            if "started" not in call:
                                offered = [e.OfferedTool(name, "", {}) for name in ("plot", "ask_plot")]
                                await session.offer(e.ToolsOffered(runner="k9", tools=offered))
                                await session.start_call(call["toolCallId"], "k9")
                                await session.answer_call(call["toolCallId"], output="late", runner="k9", by=None)
        left = [(chat.id, chat.whole.turn, chat.whole.held, len(chat.whole.queue)) for chat in open_chats]
        raise AssertionError(f"never at rest: {left}, {await self._observer.leases()}")

    async def _check_everything(self) -> None:
        server = await self._server(0)
        for reader in self._readers:
            await reader.read_on(server)
        for chat in self._chats:
            whole = as_json(fold(map(e.decode, chat.events)))
            assert as_json(chat.whole) == whole
            assert self.in_typescript(chat.events) == whole
            for reader in self._readers:
                if chat.id in reader.seen:
                    assert as_json(reader.seen[chat.id]) == whole
            if chat.deleted:
                with pytest.raises(StreamDeleted):
                    await self._observer.head(chat.id)
                continue
            chat.check_promises()
            await self._is_stored(chat)
            async with server.registry.acquire(chat.id) as session:
                assert as_json(session.transcript) == whole
                for client_id, message in chat.sends.items():
                    # Whether it was heard of or not: it is one message, and has one reply.
                    if client_id in chat.replies:
                        assert await session.send(message, None) == chat.replies[client_id]

        check = Check(self._observer, NoFiles(Path(self._folder.name), max_bytes=0))
        assert [str(finding) async for finding in check.findings()] == [], "what is sound is not called damaged"

    async def _is_stored(self, chat: Chat) -> None:
        """What is stored now is what was stored at any time before."""
        position = chat.own
        try:
            stored = await self._observer.read(chat.id, position)
        except Compacted:
            snapshot = await self._observer.snapshot(chat.id)
            assert snapshot is not None
            position = snapshot.lsn
            stored = await self._observer.read(chat.id, position)
        assert [e.number(*record) for record in stored] == chat.events[position : position + len(stored)]

    async def _close(self) -> None:
        for reader in self._readers:
            await reader.leave()
        for server in self._processes:
            await server.shut_down()
        await self._observer.__aexit__()


def waiting(transcript: Transcript, whom: str) -> list[JSON]:
    """The calls of the running turn that wait for a kernel, or a person."""
    turn = transcript.turn
    message = transcript.message(turn["message_id"]) if turn else None
    parts = message["parts"] if message else []
    return [part for part in parts if part.get("waitsFor") == whom and part["state"] not in TOOL_ENDS]


def _nth(things: list[Any], place: int) -> Any:
    return things[place % len(things)]


class MemoryMachine(Machine):
    def store(self, folder: Path) -> Store:
        return memory_store(folder)


class SqliteMachine(Machine):
    def store(self, folder: Path) -> Store:
        return sqlite_store(folder)


class Parted(Machine):
    """Two that take commands, and two that run turns."""

    PARTS = ("server", "worker", "server", "worker")


class PartedMemoryMachine(Parted, MemoryMachine):
    pass


class PartedSqliteMachine(Parted, SqliteMachine):
    pass


@pytest.fixture(scope="module", autouse=True)
def in_typescript() -> Iterator[None]:
    with typescript_fold() as Machine.in_typescript:
        yield


pytestmark = pytest.mark.slow

LONG = os.environ.get("PROOF") == "long"


def stories(count: int) -> settings:
    """So many of them, of at most 50 steps; with time, twenty times as many, longer, and other ones in every run."""
    return settings(
        derandomize=not LONG,
        max_examples=count * 20 if LONG else count,
        stateful_step_count=100 if LONG else 50,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )


@pytest.mark.timeout(7200 if LONG else 900)
class TestOnMemory(MemoryMachine.TestCase):
    settings = stories(400)


@pytest.mark.timeout(7200 if LONG else 900)
class TestOnSqlite(SqliteMachine.TestCase):
    settings = stories(350)


@pytest.mark.timeout(7200 if LONG else 900)
class TestPartedOnMemory(PartedMemoryMachine.TestCase):
    settings = stories(200)


@pytest.mark.timeout(7200 if LONG else 900)
class TestPartedOnSqlite(PartedSqliteMachine.TestCase):
    settings = stories(150)
