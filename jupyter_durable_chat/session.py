"""Commands in, one at a time.

A command sees everything that was acknowledged before it, from whichever process, decides, and appends on the condition
that nothing was added meanwhile; so two servers on one store never contradict each other. The same request, known by
its client id, is done once and answered in the same words for ever.

After a turn: everything is stored, the turn is closed, and then what waits in the queue is started.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, cast

import msgspec

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent
from jupyter_durable_chat.agents.catalog import Agents, UnknownAgent
from jupyter_durable_chat.agents.title import text_of
from jupyter_durable_chat.commands import (
    AgentUnavailable,
    AlreadyAnswered,
    AlreadyStarted,
    BudgetSpent,
    Busy,
    ClientIdReused,
    Edit,
    Message,
    NotAnAnswer,
    NothingToContinue,
    NotWaiting,
    Sent,
    SessionFull,
    TooManyShares,
    TooManyTurns,
    TurnRunning,
    UnknownApproval,
    UnknownCall,
    UnknownEffort,
    UnknownMessage,
    new_id,
)
from jupyter_durable_chat.log import Log, LogError, LogUnavailable
from jupyter_durable_chat.outputs import cut
from jupyter_durable_chat.replica import Numbered
from jupyter_durable_chat.stage import Whom
from jupyter_durable_chat.tools import ToolError
from jupyter_durable_chat.tools.builtin import ASKING, PROPOSE_PLAN
from jupyter_durable_chat.transcript import JSON, TOOL_ENDS, Transcript, nested, requests
from jupyter_durable_chat.writer import Start, Terms, Writer, full

logger = logging.getLogger(__name__)

MAX_SHARES = 32
"""Links that lead to one session at a time."""

STOP_TIMEOUT = 5.0
"""Seconds that a stop waits for the outcome to be in the log."""


class Session(Writer):
    """One conversation, loaded. Several may exist for one log, here and elsewhere; the log keeps them honest."""

    def __init__(self, log: Log, session_id: str, agents: Agents, terms: Terms) -> None:
        super().__init__(log, session_id, terms)
        self._agents = agents
        self._draining: asyncio.Task[None] | None = None

    def find_agent(self, name: str, model: str | None = None) -> tuple[Agent, str | None]:
        return self._agents.resolve(name, model)

    @property
    def busy(self) -> bool:
        """Whether something goes on here by itself, so that this object must stay."""
        return any((self._running, self._following, self._draining, self._titling, self._unstored))

    @property
    def acting(self) -> bool:
        return super().acting or self._draining is not None

    def through(self, message_id: str) -> int:
        """The LSN at which this message's answer is over, or where the log ends now: where a fork there ends."""
        messages = self.transcript.messages
        place = next((i for i, m in enumerate(messages) if m["id"] == message_id), None)
        if place is None:
            raise UnknownMessage(f"This chat shows no message {message_id!r}.")
        answer = next((m for m in messages[place:] if m["role"] == "assistant"), messages[place])
        return answer["metadata"].get("finished_lsn", self.transcript.lsn)

    # Asking

    async def send(self, message: Message, author: e.Author | None) -> Sent:
        """Store a message, and start the turn that answers it, or queue it behind what runs or waits.

        Raises `ClientIdReused`, `AgentUnavailable`, `Busy`, `TooManyTurns`, `TooManyMessages`, `SessionFull`, and
        `UnknownAgent` of the catalog.
        """
        message_id, turn_id, answer_id = new_id("m"), new_id("t"), new_id("m")

        def decide() -> Start | list[Numbered]:
            content = _content(message)
            whom = self._whom(**{name: content[name] for name in _HOW}, tools=message.tools)
            if self.transcript.turn or self.transcript.queue:
                queued = e.MessageQueued(
                    message_id=message_id,
                    author=author,
                    resolved_agent=whom.agent.name,
                    resolved_model=whom.model,
                    resolved_effort=whom.effort,
                    resolved_mode=whom.mode,
                    **content,
                )
                return [(turn_id, queued)]
            said = e.UserMessage(message_id=message_id, parent=self.transcript.leaf, author=author, **content)
            return Start(turn_id, message_id, answer_id, whom, _user(author), [said])

        said = await self._ask(message.client_id, author, decide)
        _must_be_same(_is_sent(said, message), message.client_id)
        self.drain()
        return _reply(said, message.client_id)

    async def retry(self, message_id: str, edit: Edit, author: e.Author | None) -> Sent:
        """Answer again: this message, or the one that this answer is for; with another `text` it is a new branch.

        Nothing is rewritten: the new answer, or message, stands beside the old one. Raises what `send` raises, and
        `TurnRunning`, `UnknownMessage`.
        """
        client_id = edit.client_id or new_id("c")
        turn_id, edited_id, answer_id = new_id("t"), new_id("m"), new_id("m")

        def decide() -> Start:
            asked = self._asked(message_id)
            self._idle()
            metadata = asked["metadata"]
            how = {name: getattr(edit, name) or metadata.get(name) for name in _HOW}
            whom = self._whom(**how, tools=metadata.get("tools"))
            if edit.text is None:
                return Start(turn_id, asked["id"], answer_id, whom, _user(author), [], client_id)
            edited = e.UserMessage(
                message_id=edited_id,
                client_id=client_id,
                text=edit.text,
                parent=metadata["parent"],
                parts=asked["parts"][1:],
                tools=metadata.get("tools"),
                author=author,
                **how,
            )
            return Start(turn_id, edited_id, answer_id, whom, _user(author), [edited])

        said = await self._ask(client_id, author, decide)
        _must_be_same(self._is_retried(said, message_id, edit, client_id), client_id)
        return _reply(said, client_id)

    async def go_on(self, message_id: str | None, client_id: str | None, author: e.Author | None) -> Sent:
        """Go on from an answer that was stopped, cut off or interrupted, the last one by default, keeping its text.

        Raises what `retry` raises, and `NothingToContinue`.
        """
        asked_as = client_id or new_id("c")
        turn_id = new_id("t")

        def decide() -> Start:
            self._idle()
            answer = self._message(message_id or self.transcript.leaf or "")
            metadata = answer["metadata"]
            if answer["role"] != "assistant" or metadata.get("outcome") == "completed":
                raise NothingToContinue("Only an answer that was stopped, cut off or interrupted can be continued.")
            whom = self._whom(**{name: metadata.get(name) for name in _HOW}, tools=metadata.get("tools"))
            return Start(turn_id, metadata["parent"], answer["id"], whom, _user(author), [], asked_as)

        said = await self._ask(asked_as, author, decide)
        is_continued = said["role"] == "assistant" and requests(said)[0].get("client_id") != asked_as
        _must_be_same(is_continued and message_id in (None, said["id"]), asked_as)
        return _reply(said, asked_as)

    async def select_branch(self, message_id: str, by: e.Author | None) -> Transcript:
        """Show the newest branch through this message, and go on from there. Raises `UnknownMessage`, `TurnRunning`."""

        def decide() -> list[Numbered]:
            self._message(message_id)
            self._idle()
            leaf = self.transcript.newest_leaf(message_id)
            return [] if leaf == self.transcript.leaf else [(None, e.BranchSelected(message_id=leaf, by=by))]

        return await self._change(decide, grows=True)

    # What a turn waits for

    async def offer(self, offered: e.ToolsOffered) -> None:
        """What a kernel runs for this session from now on. Idempotent."""

        def decide() -> list[Numbered]:
            new = msgspec.to_builtins(offered.tools)
            before = next((offer for offer in self.transcript.offers if offer["runner"] == offered.runner), None)
            same = before and before["tools"] == new and before["kernel"] == offered.kernel
            return [] if same or (before is None and not new) else [(None, offered)]

        await self._change(decide, grows=True)

    async def answer_approval(self, approval_id: str, approved: bool, reason: str | None, by: e.Author | None) -> JSON:
        """Allow a call, or refuse it: the approval as it is stored. The first answer counts; it may be repeated.

        One that is for the whole session answers the tool's other requests as well. Raises `UnknownApproval`,
        `AlreadyAnswered`.
        """

        def decide() -> list[Numbered]:
            open_ones = self.transcript.approvals
            asked = next((approval for approval in open_ones if approval["id"] == approval_id), None)
            if asked is None:
                known = self._approval(approval_id)
                if known.get("approved") is not approved:
                    said = {True: "was allowed already", False: "was refused already", None: "is no longer asked for"}
                    raise AlreadyAnswered(f"This call {said[known.get('approved')]}.")
                return []

            def is_same(approval: JSON) -> bool:
                same_tool = approval["tool_name"] == asked["tool_name"]
                return approval is asked or (approved and same_tool and "scope" in approval and "scope" in asked)

            return [
                (
                    asked["turn"],
                    e.ApprovalAnswered(
                        approval_id=approval["id"],
                        tool_call_id=approval["tool_call_id"],
                        approved=approved,
                        reason=reason,
                        by=by,
                    ),
                )
                for approval in open_ones
                if is_same(approval)
            ]

        await self._change(decide)
        return self._approval(approval_id)

    async def start_call(self, call_id: str, runner: str) -> None:
        """This runner of a kernel runs the call, and no other one does. Idempotent.

        Raises `UnknownCall`, `NotWaiting`, `AlreadyStarted`.
        """

        def decide() -> list[Numbered]:
            call, turn_id = self._waiting_call(call_id, "kernel")
            if "started" in call:
                _must_run(call, runner)
                return []
            name = call["toolName"]
            mine = (offer["tools"] for offer in self.transcript.offers if offer["runner"] == runner)
            if all(tool["name"] != name for tools in mine for tool in tools):
                raise NotWaiting(f"This kernel does not offer {name!r} here.")
            return [(turn_id, e.ToolStarted(tool_call_id=call_id, runner=runner))]

        await self._change(decide)

    async def vouch(self, runner: str) -> None:
        """Tell whoever writes here, in another process, that this runner is there: it is connected to this one."""

        def decide() -> list[Numbered]:
            turn = self.transcript.turn
            answer = self._message(turn["message_id"]) if turn else None
            calls = (
                (part for part in nested(answer["parts"]) if part.get("started", {}).get("runner") == runner)
                if answer
                else ()
            )
            open_ones = [part["toolCallId"] for part in calls if part["state"] not in TOOL_ENDS]
            return [(turn["id"], e.ToolProgress(tool_call_id=call_id)) for call_id in open_ones] if turn else []

        if not self.running:
            await self._change(decide)

    async def report_call(self, call_id: str, runner: str, progress: e.ToolProgress) -> None:
        """How far a call is, from who runs it. Raises what `start_call` raises."""

        def decide() -> list[Numbered]:
            call, turn_id = self._waiting_call(call_id, "kernel")
            _must_run(call, runner)
            return [(turn_id, progress)]

        await self._change(decide, grows=True)

    async def answer_call(
        self, call_id: str, *, output: Any = None, error: str | None = None, runner: str | None, by: e.Author | None
    ) -> None:
        """The result of a call, from the kernel that runs it, or from the person whom it asks.

        The first one counts, and may be repeated. Raises `UnknownCall`, `NotWaiting`, `AlreadyStarted`,
        `AlreadyAnswered`, `NotAnAnswer`.
        """
        if self._call(call_id).get("waitsFor") != "person":
            # A person's answer has its own limits, and is what it is.
            try:
                output = await cut(output, self._terms.steps.output_bytes, self.keep_file)
            except ToolError as problem:
                raise NotAnAnswer(str(problem)) from None
        text = None if error is None else error[: self._terms.steps.output_bytes]

        def decide() -> list[Numbered]:
            call = self._call(call_id)
            if call["state"] in TOOL_ENDS:
                given = call["state"] == "output-error" if text is not None else call["state"] == "output-available"
                if not given or (call["errorText"] != text if text is not None else call["output"] != output):
                    raise AlreadyAnswered("This call has another result already.")
                return []
            call, turn_id = self._waiting_call(call_id, call.get("waitsFor", "kernel"))
            if call["waitsFor"] == "kernel":
                _must_run(call, runner)
            elif text is not None:
                raise NotAnAnswer("A question takes an output, and no error.")
            else:
                _check_answer(call, output)
            if text is not None:
                return [(turn_id, e.ToolOutputError(tool_call_id=call_id, error_text=text))]
            decided: list[Numbered] = [(turn_id, e.ToolOutputAvailable(tool_call_id=call_id, output=output))]
            if call["toolName"] == PROPOSE_PLAN.name and output["decision"] == "approve":
                # Who approves a plan wants what follows to be done, whoever asks for it.
                decided.append((None, e.SessionUpdated(mode="act", by=by)))
            return decided

        await self._change(decide)

    # Links by which others read

    async def share(self, made: e.ShareCreated) -> JSON:
        """A new link, as the transcript has it; those that have run out go. Raises `TooManyShares`, `SessionFull`."""

        def decide() -> list[Numbered]:
            now = e.timestamp(self._clock())
            over = [share["id"] for share in self.transcript.shares if has_run_out(share, now)]
            if len(self.transcript.shares) - len(over) >= MAX_SHARES:
                raise TooManyShares(f"{MAX_SHARES} links lead to this chat, which is as many as may. Revoke one first.")
            return [*((None, e.ShareRevoked(share=share_id)) for share_id in over), (None, made)]

        transcript = await self._change(decide, grows=True)
        return next(share for share in transcript.shares if share["id"] == made.share)

    async def revoke_share(self, share_id: str, by: e.Author | None) -> bool:
        """The link opens nothing any more; false when it did not before. Idempotent."""
        was_there = False

        def decide() -> list[Numbered]:
            nonlocal was_there
            was_there = any(share["id"] == share_id for share in self.transcript.shares)
            return [(None, e.ShareRevoked(share=share_id, by=by))] if was_there else []

        await self._change(decide)
        return was_there

    # The queue

    async def remove_queued(self, message_id: str, by: e.Author | None) -> bool:
        """Remove a waiting message; false when it does not wait any more. Idempotent."""

        def decide() -> list[Numbered]:
            if not self._waiting(message_id):
                return []
            return [(None, e.MessageDequeued(message_id=message_id, reason="removed", by=by))]

        await self._change(decide)
        if any(m["id"] == message_id for m in self.transcript.removed):
            return True
        self._message(message_id)
        return False

    async def edit_queued(
        self, message_id: str, text: str, parts: list[JSON] | None, by: e.Author | None
    ) -> Transcript:
        """Change what a waiting message says. Raises `NotWaiting`."""

        def decide() -> list[Numbered]:
            waiting = self._must_wait(message_id)
            kept = waiting["parts"][1:] if parts is None else parts
            return [(None, e.QueueEdited(message_id=message_id, text=text, parts=kept, by=by))]

        return await self._change(decide, grows=True)

    async def reorder_queue(self, message_ids: list[str], by: e.Author | None) -> Transcript:
        """Put these waiting messages first, in this order. Raises `NotWaiting`."""

        def decide() -> list[Numbered]:
            for message_id in message_ids:
                self._must_wait(message_id)
            return [(None, e.QueueReordered(message_ids=message_ids, by=by))]

        return await self._change(decide, grows=True)

    async def resume_queue(self, by: e.Author | None) -> Transcript:
        """Let a held queue go on. Idempotent."""
        await self._change(lambda: [(None, e.QueueResumed(by=by))] if self.transcript.held is not None else [])
        self.drain()
        return self.transcript

    def drain(self) -> None:
        """Start what waits, unless a turn runs or the queue is held; it happens in the background. Idempotent."""
        if self._draining is None and not self._closing:
            self._draining = asyncio.create_task(self._drain(), name=f"queue of {self.id}")

    # Other commands

    async def stop(self, turn_id: str | None, by: e.Author | None) -> bool:
        """Stop the running turn (or only `turn_id`), wherever it runs; false when there is nothing to stop.

        Idempotent: a turn that was stopped before is stopped. Whatever its outcome was by then, what waits is held.
        Raises `Busy` when the turn has been asked to stop and has not ended in time.
        """
        async with self._commands:
            asked = await self._request_stop(turn_id, by) or turn_id
        if asked is None:
            return False
        if not self.running and await self._is_offered():
            # Nobody has begun it, so nobody would heed.
            await self.recover()
        if not await self.turn_ended(asked, STOP_TIMEOUT):
            raise Busy("The answer was asked to stop and has not ended yet. Try again in a moment.", retry_after=1)
        turns = (turn for m in chain(self.transcript.messages, self.transcript.others) for turn in requests(m))
        return any(turn["turn"] == asked and turn.get("outcome") == "stopped" for turn in turns)

    async def update(self, change: e.SessionUpdated) -> Transcript:
        """Rename, mute, or choose another agent or model for what is sent from now on."""

        def decide() -> list[Numbered]:
            if change.agent or change.model or change.effort:
                agent = self.transcript.agent if change.agent is e.UNSET else change.agent
                model = self.transcript.model if change.model is e.UNSET else change.model
                chosen, _ = self._agents.resolve(agent, model)
                if change.effort:
                    _check_effort(chosen, change.effort)
            return [(None, change)]

        await self._change(decide, grows=True)
        # The list of sessions shows titles: the summary follows the fact that is stored already.
        await self.summarise()
        return self.transcript

    async def move(self, notebook: str | None, *, path: str, key: str | None) -> None:
        """Its notebook is elsewhere now, at `path`, or gone. In lists of sessions it keeps its place.

        A `key` is the session's from now on; an empty one leaves it without.
        """
        labels = {"notebook": path}

        async with self._commands:
            await self.decide(
                lambda: [(None, e.SessionUpdated(notebook=notebook))],
                lambda decided: self.add(decided, key=key, labels=labels),
            )
        await self.summarise(touch=False)

    async def delete(self) -> None:
        """Stop what runs and remove the session for good; every reader is told."""
        with contextlib.suppress(Busy):
            await self.stop(None, None)
        await self._log.delete(self.id)

    async def shut_down(self) -> None:
        """End this process's turn as `interrupted`, wait until that is stored, and start no other.

        One whose agent waits for its calls is left as it is: the next server goes on with it.
        """
        self._closing = True
        self._end_here()
        async with self._commands:
            # What was being started has started; nobody else begins now.
            for waiting in (self._draining, self._titling, self._following):
                if waiting:
                    waiting.cancel()
        self._end_here()
        if going := {t for t in (self._running, self._draining, self._titling, self._following) if t}:
            await asyncio.wait(going)

    def _end_here(self) -> None:
        if self._turn:
            goes_on = self._answering is not None and self._can_go_on(self._answering)
            self._turn.leave() if goes_on else self._turn.interrupt()

    # Inside: deciding

    async def _change(self, decide: Callable[[], Sequence[Numbered]], *, grows: bool = False) -> Transcript:
        """Do what makes no turn. What `grows` the log is refused when it is full."""
        async with self._commands:
            if grows:
                await self._look_at_size()
                self._must_have_room()
            await self.decide(decide, self.add)
            return self.transcript

    async def _ask(self, client_id: str, author: e.Author | None, decide: Callable[[], Start | list[Numbered]]) -> JSON:
        """What was sent, or asked for, with this client id: now, as `decide` wants, or before."""
        counted = False

        def once() -> Start | list[Numbered]:
            nonlocal counted
            if self.transcript.sent(client_id):
                return []
            self._must_have_room()
            self._must_have_budget()
            decided = decide()
            if not counted:
                self._admission.message(_user(author))
                counted = True
            return decided

        async with self._commands:
            try:
                await self._act(once)
            except BaseException:
                if counted:
                    self._admission.take_back(_user(author))
                raise
            said = self.transcript.sent(client_id)
            assert said is not None
            return said

    async def _act(self, decide: Callable[[], Start | list[Numbered]]) -> None:
        await self._look_at_size()
        await self.decide(decide, self._commit)

    async def _look_at_size(self) -> None:
        self._size = (await self._log.head(self.id)).size

    async def _commit(self, decided: Start | list[Numbered]) -> None:
        await (self._start(decided) if isinstance(decided, Start) else self.add(decided))

    def _must_have_room(self) -> None:
        if self._size >= self._limits.session_bytes:
            raise SessionFull(full(self._limits))

    def _must_have_budget(self) -> None:
        if why := self.spent():
            raise BudgetSpent(why)

    def _whom(
        self, agent: str | None, model: str | None, effort: str | None, mode: e.Mode | None, tools: list[str] | None
    ) -> Whom:
        """Who answers a message that names these, or nothing, and how.

        Raises `UnknownAgent`, `AgentUnavailable`, `UnknownEffort`.
        """
        chosen, with_model = self._available(agent or self.transcript.agent, model or self.transcript.model)
        if effort:
            _check_effort(chosen, effort)
        elif self.transcript.effort in chosen.efforts:
            effort = self.transcript.effort
        return Whom(chosen, with_model, effort, mode or self.transcript.mode, tools)

    def _available(self, agent: str | None, model: str | None) -> tuple[Agent, str | None]:
        chosen, with_model = self._agents.resolve(agent, model)
        if why := chosen.unavailable(with_model):
            raise AgentUnavailable(why)
        return chosen, with_model

    def _approval(self, approval_id: str) -> JSON:
        """An approval that was asked for, whatever became of it."""
        for part in self._all_calls():
            if part.get("approval", {}).get("id") == approval_id:
                return part["approval"]
        raise UnknownApproval(f"Nobody has asked for the approval {approval_id!r} in this chat.")

    def _call(self, call_id: str) -> JSON:
        """A call, that of the running turn first."""
        call = self.transcript.call(call_id)
        found = call or next((part for part in self._all_calls() if part["toolCallId"] == call_id), None)
        if found is None:
            raise UnknownCall(f"There is no call {call_id!r} in this chat.")
        return found

    def _all_calls(self) -> Iterator[JSON]:
        """The newest messages first."""
        for message in chain(reversed(self.transcript.messages), reversed(self.transcript.others)):
            yield from (part for part in nested(message["parts"]) if "toolCallId" in part)

    def _waiting_call(self, call_id: str, for_whom: str) -> tuple[JSON, str]:
        """A call that waits for a kernel, or a person, and its turn."""
        call = self._call(call_id)
        turn = self.transcript.turn
        if turn is None or call["state"] in TOOL_ENDS or call.get("waitsFor") != for_whom:
            raise NotWaiting(f"The call {call_id!r} does not wait for a {for_whom}.")
        return call, turn["id"]

    def _idle(self) -> None:
        if self.transcript.turn:
            raise TurnRunning("This chat is still answering. Wait for the answer, or stop it, then try again.")

    def _asked(self, message_id: str) -> JSON:
        """The person's message: this one, or the one that this answer is for."""
        message = self._message(message_id)
        return message if message["role"] == "user" else self._message(message["metadata"]["parent"])

    def _is_retried(self, said: JSON, message_id: str, edit: Edit, client_id: str) -> bool:
        """Whether this is the answer, or with a text the message, that such a request made."""
        asked = self._asked(message_id)
        metadata = said["metadata"]
        same = all(getattr(edit, name) in (None, metadata.get(name)) for name in _HOW)
        if edit.text is None:
            first = requests(said)[0].get("client_id") == client_id
            return same and first and said["role"] == "assistant" and metadata["parent"] == asked["id"]
        return (
            same
            and text_of({"parts": said["parts"][:1]}) == edit.text
            and (said["role"] == "user" and metadata["parent"] == asked["metadata"]["parent"])
        )

    def _waiting(self, message_id: str) -> JSON | None:
        return next((m for m in self.transcript.queue if m["id"] == message_id), None)

    def _must_wait(self, message_id: str) -> JSON:
        if waiting := self._waiting(message_id):
            return waiting
        raise NotWaiting(f"No message {message_id!r} waits in this session: it was started, removed, or never there.")

    # Inside: the queue

    async def _drain(self) -> None:
        """Start the first message that waits, when there is a place for its turn."""
        try:
            while True:
                try:
                    await self._start_next()
                    return
                except TooManyTurns:
                    await self._admission.place_left()
        except Busy:
            # Another server has the session: it drains the queue.
            pass
        except LogError as error:
            # What waits is stored, and found by its label.
            logger.error("Session %s: what waits could not be started: %s", self.id, error)
        finally:
            self._draining = None

    async def _start_next(self) -> None:
        """Start the first message that waits. One that cannot be started stays, and holds the queue with the reason."""
        answer_id = new_id("m")

        def decide() -> Start | list[Numbered]:
            if self._closing or not self.transcript.queue or self.transcript.turn or self.transcript.held is not None:
                return []
            first = self.transcript.queue[0]
            metadata = first["metadata"]
            try:
                self._must_have_room()
                self._must_have_budget()
                agent, model = self._available(metadata.get("resolved_agent"), metadata.get("resolved_model"))
            except (AgentUnavailable, BudgetSpent, SessionFull, UnknownAgent) as error:
                return [(None, e.QueueHeld(reason=str(error)))]
            mode = cast(e.Mode | None, metadata.get("resolved_mode"))
            whom = Whom(agent, model, metadata.get("resolved_effort"), mode, metadata.get("tools"))
            author = msgspec.convert(metadata["author"], e.Author) if "author" in metadata else None
            said = e.UserMessage(
                message_id=first["id"],
                client_id=metadata["client_id"],
                text=first["parts"][0]["text"],
                parent=self.transcript.leaf,
                parts=first["parts"][1:],
                tools=metadata.get("tools"),
                author=author,
                queued=metadata["lsn"],
                sent=metadata.get("sent"),
                **{name: metadata.get(name) for name in _HOW},
            )
            before = [e.MessageDequeued(message_id=first["id"], reason="started"), said]
            return Start(metadata["turn"], first["id"], answer_id, whom, _user(author), before)

        async with self._commands:
            await self._act(decide)

    # Inside: stopping

    async def _request_stop(self, turn_id: str | None, by: e.Author | None) -> str | None:
        """The id of the turn that is asked to stop, `None` when there is none."""

        def request() -> list[Numbered]:
            turn = self.transcript.turn
            if turn and turn_id in (None, turn["id"]) and not turn["stopping"]:
                return [(turn["id"], e.StopRequested(by=by))]
            return []

        try:
            await self.decide(request, self.add)
        except LogUnavailable:
            # Stop always stops, even when nobody can write down who asked for it.
            if self._turn:
                self._turn.stop()
            raise
        self._heed()
        turn = self.transcript.turn
        return turn["id"] if turn and turn_id in (None, turn["id"]) else None


