"""A log in a real PostgreSQL: the contract of logs, and what only it has to keep: the fence, the wire, the absence."""

import asyncio
import itertools
import logging
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.log import (
    Fenced,
    Log,
    LogUnavailable,
    Record,
    UnknownStream,
    postgres_link,
)
from jupyter_durable_chat.log import postgres as postgres_module
from jupyter_durable_chat.log.postgres import POLL_SECONDS, PostgresLog
from jupyter_durable_chat.log.postgres_link import place
from jupyter_durable_chat.log.postgres_schema import migrate
from jupyter_durable_chat.registry import Registry
from tests.log.contract import SharedLogContract, names, read_all
from tests.log.wire import Wire
from tests.postgres import Postgres
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
SCHEMAS = itertools.count()


@pytest.fixture
def schema() -> str:
    return f"test_{next(SCHEMAS)}"


@pytest.fixture
def open_log(postgres, schema):
    return partial(PostgresLog, postgres.dsn(), schema=schema)


class TestPostgresLog(SharedLogContract):
    @pytest.fixture
    def open_log(self, open_log):
        return open_log


# A connection that is lost


@pytest.fixture(scope="module")
def fragile() -> Iterator[Postgres]:
    """One that is stopped and paused by the tests, and that writes to the disk as a real one does."""
    with Postgres() as server:
        yield server


Acknowledged = dict[tuple[str, int], bytes]


async def append_all(log: Log, streams: int, appends: int, acknowledged: Acknowledged) -> None:
    """Each stream's records one after the other, all streams at once; says what was acknowledged."""

    async def write(stream: str) -> None:
        for i in range(appends):
            data = b"%s %d" % (stream.encode(), i)
            acknowledged[stream, await log.append(stream, [data])] = data

    await asyncio.gather(*(write(f"s{i}") for i in range(streams)))


async def assert_once_each(log: Log, streams: int, appends: int, acknowledged: Acknowledged) -> None:
    for stream in (f"s{i}" for i in range(streams)):
        stored = await read_all(log, stream)
        assert stored == [b"%s %d" % (stream.encode(), i) for i in range(appends)]
        assert {lsn: data for (name, lsn), data in acknowledged.items() if name == stream} == dict(enumerate(stored, 1))


async def test_a_lost_connection_neither_loses_nor_doubles_an_append(fragile, schema):
    killing = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'jupyter-durable-chat'"
    async with PostgresLog(fragile.dsn(), schema=schema) as log, PostgresLog(fragile.dsn(), schema=schema) as other:
        await asyncio.gather(*(log.create(f"s{i}", []) for i in range(5)))
        seen: list[Record] = []

        async def follow() -> None:
            while len(seen) < 100:
                await other.wait({"s0": len(seen)})
                seen.extend(await other.read("s0", len(seen)))

        following = asyncio.create_task(follow())
        acknowledged: Acknowledged = {}
        appending = asyncio.create_task(append_all(log, 5, 100, acknowledged))
        killed = 0
        while not appending.done():
            so_far = len(acknowledged)
            killed += len(await fragile.run(killing))
            await eventually(lambda so_far=so_far: appending.done() or len(acknowledged) >= so_far + 30)
        assert killed > 10
        await appending
        await assert_once_each(log, 5, 100, acknowledged)
        await following
        assert seen == [(i + 1, b"s0 %d" % i) for i in range(100)]


@pytest.mark.slow
async def test_a_server_that_crashes_and_comes_back_has_everything_once(fragile, schema):
    async with PostgresLog(fragile.dsn(), schema=schema) as log:
        await asyncio.gather(*(log.create(f"s{i}", []) for i in range(5)))
        waiting = asyncio.create_task(log.wait({"s0": 60}))
        acknowledged: Acknowledged = {}
        appending = asyncio.create_task(append_all(log, 5, 60, acknowledged))
        for lsn in (10, 30):
            await log.wait({"s0": lsn})
            await asyncio.to_thread(fragile.stop)
            assert not appending.done()
            await asyncio.to_thread(fragile.start)
        await appending
        await assert_once_each(log, 5, 60, acknowledged)
        await log.append("s0", [b"more"])
        assert set(await waiting) == {"s0"}


