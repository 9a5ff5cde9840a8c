"""What any version has written, this one opens, brings up to date and goes on with; and there is a way back."""

import asyncio
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from jupyter_durable_chat import __version__
from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.log import Log, LogUnavailable
from jupyter_durable_chat.log import postgres_schema as schemas
from jupyter_durable_chat.log.migrations import MIGRATIONS, migrate
from jupyter_durable_chat.log.postgres import PostgresLog
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.log.upgrade import KEPT_DAYS, copies
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.store.archive import Refused
from jupyter_durable_chat.store.backup import go_back
from jupyter_durable_chat.store.check import Check
from tests.postgres import Postgres
from tests.scripted import Scripted
from tests.store.released.make import SCHEMA, told
from tests.store.test_check import command
from tests.test_registry import World, created, outcome, send, stored
from tests.waiting import eventually

RELEASED = Path(__file__).parent / "released"
VERSIONS = sorted(path.name for path in RELEASED.iterdir() if (path / "log.sqlite3").exists())


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A store of the first schema, which this version has to change."""
    return Path(shutil.copy(RELEASED / "before" / "log.sqlite3", tmp_path))


def content(path: Path) -> list[str]:
    """All that is in a store, as SQL."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return [f"schema {db.execute('PRAGMA user_version').fetchone()}", *db.iterdump()]


def beside(path: Path) -> set[str]:
    return {other.name for other in path.parent.iterdir()} - {path.name, f"{path.name}-wal", f"{path.name}-shm"}


async def proves(log: Log, folder: Path, expected: dict[str, Any]) -> None:
    """The store is sound, says what it said, and a conversation in it is gone on with."""
    assert await told(log) == expected
    assert [str(finding) async for finding in Check(log, Attachments(folder, max_bytes=0)).findings()] == []


async def goes_on(log: Log) -> None:
    agent = Scripted()
    async with Registry(lambda: log, Agents([agent], default="scripted")) as registry:
        turn = await send(registry, "s_completed-answer")
        agent.say_text("as ", "before")
        agent.finish()
        assert await outcome(registry, "s_completed-answer", turn) == "completed"
        async with registry.acquire("s_completed-answer") as session:
            assert session.transcript.messages[-1]["parts"][0]["text"] == "as before"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_store_of_every_version_is_opened(version: str, tmp_path: Path) -> None:
    shutil.copytree(RELEASED / version, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "log.sqlite3"
    async with SqliteLog(path) as log:
        await proves(log, Path(f"{path}.attachments"), json.loads((tmp_path / "sqlite.json").read_text()))
    await goes_on(SqliteLog(path))


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_store_of_every_version_in_postgresql_is_opened(
    version: str, postgres: Postgres, tmp_path: Path
) -> None:
    name = f"released_{version.replace('.', '_')}"
    await postgres.run(f"CREATE DATABASE {name}")
    dump = shutil.copy(RELEASED / version / "postgres.sql", postgres.folder / name)
    os.chmod(dump, 0o644)
    postgres.program("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={dump}", postgres.dsn(name))
    async with PostgresLog(postgres.dsn(name), schema=SCHEMA) as log:
        expected = json.loads((RELEASED / version / "postgres.json").read_text())
        await proves(log, RELEASED / version / "postgres.attachments", expected)
    await goes_on(PostgresLog(postgres.dsn(name), schema=SCHEMA))


async def test_the_store_of_this_version_has_every_type_of_event(tmp_path: Path) -> None:
    """Whoever adds a type, or a step, writes these anew; or, once they are released, those of the next version."""
    shutil.copytree(RELEASED / __version__, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "log.sqlite3")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),), "run tests/store/released/make.py"
        found = {
            json.loads(data or b"{}").get("type")
            for (data,) in db.execute("SELECT data FROM records")
            if data[:1] == b"{"
        }
    assert found >= e._TYPES, "run tests/store/released/make.py"
    dump = (RELEASED / __version__ / "postgres.sql").read_text()
    assert f"INSERT INTO {SCHEMA}.taken VALUES\n\t({len(schemas.STEPS)});" in dump, "run tests/store/released/make.py"


# Back again


