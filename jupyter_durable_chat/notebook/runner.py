"""Runs the tools of this kernel: each call once, one at a time, in the order in which they came, between its cells.

A call is claimed from the server right before it runs, so a busy kernel claims nothing, and of several kernels only one
runs it. What it gave is kept until the server has it, or says that it wants it no longer; a network that breaks loses
nothing. What a kernel claimed and did not live to answer, the server closes.

Calls run in the main thread, like cells. A cell that waits for an answer runs the calls of that answer itself, or it
would wait for ever. A process without cells has a thread for its calls.
"""

import asyncio
import contextlib
import contextvars
import inspect
import logging
import random
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec

from jupyter_durable_chat import events
from jupyter_durable_chat.events import OfferedTool
from jupyter_durable_chat.notebook.attach import Upload, part_of
from jupyter_durable_chat.notebook.capture import captured
from jupyter_durable_chat.notebook.client import ChatError, Client, ServerUnreachable
from jupyter_durable_chat.notebook.interrupt import cancelled_by_interrupt, held_back, interruptible
from jupyter_durable_chat.notebook.place import kernel_id
from jupyter_durable_chat.notebook.result import INTERRUPTED, Result, error_of, result_of
from jupyter_durable_chat.notebook.tools import KernelTool, ToolContext, unique
from jupyter_durable_chat.notebook.values import as_seen
from jupyter_durable_chat.schema import arguments_of
from jupyter_durable_chat.transcript import JSON, TOOL_ENDS, Transcript, nested

if TYPE_CHECKING:
    from jupyter_durable_chat.notebook.follower import Follower, Reader

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.2
"""The pause after a call to the server that failed; it doubles with every failure up to `MAX_PAUSE_SECONDS`."""

MAX_PAUSE_SECONDS = 10.0

RESTART_SECONDS = 1.0
"""How soon after an interrupt a kernel is told to end that is restarted."""

REPORT_SECONDS = 0.1
"""At most so often a call that runs says something."""

LOG = 8000
"""Characters of one piece of what a call prints."""

INTERRUPT_SECONDS = 0.5
"""How soon Ctrl-C is noticed where a lock cannot be interrupted (Windows)."""

_PERHAPS_LATER = (429, 500, 502, 503, 504)


class Call:
    """A call of a tool: what is asked, and what it says while it runs."""

    def __init__(self, session: str, call_id: str, tool: KernelTool, arguments: Any) -> None:
        self.session = session
        self.id = call_id
        self.tool = tool
        self.arguments = arguments
        self.said: deque[JSON] = deque()
        self.result: Result | None = None
        self.pause = PAUSE_SECONDS
        self.due = 0.0

    @property
    def key(self) -> tuple[str, str]:
        return self.session, self.id


_inside: ContextVar[tuple[str, ...]] = ContextVar("inside", default=())
"""The sessions whose calls run around this code."""


