"""Readers: every event exactly once, from any position, live or late, alone or together."""

import asyncio

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log import Record
from jupyter_durable_chat.log.memory import MemoryLog
from jupyter_durable_chat.server.extension import DurableChat
from jupyter_durable_chat.server.stream import CHUNK_BYTES, CaughtUp, Lost, Records, Snapshot, Snapshots, read
from tests.scripted import Scripted
from tests.server.conftest import Api, Event, take
from tests.waiting import eventually


def ended(event: Event) -> bool:
    return event.data.get("type") == "turn-stopped"


def lsns(events: list[Event]) -> list[int]:
    return [event.data["lsn"] for event in events if not event.name]


async def test_a_stream_speaks_as_promised(api: Api, agent: Scripted) -> None:
    session = await api.session()
    async with api.client.stream("GET", f"{api.url}api/sessions/{session}/events", headers=api.headers) as response:
        headers = response.headers
        assert headers["content-type"].startswith("text/event-stream") and headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no" and headers.get("content-encoding") in (None, "identity")
        lines = response.aiter_lines()
        assert await anext(lines) == "retry: 1000"
        got = [line async for line in _until_keep_alive(lines)]
    assert got[:3] == ["", "event: hello", got[2]] and session in got[2]
    assert "id: 1" in got and "event: caught-up" in got
    assert got.index("id: 1") < got.index("event: caught-up") < len(got) - 1


def test_nothing_that_closes_idle_streams_at_30_seconds_finds_one() -> None:
    assert DurableChat.keep_alive_seconds.default_value <= 30 / 2  # pyright: ignore


async def _until_keep_alive(lines):
    async for line in lines:
        yield line
        if line.startswith(": "):
            return


async def test_live_events_arrive_once_each_with_their_lsn_as_id(api: Api, agent: Scripted) -> None:
    session = await api.session()
    async with api.stream(f"api/sessions/{session}/events?after=0") as stream:
        await take(stream, lambda event: event.name == "caught-up")
        await api.send(session)
        agent.say_text("a", "b")
        agent.finish()
        live = await take(stream, ended)
    assert lsns(live) == list(range(2, live[-1].data["lsn"] + 1))
    assert [event.id for event in live] == [str(lsn) for lsn in lsns(live)]


@pytest.mark.parametrize("how", ["after", "Last-Event-ID", "both"])
async def test_resume_is_exclusive_from_every_position(api: Api, agent: Scripted, how: str) -> None:
    session = await api.session()
    await api.send(session)
    agent.say_text("a", "b", "c")
    agent.finish()
    last = (await api.settled(session))["lsn"]
    for position in range(last + 1):
        after = position if how == "after" else 0
        headers = {} if how == "after" else {"Last-Event-ID": str(position)}
        async with api.stream(f"api/sessions/{session}/events?after={after}", **headers) as stream:
            events = await take(stream, lambda event: event.name == "caught-up")
        expected_from = position if how == "after" or position else 0
        assert lsns(events) == list(range(expected_from + 1, last + 1))
        assert events[-1].data == {"lsn": last}


async def test_a_reader_that_leaves_stops_nothing(api: Api, agent: Scripted) -> None:
    session = await api.session()
    for _ in range(2):
        async with api.stream(f"api/sessions/{session}/events") as stream:
            await anext(stream)
        await eventually(lambda: not api.chat.streams)
    await api.send(session)
    async with api.stream(f"api/sessions/{session}/events") as stream:
        await take(stream, lambda event: event.data.get("type") == "turn-started")
    await eventually(lambda: not api.chat.streams)
    agent.say_text("still here")
    agent.finish()
    transcript = await api.settled(session)
    assert transcript["messages"][1]["parts"][0]["text"] == "still here" and len(agent.requests) == 1


async def test_a_cut_connection_is_noticed(api: Api) -> None:
    session = await api.session()
    host, port = api.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = api.url.split(f":{port}", 1)[1]
    request = (
        f"GET {path}api/sessions/{session}/events HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: {api.headers['Authorization']}\r\n\r\n"
    )
    writer.write(request.encode())
    await reader.readuntil(b"caught-up")
    assert len(api.chat.streams) == 1
    writer.transport.abort()
    await eventually(lambda: not api.chat.streams)


