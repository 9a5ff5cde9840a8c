"""The schema of the PostgreSQL store, as the steps that lead to it.

A step that was released never changes; a change is a new step at the end, which may be an empty one, when only `flush`,
or what events and snapshots say, has changed (`versions.py`). `taken` counts the steps that a store has taken. Those
who come at once take turns by an advisory lock, and all steps are in one transaction with their number. Whoever flushes
reads that number first: it waits for a change that is under way, and does nothing after one by a newer version.

All that is ever written goes through one function, `flush`: it takes what has gathered at one server, does one after
the other, and answers for each. It is a single statement, so a server that is paused or cut off holds no lock with it.
It locks what it will change first, in the order of ids, which is why two of them never wait for each other in a circle.
What a server has flushed last is kept with its number (`writers`): the same number again is answered from there, a
smaller one is refused. So whoever does not know whether a flush was stored asks again.

Each row has an owner. A role that may act for whoever made the tables names the owner itself, in every query; any
other role sees and writes only what is its own, whatever it asks for: row-level security says so.
"""

import logging
from collections.abc import Sequence

import asyncpg

from jupyter_durable_chat.log import LogUnavailable
from jupyter_durable_chat.log.versions import Newer, Older

logger = logging.getLogger(__name__)

UPGRADED = (
    "The chat store in PostgreSQL (schema %s) was brought up to date, from schema %d to %d. To go back, restore a dump "
    "that was made before (docs/upgrading.md)."
)

TABLES = """
CREATE TABLE streams (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    deleted boolean NOT NULL DEFAULT false,
    created double precision NOT NULL,
    updated double precision NOT NULL,
    summary bytea NOT NULL,
    UNIQUE (owner, name)
);
CREATE INDEX streams_by_key ON streams (owner, left(key, 200)) WHERE key IS NOT NULL;
CREATE INDEX streams_by_age ON streams (owner, updated, id) WHERE NOT deleted;

-- What each append changes is apart from the rest, so that the row that is written again and again is short.
CREATE TABLE ends (
    stream bigint PRIMARY KEY REFERENCES streams,
    lsn bigint NOT NULL,
    bytes bigint NOT NULL,
    epoch bigint NOT NULL DEFAULT 0,
    holder text COLLATE "C",
    until double precision
) WITH (fillfactor = 50);
CREATE INDEX ends_by_holder ON ends (holder) WHERE holder IS NOT NULL;

CREATE TABLE records (stream bigint NOT NULL, lsn bigint NOT NULL, data bytea NOT NULL, PRIMARY KEY (stream, lsn));
CREATE TABLE snapshots (stream bigint PRIMARY KEY, lsn bigint NOT NULL, data bytea NOT NULL);

CREATE TABLE labels (
    stream bigint NOT NULL,
    owner text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (stream, name)
);
CREATE INDEX labels_by_value ON labels (owner, name, left(value, 200));

CREATE TABLE words (
    owner text COLLATE "C" NOT NULL,
    word text COLLATE "C" NOT NULL,
    stream bigint NOT NULL,
    PRIMARY KEY (owner, word, stream)
);
CREATE INDEX words_by_stream ON words (stream);

CREATE TABLE writers (
    id uuid PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    flushed bigint NOT NULL,
    outcomes jsonb NOT NULL DEFAULT '[]',
    at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
"""

OWNERSHIP = """
ALTER TABLE streams ENABLE ROW LEVEL SECURITY;
ALTER TABLE ends ENABLE ROW LEVEL SECURITY;
ALTER TABLE records ENABLE ROW LEVEL SECURITY;
ALTER TABLE snapshots ENABLE ROW LEVEL SECURITY;
ALTER TABLE labels ENABLE ROW LEVEL SECURITY;
ALTER TABLE words ENABLE ROW LEVEL SECURITY;
ALTER TABLE writers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON streams USING (owner = current_user);
CREATE POLICY own ON labels USING (owner = current_user AND EXISTS (SELECT FROM streams s WHERE s.id = stream));
CREATE POLICY own ON words USING (owner = current_user AND EXISTS (SELECT FROM streams s WHERE s.id = stream));
CREATE POLICY own ON writers USING (owner = current_user);
CREATE POLICY own ON ends USING (EXISTS (SELECT FROM streams s WHERE s.id = stream));
CREATE POLICY own ON records USING (EXISTS (SELECT FROM streams s WHERE s.id = stream));
CREATE POLICY own ON snapshots USING (EXISTS (SELECT FROM streams s WHERE s.id = stream));
"""

