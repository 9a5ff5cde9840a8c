"""A session as a file over HTTP, and a file as a session."""

import asyncio
import hashlib
import json
import threading
from typing import Any
from urllib.parse import unquote

import nbformat
import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.readable.document import Document
from jupyter_durable_chat.server import files
from jupyter_durable_chat.server.files import filename
from tests.server.conftest import JSON, Api, Scripted
from tests.waiting import eventually

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
HASH = hashlib.sha256(PNG).hexdigest()

CODE = "Do this:\n\n```python\nprint(1)\n```\n\nThat is *all*."


@pytest.fixture
def jp_server_config(jp_server_config: JSON) -> JSON:
    jp_server_config["DurableChat"] |= {"max_import_bytes": 200_000, "max_session_bytes": 100_000}
    return jp_server_config


async def answered(api: Api, agent: Scripted, text: str = CODE, **more: Any) -> str:
    """A session with a question about a picture and its answer."""
    session = await api.session(**more)
    await api("POST", f"api/sessions/{session}/attachments?filename=a.png", PNG)
    picture = {"type": "file", "mediaType": "image/png", "url": f"attachment:{HASH}", "filename": "a.png"}
    agent.say(e.ReasoningStart(id="r"), e.ReasoningDelta(id="r", delta="Hm."), e.ReasoningEnd(id="r"))
    agent.say_text(text)
    agent.finish()
    await api.send(session, "What is *this*?", parts=[picture])
    await api.settled(session)
    return session


async def export(api: Api, session: str, kind: str) -> Any:
    answer = await api("GET", f"api/sessions/{session}/export?format={kind}")
    assert answer.status_code == 200, answer.text
    return answer


async def bring(api: Api, file: Any) -> Any:
    return await api("POST", "api/sessions/import", file if isinstance(file, bytes) else json.dumps(file).encode())


def said(transcript: JSON) -> list[JSON]:
    """Every message as it is told, without who told it."""
    return [
        {**message, "metadata": {k: v for k, v in message["metadata"].items() if k != "author"}}
        for message in (*transcript["messages"], *transcript["others"])
    ]


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("md", "text/markdown; charset=utf-8"),
        ("html", "text/html; charset=utf-8"),
        ("json", "application/json"),
        ("ipynb", "application/x-ipynb+json"),
    ],
)
async def test_a_file_is_to_be_saved_under_the_title(api: Api, agent: Scripted, kind: str, media_type: str) -> None:
    session = await answered(api, agent, title='Über "alles"/\u202e\r\nX: <b>')
    answer = await export(api, session, kind)
    assert answer.headers["Content-Type"] == media_type
    how, plain, name = answer.headers["Content-Disposition"].split("; ")
    assert (how, plain) == ("attachment", f'filename="chat.{kind}"')
    assert name.isascii()
    assert unquote(name.removeprefix("filename*=UTF-8''")) == f"Über -alles--X- -b-.{kind}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "*all*" in answer.text or "<em>all</em>" in answer.text


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("", "chat"),
        ("...", "chat"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("../../etc", "-..-etc"),
        ("a" * 99, "a" * 80),
    ],
)
def test_names_that_every_system_takes(title: str, name: str) -> None:
    assert filename(title) == name


async def test_another_format_and_another_session(api: Api) -> None:
    session = await api.session()
    answer = await api("GET", f"api/sessions/{session}/export?format=docx")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert "md, html, ipynb, json, and not 'docx'" in answer.json()["message"]
    assert (await api("GET", "api/sessions/s_no/export")).status_code == 404


async def test_a_conversation_without_a_word(api: Api) -> None:
    session = await api.session()
    assert "No messages yet" in (await export(api, session, "md")).text
    assert "No messages yet" in (await export(api, session, "html")).text
    nbformat.validate(nbformat.reads((await export(api, session, "ipynb")).text, as_version=4))
    assert (await bring(api, (await export(api, session, "json")).content)).status_code == 201


async def test_what_is_answered_just_now_is_marked(api: Api, agent: Scripted) -> None:
    session = await api.session()
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="So far"))
    await api.send(session)
    async with api.stream(f"api/sessions/{session}/events?after=0") as stream:
        async for event in stream:
            if event.data.get("delta") == "So far":
                break
    for kind in ("md", "html", "ipynb"):
        text = (await export(api, session, kind)).text
        assert "So far" in text and "still answering" in text
    brought = await bring(api, (await export(api, session, "json")).content)
    assert brought.status_code == 201
    answer = brought.json()["messages"][-1]
    assert (answer["parts"][0]["text"], answer["metadata"]["outcome"]) == ("So far", "interrupted")
    agent.finish()
    assert (await api.settled(session))["messages"][-1]["metadata"]["outcome"] == "completed"


