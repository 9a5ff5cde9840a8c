"""How much one person, and all together, may ask of this process.

A turn takes its place before it starts and gives it back when it is over, however it ends. What is refused has changed
nothing, and says when to come again. A limit of 0 is none.
"""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Callable
from itertools import islice

from jupyter_durable_chat.commands import TooManyMessages, TooManyTurns

RETRY = 5
"""Seconds after which to ask again for a turn: nobody knows how long those that run will take."""

MINUTE = 60.0


class Place:
    """The right to run one turn. Give it back once; again does nothing."""

    def __init__(self, admission: "Admission", user: str) -> None:
        self._admission: Admission | None = admission
        self._user = user

    def give_back(self) -> None:
        if self._admission:
            self._admission._leave(self._user)
            self._admission = None


class Admission:
    """`clock` is monotonic, in seconds; a user is a name from Jupyter's identity provider."""

    def __init__(
        self,
        *,
        turns: int = 0,
        turns_per_user: int = 0,
        messages_per_minute: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns = turns or math.inf
        self._turns_per_user = turns_per_user or math.inf
        self._messages = messages_per_minute or math.inf
        self._clock = clock
        self._running: Counter[str] = Counter()
        self._asked: dict[str, deque[float]] = {}
        """When each user sent what they sent in the last minute; whoever was heard last is the last."""
        self._left = asyncio.Event()

    def turn(self, user: str) -> Place:
        """A place for a turn that this user asked for. Raises `TooManyTurns`."""
        if self._running[user] >= self._turns_per_user:
            allowed = f"as many answers as c.DurableChat.max_turns_per_user allows ({self._turns_per_user})"
            raise TooManyTurns(f"You have {allowed} running. Wait for one, or stop one.", retry_after=RETRY)
        if self._running.total() >= self._turns:
            allowed = f"as many answers as c.DurableChat.max_turns allows ({self._turns})"
            raise TooManyTurns(f"This server runs {allowed}. Try again in a moment.", retry_after=RETRY)
        return self.adopt(user)

    def adopt(self, user: str) -> Place:
        """A place for a turn that began before this process did, however many there are."""
        self._running[user] += 1
        return Place(self, user)

    async def place_left(self) -> None:
        """Return when the next turn has given its place back."""
        await self._left.wait()

    def message(self, user: str) -> None:
        """Count a message of this user. Raises `TooManyMessages`."""
        if self._messages == math.inf:
            return
        now = self._clock()
        self._forget(now - MINUTE)
        recent = self._asked[user] = self._asked.pop(user, deque())
        while recent and recent[0] <= now - MINUTE:
            recent.popleft()
        if len(recent) >= self._messages:
            seconds = math.ceil(recent[0] + MINUTE - now)
            allowed = f"as many messages in a minute as c.DurableChat.max_messages_per_minute allows ({self._messages})"
            raise TooManyMessages(f"You sent {allowed}. Try again in {seconds} seconds.", retry_after=seconds)
        recent.append(now)

    def take_back(self, user: str) -> None:
        """The message that was just counted was refused for another reason."""
        if recent := self._asked.get(user):
            recent.pop()

    def _forget(self, until: float) -> None:
        """Who has sent nothing since then: two at most, which is more than come."""
        for user, sent in list(islice(self._asked.items(), 2)):
            if not sent or sent[-1] <= until:
                del self._asked[user]

    def _leave(self, user: str) -> None:
        self._running[user] -= 1
        if not self._running[user]:
            del self._running[user]
        self._left.set()
        self._left = asyncio.Event()
