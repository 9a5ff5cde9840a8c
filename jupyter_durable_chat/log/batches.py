"""What has gathered while the last batch was under way is the next batch.

So batches grow with the load, and nobody waits for a timer. It is `worker.py` for what answers without a thread.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from jupyter_durable_chat.log import LogUnavailable

T = TypeVar("T")


class Job(Generic[T]):
    """What is asked, until when it may be tried, and the future of its result. One that is `alone` is a batch."""

    __slots__ = ("alone", "asked", "begun", "future", "until")

    def __init__(self, asked: T, until: float, *, alone: bool = False) -> None:
        self.asked = asked
        self.until = until
        self.alone = alone
        self.begun = False
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def resolve(self, result: object) -> None:
        if not self.future.done():
            self.future.set_result(result)

    def reject(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


Perform = Callable[[Sequence[Job[T]]], Awaitable[None]]
"""Does a batch: every job of it is resolved or rejected."""


class Batches(Generic[T]):
    def __init__(self, name: str, most: int, perform: Perform[T]) -> None:
        self._name = name
        self._most = most
        self._perform = perform
        self._jobs: deque[Job[T]] = deque()
        self._come = asyncio.Event()
        self._is_open = False
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._is_open = True
        self._running = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Do what was handed in, then end. Idempotent."""
        self._is_open = False
        self._come.set()
        if self._running is not None:
            await asyncio.wait({self._running})

    def check_open(self) -> None:
        if not self._is_open:
            raise LogUnavailable(f"{self._name} is not open")

    def submit(self, job: Job[T]) -> Job[T]:
        """Hand in a job; raises `LogUnavailable` when not open."""
        self.check_open()
        self._jobs.append(job)
        self._come.set()
        return job

    async def _run(self) -> None:
        while self._jobs or self._is_open:
            if not self._jobs:
                self._come.clear()
                await self._come.wait()
                continue
            batch = self._gather()
            try:
                await self._perform(batch)
            except Exception as error:
                # Whoever asked gets it; the next batch is another one.
                for job in batch:
                    job.reject(error)

    def _gather(self) -> list[Job[T]]:
        batch: list[Job[T]] = []
        while self._jobs and len(batch) < self._most and not (batch and (self._jobs[0].alone or batch[0].alone)):
            job = self._jobs.popleft()
            job.begun = True
            batch.append(job)
        return batch
