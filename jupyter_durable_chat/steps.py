"""An answer in steps: the agent asks for calls, they are run, and the agent is asked again with their results.

Everything that a step needs to know is in the transcript, and everything that happens is yielded, so that it is in the
log before anything is done on the strength of it: a call is run after its approval and its start were stored, and the
next step is asked for after all results were. So whoever takes an answer over goes on where the log ends: what waits
for a person or a kernel goes on waiting, what is done is not done again, and a call whose end nobody knows becomes an
error that the model sees.

A call that fails is a result like any other. What cannot go on for ever: the number of steps, the time and the output
of a call, a tool that fails again and again, the depth of agents within agents, and what they use.
"""

import asyncio
import contextlib
import copy
import logging
import math
import traceback
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Host, Request, Verdict
from jupyter_durable_chat.commands import new_id
from jupyter_durable_chat.log import LogError
from jupyter_durable_chat.outputs import cut
from jupyter_durable_chat.tools import Approval, Context, Question, Suspended, Tool, ToolError, TwoPhaseTool
from jupyter_durable_chat.tools.builtin import ASK_USER, PROPOSE_PLAN, as_arguments
from jupyter_durable_chat.transcript import JSON, TOOL_ENDS, Transcript
from jupyter_durable_chat.turn import STOP_SECONDS, Stopped

logger = logging.getLogger(__name__)

Denial = Literal["error", "disable", "stop"]
"""What a denial does beside telling the model: nothing, no more of this tool in this answer, an end to the answer."""

NOBODY_ANSWERED = "Nobody answered in time."

LOST = "The kernel that ran this went away before it had a result."

LOST_HERE = "The server was started anew while this ran, so nobody knows how far it came."

FAILED = "The tool failed with {}. The server's log says where."

DISCARD_SECONDS = 5.0
"""How long a provider may take to hear that nobody wants the rest of an answer."""

PROGRESS_SECONDS = 0.1
"""Between two reports of a call: more of them are left out."""

MAX_LINES = 1000
MAX_LINE = 2000
MAX_LEVEL = 20
"""Lines that a call may say, and characters of one, and of its level."""

MAX_KEPT = 1 << 20
"""Bytes that the first phase of a tool may leave for its last one."""

Seen = TypeVar("Seen")


class StepLimits(Struct, frozen=True):
    """How far an answer with tools may go."""

    steps: int = 10
    tool_seconds: float = 300.0
    output_bytes: int = 64 * 1024
    failures: int = 3
    """Failures of a tool in a row, after which it rests for the answer."""
    approval_seconds: float = 0.0
    """After which a call that nobody has approved is denied; 0: it waits for ever."""
    denial: Denial = "error"
    depth: int = 2
    """Agents within agents."""
    nested_tokens: int = 100_000
    """What the calls of one answer may use, of models that they ask."""


class Stage(Host):
    """Where an answer is given: the session, and what goes on in it beside the answer."""

    @property
    @abstractmethod
    def transcript(self) -> Transcript:
        """The session as far as it was read."""

    @abstractmethod
    async def until(self, look: Callable[[Transcript], Seen | None]) -> Seen:
        """What `look` sees as soon as it sees something in what is stored."""

    @abstractmethod
    async def add(self, decide: Callable[[Transcript], Sequence[e.Event]]) -> None:
        """Store what `decide` wants of this turn, once it has seen everything that is stored."""

    @abstractmethod
    async def tools(self) -> dict[str, Tool]:
        """The tools of the server and of the kernels, by name."""

    @abstractmethod
    def policy(self, tool: Tool) -> Approval:
        """When a person is asked before this tool is run here."""

    @abstractmethod
    def resting(self) -> Any:
        """A context in which the answer waits for others, so that it is not late."""

    @abstractmethod
    async def gone(self, runner: str, call_id: str) -> None:
        """Return when this runner of a kernel, which runs this call, is gone for good."""

    @abstractmethod
    def spent(self) -> str | None:
        """Why the session must not use more, in words; `None` when it may."""

    @abstractmethod
    def time(self, seconds: float) -> str:
        """`at` of an event so many seconds from now."""

    @abstractmethod
    def seconds_to(self, at: str) -> float:
        """How long it is until then."""

    @abstractmethod
    async def keep(self, data: bytes) -> str:
        """The `attachment:` URL under which these bytes are kept. Raises `ToolError`."""

    @abstractmethod
    def agent(self, name: str) -> tuple[Agent, str | None]:
        """Another agent, and its model. Raises `ToolError`."""


