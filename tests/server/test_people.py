"""Who is who on a server of several people: the sender is who is logged in, whatever a request says."""

from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from jupyter_server.auth.identity import IdentityProvider, User
from tornado import web

from jupyter_durable_chat.server.handler import MAX_NAME, safe_color
from tests import scripted as scripts
from tests.server.conftest import JSON, Api
from tests.server.test_calls import LOOK, Calling, call_path, done, waits
from tests.server.test_queue import turns_ended

QUICK = {"demo_tokens_per_second": 10_000.0}

PEOPLE = {
    "ada": User("ada", "Ada Lovelace", "Ada", color="var(--jp-collaborator-color4)"),
    "bob": User("bob", "Bob", color="url(https://evil.example/)"),
    "eve": User("eve", "E" * 1000, color="red; background: black"),
}

LIES: JSON = {
    **{key: {"username": "eve"} for key in ("author", "by", "sender", "user", "metadata", "stopped_by")},
    **dict.fromkeys(("username", "display_name", "current_user", "via"), "eve"),
}
"""What somebody may say of themselves in a body. (`name` is a session's.)"""


class ByToken(IdentityProvider):
    """A provider that knows its people by a token of each."""

    def get_user(self, handler: web.RequestHandler) -> Any:
        _, _, token = handler.request.headers.get("Authorization", "").partition(" ")
        if user := PEOPLE.get(token):
            handler._token_authenticated = True  # type: ignore[attr-defined]
        return user


@pytest.fixture
def agent() -> Any:
    agent = Calling()
    scripts.current.append(agent)
    yield agent
    scripts.current.pop()


@pytest.fixture
def jp_server_config(jp_server_config: JSON) -> JSON:
    server = {**jp_server_config["ServerApp"], "identity_provider_class": ByToken}
    return {**jp_server_config, "ServerApp": server, "DurableChat": {**jp_server_config["DurableChat"], **QUICK}}


@pytest.fixture
def ada(api: Api) -> Api:
    return as_user(api, "ada")


@pytest.fixture
def bob(api: Api) -> Api:
    return as_user(api, "bob")


def as_user(api: Api, name: str) -> Api:
    return replace(api, headers={"Authorization": f"token {name}"})


def names(value: Any) -> list[str]:
    """The user names in an event, or in anything."""
    if isinstance(value, list):
        return [name for one in value for name in names(one)]
    if not isinstance(value, dict):
        return []
    mine = [value["username"]] if "username" in value else []
    return mine + [name for one in value.values() for name in names(one)]


async def log_of(api: Api, session: str) -> list[JSON]:
    return (await api("GET", f"api/sessions/{session}/events", headers={"Accept": "application/json"})).json()["events"]


async def test_every_route_that_writes_takes_the_sender_from_the_login(ada: Api, bob: Api, agent: Calling) -> None:
    agent.calls = (("look", {}),)
    session = (await ada("POST", "api/sessions", {"agent": "scripted", **LIES})).json()["id"]
    path = f"api/sessions/{session}"

    async def does(who: Api, method: str, where: str, status: int = 200, **body: Any) -> JSON:
        answer = await who(method, path + where, {**LIES, **body})
        assert answer.status_code == status, answer.text
        return answer.json()

    await does(bob, "PATCH", "", title="T")
    await does(ada, "POST", "/offers", runner="r1", kernel="k", tools=[LOOK])
    await does(bob, "POST", "/messages", 202, client_id="c_1", text="Why?")
    approval = (await waits(bob, session, "approval"))["approval"]["id"]
    queued = [(await does(ada, "POST", "/messages", 202, client_id=f"q_{n}", text="?"))["message_id"] for n in range(2)]
    await does(bob, "PATCH", f"/queue/{queued[0]}", text="!")
    await does(bob, "PATCH", "/queue", message_ids=queued[::-1])
    await does(bob, "DELETE", f"/queue/{queued[1]}")
    await does(ada, "POST", f"/approvals/{approval}", approved=True)
    await waits(ada, session, "waitsFor")
    for body in ({"started": True}, {"output": 1}):
        await does(ada, "POST", call_path("").removeprefix("api/sessions/"), runner="r1", **body)
    transcript = await turns_ended(ada, session, 2)
    await does(ada, "POST", "/retry", 202, message_id=transcript["messages"][0]["id"], text="And why?", client_id="e")
    await ada.settled(session)
    await does(bob, "POST", "/branch", message_id=transcript["messages"][0]["id"])

    said: dict[str, set[str]] = {}
    for event in await log_of(ada, session):
        said.setdefault(event["type"], set()).update(names(event))
    assert {kind: sorted(who) for kind, who in said.items() if who} == {
        "session-created": ["ada"],
        "session-updated": ["bob"],
        "tools-offered": ["ada"],
        "user-message": ["ada", "bob"],
        "message-queued": ["ada"],
        "queue-edited": ["bob"],
        "queue-reordered": ["bob"],
        "message-dequeued": ["bob"],
        "approval-answered": ["ada"],
        "branch-selected": ["bob"],
    }, said
    fork = await does(bob, "POST", "/fork", 201, message_id=transcript["messages"][0]["id"])
    assert names((await log_of(bob, fork["id"]))[-1]) in (["bob"], [])