async def test_a_server_that_does_not_answer_is_asked_again_on_a_new_connection(fragile, schema, monkeypatch):
    async with PostgresLog(fragile.dsn(), schema=schema) as log:
        await log.create("s", [])
        monkeypatch.setattr(postgres_link, "ANSWER_SECONDS", 0.3)
        monkeypatch.setattr(postgres_link, "CONNECT_SECONDS", 0.3)
        pid = log._writing.pid
        with fragile.paused():
            appending = [asyncio.create_task(log.append("s", [b"%d" % i])) for i in range(20)]
            reading = asyncio.create_task(log.read("s", 0))
            await eventually(lambda: not log._writing.is_open)
            assert not any(task.done() for task in appending)
            monkeypatch.undo()
        assert sorted(await asyncio.gather(*appending)) == list(range(1, 21))
        assert log._writing.pid != pid
        assert await reading in ([], *([Record(n + 1, b"%d" % n) for n in range(k)] for k in range(21)))
        assert await read_all(log, "s") == [b"%d" % i for i in range(20)]


async def test_a_flush_whose_answer_is_lost_is_stored_once(postgres, schema):
    async with Wire(postgres) as wire, PostgresLog(wire.dsn, schema=schema) as log:
        await log.create("s", [b"1"])
        wire.hearing.clear()
        appending = [asyncio.create_task(log.append("s", [data])) for data in (b"2", b"3")]
        others = [asyncio.create_task(log.create("t", [b"1"])), asyncio.create_task(log.lease("s", "me", 10))]
        async with PostgresLog(postgres.dsn(), schema=schema) as witness:
            assert set(await witness.wait({"s": 1})) == {"s"}
            await wire.cut()
            wire.hearing.set()
            assert await asyncio.gather(*appending) == [2, 3]
            assert [await other for other in others][1] == 1
            assert await read_all(witness, "s") == [b"1", b"2", b"3"]
            assert await read_all(witness, "t") == [b"1"]


async def test_a_flush_that_comes_late_is_refused(postgres, schema):
    """Its writer was cut off, has asked again elsewhere, and went on: nothing of the old one is stored any more."""
    async with Wire(postgres) as wire, PostgresLog(wire.dsn, schema=schema) as log:
        await log.create("s", [])
        old = log._writing._connection
        assert old is not None
        number, id_, owner, channel = log._flushed, log._id, log._owner, log._channel
        assert await log.append("s", [b"1"]) == 1
        late = (id_, number, owner, None, channel, '[{"do":"append","stream":"s","count":1,"bytes":1}]')
        with pytest.raises(Exception, match="comes after"):
            await old.fetchval(
                "SELECT flush($1, $2, $3, $4, $5, $6, '{s}', '{}', '{}', false, '{x}', '{1}', '{1}', '{}')", *late
            )
        assert await read_all(log, "s") == [b"1"]


async def test_a_writer_that_was_forgotten_is_known_again(log, postgres, schema):
    await log.create("s", [])
    await postgres.run("DELETE FROM writers", schema=schema)
    assert await log.append("s", [b"1"]) == 1
    assert await log.append("s", [b"2"]) == 2


async def test_closing_does_not_wait_long_for_a_database_that_is_away(postgres, schema, monkeypatch):
    monkeypatch.setattr(postgres_module, "CLOSE_SECONDS", 0.2)
    async with Wire(postgres) as wire:
        log = await PostgresLog(wire.dsn, schema=schema, patience=1000).__aenter__()
        await log.create("s", [])
        monkeypatch.setattr(postgres_link, "CONNECT_SECONDS", 0.2)
        wire.sending.clear()
        await wire.cut()
        appending = asyncio.create_task(log.append("s", [b"x"]))
        await asyncio.sleep(0)
        closing = asyncio.create_task(log.__aexit__())
        with pytest.raises(LogUnavailable):
            await appending
        await closing


