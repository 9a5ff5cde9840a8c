"""Who has something in sight here has read what their inbox says of it, whichever server on the store has told it.

A process knows who watches among its own readers, and nobody is told of what they watch in the process that writes it.
Another one can only tell, and pages wait a second before they show it: in that time it is read here, for a cell that
waits as for any other reader. What somebody was given who has just gone, as a cell that waited does, they have read.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from jupyter_durable_chat.log import Log, LogError, LogUnavailable
from jupyter_durable_chat.notices import Inboxes
from jupyter_durable_chat.watching import Watching

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""After which a store that could not be read is looked at again."""


class Sight:
    """The inboxes of those who watch something in this process."""

    def __init__(self, watching: Watching, opened: Callable[[], tuple[Log, Inboxes]]) -> None:
        self._watching = watching
        self._opened = opened
        self._damaged: set[str] = set()
        """Whose inbox could not be read, which is said once."""

    async def look(self) -> None:
        """Read what comes, for ever."""
        while True:
            try:
                await self._look()
            except LogError:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _look(self) -> None:
        """Until there is news, or there are others who watch."""
        self._watching.changed.clear()
        if not (persons := self._watching.persons):
            await self._watching.changed.wait()
            return
        log, inboxes = self._opened()
        heads = [head for person in persons if (head := await self._read_or_skip(inboxes, person))]
        again = AGAIN_SECONDS if len(heads) < len(persons) else None
        await _first(self._watching.changed.wait(), log.wait(dict(heads), again))

    async def _read_or_skip(self, inboxes: Inboxes, person: str) -> tuple[str, int] | None:
        """As `_read`; an inbox that cannot be read costs nobody else anything, and is tried again."""
        try:
            return await self._read(inboxes, person)
        except LogUnavailable:
            raise
        except LogError:
            return None
        except Exception as error:  # what is stored in it may be anything
            if person not in self._damaged:
                self._damaged.add(person)
                logger.warning("The inbox of %r cannot be read: %r", person, error)
            return None

    async def _read(self, inboxes: Inboxes, person: str) -> tuple[str, int]:
        """Where their inbox ends."""
        inbox = await inboxes.open(person)
        unread = [notice for notice in inbox.notices if not notice["read"]]
        seen = {n["session"]: n["lsn"] for n in unread if self._watching.has_seen(person, n["session"], n["lsn"])}
        if seen:
            inbox = await inboxes.read(person, seen)
        return inbox.id, inbox.lsn


async def _first(*awaited: Awaitable[Any]) -> None:
    """Return with the first of these; none goes on after that."""
    waiting = [asyncio.ensure_future(each) for each in awaited]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
