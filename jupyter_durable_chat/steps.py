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
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

import msgspec

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Request
from jupyter_durable_chat.calls import Asker, Call, Running
from jupyter_durable_chat.commands import new_id
from jupyter_durable_chat.facts import FINISH_REASONS, StepEnded, model_named
from jupyter_durable_chat.stage import Stage, StepLimits, Whom, ended
from jupyter_durable_chat.tools import Tool, ToolError
from jupyter_durable_chat.tools.builtin import ASK_USER, PROPOSE_PLAN
from jupyter_durable_chat.transcript import JSON, TOOL_ENDS, Transcript
from jupyter_durable_chat.turn import Stopped

logger = logging.getLogger(__name__)

DISCARD_SECONDS = 5.0
"""How long a provider may take to hear that nobody wants the rest of an answer."""

INSIDE = (
    e.StartStep | e.TextStart | e.TextDelta | e.TextEnd | e.ReasoningStart | e.ReasoningDelta | e.ReasoningEnd
    | e.ToolInputStart | e.ToolInputDelta | e.ToolInputAvailable | e.ToolInputError | e.ToolApprovalRequest
    | e.ToolOutputAvailable | e.ToolOutputError | e.ToolOutputDenied
)  # fmt: skip
"""What an agent may say inside of a call; all else would be said of the answer around it."""


AROUND = e.TextDelta | e.TextEnd | e.ReasoningDelta | e.ReasoningEnd | e.Start | e.MessageMetadata
"""What begins no part, so that a step may still begin after it."""


