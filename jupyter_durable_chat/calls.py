"""One call, from its arguments to its result, whoever gives that: the server, a kernel, or a person.

It is run once. What it waits for is an event before it waits, and so is its start before it is run, so whoever takes an
answer over sees how far each call is. Whatever goes wrong with it is its result.
"""

import asyncio
import contextlib
import logging
import math
import traceback
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from typing import Any

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError
from jupyter_durable_chat.commands import new_id
from jupyter_durable_chat.facts import CallEnded, Runs
from jupyter_durable_chat.log import LogError
from jupyter_durable_chat.outputs import cut
from jupyter_durable_chat.stage import Stage, StepLimits, ended, verdict_on
from jupyter_durable_chat.tools import Context, Question, Suspended, Tool, ToolError, TwoPhaseTool
from jupyter_durable_chat.tools.builtin import ASK_USER, PROPOSE_PLAN, as_arguments
from jupyter_durable_chat.transcript import JSON, Transcript
from jupyter_durable_chat.turn import STOP_SECONDS, Stopped

logger = logging.getLogger(__name__)

LOST = "The kernel that ran this went away before it had a result."

LOST_HERE = "The server was started anew while this ran, so nobody knows how far it came."

FAILED = "The tool failed with {}. The server's log says where."

PROGRESS_SECONDS = 0.1
"""Between two reports of a call: more of them are left out."""

MAX_LINES = 1000
MAX_LINE = 2000
MAX_LEVEL = 20
"""Lines that a call may say, and characters of one, and of its level."""

MAX_KEPT = 1 << 20
"""Bytes that the first phase of a tool may leave for its last one."""


class Asker(ABC):
    """Who asks for calls: an agent in the course of its answer."""

    stage: Stage
    limits: StepLimits

    @abstractmethod
    def known(self, name: str) -> Tool | None:
        """The tool of this name, whether or not it may be used now."""

    @abstractmethod
    def usable(self, name: str) -> Tool:
        """The tool of this name. Raises `ToolError` when it is not to be used."""

    @abstractmethod
    async def sample(self, call: "Call", question: str, tokens: int) -> str:
        """What the model of this answer says to a question, inside of the call. Raises `ToolError`, `Stopped`."""

    @abstractmethod
    async def run_agent(self, call: "Call", name: str, question: str) -> str:
        """What another agent says to it, inside of the call. Raises `ToolError`, `Stopped`."""


class _Denied(Exception):
    """A person, or the deadline, said no."""