async def test_a_writer_that_was_paused_and_revived_is_fenced(postgres, schema):
    async with (
        Wire(postgres) as wire,
        PostgresLog(wire.dsn, schema=schema) as stale,
        PostgresLog(postgres.dsn(), schema=schema) as other,
    ):
        await stale.create("s", [])
        epoch = await stale.lease("s", "stale", 10)
        assert await stale.append("s", [b"1"], epoch=epoch) == 1
        wire.sending.clear()
        appending = asyncio.create_task(stale.append("s", [b"x"], epoch=epoch))
        await wire.held.wait()
        new = await other.lease("s", "other", 10, over=epoch)
        assert await other.append("s", [b"2"], epoch=new) == 2
        wire.sending.set()
        with pytest.raises(Fenced):
            await appending
        assert await read_all(other, "s") == [b"1", b"2"]


async def test_a_process_that_is_stopped_and_goes_on_is_fenced(log, postgres, schema):
    await log.create("s", [])
    command = [sys.executable, "-m", "tests.log.holder", postgres.dsn(), schema, "s"]
    holder = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert holder.stdout is not None
    epoch = int((await holder.stdout.readline()).split()[1])
    acknowledged = [int(await holder.stdout.readline()) for _ in range(50)]
    holder.send_signal(signal.SIGSTOP)
    # What is under way at the database when its client stops may be stored before we have the lease, and not after.
    mine = await log.lease("s", "me", 10, over=epoch)
    first = (await log.head("s")).lsn + 1
    assert await log.append("s", [b"mine"] * 3, epoch=mine) == first + 2
    holder.send_signal(signal.SIGCONT)
    *rest, last, _ = (await holder.stdout.read()).decode().split("\n")
    assert last == "fenced" and await holder.wait() == 0
    acknowledged += map(int, rest)
    stored = await read_all(log, "s")
    assert stored == [b"holder"] * (first - 1) + [b"mine"] * 3
    assert acknowledged == sorted(set(acknowledged)) and acknowledged[-1] < first


async def test_who_is_cut_off_in_the_middle_holds_nobody_up(postgres, schema):
    """Even a server that was stopped while its flush was under way leaves no lock behind."""
    async with (
        Wire(postgres) as wire,
        PostgresLog(wire.dsn, schema=schema) as stale,
        PostgresLog(postgres.dsn(), schema=schema) as other,
    ):
        await stale.create("s", [])
        epoch = await stale.lease("s", "stale", 10)
        wire.hearing.clear()
        appending = asyncio.create_task(stale.append("s", [b"1"], epoch=epoch))
        assert set(await other.wait({"s": 0})) == {"s"}
        assert await other.lease("s", "other", 10, over=epoch) == epoch + 1
        wire.hearing.set()
        assert await appending == 1


@pytest.mark.slow
async def test_after_its_patience_an_append_fails_and_the_next_one_finds_the_store_again(fragile, schema):
    async with PostgresLog(fragile.dsn(), schema=schema) as log:
        await log.create("s", [b"1"])
        waiting = asyncio.create_task(log.wait({"s": 1}))
        log.patience = 0.5
        fragile.stop()
        try:
            for call in (log.append("s", [b"lost"]), log.read("s", 0), log.head("s"), log.lease("s", "me", 10)):
                with pytest.raises(LogUnavailable, match=r"chat store in PostgreSQL .*See that PostgreSQL runs"):
                    await call
            assert not waiting.done()
            assert not await log.wait({"s": 1}, 0.01)
        finally:
            await asyncio.to_thread(fragile.start)
        log.patience = 30
        assert await log.append("s", [b"2"]) == 2
        assert set(await waiting) == {"s"}
        assert await read_all(log, "s") == [b"1", b"2"]


