"""What each operation of the log is in SQL.

The functions that write run inside the writer's transaction, which is what makes their checks and the numbers they
give hold. They check first and write last. The functions that read need no transaction: each sees the store through
one statement that counts.
"""

import sqlite3
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import cast

import msgspec

from jupyter_durable_chat.log import (
    AheadOfLog,
    Compacted,
    Conflict,
    Fenced,
    Head,
    Lease,
    LeaseHeld,
    Record,
    StreamDeleted,
    UnknownStream,
)
from jupyter_durable_chat.log.waiters import GONE
from jupyter_durable_chat.log.words import words_of

STREAM = "SELECT deleted, id, lsn, epoch, holder, until FROM streams WHERE name = ?"
HEAD = """
    SELECT name, lsn, bytes, epoch, created, updated,
        (SELECT json_group_object(name, value) FROM labels WHERE stream = streams.id), summary, key, deleted
    FROM streams WHERE """
LABELLED = " AND id IN (SELECT stream FROM labels WHERE name = ? AND value = ?)"
UNLABELLED = " AND id NOT IN (SELECT stream FROM labels WHERE name = ?)"
NEXT = "SELECT 1 FROM records WHERE stream = ? AND lsn = ?"
FOUND = " AND id IN (SELECT CAST(stream AS INTEGER) FROM words WHERE words MATCH ?)"
UNERASED = "SELECT id FROM streams WHERE deleted = 1"
ERASED = "UPDATE streams SET deleted = 2 WHERE id IN (SELECT value FROM json_each(?))"
"""A deleted stream is one or the other: words of it may still be in the index, or are in it no more."""
MERGE = "INSERT INTO words (words, rank) VALUES ('merge', ?)"
MERGED_PAGES = 64
"""Of the index, about as many are written in one transaction: between two of them, others append."""
RECORDS = """
    SELECT records.lsn, records.data FROM streams JOIN records ON records.stream = streams.id
    WHERE streams.name = ? AND records.lsn > ? ORDER BY records.lsn LIMIT ?"""

_record = cast(Callable[[tuple[int, bytes]], Record], partial(tuple.__new__, Record))
"""`Record(*row)` in a third of the time, which is most of what reading takes."""


def create(
    db: sqlite3.Connection,
    now: float,
    stream: str,
    records: Sequence[bytes],
    key: str | None,
    labels: Mapping[str, str],
    summary: bytes,
    base: Record | None,
) -> Head:
    if key is not None and (known := find(db, key)):
        return known
    if db.execute(STREAM, (stream,)).fetchone():
        raise ValueError(f"there is, or was, a stream {stream!r}")
    start = base.lsn if base else 0
    inserted = db.execute(
        "INSERT INTO streams (name, lsn, bytes, key, created, updated, summary) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (stream, start + len(records), _size(records), key, now, now, summary),
    )
    assert inserted.lastrowid is not None
    if base:
        db.execute("INSERT INTO snapshots (stream, lsn, data) VALUES (?, ?, ?)", (inserted.lastrowid, *base))
    _insert(db, inserted.lastrowid, start, records)
    _label(db, inserted.lastrowid, labels)
    return head(db, stream)


def append(
    db: sqlite3.Connection,
    now: float,
    stream: str,
    records: Sequence[bytes],
    epoch: int | None,
    after: int | None,
    labels: Mapping[str, str],
    summary: bytes | None,
    touch: bool,
    words: str,
    key: str | None,
    release: bool,
) -> int:
    number, lsn, current, _, _ = _living(db, stream)
    if epoch is not None and epoch != current:
        raise Fenced(stream, epoch, current)
    if after is not None and after != lsn:
        raise Conflict(stream, after, lsn)
    if records:
        _insert(db, number, lsn, records)
        lsn += len(records)
        db.execute("UPDATE streams SET lsn = ?, bytes = bytes + ? WHERE id = ?", (lsn, _size(records), number))
    if labels:
        _label(db, number, labels)
    if summary is not None:
        db.execute(
            "UPDATE streams SET summary = ?, updated = iif(?, ?, updated) WHERE id = ?", (summary, touch, now, number)
        )
    if words:
        db.execute("INSERT INTO words (stream, text) VALUES (?, ?)", (number, " ".join(words_of(words))))
    if key is not None:
        db.execute("UPDATE streams SET key = NULL WHERE key = ?", (key,))
        db.execute("UPDATE streams SET key = ? WHERE id = ?", (key or None, number))
    if release:
        db.execute("UPDATE streams SET holder = NULL, until = NULL WHERE id = ?", (number,))
    return lsn