class Runner:
    """This process as a runner of tools. Safe to use from several threads."""

    def __init__(self, follower: "Follower") -> None:
        self.id = f"r_{uuid.uuid4().hex}"
        self.kernel_id = kernel_id()
        self._follower = follower
        self._client = client = follower.client
        self._lock = threading.Lock()
        self._offers: dict[str, Offer] = {}
        self._appeared = False
        self._waiting: deque[Call] = deque()
        self._taken: set[tuple[str, str]] = set()
        """Calls that wait here, run, or are answered and the server does not know yet."""
        self._delivery = _Delivery(client, self.id, self._delivered)
        self._alone = asyncio.Lock()
        self._stage = _Cells(self, self._alone) if _Cells.are_there() else _Thread(self)

    def offer(self, reader: "Reader") -> "Offer":
        """What this process offers to the session; nothing yet when it is new."""
        with self._lock:
            if reader.session not in self._offers:
                self._offers[reader.session] = Offer(self, reader, self._delivery)
            return self._offers[reader.session]

    @property
    def is_needed(self) -> bool:
        """Whether the server should know that this process lives: it offers something, or owes a result."""
        return bool(self._taken) or any(offer.tools for offer in list(self._offers.values()))

    def owes(self, session: str) -> bool:
        """Whether a call of this session waits, runs or is not answered."""
        with self._lock:
            return any(taken == session for taken, _ in self._taken)

    def check_wait(self, session: str) -> None:
        """Raises `ChatError` in a call of this session: what it waits for waits for it."""
        if session in _inside.get():
            raise ChatError("A tool cannot wait for an answer of the conversation that called it; return first.")

    def appear(self) -> None:
        """Have the server know that this process is there to run calls."""
        if not self._appeared:
            self._appeared = True
            self._follower.reconnect()

    def tell_offer(self, session: str, tools: list[JSON]) -> None:
        self._client.offer(session, self.id, self.kernel_id, tools)

    # For the reading thread

    def look(self, offer: "Offer") -> None:
        """Take the calls that wait for us, and offer again what the session has lost."""
        tools = offer.tools
        lsn, waiting, offered = offer.reader.look(lambda transcript: _seen(transcript, tools, self.id))
        with self._lock:
            new = [
                Call(offer.reader.session, part["toolCallId"], tools[part["toolName"]], part.get("input"))
                for part in waiting
                if (offer.reader.session, part["toolCallId"]) not in self._taken
            ]
            self._taken.update(call.key for call in new)
            self._waiting += new
        if new:
            self._stage.wake()
        if tools and offered != [tool.offered() for tool in tools.values()]:
            offer.is_lost(lsn)

    # For the thread that runs calls

    def run_here(self) -> bool:
        """Run what waits, if this is the thread that runs it and it is about to wait; whether there was anything.

        Raises `KeyboardInterrupt` when a call was interrupted: so is the cell that waits.
        """
        return self._stage.is_here() and bool(self._waiting) and self._run_all()

    async def run_here_async(self) -> None:
        """The same in a cell that awaits."""
        if self._stage.is_here() and self._waiting:
            # One at a time; what a call waits for runs inside of it.
            async with contextlib.nullcontext() if _inside.get() else self._alone:
                while call := self.take():
                    await self.claim_and_run(call)

    def take(self) -> Call | None:
        """The next call, for the newest function of its name."""
        with self._lock:
            while self._waiting:
                call = self._waiting.popleft()
                offer = self._offers[call.session]
                if tool := offer.tools.get(call.tool.name):
                    call.tool = tool
                    return call
                self._taken.discard(call.key)
        return None

    def claim(self, call: Call) -> bool:
        """Whether this call is ours to run, now."""
        try:
            with interruptible():
                self._client.claim(call.session, call.id, self.id)
        except KeyboardInterrupt as interrupt:
            self._delivery.finish(call, error_of(interrupt))
            raise
        except ChatError as error:
            if isinstance(error, ServerUnreachable) or error.status in _PERHAPS_LATER:
                self._put_back(call)
            else:  # it is stopped, answered, or run by another kernel
                self._delivered(call)
            return False
        return True

    async def claim_and_run(self, call: Call) -> None:
        if await asyncio.to_thread(self.claim, call):
            await self.run_async(call)

    def run(self, call: Call) -> None:
        """Run it here and now; this thread's loop, if it has one, stands still."""
        try:
            with self._running(call) as context, captured(context.say) as capture, interruptible():
                value = call_function(call, context)
                if inspect.isawaitable(value):
                    value = _wait_for(_awaited(value))
            result = result_of(value, capture)
        except BaseException as error:
            self._delivery.finish(call, error_of(error))
            if not isinstance(error, Exception) and not isinstance(error, SystemExit):
                raise
        else:
            self._delivery.finish(call, result)

    async def run_async(self, call: Call) -> None:
        """Run it in the running loop."""
        try:
            with self._running(call) as context, captured(context.say) as capture:
                with interruptible():
                    value = call_function(call, context)
                if inspect.isawaitable(value):
                    value = await cancelled_by_interrupt(_awaited(value))
            result = result_of(value, capture)
        except BaseException as error:
            self._delivery.finish(call, error_of(error))
            if not isinstance(error, Exception) and not isinstance(error, SystemExit):
                raise
        else:
            self._delivery.finish(call, result)

    @contextmanager
    def _running(self, call: Call) -> Iterator["_Context"]:
        token = _inside.set((*_inside.get(), call.session))
        try:
            yield _Context(call, self._delivery)
        finally:
            _inside.reset(token)

    def _run_all(self) -> bool:
        ran = False
        while call := self.take():
            # What was claimed is answered, whenever Ctrl-C comes.
            with held_back():
                if self.claim(call):
                    ran = True
                    self.run(call)
        return ran

    def _put_back(self, call: Call) -> None:
        """Try again in a while."""
        pause = call.pause
        call.pause = min(2 * pause, MAX_PAUSE_SECONDS)

        def again() -> None:
            with self._lock:
                self._waiting.appendleft(call)
            self._stage.wake()

        timer = threading.Timer(random.uniform(pause / 2, pause), again)
        timer.daemon = True
        timer.start()

    def _delivered(self, call: Call) -> None:
        """The call is no longer ours; one that is idempotent may come back."""
        offer = self._offers[call.session]
        with suppress(ChatError):  # or else it is seen again and refused again
            offer.reader.refresh()
        with self._lock:
            self._taken.discard(call.key)
        offer.follow()
        if offer.tools:
            self.look(offer)