async def test_the_loop_turns_while_the_server_does_not_answer(fragile, schema):
    async with PostgresLog(fragile.dsn(), schema=schema) as log:
        await log.create("s", [])
        with fragile.paused():
            appending = asyncio.create_task(log.append("s", [b"x" * 1_000_000] * 3))
            for _ in range(1000):
                await asyncio.sleep(0)
            assert not appending.done()
        assert await appending == 3


# Notifications


async def test_a_lost_notification_delays_a_reader_by_a_poll(log, other):
    await log.create("s", [])
    waiting = asyncio.create_task(other.wait({"s": 0}))
    await log.append("s", [b"0"])
    assert set(await waiting) == {"s"}
    # Nobody waits while this is answered, and whoever does next relies on what was told.
    await other._query(lambda db: db.execute("UNLISTEN *; SELECT pg_sleep(0.1)"))
    waiting = asyncio.create_task(other.wait({"s": 1}))
    await eventually(lambda: bool(other._waiters.streams))
    await log.append("s", [b"1"])
    began = asyncio.get_running_loop().time()
    assert set(await waiting) == {"s"}
    assert asyncio.get_running_loop().time() - began < 10 * POLL_SECONDS


async def test_what_is_of_other_owners_is_not_swept(postgres, schema, tmp_path):
    files = Attachments(tmp_path / "files", max_bytes=100)
    name = await files.put("s_ann", b"Ann's")
    for path in (tmp_path / "files").rglob("*"):
        os.utime(path, (1, 1))
    async with Registry(
        lambda: PostgresLog(postgres.dsn(), schema=schema, owner="bob"), Agents([]), attachments=files
    ) as bobs:
        await bobs._sweep()
    assert await files.get("s_ann", name) == b"Ann's"


@pytest.fixture
def log(open_log, jp_asyncio_loop) -> Iterator[PostgresLog]:
    log = open_log()
    jp_asyncio_loop.run_until_complete(log.__aenter__())
    yield log
    jp_asyncio_loop.run_until_complete(log.__aexit__(None, None, None))


@pytest.fixture
def other(open_log, log, jp_asyncio_loop) -> Iterator[PostgresLog]:
    other = open_log()
    jp_asyncio_loop.run_until_complete(other.__aenter__())
    yield other
    jp_asyncio_loop.run_until_complete(other.__aexit__(None, None, None))


async def test_a_flush_notifies_once_of_all_that_moved(log, other, postgres, schema):
    told: list[str] = []
    await asyncio.gather(*(log.create(f"s{i}", []) for i in range(20)))
    await other._query(lambda db: db.add_listener(log._channel, lambda *heard: told.append(heard[-1])))
    await asyncio.gather(*(log.append(f"s{i % 20}", [b"x"]) for i in range(100)))
    await other.head("s0")
    assert 1 <= len(told) <= 3
    assert len(told[-1].split()) == 20


async def test_who_has_no_other_server_notifies_nobody(open_log):
    told: list[object] = []
    async with open_log() as log:
        await log._query(lambda db: db.add_listener(log._channel, lambda *heard: told.append(heard[-1])))
        await log.create("alone", [b"1"])
        async with open_log():
            await log.create("seen", [b"1"])
            await eventually(lambda: bool(told))
    assert len(told) == 1, "notifications come in the order of their flushes"


async def test_more_than_a_notification_can_say_is_looked_for(log, other, postgres, schema):
    await postgres.run("ALTER TABLE streams ALTER COLUMN id RESTART WITH 1000000000000000", schema=schema)
    await asyncio.gather(*(log.create(f"s{i}", []) for i in range(500)))
    waiting = [asyncio.create_task(other.wait({f"s{i}": 0})) for i in range(500)]
    await eventually(lambda: len(other._ends) == 500)
    await other._query(lambda db: db.execute("SELECT 1"))
    told: list[str] = []
    await other._query(lambda db: db.add_listener(log._channel, lambda *heard: told.append(heard[-1])))
    await asyncio.gather(*(log.append(f"s{i}", [b"x"]) for i in range(500)))
    assert all([await wait for wait in waiting])
    assert "" in told


