"""Opening a SQLite store, and saying why it cannot be used.

A file that is damaged, foreign or newer than this version is refused and left as it was; of one that is older, a copy
is kept beside it. Nothing here runs on an event loop. No file of a store is ever opened but by SQLite: closing it would
drop the locks of all its connections.
"""

import contextlib
import logging
import os
import shutil
import sqlite3
import time
from pathlib import Path

from jupyter_durable_chat.log import LogUnavailable
from jupyter_durable_chat.log.migrations import MIGRATIONS, check_current, migrate, steps_taken
from jupyter_durable_chat.log.mounts import network
from jupyter_durable_chat.log.upgrade import KEPT_DAYS, Kept, copies, forget_old_copies
from jupyter_durable_chat.log.versions import Newer

logger = logging.getLogger(__name__)

BUSY_SECONDS = 10
"""How long another process may hold the store before we give up."""

CHECKPOINT_MILLISECONDS = 100
"""How long a checkpoint waits for who reads or writes just now; nobody else writes meanwhile."""

WRITTEN_ANEW_BYTES = 256 << 20
"""Most bytes of a store that is written anew while it is used: nobody else writes meanwhile."""

ROOM = 3
"""So many times as much must be free on its disk, so that nobody is refused for that."""

ON_NETWORK = (
    "The chat store %s is on a network file system (%s): it uses a rollback journal, which is slower, and is as safe "
    "as that file system's locks. Keep it on a disk of this machine (c.DurableChat.store = '/on/a/disk/log.sqlite3'), "
    "or, for servers on several machines, in PostgreSQL (docs/postgresql.md)."
)

UPGRADED = (
    "The chat store %s was brought up to date, from schema %d to %d. What it was is kept for %d days as %s: "
    "docs/upgrading.md says how to go back to it."
)

MOVE_AWAY = "Move it away together with its -wal, -shm and -journal files, or restore a backup."

NEXT_STEPS = {
    sqlite3.SQLITE_BUSY: "Another program holds it: close that program.",
    sqlite3.SQLITE_CONSTRAINT: MOVE_AWAY,
    sqlite3.SQLITE_CANTOPEN: "See that it is a file in a folder that you may write to.",
    sqlite3.SQLITE_CORRUPT: MOVE_AWAY,
    sqlite3.SQLITE_FULL: "Free some space on its disk.",
    sqlite3.SQLITE_IOERR: "See whether its disk is full, gone or broken.",
    sqlite3.SQLITE_NOTADB: MOVE_AWAY,
    sqlite3.SQLITE_PERM: "See that you may write to it and to its folder.",
    sqlite3.SQLITE_READONLY: "See that you may write to it and to its folder.",
}