class Whom(Struct, frozen=True):
    """Who answers, and how. `only`: the tools that were asked for, by name."""

    agent: Agent
    model: str | None = None
    effort: str | None = None
    mode: e.Mode | None = None
    only: list[str] | None = None


INSIDE = (
    e.StartStep | e.TextStart | e.TextDelta | e.TextEnd | e.ReasoningStart | e.ReasoningDelta | e.ReasoningEnd
    | e.ToolInputStart | e.ToolInputDelta | e.ToolInputAvailable | e.ToolInputError | e.ToolApprovalRequest
    | e.ToolOutputAvailable | e.ToolOutputError | e.ToolOutputDenied
)  # fmt: skip
"""What an agent may say inside of a call; all else would be said of the answer around it."""


AROUND = e.TextDelta | e.TextEnd | e.ReasoningDelta | e.ReasoningEnd | e.Start | e.MessageMetadata
"""What begins no part, so that a step may still begin after it."""


class _Denied(Exception):
    """A person, or the deadline, said no."""


class Steps:
    """The answer in `message_id`, or, with a `parent`, what another agent says inside of that call."""

    def __init__(
        self,
        stage: Stage,
        whom: Whom,
        limits: StepLimits,
        message_id: str,
        *,
        parent: str | None = None,
        question: str = "",
        depth: int = 0,
        resume: JSON | None = None,
    ) -> None:
        self._stage = stage
        self._whom = whom
        self._limits = limits
        self._message_id = message_id
        self._parent = parent
        self._question = question
        self._depth = depth
        self._resume = resume
        self._tools: dict[str, Tool] = {}
        self._first = 0
        self._steps = 0
        self._finished = 0
        """Steps whose end was told, here or by whoever began the answer."""
        self._ids: dict[str, tuple[str, bool]] = {}
        """What the agent calls the calls of its step, as they are called here, and whether their arguments came."""
        self.state: JSON | None = None
        """How a provider would go on with what an agent inside of a call says."""
        self._used: set[str] = set()
        self._own: set[str] = set()
        """The calls of the step that are ours to run, those that are wrong in themselves among them."""
        self._open: set[str] = set()
        """Those without a result."""

    async def run(self) -> AsyncGenerator[e.Chunk]:
        """The chunks of the answer, its `finish` last. Raises `AgentError`, and `Stopped`."""
        turn = self._stage.transcript.turn
        self._first = turn["first_part"] if turn and self._parent is None else len(self._parts())
        self._finished = self._stored_steps(self._stage.transcript)
        if turn and turn["acting"] and self._parent is None:
            # Somebody else has begun it: the steps that it has taken count, and the calls of the last one are due.
            self._steps = sum(part["type"] == "step-start" for part in self._said())
            async with aclosing(self._act()) as chunks:
                async for chunk in chunks:
                    yield chunk
        state = self._resume
        while True:
            if self._steps >= self._limits.steps:
                most = f"as many as c.DurableChat.max_steps allows ({self._limits.steps})"
                raise AgentError(
                    "tool", f"The answer took {most}. Continue it to allow as many again.", recoverable=True
                )
            self._steps += 1
            finish = None
            async with aclosing(self._step(state)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, e.Finish):
                        finish = chunk
                    else:
                        yield chunk
            state = None
            if finish is None:
                return
            if self._reason(finish) != "tool-calls":
                await self._stage.until(lambda transcript: self._is_stored(transcript) or None)
                yield finish
                return
            async with aclosing(self._act()) as chunks:
                async for chunk in chunks:
                    yield chunk

    # What there is

    def _parts(self) -> list[JSON]:
        """The parts that belong to this agent, as far as they are stored."""
        if self._parent is not None:
            call = self._stage.transcript.call(self._parent)
            return call.get("parts", []) if call else []
        message = self._stage.transcript.message(self._message_id)
        return message["parts"] if message else []

    def _said(self) -> list[JSON]:
        return self._parts()[self._first :]

    def _calls(self) -> list[JSON]:
        return [part for part in self._said() if part["type"] == "dynamic-tool"]

    @property
    def _mode(self) -> e.Mode:
        """A plan that was approved in this answer is carried out in it, by whichever of its turns."""
        calls = (part for part in self._parts() if part.get("toolName") == PROPOSE_PLAN.name)
        decided = (part.get("output") for part in calls)
        approved = any(isinstance(output, dict) and output.get("decision") == "approve" for output in decided)
        return "act" if approved else self._whom.mode or "act"

    def _messages(self) -> list[JSON]:
        """The conversation as the agent sees it. What goes on changing is copied."""
        if self._parent is not None:
            asked = {"id": "question", "role": "user", "parts": [{"type": "text", "text": self._question}]}
            answer = {"id": "answer", "role": "assistant", "parts": copy.deepcopy(self._said()), "metadata": {}}
            asked["metadata"] = {}
            return [asked, answer] if answer["parts"] else [asked]
        *before, answer = self._stage.transcript.branch(self._message_id)
        return [*before, copy.deepcopy(answer)] if answer["parts"] else before

    async def _offered(self) -> dict[str, Tool]:
        """The tools that this agent may use now, those that rest among them."""
        mode = self._mode
        if mode == "ask":
            return {}
        tools = await self._stage.tools()
        for names in (self._whom.agent.tools, self._whom.only):
            if names is not None:
                tools = {name: tool for name, tool in tools.items() if name in names}
        if mode == "plan":
            tools = {name: tool for name, tool in tools.items() if tool.read_only}
            tools[PROPOSE_PLAN.name] = PROPOSE_PLAN
        if tools and self._depth == 0:
            tools[ASK_USER.name] = ASK_USER
        return tools

    def _rests(self, name: str) -> str | None:
        """Why this tool is not to be used any more in this answer."""
        calls = [part for part in self._calls() if part["toolName"] == name and part["state"] in TOOL_ENDS]
        if self._limits.denial == "disable" and any(part["state"] == "output-denied" for part in calls):
            return f"{name} was refused, and is not available for the rest of this answer."
        last = calls[-self._limits.failures :]
        if len(last) == self._limits.failures and all(part["state"] == "output-error" for part in last):
            return f"{name} failed {len(last)} times running, and is not available for the rest of this answer."
        return None

    # One step of the agent

    async def _step(self, state: JSON | None) -> AsyncGenerator[e.Chunk]:
        """One request, or the rest of one that the provider went on with (`Agent.resume`)."""
        if self._steps > 1:
            # What calls came before these is not of one response with them.
            yield self._stamped(e.StartStep()) if self._parent else e.StartStep()
        self._tools = await self._offered()
        specs = [tool.spec for name, tool in self._tools.items() if not self._rests(name)]
        self._ids, self._own, self._open = {}, set(), set()
        request = Request(self._messages(), self._whom.model, specs, self._whom.effort, self._stage)
        agent = self._whom.agent
        if state is None:
            answer = agent.run(request)
        else:
            said = _last_step(self._messages())
            self._ids = {
                p["toolCallId"]: (p["toolCallId"], p["state"] != "input-streaming") for p in said if "toolCallId" in p
            }
            self._open = {part["toolCallId"] for part in said if _is_open(part)}
            self._own = set(self._open)
            answer = agent.resume(request, state, said)
        begun = False
        held: e.FinishStep | None = None
        async with aclosing(answer) as said, aclosing(self._in_time(said)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, e.StartStep) and not begun and self._steps > 1:
                    begun = True
                    continue
                begun = begun or not isinstance(chunk, AROUND)
                if isinstance(chunk, e.Finish):
                    reason = self._reason(chunk)
                    if held or reason == "tool-calls" or self._steps > 1:
                        held = _finished(held or e.FinishStep(), chunk, reason)
                if held:
                    self._finished += 1
                    yield self._stamped(held) if self._parent else held
                    held = None
                if isinstance(chunk, e.FinishStep):
                    held = chunk
                elif self._parent is None:
                    yield self._named(chunk)
                elif isinstance(chunk, INSIDE | e.Finish):
                    yield self._stamped(self._named(chunk))
                elif isinstance(chunk, e.MessageMetadata):
                    self.state = chunk.message_metadata.get("resume", self.state)
        if held:
            self._finished += 1
            yield self._stamped(held) if self._parent else held

    async def _in_time(self, chunks: AsyncGenerator[e.Chunk]) -> AsyncGenerator[e.Chunk]:
        """These chunks. Inside of a call nobody else looks whether an agent is late."""
        seconds = self._limits.tool_seconds if self._parent is not None else 0
        while True:
            try:
                async with asyncio.timeout(seconds or None):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                text = f"The model has not said anything for {seconds:g} seconds."
                raise AgentError("provider", text, recoverable=True) from None
            yield chunk

    def _reason(self, finish: e.Finish) -> str | None:
        """Why the step ended: what the agent says of it, as far as that fits what it did."""
        reason = finish.finish_reason
        if reason == "tool-calls" and not self._own:
            return "stop"
        return "tool-calls" if self._open and reason in (None, "stop", "other", "unknown") else reason

    def _named(self, chunk: e.Chunk) -> e.Chunk:
        """The chunk with an id of its call that no other call of the answer has, whatever agents call theirs."""
        theirs: str | None = getattr(chunk, "tool_call_id", None)
        if theirs is None:
            return chunk
        ours, complete = self._ids.get(theirs, (None, False))
        match chunk:
            case e.ToolInputStart():
                begins, complete = True, False
            case e.ToolInputAvailable() | e.ToolInputError():
                begins, complete = ours is None or (complete and not chunk.provider_executed), True
            case _:
                begins = False
        if begins:
            taken = self._parent or not theirs or theirs in self._used or self._stage.transcript.call(theirs)
            ours = new_id("call") if taken else theirs
            self._used.add(ours)
        ours = theirs if ours is None else ours
        self._ids[theirs] = ours, complete
        match chunk:
            case e.ToolInputStart() | e.ToolInputAvailable() if not chunk.provider_executed:
                self._own.add(ours)
                self._open.add(ours)
            case e.ToolInputError() if not chunk.provider_executed:
                self._own.add(ours)
                self._open.discard(ours)
            case e.ToolInputAvailable() | e.ToolOutputAvailable() | e.ToolOutputError() | e.ToolOutputDenied():
                self._open.discard(ours)
        return chunk if ours == theirs else msgspec.structs.replace(chunk, tool_call_id=ours)

    def _stamped(self, chunk: e.Chunk) -> e.Chunk:
        """What another agent says inside of a call belongs there, under ids of its own."""
        changes: JSON = {}
        if hasattr(chunk, "parent_tool_call_id"):
            changes["parent_tool_call_id"] = getattr(chunk, "parent_tool_call_id") or self._parent  # noqa: B009
        if (part := getattr(chunk, "id", None)) is not None:
            changes["id"] = f"{self._parent}/{self._steps}/{part}"
        return msgspec.structs.replace(chunk, **changes) if changes else chunk

    # The calls of a step

    async def _act(self) -> AsyncGenerator[e.Chunk]:
        """Run the calls of the last step, all at once, and return when every result is stored."""
        calls = [part["toolCallId"] for part in await self._stage.until(self._asked)]
        if not self._tools:
            self._tools = await self._offered()
        with self._stage.resting():
            running = _Running()
            async with aclosing(running.run([self._call(call_id, running) for call_id in calls])) as chunks:
                async for chunk in chunks:
                    yield chunk
            await self._stage.until(lambda transcript: all(_ended(transcript.call(call)) for call in calls) or None)
        if why := self._stage.spent():
            raise Stopped(e.Error("budget", why))

    def _asked(self, transcript: Transcript) -> list[JSON] | None:
        """The calls without a result, once the step that asked for them is stored."""
        return [part for part in self._calls() if _is_open(part)] if self._is_stored(transcript) else None

    def _is_stored(self, transcript: Transcript) -> bool:
        return self._stored_steps(transcript) >= self._finished

    def _stored_steps(self, transcript: Transcript) -> int:
        around = transcript.turn if self._parent is None else transcript.call(self._parent)
        return around.get("steps", 0) if around else 0

    async def _call(self, call_id: str, running: "_Running") -> None:
        """Bring one call to its end, whatever that is."""
        part = self._part(call_id)
        name = part["toolName"]
        try:
            if "waitsFor" in part:
                # Whoever was asked for it answers, whatever became of the tool meanwhile.
                await self._by_others(part, self._tools.get(name), running)
                return
            tool = self._usable(name)
            arguments = _arguments(part, tool)
            await self._allowed(part, tool, running)
            if tool.runs == "server":
                output = await self._here(part, tool, arguments, running)
                running.say(e.ToolOutputAvailable(tool_call_id=call_id, output=output))
            else:
                running.say(e.ToolWaiting(tool_call_id=call_id, waits_for=tool.runs))
                part = await self._stage.until(lambda transcript: _if("waitsFor", transcript.call(call_id)))
                await self._by_others(part, tool, running)
        except _Denied:
            running.say(e.ToolOutputDenied(tool_call_id=call_id))
            if self._limits.denial == "stop":
                raise Stopped from None
        except ToolError as error:
            text = str(error)[: self._limits.output_bytes]
            running.say(e.ToolOutputError(tool_call_id=call_id, error_text=text))
        except (Stopped, AgentError, LogError):
            raise
        except Exception as error:
            # The text of a foreign exception may hold a key.
            kind = type(error).__name__
            logger.error("Tool %s raised %s\n%s", name, kind, "".join(traceback.format_tb(error.__traceback__)))
            running.say(e.ToolOutputError(tool_call_id=call_id, error_text=FAILED.format(kind)))

    def _part(self, call_id: str) -> JSON:
        part = self._stage.transcript.call(call_id)
        assert part is not None
        return part

    def _usable(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is None:
            there_are = f"There are: {', '.join(self._tools)}." if self._tools else "There are none now."
            raise ToolError(f"There is no tool {name!r} here. {there_are}")
        if why := self._rests(name):
            raise ToolError(why)
        return tool

    # Approval

    async def _allowed(self, part: JSON, tool: Tool, running: "_Running") -> None:
        """Return when the call may be run. Raises `_Denied`."""
        call_id = part["toolCallId"]
        if "approval" not in part:
            policy = self._stage.policy(tool)
            if policy == "never" or "started" in part or "suspended" in part:
                return
            if policy == "once" and tool.name in self._stage.transcript.allowed:
                return
            seconds = self._limits.approval_seconds
            running.say(
                e.ToolApprovalRequest(
                    approval_id=new_id("a"),
                    tool_call_id=call_id,
                    scope="session" if policy == "once" else None,
                    deadline=self._stage.time(seconds) if seconds else None,
                )
            )
            part = await self._stage.until(lambda transcript: _if("approval", transcript.call(call_id)))
        verdict = await verdict_on(self._stage, part["approval"]["id"])
        if not verdict.approved:
            raise _Denied

    # Results

    async def _by_others(self, part: JSON, tool: Tool | None, running: "_Running") -> None:
        """Wait for the result of a kernel, or of a person. Raises `Stopped` for a plan that is cancelled."""
        call_id = part["toolCallId"]
        if part["waitsFor"] == "kernel":
            await self._by_kernel(call_id, tool is not None and tool.idempotent)
        part = await self._stage.until(lambda transcript: _if_ended(transcript.call(call_id)))
        output = part.get("output")
        if part["toolName"] == PROPOSE_PLAN.name and isinstance(output, dict) and output.get("decision") == "cancel":
            raise Stopped

    async def _by_kernel(self, call_id: str, idempotent: bool) -> None:
        """Wait until a kernel has run it: for ever until one has begun, and then for as long as that one lives."""

        def taken(transcript: Transcript) -> JSON | None:
            call = transcript.call(call_id)
            return call if call and ("started" in call or _ended(call)) else None

        while not _ended(call := await self._stage.until(taken)):
            runner = call["started"]["runner"]
            if await self._ended_before(call_id, runner):
                return

            def lost(transcript: Transcript, runner: str = runner) -> Sequence[e.Event]:
                call = transcript.call(call_id)
                if call is None or _ended(call) or call.get("started", {}).get("runner") != runner:
                    return []
                if idempotent:
                    return [e.ToolWaiting(tool_call_id=call_id, waits_for="kernel")]
                return [e.ToolOutputError(tool_call_id=call_id, error_text=LOST)]

            await self._stage.add(lost)

    async def _ended_before(self, call_id: str, runner: str) -> bool:
        """Whether the call has its result before its runner is gone."""
        going = {
            asyncio.create_task(self._stage.until(lambda transcript: _ended(transcript.call(call_id)) or None)),
            asyncio.create_task(self._stage.gone(runner, call_id)),
        }
        try:
            await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in going:
                task.cancel()
            await asyncio.wait(going)
        return _ended(self._part(call_id))

    async def _here(self, part: JSON, tool: Tool, arguments: JSON, running: "_Running") -> Any:
        context = _CallContext(self, part["toolCallId"], running)
        try:
            return await self._phases(part, tool, arguments, context, running)
        finally:
            context.closed = True

    async def _phases(
        self, part: JSON, tool: Tool, arguments: JSON, context: "_CallContext", running: "_Running"
    ) -> Any:
        call_id = part["toolCallId"]
        if "suspended" not in part:
            if "started" in part and not tool.idempotent:
                raise ToolError(LOST_HERE)
            # Only on the strength of its own start: another server may believe that this answer is its.
            start = new_id("r")
            running.say(e.ToolStarted(tool_call_id=call_id, runner=start))
            await self._stage.until(lambda transcript: _if_started_by(start, transcript.call(call_id)))
            output = await self._timed(tool, tool.call(arguments, context), context)
            if not isinstance(output, Suspended):
                return await self._kept(output)
            if (size := len(e.to_json(output.kept))) > MAX_KEPT:
                raise ToolError(f"The first phase of {tool.name} left {size} bytes; {MAX_KEPT} are the most.")
            kept = output.kept
            asked = self._nest(call_id, output.tool_name, output.arguments, running)
            running.say(e.ToolSuspended(tool_call_id=call_id, kept=kept, asked=asked))
            part = await self._stage.until(lambda transcript: _if("suspended", transcript.call(call_id)))
        if not isinstance(tool, TwoPhaseTool):
            raise ToolError(f"{tool.name} had two phases when this began, and has one now.")
        suspended = part["suspended"]
        answer = await self._answered(suspended["asked"], running)
        finishing = tool.finish(arguments, suspended["kept"], answer, context)
        return await self._kept(await self._timed(tool, finishing, context))

    async def _timed(self, tool: Tool, result: Any, context: "_CallContext") -> Any:
        """The result, unless it takes too long. While it waits for somebody else, no time passes."""
        seconds = tool.timeout or self._limits.tool_seconds
        limit = context.limit = asyncio.timeout(seconds or None)
        running = asyncio.create_task(_contained(tool.name, result))
        # One that is left behind tells nobody what it raised.
        running.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            async with limit:
                await asyncio.wait({running})
        except TimeoutError:
            raise ToolError(f"{tool.name} took longer than {seconds:g} seconds.") from None
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait({running}, timeout=STOP_SECONDS)
                if not running.done():
                    logger.warning("Tool %s ignored its cancellation; it is left behind.", tool.name)
        if running.cancelled():
            raise ToolError(f"{tool.name} was cancelled.")
        return running.result()

    async def _kept(self, output: Any) -> Any:
        """The output as it is stored: what is large is cut, and its files are kept beside the log."""
        return await cut(output, self._limits.output_bytes, self._stage.keep)

    # Calls inside of calls

    def _nest(self, call_id: str, name: str, arguments: JSON, running: "_Running") -> str:
        """Put a call into another one; its id."""
        asked = new_id("call")
        running.say(
            e.ToolInputAvailable(
                tool_call_id=asked, tool_name=name, input=arguments, dynamic=True, parent_tool_call_id=call_id
            )
        )
        return asked

    async def _answered(self, call_id: str, running: "_Running") -> Any:
        """What a kernel or a person gives as the result of a nested call. Raises `ToolError`."""
        part = await self._stage.until(lambda transcript: transcript.call(call_id))
        if not _ended(part):
            name = part["toolName"]
            tool = ASK_USER if name == ASK_USER.name else (await self._stage.tools()).get(name)
            if "waitsFor" not in part and (tool is None or tool.runs == "server"):
                raise ToolError(f"No kernel offers the tool {name!r}.")
            if tool is not None:
                # Whether or not the model may use this tool, this one uses it.
                self._tools.setdefault(name, tool)
            await self._call(call_id, running)
            part = await self._stage.until(lambda transcript: _if_ended(transcript.call(call_id)))
        match part["state"]:
            case "output-available":
                return part["output"]
            case "output-denied":
                raise ToolError(f"{part['toolName']} was refused.")
        raise ToolError(part["errorText"])

    def _nested_tokens(self) -> int:
        """What the calls of this turn have used of models that they asked."""
        turn = self._stage.transcript.turn
        return turn.get("nested_tokens", 0) if turn else 0

    def _must_have_tokens(self) -> None:
        if why := self._stage.spent():
            raise Stopped(e.Error("budget", why))
        if self._nested_tokens() >= self._limits.nested_tokens:
            most = f"the {self._limits.nested_tokens:,} tokens that they are allowed"
            raise ToolError(f"The calls of this answer have used {most}.")

    async def _inside(
        self, call_id: str, name: str, whom: Whom, question: str, running: "_Running", tokens: int
    ) -> str:
        """What another agent, or this one's model, says to a question: a call of its own inside of the call."""
        if self._depth >= self._limits.depth:
            raise ToolError(f"Agents are {self._depth} deep already, which is all that is allowed.")
        self._must_have_tokens()
        before = self._nested_tokens()
        asked = self._nest(call_id, name, {"question": question}, running)
        await self._stage.until(lambda transcript: transcript.call(asked))
        steps = Steps(
            self._stage,
            whom,
            self._limits,
            self._message_id,
            parent=asked,
            question=question,
            depth=self._depth + 1,
        )
        said: list[str] = []
        text = None
        try:
            async with aclosing(steps.run()) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, e.Finish):
                        break
                    if isinstance(chunk, e.StartStep | e.TextStart) and chunk.parent_tool_call_id == asked:
                        # What it says last is its answer, and not what others say to it.
                        text, said = getattr(chunk, "id", None), [] if isinstance(chunk, e.StartStep) else said
                    elif isinstance(chunk, e.TextDelta) and chunk.id == text:
                        said.append(chunk.delta)
                    running.say(chunk)
                    if self._nested_tokens() - before > tokens or sum(map(len, said)) > 8 * tokens:
                        raise ToolError(f"It used more than the {tokens} tokens that it is allowed.")
                else:
                    raise ToolError("The answer ended before it was complete.")
        except AgentError as error:
            running.say(e.ToolOutputError(tool_call_id=asked, error_text=error.text))
            raise ToolError(error.text) from None
        except ToolError as error:
            running.say(e.ToolOutputError(tool_call_id=asked, error_text=str(error)))
            raise
        finally:
            if steps.state:
                await discard(whom.agent, steps.state)
        answer = "".join(said)
        running.say(e.ToolOutputAvailable(tool_call_id=asked, output=await self._kept(answer)))
        self._must_have_tokens()
        return answer