# Owners


async def test_nobody_sees_the_streams_of_another_owner(open_log):
    async with open_log(owner="ann") as ann, open_log(owner="bob") as bob:
        await ann.create("s", [b"secret"], key="k", labels={"a": "1"}, summary=b"secret")
        await ann.append("s", [b"more"], words="secret words")
        await ann.save_snapshot("s", Record(2, b"secret"))
        await ann.lease("s", "holder", 10)
        for call in (
            bob.read("s", 0), bob.head("s"), bob.snapshot("s"), bob.append("s", [b"x"]), bob.delete("s"),
            bob.lease("s", "me", 10), bob.compact("s"), bob.save_snapshot("s", Record(1, b"")), bob.streams(before="s"),
        ):  # fmt: skip
            with pytest.raises(UnknownStream):
                await call
        assert await bob.streams() == await bob.leases() == await bob.streams(search="secret") == []
        assert await bob.streams(labels={"a": "1"}) == []
        assert not await bob.wait({"s": 0}, 0)
        await bob.renew("holder", 1000)
        lease = (await ann.leases())[0]
        # Names and keys are each owner's own.
        assert (await bob.create("s", [b"mine"], key="k")).stream == "s"
        assert await read_all(bob, "s") == [b"mine"]
        await bob.delete("s")
        assert await read_all(ann, "s") == [b"secret", b"more"]
        assert (await ann.leases())[0] == lease and (await ann.head("s")).key == "k"


async def test_the_database_keeps_roles_apart(postgres, schema, open_log):
    roles = [f"{schema}_ann", f"{schema}_bob"]
    async with open_log():
        pass
    for role in roles:
        await postgres.run(f"CREATE ROLE {role} LOGIN")
        await postgres.run(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        await postgres.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}")
    ann, bob = roles
    # Whoever a server says that it is, such a role is itself.
    async with PostgresLog(postgres.dsn(user=ann), schema=schema, owner=bob) as log:
        await log.create("s", [b"secret"], labels={"a": "1"}, summary=b"secret")
        await log.append("s", [b"more"], words="secret", labels={"a": "2"})
        await log.save_snapshot("s", Record(2, b"secret"))
        await log.lease("s", "me", 10)
        assert await read_all(log, "s") == [b"secret", b"more"]
        assert await names(log, search="secret", labels={"a": "2"}) == ["s"]
        tables = ("streams", "ends", "records", "snapshots", "labels", "words", "writers")
        async with PostgresLog(postgres.dsn(user=bob), schema=schema, owner=ann) as other:
            with pytest.raises(UnknownStream):
                await other.read("s", 0)
            for table in tables:
                mine = "id" if table == "writers" else "1"
                found = await postgres.run(f"SELECT {mine} FROM {table}", user=bob, schema=schema)
                assert len(found) == (table == "writers"), table
            (stream,) = (await postgres.run("SELECT id FROM streams", schema=schema))[0]
            for attack in (
                f"INSERT INTO records VALUES ({stream}, 3, 'forged')",
                f"INSERT INTO streams (owner, name, created, updated, summary) VALUES ('{ann}', 'x', 1, 1, '')",
                f"INSERT INTO labels VALUES ({stream}, '{bob}', 'a', 'forged')",
            ):
                with pytest.raises(Exception, match="row-level security"):
                    await postgres.run(attack, user=bob, schema=schema)
            for table in tables:
                assert await postgres.run(
                    f"DELETE FROM {table} RETURNING 1", user=ann if 0 else bob, schema=schema
                ) in ([], [(1,)])
        assert await read_all(log, "s") == [b"secret", b"more"]
        async with open_log(owner=ann) as trusted:
            assert await read_all(trusted, "s") == [b"secret", b"more"]


# Leases


async def test_leases_run_by_the_clock_of_the_database(log, postgres):
    now = "SELECT extract(epoch FROM clock_timestamp())::double precision"
    await log.create("s", [])
    before = (await postgres.run(now))[0][0]
    await log.lease("s", "me", 100)
    after = (await postgres.run(now))[0][0]
    assert before <= (await log.leases())[0].until - 100 <= after


