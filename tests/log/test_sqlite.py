import asyncio
import contextlib
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import pytest

from jupyter_durable_chat.log import LogUnavailable
from jupyter_durable_chat.log.migrations import APPLICATION_ID, MIGRATIONS, migrate
from jupyter_durable_chat.log.mounts import kind_at, macos, network
from jupyter_durable_chat.log.sqlite import SqliteLog
from tests.log.contract import SharedLogContract, read_all

ROOT = Path(__file__).parents[2]
FOR_EVER = 10**9


class Appender:
    """`tests.log.appender` as a child: what it has acknowledged so far, and its end."""

    def __init__(self, path: Path, mounts: Path, count: int, *streams: str) -> None:
        arguments = [str(path), str(mounts), str(count), *streams]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.log.appender", *arguments], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert self._process.stdout
        self._lines = self._process.stdout
        self.acknowledged: list[tuple[str, int, bytes]] = []

    def __enter__(self) -> "Appender":
        return self

    def __exit__(self, *exc: object) -> None:
        """SIGKILL; what was acknowledged until then is known afterwards."""
        self._process.kill()
        self.read(-1)
        self._process.wait()
        self._lines.close()

    def read(self, lines: int) -> None:
        for line in self._lines:
            stream, lsn, data = line.split()
            self.acknowledged.append((stream.decode(), int(lsn), data))
            lines -= 1
            if not lines:
                break

    def finish(self) -> None:
        self.read(-1)
        assert self._process.wait() == 0


async def ask(log: SqliteLog, sql: str) -> list[tuple]:
    """What the writer's own connection answers: some settings are the connection's."""
    return await log._writer.submit(lambda db: db.execute(sql).fetchall()).future