async def _contained(name: str, result: Awaitable[Any]) -> Any:
    """The result. Who ends a program ends his call, and not the server."""
    try:
        return await result
    except (SystemExit, KeyboardInterrupt) as error:
        raise ToolError(f"{name} ended with {type(error).__name__}.") from None


async def discard(agent: Agent, state: JSON) -> None:
    """Have a provider stop, too, soon or not at all."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            await agent.discard(state)


async def verdict_on(stage: Stage, approval_id: str) -> Verdict:
    """What a person answers to a request that is on its way into the log, or what is answered when nobody does."""

    def answered(transcript: Transcript) -> JSON | None:
        part = transcript.call(call_id)
        is_open = (
            part and not _ended(part) and part["approval"]["id"] == approval_id and "approved" not in part["approval"]
        )
        return None if is_open else part

    part = await stage.until(lambda transcript: transcript.asking(approval_id))
    call_id = part["toolCallId"]
    deadline = part["approval"].get("deadline")
    limit = asyncio.timeout(stage.seconds_to(deadline) if deadline else None)
    try:
        async with limit:
            part = await stage.until(answered)
    except TimeoutError:
        if not limit.expired():
            raise
        expired = e.ApprovalAnswered(
            approval_id=approval_id, tool_call_id=call_id, approved=False, reason=NOBODY_ANSWERED
        )
        await stage.add(lambda transcript: [] if answered(transcript) else [expired])
        part = await stage.until(answered)
    approval = part["approval"]
    if approval["id"] != approval_id:
        return Verdict(False, "It was asked for anew.")
    return Verdict(approval.get("approved", False), approval.get("reason"))


class _Running:
    """The calls of one step while they run, and what they say meanwhile, in one order."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[e.Chunk | None] = asyncio.Queue()

    def say(self, chunk: e.Chunk) -> None:
        self._said.put_nowait(chunk)

    async def run(self, calls: Sequence[Any]) -> AsyncGenerator[e.Chunk]:
        """Run these, and yield what they say. What one of them raises ends the others, and is raised."""
        if not calls:
            return
        tasks = [asyncio.create_task(call) for call in calls]
        over = asyncio.create_task(asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))
        over.add_done_callback(lambda _: self._said.put_nowait(None))
        try:
            while (chunk := await self._said.get()) is not None:
                yield chunk
        finally:
            for task in (over, *tasks):
                task.cancel()
            await asyncio.gather(over, *tasks, return_exceptions=True)
        for task in tasks:
            if not task.cancelled():
                task.result()