# Opening


async def test_those_who_come_first_at_once_make_the_schema_once(open_log):
    logs = [open_log() for _ in range(8)]
    await asyncio.gather(*(log.__aenter__() for log in logs))
    await asyncio.gather(*(log.create(f"s{i}", []) for i, log in enumerate(logs)))
    assert len(await logs[0].streams()) == 8
    await asyncio.gather(*(log.__aexit__(None, None, None) for log in logs))


async def test_a_store_takes_the_steps_that_it_lacks(postgres, schema):
    steps = ["CREATE TABLE one (a text)", "ALTER TABLE one ADD COLUMN b text; INSERT INTO one VALUES ('a', 'b')"]

    async def take(steps: list[str]) -> None:
        db = await asyncpg.connect(postgres.dsn(), server_settings={"search_path": schema})
        try:
            await migrate(db, schema, steps)
        finally:
            await db.close()

    await take(steps[:1])
    await take(steps[:1])
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await take([*steps, "nonsense"])
    await asyncio.gather(*(take(steps) for _ in range(6)))
    assert [tuple(row) for row in await postgres.run("SELECT * FROM one", schema=schema)] == [("a", "b")]
    with pytest.raises(LogUnavailable, match=r"newer version .*\(schema 2; this version knows 1\). Upgrade"):
        await take(steps[:1])


async def test_a_store_of_a_newer_version_is_refused_by_name(open_log, postgres, schema):
    async with open_log():
        pass
    await postgres.run("UPDATE taken SET steps = 99", schema=schema)
    with pytest.raises(LogUnavailable, match=r"The chat store in PostgreSQL cannot be used: a newer version"):
        await open_log().__aenter__()


async def test_a_schema_of_another_program_is_left_alone(open_log, postgres, schema):
    await postgres.run(f"CREATE SCHEMA {schema}")
    await postgres.run("CREATE TABLE precious (a text)", schema=schema)
    with pytest.raises(LogUnavailable, match=f"{schema}.*another program.*another database"):
        await open_log().__aenter__()
    assert [row[0] for row in await postgres.run("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)] == [
        "precious"
    ]


PASSWORD = "s3cret/wörd@#?x"


@pytest.mark.parametrize(
    ("dsn", "says"),
    [
        (f"postgresql://chat:{quote(PASSWORD, safe='')}@127.0.0.1:1/chat", "chat at 127.0.0.1:1 cannot be used"),
        (f"postgresql://chat:{PASSWORD}@127.0.0.1:1/chat", "cannot be used"),
        (f"postgresql://127.0.0.1:1/chat?password={quote(PASSWORD, safe='')}", "chat at 127.0.0.1:1 cannot be used"),
        (f"postgresql://chat:{PASSWORD}", "is not one that can be used.*percent encoding"),
        (f"postgresql://chat:s3cret@127.0.0.1:port/chat?{PASSWORD}", "cannot be used"),
    ],
)
async def test_what_is_secret_in_an_address_is_not_told(dsn, says, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LogUnavailable, match=says) as refused:
        await PostgresLog(dsn, patience=0.2).__aenter__()
    told = str(refused.value) + caplog.text + repr(refused.value.__cause__)
    assert "s3cret" not in told and "rd@" not in told


async def test_what_keeps_one_out_is_said(fragile, postgres, schema):
    for dsn, says in (
        (postgres.dsn("nowhere"), 'database "nowhere" does not exist. Create the database'),
        (postgres.dsn(user="nobody_here"), 'role "nobody_here" does not exist. See the user'),
        ("postgresql://chat@/postgres?host=/nowhere", "See that PostgreSQL runs"),
    ):
        with pytest.raises(LogUnavailable, match=says):
            await PostgresLog(dsn, schema=schema, patience=0.2 if "/nowhere" in dsn else 30).__aenter__()
    await postgres.run(f"CREATE ROLE {schema} LOGIN")
    with pytest.raises(LogUnavailable, match=r"permission denied.*rights that docs/postgresql.md lists"):
        await PostgresLog(postgres.dsn(user=schema), schema=schema).__aenter__()


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://chat:p@db.example:5432/chat", " chat at db.example:5432"),
        ("postgres://db/chat?sslmode=require", " chat at db"),
        ("postgresql://a:p@[::1]:5432/chat", " chat at [::1]:5432"),
        ("postgresql://a@one:5432,two:5433/chat", " chat at one:5432,two:5433"),
        ("postgresql://a:p/w@db/chat", ""),
        ("postgresql://chat:s3/cret", ""),
        ("postgresql://user:secret/x?y@host/db", ""),
        ("postgresql:///chat?host=/run/x", ""),
        ("nonsense", ""),
    ],
)
def test_a_store_is_named_without_what_is_secret(dsn, expected):
    assert place(dsn) == expected


