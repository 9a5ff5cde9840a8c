"""Who looks at which sessions now, in this process.

A view lives as long as the connection that brings its events. All that it follows is watched, unless it says which of
that is in sight: a hidden page follows what runs and watches nothing.
"""

import asyncio
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class View:
    """What one reader looks at; `watched` may change."""

    def __init__(self, person: str, watched: Collection[str]) -> None:
        self.id = f"v_{uuid.uuid4().hex}"
        self.person = person
        self.watched = frozenset(watched)
        self.lingers = 0.0
        """Seconds for which it counts when its connection is over: the next page of events is on its way."""


class Watching:
    """The views of this process."""

    def __init__(self) -> None:
        self._views: dict[str, View] = {}

    @contextmanager
    def view(self, person: str, watched: Collection[str]) -> Iterator[View]:
        """A view of this person while in here."""
        view = View(person, watched)
        self._views[view.id] = view
        try:
            yield view
        finally:
            if view.lingers:
                asyncio.get_running_loop().call_later(view.lingers, self._views.pop, view.id)
            else:
                del self._views[view.id]

    def find(self, view_id: str, person: str) -> View | None:
        """This person's view of that id, if it is here."""
        view = self._views.get(view_id)
        return view if view and view.person == person else None

    def sees(self, person: str, session_id: str) -> bool:
        """Whether this person looks at the session now, as far as this process knows."""
        return any(view.person == person and session_id in view.watched for view in self._views.values())

    @property
    def watched(self) -> dict[str, set[str]]:
        """Who looks at each session that somebody looks at."""
        found: dict[str, set[str]] = {}
        for view in self._views.values():
            for session_id in view.watched:
                found.setdefault(session_id, set()).add(view.person)
        return found