FLUSH = r"""
CREATE OR REPLACE FUNCTION flush(
    "writer" uuid, "flush" bigint, "of" text, "at" double precision, "channel" text,
    "ops" jsonb, "named" text[], "keys" text[], "holders" text[], "keyed" boolean,
    "datas" bytea[], "places" integer[], "nths" integer[], "blobs" bytea[]
) RETURNS jsonb LANGUAGE plpgsql AS $flush$
#variable_conflict use_column
DECLARE
    done record;
    mine bigint[];
    op jsonb;
    kind text;
    it record;
    i integer := 0;
    n integer := jsonb_array_length("ops");
    moment double precision;
    ids bigint[] := array_fill(0::bigint, ARRAY[n]);
    starts bigint[] := array_fill(0::bigint, ARRAY[n]);
    moved bigint[] := '{}';
    answer jsonb;
    answers jsonb[] := '{}';
    told text;
BEGIN
    -- What was acknowledged must outlive a crash, whatever the database is set to.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;

    SELECT w.flushed, w.outcomes INTO done FROM writers w WHERE w.id = "writer" AND w.owner = "of" FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this writer is not known' USING ERRCODE = 'DC001';
    ELSIF done.flushed = "flush" THEN
        RETURN done.outcomes;
    ELSIF done.flushed > "flush" THEN
        RAISE EXCEPTION 'flush % comes after flush %', "flush", done.flushed USING ERRCODE = 'DC002';
    END IF;

    -- Who has which key is settled by one server of an owner at a time.
    IF "keyed" THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || "of", 0));
    END IF;
    mine := ARRAY(SELECT id FROM streams WHERE owner = "of" AND name = ANY("named"));
    IF cardinality("keys") > 0 THEN
        mine := mine || ARRAY(
            SELECT s.id FROM unnest("keys") AS k (key)
            JOIN streams s ON s.owner = "of" AND s.key = k.key AND left(s.key, 200) = left(k.key, 200));
    END IF;
    IF cardinality("holders") > 0 THEN
        mine := mine || ARRAY(
            SELECT e.stream FROM ends e JOIN streams s ON s.id = e.stream
            WHERE e.holder = ANY("holders") AND s.owner = "of");
    END IF;
    PERFORM FROM ends WHERE stream = ANY(mine) ORDER BY stream FOR UPDATE;
    moment := coalesce("at", extract(epoch FROM clock_timestamp())::double precision);

    FOR op IN SELECT value FROM jsonb_array_elements("ops") LOOP
        i := i + 1;
        kind := op->>'do';
        answer := NULL;
        IF kind = 'renew' THEN
            UPDATE ends SET until = moment + (op->>'seconds')::double precision FROM streams s
                WHERE s.id = stream AND s.owner = "of" AND holder = op->>'holder';
            answers := answers || '["ok"]'::jsonb;
            CONTINUE;
        END IF;

        IF kind = 'create' AND op ? 'key' THEN
            SELECT name INTO it FROM streams WHERE owner = "of" AND key = op->>'key'
                AND left(key, 200) = left(op->>'key', 200);
            IF FOUND THEN
                answers := answers || jsonb_build_array('known', it.name);
                CONTINUE;
            END IF;
        END IF;

        SELECT s.id, s.deleted, e.lsn, e.epoch, e.holder, e.until INTO it
            FROM streams s JOIN ends e ON e.stream = s.id WHERE s.owner = "of" AND s.name = op->>'stream';
        IF kind = 'create' THEN
            IF FOUND THEN
                answers := answers || '["exists"]'::jsonb;
                CONTINUE;
            END IF;
            INSERT INTO streams (owner, name, key, created, updated, summary)
                VALUES ("of", op->>'stream', op->>'key', moment, moment, "blobs"[(op->>'summary')::integer])
                RETURNING id INTO it;
            starts[i] := coalesce((op->>'base')::bigint, 0);
            INSERT INTO ends (stream, lsn, bytes)
                VALUES (it.id, starts[i] + (op->>'count')::bigint, (op->>'bytes')::bigint);
            IF op ? 'base' THEN
                INSERT INTO snapshots (stream, lsn, data) VALUES (it.id, starts[i], "blobs"[(op->>'data')::integer]);
            END IF;
            INSERT INTO labels (stream, owner, name, value)
                SELECT it.id, "of", l.key, l.value FROM jsonb_each_text(op->'labels') l WHERE l.value <> '';
            ids[i] := it.id;
            moved := moved || it.id;
            answers := answers || jsonb_build_array('new', moment);
            CONTINUE;
        END IF;

        IF NOT FOUND THEN
            answer := '["unknown"]';
        ELSIF it.deleted THEN
            answer := CASE WHEN kind = 'delete' THEN '["ok"]' ELSE '["deleted"]' END;
        ELSIF op ? 'epoch' AND (op->>'epoch')::bigint <> it.epoch THEN
            answer := jsonb_build_array('fenced', it.epoch);
        ELSIF op ? 'after' AND (op->>'after')::bigint <> it.lsn THEN
            answer := jsonb_build_array('conflict', it.lsn);
        ELSIF kind = 'append' THEN
            IF op ? 'count' THEN
                ids[i] := it.id;
                starts[i] := it.lsn;
                it.lsn := it.lsn + (op->>'count')::bigint;
                UPDATE ends SET lsn = it.lsn, bytes = bytes + (op->>'bytes')::bigint WHERE stream = it.id;
                moved := moved || it.id;
            END IF;
            IF op ? 'labels' THEN
                DELETE FROM labels WHERE stream = it.id AND op->'labels'->>name = '';
                INSERT INTO labels (stream, owner, name, value)
                    SELECT it.id, "of", l.key, l.value FROM jsonb_each_text(op->'labels') l WHERE l.value <> ''
                    ON CONFLICT (stream, name) DO UPDATE SET value = excluded.value;
            END IF;
            IF op ? 'summary' THEN
                UPDATE streams SET summary = "blobs"[(op->>'summary')::integer],
                    updated = CASE WHEN (op->>'touch')::boolean THEN moment ELSE updated END WHERE id = it.id;
            END IF;
            IF op ? 'words' THEN
                INSERT INTO words (owner, word, stream)
                    SELECT DISTINCT "of", w, it.id FROM jsonb_array_elements_text(op->'words') w ON CONFLICT DO NOTHING;
            END IF;
            IF op ? 'key' THEN
                UPDATE streams SET key = NULL
                    WHERE owner = "of" AND key = op->>'key' AND left(key, 200) = left(op->>'key', 200);
                UPDATE streams SET key = nullif(op->>'key', '') WHERE id = it.id;
            END IF;
            IF op ? 'release' THEN
                UPDATE ends SET holder = NULL, until = NULL WHERE stream = it.id;
            END IF;
            answer := jsonb_build_array('at', it.lsn);
        ELSIF kind = 'lease' THEN
            IF it.holder <> op->>'holder' AND it.until > moment
                AND it.epoch IS DISTINCT FROM (op->>'over')::bigint THEN
                answer := jsonb_build_array('held', it.holder, it.epoch, it.until);
            ELSE
                UPDATE ends SET epoch = it.epoch + 1, holder = op->>'holder',
                    until = moment + (op->>'seconds')::double precision WHERE stream = it.id;
                answer := jsonb_build_array('at', it.epoch + 1);
            END IF;
        ELSIF kind = 'snapshot' THEN
            IF (op->>'lsn')::bigint > it.lsn THEN
                answer := jsonb_build_array('ahead', it.lsn);
            ELSE
                INSERT INTO snapshots AS kept (stream, lsn, data)
                    VALUES (it.id, (op->>'lsn')::bigint, "blobs"[(op->>'data')::integer])
                    ON CONFLICT (stream) DO UPDATE SET lsn = excluded.lsn, data = excluded.data
                    WHERE excluded.lsn >= kept.lsn;
                answer := '["ok"]';
            END IF;
        ELSIF kind = 'compact' THEN
            DELETE FROM records WHERE stream = it.id
                AND lsn <= (SELECT s.lsn FROM snapshots s WHERE s.stream = it.id)
                AND lsn < (SELECT min(r.lsn) FROM records r WHERE r.stream = it.id) + (op->>'most')::bigint;
            GET DIAGNOSTICS n = ROW_COUNT;
            answer := jsonb_build_array('at', n);
        ELSIF kind = 'delete' THEN
            DELETE FROM records WHERE stream = it.id;
            DELETE FROM labels WHERE stream = it.id;
            DELETE FROM snapshots WHERE stream = it.id;
            DELETE FROM words WHERE stream = it.id;
            UPDATE streams SET deleted = true, key = NULL, summary = '' WHERE id = it.id;
            UPDATE ends SET holder = NULL, until = NULL WHERE stream = it.id;
            moved := moved || it.id;
            answer := '["ok"]';
        END IF;
        answers := answers || answer;
    END LOOP;

    INSERT INTO records (stream, lsn, data)
        SELECT ids[r.place], starts[r.place] + r.nth, r.data
        FROM unnest("datas", "places", "nths") AS r (data, place, nth) WHERE ids[r.place] <> 0;

    -- A notification wakes every server of the database, whosever it is: none without another one of this owner, which
    -- renews its leases, and so flushes, every second.
    IF cardinality(moved) > 0 AND EXISTS (
        SELECT FROM writers w WHERE w.owner = "of" AND w.id <> "writer" AND w.at > now() - interval '10 seconds'
    ) THEN
        SELECT string_agg(e.stream || ':' || CASE WHEN s.deleted THEN 'x' ELSE e.lsn::text END, ' ') INTO told
            FROM ends e JOIN streams s ON s.id = e.stream WHERE e.stream = ANY(moved);
        -- A payload may have 8000 bytes at most; who is told of nothing looks for itself.
        PERFORM pg_notify("channel", CASE WHEN octet_length(told) < 7900 THEN told ELSE '' END);
    END IF;
    UPDATE writers w SET flushed = "flush", outcomes = to_jsonb(answers), at = now() WHERE w.id = "writer";
    RETURN to_jsonb(answers);
END $flush$;
"""

