"""What was saved comes back, from a store in use too; what does not verify does not, and nothing is overwritten."""

import asyncio
import hashlib
import json
import os
import sqlite3
import stat
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.log import statements
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.store import backup as module
from jupyter_durable_chat.store.archive import Refused
from jupyter_durable_chat.store.backup import back_up, restore
from jupyter_durable_chat.store.check import Check
from tests.log.contract import read_all
from tests.store.conftest import Store
from tests.store.test_check import command
from tests.waiting import eventually


@pytest.fixture
def saved(store: Store, tmp_path: Path, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Path:
    target = tmp_path / "saved.zip"
    jp_asyncio_loop.run_until_complete(back_up(store.path, store.folder, target, pytest.fail))
    return target


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "another" / "log.sqlite3"


def folder(place: Path) -> Path:
    return Path(f"{place}.attachments")


async def sound(place: Path) -> Check:
    async with SqliteLog(place, read_only=True) as log:
        check = Check(log, Attachments(folder(place), max_bytes=0))
        assert [str(finding) async for finding in check.findings()] == []
    return check


async def test_what_was_saved_comes_back(store: Store, saved: Path, place: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert sorted(path.name for path in saved.parent.iterdir()) == ["saved.zip", "store"], "and nothing is left over"
    await restore(saved, place, folder(place))
    check = await sound(place)
    assert check.counts["sessions"] == 3 and check.counts["files"] == 2
    assert sorted(path.name for path in place.parent.iterdir()) == ["log.sqlite3", "log.sqlite3.attachments"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    async with SqliteLog(store.path) as before, SqliteLog(place) as after:
        for stream in (store.answered, store.forked, store.inbox):
            assert await before.head(stream) == await after.head(stream)
            if stream != store.forked:
                assert await read_all(before, stream) == await read_all(after, stream)
        assert await before.snapshot(store.compacted) == await after.snapshot(store.compacted)
        assert await after.append(store.answered, [b"{}"]) == (await before.head(store.answered)).lsn + 1
    one, two = (folder(place) / "sessions" / session / store.attachment for session in (store.answered, store.forked))
    assert one.read_bytes() == b"a file of a message" and one.samefile(two), "the bytes are there once"


async def test_a_store_in_use_is_saved_as_it_was_at_one_moment(store: Store, tmp_path: Path, place: Path) -> None:
    """Two streams grow together; whatever is saved has as much of the one as of the other."""
    done, written = asyncio.Event(), 0

    async def write(log: SqliteLog) -> None:
        nonlocal written
        while not done.is_set():
            await log.append("one", [b"{}"])
            await log.append("two", [b"{}"])
            written += 1

    async with SqliteLog(store.path) as log:
        await log.create("one", [])
        await log.create("two", [])
        writing = asyncio.create_task(write(log))
        for nth in range(3):
            before = written
            saving = back_up(store.path, store.folder, tmp_path / f"{nth}.zip", pytest.fail)
            await asyncio.to_thread(asyncio.run, saving)
            await eventually(lambda before=before: written > before)
        done.set()
        await writing
    lengths = []
    for nth in range(3):
        there = place.with_name(f"{nth}.sqlite3")
        await restore(tmp_path / f"{nth}.zip", there, folder(there))
        async with SqliteLog(there) as log:
            one, two = (await log.head("one")).lsn, (await log.head("two")).lsn
            assert one - two in (0, 1) and len(await read_all(log, "one")) == one
        lengths.append(one)
    assert lengths == sorted(set(lengths))


async def test_what_is_deleted_meanwhile_is_in_no_backup(
    store: Store, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that goes, with its files, between the copy of the log and that of the files leaves nothing behind."""
    attachments = Attachments(store.folder, max_bytes=1 << 20)
    own = await attachments.put(store.compacted, b"of the session that goes, SECRET")
    copy = module._copy

    def copied(*paths: Path) -> None:
        copy(*paths)
        store.sql("UPDATE streams SET deleted = 1, key = NULL WHERE name = ?", store.compacted)

    monkeypatch.setattr(module, "_copy", copied)
    target = tmp_path / "saved.zip"
    manifest = await back_up(store.path, store.folder, target, pytest.fail)
    assert own not in manifest.files and store.compacted not in manifest.sessions
    assert b"SECRET" not in target.read_bytes()
    await restore(target, place, folder(place))
    assert (await sound(place)).counts["sessions"] == 2


async def test_no_word_of_what_was_deleted_is_in_a_backup(store: Store, tmp_path: Path) -> None:
    """A server may have had no time to take them out of the index."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        (number,) = db.execute("SELECT id FROM streams WHERE name = ?", (store.answered,)).fetchone()
        db.execute("INSERT INTO words (stream, text) VALUES (?, 'zzxxysecretword')", (number,))
        statements.delete(db, store.answered, None)
    await back_up(store.path, store.folder, tmp_path / "saved.zip", pytest.fail)
    assert b"xysecretword" not in (tmp_path / "saved.zip").read_bytes()


async def test_a_damaged_file_is_said_and_left_out(store: Store, tmp_path: Path, place: Path) -> None:
    (store.folder / "sessions" / store.answered / store.attachment).write_bytes(b"x")
    said: list[str] = []
    await back_up(store.path, store.folder, tmp_path / "saved.zip", said.append)
    assert len(said) == 2 and all(store.attachment in text for text in said)
    await restore(tmp_path / "saved.zip", place, folder(place))
    async with SqliteLog(place) as log:
        assert len(await log.streams()) == 5


# What is refused

Members = dict[str, bytes]


def changed(change: Callable[[Members, dict], object]) -> Callable[[Path], None]:
    """An archive whose members, and manifest, somebody has changed; hashes and sizes are his to give."""

    def do(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(members.pop("manifest.json"))
        change(members, manifest)
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            archive.writestr("manifest.json", json.dumps(manifest))

    return do


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = data.index(b"a file of a message")
    data[at] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("attachments/" + "0" * 64, bytes(50 << 20))


def overlapping(path: Path) -> None:
    """Every member of the directory is the largest one: little to download, much to unpack."""
    with zipfile.ZipFile(path, "a") as archive:
        (largest,) = [member for member in archive.infolist() if member.filename == "log.sqlite3"]
        archive.filelist += [largest] * 10
        archive._didModify = True  # type: ignore[attr-defined]


def another_log(spoil: str) -> Callable[[Members, dict], None]:
    """A log with the right hash that is not what we write."""

    def change(members: Members, manifest: dict) -> None:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "log")
            path.write_bytes(members["log.sqlite3"])
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                db.execute(spoil)
            members["log.sqlite3"] = path.read_bytes()
        manifest["log_size"] = len(members["log.sqlite3"])
        manifest["log_hash"] = hashlib.sha256(members["log.sqlite3"]).hexdigest()

    return change


def renamed(new: str) -> Callable[[Members, dict], None]:
    def change(members: Members, manifest: dict) -> None:
        (name,) = manifest["files"]
        members[f"attachments/{new}"] = members.pop(f"attachments/{name}")
        manifest["files"] = {new: manifest["files"][name]}
        manifest["sessions"] = {session: [new] for session in manifest["sessions"]}

    return change


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (flipped, "cannot be read: Bad CRC-32"),
    "half of it": (cut, "is no backup, or not all of one"),
    "something else": (lambda path: path.write_bytes(b"PK? no"), "is no backup"),
    "a bomb": (bomb, "something in it is compressed"),
    "members on each other": (overlapping, "holds more than it does"),
    "a file that goes elsewhere": (
        changed(lambda members, _: members.update({"../../evil": b"x"})),
        "what is in it is not what its manifest.json says",
    ),
    "a hash that goes elsewhere": (changed(renamed("../../../evil")), "a name that is none of ours"),
    "a session that goes elsewhere": (
        changed(lambda _, manifest: manifest["sessions"].update({"../../evil": list(manifest["files"])})),
        "a name that is none of ours",
    ),
    "another file": (
        changed(
            lambda members, _: members.update({name: b"A" * len(members[name]) for name in members if "/" in name})
        ),
        "has been changed: it has another hash",
    ),
    "a file too few": (
        changed(lambda members, _: [members.pop(name) for name in list(members) if "/" in name]),
        "what is in it is not what its manifest.json says",
    ),
    "another log": (
        changed(lambda members, _: members.update({"log.sqlite3": bytes(len(members["log.sqlite3"]))})),
        "log.sqlite3 has been changed",
    ),
    "a trigger": (
        changed(another_log("CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END")),
        "is no chat store",
    ),
    "a record too few": (
        changed(another_log("DELETE FROM records WHERE lsn = 2")),
        "has not what its manifest says",
    ),
    "a newer version": (changed(lambda _, manifest: manifest.update(schema=99)), "Upgrade jupyter-durable-chat"),
    "no manifest": (changed(lambda _, manifest: manifest.clear()), "its manifest.json cannot be read"),
    "another format": (changed(lambda _, manifest: manifest.update(format="x")), "its format is 'x'"),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_what_does_not_verify_is_refused(saved: Path, place: Path, kind: str) -> None:
    spoil, says = REFUSED[kind]
    spoil(saved)
    with pytest.raises(Refused) as refused:
        await restore(saved, place, folder(place))
    assert says in str(refused.value)
    assert not place.parent.exists() or not list(place.parent.iterdir()), "and nothing of it is left"
    assert not [path for path in saved.parent.rglob("evil")]


async def test_nothing_is_overwritten(store: Store, saved: Path, place: Path) -> None:
    before = store.path.read_bytes()
    with pytest.raises(Refused, match=f"There is a store already: {store.path}.*--store=FILE"):
        await restore(saved, store.path, place)
    with pytest.raises(Refused, match="There are attachments already"):
        await restore(saved, place, store.folder)
    with pytest.raises(Refused, match=r"saved\.zip is there already"):
        await back_up(store.path, store.folder, saved, pytest.fail)
    place.parent.mkdir(exist_ok=True)
    Path(f"{place}-wal").write_bytes(b"the last records of a store that was moved away")
    with pytest.raises(Refused, match=r"log\.sqlite3-wal"):
        await restore(saved, place, folder(place))
    assert store.path.read_bytes() == before and not place.exists()


@pytest.mark.slow
def test_the_commands(store: Store, tmp_path: Path, place: Path) -> None:
    target = tmp_path / "chat.zip"
    said = command("backup", str(target), store=store.path, status=0)
    assert f"{target} has 5 conversations, inboxes and streams, " in said and "1 file." in said
    assert "is there already" in command("backup", str(target), store=store.path, status=1)
    assert "There is a store already" in command("restore", str(target), store=store.path, status=1)
    command("restore", str(target), store=place, status=0)
    assert "nothing is wrong" in command("check", store=place, status=0)
    assert "Name one file" in command("backup", store=store.path, status=1)
    assert "cannot be read: No such file" in command(
        "restore", str(tmp_path / "no"), store=place.parent / "x", status=1
    )
    in_a_database = command("backup", str(target), store="postgresql://me:s3cret@db.example/chat", status=1)
    assert "pg_dump" in in_a_database and "s3cret" not in in_a_database
    assert sorted(os.listdir(place.parent)) == [place.name, f"{place.name}.attachments"]
