"""Who is at a session is known to those who are there too, as people; who has gone is gone, and no log knows of it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from jupyter_durable_chat import watching
from jupyter_durable_chat.events import Author
from jupyter_durable_chat.server import stream as streams
from jupyter_durable_chat.watching import Watching
from tests.server import test_people
from tests.server.conftest import JSON, Api, Event, events
from tests.server.test_people import as_user, log_of
from tests.waiting import eventually

jp_server_config = test_people.jp_server_config


@pytest.fixture(autouse=True)
def parting_is_short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "PART_SECONDS", 0.2)
        yield


class Onlooker:
    """One page of somebody, and what it is told of who is there."""

    def __init__(self, api: Api, session: str, stream: AsyncIterator[Event], hello: JSON) -> None:
        self.id = hello["stream"]
        self.session = session
        self._api = api
        self._stream = stream

    async def sees(self, *people: str) -> list[JSON]:
        """Returns once these are there; `name…` types."""
        async for event in self._stream:
            if event.name != "presence" or event.data["session"] != self.session:
                continue
            assert event.id is None, "it moves no position"
            here = event.data["people"]
            if [one["username"] + "…" * one.get("typing", False) for one in here] == list(people):
                return here
        raise AssertionError("the stream has ended")

    async def says(self, **more: Any) -> int:
        return (await self._api("POST", "api/watching", {"stream": self.id, **more})).status_code


@contextlib.asynccontextmanager
async def looking(api: Api, session: str, more: str = "&presence=1") -> AsyncIterator[Onlooker]:
    async with api.stream(f"api/events?after={session}:0{more}") as stream:
        yield Onlooker(api, session, stream, (await anext(stream)).data)


async def test_people_come_hide_and_go(api: Api) -> None:
    ada, bob = as_user(api, "ada"), as_user(api, "bob")
    session = await ada.session()
    before = await log_of(ada, session)
    async with looking(ada, session) as one:
        await one.sees("ada")
        async with looking(bob, session) as other:
            (first, second) = await one.sees("ada", "bob")
            assert first == {"username": "ada", "name": "Ada", "color": "var(--jp-collaborator-color4)"}
            assert second == {"username": "bob", "name": "Bob"}
            await other.sees("ada", "bob")
            async with looking(bob, session) as second_tab:
                await second_tab.sees("ada", "bob")
                assert await other.says(sessions=[]) == 200
            await one.sees("ada")
            assert await other.says(sessions=[session]) == 200
            await one.sees("ada", "bob")
        await one.sees("ada")
    await eventually(lambda: not api.chat.watching.watched)
    assert await log_of(ada, session) == before, "nothing of it is in the log"


async def test_a_connection_that_is_only_made_anew_is_nobody_who_went(api: Api) -> None:
    ada, bob = as_user(api, "ada"), as_user(api, "bob")
    session, another = await ada.session(), await ada.session()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watching, "PART_SECONDS", 10.0)
        async with looking(ada, session) as one:
            async with looking(bob, session):
                await one.sees("ada", "bob")
            await eventually(lambda: len(api.chat.streams) == 1)
            assert [present.who.username for present in api.chat.watching.people(session)] == ["ada", "bob"]
            async with looking(bob, session, f"&after={another}:0&presence=1") as other:
                await other.sees("ada", "bob")


async def test_typing_is_told_and_ends_with_the_text_or_by_itself(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob = as_user(api, "ada"), as_user(api, "bob")
    session = await ada.session()
    async with looking(ada, session) as one, looking(bob, session) as other:
        await one.sees("ada", "bob")
        assert await other.says(typing=session) == 200
        await one.sees("ada", "bob…")
        assert await other.says(typing=None) == 200
        await one.sees("ada", "bob")
        monkeypatch.setattr(watching, "TYPING_SECONDS", 0.3)
        seen = asyncio.create_task(one.sees("ada", "bob…"))
        while not seen.done():  # as a page does while somebody goes on
            assert await other.says(typing=session) == 200
        await seen
        await one.sees("ada", "bob")
        assert await other.says(typing=await ada.session()) == 200, "where they are not"
        assert not any(present.typing for present in api.chat.watching.people(session))


async def test_who_looks_is_the_login_and_nobody_speaks_for_another(api: Api) -> None:
    ada, bob = as_user(api, "ada"), as_user(api, "bob")
    session = await ada.session()
    lies = "&presence=1&username=bob&author=bob&who=bob"
    async with looking(ada, session, lies) as one:
        await one.sees("ada")
        theirs = {"stream": one.id, "sessions": [], "typing": session, "username": "ada", "author": {"username": "ada"}}
        answer = await bob("POST", "api/watching", theirs)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-stream")
        (only,) = api.chat.watching.people(session)
        assert only.who.username == "ada" and not only.typing


@pytest.mark.parametrize("more", ["", "&presence=0"])
async def test_who_does_not_want_to_see_is_not_seen(api: Api, more: str) -> None:
    ada, bob = as_user(api, "ada"), as_user(api, "bob")
    session = await ada.session()
    async with looking(bob, session, more), looking(ada, session) as one:
        await one.sees("ada")
    async with bob.stream(f"api/sessions/{session}/events?after=0&presence=1") as single:
        await anext(single)
        assert api.chat.watching.people(session) == [] or await gone(api, session)


async def gone(api: Api, session: str) -> bool:
    await eventually(lambda: not api.chat.watching.people(session))
    return True


async def test_code_in_a_kernel_does_not_look(api: Api) -> None:
    ada = as_user(api, "ada")
    session = await ada.session()
    kernel = as_user(api, api.chat.kernel_token)
    async with looking(kernel, session, "&presence=1&runner=r_1"), looking(ada, session) as one:
        await one.sees("ada")


async def test_a_guest_sees_nobody_and_is_not_seen(api: Api) -> None:
    ada = as_user(api, "ada")
    session = await ada.session()
    token = (await ada("POST", f"api/sessions/{session}/shares", {})).json()["token"]
    headers = {"X-Share-Token": token, "Accept": "text/event-stream"}
    path = f"{api.url}shared/events?after={session}:0&presence=1"
    async with looking(ada, session) as one, api.client.stream("GET", path, headers=headers) as answer:
        guest = events(answer)
        assert (await anext(guest)).data.keys() & {"stream"} == set()
        await one.sees("ada")
        await ada.send(session, agent="demo")
        names = [event.name async for event in until_answered(guest)]
        assert "presence" not in names
        assert [present.who.username for present in api.chat.watching.people(session)] == ["ada"]


async def until_answered(stream: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in stream:
        yield event
        if event.data.get("type") == "turn-stopped":
            return


async def test_who_reads_in_pages_is_there_and_told_with_each(api: Api) -> None:
    ada, bob = as_user(api, "ada"), as_user(api, "bob")
    session = await ada.session()
    path = f"api/events?after={session}:0&presence=1&wait=0"
    async with looking(ada, session) as one:
        await one.sees("ada")
        page = (await bob("GET", path, headers={"Accept": "application/json"})).json()
        (told,) = page["presence"]
        assert (told["session"], [p["username"] for p in told["people"]]) == (session, ["ada", "bob"])
        await one.sees("ada", "bob")
    plain = await bob("GET", path.replace("presence=1", ""), headers={"Accept": "application/json"})
    assert plain.json().keys() == {"version", "items"}


async def test_an_inbox_is_no_place_to_meet(api: Api) -> None:
    ada = as_user(api, "ada")
    session = await ada.session()
    inbox = (await ada("GET", "api/inbox")).json()["id"]
    async with looking(ada, session, f"&after={inbox}:0&presence=1") as one:
        await one.sees("ada")
    page = await ada("GET", f"api/events?after={quote(inbox)}:0&presence=1", headers={"Accept": "application/json"})
    assert "presence" not in page.json()


async def test_a_network_that_is_gone_is_noticed(api: Api) -> None:
    """What is sent into it (the signs of life) is not acknowledged, and the system ends the connection."""
    ada = as_user(api, "ada")
    session = await ada.session()
    async with looking(ada, session) as one:
        await one.sees("ada")
        (reader,) = api.chat.streams
        connection: Any = reader.request.connection
        timeout = connection.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == streams.LOST_SECONDS * 1000


class TestMadeUpNames(test_people.TestMadeUpNames):
    async def test_meet_nobody_where_nobody_works_together(self, api: Api) -> None:
        session = await api.session(agent="demo")
        async with looking(api, session):
            assert api.chat.watching.people(session) == []
            assert session in api.chat.watching.watched


async def test_a_person_is_there_once_and_types_in_one_of_their_tabs() -> None:
    now = 0.0
    here = Watching(lambda: now)
    ada, bob = Author("ada", "Ada"), Author("bob", "Bob")
    with here.view("p", ["s"], ada) as one, here.view("p", ["s"], ada), here.view("q", ["s", "t"], bob) as other:
        here.type(one, "s")
        here.type(other, "elsewhere")
        assert here.people("s") == [(ada, True), (bob, False)]
        now += watching.TYPING_SECONDS + 0.01
        assert here.people("s") == [(ada, False), (bob, False)]
        assert here.people("t") == [(bob, False)]
    assert here.people("s") == [(ada, False), (bob, False)], "for a moment"
    now += watching.PART_SECONDS + 0.01
    assert here.people("s") == []
    await asyncio.sleep(0)
