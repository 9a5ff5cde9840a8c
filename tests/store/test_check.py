"""Every kind of damage is injected into a real store, and found, with its place."""

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.log import LogUnavailable, Record
from jupyter_durable_chat.log.opening import damage
from jupyter_durable_chat.log.postgres import PostgresLog
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.replica import Replica
from jupyter_durable_chat.store.check import Check
from tests.postgres import Postgres
from tests.store.conftest import Store, fill


async def findings(store: Store) -> list[str]:
    async with SqliteLog(store.path, read_only=True) as log:
        check = Check(log, Attachments(store.folder, max_bytes=0))
        return [str(finding) async for finding in check.findings()]


def command(*arguments: str, store: Path | str | None = None, status: int) -> str:
    where = [] if store is None else [f"--store={store}"]
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_core", "durable-chat", *arguments, *where],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


async def test_a_store_as_servers_leave_it_is_sound(store: Store) -> None:
    before = store.path.read_bytes()
    async with SqliteLog(store.path, read_only=True) as log:
        check = Check(log, Attachments(store.folder, max_bytes=0))
        assert [str(finding) async for finding in check.findings()] == []
        with pytest.raises(LogUnavailable):
            await log.append(store.answered, [b"{}"])
    assert check.counts["sessions"] == 3 and check.counts["inboxes"] == 2 and check.counts["files"] == 2
    assert check.counts["events"] > 20 and check.counts["snapshots"] >= 3
    assert damage(store.path) == [] and store.path.read_bytes() == before


NUMBER = "(SELECT id FROM streams WHERE name = ?)"


def change(statement: str) -> Callable[[Store], None]:
    return lambda store: store.sql(statement.replace("STREAM", NUMBER), store.answered)


def in_snapshot(spoil: Callable[[dict], object]) -> Callable[[Store], None]:
    def do(store: Store) -> None:
        with closing(sqlite3.connect(store.path)) as db:
            of = f"stream = {NUMBER}"
            (data,) = db.execute(f"SELECT data FROM snapshots WHERE {of}", (store.answered,)).fetchone()
        spoil(snapshot := json.loads(data))
        store.sql(f"UPDATE snapshots SET data = ? WHERE {of}", json.dumps(snapshot).encode(), store.answered)

    return do


def attachment(spoil: Callable[[Path], object]) -> Callable[[Store], object]:
    return lambda store: spoil(store.folder / "sessions" / store.answered / store.attachment)


def overwrite(path: Path) -> None:
    path.write_bytes(b"something else")


