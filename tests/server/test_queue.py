"""The queue: durable, shared, in order, held after a stop, and never lost."""

import asyncio

import pytest

from jupyter_durable_chat import events as e
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api
from tests.waiting import eventually


async def queued(api: Api, session: str, *texts: str) -> list[JSON]:
    return [await api.send(session, text, f"c_{text}") for text in texts]


async def texts(api: Api, session: str) -> list[str]:
    return [m["parts"][0]["text"] for m in (await api.transcript(session))["queue"]]


async def turns_ended(api: Api, session: str, count: int) -> JSON:
    """The transcript once so many turns have ended."""

    async def ended() -> bool:
        messages = (await api.transcript(session))["messages"]
        return sum("outcome" in m["metadata"] for m in messages) >= count

    await eventually(ended)
    return await api.transcript(session)


async def test_a_message_sent_while_a_turn_runs_waits_and_then_starts_by_itself(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session, "first", "c_first")
    second, third = await queued(api, session, "second", "third")
    assert second["status"] == third["status"] == "queued" and second["turn_id"] != third["turn_id"]
    assert await texts(api, session) == ["second", "third"]
    for _ in range(3):
        agent.finish()
    transcript = await turns_ended(api, session, 3)
    said = [m["parts"][0]["text"] for m in transcript["messages"] if m["role"] == "user"]
    assert said == ["first", "second", "third"] and transcript["queue"] == []
    started = [m["metadata"]["turn"] for m in transcript["messages"] if m["role"] == "user"]
    assert started[1:] == [second["turn_id"], third["turn_id"]]
    assert await api.send(session, "second", "c_second") == second, "the same answer for ever"


async def test_a_queued_message_keeps_the_model_that_its_session_had(api: Api, agent: Scripted) -> None:
    session = await api.session(model="m:before")
    await queued(api, session, "first", "second")
    await api("PATCH", f"api/sessions/{session}", {"model": "m:after"})
    agent.finish()
    await eventually(lambda: len(agent.requests) == 2)
    assert agent.requests[1].model == "m:before"


async def test_failure_18_a_queued_message_keeps_what_it_was_sent_with(api: Api, agent: Scripted) -> None:
    """A queued message ran with other permissions than it was sent with."""
    session = await api.session()
    await api.send(session, "first", "c_first")
    await api.send(session, "second", "c_second", agent="scripted", model="m:one", tools=["f"])
    await api("PATCH", f"api/sessions/{session}", {"agent": "demo", "model": "demo"})
    agent.finish()
    await agent.started.wait()
    await eventually(lambda: len(agent.requests) == 2)
    message = agent.requests[1].messages[-1]
    assert agent.requests[1].model == "m:one" and message["metadata"]["tools"] == ["f"]


async def test_a_stop_holds_the_queue_until_it_is_resumed(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session, "first", "c_first")
    await queued(api, session, "second")
    await agent.started.wait()
    await api("POST", f"api/sessions/{session}/stop")
    transcript = await api.transcript(session)
    assert transcript["held"] == "stopped" and transcript["turn"] is None and len(transcript["queue"]) == 1
    assert (await api.send(session, "third", "c_third"))["status"] == "queued", "it never overtakes"
    assert len(agent.requests) == 1
    for _ in range(2):
        resumed = await api("POST", f"api/sessions/{session}/queue/resume")
        assert resumed.status_code == 200 and resumed.json()["held"] is None
    agent.finish()
    agent.finish()
    transcript = await turns_ended(api, session, 3)
    assert [m["parts"][0]["text"] for m in agent.requests[1].messages if m["role"] == "user"] == ["first", "second"]
    assert len(agent.requests) == 3 and transcript["queue"] == []


async def test_an_error_does_not_hold_the_queue(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session, "first", "c_first")
    await queued(api, session, "second")
    agent.say(RuntimeError("broken"))
    agent.finish()
    outcomes = [m["metadata"].get("outcome") for m in (await turns_ended(api, session, 2))["messages"][1::2]]
    assert outcomes == ["failed", "completed"]