WRITERS_BY_OWNER = """
-- Stores of the last days before the first release may have it.
CREATE INDEX IF NOT EXISTS writers_by_owner ON writers (owner);
"""

STEPS: Sequence[str] = (TABLES + OWNERSHIP, WRITERS_BY_OWNER)
"""What keeps records. The function is not among them: whoever takes a step makes it anew, as it is now."""


async def migrate(db: "asyncpg.Connection", schema: str, steps: Sequence[str] = STEPS, function: str = FLUSH) -> None:
    """Take the steps that the store lacks. Raises `LogUnavailable` when it is not ours to touch."""
    if await steps_taken(db, schema) == len(steps):
        return
    async with db.transaction():
        await db.execute("SELECT set_config('statement_timeout', '0', true)")
        await db.execute("SELECT pg_advisory_xact_lock(hashtextextended('migrate ' || $1, 0))", schema)
        taken = await steps_taken(db, schema)
        if taken > len(steps):
            raise Newer(taken, len(steps), "database")
        if taken == len(steps):
            return
        quoted = await db.fetchval("SELECT quote_ident($1)", schema)
        if taken:
            # Servers of the version before that are at work wait for this, and find out.
            await db.execute(f"LOCK TABLE {quoted}.taken IN ACCESS EXCLUSIVE MODE")
        else:
            await db.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
            await db.execute(f"CREATE TABLE {quoted}.taken (steps integer NOT NULL)")
            await db.execute(f"INSERT INTO {quoted}.taken VALUES (0)")
        for step in (*steps[taken:], function):
            await db.execute(step)
        await db.execute(f"UPDATE {quoted}.taken SET steps = $1", len(steps))
    if taken:
        logger.warning(UPGRADED, schema, taken, len(steps))


async def check_current(db: "asyncpg.Connection", schema: str) -> None:
    """Raises `LogUnavailable` unless the store has taken every step that this version knows."""
    taken = await steps_taken(db, schema)
    if taken > len(STEPS):
        raise Newer(taken, len(STEPS), "database")
    if not taken:
        raise LogUnavailable(f"it has no schema {schema!r} yet: no server has used it.")
    if taken < len(STEPS):
        raise Older(taken, len(STEPS))


async def steps_taken(db: "asyncpg.Connection", schema: str) -> int:
    """How many steps the store has taken."""
    tables = await db.fetch("SELECT tablename::text FROM pg_tables WHERE schemaname = $1", schema)
    names = {row[0] for row in tables}
    if not names:
        return 0
    if "taken" not in names:
        raise LogUnavailable(f"its schema {schema!r} belongs to another program. Choose another database.")
    return int(await db.fetchval(f"SELECT steps FROM {await db.fetchval('SELECT quote_ident($1)', schema)}.taken") or 0)
