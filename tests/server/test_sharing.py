"""A link to read by opens one session, as guests see it, for as long as it holds; and nothing else."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jupyter_server.serverapp import ServerApp
from tornado.routing import PathMatches, Rule

from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.server.api import ROUTES
from jupyter_durable_chat.server.guests import GUESTS, Guests
from jupyter_durable_chat.server.handler import ApiError
from jupyter_durable_chat.server.page import PAGES
from jupyter_durable_chat.server.shares import hash_of
from jupyter_durable_chat.session import MAX_SHARES
from tests.server.conftest import JSON, Api, Event, Scripted, events, take
from tests.server.test_attachments import HASH, PNG, upload

WRONG = "w" * 32


async def share(api: Api, session: str, **body: Any) -> JSON:
    answer = await api("POST", f"api/sessions/{session}/shares", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def ask(api: Api, path: str, token: str | None, **headers: str) -> httpx2.Response:
    """What a guest gets: somebody without a login."""
    sent = headers | ({} if token is None else {"X-Share-Token": token})
    return await api.client.get(f"{api.url}shared/{path}", headers=sent)


def stream(api: Api, session: str, token: str, after: int = 0) -> Any:
    headers = {"X-Share-Token": token, "Accept": "text/event-stream"}
    return api.client.stream("GET", f"{api.url}shared/events?after={session}:{after}", headers=headers, timeout=20)


def is_caught_up(event: Event) -> bool:
    return event.name == "caught-up"


async def answered(api: Api, agent: Scripted, session: str, text: str = "So.", **more: Any) -> JSON:
    await api.send(session, **more)
    agent.say_text(text)
    agent.finish()
    return await api.settled(session)


def refused(answer: httpx2.Response) -> bool:
    return (answer.status_code, answer.json()["message"]) == (404, "This link opens nothing, or nothing any more.")


async def test_a_guest_reads_and_follows(api: Api, agent: Scripted) -> None:
    session = await api.session(title="T", notebook="secret/a.ipynb")
    await answered(api, agent, session)
    made = await share(api, session)
    token = made["token"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{32}", token)
    assert made["path"].endswith(f"durable-chat/share/{session}")
    answer = await ask(api, f"sessions/{session}", token)
    assert answer.status_code == 200 and "secret" not in answer.text
    assert "set-cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert [m["parts"][0]["text"] for m in answer.json()["messages"] if m["role"] == "user"] == ["Why?"]
    lsn = answer.json()["lsn"]
    async with stream(api, session, token, lsn) as response:
        following = events(response)
        assert [event.name for event in await take(following, is_caught_up)] == ["hello", "caught-up"]
        await api.send(session, "And?", client_id="c_2")
        begun = await take(following, lambda event: event.name == "snapshot")
        assert begun[-1].data["messages"][-2]["parts"][0]["text"] == "And?"
        agent.say_text("Then", " this.")
        agent.finish()
        rest = await take(following, lambda event: event.data.get("type") == "turn-stopped")
    assert "".join(event.data["delta"] for event in rest if event.data.get("type") == "text-delta") == "Then this."
    numbers = [event.data["lsn"] for event in rest if event.data.get("lsn") and not event.name]
    reached = max([begun[-1].data["lsn"], *numbers])
    assert numbers == list(range(reached - len(numbers) + 1, reached + 1)), "there is no hole"
    assert all("usage" not in event.data for event in rest)


async def test_who_is_behind_gets_the_session_as_it_is_now(api: Api, agent: Scripted) -> None:
    session = await api.session(title="T")
    before = await answered(api, agent, session, "old answer")
    await api("POST", f"api/sessions/{session}/retry", {"message_id": before["messages"][0]["id"], "text": "New?"})
    agent.say_text("new answer")
    agent.finish()
    await api.settled(session)
    token = (await share(api, session))["token"]
    for after in (0, 3):
        async with stream(api, session, token, after) as response:
            got = await take(events(response), is_caught_up)
        assert [event.name for event in got] == ["hello", "snapshot", "caught-up"]
        assert "new answer" in str(got) and "old answer" not in str(got) and "Why?" not in str(got)
    page = await ask(api, f"events?after={session}:0", token, Accept="application/json")
    assert [list(item)[1] for item in page.json()["items"]] == ["snapshot", "caught_up"]
    ahead = await ask(api, f"events?after={session}:999", token, Accept="application/json")
    assert ahead.json()["items"][0]["gone"]["code"] == "lsn-ahead"


async def test_a_revoked_link_ends_its_readers_at_once_and_opens_nothing(api: Api, agent: Scripted) -> None:
    session = await api.session()
    made, other = await share(api, session, name="Class"), await share(api, session)
    listed = (await api("GET", f"api/sessions/{session}/shares")).json()
    assert [(s["id"], s["name"]) for s in listed["shares"]] == [
        (made["share"]["id"], "Class"),
        (other["share"]["id"], ""),
    ]
    assert listed["allowed"] and "hash" not in str(listed) and made["token"] not in str(listed)
    lsn = (await api.transcript(session))["lsn"]
    async with stream(api, session, made["token"], lsn) as response, stream(api, session, other["token"], lsn) as stays:
        readers = [events(response), events(stays)]
        for reader in readers:
            await take(reader, is_caught_up)
        path = f"api/sessions/{session}/shares/{made['share']['id']}"
        assert (await api("DELETE", path)).json() == {"revoked": True}
        (*_, last) = [event async for event in readers[0]]
        assert last.name == "gone" and last.data["status"] == 404
        await api("PATCH", f"api/sessions/{session}", {"title": "T", "model": None})
        assert (await take(readers[1], lambda event: "title" in event.data))[-1].data["title"] == "T"
    assert (await api("DELETE", path)).json() == {"revoked": False}
    assert refused(await ask(api, f"sessions/{session}", made["token"]))
    assert (await ask(api, f"sessions/{session}", other["token"])).status_code == 200


async def test_another_servers_revocation_ends_a_reader_here(api: Api, store: Path) -> None:
    """Two servers on one store: what the other one writes is all that this one hears of it."""
    from jupyter_durable_chat import events as e

    session = await api.session()
    made = await share(api, session)
    lsn = (await api.transcript(session))["lsn"]
    async with SqliteLog(store) as elsewhere, stream(api, session, made["token"], lsn) as response:
        reader = events(response)
        await take(reader, is_caught_up)
        revoked = e.encode(e.ShareRevoked(share=made["share"]["id"]), at="2026-11-28T00:00:00.000Z")
        await elsewhere.append(session, [revoked], labels={"shares": ""})
        (*_, last) = [event async for event in reader]
        assert last.name == "gone"
    assert refused(await ask(api, f"sessions/{session}", made["token"]))


async def test_links_outlive_compaction_and_so_does_their_end(api: Api, agent: Scripted) -> None:
    session = await api.session()
    made, revoked = await share(api, session), await share(api, session)
    await api("DELETE", f"api/sessions/{session}/shares/{revoked['share']['id']}")
    await answered(api, agent, session)
    async with api.chat.registry.acquire(session) as loaded:
        await loaded.compact()
    api.chat.registry._sessions.clear()  # as a server that has just been started
    assert (await ask(api, f"sessions/{session}", made["token"])).status_code == 200
    assert refused(await ask(api, f"sessions/{session}", revoked["token"]))
    # Its readers are told the session anew where its events are gone, and then of its end.
    async with stream(api, session, made["token"], 1) as response:
        reader = events(response)
        await take(reader, is_caught_up)
        await api("DELETE", f"api/sessions/{session}/shares/{made['share']['id']}")
        assert [event async for event in reader][-1].name == "gone"


async def test_a_fork_and_an_import_have_no_links(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await answered(api, agent, session)
    token = (await share(api, session))["token"]
    fork = (await api("POST", f"api/sessions/{session}/fork", {})).json()
    assert fork["shares"] == [] and refused(await ask(api, f"sessions/{fork['id']}", token))
    file = (await api("GET", f"api/sessions/{session}/export?format=json")).content
    assert hash_of(token).encode() in file and token.encode() not in file
    taken = (await api("POST", "api/sessions/import", file)).json()
    assert taken["shares"] == [] and refused(await ask(api, f"sessions/{taken['id']}", token))


async def test_a_link_runs_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await api.session()
    made = await share(api, session, expires_seconds=1800)
    async with stream(api, session, made["token"]) as response, api.chat.registry.acquire(session) as loaded:
        seen = events(response)
        await take(seen, is_caught_up)
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + 1800)
        monkeypatch.setattr(loaded, "_clock", time.time)
        assert [event async for event in seen][-1].name == "gone"
    assert refused(await ask(api, f"sessions/{session}", made["token"]))
    lasting = await share(api, session, expires_seconds=3600)
    assert [s["id"] for s in (await api.transcript(session))["shares"]] == [lasting["share"]["id"]], (
        "it is cleared away"
    )
    assert (await ask(api, f"sessions/{session}", lasting["token"])).status_code == 200
    for seconds in (0, -1, 1e12):
        assert (await api("POST", f"api/sessions/{session}/shares", {"expires_seconds": seconds})).status_code == 400


async def test_a_deleted_session_is_gone_for_guests_too(api: Api) -> None:
    session = await api.session()
    token = (await share(api, session))["token"]
    lsn = (await api.transcript(session))["lsn"]
    async with stream(api, session, token, lsn) as response:
        reader = events(response)
        await take(reader, is_caught_up)
        await api("DELETE", f"api/sessions/{session}")
        assert [(event.name, event.data["status"]) async for event in reader] == [("gone", 404)]
    assert refused(await ask(api, f"sessions/{session}", token))


async def test_whatever_is_wrong_the_answer_is_the_same(api: Api) -> None:
    session, other = await api.session(), await api.session()
    token = (await share(api, session))["token"]
    elsewhere = (await share(api, other))["token"]
    inbox = (await api("GET", "api/inbox")).json()["id"]
    answers = [
        await ask(api, path, tried)
        for tried in (None, "", WRONG, token[:-1], token + "A", elsewhere, "~" * 32)
        for path in (f"sessions/{session}", f"events?after={session}:0", f"sessions/{session}/attachments/{HASH}")
    ]
    for path in (f"sessions/{other}", "sessions/s_none", f"sessions/{inbox}", "events", f"events?after={other}:0"):
        answers.append(await ask(api, path, token))
    answers.append(await ask(api, f"events?after={session}:0&after={other}:0", token))
    answers.append(await ask(api, f"events?after={session}:x", token))
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}


async def test_a_wrong_token_costs_no_look_into_a_session(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await api.session()
    await share(api, session)
    api.chat.registry._sessions.clear()
    assert refused(await ask(api, f"sessions/{session}", WRONG))
    assert api.chat.registry.loaded == 0


async def test_only_files_that_are_shown(api: Api, agent: Scripted) -> None:
    session = await api.session()
    token = (await share(api, session))["token"]
    await upload(api, session, PNG)
    path = f"sessions/{session}/attachments/{HASH}"
    assert refused(await ask(api, path, token)), "nothing was sent with it yet"
    part = {"type": "file", "mediaType": "image/png", "url": f"attachment:{HASH}"}
    await answered(api, agent, session, parts=[part])
    answer = await ask(api, path, token)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["Cache-Control"] == "no-store" and "sandbox" in answer.headers["Content-Security-Policy"]
    assert refused(await ask(api, path, WRONG))


async def test_guests_do_not_watch_and_are_no_activity(api: Api, jp_serverapp: ServerApp) -> None:
    session = await api.session()
    token = (await share(api, session))["token"]
    settings = jp_serverapp.web_app.settings
    before = settings.get("api_last_activity")
    async with stream(api, session, token) as response:
        hello, *_ = await take(events(response), is_caught_up)
        assert "stream" not in hello.data
        assert session not in api.chat.watching.watched
    assert settings.get("api_last_activity") == before


async def test_limits(api: Api) -> None:
    session = await api.session()
    for _ in range(MAX_SHARES):
        await share(api, session)
    answer = await api("POST", f"api/sessions/{session}/shares", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-shares")
    assert (await api("POST", f"api/sessions/{session}/shares", {"name": "x" * 101})).status_code == 400

    now = 0.0
    guests = Guests(readers=1, clock=lambda: now)
    with guests.reader(), pytest.raises(ApiError) as refusal, guests.reader():
        pass
    assert (refusal.value.status_code, refusal.value.retry_after) == (429, 10)
    for _ in range(600):
        guests.ask("link")
    with pytest.raises(ApiError):
        guests.ask("link")
    guests.ask("another")
    now = 61.0
    guests.ask("link")


async def test_many_strangers_at_once_are_few(api: Api) -> None:
    session = await api.session()
    answers = await asyncio.gather(*(ask(api, f"sessions/{session}", WRONG) for _ in range(100)))
    assert {answer.status_code for answer in answers} <= {404, 429}


async def test_the_page_holds_nothing(api: Api) -> None:
    session = await api.session(title="Secret")
    answer = await api.client.get(f"{api.url}share/{session}")
    unknown = await api.client.get(f"{api.url}share/s_unknown")
    assert answer.status_code == 200 and answer.text.replace(session, "s_unknown") == unknown.text
    assert "Secret" not in answer.text and "set-cookie" not in answer.headers
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'; script-src 'self';" in answer.headers["Content-Security-Policy"]


class TestSwitchedOff:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: JSON) -> JSON:
        jp_server_config["DurableChat"]["allow_sharing"] = False
        return jp_server_config

    async def test_there_are_no_links(self, api: Api) -> None:
        session = await api.session()
        answer = await api("POST", f"api/sessions/{session}/shares", {})
        assert answer.status_code == 403 and "c.DurableChat.allow_sharing" in answer.text
        assert (await api("GET", f"api/sessions/{session}/shares")).json() == {"allowed": False, "shares": []}
        assert refused(await ask(api, f"sessions/{session}", WRONG))
        assert (await api.client.get(f"{api.url}share/{session}")).status_code == 404


class TestWhereJupyterLetsNobodyIn:
    """`allow_unauthenticated_access = False` asks every handler whether it was meant to be open."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config: JSON) -> JSON:
        jp_server_config["ServerApp"]["allow_unauthenticated_access"] = False
        return jp_server_config

    async def test_a_link_opens_the_same(self, api: Api) -> None:
        session = await api.session()
        token = (await share(api, session))["token"]
        assert (await ask(api, f"sessions/{session}", token)).status_code == 200
        assert (await api.client.get(f"{api.url}share/{session}")).status_code == 200