DAMAGE: dict[str, tuple[Callable[[Store], object], str]] = {
    "a hole": (change("DELETE FROM records WHERE stream = STREAM AND lsn = 4"), "LSN 4: records are missing"),
    "no beginning": (
        lambda store: (
            store.sql("DELETE FROM snapshots WHERE stream = " + NUMBER, store.answered),
            change("DELETE FROM records WHERE stream = STREAM AND lsn = 1")(store),
        )[0],
        "LSN 1: records are missing",
    ),
    "no end": (change("UPDATE streams SET lsn = lsn + 2 WHERE name = ?"), r"LSN \d+: records are missing"),
    "beyond the end": (change("UPDATE streams SET lsn = lsn - 1 WHERE name = ?"), r"LSN \d+: a record is beyond"),
    "no event": (
        change("UPDATE records SET data = CAST('{\"at' AS BLOB) WHERE stream = STREAM AND lsn = 3"),
        "LSN 3: the record is no event",
    ),
    "half an event": (
        change('UPDATE records SET data = CAST(\'{"type":"text-delta"}\' AS BLOB) WHERE stream = STREAM AND lsn = 3'),
        "LSN 3: the record is no event",
    ),
    "another event": (
        change(
            'UPDATE records SET data = CAST(\'{"at":"","type":"session-updated","title":"x"}\' AS BLOB) '
            "WHERE stream = STREAM AND lsn = 2"
        ),
        r"LSN \d+: the snapshot is not what the events amount to \(.*messages.*\)",
    ),
    "another stream": (
        lambda store: store.sql(
            "UPDATE records SET data = CAST(replace(data, ?, 's_other') AS BLOB) WHERE lsn = 1", store.answered
        ),
        "the events are those of 's_other'",
    ),
    "no snapshot": (
        change("UPDATE snapshots SET data = CAST('{}' AS BLOB) WHERE stream = STREAM"),
        r"LSN \d+: the snapshot cannot be read: KeyError",
    ),
    "half a snapshot": (
        change("UPDATE snapshots SET data = CAST('{\"id' AS BLOB) WHERE stream = STREAM"),
        r"LSN \d+: the snapshot cannot be read: Input data was truncated",
    ),
    "another snapshot": (
        in_snapshot(lambda snapshot: snapshot.update(model="x")),
        r"LSN \d+: the snapshot is not what the events amount to \(model\)",
    ),
    "a snapshot of another time": (
        in_snapshot(lambda snapshot: snapshot.update(lsn=2)),
        r"LSN \d+: the snapshot says that it is of LSN 2",
    ),
    "a label": (
        change("UPDATE labels SET value = 'streaming' WHERE name = 'status' AND stream = STREAM"),
        r"LSN \d+: the label 'status' says 'streaming', the events 'idle'",
    ),
    "a label too many": (
        change("INSERT INTO labels (stream, name, value) VALUES (STREAM, 'queue', 'waiting')"),
        r"LSN \d+: the label 'queue' says 'waiting', the events ''",
    ),
    "a file is damaged": (attachment(overwrite), "its attachment [0-9a-f]{64} is damaged"),
    "a file is missing": (attachment(Path.unlink), "a message names the file [0-9a-f]{64}, which is missing"),
}


@pytest.mark.parametrize("kind", DAMAGE)
async def test_damage_of_every_kind_is_found(store: Store, kind: str) -> None:
    spoil, says = DAMAGE[kind]
    spoil(store)
    found = await findings(store)
    assert any(text.startswith(store.answered) and re.search(says, text) for text in found), found
    # The bytes of an attachment belong to the fork as well; nothing else is anybody else's.
    assert {text.partition(",")[0].partition(":")[0] for text in found} <= {store.answered, store.forked}
    assert kind in ("another stream", "a file is damaged") or not [t for t in found if t.startswith(store.forked)]


async def test_what_was_compacted_is_read_from_its_snapshot(store: Store) -> None:
    store.sql(f"UPDATE snapshots SET data = CAST('{{}}' AS BLOB) WHERE stream = {NUMBER}", store.compacted)
    (found,) = await findings(store)
    assert found.startswith(store.compacted) and "snapshot cannot be read" in found
    store.sql(f"DELETE FROM snapshots WHERE stream = {NUMBER}", store.compacted)
    (found,) = await findings(store)
    assert found.startswith(f"{store.compacted}, LSN 1: records are missing")


async def test_an_inbox_is_folded_as_well(store: Store) -> None:
    store.sql(f"UPDATE records SET data = CAST('x' AS BLOB) WHERE stream = {NUMBER}", store.inbox)
    (found,) = await findings(store)
    assert found.startswith(f"{store.inbox}, LSN 1: the record is no event")