async def test_any_client_edits_removes_and_reorders(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session, "first", "c_first")
    a, b, c = await queued(api, session, "a", "b", "c")
    edited = await api("PATCH", f"api/sessions/{session}/queue/{b['message_id']}", {"text": "b2"})
    assert edited.status_code == 200
    await api("PATCH", f"api/sessions/{session}/queue", {"message_ids": [c["message_id"], b["message_id"]]})
    assert await texts(api, session) == ["c", "b2", "a"]
    for _ in range(2):
        removed = await api("DELETE", f"api/sessions/{session}/queue/{a['message_id']}")
        assert removed.json() == {"removed": True}
    assert await texts(api, session) == ["c", "b2"]
    assert await api.send(session, "a", "c_a") == a, "a removed message is not sent again by a repetition"
    assert await api.send(session, "b", "c_b") == b, "an edited message is still the one that was sent"
    agent.finish()
    agent.finish()
    agent.finish()
    transcript = await turns_ended(api, session, 3)
    assert [m["parts"][0]["text"] for m in transcript["messages"] if m["role"] == "user"] == ["first", "c", "b2"]
    assert (await api("DELETE", f"api/sessions/{session}/queue/{c['message_id']}")).json() == {"removed": False}
    assert await api.send(session, "b", "c_b") == b


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("DELETE", "queue/m_no", None, 404),
        ("PATCH", "queue/m_no", {"text": "t"}, 409),
        ("PATCH", "queue/m_no", {}, 400),
        ("PATCH", "queue", {"message_ids": ["m_no"]}, 409),
        ("PATCH", "queue", {"message_ids": "m_no"}, 400),
    ],
)
async def test_what_does_not_wait_is_refused(api: Api, method: str, path: str, body: JSON | None, status: int) -> None:
    session = await api.session()
    answer = await api(method, f"api/sessions/{session}/{path}", body)
    assert answer.status_code == status, answer.text


async def test_failure_19_a_start_that_fails_puts_it_back_and_holds_the_queue(api: Api, agent: Scripted) -> None:
    """A failed auto-start lost the queued message."""
    session = await api.session()
    await api.send(session, "first", "c_first")
    await api.send(session, "second", "c_second")
    agent.refuses = "The model is away."
    agent.finish()

    async def held() -> bool:
        return (await api.transcript(session))["held"] is not None

    await eventually(held)
    transcript = await api.transcript(session)
    assert transcript["held"] == "The model is away." and len(transcript["queue"]) == 1
    agent.refuses = None
    agent.finish()
    await api("POST", f"api/sessions/{session}/queue/resume")
    assert len((await turns_ended(api, session, 2))["messages"]) == 4


async def test_failure_20_a_shutdown_starts_nothing_and_the_next_server_goes_on(api: Api, agent: Scripted) -> None:
    """Shutdown started the next queued message; restart lost the queue."""
    session = await api.session()
    await api.send(session, "first", "c_first")
    await queued(api, session, "second")
    await agent.started.wait()
    await api.chat.stop_extension()
    assert len(agent.requests) == 1
    api.chat.initialize_settings()
    agent.finish()
    transcript = await turns_ended(api, session, 2)
    outcomes = [m["metadata"]["outcome"] for m in transcript["messages"] if m["role"] == "assistant"]
    assert outcomes == ["interrupted", "completed"] and len(agent.requests) == 2


async def test_many_senders_at_once_lose_nothing_and_keep_one_order(api: Api, agent: Scripted) -> None:
    session = await api.session()
    sent = await asyncio.gather(*(api.send(session, f"t{n}", f"c_{n}") for n in range(10)))
    assert sum(s["status"] == "started" for s in sent) == 1
    for _ in range(10):
        agent.finish()
    transcript = await turns_ended(api, session, 10)
    said = [m["id"] for m in transcript["messages"] if m["role"] == "user"]
    assert said == [s["message_id"] for s in sorted(sent, key=lambda s: s["lsn"])]