async def test_a_notebook_is_one(api: Api, agent: Scripted) -> None:
    session = await answered(api, agent)
    notebook = nbformat.reads((await export(api, session, "ipynb")).text, as_version=4)
    nbformat.validate(notebook)
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "markdown", "markdown", "code", "markdown"]
    question, before, code, after = notebook.cells[1:]
    assert list(question.attachments) == [f"{HASH}.png"]
    assert "![a.png](attachment:" in question.source
    assert before.source.endswith("Do this:")
    assert (code.source, code.execution_count, code.outputs) == ("print(1)", None, [])
    assert after.source == "That is *all*."


async def test_a_page_holds_its_pictures_as_far_as_there_is_room(
    api: Api, agent: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await answered(api, agent)
    page = (await export(api, session, "html")).text
    assert 'src="data:image/png;base64,iVBORw0KGgo' in page
    monkeypatch.setattr(files, "EMBEDDED_BYTES", 100)
    page = (await export(api, session, "html")).text
    assert "file: a.png (264 bytes, too large to be in this file)" in page
    assert "base64," not in page


async def test_out_and_in(api: Api, agent: Scripted) -> None:
    session = await answered(api, agent, title="Pictures")
    before = await api.transcript(session)
    file = (await export(api, session, "json")).content
    answer = await bring(api, file)
    assert answer.status_code == 201
    after = answer.json()
    assert after["id"] != session and answer.headers["Location"].endswith(after["id"])
    assert (after["missing"], after["title"], after["agent"]) == ([], "Pictures", None)
    assert after["messages"][0]["metadata"]["author"]["username"].startswith("imported:")
    assert said(after) == said(before)
    del after["missing"]
    assert await api.transcript(after["id"]) == after, "what is stored is what was said to be"
    picture = await api("GET", f"api/sessions/{after['id']}/attachments/{HASH}")
    assert picture.content == PNG
    again = json.loads((await export(api, after["id"], "json")).content)
    ours = json.loads(file)
    told = [event["type"] for event in again["events"]]
    assert told == [*(event["type"] for event in ours["events"]), "session-created", "session-updated"]
    assert again["attachments"] == ours["attachments"]
    found = await api("GET", "api/sessions?q=all")
    assert after["id"] in [listed["id"] for listed in found.json()["sessions"]]


async def test_one_goes_on_with_it(api: Api, agent: Scripted) -> None:
    session = await answered(api, agent)
    brought = (await bring(api, (await export(api, session, "json")).content)).json()["id"]
    agent.say_text("Yes.")
    agent.finish()
    await api.send(brought, "Really?", client_id="c_2", agent="scripted")
    transcript = await api.settled(brought)
    assert [m["parts"][-1]["text"] for m in transcript["messages"][-2:]] == ["Really?", "Yes."]
    assert len(agent.requests[-1].messages) == 3


async def test_a_fork_and_what_was_compacted_go_out_and_in(api: Api, agent: Scripted) -> None:
    session = await answered(api, agent)
    fork = (await api("POST", f"api/sessions/{session}/fork", {})).json()["id"]
    async with api.chat.registry.acquire(session) as loaded:
        await loaded.compact()
    for each in (fork, session):
        file = json.loads((await export(api, each, "json")).content)
        assert file["snapshot"]["lsn"] + len(file["events"]) == file["session"]["lsn"]
        after = await bring(api, file)
        assert after.status_code == 201, after.text
        assert said(after.json()) == said(await api.transcript(session))
        assert said(await api.transcript(after.json()["id"])) == said(await api.transcript(session))


async def test_a_file_that_is_no_longer_kept_is_named(api: Api, agent: Scripted) -> None:
    session = await answered(api, agent)
    await api.chat.attachments.forget(session)
    assert "file: a.png (no longer kept)" in (await export(api, session, "html")).text
    file = json.loads((await export(api, session, "json")).content)
    assert file["attachments"] == [{"hash": HASH, "why": "it is no longer kept"}]
    assert (await bring(api, file)).json()["missing"] == [{"hash": HASH, "why": "it is no longer kept"}]


async def test_what_is_refused_has_made_nothing(api: Api, agent: Scripted) -> None:
    session = await answered(api, agent)
    file = json.loads((await export(api, session, "json")).content)

    async def there() -> list[tuple[str, int]]:
        return [(listed["id"], listed["lsn"]) for listed in (await api("GET", "api/sessions")).json()["sessions"]]

    everything = await there()

    async def refused(file: Any) -> tuple[int, str]:
        answer = await bring(api, file)
        assert await there() == everything
        return answer.status_code, answer.json()["message"]

    file["events"][3]["lsn"] = 9
    assert await refused(file) == (400, "events[3].lsn takes 4, the number after the one before it, and not 9.")
    assert (await refused(b"no"))[0] == 400
    assert (await refused(b" " * 200_001)) == (
        413,
        "The file has 200001 bytes; c.DurableChat.max_import_bytes allows 200000.",
    )
    long = {**file, "events": [*file["events"][:2]]}
    long["events"][1] = {**long["events"][1], "text": "x" * 100_001}
    status, why = await refused(long)
    assert (status, why.startswith("events[1]: up to here the conversation has ")) == (413, True)
    assert (
        not (api.chat.attachments.folder / "sessions").exists()
        or len(list((api.chat.attachments.folder / "sessions").iterdir())) == 1
    )


async def test_a_log_of_many_slices(api: Api) -> None:
    session = await api.session()
    records = [e.encode(e.SessionUpdated(title=f"{n}"), at="2026-11-28T03:00:00.000Z") for n in range(2500)]
    await api.chat.registry.log.append(session, records)
    file = json.loads((await export(api, session, "json")).content)
    assert [event["lsn"] for event in file["events"]] == list(range(1, 2502))


async def test_what_is_compacted_while_it_is_read_is_whole(
    api: Api, agent: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await answered(api, agent)
    log = api.chat.registry.log
    titles = [e.encode(e.SessionUpdated(title=f"{n}"), at="2026-11-28T03:00:00.000Z") for n in range(2500)]
    await log.append(session, titles)
    read = log.read

    async def overtaken(stream: str, after: int, **limits: Any) -> Any:
        records = await read(stream, after, **limits)
        if "limit" in limits and 0 < after < 2000:
            async with api.chat.registry.acquire(session) as loaded:
                await loaded.compact()
        return records

    monkeypatch.setattr(log, "read", overtaken)
    file = json.loads((await export(api, session, "json")).content)
    monkeypatch.undo()
    assert file["snapshot"]["title"] == "2499" and file["events"] == []
    assert file["session"]["lsn"] == file["snapshot"]["lsn"] == (await api.transcript(session))["lsn"]
    assert [attachment["hash"] for attachment in file["attachments"]] == [HASH]
    after = await bring(api, file)
    assert after.status_code == 201 and said(after.json()) == said(await api.transcript(session))


async def test_what_is_deleted_while_it_is_read_is_no_file(
    api: Api, agent: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await answered(api, agent)
    log = api.chat.registry.log
    read = log.read

    async def too_late(stream: str, after: int, **limits: Any) -> Any:
        if "limit" in limits:
            await log.delete(stream)
        return await read(stream, after, **limits)

    monkeypatch.setattr(log, "read", too_late)
    answer = await api("GET", f"api/sessions/{session}/export?format=json")
    assert (answer.status_code, answer.json()["code"]) == (410, "deleted")


@pytest.mark.parametrize("kind", ["md", "html", "ipynb"])
async def test_while_a_document_is_made_everything_else_goes_on(
    api: Api, agent: Scripted, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    session = await answered(api, agent)
    begun, go_on = threading.Event(), threading.Event()

    def slow(document: Document) -> str:
        begun.set()
        assert go_on.wait(20)
        return document.title

    monkeypatch.setitem(files.KINDS, kind, files.KINDS[kind]._replace(write=slow))
    exporting = asyncio.create_task(export(api, session, kind))
    await eventually(begun.is_set)
    assert (await api("GET", "api/health")).status_code == 200 and not exporting.done()
    go_on.set()
    await exporting


async def test_only_who_may(api: Api) -> None:
    session = await api.session()
    for method, path in (("GET", f"api/sessions/{session}/export"), ("POST", "api/sessions/import")):
        answer = await api.client.request(method, api.url + path, content=b"{}" if method == "POST" else None)
        assert answer.status_code == 403
