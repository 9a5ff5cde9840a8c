"""How much one may ask for: what is refused says so, says when to come again, and has changed nothing."""

from typing import Any

import pytest

from jupyter_durable_chat import events as e
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api, take
from tests.waiting import eventually


@pytest.fixture
def jp_server_config(jp_server_config: JSON, request: Any) -> JSON:
    jp_server_config["DurableChat"] |= request.param
    return jp_server_config


def limits(**values: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("jp_server_config", [values], indirect=True)


async def post(api: Api, session: str, client_id: str) -> Any:
    return await api("POST", f"api/sessions/{session}/messages", {"client_id": client_id, "text": "Why?"})


@pytest.mark.parametrize("jp_server_config", [{"max_turns": 2}, {"max_turns_per_user": 2}], indirect=True)
async def test_turns_at_once(api: Api, agent: Scripted) -> None:
    sessions = [await api.session() for _ in range(3)]
    turns = [await api.send(session) for session in sessions[:2]]
    refused = await post(api, sessions[2], "c")
    assert refused.status_code == 503 and refused.json()["code"] == "too-many-turns"
    assert int(refused.headers["Retry-After"]) > 0 and "2" in refused.json()["message"]
    assert (await api.transcript(sessions[2]))["messages"] == [], "nothing was stored"
    await api("POST", f"api/sessions/{sessions[0]}/stop", {"turn_id": turns[0]["turn_id"]})
    await eventually(lambda: api.chat.registry.turns == 1)
    assert (await post(api, sessions[2], "c")).status_code == 202, "a place was left"


@limits(max_turns=1)
async def test_what_waits_is_started_when_a_place_is_left(api: Api, agent: Scripted) -> None:
    waits, runs = await api.session(), await api.session()
    first = await api.send(waits, "one", "c1")
    queued = await api.send(waits, "two", "c2")
    assert queued["status"] == "queued"
    async with api.stream(f"api/sessions/{waits}/events?after=0") as stream:
        await api("POST", f"api/sessions/{waits}/stop", {"turn_id": first["turn_id"]})
        await eventually(lambda: api.chat.registry.turns == 0)
        other = await api.send(runs)
        await api("POST", f"api/sessions/{waits}/queue/resume")
        transcript = await api.transcript(waits)
        assert [m["id"] for m in transcript["queue"]] == [queued["message_id"]] and transcript["held"] is None
        await api("POST", f"api/sessions/{runs}/stop", {"turn_id": other["turn_id"]})
        started = ("turn-started", queued["turn_id"])
        await take(stream, lambda event: (event.data.get("type"), event.data.get("turn")) == started)


@limits(max_messages_per_minute=3)
async def test_messages_in_a_minute(api: Api, agent: Scripted) -> None:
    session = await api.session()
    sent = [await api.send(session, client_id=f"c{n}") for n in range(3)]
    refused = await post(api, session, "c3")
    assert refused.status_code == 429 and refused.json()["code"] == "too-many-messages"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert await api.send(session, client_id="c2") == sent[2], "a repetition is no message"


@limits(max_session_bytes=3000)
async def test_size_of_a_session(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="long " * 1000))
    answer = (await api.settled(session))["messages"][-1]
    assert answer["metadata"]["outcome"] == "failed" and "3,000 bytes" in answer["metadata"]["error"]["text"]
    assert answer["parts"][0]["text"] == "long " * 1000, "what had come is kept"
    refused = await post(api, session, "more")
    assert refused.status_code == 413 and refused.json()["code"] == "session-full"
    fork = (await api("POST", f"api/sessions/{session}/fork", {})).json()["id"]
    assert (await api.send(fork, client_id="in the fork"))["status"] == "started"


@limits()
async def test_no_more_than_64_sessions_on_one_stream(api: Api) -> None:
    after = "&".join(f"after=s_{n}:0" for n in range(65))
    refused = await api("GET", f"api/events?{after}")
    assert refused.status_code == 400 and refused.json()["code"] == "too-many" and "65" in refused.json()["message"]
