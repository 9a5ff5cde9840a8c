"""The schema of the SQLite store, as the steps that lead to it.

A step that was released never changes; a change is a new step at the end, which may be an empty one, when only what
events and snapshots say has changed (`versions.py`). `user_version` counts the steps that a store has taken, and
`application_id` marks the file as ours. A step is a function of the connection and runs in the caller's transaction: no
`executescript`, which would commit it.
"""

import sqlite3
from collections.abc import Callable, Sequence

from jupyter_durable_chat.log import LogUnavailable
from jupyter_durable_chat.log.versions import Newer, Older, Outdated

APPLICATION_ID = 0x6A646368
"""`jdch` in ASCII."""

Migration = Callable[[sqlite3.Connection], object]


def streams_and_records(db: sqlite3.Connection) -> None:
    # A deleted stream leaves its row behind, bare, so that neither its name nor its id is used again.
    db.execute("""
        CREATE TABLE streams (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            lsn INTEGER NOT NULL,
            epoch INTEGER NOT NULL DEFAULT 0,
            holder TEXT,
            until REAL,
            deleted INTEGER NOT NULL DEFAULT 0,
            key TEXT UNIQUE,
            created REAL NOT NULL,
            updated REAL NOT NULL,
            summary BLOB NOT NULL
        )""")
    db.execute("CREATE INDEX streams_by_age ON streams (updated, id) WHERE NOT deleted")
    db.execute("CREATE INDEX streams_by_holder ON streams (holder) WHERE holder IS NOT NULL")
    db.execute("""
        CREATE TABLE labels (
            stream INTEGER NOT NULL,
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (stream, name)
        ) WITHOUT ROWID""")
    db.execute("CREATE INDEX labels_by_value ON labels (name, value, stream)")
    db.execute("""
        CREATE TABLE records (
            stream INTEGER NOT NULL,
            lsn INTEGER NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (stream, lsn)
        ) WITHOUT ROWID""")


def snapshots_and_search(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE streams ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE streams SET bytes = (SELECT total(length(data)) FROM records WHERE stream = streams.id)")
    db.execute("CREATE TABLE snapshots (stream INTEGER PRIMARY KEY, lsn INTEGER NOT NULL, data BLOB NOT NULL)")
    # The stream's id is indexed as a word of its own column: that is how a stream's words are found to be deleted.
    db.execute("CREATE VIRTUAL TABLE words USING fts5 (stream, text)")


MIGRATIONS: Sequence[Migration] = (streams_and_records, snapshots_and_search)


def steps_taken(db: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """How many steps the store has taken, 0 for a new one. Raises `LogUnavailable` when it is not ours to touch."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (taken,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or taken or tables):
        raise LogUnavailable("it belongs to another program. Choose another file.")
    if taken > len(migrations):
        raise Newer(taken, len(migrations), "file")
    return taken


def migrate(db: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Take the steps that the store lacks. Raises `LogUnavailable` when it is not ours to touch."""
    for step in migrations[steps_taken(db, migrations) :]:
        step(db)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(migrations)}")


def check_current(db: sqlite3.Connection) -> None:
    """Raises `LogUnavailable` unless the store is ours and has taken every step that this version knows."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        raise LogUnavailable("it is no chat store.")
    if (taken := steps_taken(db)) < len(MIGRATIONS):
        raise Older(taken, len(MIGRATIONS))


def check_unchanged(db: sqlite3.Connection) -> None:
    """Raises `Outdated` once another process, of a newer version, has brought the store up to date."""
    (taken,) = db.execute("PRAGMA user_version").fetchone()
    if taken != len(MIGRATIONS):
        raise Outdated(taken, len(MIGRATIONS))
