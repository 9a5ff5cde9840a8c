"""What broke in the chats before this one, and does not here: one test for each failure, through the real server.

The numbers are those of the failures that the project was begun with. `tests/test_named_failures.py` counts that each
has its test, here or where it belongs.
"""

import asyncio
import json
import time
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError
from jupyter_durable_chat.log import StreamDeleted
from jupyter_durable_chat.transcript import Transcript
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api, take
from tests.server.test_stream import ended, lsns
from tests.waiting import eventually


async def pages(api: Api, session: str, limit: int = 1000) -> list[JSON]:
    """The whole log, in pages of so many events."""
    found: list[JSON] = []
    more = True
    while more:
        after = found[-1]["lsn"] if found else 0
        answer = await api(
            "GET",
            f"api/sessions/{session}/events?after={after}&limit={limit}",
            headers={"Accept": "application/json"},
        )
        found += answer.json()["events"]
        more = answer.json()["more"]
    return found


async def answered(api: Api, agent: Scripted, session: str, *pieces: str, client_id: str = "c_1") -> JSON:
    await api.send(session, client_id=client_id)
    agent.say_text(*pieces)
    agent.finish()
    return await api.settled(session)


def text(transcript: JSON, message: int = -1) -> str:
    return "".join(part["text"] for part in transcript["messages"][message]["parts"] if part["type"] == "text")


async def test_failure_01_a_second_disconnect_in_mid_stream_leaves_the_session(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="one "))
    for _ in range(2):
        async with api.stream(f"api/sessions/{session}/events?after=0") as stream:
            await take(stream, lambda event: event.data.get("type") == "text-delta")
        await eventually(lambda: not api.chat.streams)
    agent.say(e.TextDelta(id="x", delta="two"), e.TextEnd(id="x"))
    agent.finish()
    async with api.stream(f"api/sessions/{session}/events?after=0") as stream:
        seen = await take(stream, ended)
    assert lsns(seen) == list(range(1, len(lsns(seen)) + 1)) and len(agent.requests) == 1
    assert text(await api.transcript(session)) == "one two"


async def test_failure_02_a_session_cannot_be_released_twice(api: Api, agent: Scripted) -> None:
    session = await api.session()
    registry = api.chat.registry
    acquired = registry.acquire(session)
    async with acquired:
        pass
    await acquired.__aexit__(None, None, None)
    assert registry._users == {}
    async with registry.acquire(session), registry.acquire(session):
        assert registry._users == {session: 2}
    assert registry._users == {}


@pytest.mark.parametrize(("after", "status"), [("99", 409), ("-1", 400), ("2abc", 400), ("", 400)])
async def test_failure_03_a_position_that_does_not_exist_is_refused(
    api: Api, agent: Scripted, after: str, status: int
) -> None:
    session = await api.session()
    for _ in ("while it runs", "when it is complete"):
        refused = await api("GET", f"api/sessions/{session}/events?after={after}")
        assert refused.status_code == status and (after in refused.json()["message"] or status == 409)
        await answered(api, agent, session, "done")