async def test_who_stopped_an_answer_is_known(ada: Api, bob: Api, agent: Calling) -> None:
    agent.calls = (("look", {}),)
    session = await ada.session()
    await done(ada, f"api/sessions/{session}/offers", {"runner": "r1", "kernel": "k", "tools": [LOOK]})
    await ada.send(session)
    await waits(ada, session, "approval")
    await done(bob, f"api/sessions/{session}/stop", LIES)
    answer = (await ada.settled(session))["messages"][-1]["metadata"]
    assert (answer["outcome"], answer["stopped_by"]["username"]) == ("stopped", "bob")


async def test_who_comes_with_a_file_is_nobody_here(ada: Api, bob: Api) -> None:
    session = await ada.session(agent="demo")
    await ada.send(session)
    await ada.settled(session)
    file = (await ada("GET", f"api/sessions/{session}/export?format=json")).json()
    answer = await bob("POST", "api/sessions/import", {**file, **LIES})
    assert answer.status_code in (201, 400), answer.text
    if answer.status_code == 400:
        answer = await bob("POST", "api/sessions/import", file)
    imported = answer.json()
    assert names(imported["messages"]) == ["imported:ada"]
    assert imported["messages"][0]["metadata"]["author"]["name"] == "Ada (imported)"
    assert {"imported:ada", "bob"} == set(names(await log_of(bob, imported["id"])))


async def test_a_color_is_known_or_none_and_a_name_has_an_end(api: Api) -> None:
    authors = []
    for name in PEOPLE:
        who = as_user(api, name)
        session = await who.session()
        await who.send(session)
        authors.append((await who.transcript(session))["messages"][0]["metadata"]["author"])
    assert authors == [
        {"username": "ada", "name": "Ada", "color": "var(--jp-collaborator-color4)"},
        {"username": "bob", "name": "Bob"},
        {"username": "eve", "name": "E" * MAX_NAME},
    ]


@pytest.mark.parametrize(
    ("color", "safe"),
    [
        ("var(--jp-collaborator-color1)", True),
        ("var(--jp-collaborator-color7)", True),
        ("#12aBcd", True),
        ("var(--jp-collaborator-color8)", False),
        ("var(--jp-collaborator-color1);x:y", False),
        ("#12aBcd\n", False),
        ("red", False),
        (None, False),
        (5, False),
    ],
)
def test_safe_colors(color: object, safe: bool) -> None:
    assert safe_color(color) == (color if safe else None)


async def test_every_answer_tells_a_page_whom_it_is_of(ada: Api, bob: Api) -> None:
    for who, name in ((ada, "ada"), (bob, "bob")):
        assert unquote((await who("GET", "api/agents")).headers["Durable-Chat-User"]) == name
    kernel = replace(ada, headers={"Authorization": f"token {ada.chat.kernel_token}"})
    assert "Durable-Chat-User" not in (await kernel("GET", "api/agents")).headers


async def test_what_code_in_a_kernel_says_is_marked(ada: Api) -> None:
    kernel = replace(ada, headers={"Authorization": f"token {ada.chat.kernel_token}"})
    session = await ada.session()
    await kernel.send(session, via=None)
    author = (await ada.transcript(session))["messages"][0]["metadata"]["author"]
    assert author["via"] == "kernel" and author["username"] == ada.chat.owner


class TestMadeUpNames:
    """Jupyter's own provider makes up a name for each browser."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: JSON) -> JSON:
        return {**jp_server_config, "ServerApp": {"jpserver_extensions": {"jupyter_durable_chat": True}}}

    async def test_tell_nobody_apart_where_nobody_works_together(self, api: Api) -> None:
        assert "Durable-Chat-User" not in (await api("GET", "api/agents")).headers