class Running:
    """The calls of one step while they run, and what they say meanwhile, in one order."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[e.Chunk | None] = asyncio.Queue()

    def say(self, chunk: e.Chunk) -> None:
        self._said.put_nowait(chunk)

    async def run(self, calls: Sequence["Call"]) -> AsyncGenerator[e.Chunk]:
        """Run these, and yield what they say. What one of them raises ends the others, and is raised."""
        if not calls:
            return
        tasks = [asyncio.create_task(call.run()) for call in calls]
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


class Call:
    """The call with this id; what happens with it is said to `running`. With a `tool`, it is a call of that one."""

    def __init__(self, asker: Asker, call_id: str, running: Running, tool: Tool | None = None) -> None:
        self.id = call_id
        self.running = running
        self._asker = asker
        self._stage = asker.stage
        self._limits = asker.limits
        self._tool = tool

    async def run(self) -> None:
        """Bring the call to its end, whatever that is. Raises `Stopped`, `LogError`."""
        part = self._part()
        name = part["toolName"]
        try:
            if "waitsFor" in part:
                # Whoever was asked for it answers, whatever became of the tool meanwhile.
                with self._told(None, part["waitsFor"]):
                    await self._by_others(part, self._tool or self._asker.known(name))
                return
            tool = self._tool or self._asker.usable(name)
            arguments = _arguments(part, tool)
            await self._allowed(part, tool)
            if tool.runs == "server":
                with self._told(tool.name, "server"):
                    output = await self._here(part, tool, arguments)
                self.running.say(e.ToolOutputAvailable(tool_call_id=self.id, output=output))
            else:
                with self._told(None, tool.runs):
                    self.running.say(e.ToolWaiting(tool_call_id=self.id, waits_for=tool.runs))
                    part = await self._stage.until(lambda transcript: _if("waitsFor", transcript.call(self.id)))
                    await self._by_others(part, tool)
        except _Denied:
            self.running.say(e.ToolOutputDenied(tool_call_id=self.id))
            if self._limits.denial == "stop":
                raise Stopped from None
        except ToolError as error:
            text = str(error)[: self._limits.output_bytes]
            self.running.say(e.ToolOutputError(tool_call_id=self.id, error_text=text))
        except (Stopped, AgentError, LogError):
            raise
        except Exception as error:
            # The text of a foreign exception may hold a key.
            kind = type(error).__name__
            logger.error("Tool %s raised %s\n%s", name, kind, "".join(traceback.format_tb(error.__traceback__)))
            self.running.say(e.ToolOutputError(tool_call_id=self.id, error_text=FAILED.format(kind)))

    @contextlib.contextmanager
    def _told(self, tool: str | None, runs: Runs) -> Iterator[None]:
        """Whoever notes it is told how long what is in here took, and whether the call failed by it."""
        loop = asyncio.get_running_loop()
        since, has_failed = loop.time(), True
        try:
            yield
            has_failed = self._part()["state"] == "output-error"
        except Stopped:
            has_failed = False
            raise
        finally:
            self._stage.tell(CallEnded(self._stage.turn_id, tool, runs, loop.time() - since, has_failed))

    def _part(self) -> JSON:
        part = self._stage.transcript.call(self.id)
        assert part is not None
        return part

    # Approval

    async def _allowed(self, part: JSON, tool: Tool) -> None:
        """Return when the call may be run. Raises `_Denied`."""
        if "approval" not in part:
            policy = self._stage.policy(tool)
            if policy == "never" or "started" in part or "suspended" in part:
                return
            if policy == "once" and tool.name in self._stage.transcript.allowed:
                return
            seconds = self._limits.approval_seconds
            self.running.say(
                e.ToolApprovalRequest(
                    approval_id=new_id("a"),
                    tool_call_id=self.id,
                    scope="session" if policy == "once" else None,
                    deadline=self._stage.time(seconds) if seconds else None,
                )
            )
            part = await self._stage.until(lambda transcript: _if("approval", transcript.call(self.id)))
        verdict = await verdict_on(self._stage, part["approval"]["id"])
        if not verdict.approved:
            raise _Denied

    # Results

    async def _by_others(self, part: JSON, tool: Tool | None) -> None:
        """Wait for the result of a kernel, or of a person. Raises `Stopped` for a plan that is cancelled."""
        if part["waitsFor"] == "kernel":
            await self._by_kernel(tool is not None and tool.idempotent)
        part = await self._stage.until(lambda transcript: _if_ended(transcript.call(self.id)))
        output = part.get("output")
        if part["toolName"] == PROPOSE_PLAN.name and isinstance(output, dict) and output.get("decision") == "cancel":
            raise Stopped

    async def _by_kernel(self, idempotent: bool) -> None:
        """Wait until a kernel has run it: for ever until one has begun, and then for as long as that one lives."""

        def taken(transcript: Transcript) -> JSON | None:
            call = transcript.call(self.id)
            return call if call and ("started" in call or ended(call)) else None

        while not ended(call := await self._stage.until(taken)):
            runner = call["started"]["runner"]
            if await self._ended_before(runner):
                return

            def lost(transcript: Transcript, runner: str = runner) -> Sequence[e.Event]:
                call = transcript.call(self.id)
                if call is None or ended(call) or call.get("started", {}).get("runner") != runner:
                    return []
                if idempotent:
                    return [e.ToolWaiting(tool_call_id=self.id, waits_for="kernel")]
                return [e.ToolOutputError(tool_call_id=self.id, error_text=LOST)]

            await self._stage.add(lost)

    async def _ended_before(self, runner: str) -> bool:
        """Whether the call has its result before its runner is gone."""
        going = {
            asyncio.create_task(self._stage.until(lambda transcript: ended(transcript.call(self.id)) or None)),
            asyncio.create_task(self._stage.gone(runner, self.id)),
        }
        try:
            await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in going:
                task.cancel()
            await asyncio.wait(going)
        return ended(self._part())

    async def _here(self, part: JSON, tool: Tool, arguments: JSON) -> Any:
        context = _CallContext(self)
        try:
            return await self._phases(part, tool, arguments, context)
        finally:
            context.closed = True

    async def _phases(self, part: JSON, tool: Tool, arguments: JSON, context: "_CallContext") -> Any:
        if "suspended" not in part:
            if "started" in part and not tool.idempotent:
                raise ToolError(LOST_HERE)
            # Only on the strength of its own start: another server may believe that this answer is its.
            start = new_id("r")
            self.running.say(e.ToolStarted(tool_call_id=self.id, runner=start))
            await self._stage.until(lambda transcript: _if_started_by(start, transcript.call(self.id)))
            output = await self._timed(tool, tool.call(arguments, context), context)
            if not isinstance(output, Suspended):
                return await self.kept(output)
            if (size := len(e.to_json(output.kept))) > MAX_KEPT:
                raise ToolError(f"The first phase of {tool.name} left {size} bytes; {MAX_KEPT} are the most.")
            kept = output.kept
            asked = self.nest(output.tool_name, output.arguments)
            self.running.say(e.ToolSuspended(tool_call_id=self.id, kept=kept, asked=asked))
            part = await self._stage.until(lambda transcript: _if("suspended", transcript.call(self.id)))
        if not isinstance(tool, TwoPhaseTool):
            raise ToolError(f"{tool.name} had two phases when this began, and has one now.")
        suspended = part["suspended"]
        answer = await self.answer(suspended["asked"])
        finishing = tool.finish(arguments, suspended["kept"], answer, context)
        return await self.kept(await self._timed(tool, finishing, context))

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

    async def kept(self, output: Any) -> Any:
        """The output as it is stored: what is large is cut, and its files are kept beside the log."""
        return await cut(output, self._limits.output_bytes, self._stage.keep)

    # Calls inside of calls

    def nest(self, name: str, arguments: JSON) -> str:
        """Put another call into this one; its id."""
        asked = new_id("call")
        self.running.say(
            e.ToolInputAvailable(
                tool_call_id=asked, tool_name=name, input=arguments, dynamic=True, parent_tool_call_id=self.id
            )
        )
        return asked

    async def answer(self, nested_id: str) -> Any:
        """What a kernel or a person gives as the result of a call inside of this one. Raises `ToolError`."""
        part = await self._stage.until(lambda transcript: transcript.call(nested_id))
        if not ended(part):
            name = part["toolName"]
            # Whether or not the model may use this tool, this one uses it.
            tool = ASK_USER if name == ASK_USER.name else (await self._stage.tools()).get(name)
            if "waitsFor" not in part and (tool is None or tool.runs == "server"):
                raise ToolError(f"No kernel offers the tool {name!r}.")
            await Call(self._asker, nested_id, self.running, tool).run()
            part = await self._stage.until(lambda transcript: _if_ended(transcript.call(nested_id)))
        match part["state"]:
            case "output-available":
                return part["output"]
            case "output-denied":
                raise ToolError(f"{part['toolName']} was refused.")
        raise ToolError(part["errorText"])


class _CallContext(Context):
    """Of one call: what its tool may do meanwhile."""

    def __init__(self, call: Call) -> None:
        self.call_id = call.id
        self.session = call._stage.session
        self._call = call
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
        self._call.running.say(e.ToolProgress(tool_call_id=self.call_id, progress=done, total=most, message=message))

    def log(self, text: str, level: str = "info") -> None:
        self._lines += 1
        if self._lines > MAX_LINES or self.closed:
            return
        self._call.running.say(
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
        asked = self._call.nest(ASK_USER.name, arguments)
        with self._rests():
            return await self._call.answer(asked)

    async def sample(self, text: str, *, instructions: str = "", max_tokens: int | None = None) -> str:
        question = f"{instructions}\n\n{text}" if instructions else text
        most = self._call._limits.nested_tokens
        with self._rests():
            return await self._call._asker.sample(self._call, question, min(max_tokens or most, most))

    async def run_agent(self, name: str, text: str) -> str:
        with self._rests():
            return await self._call._asker.run_agent(self._call, name, text)


async def _contained(name: str, result: Awaitable[Any]) -> Any:
    """The result. Who ends a program ends his call, and not the server."""
    try:
        return await result
    except (SystemExit, KeyboardInterrupt) as error:
        raise ToolError(f"{name} ended with {type(error).__name__}.") from None


def _arguments(part: JSON, tool: Tool) -> JSON:
    if part["state"] == "input-streaming":
        raise ToolError("The arguments of this call were cut off.")
    arguments = part.get("input")
    if not isinstance(arguments, dict):
        raise ToolError(f"The arguments of {tool.name} must be an object.")
    tool.check(arguments)
    return arguments


def _if_ended(part: JSON | None) -> JSON | None:
    return part if ended(part) else None


def _if_started_by(runner: str, part: JSON | None) -> JSON | None:
    return part if part and part.get("started", {}).get("runner") == runner else None


def _if(name: str, part: JSON | None) -> JSON | None:
    return part if part and name in part else None