def delete(db: sqlite3.Connection, stream: str, after: int | None) -> None:
    try:
        number, lsn, *_ = _living(db, stream)
    except StreamDeleted:
        return
    if after is not None and after != lsn:
        raise Conflict(stream, after, lsn)
    db.execute("DELETE FROM records WHERE stream = ?", (number,))
    db.execute("DELETE FROM labels WHERE stream = ?", (number,))
    db.execute("DELETE FROM snapshots WHERE stream = ?", (number,))
    db.execute("DELETE FROM words WHERE words MATCH ?", (f'stream : "{number}"',))
    db.execute(
        "UPDATE streams SET deleted = 1, key = NULL, summary = x'', holder = NULL, until = NULL WHERE id = ?", (number,)
    )


def unerased(db: sqlite3.Connection) -> list[int]:
    """The deleted streams whose words the index may still have: it only notes that they do not count any more."""
    return [row[0] for row in db.execute(UNERASED)]


def merge(db: sqlite3.Connection, anew: bool) -> bool:
    """Some of what makes one segment of the index out of all, without what does not count; whether there is more.

    `anew` begins with it. https://sqlite.org/fts5.html#the_merge_command
    """
    before = db.total_changes
    db.execute(MERGE, (-MERGED_PAGES if anew else MERGED_PAGES,))
    return db.total_changes - before >= 2


def erased(db: sqlite3.Connection, numbers: Collection[int]) -> None:
    """Nothing is left of these deleted streams but that they were."""
    db.execute(ERASED, (msgspec.json.encode(numbers).decode(),))


def lease(db: sqlite3.Connection, now: float, stream: str, holder: str, seconds: float, over: int | None) -> int:
    number, _, epoch, held_by, until = _living(db, stream)
    if held_by not in (None, holder) and until > now and epoch != over:
        raise LeaseHeld(Lease(stream, held_by, epoch, until))
    db.execute(
        "UPDATE streams SET epoch = ?, holder = ?, until = ? WHERE id = ?", (epoch + 1, holder, now + seconds, number)
    )
    return epoch + 1


def renew(db: sqlite3.Connection, now: float, holder: str, seconds: float) -> None:
    db.execute("UPDATE streams SET until = ? WHERE holder = ?", (now + seconds, holder))


def leases(db: sqlite3.Connection) -> list[Lease]:
    rows = db.execute("SELECT name, holder, epoch, until FROM streams WHERE holder IS NOT NULL")
    return [Lease(*row) for row in rows]


def read(db: sqlite3.Connection, stream: str, after: int, limit: int, max_bytes: int) -> list[Record]:
    rows: list[tuple[int, bytes]] = []
    # SQLite's integers have 63 bits; Python's, and so a reader's, have not.
    for row in db.execute(RECORDS, (stream, min(after, sys.maxsize), limit)):
        rows.append(row)
        max_bytes -= len(row[1])
        if max_bytes <= 0:
            break
    records = [*map(_record, rows)]
    if not records:
        number, lsn, *_ = _living(db, stream)
        if after > lsn:
            raise AheadOfLog(stream, after, lsn)
        if after < lsn:
            # Either what follows is gone, or it has come between the two statements.
            if db.execute(NEXT, (number, after + 1)).fetchone():
                return read(db, stream, after, limit, max_bytes)
            raise Compacted(stream, after)
    elif records[0].lsn > after + 1:
        raise Compacted(stream, after)
    return records


def save_snapshot(db: sqlite3.Connection, stream: str, snapshot: Record) -> None:
    number, lsn, *_ = _living(db, stream)
    if snapshot.lsn > lsn:
        raise AheadOfLog(stream, snapshot.lsn, lsn)
    db.execute(
        """
        INSERT INTO snapshots (stream, lsn, data) VALUES (?, ?, ?) ON CONFLICT (stream)
        DO UPDATE SET lsn = excluded.lsn, data = excluded.data WHERE excluded.lsn >= lsn""",
        (number, *snapshot),
    )


