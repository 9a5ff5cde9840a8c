"""What is remembered of those who send messages: no more than a limit for a minute needs."""

import weakref

import pytest

from jupyter_durable_chat.admission import Admission
from jupyter_durable_chat.commands import TooManyMessages


class User(str):
    """Whose end can be watched."""


def test_who_has_sent_nothing_for_a_minute_is_not_remembered() -> None:
    now = 0.0
    admission = Admission(messages_per_minute=2, clock=lambda: now)
    seen: list[weakref.ref[User]] = []

    def send(user: User) -> None:
        seen.append(weakref.ref(user))
        admission.message(user)

    for n in range(200):
        send(User(f"user-{n}"))
        now += 1
    remembered = [n for n, ref in enumerate(seen) if ref() is not None]
    assert len(remembered) <= 60
    assert remembered[-1] == 199

    admission.message("user-199")
    with pytest.raises(TooManyMessages):
        admission.message("user-199")
