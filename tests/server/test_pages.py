"""Shared pages: what a stream would say next, as one answer, for readers to whom no stream gets through."""

import asyncio
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log import Record
from jupyter_durable_chat.server.stream import CHUNK_BYTES
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api
from tests.waiting import eventually


async def page(api: Api, *positions: str, wait: float = 0, **more: Any) -> list[JSON]:
    params = [("after", position) for position in positions] + [("wait", str(wait))]
    answer = await api("GET", "api/events", params=params, headers={"Accept": "application/json"}, timeout=20, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()["items"]


def lsns(items: list[JSON], session: str) -> list[int]:
    return [event["lsn"] for item in items if item["session"] == session for event in item.get("events", [])]


def caught_up(items: list[JSON]) -> dict[str, int]:
    return {item["session"]: item["caught_up"] for item in items if "caught_up" in item}


async def test_a_page_has_what_there_is_of_all_sessions(api: Api, agent: Scripted) -> None:
    one, two = await api.session(), await api.session()
    await api.send(one)
    agent.say_text("Hello")
    agent.finish()
    last = (await api.settled(one))["lsn"]
    items = await page(api, f"{one}:0", f"{two}:1")
    assert lsns(items, one) == list(range(1, last + 1)) and lsns(items, two) == []
    assert caught_up(items) == {one: last, two: 1}
    events = (await api("GET", f"api/sessions/{one}/events", headers={"Accept": "application/json"})).json()["events"]
    assert next(item["events"] for item in items if "events" in item) == events
    assert await page(api, f"{one}:{last}") == [{"session": one, "caught_up": last}]


async def test_a_page_waits_for_the_first_event_and_has_it_at_once(api: Api, agent: Scripted) -> None:
    one, two = await api.session(), await api.session()
    waiting = asyncio.create_task(page(api, f"{one}:1", f"{two}:1", wait=15))
    await eventually(lambda: len(api.chat.streams) == 1)
    await api.send(two)
    items = await waiting
    assert lsns(items, two)[0] == 2 and lsns(items, one) == []
    assert caught_up(items) == {one: 1, two: 1}
    await eventually(lambda: not api.chat.streams)


async def test_pages_one_after_the_other_are_the_whole_log_once(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)

    async def follow() -> list[int]:
        got: list[int] = []
        while True:
            items = await page(api, f"{session}:{got[-1] if got else 0}", wait=10)
            got += lsns(items, session)
            if any(event["type"] == "turn-stopped" for item in items for event in item.get("events", [])):
                return got

    following = asyncio.create_task(follow())
    for n in range(50):
        agent.say_text(f"{n} ")
        await asyncio.sleep(0)
    agent.finish()
    last = (await api.settled(session))["lsn"]
    assert await following == list(range(1, last + 1))


async def test_a_page_is_about_a_chunk(api: Api) -> None:
    session = await api.session()
    record = e.encode(e.SessionUpdated(title="x" * 1000), at="")
    await api.chat.registry.log.append(session, [record] * 200)
    got: list[int] = []
    pages = 0
    while not got or got[-1] < 201:
        items = await page(api, f"{session}:{got[-1] if got else 0}")
        got += lsns(items, session)
        pages += 1
    assert got == list(range(1, 202))
    assert pages >= 200 * 1000 // (2 * CHUNK_BYTES)


async def test_a_page_has_a_snapshot_where_events_are_gone(api: Api) -> None:
    session = await api.session()
    log = api.chat.registry.log
    await log.append(session, [e.encode(e.SessionUpdated(title="T"), at="")] * 3)
    transcript = await api.transcript(session)
    await log.save_snapshot(session, Record(3, e.to_json({**transcript, "lsn": 3})))
    await log.compact(session)
    items = await page(api, f"{session}:0")
    assert [sorted(item) for item in items] == [
        ["session", "snapshot"],
        ["events", "session"],
        ["caught_up", "session"],
    ]
    assert items[0]["snapshot"]["lsn"] == 3 and lsns(items, session) == [4]


async def test_a_page_says_what_is_gone_and_goes_on_with_the_rest(api: Api) -> None:
    session, deleted = await api.session(), await api.session()
    await api("DELETE", f"api/sessions/{deleted}")
    items = await page(api, "s_never:3", f"{deleted}:1", f"{session}:0", wait=10)
    gone = {item["session"]: (item["gone"]["status"], item["gone"]["code"]) for item in items if "gone" in item}
    assert gone == {"s_never": (404, "unknown-session"), deleted: (410, "deleted")}
    assert lsns(items, session) == [1]
    assert [item["gone"]["code"] for item in await page(api, f"{session}:9")] == ["lsn-ahead"]


async def test_who_leaves_is_no_reader_any_more(api: Api) -> None:
    session = await api.session()
    waiting = asyncio.create_task(page(api, f"{session}:1", wait=15))
    await eventually(lambda: len(api.chat.streams) == 1)
    waiting.cancel()
    await eventually(lambda: not api.chat.streams)


async def test_the_end_of_the_server_ends_a_page(api: Api) -> None:
    session = await api.session()
    path = f"api/events?after={session}:1&wait=15"
    waiting = asyncio.create_task(api("GET", path, headers={"Accept": "application/json"}, timeout=20))
    await eventually(lambda: len(api.chat.streams) == 1)
    await api.chat.stop_extension()
    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (503, "busy") and answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("limit", [0.05, 0.0])
async def test_no_page_waits_longer_than_the_setting(api: Api, limit: float) -> None:
    api.chat.long_poll_seconds = limit
    session = await api.session()
    assert await page(api, f"{session}:1", wait=1000) == [{"session": session, "caught_up": 1}]
