"""What is removed is gone from the store's files: planted words are looked for in every byte of its folder."""

import contextlib
import random
import secrets
import sqlite3
import subprocess
from pathlib import Path

import pytest

from jupyter_durable_chat.log import Record, statements
from jupyter_durable_chat.log import sqlite as module
from jupyter_durable_chat.log.sqlite import SqliteLog
from tests.waiting import eventually


def found(folder: Path, words: list[str]) -> str:
    """The files that hold one of these. (Another process looks: who closes a file of SQLite drops its locks.)"""
    named = [option for word in words for option in ("-e", word)]
    return subprocess.run(["grep", "-rlaF", *named, str(folder)], capture_output=True, text=True).stdout


class Planted:
    """A stream with a word of its own in every place. An index may keep a word without its beginning."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.words = [secrets.token_hex(12) for _ in range(7)]

    @property
    def traces(self) -> list[str]:
        return [word[8:] for word in self.words]

    async def fill(self, log: SqliteLog) -> None:
        record, large, summary, key, label, said, kept = self.words
        bulk = [f"{record} {'x' * random.randint(1, 900)}".encode() for _ in range(150)]
        await log.create(self.name, bulk, key=f"/home/{key}", labels={"notebook": label}, summary=summary.encode())
        await log.append(self.name, [large.encode() + b"y" * 30_000], words=f"some {said} and others", summary=b"new")
        await log.append(self.name, [], words=f"{said} again", summary=summary.encode(), key=f"/other/{key}")
        await log.save_snapshot(self.name, Record(80, kept.encode() * 4000))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store" / "log.sqlite3"


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build of SQLite that does not overwrite by itself what it removes, as most do not."""
    connect = sqlite3.connect

    def connected(*args: object, **kwargs: object) -> sqlite3.Connection:
        db = connect(*args, **kwargs)  # pyright: ignore[reportArgumentType, reportCallIssue]
        db.execute("PRAGMA secure_delete = OFF")
        return db

    monkeypatch.setattr(sqlite3, "connect", connected)
    monkeypatch.setattr(module, "SETTLED_SECONDS", 0.05)


async def among_others(log: SqliteLog) -> list[Planted]:
    """Every second one is to go."""
    planted = [Planted(f"s{n}") for n in range(12)]
    for one in planted:
        await one.fill(log)
    return planted


async def gone(store: Path, planted: list[Planted]) -> None:
    words = [trace for one in planted for trace in one.traces]
    await eventually(lambda: not found(store.parent, words))


async def test_what_is_deleted_is_in_no_byte_of_any_file(store: Path) -> None:
    async with SqliteLog(store) as log, SqliteLog(store) as other:
        planted = await among_others(log)
        there, goes = planted[::2], planted[1::2]
        assert all(found(store.parent, [trace]) for one in planted for trace in one.traces), "it would be found"
        for one in goes[1:]:
            await log.delete(one.name)
        await other.delete(goes[0].name)
        await gone(store, goes)
        assert all(found(store.parent, [trace]) for one in there for trace in one.traces)
        # Whoever searches finds what is there, and nothing else.
        for one in there:
            assert [head.stream for head in await other.streams(search=one.words[5])] == [one.name]
        assert len(await log.streams(search="others")) == len(there)
        assert not [head for one in goes for head in await log.streams(search=one.words[5])]


async def test_who_ends_in_between_leaves_it_to_the_next(store: Path) -> None:
    async with SqliteLog(store) as log:
        planted = await among_others(log)
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("PRAGMA secure_delete = ON")
        statements.delete(db, "s3", None)
        assert found(store.parent, [planted[3].traces[5]])
        async with SqliteLog(store):
            await gone(store, planted[3:4])


async def test_who_reads_for_long_delays_it_and_nobody_else(store: Path) -> None:
    async with SqliteLog(store) as log:
        planted = await among_others(log)
        with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as db:
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM records").fetchone()
            await log.delete("s3")
            assert await log.append("s2", [b"goes on"]) == 152
            assert len(await log.read("s2", 151)) == 1
            assert found(store.parent, planted[3].traces)
            db.execute("COMMIT")
            await gone(store, planted[3:4])