async def test_many_readers_at_their_own_positions(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)

    async def follow(after: int) -> list[int]:
        async with api.stream(f"api/sessions/{session}/events?after={after}") as stream:
            return lsns(await take(stream, ended))

    readers = [asyncio.create_task(follow(n % 5)) for n in range(20)]
    await eventually(lambda: len(api.chat.streams) == 20)
    agent.say_text(*"abcdefgh")
    agent.finish()
    seen = await asyncio.gather(*readers)
    last = (await api.settled(session))["lsn"]
    assert seen == [list(range(n % 5 + 1, last + 1)) for n in range(20)] and len(agent.requests) == 1


async def test_a_shared_stream_follows_many_sessions(api: Api, agent: Scripted) -> None:
    ids = [await api.session() for _ in range(3)]
    query = "&".join(f"after={session}:{n}" for n, session in enumerate(ids[:2]))
    async with api.stream(f"api/events?{query}&after=s_never:0") as stream:
        hello = await anext(stream)
        assert hello.name == "hello" and set(hello.data["sessions"]) == {*ids[:2], "s_never"}
        first: dict[str, Event] = {}
        while len(first) < 3:
            event = await anext(stream)
            if event.name in ("caught-up", "gone"):
                first[event.data["session"]] = event
        assert first["s_never"].data["status"] == 404
        assert {i: first[i].data["lsn"] for i in ids[:2]} == {ids[0]: 1, ids[1]: 1}
        await api.send(ids[1])
        agent.say_text("x")
        agent.finish()
        events = await take(stream, ended)
        assert {event.data["session"] for event in events} == {ids[1]}
        assert lsns(events) == list(range(2, events[-1].data["lsn"] + 1))
        last = [event.id for event in events if event.id][-1]
        assert set(last.split()) == {f"{ids[0]}:1", f"{ids[1]}:{events[-1].data['lsn']}"}
    async with api.stream(f"api/events?{query}", **{"Last-Event-ID": last}) as stream:
        again = await take(stream, lambda event: event.name == "caught-up" and event.data["session"] == ids[1])
        assert lsns(again) == []


async def test_delete_tells_every_reader(api: Api) -> None:
    kept, deleted = await api.session(), await api.session()
    async with (
        api.stream(f"api/sessions/{deleted}/events?after=1") as single,
        api.stream(f"api/events?after={kept}:1&after={deleted}:1") as shared,
    ):
        await take(single, lambda event: event.name == "caught-up")
        await api("DELETE", f"api/sessions/{deleted}")
        assert (await take(single, lambda event: event.name == "gone"))[-1].data["status"] == 410
        assert [event async for event in single] == []
        gone = (await take(shared, lambda event: event.name == "gone"))[-1].data
        assert (gone["session"], gone["status"]) == (deleted, 410) and deleted in gone["message"]
        await api("PATCH", f"api/sessions/{kept}", {"title": "T"})
        assert (await take(shared, lambda event: not event.name))[-1].data["title"] == "T"


async def test_a_position_ahead_is_told_on_the_shared_stream(api: Api) -> None:
    session = await api.session()
    async with api.stream(f"api/events?after={session}:9") as stream:
        gone = (await take(stream, lambda event: event.name == "gone"))[-1].data
    assert (gone["status"], gone["last_lsn"]) == (409, 1)


