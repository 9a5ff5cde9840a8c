"""Who has come to the end of the same thing waits there together, and is given what comes next in one go.

A reader is a position, whoever else reads. But a thousand who are at the same one would read the same records, make the
same bytes of them, and be woken for that one by one. So one reading is made for all, and its bytes are written to one
connection after the other. Whose connection has not taken all of them reads on by itself, until it is at the end again.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Generic, NamedTuple, Self, TypeVar

AT_ONCE = 1 << 16
"""Bytes that are written to a connection in one piece: one that does not take them holds a copy of so many."""

PORTION = 64
"""Readers that are given something before others have a turn on the event loop."""


class Place(ABC):
    """Where somebody is in what they follow."""

    @property
    @abstractmethod
    def key(self) -> Hashable:
        """The same for all to whom the same comes next, in the same form."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether nothing comes any more."""

    @abstractmethod
    async def next(self) -> tuple[bytes, Self]:
        """What comes next, when it has come, in the form in which it is sent; and the place after it."""


P = TypeVar("P", bound=Place)


class Follower(ABC):
    """A connection of somebody who is at a place."""

    @abstractmethod
    def take(self, data: bytes) -> asyncio.Future[None] | None:
        """Send these bytes; done when the connection has taken them, and none where it has by now."""


class Left(NamedTuple, Generic[P]):
    """Where somebody is who follows no longer with the others."""

    place: P
    sent: asyncio.Future[None] | None = None
    """What the connection has yet to take of what comes before that place."""
    rest: bytes = b""
    """What is yet to be sent of it: too much for one piece. All share it."""


class _Member(Generic[P]):
    __slots__ = ("follower", "group", "left")

    def __init__(self, follower: Follower, group: "_Group[P]") -> None:
        self.follower = follower
        self.group = group
        self.left: asyncio.Future[Left[P]] = asyncio.get_running_loop().create_future()

    def leave(self, left: Left[P] | Exception) -> None:
        self.group.members.discard(self)
        if self.left.done():
            return
        if isinstance(left, Exception):
            self.left.set_exception(left)
        else:
            self.left.set_result(left)


class _Group(Generic[P]):
    """Those who are at one place, and the task that reads for them."""

    def __init__(self, place: P) -> None:
        self.place = place
        self.members: set[_Member[P]] = set()
        self.reading: asyncio.Task[None] | None = None


class Following(Generic[P]):
    """Everybody who is at the end of what they follow."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, _Group[P]] = {}

    @property
    def places(self) -> int:
        """How many places there are at which somebody waits."""
        return len(self._groups)

    async def along(self, follower: Follower, place: P) -> Left[P]:
        """Give the follower what comes after this place, as long as its connection takes it as it comes.

        Returns where it is when it does not, or when it is over. Raises what reading raises, and `Follower.take`.
        """
        group = self._groups.get(place.key)
        if group is None:
            self._groups[place.key] = group = _Group(place)
            group.reading = asyncio.create_task(self._read(group), name=f"follow {place.key}")
        member = _Member(follower, group)
        group.members.add(member)
        try:
            return await member.left
        finally:
            member.group.members.discard(member)
            if not member.group.members:
                self._end(member.group)

    def _end(self, group: _Group[P]) -> None:
        self._forget(group)
        if group.reading:
            group.reading.cancel()

    def _forget(self, group: _Group[P]) -> None:
        if self._groups.get(group.place.key) is group:
            del self._groups[group.place.key]

    async def _read(self, group: _Group[P]) -> None:
        try:
            while not group.place.over:
                data, place = await group.place.next()
                # Who comes while this is given to those who are here is at another place than they were.
                self._forget(group)
                group.place = place
                await _give(group, data)
                if not group.members:
                    return
                others = self._groups.setdefault(place.key, group)
                if others is not group:
                    _join(group, others)
                    return
            ending: Left[P] | Exception = Left(group.place)
        except Exception as error:
            # Whoever follows is the one who reads, and gets it.
            ending = error
        self._forget(group)
        for member in [*group.members]:
            member.leave(ending)


async def _give(group: _Group[P], data: bytes) -> None:
    for at, member in enumerate([*group.members], 1):
        if member.left.done():
            continue
        if len(data) > AT_ONCE:
            member.leave(Left(group.place, rest=data))
        else:
            _take(member, data, group.place)
        if not at % PORTION:
            await asyncio.sleep(0)


def _take(member: _Member[P], data: bytes, place: P) -> None:
    try:
        sent = member.follower.take(data)
    except (OSError, RuntimeError) as error:
        # It is this one's connection; the others go on.
        member.leave(error)
    else:
        if sent and (not sent.done() or sent.exception()):
            member.leave(Left(place, sent))


def _join(group: _Group[P], others: _Group[P]) -> None:
    """Others are at this place already."""
    for member in group.members:
        member.group = others
    others.members |= group.members