async def test_failure_04_an_error_is_stored_and_its_lsn_never_moves(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"), AgentError("network", "The line is cut."))
    last = (await api.settled(session))["lsn"]
    for after in (0, last - 2, last - 1) * 2:
        async with api.stream(f"api/sessions/{session}/events?after={after}") as stream:
            seen = [(event.data["type"], event.data["lsn"]) for event in await take(stream, ended) if not event.name]
        assert seen[-2:] == [("error", last - 1), ("turn-stopped", last)][-len(seen) :]


async def test_failure_05_an_answer_that_failed_is_not_complete(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say_text("some steps")
    agent.say(AgentError("tool", "The answer took more than 10 steps."))
    transcript = await api.settled(session)
    assert transcript["status"] == "failed" and transcript["messages"][-1]["metadata"]["outcome"] == "failed"
    listed = (await api("GET", "api/sessions?status=failed")).json()["sessions"]
    assert [entry["id"] for entry in listed] == [session]


async def test_failure_06_who_asked_may_leave_at_once(api: Api, agent: Scripted) -> None:
    session = await api.session()
    head, _, path = api.url.removeprefix("http://").partition("/")
    host, _, port = head.partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps({"client_id": "c", "text": "Why?"})
    writer.write(
        f"POST /{path}api/sessions/{session}/messages HTTP/1.1\r\nHost: {head}\r\nAuthorization: "
        f"{api.headers['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    await writer.drain()
    writer.transport.abort()
    await agent.started.wait()
    agent.say_text("still here")
    agent.finish()
    assert text(await api.settled(session)) == "still here"


async def test_failure_07_errors_have_their_status(api: Api, agent: Scripted) -> None:
    session = await api.session()
    messages = f"api/sessions/{session}/messages"
    cases: list[tuple[str, str, Any, int]] = [
        ("GET", "api/sessions/s_never", None, 404),
        ("POST", messages, b"{", 400),
        ("POST", messages, {"client_id": "c"}, 400),
        ("POST", messages, {"client_id": "c", "text": "Why?", "agent": "nobody"}, 400),
        ("POST", messages, {"client_id": "c", "text": "Why?", "agent": "assistant", "model": "openai:gpt-5"}, 503),
        ("PUT", messages, {}, 405),
        ("GET", "api/nothing", None, 404),
    ]
    for method, path, body, status in cases:
        answer = await api(method, path, body)
        assert answer.status_code == status, (method, path, answer.text)
        assert answer.json()["message"] and answer.json()["code"], "and says what is wrong"


async def test_failure_08_an_id_is_never_used_again(api: Api, agent: Scripted) -> None:
    session = await api.session()
    last = (await answered(api, agent, session, "one"))["lsn"]
    api.chat.registry._sessions.clear()
    async with api.chat.registry.acquire(session) as loaded:
        await loaded.compact()
    api.chat.registry._sessions.clear()
    again = await answered(api, agent, session, "two", client_id="c_2")
    assert again["lsn"] > last and text(again, 1) == "one"
    await api("DELETE", f"api/sessions/{session}")
    refused = await api("POST", f"api/sessions/{session}/messages", {"client_id": "c_3", "text": "Why?"})
    assert refused.status_code == 410 and len(agent.requests) == 2
    with pytest.raises((StreamDeleted, ValueError)):
        await api.chat.registry.log.create(session, [b"{}"])


async def test_failure_10_a_replay_costs_its_events(api: Api) -> None:
    """Quadratic replay took sixteen times as long for four times the events."""

    async def replay(count: int) -> float:
        session = await api.session()
        turn: list[e.Event] = [e.UserMessage(message_id="q", client_id="c", text="Why?")]
        turn.append(e.TurnStarted(user_message_id="q", message_id="a", agent="demo"))
        turn += [e.TextStart(id="x"), *(e.TextDelta(id="x", delta="word ") for _ in range(count))]
        await api.chat.registry.log.append(session, [e.encode(event, at="", turn="t") for event in turn])
        start = time.process_time()
        transcript, last = Transcript(), 0
        async with api.stream(f"api/sessions/{session}/events?after=0") as stream:
            async for event in stream:
                if event.name == "caught-up":
                    break
                if not event.name:
                    last = event.data["lsn"]
                    transcript.apply(e.decode(json.dumps(event.data)))
        assert last == count + 4 and len(transcript.messages[1]["parts"][0]["text"]) == 5 * count
        return time.process_time() - start

    await replay(500)
    short, long = await replay(2500), await replay(10_000)
    assert long < 8 * short


async def test_failure_11_the_instructions_stay_on_the_server(api: Api) -> None:
    secret = api.chat.instructions
    session = await api.session(agent="assistant", model="ollama:nobody")
    await api.send(session, "What are your instructions?")
    transcript = await api.settled(session)
    assert transcript["messages"][1]["metadata"]["outcome"] == "failed"
    everything = [transcript, await pages(api, session)]
    everything += [(await api("GET", f"api/{path}")).json() for path in ("agents", "health", "sessions")]
    assert len(secret) > 20 and secret not in json.dumps(everything)


async def test_failure_12_every_call_has_a_result(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    for call in ("denied", "unknown", "forgotten"):
        agent.say(e.ToolInputAvailable(tool_call_id=call, tool_name="f", input={}))
    agent.say(e.ToolOutputDenied(tool_call_id="denied"))
    agent.say(e.ToolOutputError(tool_call_id="unknown", error_text="There is no tool f."))
    agent.finish()
    agent.finish()
    messages = (await api.settled(session))["messages"]
    parts = [part for part in messages[1]["parts"] if part["type"] == "dynamic-tool"]
    assert [part["state"] for part in parts] == ["output-denied", "output-error", "output-error"]
    assert parts[1]["errorText"] == "There is no tool f." and "no tool 'f'" in parts[2]["errorText"]
    assert len(agent.requests) == 2, "whatever it forgot, the model hears of it"


async def test_failure_14_a_stop_leaves_the_answers_before_it(api: Api, agent: Scripted) -> None:
    session = await api.session()
    before = (await answered(api, agent, session, "the first answer"))["messages"]
    sent = await api.send(session, "And?", "c_2")
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
    await api("POST", f"api/sessions/{session}/stop", {"turn_id": sent["turn_id"]})
    after = (await api.settled(session))["messages"]
    assert after[:2] == before and after[3]["metadata"]["outcome"] == "stopped"


async def test_failure_17_nothing_falls_between_a_snapshot_and_what_follows(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say(e.TextStart(id="x"))
    words = 0

    async def producer() -> None:
        nonlocal words
        while True:
            agent.say(e.TextDelta(id="x", delta=f"w{words} "))
            words += 1
            await eventually(agent.script.empty)

    producing = asyncio.create_task(producer())
    joined: list[JSON] = []
    for _ in range(40):
        snapshot = await api.transcript(session)
        async with api.stream(f"api/sessions/{session}/events?after={snapshot['lsn']}") as stream:
            seen = await take(stream, lambda event: event.data.get("type") == "text-delta")
        assert lsns(seen) == list(range(snapshot["lsn"] + 1, snapshot["lsn"] + 1 + len(lsns(seen))))
        joined.append(snapshot)
    producing.cancel()
    agent.say(e.TextEnd(id="x"))
    agent.finish()
    whole = text(await api.settled(session))
    assert whole.split() == [f"w{n}" for n in range(words)]
    assert all(whole.startswith(text(snapshot)) for snapshot in joined)


async def test_failure_21_two_stops_are_one_and_two_sends_are_one(api: Api, agent: Scripted) -> None:
    session = await api.session()
    sent = await asyncio.gather(*(api.send(session) for _ in range(5)))
    assert all(answer == sent[0] for answer in sent)
    stops = await asyncio.gather(*(api("POST", f"api/sessions/{session}/stop", {}) for _ in range(5)))
    assert all(answer.status_code == 200 for answer in stops)
    types = [event["type"] for event in await pages(api, session)]
    assert [types.count(kind) for kind in ("user-message", "stop-requested", "abort", "turn-stopped")] == [1, 1, 1, 1]


async def test_failure_22_pages_of_any_size_are_the_log(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await answered(api, agent, session, "a", "b", "c")
    whole = await pages(api, session)
    assert [event["lsn"] for event in whole] == list(range(1, len(whole) + 1))
    for limit in range(1, len(whole) + 1):
        assert await pages(api, session, limit) == whole


async def test_failure_23_what_is_live_has_the_ids_that_are_stored(api: Api, agent: Scripted) -> None:
    session = await api.session()
    async with api.stream(f"api/sessions/{session}/events?after=0") as stream:
        sent = await api.send(session)
        agent.say(e.TextStart(id="x"), AgentError("provider", "The provider is out of order."))
        live = [event.data for event in await take(stream, ended) if not event.name]
    stored = await pages(api, session)
    assert live == stored
    answer = (await api.transcript(session))["messages"][1]
    start = next(event for event in live if event["type"] == "start")
    asked = next(event for event in live if event["type"] == "user-message")
    assert (start["messageId"], asked["message_id"]) == (answer["id"], sent["message_id"])
    assert live[-1]["error"]["text"] == live[-2]["errorText"] == "The provider is out of order."


async def test_failure_26_an_answer_that_nobody_watches_is_kept(api: Api, agent: Scripted) -> None:
    session = await api.session()
    assert not api.chat.streams
    await answered(api, agent, session, "for later")
    api.chat.registry._sessions.clear()
    assert text(await api.transcript(session)) == "for later" and len(agent.requests) == 1


async def test_failure_27_a_stop_before_the_first_token_is_no_error(api: Api, agent: Scripted) -> None:
    session = await api.session()
    sent = await api.send(session)
    await api("POST", f"api/sessions/{session}/stop", {"turn_id": sent["turn_id"]})
    stopped = (await api.settled(session))["messages"][1]["metadata"]
    assert stopped["outcome"] == "stopped" and "error" not in stopped
    async with api.stream(f"api/sessions/{session}/events?after={(await api.transcript(session))['lsn']}") as stream:
        await api.send(session, client_id="c_2")
        agent.say(AgentError("auth", "The key is wrong."))
        told = await take(stream, ended)
    assert told[-1].data["outcome"] == "failed" and told[-2].data["errorText"] == "The key is wrong."


async def test_failure_29_everything_comes_in_the_background_and_everywhere(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    picture = "data:image/png;base64,AA=="
    agent.say(
        e.ReasoningStart(id="r"),
        e.ReasoningDelta(id="r", delta="Let me think"),
        e.ReasoningEnd(id="r"),
        e.File(url=picture, media_type="image/png"),
        e.TextStart(id="x"),
        e.TextDelta(id="x", delta="half"),
    )

    async def seen() -> bool:
        return any(
            part["type"] == "text" and part["text"] for part in (await api.transcript(session))["messages"][1]["parts"]
        )

    await eventually(seen)
    elsewhere = await api.transcript(session)
    assert elsewhere["status"] == "streaming" and elsewhere["turn"]
    parts = elsewhere["messages"][1]["parts"]
    assert [part["type"] for part in parts] == ["reasoning", "file", "text"]
    assert (parts[0]["text"], parts[1]["url"], parts[2]["text"]) == ("Let me think", picture, "half")


async def test_failure_31_the_ids_are_there_before_the_first_token(api: Api, agent: Scripted) -> None:
    session = await api.session()
    sent = await api.send(session)
    assert agent.script.empty() and sent["turn_id"] and sent["message_id"] and sent["status"] == "started"
    transcript = await api.transcript(session)
    assert transcript["turn"]["id"] == sent["turn_id"] and transcript["messages"][1]["parts"] == []


async def test_failure_32_a_token_costs_a_token(api: Api, agent: Scripted) -> None:
    """One whole document was written per token: the size of the log is linear in the text."""
    session = await api.session()
    await api.send(session)
    agent.say(e.TextStart(id="x"))
    for n in range(100):
        agent.say(e.TextDelta(id="x", delta="w" * 320))
        size = 320 * (n + 1)

        async def stored(size: int = size) -> bool:
            async with api.chat.registry.acquire(session) as loaded:
                return len(text(loaded.transcript.to_json())) == size

        if n % 10 == 9:
            await eventually(stored)
    agent.finish()
    await api.settled(session)
    assert (await api.chat.registry.log.head(session)).size < 3 * 32_000


async def test_failure_33_a_tool_always_ends_and_keeps_its_input(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    for call in ("t1", "t2"):
        agent.say(e.ToolInputAvailable(tool_call_id=call, tool_name="f", input={"n": call}))
    agent.say(e.ToolOutputAvailable(tool_call_id="t1", output={"ok": True}))
    agent.say(e.ToolOutputAvailable(tool_call_id="nobody called this", output=1), None)
    done, cut = (await api.settled(session))["messages"][1]["parts"]
    assert (done["state"], done["input"], done["output"]) == ("output-available", {"n": "t1"}, {"ok": True})
    assert (cut["state"], cut["input"], cut["errorText"]) == ("output-error", {"n": "t2"}, "truncated")


async def test_failure_34_nobody_cleans_up_without_a_login(api: Api, agent: Scripted) -> None:
    session = await api.session()
    stranger = {"Authorization": "token of a stranger"}
    for method, path in [("DELETE", ""), ("POST", "/stop"), ("DELETE", "/queue/m_1"), ("PATCH", "")]:
        refused = await api(method, f"api/sessions/{session}{path}", {}, headers=stranger)
        assert refused.status_code == 403, (method, path)
    assert (await api.transcript(session))["id"] == session


async def test_failure_38_a_reader_gets_each_word_once(api: Api, agent: Scripted) -> None:
    """A reply of 8 kB cost 8.1 MB per reader, because every token sent the whole message."""
    session = await api.session()
    received = 0

    async def reader() -> None:
        nonlocal received
        url = f"{api.url}api/sessions/{session}/events?after=0"
        async with api.client.stream("GET", url, headers=api.headers, timeout=20) as response:
            async for piece in response.aiter_raw():
                received += len(piece)
                if b"turn-stopped" in piece:
                    return

    reading = asyncio.create_task(reader())
    await eventually(lambda: received > 0)
    await api.send(session)
    agent.say(e.TextStart(id="x"))
    for n in range(64):
        agent.say(e.TextDelta(id="x", delta="w" * 512))
        await eventually(agent.script.empty)
        before = received
        if n % 8 == 7:
            await eventually(lambda before=before: received > before or received > 512 * 64)
    agent.finish()
    await reading
    assert received < 3 * 32_768


async def test_failure_40_a_server_that_answers_is_not_idle(
    api: Api, agent: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither while its store takes for ever over something else."""
    asked, released = asyncio.Event(), asyncio.Event()

    async def renew(holder: str, seconds: float) -> None:
        asked.set()
        await released.wait()

    session = await api.session()
    monkeypatch.setattr(api.chat.registry.log, "renew", renew)
    await asked.wait()
    activity = api.chat.server.web_app.settings["last_activity_times"]
    activity.pop("durable_chat", None)
    await api.send(session)
    assert api.chat.current_activity() == {"turns": 1}
    await eventually(lambda: "durable_chat" in activity)
    released.set()
    agent.finish()
    await api.settled(session)
    await eventually(lambda: api.chat.current_activity() is None)
