"""A world in one event loop: servers, the store that they share, and time, which passes only when nothing else happens.

A server's whole way to its store is a `Wire`. To cut the wire is to kill the process: what it has handed in may be
stored, nothing that it asks for afterwards is, and it hears of nothing any more. To freeze the wire is to pause the
process: it goes on later, and believes that no time has passed.
"""

import asyncio
import selectors
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NoReturn, cast

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.log import Log, LogUnavailable, Record
from jupyter_durable_chat.log.memory import MemoryLog
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.log.worker import Work as Transaction
from jupyter_durable_chat.registry import Part, Registry
from jupyter_durable_chat.runners import Runners
from jupyter_durable_chat.server.stream import Snapshots
from jupyter_durable_chat.stage import StepLimits
from jupyter_durable_chat.tools import Approval, Context, Tool, Toolbox

LEASE_SECONDS = 10.0
PATIENCE = 120.0
"""Simulated seconds after which a command that was not answered never will be."""


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Its time stands still while anything can happen, and then jumps to what was planned next."""

    def __init__(self) -> None:
        self.now = 0.0
        self.working = 0
        """How many threads work on something that this loop waits for."""
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    @contextmanager
    def thread_works(self) -> Iterator[None]:
        self.working += 1
        try:
            yield
        finally:
            self.working -= 1


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        if self._loop.working:
            return super().select(None)
        if ready := super().select(0):
            return ready
        if timeout is None:
            raise AssertionError("everybody waits, and nothing is left that could happen")
        self._loop.now += timeout
        return []


def simulated() -> SimulatedLoop:
    return cast(SimulatedLoop, asyncio.get_running_loop())


class TimedSqliteLog(SqliteLog):
    """Time stands still while its threads work."""

    async def __aenter__(self) -> "TimedSqliteLog":
        with simulated().thread_works():
            return await super().__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        with simulated().thread_works():
            await super().__aexit__(*exc)

    async def _erase(self) -> None:
        """What is overwritten, and when, is seen by nobody here; and it takes threads that this loop does not know."""
        await asyncio.Event().wait()

    async def read(self, stream: str, after: int, *, limit: int = 1000, max_bytes: int = 1 << 18) -> list[Record]:
        with simulated().thread_works():
            return await super().read(stream, after, limit=limit, max_bytes=max_bytes)

    async def _write(self, work: Transaction[Any], committed: Callable[[Any], None] | None = None) -> Any:
        with simulated().thread_works():
            return await super()._write(work, committed)

    async def _read(self, work: Transaction[Any]) -> Any:
        with simulated().thread_works():
            return await super()._read(work)


class SharedMemoryLog(MemoryLog):
    """Several servers share it, so none of them closes it."""

    async def __aexit__(self, *exc: object) -> None:
        pass


Store = Callable[[Callable[[], float]], Log]
"""Opens the store once more, on a clock."""


def memory_store(_: Path) -> Store:
    logs: list[Log] = []

    def open_log(clock: Callable[[], float]) -> Log:
        if not logs:
            logs.append(SharedMemoryLog(clock=clock))
        return logs[0]

    return open_log


def sqlite_store(folder: Path) -> Store:
    return lambda clock: TimedSqliteLog(folder / "log.sqlite3", clock=clock)


class Witness:
    """Sees what servers do to the store: `written` is (stream, last LSN, epoch) of what a lease's holder appended.

    `look` is awaited before a stream is compacted: every event that will be gone can be seen until then.
    """

    def __init__(self, look: Callable[[str], Awaitable[None]]) -> None:
        self.look = look
        self.written: list[tuple[str, int, int]] = []
        self.snapshots = asyncio.Lock()
        """No snapshot is stored between a look and the compaction that it was for."""


class Wire:
    """A log as one process has it."""

    WRITES = frozenset({"create", "append", "save_snapshot", "compact", "delete", "lease", "renew"})

    def __init__(self, log: Log, witness: Witness) -> None:
        self._log = log
        self._witness = witness
        self._open = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._fate: tuple[int, bool] | None = None
        self.cut = asyncio.Event()

    @property
    def frozen(self) -> bool:
        return not self._flows.is_set()

    def freeze(self) -> None:
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def cut_after(self, writes: int, *, stored: bool) -> None:
        """Cut it at the write after so many more, which is stored, or is not; nobody hears which."""
        self._fate = writes, stored

    def spare(self) -> None:
        self._fate = None

    async def __aenter__(self) -> "Wire":
        await self._log.__aenter__()
        self._open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._open = False
        await self._log.__aexit__()

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._log, name)

        async def call(*args: Any, **more: Any) -> Any:
            await self._flows.wait()
            if not self.cut.is_set() and not self._open:
                raise LogUnavailable("this server has closed its log")
            stored = self._spared() if name in self.WRITES else True
            if self.cut.is_set() and not stored:
                await _for_ever()
            try:
                answer = await self._witnessed(name, method(*args, **more), args[0] if args else "")
            except Exception:
                if self.cut.is_set():
                    await _for_ever()
                raise
            if name == "append" and more.get("epoch") is not None and args[1]:
                self._witness.written.append((args[0], answer, more["epoch"]))
            await self._flows.wait()
            if self.cut.is_set():
                await _for_ever()
            return answer

        return call

    async def _witnessed(self, name: str, happens: Coroutine[Any, Any, Any], stream: str) -> Any:
        if name not in ("save_snapshot", "compact"):
            return await happens
        async with self._witness.snapshots:
            if name == "compact":
                await self._witness.look(stream)
            return await happens

    def _spared(self) -> bool:
        """Whether this write is stored; it may be the last thing that the process does."""
        if self.cut.is_set():
            return False
        if self._fate is None:
            return True
        writes, stored = self._fate
        self._fate = writes - 1, stored
        if writes > 0:
            return True
        self.cut.set()
        return stored


async def _for_ever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError


class Answer:
    """One answer under way, in the hands of the test."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.script: asyncio.Queue[e.Chunk | e.Data | Exception | None] = asyncio.Queue()
        self.over = False

    def say(self, *steps: e.Chunk | e.Data | Exception | None) -> None:
        for step in steps:
            self.script.put_nowait(step)