async def test_the_pages_of_the_file_are_looked_at(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'streams_by_holder'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with store.path.open("rb+") as file:
        file.seek((page - 1) * size)
        file.write(bytes(8))
    assert damage(store.path) and await findings(store) == [], "no stream suffers, but the file is damaged"
    said = command("check", store=store.path, status=1)
    assert "SQLite finds damage: " in said and "Looked at 3 sessions" in said


async def test_servers_go_on_while_a_store_is_checked(store: Store) -> None:
    """What is appended, compacted, deleted and made between any two looks at the store is no damage."""
    attachments = Attachments(store.folder, max_bytes=0)
    async with SqliteLog(store.path) as log, SqliteLog(store.path, read_only=True) as reading:
        title = b'{"at":"","type":"session-updated","title":"x"}'

        class Meddled(SqliteLog):
            """The log as it is read, with somebody who writes before each look."""

            async def read(
                self, stream: str, after: int, *, limit: int = 1000, max_bytes: int = 1 << 18
            ) -> list[Record]:
                if looks and stream == store.answered:
                    await looks.pop(0)()
                return await reading.read(stream, after, limit=min(limit, 3), max_bytes=max_bytes)

        async def append() -> None:
            await log.append(store.answered, [title])

        async def compact() -> None:
            await Replica(log, store.answered, time.time).compact()

        async def delete() -> None:
            await log.delete(store.answered)

        meddled = Meddled(store.path)
        meddled.head, meddled.snapshot, meddled.streams = reading.head, reading.snapshot, reading.streams
        for looks in ([append] * 5, [append, append, compact], [append, compact], [append, append, delete]):
            looks = list(looks)
            check = Check(meddled, attachments)
            assert [str(finding) async for finding in check.findings()] == []
            assert not looks
        assert check.counts["sessions"] == 2


def test_the_command_proves_a_store(store: Store) -> None:
    said = command("check", store=store.path, status=0)
    assert re.search(
        r"Looked at 3 sessions, 2 inboxes, 0 streams, \d+ events, \d snapshots, 2 files: nothing is wrong\.", said
    )
    DAMAGE["a hole"][0](store)
    said = command("check", store=store.path, status=1)
    assert f"{store.answered}, LSN 4: records are missing" in said and said.endswith(" 1 finding.\n")


@pytest.mark.slow
def test_the_command_reads_the_configuration_of_the_server(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jupyter_server_config.py").write_text(f"c.DurableChat.store = {str(store.path)!r}")
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    assert "Looked at 3 sessions" in command("check", status=0)
    (tmp_path / "jupyter_server_config.py").unlink()
    (tmp_path / "jupyter_durable_chat_config.json").write_text(json.dumps({"DurableChat": {"store": str(store.path)}}))
    assert "Looked at 3 sessions" in command("check", status=0)


def test_the_command_says_what_it_cannot_read(tmp_path: Path) -> None:
    absent = tmp_path / "nothing.sqlite3"
    said = command("check", store=absent, status=1)
    assert str(absent) in said and "no such file" in said and "Traceback" not in said
    assert not list(tmp_path.iterdir())


async def test_a_store_in_postgresql_is_checked_as_well(postgres: Postgres, tmp_path: Path) -> None:
    log = PostgresLog(postgres.dsn(), schema="checked")
    answered, *_ = await fill(log, tmp_path / "attachments")
    async with (
        PostgresLog(postgres.dsn(), schema="checked") as log,
        PostgresLog(postgres.dsn(), schema="checked", read_only=True, patience=1) as reading,
    ):
        check = Check(reading, Attachments(tmp_path / "attachments", max_bytes=0))
        assert [str(finding) async for finding in check.findings()] == []
        assert check.counts["sessions"] == 3 and check.counts["inboxes"] == 2
        with pytest.raises(LogUnavailable):
            await reading.append(answered, [b"{}"])
        with pytest.raises(LogUnavailable, match="read-only"):
            await reading._query(lambda db: db.execute("DELETE FROM records"))
        await log.append(answered, [b"{}"])
        (found,) = [str(finding) async for finding in check.findings()]
        assert found.startswith(f"{answered}, LSN ") and "the record is no event" in found


async def test_checking_an_empty_database_makes_nothing_in_it(postgres: Postgres) -> None:
    with pytest.raises(LogUnavailable, match="no schema 'absent' yet"):
        await PostgresLog(postgres.dsn(), schema="absent", read_only=True, patience=1).__aenter__()
    async with PostgresLog(postgres.dsn(), schema="checked") as log:
        found = await log._query(lambda db: db.fetch("SELECT nspname FROM pg_namespace"))
        assert "absent" not in {row[0] for row in found}
