"""A thread that owns one SQLite connection and works off what is handed in.

Everything that has gathered while the last batch was under way is the next batch, so the batches grow with the load
and nobody waits for a timer. The event loop is called once per batch, whatever its size.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Any, Generic, TypeVar

from jupyter_durable_chat.log import LogUnavailable

MAX_BATCH = 1000

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Job(Generic[T]):
    """Work, the future of its result, and what the event loop does with the result first, wanted or not."""

    __slots__ = ("begun", "future", "then", "work")

    def __init__(self, work: Work[T], then: Callable[[T], None] | None, future: asyncio.Future[T]) -> None:
        self.work = work
        self.then = then
        self.future = future
        self.begun = False


Perform = Callable[[sqlite3.Connection, Sequence[Job[Any]]], list[Any]]
"""Does a batch: for each job its result, or the exception that it ended with."""


class Worker:
    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection], perform: Perform) -> None:
        self._name = name
        self._connect = connect
        self._perform = perform
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._is_open = False
        self._ended: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Connect, in the thread; raises what connecting raises."""
        self._loop = asyncio.get_running_loop()
        connected: asyncio.Future[None] = self._loop.create_future()
        ended: asyncio.Future[None] = self._loop.create_future()
        # A daemon: an interpreter that ends without closing its log must not wait for a thread that waits for work.
        threading.Thread(target=self._run, args=(connected, ended), name=self._name, daemon=True).start()
        self._is_open, self._ended = True, ended
        await connected

    async def stop(self) -> None:
        """Work off what was handed in, then disconnect. Idempotent."""
        if self._is_open:
            self._is_open = False
            self._jobs.put(None)
        if self._ended is not None:
            await asyncio.shield(self._ended)

    def check_open(self) -> None:
        if not self._is_open:
            raise LogUnavailable(f"{self._name} is not open")

    def submit(self, work: Work[T], then: Callable[[T], None] | None = None) -> Job[T]:
        """Hand in work; raises `LogUnavailable` when not open."""
        self.check_open()
        job = Job(work, then, self._loop.create_future())
        self._jobs.put(job)
        return job

    def _run(self, connected: asyncio.Future[None], ended: asyncio.Future[None]) -> None:
        try:
            connection = self._connect()
        except Exception as error:
            # Whoever opens gets it, whatever it is: nobody waits for a thread that is gone.
            self._call(_reject, connected, error)
        else:
            self._call(_resolve, connected, None)
            with closing(connection):
                while jobs := self._gather():
                    self._call(_deliver, jobs, self._performed(connection, jobs))
        self._call(_resolve, ended, None)

    def _performed(self, connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> list[Any]:
        try:
            return self._perform(connection, jobs)
        except Exception as error:
            # Whoever asked gets it, whatever it is; the thread goes on.
            return [error] * len(jobs)

    def _gather(self) -> list[Job[Any]]:
        """What there is to do, at least one job; empty when there will never be more."""
        jobs: list[Job[Any]] = []
        job = self._jobs.get()
        with suppress(queue.Empty):
            while job is not None:
                jobs.append(job)
                if len(jobs) == MAX_BATCH:
                    return jobs
                job = self._jobs.get_nowait()
            if jobs:
                self._jobs.put(None)
        return jobs

    def _call(self, function: Callable[..., None], *args: object) -> None:
        # A closed loop has nobody left to be told; the work is done all the same.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)


def _deliver(jobs: Sequence[Job[Any]], outcomes: Sequence[Any]) -> None:
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, Exception):
            _reject(job.future, outcome)
            continue
        if job.then is not None:
            job.then(outcome)
        _resolve(job.future, outcome)


def _resolve(future: asyncio.Future[Any], result: object) -> None:
    if not future.done():
        future.set_result(result)


def _reject(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
