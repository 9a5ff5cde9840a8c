"""What is deleted is deleted: words are planted in every place of a conversation, and looked for in all that is kept.

In files they are looked for by another process, since who closes a file of SQLite drops its locks; in a PostgreSQL, in
every row of every table of the database, as its own files and its log are its own.
"""

import asyncio
import secrets
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log import sqlite as module
from jupyter_durable_chat.registry import Retention
from tests.postgres import Postgres
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api
from tests.waiting import eventually

DATABASE = "erasing"


class Planted:
    """A word for each place, so that what is left says where it was. An index may keep one without its beginning."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        return self.words.setdefault(place, secrets.token_hex(12))

    def left(self, kept: str) -> list[str]:
        return sorted(place for place, word in self.words.items() if word[8:] in kept)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of SQLite that does not overwrite by itself what it removes, as most do not."""
    connect: Any = sqlite3.connect

    def connected(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        db = connect(*args, **kwargs)
        db.execute("PRAGMA secure_delete = OFF")
        return db

    monkeypatch.setattr(sqlite3, "connect", connected)
    monkeypatch.setattr(module, "SETTLED_SECONDS", 0.3)


@pytest.fixture(params=["sqlite", "postgres"])
def kept_in(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def jp_server_config(jp_server_config: JSON, kept_in: str, store: Path, request: pytest.FixtureRequest) -> JSON:
    if kept_in == "postgres":
        database: Postgres = request.getfixturevalue("postgres")
        asyncio.run(database.run(f"CREATE DATABASE {DATABASE}"))
        jp_server_config["DurableChat"] |= {
            "store": database.dsn(DATABASE),
            "attachments_folder": f"{store}.attachments",
        }
    return jp_server_config


def in_files(folder: Path, words: list[str]) -> str:
    wanted = [option for word in words for option in ("-e", word[8:])]
    found = subprocess.run(["grep", "-roahF", *wanted, str(folder)], capture_output=True, text=True).stdout
    named = "\n".join(str(path) for path in folder.rglob("*"))
    return f"{found}\n{named}"


async def in_tables(database: Postgres) -> str:
    tables = await database.run(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')",
        database=DATABASE,
    )
    assert len(tables) >= 8
    rows = [
        await database.run(f'SELECT t::text AS row FROM "{schema}"."{table}" t', database=DATABASE)
        for schema, table in tables
    ]
    text = "\n".join(row["row"] for table in rows for row in table)
    # Bytes are written as hexadecimal digits.
    return "\n".join([text, *(_bytes(piece) for piece in text.split('"') if piece.startswith("\\\\x"))])


def _bytes(piece: str) -> str:
    digits = piece.removeprefix("\\\\x")
    return bytes.fromhex(digits).decode(errors="replace") if len(digits) % 2 == 0 else ""


async def converse(api: Api, agent: Scripted, word: Planted, *, in_notebook: bool = True) -> str:
    """A conversation that has everything."""
    about = {"notebook": f"{word('notebook')}.ipynb", "name": word("name")} if in_notebook else {}
    session = await api.session(title=word("first title"), **about)
    attached = await api(
        "POST", f"api/sessions/{session}/attachments?filename={word('file name')}.txt", word("file").encode()
    )
    assert attached.status_code == 201, attached.text
    file = {"type": "file", "url": attached.json()["url"], "mediaType": "text/plain", "filename": word("file name")}
    data = {"type": "data-cell", "data": {"text": word("cell"), "label": "x"}}
    await api.send(session, f"Look: {word('question')}", word("client id"), parts=[file, data])
    agent.say(
        e.ReasoningStart(id="r"),
        e.ReasoningDelta(id="r", delta=word("reasoning")),
        e.ReasoningEnd(id="r"),
        e.SourceUrl(source_id="1", url=f"https://example.org/{word('source')}"),
    )
    agent.say_text(f"# {word('answer')}\n\n", f"and {word('rest of it')}")
    agent.finish()
    await api.settled(session)
    tool = {"name": "t", "description": word("tool"), "parameters": {}}
    await api("POST", f"api/sessions/{session}/offers", {"runner": "r", "tools": [tool]})
    shared = await api("POST", f"api/sessions/{session}/shares", {"name": word("link")})
    assert shared.status_code == 201, shared.text
    renamed = await api("PATCH", f"api/sessions/{session}", {"title": word("title")})
    assert renamed.status_code == 200, renamed.text

    async def is_found() -> bool:
        listed = (await api("GET", f"api/sessions?q={word('answer')}")).json()["sessions"]
        told = (await api("GET", "api/inbox")).json()["notices"]
        return [s["id"] for s in listed] == [session] and any(word("answer") in n["text"] for n in told)

    await eventually(is_found)
    return session


async def stream(api: Api, word: Planted) -> str:
    path = f"v1/stream/{word('path of a stream')}"
    made = await api("PUT", path, word("stream").encode(), headers={"Content-Type": "text/plain"})
    assert made.status_code == 201, made.text
    return path


@pytest.mark.timeout(120)
async def test_nothing_of_a_deleted_conversation_is_left(
    api: Api, agent: Scripted, kept_in: str, store: Path, request: pytest.FixtureRequest
) -> None:
    async def left(word: Planted) -> list[str]:
        kept = await asyncio.to_thread(in_files, store.parent, list(word.words.values()))
        if kept_in == "postgres":
            kept += await in_tables(request.getfixturevalue("postgres"))
        return word.left(kept)

    async def nothing(*words: Planted) -> bool:
        return not [place for word in words for place in await left(word)]

    by_hand, forked, old, stays = (Planted() for _ in range(4))
    session = await converse(api, agent, by_hand)
    other = await converse(api, agent, forked, in_notebook=False)
    fork = (await api("POST", f"api/sessions/{other}/fork", {})).json()["id"]
    path = await stream(api, by_hand)
    everything = set(by_hand.words) - {"file name", "first title"}
    assert set(await left(by_hand)) >= everything, "what is there would be found"

    assert (await api("DELETE", f"api/sessions/{other}")).status_code == 204
    assert "answer" in await left(forked) and "file" in await left(forked), "the fork has it"
    assert (await api("DELETE", f"api/sessions/{fork}")).status_code == 204
    assert (await api("DELETE", f"api/sessions/{session}")).status_code == 204
    assert (await api("DELETE", path)).status_code == 204
    await converse(api, agent, stays)
    there = await left(stays)
    await eventually(lambda: nothing(by_hand, forked))

    await converse(api, agent, old, in_notebook=False)
    newest = await api.session()
    api.chat.registry._retention = Retention(sessions=1)
    await api.chat.registry._tidy()
    assert [s["id"] for s in (await api("GET", "api/sessions")).json()["sessions"]] == [newest]
    assert "answer" in there
    await eventually(lambda: nothing(old, stays))