def test_only_these_handlers_ask_for_no_login() -> None:
    opened = {
        handler.__name__
        for _, handler in [*PAGES, *GUESTS, *ROUTES]
        for method in ("get", "head", "post", "put", "patch", "delete")
        if getattr(getattr(handler, method), "__allow_unauthenticated", False)
    }
    assert opened == {"SharedPage", "SharedSession", "SharedAttachment", "SharedEvents"}


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def paths(rules: list[Rule], session: str) -> set[str]:
    """A path for each route of the whole server."""
    found: set[str] = set()
    for rule in rules:
        if nested := getattr(rule.target, "rules", None):
            found |= paths(nested, session)
        if isinstance(rule.matcher, PathMatches):
            pattern = rule.matcher.regex.pattern.rstrip("$")
            path = re.sub(r"\((?:[^()]|\([^()]*\))*\)", session, pattern)
            path = re.sub(r"\\(.)", r"\1", path.replace(".*", "x").replace("?", "").replace("+", ""))
            if path.startswith("/"):
                found.add(path)
    return found


async def test_a_token_opens_nothing_else(api: Api, jp_serverapp: ServerApp) -> None:
    """Every route of the server, Jupyter's and others' too: with the token it is as it is without."""
    session = await api.session()
    token = (await share(api, session))["token"]
    origin = api.url.split("/a%40b/")[0]
    app = jp_serverapp.web_app
    every = paths([*app.default_router.rules, *app.wildcard_router.rules], session)
    ours = {path for path in every if "durable-chat" in path}
    assert len(ours) >= len(ROUTES) and len(every) > len(ours) + 30

    async def look(method: str, path: str, headers: dict[str, str], query: str = "") -> tuple[int, str]:
        api.client.cookies.clear()
        url = origin + path.replace("@", "%40") + query
        async with api.client.stream(method, url, headers=headers, timeout=20) as answer:
            return answer.status_code, answer.headers.get("Location", "").partition("?")[0]

    ways = [
        ({"X-Share-Token": token}, ""),
        ({"Authorization": f"token {token}"}, ""),
        ({"Authorization": f"Bearer {token}", "X-XSRFToken": token}, f"?token={token}&share={token}"),
    ]
    opened: set[tuple[str, str]] = set()
    for path in sorted(every):
        for method in METHODS if path in ours else ("GET",):
            without = await look(method, path, {})
            for headers, query in ways:
                if await look(method, path, headers, query) != without:
                    opened.add((method, path.partition("durable-chat/")[2] or path))
    assert opened == {("GET", f"shared/sessions/{session}")}
