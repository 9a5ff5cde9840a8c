"""One turn: agent output becomes events in the log.

What an agent yields is stored in the order it was yielded, as soon as the store takes it: the first piece at once,
then everything that came within `INTERVAL` seconds, adjacent deltas of a part in one event. A turn ends exactly once,
with an outcome, whatever the agent does: finishes, ends too early, fails, hangs, or ignores its cancellation.

The turn belongs to no request: it runs in a task of its own, and only `stop`, `fail`, `leave` and `interrupt` end it
from outside.
"""

import asyncio
import contextlib
import logging
import math
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from msgspec import Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError

logger = logging.getLogger(__name__)

INTERVAL = 0.025
"""Seconds between two appends: deltas that come closer together share an event."""

PENDING_CHUNKS = 256
"""Chunks that may wait to be stored before the agent has to wait too."""

STOP_SECONDS = 1.0
"""How long an agent may take to give up its connection; then it is left behind."""

TRUNCATED = e.Error("network", "The answer ended before the provider said that it was complete.", recoverable=True)
SHUTDOWN = e.Error("internal", "The server shut down while this was being answered.", recoverable=True)

TOO_DEEP = f"The answer has JSON in it that nests deeper than the {e.MAX_DEPTH} levels that are allowed."


class Limits(Struct, frozen=True):
    """How long an answer may take, in seconds, how fast it may grow, and how large its session's log, in bytes.

    A wait for a person does not count.
    """

    first_token: float = math.inf
    inactivity: float = math.inf
    total: float = math.inf
    events_per_second: float = math.inf
    session_bytes: float = math.inf


class Stopped(Exception):
    """What an answer raises that ends as `stopped`, because a person, or a limit that one has set, says so."""

    def __init__(self, error: e.Error | None = None) -> None:
        super().__init__(error.text if error else "stopped")
        self.error = error


Append = Callable[[Sequence[e.Event]], Awaitable[object]]