_HOW = ("agent", "model", "effort", "mode")
"""What a message may name of how it is answered."""


def has_run_out(share: JSON, now: str) -> bool:
    """Whether a link is over at this time, which is written as `at` is."""
    return share["expires_at"] is not None and share["expires_at"] <= now


def _must_run(call: JSON, runner: str | None) -> None:
    started = call.get("started")
    if started is None:
        raise NotWaiting("This call was not started: a kernel starts it, and then gives its result.")
    if started.get("runner") != runner:
        raise AlreadyStarted("Another kernel runs this call.")


def _check_answer(call: JSON, output: Any) -> None:
    try:
        if asking := ASKING.get(call["toolName"]):
            asking.check_answer(call["input"], output)
    except ToolError as error:
        raise NotAnAnswer(str(error)) from None


def _check_effort(agent: Agent, effort: str) -> None:
    if effort not in agent.efforts:
        takes = f"takes {', '.join(agent.efforts)}" if agent.efforts else "takes none"
        raise UnknownEffort(f"{agent.name} has no effort {effort!r}; it {takes}.")


def _user(author: e.Author | None) -> str:
    return author.username if author else ""


def _content(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def _must_be_same(is_same: bool, client_id: str) -> None:
    if not is_same:
        raise ClientIdReused(
            f"client_id {client_id!r} was already used for something else. Give every request a client_id of its own."
        )


def _is_sent(said: JSON, message: Message) -> bool:
    """Whether this is what the message says, as it was sent."""
    metadata: JSON = said["metadata"]
    parts = metadata.get("sent") or said["parts"]
    return (
        said["role"] == "user"
        and parts[0]["text"] == message.text
        and parts[1:] == message.parts
        and all(metadata.get(name) == getattr(message, name) for name in (*_HOW, "tools"))
    )


def _reply(said: JSON, client_id: str) -> Sent:
    """The answer to the request that this message, or this answer, came with."""
    metadata: JSON = said["metadata"]
    message_id = said["id"] if said["role"] == "user" else metadata["parent"]
    if "queued" in metadata:
        return Sent(message_id, metadata["turn"], metadata["queued"], "queued")
    request = next(request for request in requests(said) if request.get("client_id") == client_id)
    return Sent(message_id, request["turn"], request["lsn"])
