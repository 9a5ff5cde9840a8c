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
import copy
import logging
import math
import traceback
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Host, Request, Verdict
from jupyter_durable_chat.commands import new_id
from jupyter_durable_chat.outputs import cut
from jupyter_durable_chat.tools import Approval, Context, Question, Suspended, Tool, ToolError, TwoPhaseTool
from jupyter_durable_chat.tools.builtin import ASK_USER, PROPOSE_PLAN, as_arguments
from jupyter_durable_chat.transcript import JSON, TOOL_ENDS, Transcript, nested
from jupyter_durable_chat.turn import Stopped

logger = logging.getLogger(__name__)

Denial = Literal["error", "disable", "stop"]
"""What a denial does beside telling the model: nothing, no more of this tool in this answer, an end to the answer."""

NOBODY_ANSWERED = "Nobody answered in time."

LOST = "The kernel that ran this went away before it had a result."

LOST_HERE = "The server was started anew while this ran, so nobody knows how far it came."

FAILED = "The tool failed with {}. The server's log says where."

PROGRESS_SECONDS = 0.1
"""Between two reports of a call: more of them are left out."""

MAX_LINES = 1000
MAX_LINE = 2000
"""Lines that a call may say, and characters of one."""

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
    async def settled(self, runner: str) -> None:
        """Return when this runner of a kernel is gone for good."""

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
        self._announced: dict[str, bool] = {}
        """The calls of the last step, and whether their arguments came."""

    async def run(self) -> AsyncGenerator[e.Chunk]:
        """The chunks of the answer, its `finish` last. Raises `AgentError`, and `Stopped`."""
        turn = self._stage.transcript.turn
        self._first = turn["first_part"] if turn and self._parent is None else len(self._parts())
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
            if finish.finish_reason != "tool-calls":
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
        """A plan that was approved in this answer is carried out in it."""
        decided = (part.get("output") for part in self._calls() if part["toolName"] == PROPOSE_PLAN.name)
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
        self._tools = await self._offered()
        specs = [tool.spec for name, tool in self._tools.items() if not self._rests(name)]
        self._announced = {}
        request = Request(self._messages(), self._whom.model, specs, self._whom.effort, self._stage)
        held: e.FinishStep | None = None
        agent = self._whom.agent
        answer = agent.run(request) if state is None else agent.resume(request, state, _last_step(self._messages()))
        async with aclosing(answer) as chunks:
            async for chunk in chunks:
                if held:
                    if isinstance(chunk, e.Finish):
                        held = _finished(held, chunk)
                    yield self._stamped(held)
                    held = None
                elif isinstance(chunk, e.Finish) and chunk.finish_reason == "tool-calls":
                    yield self._stamped(_finished(e.FinishStep(), chunk))
                if isinstance(chunk, e.FinishStep):
                    held = chunk
                else:
                    if isinstance(chunk, e.ToolInputStart | e.ToolInputAvailable):
                        self._announced[chunk.tool_call_id] = isinstance(chunk, e.ToolInputAvailable)
                    yield self._stamped(chunk)
        if held:
            yield self._stamped(held)

    def _stamped(self, chunk: e.Chunk) -> e.Chunk:
        """What another agent says inside of a call belongs there, under ids of its own."""
        if self._parent is None:
            return chunk
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
        if self._limits.denial == "stop" and any(part["state"] == "output-denied" for part in self._calls()):
            raise Stopped
        plans = (part.get("output") for part in self._calls() if part["toolName"] == PROPOSE_PLAN.name)
        if any(isinstance(output, dict) and output.get("decision") == "cancel" for output in plans):
            raise Stopped
        if why := self._stage.spent():
            raise Stopped(e.Error("budget", why))

    def _asked(self, transcript: Transcript) -> list[JSON] | None:
        """The calls without a result, once all that were announced are stored with their arguments."""
        for call_id, complete in self._announced.items():
            call = transcript.call(call_id)
            if call is None or (complete and call["state"] == "input-streaming"):
                return None
        return [part for part in self._calls() if not _ended(part) and not part.get("providerExecuted")]

    async def _call(self, call_id: str, running: "_Running") -> None:
        """Bring one call to its end, whatever that is."""
        part = self._part(call_id)
        name = part["toolName"]
        try:
            tool = self._usable(name)
            arguments = _arguments(part, tool)
            await self._allowed(part, tool, running)
            output = await self._result(part, tool, arguments, running)
            if output is not None:
                running.say(e.ToolOutputAvailable(tool_call_id=call_id, output=output[0]))
        except _Denied:
            running.say(e.ToolOutputDenied(tool_call_id=call_id))
        except ToolError as error:
            text = str(error)[: self._limits.output_bytes]
            running.say(e.ToolOutputError(tool_call_id=call_id, error_text=text))
        except (Stopped, AgentError):
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

    async def _result(self, part: JSON, tool: Tool, arguments: JSON, running: "_Running") -> tuple[Any] | None:
        """The output of a call in a tuple; `None` when somebody else has stored its result."""
        match tool.runs:
            case "kernel":
                await self._by_kernel(part, tool, running)
            case "person":
                await self._by_person(part, running)
            case "server":
                return (await self._here(part, tool, arguments, running),)
        return None

    async def _by_person(self, part: JSON, running: "_Running") -> None:
        call_id = part["toolCallId"]
        if "waitsFor" not in part:
            running.say(e.ToolWaiting(tool_call_id=call_id, waits_for="person"))
        await self._stage.until(lambda transcript: _ended(transcript.call(call_id)) or None)

    async def _by_kernel(self, part: JSON, tool: Tool, running: "_Running") -> None:
        """Wait until a kernel has run it: for ever until one has begun, and then for as long as that one lives."""
        call_id = part["toolCallId"]
        if "waitsFor" not in part:
            running.say(e.ToolWaiting(tool_call_id=call_id, waits_for="kernel"))

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
                if tool.idempotent:
                    return [e.ToolWaiting(tool_call_id=call_id, waits_for="kernel")]
                return [e.ToolOutputError(tool_call_id=call_id, error_text=LOST)]

            await self._stage.add(lost)

    async def _ended_before(self, call_id: str, runner: str) -> bool:
        """Whether the call has its result before its runner is gone."""
        going = {
            asyncio.create_task(self._stage.until(lambda transcript: _ended(transcript.call(call_id)) or None)),
            asyncio.create_task(self._stage.settled(runner)),
        }
        try:
            await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in going:
                task.cancel()
            await asyncio.wait(going)
        return _ended(self._part(call_id))

    async def _here(self, part: JSON, tool: Tool, arguments: JSON, running: "_Running") -> Any:
        call_id = part["toolCallId"]
        context = _CallContext(self, call_id, running)
        if "suspended" not in part:
            if "started" in part and not tool.idempotent:
                raise ToolError(LOST_HERE)
            running.say(e.ToolStarted(tool_call_id=call_id))
            await self._stage.until(lambda transcript: _if("started", transcript.call(call_id)))
            output = await self._timed(tool, tool.call(arguments, context))
            if not isinstance(output, Suspended):
                return await self._kept(output)
            kept = await self._kept(output.kept)
            asked = self._nest(call_id, output.tool_name, output.arguments, running)
            running.say(e.ToolSuspended(tool_call_id=call_id, kept=kept, asked=asked))
            part = await self._stage.until(lambda transcript: _if("suspended", transcript.call(call_id)))
        assert isinstance(tool, TwoPhaseTool)
        suspended = part["suspended"]
        answer = await self._answered(suspended["asked"], running)
        return await self._kept(await self._timed(tool, tool.finish(arguments, suspended["kept"], answer, context)))

    async def _timed(self, tool: Tool, result: Any) -> Any:
        seconds = tool.timeout or self._limits.tool_seconds
        limit = asyncio.timeout(seconds or None)
        try:
            async with limit:
                return await result
        except TimeoutError:
            if limit.expired():
                raise ToolError(f"{tool.name} took longer than {seconds:g} seconds.") from None
            raise

    async def _kept(self, output: Any) -> Any:
        """The output as it is stored: what is large is cut, and its files are kept beside the log."""
        return await cut(output, self._limits.output_bytes, self._stage.keep)

    # Calls inside of calls

    def _nest(self, call_id: str, name: str, arguments: JSON, running: "_Running") -> str:
        """Put a call into another one; its id."""
        inside = nested(self._part(call_id).get("parts", []))
        running.nested += 1
        place = 1 + sum("toolCallId" in part for part in inside) + running.nested
        asked = f"{call_id}.{place}"
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
            if tool is None or tool.runs == "server":
                raise ToolError(f"No kernel offers the tool {name!r}.")
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
        turn = self._stage.transcript.turn
        return msgspec.convert(turn.get("usage", {}), e.Usage).tokens if turn else 0

    async def _inside(self, call_id: str, whom: Whom, question: str, running: "_Running", tokens: int) -> str:
        """What another agent, or this one's model, says to a question inside of a call."""
        if self._depth >= self._limits.depth:
            raise ToolError(f"Agents are {self._depth} deep already, which is all that is allowed.")
        before = self._nested_tokens()
        steps = Steps(
            self._stage,
            whom,
            self._limits,
            self._message_id,
            parent=call_id,
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
                    if isinstance(chunk, e.StartStep | e.TextStart) and chunk.parent_tool_call_id == call_id:
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
            raise ToolError(error.text) from None
        return "".join(said)


async def verdict_on(stage: Stage, approval_id: str) -> Verdict:
    """What a person answers to a request that is on its way into the log, or what is answered when nobody does."""

    def asked(transcript: Transcript) -> JSON | None:
        return transcript.asking(approval_id)

    def answered(transcript: Transcript) -> JSON | None:
        part = asked(transcript)
        return part if part and (_ended(part) or "approved" in part["approval"]) else None

    part = await stage.until(asked)
    deadline = part["approval"].get("deadline")
    limit = asyncio.timeout(stage.seconds_to(deadline) if deadline else None)
    try:
        async with limit:
            part = await stage.until(answered)
    except TimeoutError:
        if not limit.expired():
            raise
        call_id = part["toolCallId"]
        expired = e.ApprovalAnswered(
            approval_id=approval_id, tool_call_id=call_id, approved=False, reason=NOBODY_ANSWERED
        )
        await stage.add(lambda transcript: [] if answered(transcript) else [expired])
        part = await stage.until(answered)
    approval = part["approval"]
    return Verdict(approval.get("approved", False), approval.get("reason"))


class _Running:
    """The calls of one step while they run, and what they say meanwhile, in one order."""

    def __init__(self) -> None:
        self.nested = 0
        self._said: asyncio.Queue[e.Chunk | None] = asyncio.Queue()

    def say(self, chunk: e.Chunk) -> None:
        self._said.put_nowait(chunk)

    async def run(self, calls: Sequence[Any]) -> AsyncGenerator[e.Chunk]:
        """Run these, and yield what they say. Raises what one of them raises, when all the others have ended."""
        tasks = [asyncio.create_task(call) for call in calls]
        over = asyncio.gather(*tasks, return_exceptions=True)
        over.add_done_callback(lambda _: self._said.put_nowait(None))
        try:
            while (chunk := await self._said.get()) is not None:
                yield chunk
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            task.result()


class _CallContext(Context):
    def __init__(self, steps: Steps, call_id: str, running: _Running) -> None:
        self.call_id = call_id
        self.session = steps._stage.session
        self._steps = steps
        self._running = running
        self._told = -math.inf
        self._lines = 0

    def progress(self, progress: float | None = None, total: float | None = None, message: str | None = None) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told < PROGRESS_SECONDS and (progress is None or progress != total):
            return
        self._told = now
        self._running.say(e.ToolProgress(tool_call_id=self.call_id, progress=progress, total=total, message=message))

    def log(self, text: str, level: str = "info") -> None:
        self._lines += 1
        if self._lines > MAX_LINES:
            return
        text = text[:MAX_LINE]
        self._running.say(e.ToolProgress(tool_call_id=self.call_id, log=text, level=level))

    async def ask(self, questions: Sequence[Question], text: str = "") -> dict[str, Any]:
        arguments = as_arguments(questions, text)
        asked = self._steps._nest(self.call_id, ASK_USER.name, arguments, self._running)
        return await self._steps._answered(asked, self._running)

    async def sample(self, text: str, *, instructions: str = "", max_tokens: int | None = None) -> str:
        whom = self._steps._whom
        silent = Whom(whom.agent, whom.model, whom.effort, "ask")
        question = f"{instructions}\n\n{text}" if instructions else text
        tokens = min(max_tokens or self._steps._limits.nested_tokens, self._steps._limits.nested_tokens)
        return await self._steps._inside(self.call_id, silent, question, self._running, tokens)

    async def run_agent(self, name: str, text: str) -> str:
        agent, model = self._steps._stage.agent(name)
        whom = Whom(agent, model, None, self._steps._mode)
        return await self._steps._inside(self.call_id, whom, text, self._running, self._steps._limits.nested_tokens)


def _last_step(messages: Sequence[JSON]) -> list[JSON]:
    """What there is of the step that an answer is in."""
    parts = messages[-1]["parts"] if messages[-1]["role"] == "assistant" else []
    begun = [place for place, part in enumerate(parts) if part["type"] == "step-start"]
    return parts[begun[-1] + 1 :] if begun else parts


def _finished(step: e.FinishStep, finish: e.Finish) -> e.FinishStep:
    """The end of a step with what the agent says of it."""
    about = finish.message_metadata or {}
    try:
        usage = msgspec.convert(about["usage"], e.Usage) if about.get("usage") else None
        context = msgspec.convert(about["context"], e.Context) if about.get("context") else None
    except msgspec.ValidationError as error:
        logger.warning("An agent counts its tokens in a way that nobody understands: %s", error)
        usage = context = None
    return msgspec.structs.replace(step, finish_reason=finish.finish_reason, usage=usage, context=context)


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


def _if_ended(part: JSON | None) -> JSON | None:
    return part if _ended(part) else None


def _if(name: str, part: JSON | None) -> JSON | None:
    return part if part and name in part else None