class Patience:
    """Says when an answer is late, and why: to begin, to go on, or to end. Who rests is not late."""

    def __init__(self, limits: Limits, late: Callable[[e.Error], None]) -> None:
        self._limits = limits
        self._late = late
        self._loop = asyncio.get_running_loop()
        self._begun = False
        self._spent = 0.0
        self._heard = self._since = self._loop.time()
        self._resting = 0
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    def heard(self) -> None:
        """The answer goes on."""
        self._heard = self._loop.time()
        was_begun, self._begun = self._begun, True
        if not was_begun and not self._resting:
            self._arm()

    @contextlib.contextmanager
    def resting(self) -> Iterator[None]:
        """The answer waits for somebody else in here."""
        if not self._resting:
            self._spent += self._loop.time() - self._since
            self.end()
        self._resting += 1
        try:
            yield
        finally:
            self._resting -= 1
            if not self._resting:
                self._heard = self._since = self._loop.time()
                self._arm()

    def end(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    @property
    def _allowed(self) -> float:
        return self._limits.inactivity if self._begun else self._limits.first_token

    def _arm(self) -> None:
        due = min(self._heard + self._allowed, self._since + self._limits.total - self._spent)
        if self._timer:
            self._timer.cancel()
        self._timer = None if due == math.inf else self._loop.call_at(due, self._look)

    def _look(self) -> None:
        """The timer is set once for many chunks: when it fires, they may have come."""
        self._timer = None
        now = self._loop.time()
        if now >= self._since + self._limits.total - self._spent:
            text = f"The answer took longer than {self._limits.total:g} seconds."
        elif now < self._heard + self._allowed:
            return self._arm()
        elif self._begun:
            text = f"The model has not said anything for {self._allowed:g} seconds."
        else:
            text = f"The model has not begun to answer within {self._allowed:g} seconds."
        self._late(e.Error("provider", text, recoverable=True))


class Turn:
    """Stores what `answer` yields through `append`, which returns when its events are durable.

    `append` may raise: the turn stops its agent and `run` raises the same.
    """

    def __init__(
        self,
        answer: AsyncGenerator[e.Chunk],
        append: Append,
        *,
        limits: Limits = Limits(),  # noqa: B008 (it is frozen)
    ) -> None:
        self._answer = answer
        self._append = append
        self._limits = limits
        self._pending: list[e.Chunk] = []
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._urgent = asyncio.Event()
        self._agent: asyncio.Task[e.Finish | None] | None = None
        self._ended_by: tuple[e.Outcome, e.Error | None] | None = None
        self._patience: Patience | None = None
        self._counted = False
        self.left = False
        """Whether its end is left to whoever takes it over."""

    def resting(self) -> contextlib.AbstractContextManager[None]:
        """A context in which the answer waits for a person, a kernel or a tool, and is not late by that."""
        assert self._patience is not None
        return self._patience.resting()

    def leave(self) -> None:
        """End here without an outcome: somebody else goes on with it. Idempotent."""
        self.left = True
        self._end_by("interrupted", SHUTDOWN)

    def stop(self) -> None:
        """End as `stopped`. Idempotent; the agent's connection is closed promptly."""
        self._end_by("stopped", None)

    def interrupt(self) -> None:
        """End as `interrupted`, because this process goes away. Idempotent."""
        self._end_by("interrupted", SHUTDOWN)

    def fail(self, error: e.Error) -> None:
        """End as `failed` for this reason. Idempotent."""
        self._end_by("failed", error)

    def _end_by(self, outcome: e.Outcome, error: e.Error | None) -> None:
        if self._ended_by is None and not (self._agent and self._agent.done()):
            self._ended_by = (outcome, error)
            self._arrived.set()
            self._urgent.set()
            if self._agent:
                self._agent.cancel()

    async def run(self) -> list[e.Event]:
        """Run to the end, and return the last events, `turn-stopped` being the last: the caller stores these."""
        self._agent = asyncio.create_task(self._listen())
        self._agent.add_done_callback(lambda _: (self._arrived.set(), self._urgent.set()))
        if self._ended_by:
            self._agent.cancel()
        try:
            await self._store()
        finally:
            await self._give_up()
        return self._ending(self._agent)

    async def _listen(self) -> e.Finish | None:
        """Collect chunks until the agent has no more; returns its `finish` if there was one."""
        finish = None
        patience = self._patience = Patience(self._limits, self.fail)
        try:
            # A cancellation may come here, outside of the agent: closing it is what makes it let go of its connection.
            async with aclosing(self._answer) as chunks:
                async for chunk in chunks:
                    patience.heard()
                    if not e.is_shallow(chunk):
                        raise AgentError("provider", TOO_DEEP, recoverable=True)
                    if isinstance(chunk, e.Finish):
                        finish = chunk
                    elif isinstance(chunk, e.FinishStep) and chunk.usage:
                        self._counted = True
                    self._pending.append(chunk)
                    self._arrived.set()
                    if len(self._pending) >= PENDING_CHUNKS:
                        with patience.resting():
                            await self._have_room()
        finally:
            patience.end()
        return finish

    async def _have_room(self) -> None:
        self._room.clear()
        self._urgent.set()
        await self._room.wait()

    async def _store(self) -> None:
        assert self._agent is not None
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._ended_by:
                await self._give_up()
            over = self._agent.done() or self._ended_by is not None
            chunks, self._pending = self._pending, []
            self._room.set()
            if not over:
                self._urgent.clear()
            events = coalesce(chunks)
            if events:
                await self._append(events)
            if over:
                return
            await self._pause(len(events))

    async def _pause(self, events: int) -> None:
        """Give more chunks the time to come, unless what has come presses; after many events, more time."""
        assert self._agent is not None
        if (seconds := events / self._limits.events_per_second) > 0:
            await asyncio.wait({self._agent}, timeout=seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(INTERVAL):
                await self._urgent.wait()

    async def _give_up(self) -> None:
        """Make the agent's task end; one that ignores its cancellation is left behind."""
        assert self._agent is not None
        if not self._agent.done():
            self._agent.cancel()
            await asyncio.wait({self._agent}, timeout=STOP_SECONDS)
            if not self._agent.done():
                logger.warning("An agent ignored its cancellation; it is left behind.")

    def _ending(self, agent: asyncio.Task[e.Finish | None]) -> list[e.Event]:
        outcome, error, usage = self._outcome(agent)
        last: list[e.Event] = []
        if outcome == "stopped":
            last.append(e.Abort())
        elif error is not None:
            last.append(e.ErrorText(error_text=error.text))
        return [*last, e.TurnStopped(outcome=outcome, error=error, usage=usage)]

    def _outcome(self, agent: asyncio.Task[e.Finish | None]) -> tuple[e.Outcome, e.Error | None, e.Usage | None]:
        if self._ended_by is not None or not agent.done() or agent.cancelled():
            outcome, error = self._ended_by or ("interrupted", SHUTDOWN)
            return outcome, error, None
        failure = agent.exception()
        if isinstance(failure, Stopped):
            return "stopped", failure.error, None
        if isinstance(failure, AgentError):
            return "failed", e.Error(failure.category, failure.text, failure.recoverable), None
        if failure is not None:
            # The message of a foreign exception may hold a key or a prompt: only its type and its place are told.
            where = "".join(traceback.format_tb(failure.__traceback__))
            logger.error("An agent raised %s\n%s", type(failure).__name__, where)
            text = f"The agent failed with {type(failure).__name__}. The server's log says where."
            return "failed", e.Error("internal", text, recoverable=True), None
        finish = agent.result()
        if finish is None:
            return "truncated", TRUNCATED, None
        # What the steps have used is counted with them.
        return "completed", None, None if self._counted else _usage(finish)


def _usage(finish: e.Finish) -> e.Usage | None:
    usage: Any = (finish.message_metadata or {}).get("usage")
    try:
        return msgspec.convert(usage, e.Usage) if usage else None
    except msgspec.ValidationError as error:
        logger.warning("An agent counts its tokens in a way that nobody understands: %s", error)
        return None


_DELTA = {
    e.TextDelta: ("id", "delta"),
    e.ReasoningDelta: ("id", "delta"),
    e.ToolInputDelta: ("tool_call_id", "input_text_delta"),
}


def coalesce(chunks: Iterable[e.Chunk]) -> list[e.Chunk]:
    """The same chunks with adjacent deltas of one part joined; order and text are kept."""
    out: list[e.Chunk] = []
    run: list[str] = []
    for chunk in chunks:
        fields = _DELTA.get(type(chunk))
        last = out[-1] if out else None
        if (
            fields
            and type(last) is type(chunk)
            and getattr(last, fields[0]) == getattr(chunk, fields[0])
            and not _marked(last, chunk)
        ):
            run.append(getattr(chunk, fields[1]))
            continue
        _finish_run(out, run)
        out.append(chunk)
    _finish_run(out, run)
    return out


def _marked(*chunks: Any) -> bool:
    """Whether any of these carries what a joined delta could not."""
    return any(getattr(chunk, "provider_metadata", None) for chunk in chunks)


def _finish_run(out: list[e.Chunk], run: list[str]) -> None:
    if run:
        field = _DELTA[type(out[-1])][1]
        out[-1] = msgspec.structs.replace(out[-1], **{field: getattr(out[-1], field) + "".join(run)})
        run.clear()