class Told(Agent):
    """Says what it is told, in each of its answers: a chunk is yielded, an exception raised, `None` ends it."""

    name = "told"

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.away = False

    def unavailable(self, model: str | None = None) -> str | None:
        return "It is away. Ask later." if self.away else None

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        answer = Answer(request)
        self.answers.append(answer)
        try:
            while (step := await answer.script.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                yield cast(e.Chunk, step)
        finally:
            answer.over = True


class Work(Tool):
    """Takes a while, and tells `ran` of every call that it was really run for."""

    parameters = {"type": "object"}  # noqa: RUF012

    def __init__(self, name: str, approval: Approval, ran: list[str]) -> None:
        self.name = name
        self.approval = approval
        self._ran = ran

    async def call(self, arguments: dict[str, Any], context: Context) -> str:
        self._ran.append(context.call_id)
        context.progress(1, 2)
        await asyncio.sleep(0.2)
        return "worked"


class Server:
    """One process: a registry, its agent, its tools, and its wire to the store."""

    def __init__(
        self, log: Log, witness: Witness, clock: Callable[[], float], ran: list[str], part: Part = "both"
    ) -> None:
        self.part: Part = part
        self.agent = Told()
        self.runners = Runners()
        self._kernels: dict[str, AbstractContextManager[None]] = {}
        self.wire = Wire(log, witness)
        self.snapshots = Snapshots()
        self.stopped = False
        self._log = log
        agents = Agents([self.agent], default=self.agent.name)
        self.registry = Registry(
            lambda: cast(Log, self.wire),
            agents,
            lease_seconds=LEASE_SECONDS,
            clock=clock,
            tools=Toolbox([Work("work", "never", ran), Work("careful", "always", ran), Work("trusted", "once", ran)]),
            steps=StepLimits(approval_seconds=60),
            runners=self.runners,
            part=part,
        )
        self._asked: set[asyncio.Task[None]] = set()

    @property
    def killed(self) -> bool:
        return self.wire.cut.is_set()

    @property
    def log(self) -> Log:
        return self.registry.log

    @property
    def answers(self) -> list[Answer]:
        """The answers that this server is still giving."""
        return [answer for answer in self.agent.answers if not answer.over]

    def connect(self, runner: str, connected: bool) -> None:
        """A kernel follows this server, or does so no longer."""
        if connected and runner not in self._kernels:
            self._kernels[runner] = self.runners.connected(runner)
            self._kernels[runner].__enter__()
        elif not connected and runner in self._kernels:
            self._kernels.pop(runner).__exit__(None, None, None)

    async def start(self) -> None:
        await self.registry.__aenter__()

    async def ask(self, command: Coroutine[Any, Any, None], *, wait: bool) -> None:
        """Have it do something; `wait` until that is done, or this server is killed."""
        task = asyncio.create_task(command)
        self._asked.add(task)
        if wait and not self.wire.frozen:
            death = asyncio.create_task(self.wire.cut.wait())
            await asyncio.wait({task, death}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            death.cancel()
            assert task.done() or self.killed, f"no answer to {command.__qualname__}"
        else:
            await asyncio.sleep(0)

    def hear(self) -> None:
        """Raise what a command raised that nobody expected; a server that has shut down may refuse anything."""
        for task in [task for task in self._asked if task.done()]:
            self._asked.discard(task)
            with suppress(LogUnavailable) if self.stopped else nullcontext():
                task.result()

    async def kill(self) -> None:
        """SIGKILL. What it was doing stays as it was, for ever."""
        self.wire.cut.set()
        self.hear()
        await self._log.__aexit__()

    async def shut_down(self) -> None:
        self.stopped = True
        self.wire.thaw()
        await self.ask(self.registry.__aexit__(), wait=True)
        self.hear()
