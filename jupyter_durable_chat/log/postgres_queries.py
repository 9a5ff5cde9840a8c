"""What each question to the PostgreSQL store is in SQL.

Every one names the owner, and each answer comes from one statement that counts, so it is of one moment.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from jupyter_durable_chat.log import (
    AheadOfLog,
    Compacted,
    Head,
    Lease,
    LogError,
    Record,
    StreamDeleted,
    UnknownStream,
)
from jupyter_durable_chat.log.postgres_link import Connection
from jupyter_durable_chat.log.postgres_values import LONGEST_WORD, bigint, plain, plain_pairs
from jupyter_durable_chat.log.waiters import GONE
from jupyter_durable_chat.log.words import words_of

LAST_CHARACTER = "\U0010ffff"

HEAD = """
    SELECT s.name, e.lsn, e.bytes, e.epoch, s.created, s.updated,
        (SELECT jsonb_object_agg(l.name, l.value) FROM labels l WHERE l.stream = s.id), s.summary, s.key, s.deleted
    FROM streams s JOIN ends e ON e.stream = s.id WHERE s.owner = $1"""
LABELLED = " AND s.id IN (SELECT stream FROM labels WHERE owner = $1 AND name = ${} AND left(value, 200) = ${})"
EXACTLY = " AND EXISTS (SELECT FROM labels WHERE stream = s.id AND name = ${} AND value = ${})"
UNLABELLED = " AND NOT EXISTS (SELECT FROM labels WHERE stream = s.id AND name = ${})"
FOUND = " AND s.id IN (SELECT stream FROM words WHERE owner = $1 AND word >= ${} AND word < ${})"
KEYED = " AND s.key = $2 AND left(s.key, 200) = left($2, 200)"
BEFORE = " AND (s.updated, s.id) < (SELECT updated, id FROM streams WHERE owner = $1 AND name = ${})"
ENDS = """
    SELECT s.name, s.id, s.deleted, e.lsn FROM streams s JOIN ends e ON e.stream = s.id
    WHERE s.owner = $1 AND s.name = ANY($2::text[])"""
LEASES = """
    SELECT s.name, e.holder, e.epoch, e.until FROM ends e JOIN streams s ON s.id = e.stream
    WHERE s.owner = $1 AND e.holder IS NOT NULL"""
SNAPSHOT = """
    SELECT s.deleted, k.lsn, k.data FROM streams s LEFT JOIN snapshots k ON k.stream = s.id
    WHERE s.owner = $1 AND s.name = $2"""
RECORDS = """
    SELECT q.nth::integer, s.deleted, e.lsn, r.lsn, r.data
    FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
        WITH ORDINALITY AS q (name, after, most, size, nth)
    LEFT JOIN streams s ON s.owner = $1 AND s.name = q.name
    LEFT JOIN ends e ON e.stream = s.id
    LEFT JOIN LATERAL (
        SELECT lsn, data FROM (
            SELECT lsn, data, sum(octet_length(data)) OVER (ORDER BY lsn) - octet_length(data) AS before FROM (
                SELECT lsn, data FROM records WHERE stream = s.id AND lsn > q.after ORDER BY lsn LIMIT q.most
            ) AS page
        ) AS summed WHERE before < q.size
    ) AS r ON true
    ORDER BY q.nth, r.lsn"""
Question = tuple[str, int, int, int]
"""Stream, after, limit, max_bytes: of `read`."""


async def read(db: Connection, owner: str, questions: Sequence[Question]) -> list[list[Record] | LogError]:
    """For each question its records, or why there are none."""
    rows = await db.fetch(
        RECORDS,
        owner,
        [plain(stream) for stream, *_ in questions],
        [bigint(after) for _, after, *_ in questions],
        [bigint(limit) for _, _, limit, _ in questions],
        [bigint(max(max_bytes, 1)) for *_, max_bytes in questions],
    )
    answers: list[list[Any]] = [[] for _ in questions]
    for nth, *row in rows:
        answers[nth - 1].append(row)
    return [_records(question, answer) for question, answer in zip(questions, answers, strict=True)]


async def head(db: Connection, owner: str, stream: str) -> Head:
    row = await db.fetchrow(HEAD + " AND s.name = $2", owner, plain(stream))
    if row is None:
        raise UnknownStream(stream)
    return _head(row)


async def find(db: Connection, owner: str, key: str) -> Head | None:
    row = await db.fetchrow(HEAD + KEYED, owner, plain(key))
    return _head(row) if row else None


async def snapshot(db: Connection, owner: str, stream: str) -> Record | None:
    row = await db.fetchrow(SNAPSHOT, owner, plain(stream))
    if row is None:
        raise UnknownStream(stream)
    deleted, lsn, data = row
    if deleted:
        raise StreamDeleted(stream)
    return None if lsn is None else Record(lsn, data)


async def streams(
    db: Connection,
    owner: str,
    labels: Mapping[str, str],
    search: str | None,
    before: str | None,
    updated_before: float | None,
    limit: int,
) -> list[Head]:
    condition, values = " AND NOT s.deleted", [owner]

    def such(text: str, *given: Any) -> str:
        values.extend(given)
        return text.format(*range(len(values) - len(given) + 1, len(values) + 1))

    for name, value in plain_pairs(labels).items():
        if value:
            condition += such(LABELLED, name, value[:200]) + such(EXACTLY, name, value)
        else:
            condition += such(UNLABELLED, name)
    for word in words_of(plain(search or "")):
        begin = word[:LONGEST_WORD]
        condition += such(FOUND, begin, begin + LAST_CHARACTER)
    if updated_before is not None:
        condition += such(" AND s.updated < ${}", updated_before)
    if before is not None:
        if await db.fetchrow(SNAPSHOT, owner, plain(before)) is None:
            raise UnknownStream(before)
        condition += such(BEFORE, plain(before))
    order = such(" ORDER BY s.updated DESC, s.id DESC LIMIT ${}", bigint(limit))
    return [_head(row) for row in await db.fetch(HEAD + condition + order, *values)]


async def leases(db: Connection, owner: str) -> list[Lease]:
    return [Lease(*row) for row in await db.fetch(LEASES, owner)]


async def ends(db: Connection, owner: str, streams: Collection[str]) -> list[tuple[str, int, int]]:
    """Name, id and end of these streams, `GONE` for a deleted one; a stream that is unknown is left out."""
    names = {plain(stream): stream for stream in streams}
    rows = await db.fetch(ENDS, owner, list(names))
    return [(names[name], number, GONE if deleted else lsn) for name, number, deleted, lsn in rows]


def _records(question: Question, rows: Sequence[Sequence[Any]]) -> list[Record] | LogError:
    """What a read gives, or why not; `rows` are (deleted, end, LSN, data), without the last two if there is none."""
    stream, after, *_ = question
    deleted, end, first, _ = rows[0]
    if end is None:
        return UnknownStream(stream)
    if deleted:
        return StreamDeleted(stream)
    if after > end:
        return AheadOfLog(stream, after, end)
    if first is None and after == end:
        return []
    if first != after + 1:
        return Compacted(stream, after)
    return [Record(lsn, data) for *_, lsn, data in rows]


def _head(row: Sequence[Any]) -> Head:
    name, lsn, size, epoch, created, updated, labels, summary, key, deleted = row
    if deleted:
        raise StreamDeleted(name)
    return Head(name, lsn, size, epoch, created, updated, msgspec.json.decode(labels or "{}"), summary, key)