class Offer:
    """The tools of one session in this process. Of two with one name the newer one counts."""

    def __init__(self, runner: Runner, reader: "Reader", delivery: "_Delivery") -> None:
        self.reader = reader
        self.tools: dict[str, KernelTool] = {}
        self._runner = runner
        self._delivery = delivery
        self._lock = threading.Lock()
        self._owners: dict[str, object] = {}
        self._following = False
        self._lost_at = 0

    def set(self, owner: object, tools: list[KernelTool]) -> None:
        """Offer these and no others. Raises `ChatError`."""
        self.tools = {tool.name: tool for tool in unique(tools)}
        self._owners = dict.fromkeys(self.tools, owner)
        self._tell()

    def add(self, owner: object, tool: KernelTool) -> None:
        """Offer this one too. Raises `ChatError`."""
        self.tools = {**self.tools, tool.name: tool}
        self._owners[tool.name] = owner
        self._tell()

    def withdraw(self, owner: object) -> None:
        """Offer no longer what this one has offered last."""
        left = {name: tool for name, tool in self.tools.items() if self._owners.get(name) is not owner}
        if left != self.tools:
            self.tools = left
            with suppress(ChatError):  # a session that is gone has no offers
                self._tell()

    def follow(self) -> None:
        """Follow the session for as long as it may call, or is owed a result."""
        with self._lock:
            wanted = bool(self.tools) or self._runner.owes(self.reader.session)
            if wanted and not self._following:
                self.reader.listen(self._look)
            elif self._following and not wanted:
                self.reader.unlisten(self._look)
            self._following = wanted

    def send(self) -> None:
        """Raises `ChatError`."""
        told = [tool.offered() for tool in self.tools.values()]
        self._runner.tell_offer(self.reader.session, told)
        with suppress(ChatError):  # it is told, whatever the network does now
            self.reader.refresh()

    def is_lost(self, lsn: int) -> None:
        """The session does not have this offer at this LSN: tell it again, once for each LSN. It may be told twice."""
        if lsn > self._lost_at:
            self._lost_at = lsn
            self._delivery.offer(self)

    def _tell(self) -> None:
        """Tell the session; what cannot be told now is told as soon as it can."""
        self._lost_at = self.reader.lsn
        self.follow()
        self._runner.appear()
        try:
            self.send()
        except ServerUnreachable:
            self._delivery.offer(self)

    def _look(self) -> None:
        self._runner.look(self)


def _seen(transcript: Transcript, tools: dict[str, KernelTool], runner: str) -> tuple[int, list[JSON], list[JSON]]:
    """The LSN, the calls that wait for these tools, oldest first, and what the session knows of our offer."""
    offers = [offer for offer in transcript.offers if offer["runner"] == runner]
    offered = msgspec.convert(offers[0]["tools"], list[OfferedTool]) if offers else []
    known = [{name: getattr(tool, name) for name in tool.__struct_fields__} for tool in offered]
    answer = transcript.message(transcript.turn["message_id"]) if transcript.turn else None
    if answer is None or (transcript.turn and transcript.turn["stopping"]):
        return transcript.lsn, [], known
    waiting = [part for part in nested(answer["parts"]) if part.get("toolName") in tools and _waits(part)]
    return transcript.lsn, msgspec.json.decode(events.to_json(waiting)), known


def _waits(part: JSON) -> bool:
    return part.get("waitsFor") == "kernel" and "started" not in part and part["state"] not in TOOL_ENDS


class _Context(ToolContext):
    """What a call says goes to the server when there is time; the last of it before its result."""

    def __init__(self, call: Call, delivery: "_Delivery") -> None:
        self.call_id = call.id
        self.session = call.session
        self._call = call
        self._delivery = delivery

    def progress(self, progress: float | None = None, total: float | None = None, message: str | None = None) -> None:
        said = {"progress": progress, "total": total, "message": message}
        self._delivery.report(self._call, {name: value for name, value in said.items() if value is not None})

    def log(self, text: str, level: str = "info") -> None:
        self.say(f"{text}\n", level)

    def say(self, text: str, level: str) -> None:
        """A piece of what is printed."""
        self._delivery.report(self._call, {"log": text, "level": level})