@contextlib.contextmanager
def as_a_user_without_rights() -> Iterator[None]:
    """Root may write everywhere, so it steps down."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class TestSqliteLog(SharedLogContract):
    journal = "wal"

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "chat" / "log.sqlite3"

    @pytest.fixture
    def mounts(self):
        return Path("/proc/self/mountinfo")

    @pytest.fixture
    def open_log(self, path, mounts):
        return partial(SqliteLog, path, mounts=mounts)

    # Processes

    async def test_a_killed_process_loses_nothing_that_it_acknowledged(self, open_log, path, mounts):
        streams = ["a", "b", "c"]
        async with open_log() as log:
            for stream in streams:
                await log.create(stream, [])
        acknowledged = {}
        for _ in range(5):
            with Appender(path, mounts, FOR_EVER, *streams) as appender:
                appender.read(200)
            acknowledged |= {(stream, lsn): data for stream, lsn, data in appender.acknowledged}
            async with open_log() as reopened:
                stored = {stream: await read_all(reopened, stream) for stream in streams}
            assert len(acknowledged) <= sum(map(len, stored.values()))
            for (stream, lsn), data in acknowledged.items():
                assert stored[stream][lsn - 1] == data
        assert len(acknowledged) >= 1000

    async def test_processes_write_into_one_stream_without_a_hole(self, log, path, mounts):
        await log.create("s", [])
        with Appender(path, mounts, 200, "s") as one, Appender(path, mounts, 200, "s") as two:
            ends = [await log.append("s", [b"mine %d" % i]) for i in range(200)]
            await asyncio.to_thread(one.finish)
            await asyncio.to_thread(two.finish)
        stored = await read_all(log, "s")
        said = one.acknowledged + two.acknowledged + [("s", lsn, b"mine %d" % i) for i, lsn in enumerate(ends)]
        assert sorted((lsn, data) for _, lsn, data in said) == list(enumerate(stored, 1))
        assert len(stored) == 600

    async def test_a_process_wakes_those_who_wait_in_another(self, log, path, mounts):
        await log.create("s", [])
        with Appender(path, mounts, 50, "s"):
            found: list[bytes] = []
            while len(found) < 50:
                assert set(await log.wait({"s": len(found)})) == {"s"}
                found += [record.data for record in await log.read("s", len(found))]
        assert [data.split(b"-")[-1] for data in found] == [b"%d" % i for i in range(50)]

    async def test_many_may_create_the_store_at_once(self, open_log):
        logs = [open_log() for _ in range(8)]
        await asyncio.gather(*(log.__aenter__() for log in logs))
        heads = await asyncio.gather(*(log.create(f"s{i}", [], key="k") for i, log in enumerate(logs)))
        assert len({head.stream for head in heads}) == 1
        await asyncio.gather(*(log.__aexit__() for log in logs))

    # The file

    async def test_the_store_is_its_owner_s_alone(self, log, path):
        await log.create("s", [b"1"])
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}

    async def test_commits_are_on_the_disk_when_they_are_acknowledged(self, log):
        assert await ask(log, "PRAGMA synchronous") == [(2,)]
        assert await ask(log, "PRAGMA journal_mode") == [(self.journal,)]

    async def test_the_store_says_whose_it_is(self, log, path):
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
            assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)

    async def test_an_empty_file_is_a_new_store(self, open_log, path):
        path.parent.mkdir()
        path.touch()
        async with open_log() as log:
            assert (await log.create("s", [b"1"])).lsn == 1

    async def test_a_link_is_followed(self, path, mounts, tmp_path):
        path.parent.mkdir()
        (tmp_path / "link").symlink_to(path)
        async with SqliteLog(tmp_path / "link", mounts=mounts) as log:
            assert (await log.create("s", [b"1"])).lsn == 1
            assert await ask(log, "PRAGMA journal_mode") == [(self.journal,)]
        async with SqliteLog(path, mounts=mounts) as log:
            assert await read_all(log, "s") == [b"1"]

    async def test_a_path_that_leads_nowhere_says_so(self, mounts, tmp_path):
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        for path in ("~nosuchuser/x", tmp_path / "loop" / "x", tmp_path / "loop"):
            with pytest.raises(LogUnavailable, match=f"{path} cannot be used: .+ See that"):
                await SqliteLog(path, mounts=mounts).__aenter__()

    async def test_a_home_folder_is_found(self, mounts, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        async with SqliteLog("~/chat/log.sqlite3", mounts=mounts) as log:
            await log.create("s", [b"1"])
        assert (tmp_path / "chat" / "log.sqlite3").is_file()

    async def test_an_opening_that_fails_in_an_unknown_way_tells_whoever_opens(self, mounts):
        with pytest.raises(ValueError, match="null"):
            await SqliteLog("a\0b", mounts=mounts).__aenter__()

    async def test_nothing_of_a_deleted_stream_is_kept_but_its_row(self, log):
        await log.create("s", [b"secret"], key="secret", labels={"a": "secret"}, summary=b"secret")
        await log.delete("s")
        assert await ask(log, "SELECT * FROM records") == await ask(log, "SELECT * FROM labels") == []
        assert "secret" not in str(await ask(log, "SELECT * FROM streams"))

    async def test_nobody_waits_for_a_locked_store_but_its_writers(self, open_log, path):
        async with open_log() as log:
            await log.create("s", [b"1"])
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                appending = asyncio.create_task(log.append("s", [b"2"]))
                second = open_log()
                opening = asyncio.create_task(second.__aenter__())
                assert await log.read("s", 0) == [(1, b"1")]
                assert not appending.done()
                assert not opening.done()
                db.execute("ROLLBACK")
                assert await appending == 2
                await opening
                await second.__aexit__()


class TestSqliteLogOnANetwork(TestSqliteLog):
    """With a rollback journal: processes there may be on two machines, which cannot share memory."""

    journal = "truncate"

    @pytest.fixture
    def mounts(self, tmp_path):
        mounts = tmp_path / "mountinfo"
        mounts.write_text(mount_table({"/": "ext4", str(tmp_path / "chat"): "nfs4"}))
        return mounts


def mount_table(mounts: dict[str, str]) -> str:
    return "".join(
        f"{i} 1 0:{i} / {at} rw,relatime shared:1 - {kind} host rw\n" for i, (at, kind) in enumerate(mounts.items())
    )


# Stores that cannot be used


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.sqlite3"


def wal(path: Path) -> Path:
    return Path(f"{path}-wal")


async def filled(path: Path) -> None:
    async with SqliteLog(path) as log:
        for i in range(20):
            await log.create(f"s{i}", [b"x" * 1000] * 20, labels={"i": str(i)}, summary=b"y" * 500)


def damage(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def headless(path: Path) -> None:
    damage(path, 0, bytes(4096))


def torn(path: Path) -> None:
    damage(path, 4096, os.urandom(path.stat().st_size - 4096))


def garbage(path: Path) -> None:
    path.write_bytes(b"{}\n" * 5000)


def foreign(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE precious (data)")


def marked(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA application_id = 7")


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (truncated, "malformed.*[Mm]ove it away.*restore a backup"),
        (headless, "not a database.*[Mm]ove it away.*restore a backup"),
        (torn, "[Mm]ove it away.*restore a backup"),
        (garbage, "not a database.*[Mm]ove it away.*restore a backup"),
        (foreign, "another program.*another file"),
        (marked, "another program.*another file"),
        (newer, "newer version.*schema 99.*[Uu]pgrade"),
    ],
)
async def test_a_store_that_cannot_be_used_is_named_and_left_alone(path, spoil, says):
    await filled(path)
    spoil(path)
    before = path.read_bytes()
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=f"(?s){path.name}.*{says}"):
            await SqliteLog(path).__aenter__()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


async def test_a_place_that_cannot_be_a_store_is_named(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "file" / "log.sqlite3"):
        with pytest.raises(LogUnavailable, match=f"{path}.*folder that you may write to"):
            await SqliteLog(path).__aenter__()


async def test_the_last_records_of_a_store_that_was_moved_away_are_kept(path):
    async with SqliteLog(path) as log:
        await log.create("s", [b"1"])
        records = wal(path).read_bytes()
    path.unlink()
    wal(path).write_bytes(records)
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=f"{path}.*{path.name}-wal"):
            await SqliteLog(path).__aenter__()
        assert wal(path).read_bytes() == records
        path.touch()


async def test_a_damaged_record_fails_its_own_stream_only(path):
    await filled(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        query = "SELECT pageno FROM dbstat WHERE name = 'records' AND pagetype = 'leaf' ORDER BY path"
        pages = [page for (page,) in db.execute(query)]
    damage(path, (pages[len(pages) // 2] - 1) * 4096, b"\xff" * 4096)
    async with SqliteLog(path) as log:
        broken = []
        for i in range(20):
            try:
                await read_all(log, f"s{i}")
            except LogUnavailable as error:
                assert str(path) in str(error)
                broken.append(i)
        assert 1 <= len(broken) <= 2
        assert await log.append("s0", [b"x"]) == 21


async def test_a_store_that_may_not_be_written_to(jp_asyncio_loop):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.sqlite3"
        await filled(path)
        path.chmod(0o444)
        os.chmod(folder, 0o555)
        with as_a_user_without_rights(), pytest.raises(LogUnavailable, match=f"{path}.*you may write"):
            await SqliteLog(path).__aenter__()
        os.chmod(folder, 0o755)


async def test_what_does_not_fit_on_the_disk_is_refused_alone(path):
    async with SqliteLog(path) as log:
        await log.create("s", [b"1"])
        await ask(log, "PRAGMA max_page_count = 50")
        appends = [log.append("s", [data], summary=data[:10]) for data in (b"2", b"x" * 1_000_000, b"3")]
        two, refused, three = await asyncio.gather(*appends, return_exceptions=True)
        assert (two, three) == (2, 3)
        assert isinstance(refused, LogUnavailable)
        assert str(path) in str(refused)
        assert "full" in str(refused)
        assert (await log.head("s")).summary == b"3"
        await ask(log, "PRAGMA max_page_count = 5000")
        assert await log.append("s", [b"x" * 1_000_000]) == 4
        assert [len(data) for data in await read_all(log, "s")] == [1, 1, 1, 1_000_000]


async def test_a_disk_that_fails_does_not_end_the_log(path):
    async with SqliteLog(path) as log:
        await log.create("s", [b"1"])
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal(path).stat().st_size + 5000, hard))
        try:
            with pytest.raises(LogUnavailable, match=f"{path}.*disk I/O error.*[Ss]ee whether its disk"):
                await log.append("s", [b"x" * 100_000])
            assert await log.read("s", 0) == [(1, b"1")]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert await log.append("s", [b"2"]) == 2
    async with SqliteLog(path) as log:
        assert await read_all(log, "s") == [b"1", b"2"]


# Migrations


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        yield db


def step(sql: str):
    return lambda db: db.execute(sql)


def test_a_store_takes_the_steps_that_it_lacks(db):
    steps = [step("CREATE TABLE one (a)"), step("ALTER TABLE one ADD COLUMN b")]
    migrate(db, steps[:1])
    migrate(db, steps[:1])
    assert [row[1] for row in db.execute("PRAGMA table_info(one)")] == ["a"]
    migrate(db, steps)
    assert [row[1] for row in db.execute("PRAGMA table_info(one)")] == ["a", "b"]
    with pytest.raises(LogUnavailable, match=r"schema 2; this version knows 1\b"):
        migrate(db, steps[:1])


def test_steps_are_taken_together_or_not_at_all(db):
    migrate(db, [step("CREATE TABLE one (a)")])
    db.execute("BEGIN")
    with pytest.raises(sqlite3.OperationalError):
        migrate(db, [step(""), step("CREATE TABLE two (a)"), step("nonsense")])
    db.execute("ROLLBACK")
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("one",)]


# File systems


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ({"/": "ext4"}, None),
        ({"/": "nfs"}, "nfs"),
        ({"/": "ext4", "/home": "nfs4"}, "nfs4"),
        ({"/": "ext4", "/home/jo": "cifs", "/home": "xfs"}, "cifs"),
        ({"/": "nfs", "/home": "tmpfs"}, None),
        ({"/": "ext4", "/home": "fuse.sshfs"}, "fuse.sshfs"),
        ({"/": "ext4", "/home": "fuseblk"}, None),
        ({"/": "ext4", "/home": "nfs", "/home/jo/a\\040b": "ext4"}, None),
        ({"/": "ext4", "/home/jo/a\\040b": "lustre"}, "lustre"),
        ({"/": "ext4", "/home/j": "nfs"}, None),
        ({"/": "overlay", "/home/jo/": "9p"}, "9p"),
        *(({"/": "ext4", "/home": kind}, kind) for kind in ("smb3", "gpfs", "beegfs", "afs", "ceph", "virtiofs")),
    ],
)
def test_network_file_systems_are_told_from_local_ones(tmp_path, mounts, expected):
    (tmp_path / "mountinfo").write_text(mount_table(mounts))
    assert network(Path("/home/jo/a b/log.sqlite3"), tmp_path / "mountinfo") == expected


def test_without_a_table_of_mounts_all_is_local(tmp_path):
    assert network(tmp_path, tmp_path / "absent") is None


def test_what_mount_says_on_a_mac():
    table = macos(
        "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n"
        "//jo@host/My%20Share on /Volumes/My Share (1) (smbfs, nodev, nosuid, mounted by jo)\n"
        "host:/export on /Users/jo/nfs (nfs)\n"
        "map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)\n"
    )
    found = [
        kind_at(PurePosixPath(path), table)
        for path in ("/Users/jo/log", "/Volumes/My Share (1)/log", "/Users/jo/nfs/log", "/System/Volumes/Data/home/log")
    ]
    assert found == [None, "smbfs", "nfs", None]


async def test_a_store_on_a_network_is_warned_of_once(path, tmp_path, caplog):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(mount_table({"/": "ext4", str(tmp_path): "nfs4"}))
    async with SqliteLog(path, mounts=mounts) as log:
        await log.create("s", [b"1"])
        assert (await ask(log, "PRAGMA journal_mode"), await ask(log, "PRAGMA synchronous")) == (
            [("truncate",)],
            [(2,)],
        )
    (warned,) = [record.getMessage() for record in caplog.records]
    assert f"{path} is on a network file system (nfs4)" in warned
    assert "c.DurableChat.store = " in warned and "docs/postgresql.md" in warned
    caplog.clear()
    mounts.write_text(mount_table({"/": "ext4"}))
    async with SqliteLog(path, mounts=mounts) as log:
        assert await ask(log, "PRAGMA journal_mode") == [("wal",)]
    assert not caplog.records
