"""Who looks at which sessions now, in this process.

A view lives as long as the connection that brings its events. All that it follows is watched, unless it says which of
that is in sight: a hidden page follows what runs and watches nothing.

Who looks at a session is known to the others there, if they want to know as well: as a person, however many views they
have. Nothing of that is in any log: it is only true now. What is told is always all of it, so what was missed is made
good by what comes next, and somebody whose connection was only made anew has not been away.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from jupyter_durable_chat.events import Author

TYPING_SECONDS = 6.0
"""After which somebody who has not said it again is not typing any more."""

PART_SECONDS = 2.0
"""For which somebody who has gone is still there: a page that follows something else as well has a new connection."""

GIVEN_SECONDS = 5.0
"""For which it is known what somebody has had who has gone: a cell that waited for an answer goes on at once."""

PACE_SECONDS = 0.1
"""In which changes come together."""


class Present(NamedTuple):
    """A person who is at a session."""

    who: Author
    typing: bool


class View:
    """What one reader looks at; `watched` may change. `who`: as whom others see them, if at all."""

    def __init__(self, person: str, watched: Collection[str], who: Author | None = None) -> None:
        self.id = f"v_{uuid.uuid4().hex}"
        self.person = person
        self.who = who
        self.watched = frozenset(watched)
        self.typing: dict[str, float] = {}
        """Where they are typing, and until when that is believed."""
        self.given: dict[str, int] = {}
        """Up to which LSN of each session its reader has been given the events."""
        self.lingers = 0.0
        """Seconds for which it counts when its connection is over: the next page of events is on its way."""


class Watching:
    """The views of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._views: dict[str, View] = {}
        self._parted: dict[tuple[str, str], tuple[Author, float]] = {}
        """Who has just gone from a session, and until when they are still there."""
        self._given: dict[tuple[str, str], tuple[int, float]] = {}
        """What persons have had of a session, by views that ended or by their word, and until when that is known."""
        self._onlookers: set[_Onlooker] = set()
        self.changed = asyncio.Event()
        """There is another view than before."""

    @contextmanager
    def view(self, person: str, watched: Collection[str], who: Author | None = None) -> Iterator[View]:
        """A view of this person while in here."""
        view = View(person, watched, who)
        self._views[view.id] = view
        self._tell(view.watched if who else ())
        self.changed.set()
        try:
            yield view
        finally:
            if view.lingers:
                asyncio.get_running_loop().call_later(view.lingers, self._end, view)
            else:
                self._end(view)

    def find(self, view_id: str, person: str) -> View | None:
        """This person's view of that id, if it is here."""
        view = self._views.get(view_id)
        return view if view and view.person == person else None

    def look(self, view: View, watched: Collection[str]) -> None:
        """This is in sight there now."""
        before, view.watched = view.watched, frozenset(watched)
        self._part(view, before - view.watched)
        self._tell((before ^ view.watched) if view.who else ())

    def type(self, view: View, session_id: str | None) -> None:
        """Somebody types there, for a session that they look at; `None`: they do no longer."""
        before = {*view.typing}
        view.typing = {}
        if view.who and session_id in view.watched:
            view.typing = {session_id: self._clock() + TYPING_SECONDS}
            self._later(TYPING_SECONDS, session_id)
        self._tell(before | {*view.typing})

    def read(self, person: str, lsns: Mapping[str, int]) -> None:
        """This person has had these sessions up to these LSNs; what they are told of that late, they have read."""
        now = self._clock()
        self._given = {key: given for key, given in self._given.items() if given[1] > now}
        for session_id, lsn in lsns.items():
            given, _ = self._given.get((person, session_id), (0, 0.0))
            self._given[person, session_id] = max(given, lsn), now + GIVEN_SECONDS
        self.changed.set()

    def sees(self, person: str, session_id: str) -> bool:
        """Whether this person looks at the session now, as far as this process knows."""
        return any(view.person == person and session_id in view.watched for view in self._views.values())

    def has_seen(self, person: str, session_id: str, lsn: int) -> bool:
        """Whether this person looks at the session now, or has been given it up to there a moment ago."""
        given, until = self._given.get((person, session_id), (0, 0.0))
        return self.sees(person, session_id) or (given >= lsn and until > self._clock())

    @property
    def persons(self) -> set[str]:
        """Who has a view here, whatever is in sight of it, or had one a moment ago."""
        now = self._clock()
        parted = {person for (person, _), (_, until) in self._given.items() if until > now}
        return {view.person for view in self._views.values()} | parted

    @property
    def watched(self) -> dict[str, set[str]]:
        """Who looks at each session that somebody looks at."""
        found: dict[str, set[str]] = {}
        for view in self._views.values():
            for session_id in view.watched:
                found.setdefault(session_id, set()).add(view.person)
        return found

    # People

    def people(self, session_id: str) -> list[Present]:
        """Who is at the session, each person once, in the order of their names."""
        now = self._clock()
        here: dict[str, Present] = {}
        for (session, username), (who, until) in self._parted.items():
            if session == session_id and until > now:
                here[username] = Present(who, False)
        for view in self._views.values():
            if view.who and session_id in view.watched:
                before = here.get(view.who.username)
                typing = view.typing.get(session_id, 0.0) > now or (before is not None and before.typing)
                here[view.who.username] = Present(view.who, typing)
        return sorted(here.values(), key=lambda present: (present.who.name, present.who.username))

    async def changes(self, sessions: Collection[str]) -> AsyncGenerator[list[str]]:
        """At which of these sessions something may have changed: at first all of them, then again and again."""
        onlooker = _Onlooker(sessions)
        self._onlookers.add(onlooker)
        try:
            while True:
                await onlooker.news.wait()
                await asyncio.sleep(PACE_SECONDS)
                onlooker.news.clear()
                changed, onlooker.changed = sorted(onlooker.changed), set()
                yield changed
        finally:
            self._onlookers.discard(onlooker)

    def _end(self, view: View) -> None:
        del self._views[view.id]
        self.read(
            view.person, {session_id: lsn for session_id, lsn in view.given.items() if session_id in view.watched}
        )
        self._part(view, view.watched)

    def _part(self, view: View, sessions: Collection[str]) -> None:
        if view.who is None:
            return
        now = self._clock()
        self._parted = {key: parted for key, parted in self._parted.items() if parted[1] > now}
        for session_id in sessions:
            self._parted[session_id, view.who.username] = view.who, now + PART_SECONDS
            self._later(PART_SECONDS, session_id)

    def _later(self, seconds: float, session_id: str) -> None:
        # Not a moment too early: what is over by then is looked up by the clock.
        asyncio.get_running_loop().call_later(seconds + 0.05, self._tell, [session_id])

    def _tell(self, sessions: Collection[str]) -> None:
        for onlooker in self._onlookers:
            onlooker.hear(sessions)


class _Onlooker:
    def __init__(self, sessions: Collection[str]) -> None:
        self._sessions = frozenset(sessions)
        self.changed = set(sessions)
        self.news = asyncio.Event()
        self.news.set()

    def hear(self, sessions: Collection[str]) -> None:
        if mine := self._sessions.intersection(sessions):
            self.changed |= mine
            self.news.set()