def snapshot(db: sqlite3.Connection, stream: str) -> Record | None:
    number, *_ = _living(db, stream)
    row = db.execute("SELECT lsn, data FROM snapshots WHERE stream = ?", (number,)).fetchone()
    return Record(*row) if row else None


def compact(db: sqlite3.Connection, stream: str, most: int) -> bool:
    """Remove up to `most` of the records that the snapshot stands for, the oldest first; whether there are more."""
    number, *_ = _living(db, stream)
    # One bound: of two, SQLite looks for one and tries the other on every record that is left.
    removed = db.execute(
        """
        DELETE FROM records WHERE stream = ?1 AND lsn <= min(
            (SELECT lsn FROM snapshots WHERE stream = ?1), (SELECT min(lsn) FROM records WHERE stream = ?1) + ?2 - 1
        )""",
        (number, most),
    )
    return removed.rowcount == most


def ends(db: sqlite3.Connection, streams: Collection[str]) -> dict[str, int]:
    """Where these streams end, `GONE` for a deleted one; a stream that is unknown is left out."""
    rows = db.execute(
        "SELECT name, iif(deleted, ?, lsn) FROM streams WHERE name IN (SELECT value FROM json_each(?))",
        (GONE, msgspec.json.encode(streams).decode()),
    )
    return dict(rows.fetchall())


def head(db: sqlite3.Connection, stream: str) -> Head:
    row = db.execute(HEAD + "name = ?", (stream,)).fetchone()
    if row is None:
        raise UnknownStream(stream)
    return _head(row)


def find(db: sqlite3.Connection, key: str) -> Head | None:
    row = db.execute(HEAD + "key = ?", (key,)).fetchone()
    return _head(row) if row else None


def streams(
    db: sqlite3.Connection,
    labels: Mapping[str, str],
    search: str | None,
    before: str | None,
    updated_before: float | None,
    limit: int,
) -> list[Head]:
    condition, values = "NOT deleted", []
    for name, value in labels.items():
        condition += LABELLED if value else UNLABELLED
        values += [name, value] if value else [name]
    for word in words_of(search or ""):
        condition += FOUND
        values.append(f'text : "{word}" *')
    if updated_before is not None:
        condition += " AND updated < ?"
        values.append(updated_before)
    if before is not None:
        if db.execute(STREAM, (before,)).fetchone() is None:
            raise UnknownStream(before)
        condition += " AND (updated, id) < (SELECT updated, id FROM streams WHERE name = ?)"
        values.append(before)
    rows = db.execute(HEAD + condition + " ORDER BY updated DESC, id DESC LIMIT ?", (*values, limit))
    return [_head(row) for row in rows]


def _living(db: sqlite3.Connection, stream: str) -> tuple[int, int, int, str | None, float]:
    """Id, LSN, epoch, holder and end of the lease."""
    row = db.execute(STREAM, (stream,)).fetchone()
    if row is None:
        raise UnknownStream(stream)
    if row[0]:
        raise StreamDeleted(stream)
    return row[1:]


def _head(row: tuple) -> Head:
    name, lsn, size, epoch, created, updated, labels, summary, key, deleted = row
    if deleted:
        raise StreamDeleted(name)
    return Head(name, lsn, size, epoch, created, updated, msgspec.json.decode(labels), summary, key)


def _insert(db: sqlite3.Connection, number: int, lsn: int, records: Sequence[bytes]) -> None:
    rows = ((number, at, data) for at, data in enumerate(records, lsn + 1))
    db.executemany("INSERT INTO records (stream, lsn, data) VALUES (?, ?, ?)", rows)


def _size(records: Sequence[bytes]) -> int:
    return sum(map(len, records))


def _label(db: sqlite3.Connection, number: int, labels: Mapping[str, str]) -> None:
    for name, value in labels.items():
        if value:
            db.execute("INSERT OR REPLACE INTO labels (stream, name, value) VALUES (?, ?, ?)", (number, name, value))
        else:
            db.execute("DELETE FROM labels WHERE stream = ? AND name = ?", (number, name))
