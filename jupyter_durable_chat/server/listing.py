"""What changes in the list of sessions, for pages that show it.

Any server may change the list, so it is looked at in the store: by one for all who want to know, and only while
somebody does. Who is told reads what it was told of; a change that came back to what it was before is none.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from jupyter_durable_chat.log import Head, LogError

LOOK_SECONDS = 0.5
"""Between two looks."""

LOOKED_AT = 200
"""Sessions, the last used first: what an older one does makes it one of them."""


class Listing:
    """The list of one server's store, as `heads` gives it."""

    def __init__(self, heads: Callable[[int], Awaitable[list[Head]]]) -> None:
        self._heads = heads
        self._readers: set[_Reader] = set()
        self._looking: asyncio.Task[None] | None = None
        self.looked = False
        """Whether it is known how the list looks: from then on changes are seen."""

    async def changes(self) -> AsyncGenerator[list[str]]:
        """The ids of the sessions that have changed, been added or deleted, again and again."""
        async with self._reader() as reader:
            while True:
                await reader.news.wait()
                reader.news.clear()
                changed, reader.changed = sorted(reader.changed), set()
                yield changed

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator["_Reader"]:
        reader = _Reader()
        self._readers.add(reader)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), name="durable-chat list of sessions")
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers and (looking := self._looking):
                self._looking, self.looked = None, False
                looking.cancel()
                await asyncio.wait({looking})

    async def _look(self) -> None:
        before: dict[str, Any] | None = None
        while True:
            try:
                now = {head.stream: _shown(head) for head in await self._heads(LOOKED_AT)}
            except LogError:
                # It is looked at again, and what was missed is seen then.
                now = before
            if before is not None and now is not None:
                changed = {session for session in before.keys() | now if before.get(session) != now.get(session)}
                for reader in self._readers if changed else ():
                    reader.changed |= changed
                    reader.news.set()
            before, self.looked = now, now is not None
            await asyncio.sleep(LOOK_SECONDS)


class _Reader:
    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.changed: set[str] = set()


def _shown(head: Head) -> Any:
    return head.updated, head.labels, head.summary