def call_function(call: Call, context: ToolContext) -> Any:
    """Call the function with what the model gave. Raises `ValueError` that quotes an argument that does not fit."""
    arguments = call.arguments if call.arguments is not None else {}
    if not isinstance(arguments, dict):
        raise ValueError(f"{call.tool.name} takes its arguments as an object, and not {arguments!r:.100}.")
    bound = arguments_of(call.tool.function, arguments, context=context)
    return call.tool.function(*bound.args, **bound.kwargs)


async def _awaited(value: Any) -> Any:
    return await value


def _wait_for(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The coroutine's result, from a loop in a thread of its own: this thread's own loop may be blocked by us."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine, context=contextvars.copy_context())
    over = threading.Event()

    def run() -> None:
        with suppress(asyncio.CancelledError, Exception):  # whoever waits gets it from the task
            loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        over.set()

    threading.Thread(target=run, name="jupyter-durable-chat async tool", daemon=True).start()
    try:
        while not over.wait(INTERRUPT_SECONDS):
            pass
    except KeyboardInterrupt:
        with suppress(RuntimeError):  # it is over just now
            loop.call_soon_threadsafe(task.cancel)
        over.wait(INTERRUPT_SECONDS)
        raise
    return task.result()


def runner_of(follower: "Follower") -> Runner:
    """This process as a runner for the sessions of a server."""
    with _making:
        if follower.runner is None:
            follower.runner = Runner(follower)
        return follower.runner


_making = threading.Lock()


class _Cells:
    """The main thread of a kernel: calls run while no cell does, each in its turn among the cells."""

    def __init__(self, runner: Runner, alone: asyncio.Lock) -> None:
        self._runner = runner
        self._alone = alone
        self._kernel = _kernel()
        self._loop: asyncio.AbstractEventLoop = self._kernel.io_loop.asyncio_loop
        self._draining: asyncio.Task[None] | None = None

    @staticmethod
    def are_there() -> bool:
        return getattr(_kernel(), "io_loop", None) is not None

    def is_here(self) -> bool:
        return threading.current_thread() is threading.main_thread()

    def wake(self) -> None:
        with suppress(RuntimeError):  # the kernel ends
            self._loop.call_soon_threadsafe(self._schedule)

    def _schedule(self) -> None:
        lock: asyncio.Lock | None = getattr(self._kernel, "_main_asyncio_lock", None)
        if lock is None:  # before version 7, ipykernel had a queue of what is to be done
            self._kernel.schedule_dispatch(self._run_and_schedule)
        elif self._draining is None or self._draining.done():
            self._draining = asyncio.ensure_future(self._drain(lock))

    async def _drain(self, lock: asyncio.Lock) -> None:
        more = True
        while more:
            async with lock:
                more = await self._run_next()

    async def _run_and_schedule(self) -> None:
        if await self._run_next():
            self._schedule()

    async def _run_next(self) -> bool:
        """Run a call if one waits; whether one did. An interrupt ends the call and nothing else."""
        call = self._runner.take()
        if call is None:
            return False
        with suppress(KeyboardInterrupt, asyncio.CancelledError):
            async with self._alone:
                await self._runner.claim_and_run(call)
        return True


class _Thread:
    """A thread for calls, for as long as there are any."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def is_here(self) -> bool:
        return False

    def wake(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="jupyter-durable-chat tools", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while call := self._next():
            if self._runner.claim(call):
                self._runner.run(call)

    def _next(self) -> Call | None:
        with self._lock:
            call = self._runner.take()
            if call is None:
                self._thread = None
            return call


def _is_ending() -> bool:
    """Whether this kernel was told to shut down."""
    return getattr(_kernel(), "_shutdown_message", None) is not None


def _kernel() -> Any:
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython(), "kernel", None) if ipython else None


class _Delivery:
    """Tells the server what calls say and give, in a thread that ends when there is nothing to tell.

    What a call says is told once or never; its result until the server has it or refuses it.
    """

    def __init__(self, client: Client, runner: str, delivered: Callable[[Call], None]) -> None:
        self._client = client
        self._runner = runner
        self._on_delivered = delivered
        self._changed = threading.Condition()
        self._calls: dict[Call, None] = {}
        self._offers: dict[Offer, None] = {}
        self._urgent = False
        self._thread: threading.Thread | None = None

    def report(self, call: Call, said: JSON) -> None:
        with self._changed:
            last = call.said[-1] if call.said else {}
            if "log" in said and last.get("level") == said["level"]:
                last["log"] += said["log"]
            elif "log" not in said and last and "log" not in last:
                last.update(said)
            else:
                call.said.append(said)
            self._calls[call] = None
            self._wake()

    def finish(self, call: Call, result: Result) -> None:
        # A restart interrupts first. What may be run again is, if this process ends now.
        again = result.error == INTERRUPTED and call.tool.idempotent
        with self._changed:
            call.result = result
            call.pause, call.due = PAUSE_SECONDS, time.monotonic() + RESTART_SECONDS if again else 0.0
            self._calls[call] = None
            self._wake(urgent=True)

    def offer(self, offer: Offer) -> None:
        with self._changed:
            self._offers[offer] = None
            self._wake(urgent=True)

    def _wake(self, *, urgent: bool = False) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="jupyter-durable-chat results", daemon=True)
            self._thread.start()
        if urgent:
            self._urgent = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                calls, offers = list(self._calls), list(self._offers)
                if not calls and not offers:
                    self._thread = None
                    return
                self._urgent = False
                self._offers.clear()
            for offer in offers:
                self._tell_offer(offer)
            for call in calls:
                self._tell(call)
            with self._changed:
                self._changed.wait_for(lambda: self._urgent, REPORT_SECONDS)

    def _tell_offer(self, offer: Offer) -> None:
        try:
            offer.send()
        except ServerUnreachable:
            with self._changed:
                self._offers[offer] = None
        except ChatError as error:
            logger.error("The tools of this notebook could not be offered: %s", error)

    def _tell(self, call: Call) -> None:
        if time.monotonic() < call.due or (call.due and _is_ending()):
            return
        while said := self._next(call):
            with suppress(ChatError):  # nobody is told; the result counts
                self._client.report(call.session, call.id, self._runner, said)
        with self._changed:
            if call.result is None:
                if not call.said:
                    self._calls.pop(call, None)
                return
        if self._finish(call, call.result):
            with self._changed:
                self._calls.pop(call, None)
            self._on_delivered(call)
        else:
            call.due = time.monotonic() + random.uniform(call.pause / 2, call.pause)
            call.pause = min(2 * call.pause, MAX_PAUSE_SECONDS)

    def _next(self, call: Call) -> JSON | None:
        """The next thing to tell of what a call said; what it prints in whole lines, as far as it has printed them."""
        with self._changed:
            if not call.said or "log" not in call.said[0]:
                return call.said.popleft() if call.said else None
            text, level = call.said[0]["log"], call.said[0]["level"]
            over = call.result is not None or len(call.said) > 1
            end = len(text) if over and len(text) <= LOG else text.rfind("\n", 0, LOG) + 1
            if not end:
                if not over and len(text) <= LOG:
                    return None
                end = LOG
            call.said[0]["log"] = text[end:]
            if not text[end:]:
                call.said.popleft()
            return {"log": as_seen(text[:end]).rstrip("\n"), "level": level}

    def _finish(self, call: Call, result: Result) -> bool:
        """Whether the server has the result, or never will."""
        try:
            self._client.finish(call.session, call.id, self._runner, result.to_json(self._uploader(call)))
        except ChatError as error:
            if isinstance(error, ServerUnreachable) or error.status in _PERHAPS_LATER:
                return False
            if error.status not in (404, 409, 410) and result.error is None:
                refused = f"The result of {call.tool.name} was not taken: {error}"
                with self._changed:
                    call.result = Result(error=refused)
                return False
        except Exception:
            logger.exception("A result could not be told.")
            with self._changed:
                broken = result.error is not None
                call.result = Result(error=f"The result of {call.tool.name} could not be told.")
            return broken
        return True

    def _uploader(self, call: Call) -> Callable[[Upload], JSON]:
        def upload(file: Upload) -> JSON:
            try:
                return part_of(file, self._client.upload(call.session, file.data, file.filename, file.media_type))
            except ChatError as error:
                if error.status not in (400, 413, 415):
                    raise
                return {"type": "text", "text": f"[{file.filename} is not kept: {error}]"}

        return upload
