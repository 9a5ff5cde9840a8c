"""A SQLite store with its files, in one archive, made while servers use it; and back again.

A backup is the store at one moment: first the log is copied in one piece, then the files of its sessions, which no
server removes but with the session. What was deleted meanwhile is deleted in the copy, too, so every file that the copy
names is in the archive. The archive has its name once it is whole, on the disk, and read again.

A restore makes a store where there is none. It has its name once everything in it is there and was checked. What a
newer version has kept of a store, before it brought it up to date, is restored in the same way; it is the log alone,
and its files are where they were.
"""

import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from jupyter_durable_chat import __version__
from jupyter_durable_chat import events as e
from jupyter_durable_chat.attachments import Attachments, UnknownAttachment
from jupyter_durable_chat.log import statements
from jupyter_durable_chat.log.migrations import MIGRATIONS
from jupyter_durable_chat.log.opening import open_existing
from jupyter_durable_chat.log.upgrade import copied, sync_folder
from jupyter_durable_chat.log.waiters import GONE
from jupyter_durable_chat.store.archive import Archive, Manifest, Refused, Writing, check_kept, check_log, counts

SIDE_FILES = ("-wal", "-shm", "-journal")

SQLITE = b"SQLite format 3\0"
"""How every file of SQLite begins."""

STAYS = "(its attachments stay)"

LIVING = "SELECT name FROM streams WHERE NOT deleted ORDER BY name"


async def back_up(store: Path, folder: Path, target: Path, warn: Callable[[str], None]) -> Manifest:
    """The store, and its attachments from `folder`, as the new file `target`, for its owner only.

    `warn` is told of files that are damaged, which no backup can mend. Raises `Refused`, `LogUnavailable`, `OSError`.
    """
    _must_be_free(target)
    attachments = Attachments(folder, max_bytes=0)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as place:
        copy, made = Path(place, "log.sqlite3"), Path(place, "archive")
        _copy(store, copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as db:
            while not await _pack(db, copy, made, store, attachments, warn):
                made.unlink()
        with Archive(made) as archive:
            archive.verify()
            manifest = archive.manifest
        _must_be_free(target)
        os.replace(made, target)
        sync_folder(target.parent)
    return manifest


def _copy(store: Path, copy: Path) -> None:
    """The log at one moment. Where it has a rollback journal, servers wait meanwhile."""
    with closing(open_existing(store)) as source:
        copied(source, copy)


async def _pack(
    db: sqlite3.Connection, copy: Path, made: Path, store: Path, attachments: Attachments, warn: Callable[[str], None]
) -> bool:
    """Make the archive from the copy of the log; false when a session was deleted meanwhile, and now is in the copy."""
    with open(made, "xb", opener=_private) as file, Writing(file) as writing:
        sessions: dict[str, list[str]] = {}
        for (session,) in db.execute(LIVING).fetchall():
            if kept := await _add_files(writing, attachments, session, warn):
                sessions[session] = kept
        if _delete_deleted(db, store):
            return False
        # What was deleted leaves no trace in a backup: not in the index of words, and not in the file.
        if gone := statements.unerased(db):
            db.execute("INSERT INTO words (words) VALUES ('optimize')")
            statements.erased(db, gone)
        db.execute("VACUUM")
        size, digest = writing.add_log(copy)
        writing.add_manifest(
            Manifest(
                made_at=e.timestamp(time.time()),
                made_by=__version__,
                schema=len(MIGRATIONS),
                counts=counts(db),
                log_size=size,
                log_hash=digest,
                files=writing.files,
                sessions=sessions,
            )
        )
        writing.close()
        file.flush()
        os.fsync(file.fileno())
    return True


async def _add_files(
    writing: Writing, attachments: Attachments, session: str, warn: Callable[[str], None]
) -> list[str]:
    kept: list[str] = []
    for name in await attachments.of(session):
        try:
            data = await attachments.get(session, name)
        except UnknownAttachment:  # the session is being deleted, or somebody has put something there
            continue
        if hashlib.sha256(data).hexdigest() != name:
            warn(f"{session}: its attachment {name} is damaged, and is left out")
            continue
        writing.add_file(name, data)
        kept.append(name)
    return kept


def _delete_deleted(copy: sqlite3.Connection, store: Path) -> bool:
    """Delete in the copy what was deleted since it was made; whether there was something."""
    living = [name for (name,) in copy.execute(LIVING)]
    with closing(open_existing(store)) as db:
        gone = [name for name, end in statements.ends(db, living).items() if end == GONE]
    for name in gone:
        statements.delete(copy, name, None)
    return bool(gone)


async def restore(source: Path, store: Path, folder: Path) -> Manifest:
    """A new store, and its attachments in `folder`, from an archive. Raises `Refused` and `OSError`."""
    _must_be_new(store, f"with {folder}")
    _must_be_empty(folder)
    for parent in (store.parent, folder.parent):
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        Archive(source) as archive,
        tempfile.TemporaryDirectory(prefix=f".{store.name}.", dir=store.parent) as place,
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside,
    ):
        manifest = archive.manifest
        log = Path(place, "log.sqlite3")
        with open(log, "xb", opener=_private) as file:
            for chunk in archive.log():
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        check_log(log, manifest)
        unpacked = Path(beside, "attachments")
        attachments = Attachments(unpacked, max_bytes=max(manifest.files.values(), default=0))
        owners: dict[str, list[str]] = {}
        for session, names in manifest.sessions.items():
            for name in names:
                owners.setdefault(name, []).append(session)
        for name, sessions in owners.items():
            data = archive.file(name)
            for session in sessions:
                await attachments.put(session, data)
        _must_be_new(store, f"with {folder}")
        _must_be_empty(folder)
        # The log comes last: there is no store before its files are there.
        if unpacked.exists():
            if folder.exists():
                folder.rmdir()
            os.rename(unpacked, folder)
            sync_folder(folder.parent)
        os.replace(log, store)
        sync_folder(store.parent)
    return manifest


def is_kept(source: Path) -> bool:
    """Whether this is no archive but a log alone, as it is kept before it is brought up to date."""
    with open(source, "rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def go_back(source: Path, store: Path) -> tuple[int, int]:
    """A new store from a log that was kept; how many streams and records it has. Raises `Refused` and `OSError`."""
    _must_be_new(store, STAYS)
    if in_use := [path for end in SIDE_FILES if (path := Path(f"{source}{end}")).exists()]:
        raise Refused(f"{source} is in use, as {in_use[0].name} beside it says: jupyter durable-chat backup copies it.")
    store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{store.name}.", dir=store.parent) as place:
        log = Path(place, "log.sqlite3")
        with open(source, "rb") as kept, open(log, "xb", opener=_private) as file:
            shutil.copyfileobj(kept, file)
            file.flush()
            os.fsync(file.fileno())
        found = check_kept(log, str(source))
        _must_be_new(store, STAYS)
        os.replace(log, store)
        sync_folder(store.parent)
    return found


def _must_be_free(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise Refused(f"{target} is there already. Name a new file, or move that one away.")


def _must_be_new(store: Path, attachments: str) -> None:
    found = [path for path in (store, *(Path(f"{store}{end}") for end in SIDE_FILES)) if path.exists()]
    if any(path != store or path.stat().st_size for path in found):
        raise Refused(
            f"There is a store already: {', '.join(map(str, found))}. Stop the servers that use it and move it away "
            f"{attachments}, or restore to another place: --store=FILE."
        )


def _must_be_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"There are attachments already: {folder}. Move it away, or restore to another place.")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