# What is kept


async def test_nothing_of_a_deleted_stream_is_kept_but_its_row(log, postgres, schema):
    await log.create("s", [b"secret"], key="secret", labels={"a": "secret"}, summary=b"secret")
    await log.append("s", [], words="secret")
    await log.save_snapshot("s", Record(1, b"secret"))
    await log.delete("s")
    for table in ("records", "snapshots", "labels", "words"):
        assert await postgres.run(f"SELECT * FROM {table}", schema=schema) == []
    assert "secret" not in str(await postgres.run("SELECT * FROM streams", schema=schema))


async def test_a_dump_that_is_restored_is_the_store(log, postgres, schema):
    await log.create("s", [b"1"], key="k", labels={"a": "1"}, summary=b"x")
    await log.append("s", [b"2"], words="found")
    await log.lease("s", "me", 10)
    head, leases = await log.head("s"), await log.leases()
    dumped = str(postgres.folder / f"{schema}.dump")
    await postgres.run(f"CREATE DATABASE {schema}")
    postgres.program("pg_dump", "--format=custom", f"--schema={schema}", f"--file={dumped}", postgres.dsn())
    await log.append("s", [b"not in the dump"])
    postgres.program("pg_restore", f"--dbname={postgres.dsn(schema)}", dumped)
    async with PostgresLog(postgres.dsn(schema), schema=schema) as restored:
        assert await restored.head("s") == head and await restored.leases() == leases
        assert await names(restored, search="found", labels={"a": "1"}) == ["s"]
        assert await restored.append("s", [b"3"], after=2) == 3
        assert await read_all(restored, "s") == [b"1", b"2", b"3"]


async def test_any_text_can_be_kept(log):
    key = "a/" * 3000 + "x.ipynb\nname"
    await log.create("s", [b"1"], key=key, labels={"notebook": key, "odd": "a\0b\ud800"})
    assert (await log.create("t", [], key=key)).stream == "s"
    assert await names(log, labels={"notebook": key}) == ["s"]
    assert await names(log, labels={"notebook": key[:-1]}) == []
    assert await names(log, labels={"odd": "a\0b\ud800"}) == ["s"]
    await log.append("s", [], words="\0 \ud800 " + "x" * 10_000)
    assert await names(log, search="x" * 10_000) == ["s"]
    with pytest.raises(UnknownStream):
        await log.head("\0\ud800")


async def test_what_the_database_refuses_is_refused_alone(log, postgres, schema):
    await log.create("s", [b"1"])
    await postgres.run("ALTER TABLE records ADD CHECK (octet_length(data) < 100)", schema=schema)
    appends = [log.append("s", [data]) for data in (b"2", b"x" * 200, b"3")]
    two, refused, three = await asyncio.gather(*appends, return_exceptions=True)
    assert (two, three) == (2, 3)
    assert isinstance(refused, LogUnavailable) and "xxx" not in str(refused)
    assert await read_all(log, "s") == [b"1", b"2", b"3"]
