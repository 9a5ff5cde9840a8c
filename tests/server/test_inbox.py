"""The inbox over HTTP: whose it is, how it is followed, what counts as watching, and what lists of sessions say."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from jupyter_server.auth.identity import IdentityProvider, User

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Request
from jupyter_durable_chat.notices import inbox_id
from tests import scripted as scripts
from tests.server.conftest import JSON, Api, Event, take
from tests.server.test_calls import PLOT, Calling
from tests.waiting import eventually


class Named(IdentityProvider):
    """As a hub does, it says who asks."""

    async def get_user(self, handler: Any) -> User | None:
        user = await self._get_user(handler)
        name = handler.request.headers.get("X-Name")
        return User(username=name) if user and name else user


class Ready(Calling):
    """Calls what it is told to, and answers at once, or when it may."""

    held_back: asyncio.Event | None = None

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        if self.held_back:
            await self.held_back.wait()
        if not self.calls:
            yield e.Finish(finish_reason="stop")
            return
        async for chunk in super().run(request):
            yield chunk


@pytest.fixture
def agent() -> Any:
    agent = Ready()
    scripts.current.append(agent)
    yield agent
    scripts.current.pop()


def says(kind: str) -> Any:
    return lambda event: event.data.get("type") == kind


async def inbox(api: Api, **headers: str) -> JSON:
    response = await api("GET", "api/inbox", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def ended(api: Api, session: str, client_id: str = "c_1", **headers: str) -> JSON:
    """Ask, and wait until the answer has ended and everybody is told; the transcript."""
    body = {"client_id": client_id, "text": "Why?"}
    response = await api("POST", f"api/sessions/{session}/messages", body, headers=headers)
    assert response.status_code == 202, response.text
    transcript = await api.settled(session)

    async def over() -> bool:
        async with api.chat.registry.acquire(session) as loaded:
            return not loaded.running

    await eventually(over)
    return transcript


async def listed(api: Api, session: str) -> tuple[str, bool]:
    sessions = (await api("GET", "api/sessions")).json()["sessions"]
    return next((s["state"], s["unread"]) for s in sessions if s["id"] == session)


async def test_a_notice_is_followed_read_and_claimed_by_one(api: Api) -> None:
    session = await api.session(title="Prime numbers")
    start = await inbox(api)
    assert start == {"id": inbox_id(api.chat.owner), "lsn": 0, "notices": [], "unread": 0, "told": []}
    async with api.stream(f"api/events?after={start['id']}:0&seen=") as stream:
        transcript = await ended(api, session)
        *_, noticed = await take(stream, says("turn-noticed"))
    turn = transcript["messages"][-1]["metadata"]["turn"]
    assert noticed.data["session"] == start["id"] and noticed.data["session_id"] == session
    assert noticed.data["turn"] == turn and noticed.id == f"{start['id']}:1"
    now = await inbox(api)
    (notice,) = now["notices"]
    assert (notice["session"], notice["kind"], notice["title"]) == (session, "done", "Prime numbers")
    assert now["unread"] == 1 and await listed(api, session) == ("ready", True)

    claims = [{"turn": turn, "kind": "done", "by": f"p_{n}"} for n in range(4)]
    answers = await asyncio.gather(*(api("POST", "api/inbox/claim", claim) for claim in claims))
    assert sorted(answer.json()["claimed"] for answer in answers) == [False] * 3 + [True]

    early = await api("POST", "api/inbox/read", {"session": session, "lsn": notice["lsn"] - 1})
    assert early.status_code == 200 and early.json()["unread"] == 1
    assert (await api("POST", "api/inbox/read", {"session": session, "lsn": notice["lsn"]})).json()["unread"] == 0
    assert await listed(api, session) == ("idle", False)
    assert (await api("POST", "api/inbox/clear", {})).json()["notices"] == []


@pytest.mark.parametrize(
    "body",
    [{}, {"session": "s", "all": True}, {"turn": "t"}, {"turn": "t", "kind": "other", "by": "p"}, {"turn": 1}],
)
async def test_what_is_malformed_is_refused(api: Api, body: JSON) -> None:
    path = "api/inbox/claim" if "turn" in body else "api/inbox/read"
    response = await api("POST", path, body)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")


async def test_an_inbox_is_nothing_that_one_can_chat_with(api: Api) -> None:
    mine = (await inbox(api))["id"]
    asked = [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/events?after=0"),
        ("POST", "/stop"),
        ("POST", "/fork"),
    ]
    for method, path in asked:
        body = {"lsn": 1} if path == "/fork" else None if method == "GET" else {}
        response = await api(method, f"api/sessions/{mine}{path}", body)
        assert (response.status_code, response.json()["code"]) == (404, "unknown-session"), path
    assert (await api("GET", "api/sessions")).json()["sessions"] == []


@pytest.mark.parametrize("jp_argv", [["--ServerApp.identity_provider_class=tests.server.test_inbox.Named"]])
async def test_each_persons_inbox_is_theirs(api: Api) -> None:
    session = await api.session()
    for name in ("ada", "bob"):
        await inbox(api, **{"X-Name": name})
    await ended(api, session, **{"X-Name": "ada"})
    adas, bobs = [await inbox(api, **{"X-Name": name}) for name in ("ada", "bob")]
    assert adas["id"] == inbox_id("ada") and [n["session"] for n in adas["notices"]] == [session]
    assert bobs["id"] == inbox_id("bob") and bobs["notices"] == []
    query = f"api/events?after={adas['id']}:0&after={session}:0&after={inbox_id('nobody')}:0"
    async with api.stream(query, **{"X-Name": "bob"}) as stream:
        heard = await take(stream, lambda event: event.name == "caught-up")
    gone = {event.data["session"]: event.data["status"] for event in heard if event.name == "gone"}
    assert gone == {adas["id"]: 404, inbox_id("nobody"): 404}, "and whether there is one shows nowhere"
    assert not [event for event in heard if event.data.get("type") == "turn-noticed"]
    page = await api("GET", query, headers={"X-Name": "bob", "Accept": "application/json"})
    assert {item["session"] for item in page.json()["items"] if "gone" in item} == set(gone)
    # Who watches for Bob does not watch for Ada.
    async with api.stream(f"api/events?after={session}:0", **{"X-Name": "bob"}) as stream:
        await anext(stream)
        await ended(api, session, "c_2", **{"X-Name": "ada"})
    assert len((await inbox(api, **{"X-Name": "ada"}))["notices"]) == 2


async def test_every_browser_with_the_token_and_every_kernel_is_the_owner(api: Api) -> None:
    session = await api.session()
    kernel = {"Authorization": f"token {api.chat.kernel_token}"}
    await ended(api, session, **kernel)
    assert len((await inbox(api))["notices"]) == 1
    assert (await inbox(api, **kernel)) == (await inbox(api))


async def open_stream(stream: Any) -> Event:
    return await anext(stream)


@pytest.mark.parametrize(
    "how",
    ["api/sessions/{}/events?after=0", "api/events?after={}:0", "api/events?after={}:0&seen={}"],
)
async def test_a_stream_watches(api: Api, how: str) -> None:
    session = await api.session()
    async with api.stream(how.format(session, session)) as stream:
        await open_stream(stream)
        await ended(api, session)
    assert (await inbox(api))["notices"] == []
    await eventually(lambda: not api.chat.watching.watched)
    await ended(api, session, "c_2")
    assert len((await inbox(api))["notices"]) == 1


@pytest.mark.parametrize("path", ["api/sessions/{}/events?after=1&wait=20", "api/events?after={}:1&wait=20"])
async def test_a_page_of_events_that_waits_watches(api: Api, path: str) -> None:
    session = await api.session()
    headers = {"Accept": "application/json"}
    waiting = asyncio.create_task(api("GET", path.format(session), headers=headers))
    await eventually(lambda: session in api.chat.watching.watched)
    # The first page ends with the question; until the next one is there, its reader still counts.
    await ended(api, session)
    assert (await waiting).status_code == 200
    assert (await inbox(api))["notices"] == []


async def test_what_is_out_of_sight_is_not_watched(api: Api) -> None:
    session = await api.session()
    async with api.stream(f"api/events?after={session}:0&seen=") as stream:
        hello = await open_stream(stream)
        assert not api.chat.watching.watched
        await ended(api, session)
        assert len((await inbox(api))["notices"]) == 1
        seeing = {"stream": hello.data["stream"], "sessions": [session]}
        assert (await api("POST", "api/watching", seeing)).status_code == 200
        await ended(api, session, "c_2")
        assert len((await inbox(api))["notices"]) == 1, "it was in sight"
        await api("POST", "api/watching", seeing | {"sessions": []})
        await ended(api, session, "c_3")
        assert len((await inbox(api))["notices"]) == 2
    await eventually(lambda: not api.chat.streams)
    assert (await api("POST", "api/watching", seeing)).json()["code"] == "unknown-stream"


async def test_a_turn_that_waits_for_a_person_is_told_and_keeps_no_server(api: Api, agent: Ready) -> None:
    agent.calls = (("plot", {}),)
    session = await api.session()
    ask = {**PLOT, "approval": "always"}
    await api("POST", f"api/sessions/{session}/offers", {"runner": "r_1", "tools": [ask]})
    last_activity = api.chat.server.web_app.settings["last_activity_times"]
    await api.send(session)

    async def waits() -> bool:
        return await listed(api, session) == ("waiting", True)

    await eventually(waits)
    (notice,) = (await inbox(api))["notices"]
    assert (notice["kind"], notice["tool"], notice["text"]) == ("waiting", "plot", "")
    assert api.chat.current_activity() is None
    last_activity.pop("durable_chat", None)
    api.chat._note_activity()
    assert "durable_chat" not in last_activity, "a culler may stop this server: the turn goes on in the next one"

    (approval,) = (await api.transcript(session))["approvals"]
    answer = await api("POST", f"api/sessions/{session}/approvals/{quote(approval['id'])}", {"approved": False})
    assert answer.status_code == 200
    await api.settled(session)
    await eventually(lambda: kinds(api, ["done"]))


async def kinds(api: Api, expected: list[str]) -> bool:
    return [n["kind"] for n in (await inbox(api))["notices"]] == expected


async def test_changes_of_the_list_are_told(api: Api, agent: Ready) -> None:
    agent.held_back = asyncio.Event()
    first = await api.session()
    async with api.stream(f"api/events?after={first}:0&seen=&sessions=1") as stream:
        told = lists_of(stream)
        await anext(stream)
        # The first look has nothing to compare with: what comes after it is told.
        await eventually(lambda: api.chat.listing.looked)
        second = await api.session(title="Another")
        assert second in (await told.__anext__()).data["changed"]
        await api.send(second)
        await until_listed(api, told, second, "streaming")
        agent.held_back.set()
        await until_listed(api, told, second, "ready")
        await api("DELETE", f"api/sessions/{second}")
        while second in [s["id"] for s in (await api("GET", "api/sessions")).json()["sessions"]]:
            assert second in (await told.__anext__()).data["changed"]
    await eventually(lambda: not api.chat.streams)
    assert not api.chat.listing.looked, "nobody looks any more"


async def lists_of(stream: AsyncIterator[Event]) -> AsyncGenerator[Event]:
    async for event in stream:
        if event.name == "sessions":
            yield event


async def until_listed(api: Api, told: AsyncGenerator[Event], session: str, state: str) -> None:
    """What is told leads to a list that says so."""
    while (await listed(api, session))[0] != state:
        await told.__anext__()