async def test_the_end_of_the_server_ends_its_streams_and_interrupts_its_turns(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
    async with api.stream(f"api/sessions/{session}/events") as stream:
        await take(stream, lambda event: event.data.get("delta") == "half")
        await api.chat.stop_extension()
        assert [event.data["type"] async for event in stream if not event.name] in ([], ["error", "turn-stopped"])
    assert agent.closed.is_set()


async def test_a_reader_whose_events_were_compacted_gets_the_snapshot_and_goes_on(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say_text("kept")
    agent.finish()
    before = await api.settled(session)
    await api.chat.registry.log.compact(session)
    await api("PATCH", f"api/sessions/{session}", {"title": "T"})
    async with api.stream(f"api/sessions/{session}/events?after=2") as stream:
        events = await take(stream, lambda event: event.name == "caught-up")
    assert [event.name for event in events] == ["hello", "snapshot", "", "caught-up"]
    assert events[1].data == before and events[1].id is None
    assert events[2].data["lsn"] == before["lsn"] + 1 and events[2].data["title"] == "T"
    async with api.stream(f"api/events?after={session}:0") as stream:
        shared = await take(stream, lambda event: event.name == "caught-up")
    assert [event.name for event in shared] == ["hello", "snapshot", "", "caught-up"]
    path = f"api/sessions/{session}/events?after=0"
    page = (await api("GET", path, headers={"Accept": "application/json"})).json()
    assert page["snapshot"] == before and [event["title"] for event in page["events"]] == ["T"]
    live = await api(
        "GET", f"api/sessions/{session}/events?after={before['lsn']}", headers={"Accept": "application/json"}
    )
    assert live.json()["snapshot"] is None
    fork = await api("POST", f"api/sessions/{session}/fork", {"lsn": 2})
    assert fork.status_code == 409 and fork.json()["code"] == "compacted"
    assert (await api.send(session, client_id="c_1"))["turn_id"] == before["messages"][0]["metadata"]["turn"]


async def test_a_fork_is_read_from_its_beginning_under_its_own_id(api: Api, agent: Scripted) -> None:
    """It began with the snapshot of the other, by whose id a reader of several sessions knew nothing to do."""
    session = await api.session()
    await api.send(session)
    agent.say_text("in common")
    agent.finish()
    before = await api.settled(session)
    fork = (await api("POST", f"api/sessions/{session}/fork", {})).json()
    async with api.stream(f"api/events?after={fork['id']}:0") as stream:
        events = await take(stream, lambda event: event.name == "caught-up")
    assert [event.name for event in events] == ["hello", "snapshot", "", "caught-up"]
    assert events[1].data == before | {"id": fork["id"]}


async def test_a_large_snapshot_arrives_whole(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say_text("é" * 2 * CHUNK_BYTES)
    agent.finish()
    before = await api.settled(session)
    await api.chat.registry.log.compact(session)
    async with api.stream(f"api/sessions/{session}/events") as stream:
        events = await take(stream, lambda event: event.name == "caught-up")
    assert [event.name for event in events] == ["hello", "snapshot", "caught-up"] and events[1].data == before


async def test_readers_of_a_compacted_session_share_what_they_are_sent() -> None:
    async with MemoryLog() as log:
        await log.create("s", [b"{}"], base=Record(5, b'{"five":5}'))
        snapshots = Snapshots()
        readers = [read(log, {"s": 0}, 1, snapshots) for _ in range(3)]
        (first, *_), (second, *_) = await anext(readers[0]), await anext(readers[1])
        assert first is second and first == Snapshot("s", 5, b'{"five":5}')
        await log.append("s", [b"{}"] * 3)
        await log.save_snapshot("s", Record(8, b'{"eight":8}'))
        await log.compact("s")
        # The old one is still on its way; whoever gets it is led to the new one.
        seen = [item for _ in range(3) for item in await anext(readers[2])]
        lsns = [item.lsn for item in seen if isinstance(item, Snapshot)]
        assert lsns == [5, 8] and Records("s", [Record(9, b"{}")]) in seen


async def test_a_session_deleted_before_its_snapshot_is_read_is_lost_alone() -> None:
    class Deleted(MemoryLog):
        async def snapshot(self, stream: str) -> Record | None:
            await self.delete("s")
            return await super().snapshot(stream)

    async with Deleted() as log:
        for session in ("s", "other"):
            await log.create(session, [b"{}"], base=Record(5, b"{}"))
        found = await anext(read(log, {"s": 0, "other": 6}, 1, Snapshots()))
        lost, caught_up = found
        assert isinstance(lost, Lost) and (lost.session, lost.error.status_code) == ("s", 410)
        assert caught_up == CaughtUp("other", 6)