def code(error: sqlite3.Error) -> int:
    """SQLite's result code, without where it arose; 0 for an error of Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def unavailable(path: Path, error: sqlite3.Error | OSError | RuntimeError | LogUnavailable) -> LogUnavailable:
    """What to tell a person about a store that failed: its name, the reason, the next step."""
    match error:
        case Newer():
            # One that this version knows, if there is any: it goes back to what it was before.
            known = next((copy for _, schema, copy in copies(path) if schema <= len(MIGRATIONS)), None)
            reason = f"{error} What it was before is kept as {known} (docs/upgrading.md)." if known else str(error)
        case LogUnavailable():
            reason = str(error)
        case OSError():
            reason = f"{error.strerror}. {NEXT_STEPS[sqlite3.SQLITE_CANTOPEN]}"
        case RuntimeError():  # of a path: nobody has that home folder, or links lead in a circle
            reason = f"{str(error).rstrip('.')}. {NEXT_STEPS[sqlite3.SQLITE_CANTOPEN]}"
        case _:
            reason = f"{error}. {NEXT_STEPS.get(code(error), '')}".rstrip()
    return LogUnavailable(f"The chat store {path} cannot be used: {reason}")


def located(path: Path) -> Path:
    """The real place of a store, however its path was written. Raises `LogUnavailable`."""
    try:
        return path.expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise unavailable(path, error) from error


def open_store(path: Path, mounts: Path) -> sqlite3.Connection:
    """A connection that may write, to a store that is created and migrated if need be. Raises `LogUnavailable`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kind = network(path, mounts)
        _create(path)
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            _prepare(db, path, shared_memory=kind is None)
        except BaseException:
            db.close()
            raise
    except (sqlite3.Error, OSError, LogUnavailable) as error:
        raise unavailable(path, error) from error
    if kind is not None:
        logger.warning(ON_NETWORK, path, kind)
    forget_old_copies(path)
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, to a store that `open_store` has opened. Raises `LogUnavailable`."""
    try:
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        db.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    return db


def erase(path: Path, *, all_of_it: bool) -> bool:
    """Empty the write-ahead log, which has pages as they were; whether nobody was in the way.

    `all_of_it`: write the store anew before. Where SQLite has moved something from a page to another one, it leaves a
    copy in the first, which no deletion overwrites. In a store that is too large for that, or on a network, they stay.
    """
    with contextlib.closing(
        sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    ) as db:
        _make_safe(db)
        if all_of_it and _can_be_written_anew(db, path):
            db.execute("VACUUM")
        db.execute(f"PRAGMA busy_timeout = {CHECKPOINT_MILLISECONDS}")
        (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _can_be_written_anew(db: sqlite3.Connection, path: Path) -> bool:
    pages, free, size, journal = (
        db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size", "journal_mode")
    )
    used = (pages - free) * size
    return journal == "wal" and used <= WRITTEN_ANEW_BYTES and shutil.disk_usage(path.parent).free > ROOM * used


def open_existing(path: Path) -> sqlite3.Connection:
    """A connection that only reads, to a store that may be in use, or on a disk that only reads.

    Nothing is created or migrated. Raises `LogUnavailable`.
    """
    try:
        if not path.is_file():
            raise LogUnavailable("there is no such file.")
        db = _read_only(path)
        try:
            check_current(db)
        except BaseException:
            db.close()
            raise
    except (sqlite3.Error, OSError, LogUnavailable) as error:
        raise unavailable(path, error) from error
    return db


def _read_only(path: Path) -> sqlite3.Connection:
    def connect(more: str = "") -> sqlite3.Connection:
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro{more}", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        db.execute("PRAGMA query_only = ON")
        db.execute("PRAGMA trusted_schema = OFF")
        return db

    db = connect()
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        db.close()
        # Where nothing can be written, memory cannot be shared either; without a log, the file is all there is.
        if code(error) != sqlite3.SQLITE_CANTOPEN or os.access(path.parent, os.W_OK) or Path(f"{path}-wal").exists():
            raise
        return connect("&immutable=1")
    return db


def damage(path: Path) -> list[str]:
    """What SQLite itself finds wrong with a store's file, all of it; reads every page. Raises `LogUnavailable`."""
    with contextlib.closing(open_existing(path)) as db:
        try:
            found = [row[0] for row in db.execute("PRAGMA integrity_check")]
        except sqlite3.Error as error:
            return [str(error)]
    return [] if found == ["ok"] else [line for text in found for line in text.splitlines()]


def _create(path: Path) -> None:
    """Make the file, for its owner only, unless there is one. SQLite gives its side files the same mode."""
    if path.exists() and path.stat().st_size:
        return
    if Path(f"{path}-wal").exists():
        # SQLite would delete it, and with it the last records of a store that somebody has moved away.
        raise LogUnavailable(
            f"it is missing or empty, but {path.name}-wal is there. Bring it back, or move that away too."
        )
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _prepare(db: sqlite3.Connection, path: Path, shared_memory: bool) -> None:
    # Asked for also when there is nothing to migrate: it finds out whether the store can be written to.
    db.execute("BEGIN IMMEDIATE")
    try:
        if 0 < (taken := steps_taken(db)) < len(MIGRATIONS):
            _upgrade(db, path, taken)
        else:
            migrate(db)
            _check(db)
            db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
    if not shared_memory or _journal(db, "wal") != "wal":
        _journal(db, "truncate")
    _make_safe(db)


def _make_safe(db: sqlite3.Connection) -> None:
    """What is written is on the disk; what is removed is overwritten, which only some builds of SQLite do anyway."""
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA synchronous = FULL")
    # On macOS an fsync leaves the data in the drive's cache; elsewhere this changes nothing.
    db.execute("PRAGMA fullfsync = ON")
    db.execute("PRAGMA checkpoint_fullfsync = ON")


def _upgrade(db: sqlite3.Connection, path: Path, taken: int) -> None:
    """Finish the transaction with all steps that the store lacks, or none."""
    with Kept(path, taken) as kept:
        migrate(db)
        _check(db)
        kept.name()
        db.execute("COMMIT")
    logger.warning(UPGRADED, path, taken, len(MIGRATIONS), KEPT_DAYS, kept.copy)


def _journal(db: sqlite3.Connection, mode: str) -> str:
    """The journal mode that the store has, after it was asked to have this one."""
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return db.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0]
        except sqlite3.OperationalError as error:
            # While others open the store too: the one lock for which SQLite does not wait by itself.
            if code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.005)


def _check(db: sqlite3.Connection) -> None:
    """Look for damage in what every operation needs. A damaged record fails its own stream, when it is read."""
    for table in ("streams", "labels"):
        (found,) = db.execute(f"PRAGMA quick_check({table})").fetchone()
        if found != "ok":
            raise LogUnavailable(f"it is damaged ({found.splitlines()[-1]}). {MOVE_AWAY}")
