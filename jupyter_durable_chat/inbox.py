"""The pure fold of what a person is told of their sessions.

A notice is told once: `told` remembers the newest ones for longer than they are kept, so that whoever writes after a
crash, or beside another server, sees that it was. `js/src/inbox.ts` is the same fold; `tests/vectors/inbox/` holds the
two together.
"""

from collections.abc import Callable
from typing import Any, Self

from jupyter_durable_chat import events as e

JSON = dict[str, Any]

MAX_NOTICES = 100
"""Notices that are kept; the oldest ones go first."""

MAX_TOLD = 400
"""Notices that are remembered to have been told."""


def notice_key(turn: str | None, kind: str, wait: str | None) -> str:
    """What a notice is told once for."""
    return "\n".join((turn or "", kind, wait or ""))


class Inbox:
    """What one person has been told, as of `lsn`. `apply` moves it on; nothing else changes it."""

    def __init__(self, inbox_id: str) -> None:
        self.id = inbox_id
        self.lsn = 0
        self.notices: list[JSON] = []
        self.told: list[str] = []

    @property
    def unread(self) -> int:
        """How many notices a person still has to see; quiet ones do not count."""
        return sum(not notice["read"] and not notice["quiet"] for notice in self.notices)

    @property
    def unread_sessions(self) -> set[str]:
        """Sessions in which something happened that the person has not seen."""
        return {notice["session"] for notice in self.notices if not notice["read"]}

    def notice(self, turn: str, kind: str, wait: str | None) -> JSON | None:
        key = (turn, kind, wait)
        return next((n for n in self.notices if (n["turn"], n["kind"], n["wait"]) == key), None)

    def apply(self, event: e.AnyEvent) -> None:
        """Fold one event in. An event that is already folded changes nothing."""
        if event.lsn <= self.lsn:
            return
        self.lsn = event.lsn
        if handler := _HANDLERS.get(type(event)):
            handler(self, event)

    def to_json(self) -> JSON:
        """The inbox as the HTTP API gives it."""
        return {"id": self.id, "lsn": self.lsn, "notices": self.notices, "unread": self.unread, "told": self.told}

    @classmethod
    def from_json(cls, data: JSON) -> Self:
        """The inbox that `to_json` gave. Takes `data` over."""
        inbox = cls(data["id"])
        inbox.lsn, inbox.notices, inbox.told = data["lsn"], data["notices"], data["told"]
        return inbox

    def _turn_noticed(self, event: e.TurnNoticed) -> None:
        key = notice_key(event.turn, event.kind, event.wait)
        if key in self.told:
            return
        self.told = [*self.told, key][-MAX_TOLD:]
        # What a turn waited for is of no interest once something else became of it.
        self.notices = [n for n in self.notices if n["turn"] != event.turn]
        self.notices.append(
            {
                "session": event.session_id,
                "turn": event.turn,
                "kind": event.kind,
                "wait": event.wait,
                "tool": event.tool,
                "lsn": event.session_lsn,
                "title": event.title,
                "text": event.text,
                "notebook": event.notebook,
                "at": event.at,
                "quiet": event.quiet,
                "read": False,
                "claimed": None,
            }
        )
        self.notices = self.notices[-MAX_NOTICES:]

    def _notice_claimed(self, event: e.NoticeClaimed) -> None:
        notice = self.notice(event.turn or "", event.kind, event.wait)
        if notice and notice["claimed"] is None:
            notice["claimed"] = event.by

    def _notice_withdrawn(self, event: e.NoticeWithdrawn) -> None:
        self.notices = [n for n in self.notices if n["turn"] != event.turn or n["kind"] != "waiting"]

    def _session_read(self, event: e.SessionRead) -> None:
        for notice in self.notices:
            if notice["session"] == event.session_id and notice["lsn"] <= event.session_lsn:
                notice["read"] = True

    def _notices_cleared(self, event: e.NoticesCleared) -> None:
        self.notices = []

    def _session_forgotten(self, event: e.SessionForgotten) -> None:
        self.notices = [n for n in self.notices if n["session"] != event.session_id]


_HANDLERS: dict[type, Callable[[Inbox, Any], None]] = {
    e.TurnNoticed: Inbox._turn_noticed,
    e.NoticeClaimed: Inbox._notice_claimed,
    e.NoticeWithdrawn: Inbox._notice_withdrawn,
    e.SessionRead: Inbox._session_read,
    e.NoticesCleared: Inbox._notices_cleared,
    e.SessionForgotten: Inbox._session_forgotten,
}
