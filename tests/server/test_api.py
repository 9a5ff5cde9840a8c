"""The HTTP contract, route by route, with the status codes of bad input one by one."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log import Fenced, LogUnavailable
from jupyter_durable_chat.log.migrations import migrate
from jupyter_durable_chat.server.prompts import prompts
from jupyter_durable_chat.session import Session
from tests.scripted import Scripted
from tests.server.conftest import Api
from tests.waiting import eventually


async def test_a_notebook_and_a_name_are_one_session(api: Api) -> None:
    first = await api("POST", "api/sessions", {"notebook": "a.ipynb", "name": "x", "title": "T"})
    assert first.status_code == 201 and first.headers["Location"].endswith(f"/api/sessions/{first.json()['id']}")
    assert first.json()["lsn"] == 1 and first.json()["title"] == "T" and first.json()["notebook"] == "a.ipynb"
    again = await api("POST", "api/sessions", {"notebook": "a.ipynb", "name": "x"})
    assert again.status_code == 200 and again.json() == first.json()
    for other in ({"notebook": "a.ipynb"}, {"notebook": "b.ipynb", "name": "x"}, {"name": "x"}):
        assert (await api("POST", "api/sessions", other)).json()["id"] != first.json()["id"]


async def test_concurrent_creation_makes_one_session(api: Api) -> None:
    answers = await asyncio.gather(*(api("POST", "api/sessions", {"notebook": "a.ipynb"}) for _ in range(8)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]


async def test_the_list_is_newest_first_filtered_and_paged(api: Api, agent: Scripted) -> None:
    ids = [await api.session(notebook=f"{n}.ipynb") for n in range(3)]
    await api.send(ids[0], "hello there")
    listed = (await api("GET", "api/sessions")).json()["sessions"]
    assert [s["id"] for s in listed] == [ids[0], ids[2], ids[1]]
    assert listed[0]["preview"] == "hello there" and listed[0]["status"] == "streaming" and listed[0]["messages"] == 2
    page = (await api("GET", "api/sessions?limit=2")).json()
    rest = (await api("GET", f"api/sessions?limit=2&before={page['before']}")).json()
    assert [s["id"] for s in page["sessions"] + rest["sessions"]] == [ids[0], ids[2], ids[1]] and rest["before"] is None
    assert [s["id"] for s in (await api("GET", "api/sessions?notebook=1.ipynb")).json()["sessions"]] == [ids[1]]
    assert [s["id"] for s in (await api("GET", "api/sessions?status=streaming")).json()["sessions"]] == [ids[0]]
    agent.finish()
    await api.settled(ids[0])
    assert (await api("GET", "api/sessions?status=streaming")).json()["sessions"] == []


async def test_search_finds_questions_and_answers(api: Api, agent: Scripted) -> None:
    asked, answered = await api.session(), await api.session()
    await api.send(asked, "What is a Histogram?")
    agent.finish()
    await api.settled(asked)
    await api.send(answered, "What is this?")
    agent.say_text("A histo", "gram of data.")
    agent.finish()
    await api.settled(answered)

    async def found(q: str) -> list[str]:
        listed = await api("GET", "api/sessions", params={"q": q})
        return [s["id"] for s in listed.json()["sessions"]]

    assert await found("histogram") == [answered, asked]
    assert await found("HISTO data") == [answered]
    assert await found("nothing") == [] and await found('"') == [] and await found("") == [answered, asked]
    assert await found("what " * 32) == [answered, asked]
    refused = await api("GET", "api/sessions", params={"q": "a " * 33})
    assert refused.status_code == 400 and "33 words" in refused.json()["message"] and "32" in refused.json()["message"]


async def test_an_answer_from_send_to_outcome(api: Api, agent: Scripted) -> None:
    session = await api.session()
    sent = await api.send(session)
    assert sent == {"message_id": sent["message_id"], "turn_id": sent["turn_id"], "lsn": 2, "status": "started"}
    agent.say_text("Hello ", "world")
    agent.finish()
    transcript = await api.settled(session)
    question, answer = transcript["messages"]
    assert question["id"] == sent["message_id"] and question["metadata"]["turn"] == sent["turn_id"]
    assert question["metadata"]["author"]["username"]
    assert answer["parts"] == [{"type": "text", "text": "Hello world", "state": "done"}]
    assert answer["metadata"]["outcome"] == "completed"
    assert transcript["usage"] == {"input_tokens": 2, "output_tokens": 3}
    assert agent.requests[0].messages == [question]


async def test_the_same_send_is_one_message_for_ever(api: Api, agent: Scripted) -> None:
    session = await api.session()
    sent = await api.send(session)
    assert await api.send(session) == sent
    agent.finish()
    await api.settled(session)
    assert await api.send(session) == sent
    for other in ({"text": "Other"}, {"model": "demo"}, {"parts": [{"type": "text", "text": "x"}]}):
        body = {"client_id": "c_1", "text": "Why?", **other}
        answer = await api("POST", f"api/sessions/{session}/messages", body)
        assert answer.status_code == 409 and answer.json()["code"] == "client-id-reused"
        assert "c_1" in answer.json()["message"]
    assert len(agent.requests) == 1 and len((await api.transcript(session))["messages"]) == 2


async def test_concurrent_repetitions_are_one_message(api: Api, agent: Scripted) -> None:
    session = await api.session()
    answers = await asyncio.gather(*(api.send(session) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    await agent.started.wait()
    assert len(agent.requests) == 1


async def test_stop_is_idempotent_and_leaves_one_record(api: Api, agent: Scripted) -> None:
    session = await api.session()
    assert (await api("POST", f"api/sessions/{session}/stop")).json() == {"stopped": False}
    sent = await api.send(session)
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))

    async def partial() -> bool:
        answer = (await api.transcript(session))["messages"][1]
        return bool(answer["parts"]) and answer["parts"][0]["text"] == "half"

    await eventually(partial)
    other = await api("POST", f"api/sessions/{session}/stop", {"turn_id": "t_other"})
    assert other.json() == {"stopped": False}
    body = {"turn_id": sent["turn_id"]}
    stops = await asyncio.gather(*(api("POST", f"api/sessions/{session}/stop", body) for _ in range(4)))
    assert all(stop.json() == {"stopped": True} for stop in stops) and agent.closed.is_set()
    transcript = await api.transcript(session)
    assert transcript["turn"] is None and transcript["messages"][1]["metadata"]["outcome"] == "stopped"
    assert transcript["messages"][1]["parts"][0]["text"] == "half"
    page = (await api("GET", f"api/sessions/{session}/events", headers={"Accept": "application/json"})).json()
    kinds = [event["type"] for event in page["events"]]
    assert kinds.count("stop-requested") == kinds.count("turn-stopped") == 1 and kinds[-1] == "turn-stopped"
    assert (await api("POST", f"api/sessions/{session}/stop")).json() == {"stopped": False}


async def test_stop_before_the_first_token(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    assert (await api("POST", f"api/sessions/{session}/stop")).json() == {"stopped": True}
    assert (await api.transcript(session))["messages"][1]["metadata"]["outcome"] == "stopped"
    await api.send(session, client_id="c_2")


async def test_a_failed_answer_says_why(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say(RuntimeError("sk-secret"))
    transcript = await api.settled(session)
    assert transcript["status"] == "failed" and "RuntimeError" in transcript["messages"][1]["metadata"]["error"]["text"]
    assert "sk-secret" not in json.dumps(transcript)


class TestTimeOut:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: dict[str, Any]) -> dict[str, Any]:
        return {**jp_server_config, "DurableChat": {**jp_server_config["DurableChat"], "inactivity_seconds": 0.05}}

    async def test_a_model_that_falls_silent_fails_with_its_text_kept(self, api: Api, agent: Scripted) -> None:
        session = await api.session()
        await api.send(session)
        agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
        answer = (await api.settled(session))["messages"][1]
        assert answer["metadata"]["outcome"] == "failed" and answer["parts"][0]["text"] == "half"
        assert "0.05 seconds" in answer["metadata"]["error"]["text"] and agent.closed.is_set()


async def test_changes(api: Api) -> None:
    session = await api.session()
    changed = await api("PATCH", f"api/sessions/{session}", {"title": "New", "muted": True})
    assert changed.status_code == 200 and changed.json()["title"] == "New" and changed.json()["muted"] is True
    (listed,) = (await api("GET", "api/sessions")).json()["sessions"]
    assert (listed["title"], listed["muted"]) == ("New", True)
    assert (await api("PATCH", f"api/sessions/{session}", {"title": None})).json()["title"] is None
    wrong = await api("PATCH", f"api/sessions/{session}", {"agent": "nobody"})
    assert wrong.status_code == 400 and "'nobody'" in wrong.json()["message"] and "demo" in wrong.json()["message"]


async def test_deleted_is_gone_and_unknown_never_was(api: Api, agent: Scripted) -> None:
    session = await api.session(notebook="a.ipynb")
    await api.send(session)
    await agent.started.wait()
    assert (await api("DELETE", f"api/sessions/{session}")).status_code == 204
    assert agent.closed.is_set()
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/messages"),
        ("POST", "/stop"),
        ("POST", "/fork"),
        ("GET", "/events"),
    ):
        body = {"client_id": "c", "text": "t"} if method == "POST" else {} if method == "PATCH" else None
        gone = await api(method, f"api/sessions/{session}{path}", body)
        assert (gone.status_code, gone.json()["code"]) == (410, "deleted"), (method, path)
        never = await api(method, f"api/sessions/s_never{path}", body)
        assert (never.status_code, never.json()["code"]) == (404, "unknown-session"), (method, path)
        assert "s_never" in never.json()["message"]
    assert (await api("POST", "api/sessions", {"notebook": "a.ipynb"})).status_code == 201
    assert (await api("GET", "api/nothing")).json()["code"] == "not-found"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "JSON"),
        (b"\xff\xfe", "JSON"),
        ([], "object"),
        ({"text": "t"}, "client_id"),
        ({"client_id": "c"}, "text"),
        ({"client_id": "c", "text": " \n"}, "text"),
        ({"client_id": "", "text": "t"}, "client_id"),
        ({"client_id": "c" * 201, "text": "t"}, "client_id"),
        ({"client_id": 7, "text": "t"}, "client_id"),
        ({"client_id": "c", "text": "t", "agent": "nobody"}, "'nobody'"),
    ],
)
async def test_a_bad_message_is_refused_with_its_word(api: Api, body: object, word: str) -> None:
    session = await api.session()
    answer = await api("POST", f"api/sessions/{session}/messages", body)
    assert answer.status_code == 400 and word in answer.json()["message"], answer.text
    assert answer.json()["reason"] == "Bad Request" and answer.json()["code"]
    assert (await api.transcript(session))["lsn"] == 1


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({}, "parts[1] has no type"),
        ({"type": 5}, "parts[1].type takes a string, and not 5"),
        ({"type": "blob"}, "'blob'"),
        ({"type": "dynamic-tool"}, "'dynamic-tool'"),
        ({"type": "text"}, "parts[1] has no text"),
        ({"type": "text", "text": 5}, "parts[1].text takes a string, and not 5"),
        ({"type": "file", "url": "data:,x"}, "parts[1] has no mediaType"),
        ({"type": "file", "mediaType": "text/plain", "url": None}, "parts[1].url takes a string, and not None"),
    ],
)
async def test_a_part_that_is_none_is_refused_with_its_place(
    api: Api, agent: Scripted, part: dict[str, Any], words: str
) -> None:
    session = await api.session()
    parts = [{"type": "data-x", "data": [1]}, part]
    refused = await api("POST", f"api/sessions/{session}/messages", {"client_id": "c", "text": "t", "parts": parts})
    assert refused.status_code == 400 and words in refused.json()["message"], refused.text
    assert (await api.transcript(session))["lsn"] == 1
    await api.send(session)
    waiting = await api.send(session, client_id="c_2")
    edit = {"text": "t", "parts": parts}
    refused = await api("PATCH", f"api/sessions/{session}/queue/{waiting['message_id']}", edit)
    assert refused.status_code == 400 and words in refused.json()["message"], refused.text


async def test_parts_come_back_as_they_were_sent(api: Api) -> None:
    session = await api.session()
    parts = [
        {"type": "text", "text": "more"},
        {"type": "file", "mediaType": "text/plain", "url": "data:,x", "filename": "x.txt"},
        {"type": "data-cell", "data": {"code": "1"}},
    ]
    await api.send(session, text="", parts=parts)
    assert (await api.transcript(session))["messages"][0]["parts"][1:] == parts


@pytest.mark.parametrize("levels", [65, 500, 990, 100_000])
async def test_json_that_nests_too_deep_is_refused(api: Api, levels: int) -> None:
    api.chat.max_message_bytes = 1_000_000
    session = await api.session()
    inside = levels - 3
    deep = b'{"client_id":"c","text":"t","parts":[{"type":"data-x","data":%b%b}]}' % (b"[" * inside, b"]" * inside)
    refused = await api("POST", f"api/sessions/{session}/messages", deep)
    assert refused.status_code == 400 and "64" in refused.json()["message"], refused.text
    assert (await api.transcript(session))["lsn"] == 1
    shallow = deep.replace(b"[" * inside, b"[" * 61).replace(b"]" * inside, b"]" * 61)
    assert (await api("POST", f"api/sessions/{session}/messages", shallow)).status_code == 202


async def test_an_empty_edit_is_refused_as_an_empty_message_is(api: Api, agent: Scripted) -> None:
    session = await api.session()
    sent = await api.send(session)
    waiting = (await api.send(session, client_id="c_2"))["message_id"]
    path = f"api/sessions/{session}"
    assert (await api("PATCH", f"{path}/queue/{waiting}", {"text": " \n"})).status_code == 400
    parts = [{"type": "file", "mediaType": "text/plain", "url": "data:,x"}]
    assert (await api("PATCH", f"{path}/queue/{waiting}", {"text": "", "parts": parts})).status_code == 200
    assert (await api("DELETE", f"{path}/queue/{waiting}")).status_code == 200
    agent.finish()
    last = (await api.settled(session))["lsn"]
    question = sent["message_id"]
    for body in ({"text": " "}, {"text": "x", "client_id": "k" * 201}, {"text": "x", "client_id": ""}):
        refused = await api("POST", f"{path}/retry", {"message_id": question, **body})
        assert refused.status_code == 400, refused.text
    assert (await api("POST", f"{path}/continue", {"client_id": "k" * 201})).status_code == 400
    assert (await api.transcript(session))["lsn"] == last


async def test_a_writer_that_was_fenced_off_says_to_try_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fenced(session: Session, change: e.SessionUpdated) -> None:
        raise Fenced(session.id, 1, 2)

    session = await api.session()
    monkeypatch.setattr(Session, "update", fenced)
    answer = await api("PATCH", f"api/sessions/{session}", {"title": "T"})
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "busy", "1")
    assert session in answer.json()["message"]


async def test_a_page_of_the_list_goes_on_after_a_session_that_was_deleted(api: Api) -> None:
    ids = [await api.session() for _ in range(3)]
    page = (await api("GET", "api/sessions?limit=1")).json()
    await api("DELETE", f"api/sessions/{page['before']}")
    rest = await api("GET", f"api/sessions?before={page['before']}")
    assert [s["id"] for s in rest.json()["sessions"]] == [ids[1], ids[0]]
    never = await api("GET", "api/sessions?before=s_never")
    assert never.status_code == 404 and "'s_never'" in never.json()["message"]


async def test_a_body_over_the_limit(api: Api) -> None:
    session = await api.session()
    body = {"client_id": "c", "text": "x" * 10_000}
    answer = await api("POST", f"api/sessions/{session}/messages", body)
    assert answer.status_code == 413 and "max_message_bytes" in answer.json()["message"]


@pytest.mark.parametrize("value", ["-1", "2abc", "", " 1", "1.0", "٣", "9" * 30])
async def test_a_bad_lsn_is_refused_with_its_word(api: Api, value: str) -> None:
    session = await api.session()
    single = await api("GET", f"api/sessions/{session}/events", params={"after": value})
    shared = await api("GET", "api/events", params={"after": f"{session}:{value}"})
    for answer in (single, shared):
        assert answer.status_code == 400 and answer.json()["code"] == "malformed", answer.text
    assert repr(value) in single.json()["message"]


@pytest.mark.parametrize("value", ["-1", "2abc", "1.0", "9" * 30])
async def test_a_bad_last_event_id_is_refused_with_its_word(api: Api, value: str) -> None:
    session = await api.session()
    for path in (f"api/sessions/{session}/events", "api/events"):
        answer = await api("GET", path, headers={"Last-Event-ID": value})
        assert answer.status_code == 400 and "Last-Event-ID" in answer.json()["message"], answer.text


@pytest.mark.parametrize("query", ["", "after=", "after=s_1", "after=:3"])
async def test_a_shared_stream_of_nothing_is_refused(api: Api, query: str) -> None:
    for accept in ("text/event-stream", "application/json"):
        assert (await api("GET", f"api/events?{query}", headers={"Accept": accept})).status_code == 400


@pytest.mark.parametrize("query", ["limit=0", "limit=-3", "limit=x", "limit=99999", "wait=-1", "wait=soon", "wait=nan"])
async def test_a_bad_page_is_refused(api: Api, query: str) -> None:
    session = await api.session()
    paths = [f"api/sessions/{session}/events?after=1&{query}", f"api/events?after={session}:1&{query}"]
    for path in paths[: 1 if "limit" in query else 2]:
        answer = await api("GET", path, headers={"Accept": "application/json"})
        assert answer.status_code == 400 and query.split("=")[0] in answer.json()["message"]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_an_lsn_ahead_of_the_log_is_a_conflict(api: Api, accept: str) -> None:
    session = await api.session()
    answer = await api("GET", f"api/sessions/{session}/events?after=7", headers={"Accept": accept})
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["last_lsn"]) == ("lsn-ahead", 1)


async def test_pages_are_exclusive_complete_and_wait(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)

    async def page(query: str) -> dict:
        path = f"api/sessions/{session}/events?{query}"
        return (await api("GET", path, headers={"Accept": "application/json"})).json()

    first = await page("after=0&limit=3")
    assert [event["lsn"] for event in first["events"]] == [1, 2, 3] and first["more"] is True and first["lsn"] == 4
    second = await page("after=3")
    assert [event["lsn"] for event in second["events"]] == [4] and second["more"] is False
    waiting = asyncio.create_task(page("after=4&wait=20"))
    agent.say(e.TextStart(id="x"))
    assert [event["type"] for event in (await waiting)["events"]] == ["text-start"]
    assert (await page("after=5&wait=0.01"))["events"] == []


async def test_agents_and_health(api: Api) -> None:
    agents = (await api("GET", "api/agents")).json()
    assert agents["default"] == "demo" and {"demo", "assistant", "scripted"} <= {a["name"] for a in agents["agents"]}
    session = await api.session()
    await api.send(session)
    health = (await api("GET", "api/health")).json()
    assert health["status"] == "ok" and health["turns"] == 1 and health["readers"] == 0


async def test_prompts_are_offered_as_they_are_configured(api: Api) -> None:
    assert (await api("GET", "api/agents")).json()["prompts"] == [
        {"name": "explain", "description": "from the beginning", "text": "Explain {what}."},
        {"name": "short", "description": "", "text": "In one sentence:"},
    ]


@pytest.mark.parametrize(
    ("name", "said"), [("two words", "text"), ("empty", " "), ("typo", {"txt": "a"}), ("list", [])]
)
def test_a_wrong_prompt_is_refused_by_its_name(name: str, said: object) -> None:
    with pytest.raises(ValueError, match=f"prompts.*{name}"):
        prompts({name: said})


async def test_an_agent_that_cannot_answer_is_503(api: Api) -> None:
    session = await api.session(agent="assistant")
    body = {"client_id": "c", "text": "t", "model": "nonesuch:model"}
    answer = await api("POST", f"api/sessions/{session}/messages", body)
    assert answer.status_code == 503 and answer.json()["code"] == "agent-unavailable"
    assert "nonesuch" in answer.json()["message"]
    assert (await api.transcript(session))["lsn"] == 1


async def test_fork_copies_up_to_a_message_and_both_go_on(api: Api, agent: Scripted) -> None:
    session = await api.session(notebook="a.ipynb")
    for n in (1, 2):
        sent = await api.send(session, f"Q{n}", f"c_{n}")
        agent.say_text(f"A{n}")
        agent.finish()
        await api.settled(session)
    first = (await api.transcript(session))["messages"][0]["id"]
    fork = await api("POST", f"api/sessions/{session}/fork", {"message_id": first})
    assert fork.status_code == 201 and fork.json()["id"] != session
    assert [m["parts"][0]["text"] for m in fork.json()["messages"]] == ["Q1", "A1"]
    whole = (await api("POST", f"api/sessions/{session}/fork", {})).json()
    assert whole["messages"] == (await api.transcript(session))["messages"]
    assert (await api.send(fork.json()["id"], "Q3", "c_3"))["turn_id"] != sent["turn_id"]
    assert len((await api.transcript(session))["messages"]) == 4
    assert (await api("POST", f"api/sessions/{session}/fork", {"lsn": 999})).status_code == 409
    assert (await api("POST", f"api/sessions/{session}/fork", {"message_id": "m_no"})).status_code == 404


async def test_fork_of_a_running_turn_is_interrupted_there_only(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    fork = (await api("POST", f"api/sessions/{session}/fork", {})).json()
    assert fork["turn"] is None and fork["messages"][1]["metadata"]["outcome"] == "interrupted"
    agent.finish()
    assert (await api.settled(session))["messages"][1]["metadata"]["outcome"] == "completed"


class TestStoreThatCannotBeOpened:
    CONTENT = b"this is no database, and nobody may overwrite it" * 100

    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:
        path = tmp_path / "log.sqlite3"
        path.write_bytes(self.CONTENT)
        yield path
        assert not path.exists() or path.read_bytes() == self.CONTENT

    async def test_jupyter_works_and_the_api_says_why(self, api: Api, store: Path, jp_fetch: Any) -> None:
        assert (await jp_fetch("api", "status")).code == 200
        for method, path, body in (
            ("POST", "api/sessions", {}),
            ("GET", "api/sessions", None),
            ("GET", "api/sessions/s_1", None),
            ("GET", "api/sessions/s_1/events", None),
            ("GET", "api/health", None),
        ):
            answer = await api(method, path, body)
            assert answer.status_code == 503, (path, answer.text)
            assert str(store) in answer.text

    async def test_it_recovers_when_the_file_is_moved_away(self, api: Api, store: Path) -> None:
        assert (await api("GET", "api/sessions")).status_code == 503
        await asyncio.to_thread(store.rename, store.with_suffix(".away"))

        async def works() -> bool:
            return (await api("GET", "api/sessions")).status_code == 200

        await eventually(works)
        await asyncio.to_thread(store.unlink)


class TestStoreOfANewerVersion:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Path:
        """With what it was before beside it."""
        path = tmp_path / "log.sqlite3"
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            migrate(db)
            shutil.copy(path, f"{path}.schema-2.20261128T120000Z.backup")
            db.execute("PRAGMA user_version = 99")
        return path

    async def test_jupyter_works_and_the_api_says_what_to_do(self, api: Api, store: Path, jp_fetch: Any) -> None:
        assert (await jp_fetch("api", "status")).code == 200
        refused = await api("GET", "api/sessions")
        assert refused.status_code == 503 and refused.json()["code"] == "store-unavailable"
        said = refused.json()["message"]
        assert f"{store} cannot be used: a newer version" in said and "Upgrade jupyter-durable-chat" in said
        assert f"kept as {store}.schema-2.20261128T120000Z.backup (docs/upgrading.md)" in said


async def test_the_end_closes_what_an_opening_that_failed_had_begun(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> None:
        raise RuntimeError

    await api.chat.stop_extension()
    api.chat.initialize_settings()
    registry = api.chat.registry
    monkeypatch.setattr(registry, "_drain", fail)
    assert (await api("GET", "api/sessions")).status_code == 500
    assert registry.log
    await api.chat.stop_extension()
    with pytest.raises(LogUnavailable, match="shutting down"):
        _ = registry.log