class TestBranches:
    async def answered(self, api: Api, agent: Scripted, session: str, question: str, answer: str) -> JSON:
        sent = await api.send(session, question, f"c_{question}")
        agent.say_text(answer)
        agent.finish()
        await api.settled(session)
        return sent

    async def shown(self, api: Api, session: str) -> list[str]:
        return ["".join(p.get("text", "") for p in m["parts"]) for m in (await api.transcript(session))["messages"]]

    async def post(self, api: Api, session: str, command: str, **body: object) -> JSON:
        answer = await api("POST", f"api/sessions/{session}/{command}", body)
        assert answer.status_code in (200, 202), answer.text
        return answer.json()

    async def test_retry_answers_again_beside_the_old_answer(self, api: Api, agent: Scripted) -> None:
        session = await api.session()
        sent = await self.answered(api, agent, session, "Q", "one")
        retried = await self.post(api, session, "retry", message_id=sent["message_id"], model="m:two", client_id="r")
        assert retried["message_id"] == sent["message_id"] and retried["turn_id"] != sent["turn_id"]
        assert await self.post(api, session, "retry", message_id=sent["message_id"], client_id="r") == retried
        agent.say_text("two")
        agent.finish()
        transcript = await api.settled(session)
        assert await self.shown(api, session) == ["Q", "two"] and agent.requests[1].model == "m:two"
        assert [m["parts"][0]["text"] for m in transcript["others"]] == ["one"]
        assert [m["role"] for m in agent.requests[1].messages] == ["user"]
        old = transcript["others"][0]["id"]
        selected = await self.post(api, session, "branch", message_id=old)
        assert [m["id"] for m in selected["messages"]][-1] == old
        await self.answered(api, agent, session, "More", "three")
        assert await self.shown(api, session) == ["Q", "one", "More", "three"]
        assert [len(r.messages) for r in agent.requests] == [1, 1, 3]

    async def test_edit_makes_a_branch_and_rewrites_nothing(self, api: Api, agent: Scripted) -> None:
        session = await api.session()
        first = await self.answered(api, agent, session, "Q1", "A1")
        await self.answered(api, agent, session, "Q2", "A2")
        edited = await self.post(api, session, "retry", message_id=first["message_id"], text="Q1 edited")
        assert edited["message_id"] != first["message_id"]
        agent.say_text("B1")
        agent.finish()
        transcript = await api.settled(session)
        assert await self.shown(api, session) == ["Q1 edited", "B1"]
        assert [m["parts"][0]["text"] for m in transcript["others"]] == ["Q1", "A1", "Q2", "A2"]
        await self.post(api, session, "branch", message_id=first["message_id"])
        assert await self.shown(api, session) == ["Q1", "A1", "Q2", "A2"], "the newest leaf of that branch"

    async def test_continue_goes_on_and_keeps_the_text(self, api: Api, agent: Scripted) -> None:
        session = await api.session()
        await api.send(session, "Q", "c")
        agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"), None)
        answer = (await api.settled(session))["messages"][1]
        assert answer["metadata"]["outcome"] == "truncated"
        await self.post(api, session, "continue")
        agent.say_text(" and half")
        agent.finish()
        continued = (await api.settled(session))["messages"][1]
        assert await self.shown(api, session) == ["Q", "half and half"]
        assert continued["id"] == answer["id"] and continued["metadata"]["outcome"] == "completed"
        assert "error" not in continued["metadata"]
        assert agent.requests[1].messages[-1]["parts"][0]["text"].startswith("half")
        refused = await api("POST", f"api/sessions/{session}/continue", {})
        assert refused.status_code == 409 and refused.json()["code"] == "nothing-to-continue"

    @pytest.mark.parametrize("command", ["retry", "branch", "continue"])
    async def test_unknown_messages_and_running_turns(self, api: Api, agent: Scripted, command: str) -> None:
        session = await api.session()
        unknown = await api("POST", f"api/sessions/{session}/{command}", {"message_id": "m_no"})
        assert unknown.status_code == 404 and "m_no" in unknown.json()["message"]
        sent = await api.send(session)
        busy = await api("POST", f"api/sessions/{session}/{command}", {"message_id": sent["message_id"]})
        assert busy.status_code == 409 and busy.json()["code"] == "turn-running"