class _CallContext(Context):
    def __init__(self, steps: Steps, call_id: str, running: _Running) -> None:
        self.call_id = call_id
        self.session = steps._stage.session
        self._steps = steps
        self._running = running
        self._told = -math.inf
        self._complete = False
        self.closed = False
        """Whether the call is over: a thread that goes on says nothing any more."""
        self._lines = 0
        self._waiting = 0
        self._left: float | None = None
        self.limit: asyncio.Timeout | None = None
        """When the time of the call is up."""

    def progress(self, progress: float | None = None, total: float | None = None, message: str | None = None) -> None:
        done, most = (None if number is None else float(number) for number in (progress, total))
        if message is not None and not isinstance(message, str):
            raise TypeError(f"message takes a string, and not a {type(message).__name__}")
        if self.closed:
            return
        now = asyncio.get_running_loop().time()
        complete = done is not None and done == most and not self._complete
        if now - self._told < PROGRESS_SECONDS and not complete:
            return
        self._told, self._complete = now, self._complete or complete
        message = None if message is None else message[:MAX_LINE]
        self._running.say(e.ToolProgress(tool_call_id=self.call_id, progress=done, total=most, message=message))

    def log(self, text: str, level: str = "info") -> None:
        self._lines += 1
        if self._lines > MAX_LINES or self.closed:
            return
        self._running.say(
            e.ToolProgress(tool_call_id=self.call_id, log=str(text)[:MAX_LINE], level=str(level)[:MAX_LEVEL])
        )

    @contextlib.contextmanager
    def _rests(self) -> Iterator[None]:
        """The call waits for somebody else in here, so its own time stands still."""
        loop = asyncio.get_running_loop()
        if self._waiting == 0 and self.limit and (when := self.limit.when()) is not None:
            self._left = when - loop.time()
            self.limit.reschedule(None)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if self._waiting == 0 and self._left is not None and self.limit:
                self.limit.reschedule(loop.time() + self._left)
                self._left = None

    async def ask(self, questions: Sequence[Question], text: str = "") -> dict[str, Any]:
        arguments = as_arguments(questions, text)
        asked = self._steps._nest(self.call_id, ASK_USER.name, arguments, self._running)
        with self._rests():
            return await self._steps._answered(asked, self._running)

    async def sample(self, text: str, *, instructions: str = "", max_tokens: int | None = None) -> str:
        whom = self._steps._whom
        silent = Whom(whom.agent, whom.model, whom.effort, "ask")
        question = f"{instructions}\n\n{text}" if instructions else text
        tokens = min(max_tokens or self._steps._limits.nested_tokens, self._steps._limits.nested_tokens)
        with self._rests():
            return await self._steps._inside(self.call_id, "sample", silent, question, self._running, tokens)

    async def run_agent(self, name: str, text: str) -> str:
        agent, model = self._steps._stage.agent(name)
        whom = Whom(agent, model, None, self._steps._mode, self._steps._whom.only)
        with self._rests():
            return await self._steps._inside(
                self.call_id, name, whom, text, self._running, self._steps._limits.nested_tokens
            )