async def test_what_was_before_is_kept_and_comes_back(old: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = content(old)
    async with SqliteLog(old) as log:
        await log.append("s_updates", [b"{}"])
    ((made, schema, copy),) = copies(old)
    assert beside(old) == {copy.name} and copy.stat().st_mode & 0o777 == 0o600
    assert schema == 1 and datetime.now(UTC) - made < timedelta(minutes=5) and content(copy) == before
    (said,) = [record.getMessage() for record in caplog.records if "brought up to date" in record.getMessage()]
    assert f"from schema 1 to {len(MIGRATIONS)}" in said and str(copy) in said and "docs/upgrading.md" in said
    async with SqliteLog(old):
        assert len(copies(old)) == 1, "there is nothing to change any more"

    with pytest.raises(Refused, match=r"There is a store already.*\(its attachments stay\)"):
        go_back(copy, old)
    new = old.rename(old.with_name("newer.sqlite3"))
    said = await asyncio.to_thread(command, "restore", str(copy), store=old, status=0)
    assert f"{old} is what it was before it was brought up to date: 23 conversations" in said
    assert content(old) == before and old.stat().st_mode & 0o777 == 0o600 and copy.exists() and new.exists()


def test_only_a_whole_store_comes_back(old: Path, tmp_path: Path) -> None:
    to = tmp_path / "to" / "log.sqlite3"
    whole = old.read_bytes()

    def refused(spoil: bytes | str, says: str) -> None:
        source = tmp_path / "source"
        source.write_bytes(spoil if isinstance(spoil, bytes) else whole)
        if isinstance(spoil, str):
            with closing(sqlite3.connect(source, isolation_level=None)) as db:
                db.execute("PRAGMA journal_mode = DELETE")
                db.execute(spoil)
        with pytest.raises(Refused, match=says):
            go_back(source, to)
        assert not list(to.parent.iterdir())

    refused(whole[: len(whole) // 2], "source is damaged")
    refused(whole[:50_000] + bytes(2000) + whole[52_000:], "source is damaged")
    refused("PRAGMA application_id = 7", "source is no chat store")
    refused("CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END", "source is no chat store")
    refused("PRAGMA user_version = 99", "newer version of jupyter-durable-chat. Upgrade")
    Path(f"{old}-wal").touch()
    with pytest.raises(Refused, match=r"in use, as log\.sqlite3-wal beside it says"):
        go_back(old, to)


async def test_what_is_kept_is_removed_after_a_while(old: Path) -> None:
    async with SqliteLog(old):
        ((_, _, young),) = copies(old)
    long_ago = f"{datetime.now(UTC) - timedelta(days=KEPT_DAYS + 1):%Y%m%dT%H%M%SZ}"
    others = {f"{old.name}.schema-1.{at}.backup" for at in (long_ago, "20269999T000000Z", "yesterday")}
    for name in others:
        shutil.copy(young, young.with_name(name))
    async with SqliteLog(old):
        assert beside(old) == {young.name} | others - {f"{old.name}.schema-1.{long_ago}.backup"}


async def test_a_newer_store_is_refused_with_the_way_back(old: Path) -> None:
    async with SqliteLog(old):
        ((_, _, copy),) = copies(old)
    with closing(sqlite3.connect(old)) as db:
        db.execute("PRAGMA user_version = 99")
    for read_only in (False, True):
        with pytest.raises(LogUnavailable) as refused:
            await SqliteLog(old, read_only=read_only).__aenter__()
        assert f"schema 99; this version knows {len(MIGRATIONS)}). Upgrade jupyter-durable-chat" in str(refused.value)
        assert f"kept as {copy} (docs/upgrading.md)" in str(refused.value)


# What goes wrong on the way

STOP = "print('here', flush=True); time.sleep(600)"

PLACES = {
    "in the copy": f"upgrade.copied = lambda source, copy: (copy.write_bytes(b'some of it'), exec({STOP!r}))",
    "in the steps": f"opening._check = lambda db: exec({STOP!r})",
    "before the end": f"name = upgrade.Kept.name; upgrade.Kept.name = lambda kept: (name(kept), exec({STOP!r}))",
}

OPEN = """
import asyncio, sys, time
from jupyter_durable_chat.log import opening, upgrade
from jupyter_durable_chat.log.sqlite import SqliteLog
{}
asyncio.run(SqliteLog(sys.argv[1]).__aenter__())
"""


@pytest.mark.parametrize("place", PLACES)
def test_whoever_is_killed_on_the_way_leaves_the_store_as_it_was(place: str, old: Path) -> None:
    before = content(old)
    child = subprocess.Popen([sys.executable, "-c", OPEN.format(PLACES[place]), str(old)], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"here\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert content(old) == before
    assert asyncio.run(opened(old)) == json.loads((RELEASED / "before" / "sqlite.json").read_text())
    assert beside(old) == {copy.name for _, _, copy in copies(old)} and content(copies(old)[0][2]) == before


async def opened(path: Path) -> dict[str, Any]:
    async with SqliteLog(path) as log:
        return await told(log)


async def test_without_room_for_a_copy_nothing_is_changed(old: Path) -> None:
    before = content(old)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        for _ in range(2):
            with pytest.raises(LogUnavailable, match=f"{old}.*cannot be copied.*needs room.*Nothing was changed"):
                await SqliteLog(old).__aenter__()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert content(old) == before and not beside(old)
    async with SqliteLog(old) as log:
        assert await log.append("s_updates", [b"{}"])


# Two versions at once


async def appending(log: Log, stream: str, acknowledged: list[int]) -> str:
    """Append until that is refused; why it was."""
    while True:
        try:
            acknowledged.append(await log.append(stream, [b"{}"]))
        except LogUnavailable as error:
            return str(error)


async def assert_stops(log: Log, stream: str, error: str, says: str) -> None:
    """Nothing is written any more, and whatever is asked for says why."""
    assert says in error and "Restart Jupyter" in error
    for operation in (log.append(stream, [b"{}"]), log.head(stream), log.streams(), log.renew("me", 5)):
        with pytest.raises(LogUnavailable, match="Restart Jupyter"):
            await operation


async def test_a_server_whose_store_a_newer_version_changes_stops_writing(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"

    def upgrade() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as db:
            db.execute("BEGIN IMMEDIATE")
            migrate(db, [*MIGRATIONS, lambda db: db.execute("ALTER TABLE records ADD COLUMN more")])
            db.execute("COMMIT")

    acknowledged: list[int] = []
    async with SqliteLog(path) as log:
        await log.create("s", [])
        writing = asyncio.create_task(appending(log, "s", acknowledged))
        waiting = asyncio.create_task(log.wait({"s": 10**9}))
        await log.wait({"s": 5})
        await asyncio.to_thread(upgrade)
        await assert_stops(
            log, "s", await writing, f"schema {len(MIGRATIONS) + 1}; this process knows {len(MIGRATIONS)}"
        )
        with pytest.raises(LogUnavailable, match="Restart Jupyter"):
            await waiting
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*), max(lsn) FROM records").fetchone() == (len(acknowledged),) * 2


async def test_a_server_whose_database_a_newer_version_changes_stops_writing(postgres: Postgres) -> None:
    schema, acknowledged = "outdated", list[int]()
    async with PostgresLog(postgres.dsn(), schema=schema) as log:
        await log.create("s", [])
        writing = asyncio.create_task(appending(log, "s", acknowledged))
        waiting = asyncio.create_task(log.wait({"s": 10**9}))
        await log.wait({"s": 5})
        db = await asyncpg.connect(postgres.dsn(), server_settings={"search_path": schema})
        try:
            steps = [*schemas.STEPS, "SELECT pg_sleep(0.2)", "ALTER TABLE records ADD COLUMN more text"]
            await schemas.migrate(db, schema, steps)
        finally:
            await db.close()
        known = len(schemas.STEPS)
        await assert_stops(log, "s", await writing, f"schema {known + 2}; this process knows {known}")
        with pytest.raises(LogUnavailable, match="Restart Jupyter"):
            await waiting
    (row,) = await postgres.run("SELECT count(*), max(lsn) FROM records", schema=schema)
    assert tuple(row) == (len(acknowledged),) * 2


async def test_an_answer_that_an_older_server_writes_is_ended_by_the_newer_one(tmp_path: Path) -> None:
    world = World(tmp_path)

    def becomes(schema: int) -> None:
        with closing(sqlite3.connect(world.path, isolation_level=None)) as db:
            db.execute(f"PRAGMA user_version = {schema}")

    async with world.server() as older:
        session = await created(older)
        await send(older, session)
        world.agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="half"))
        await stored(world, session, lambda types: "TextDelta" in types)
        becomes(len(MIGRATIONS) + 1)
        world.agent.say(e.TextDelta(id="x", delta=" and nobody keeps this"))
        await world.agent.closed.wait()
        with pytest.raises(LogUnavailable, match="Restart Jupyter"):
            await created(older)
    becomes(len(MIGRATIONS))
    world.now += 60
    async with world.server() as newer:

        async def ended() -> bool:
            async with newer.acquire(session) as loaded:
                return loaded.transcript.turn is None

        await eventually(ended)
        async with newer.acquire(session) as loaded:
            answer = loaded.transcript.messages[-1]
    assert answer["metadata"]["outcome"] == "interrupted" and answer["parts"][0]["text"] == "half"