class Steps(Asker):
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
        self.stage = stage
        self._whom = whom
        self.limits = limits
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
        turn = self.stage.transcript.turn
        self._first = turn["first_part"] if turn and self._parent is None else len(self._parts())
        self._finished = self._stored_steps(self.stage.transcript)
        if turn and turn["acting"] and self._parent is None:
            # Somebody else has begun it: the steps that it has taken count, and the calls of the last one are due.
            self._steps = sum(part["type"] == "step-start" for part in self._said())
            async with aclosing(self._act()) as chunks:
                async for chunk in chunks:
                    yield chunk
        state = self._resume
        while True:
            if self._steps >= self.limits.steps:
                most = f"as many as c.DurableChat.max_steps allows ({self.limits.steps})"
                raise AgentError(
                    "tool", f"The answer took {most}. Continue it to allow as many again.", recoverable=True
                )
            self._steps += 1
            finish = None
            with self._told() as ends:
                async with aclosing(self._step(state)) as chunks:
                    async for chunk in chunks:
                        if isinstance(chunk, e.Finish):
                            finish = chunk
                            continue
                        if isinstance(chunk, e.FinishStep):
                            ends.append(chunk)
                        yield chunk
                if finish and not any(end.usage for end in ends):
                    ends.append(_finished(e.FinishStep(), finish, self._reason(finish)))
            state = None
            if finish is None:
                return
            if self._reason(finish) != "tool-calls":
                await self.stage.until(lambda transcript: self._is_stored(transcript) or None)
                yield finish
                return
            async with aclosing(self._act()) as chunks:
                async for chunk in chunks:
                    yield chunk

    @contextlib.contextmanager
    def _told(self) -> Iterator[list[e.FinishStep]]:
        """Whoever notes it is told of the step in here, by what is said of its end."""
        loop = asyncio.get_running_loop()
        since, ends, error = loop.time(), list[e.FinishStep](), "internal"
        try:
            yield ends
            error = None
        except AgentError as why:
            error = why.category
            raise
        except (asyncio.CancelledError, GeneratorExit):
            error = "cancelled"
            raise
        finally:
            used = sum((end.usage for end in ends if end.usage), e.Usage())
            said = ends[-1].finish_reason if ends else None
            reason = said if said in (None, *FINISH_REASONS) else "other"
            name, model = self._whom.agent.name, model_named(self._whom.model)
            seconds = loop.time() - since
            self.stage.tell(
                StepEnded(
                    self.stage.turn_id, name, model, seconds, reason, error, used.input_tokens, used.output_tokens
                )
            )

    # What there is

    def _parts(self) -> list[JSON]:
        """The parts that belong to this agent, as far as they are stored."""
        if self._parent is not None:
            call = self.stage.transcript.call(self._parent)
            return call.get("parts", []) if call else []
        message = self.stage.transcript.message(self._message_id)
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
        *before, answer = self.stage.transcript.branch(self._message_id)
        return [*before, copy.deepcopy(answer)] if answer["parts"] else before

    async def _offered(self) -> dict[str, Tool]:
        """The tools that this agent may use now, those that rest among them."""
        mode = self._mode
        if mode == "ask":
            return {}
        tools = await self.stage.tools()
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
        if self.limits.denial == "disable" and any(part["state"] == "output-denied" for part in calls):
            return f"{name} was refused, and is not available for the rest of this answer."
        last = calls[-self.limits.failures :]
        if len(last) == self.limits.failures and all(part["state"] == "output-error" for part in last):
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
        request = Request(self._messages(), self._whom.model, specs, self._whom.effort, self.stage)
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
        seconds = self.limits.tool_seconds if self._parent is not None else 0
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
            taken = self._parent or not theirs or theirs in self._used or self.stage.transcript.call(theirs)
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
        calls = [part["toolCallId"] for part in await self.stage.until(self._asked)]
        if not self._tools:
            self._tools = await self._offered()
        with self.stage.resting():
            running = Running()
            async with aclosing(running.run([Call(self, call_id, running) for call_id in calls])) as chunks:
                async for chunk in chunks:
                    yield chunk
            await self.stage.until(lambda transcript: all(ended(transcript.call(call)) for call in calls) or None)
        if why := self.stage.spent():
            raise Stopped(e.Error("budget", why))

    def _asked(self, transcript: Transcript) -> list[JSON] | None:
        """The calls without a result, once the step that asked for them is stored."""
        return [part for part in self._calls() if _is_open(part)] if self._is_stored(transcript) else None

    def _is_stored(self, transcript: Transcript) -> bool:
        return self._stored_steps(transcript) >= self._finished

    def _stored_steps(self, transcript: Transcript) -> int:
        around = transcript.turn if self._parent is None else transcript.call(self._parent)
        return around.get("steps", 0) if around else 0

    def known(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def usable(self, name: str) -> Tool:
        tool = self._tools.get(name)
        if tool is None:
            there_are = f"There are: {', '.join(self._tools)}." if self._tools else "There are none now."
            raise ToolError(f"There is no tool {name!r} here. {there_are}")
        if why := self._rests(name):
            raise ToolError(why)
        return tool

    # What is said inside of a call

    def _nested_tokens(self) -> int:
        """What the calls of this turn have used of models that they asked."""
        turn = self.stage.transcript.turn
        return turn.get("nested_tokens", 0) if turn else 0

    def _must_have_tokens(self) -> None:
        if why := self.stage.spent():
            raise Stopped(e.Error("budget", why))
        if self._nested_tokens() >= self.limits.nested_tokens:
            most = f"the {self.limits.nested_tokens:,} tokens that they are allowed"
            raise ToolError(f"The calls of this answer have used {most}.")

    async def sample(self, call: Call, question: str, tokens: int) -> str:
        silent = Whom(self._whom.agent, self._whom.model, self._whom.effort, "ask")
        return await self._inside(call, "sample", silent, question, tokens)

    async def run_agent(self, call: Call, name: str, question: str) -> str:
        agent, model = self.stage.agent(name)
        whom = Whom(agent, model, None, self._mode, self._whom.only)
        return await self._inside(call, name, whom, question, self.limits.nested_tokens)

    async def _inside(self, call: Call, name: str, whom: Whom, question: str, tokens: int) -> str:
        """What another agent, or this one's model, says to a question: a call of its own inside of the call."""
        if self._depth >= self.limits.depth:
            raise ToolError(f"Agents are {self._depth} deep already, which is all that is allowed.")
        self._must_have_tokens()
        before = self._nested_tokens()
        asked = call.nest(name, {"question": question})
        await self.stage.until(lambda transcript: transcript.call(asked))
        steps = Steps(
            self.stage,
            whom,
            self.limits,
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
                    call.running.say(chunk)
                    if self._nested_tokens() - before > tokens or sum(map(len, said)) > 8 * tokens:
                        raise ToolError(f"It used more than the {tokens} tokens that it is allowed.")
                else:
                    raise ToolError("The answer ended before it was complete.")
        except AgentError as error:
            call.running.say(e.ToolOutputError(tool_call_id=asked, error_text=error.text))
            raise ToolError(error.text) from None
        except ToolError as error:
            call.running.say(e.ToolOutputError(tool_call_id=asked, error_text=str(error)))
            raise
        finally:
            if steps.state:
                await discard(whom.agent, steps.state)
        answer = "".join(said)
        call.running.say(e.ToolOutputAvailable(tool_call_id=asked, output=await call.kept(answer)))
        self._must_have_tokens()
        return answer


async def discard(agent: Agent, state: JSON) -> None:
    """Have a provider stop, too, soon or not at all."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            await agent.discard(state)


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


def _is_open(part: JSON) -> bool:
    """Whether this is a call of ours that has no result."""
    return part["type"] == "dynamic-tool" and not ended(part) and not part.get("providerExecuted")