def _last_step(messages: Sequence[JSON]) -> list[JSON]:
    """What there is of the step that an answer is in."""
    parts = messages[-1]["parts"] if messages[-1]["role"] == "assistant" else []
    begun = [place for place, part in enumerate(parts) if part["type"] == "step-start"]
    return parts[begun[-1] + 1 :] if begun else parts


def _finished(step: e.FinishStep, finish: e.Finish, reason: str | None) -> e.FinishStep:
    """The end of a step for this reason, with what the agent says of it."""
    about = finish.message_metadata or {}
    try:
        usage = msgspec.convert(about["usage"], e.Usage) if about.get("usage") else None
        context = msgspec.convert(about["context"], e.Context) if about.get("context") else None
    except msgspec.ValidationError as error:
        logger.warning("An agent counts its tokens in a way that nobody understands: %s", error)
        usage = context = None
    return msgspec.structs.replace(step, finish_reason=reason, usage=usage, context=context)


def _arguments(part: JSON, tool: Tool) -> JSON:
    if part["state"] == "input-streaming":
        raise ToolError("The arguments of this call were cut off.")
    arguments = part.get("input")
    if not isinstance(arguments, dict):
        raise ToolError(f"The arguments of {tool.name} must be an object.")
    tool.check(arguments)
    return arguments


def _ended(part: JSON | None) -> bool:
    return part is not None and part["state"] in TOOL_ENDS and not part.get("preliminary")


def _is_open(part: JSON) -> bool:
    """Whether this is a call of ours that has no result."""
    return part["type"] == "dynamic-tool" and not _ended(part) and not part.get("providerExecuted")


def _if_ended(part: JSON | None) -> JSON | None:
    return part if _ended(part) else None


def _if_started_by(runner: str, part: JSON | None) -> JSON | None:
    return part if part and part.get("started", {}).get("runner") == runner else None


def _if(name: str, part: JSON | None) -> JSON | None:
    return part if part and name in part else None
