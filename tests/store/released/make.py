"""Writes the stores of this version, which every later one has to open: run it when a version is released.

    python tests/store/released/make.py

A folder has what one version wrote: a SQLite store with its attachments, a dump of a PostgreSQL store, and, for each,
what all of it amounts to; and `requests.json`, all that a page of it asks (`js/tests/connection/requests.test.ts`
writes that). Until its version is released, a folder may be written anew; after that it never changes.
`before` has what the first schemas wrote, before anything was released.
"""

import asyncio
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_durable_chat import __version__
from jupyter_durable_chat import events as e
from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.inbox import Inbox
from jupyter_durable_chat.log import Head, Log, Record
from jupyter_durable_chat.log.postgres import PostgresLog
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import notebook_key
from jupyter_durable_chat.replica import KEPT, Replica, summary, text_of
from jupyter_durable_chat.store.check import expected_labels, named_files, streams
from jupyter_durable_chat.streams import Append, Creation, Producer, Streams
from jupyter_durable_chat.transcript import fold
from tests.postgres import Postgres
from tests.store.conftest import fill
from tests.vectors.make import INBOXES, VECTORS

JSON = dict[str, Any]

HERE = Path(__file__).parent
SCHEMA = "durable_chat"


async def write(open_log: Callable[[], Log], folder: Path) -> JSON:
    """What servers leave, every type of event, and streams with producers, in a new store; what it amounts to."""
    await fill(open_log(), folder)
    async with open_log() as log:
        for name, events in VECTORS.items():
            await _keep(log, f"s_{name}", events, Attachments(folder, max_bytes=1 << 20))
        for name in ("told-claimed-read", "cleared"):
            stream, events = f"inbox_{name}", INBOXES[name]
            await log.create(stream, [_record(event) for event in events], key=stream, labels={"kind": "inbox"})
        await _keep_streams(log)
        return await told(log)


async def told(log: Log) -> JSON:
    """Everything that a store says: of each stream what is beside its records, and what these amount to."""
    heads = [await log.head(stream) async for stream in streams(log)]
    return {
        "found": sorted(head.stream for head in await log.streams(search="words")),
        "streams": {head.stream: await _told(log, head) for head in sorted(heads, key=lambda head: head.stream)},
    }


async def _told(log: Log, head: Head) -> JSON:
    about = {"lsn": head.lsn, "size": head.size, "key": head.key, "labels": dict(head.labels)}
    about["summary"] = json.loads(head.summary or "null")
    match head.labels.get("kind", ""):
        case "":
            is_now = (await Replica(log, head.stream, float).refresh()).to_json()
        case "inbox":
            inbox = Inbox(head.stream)
            for record in await log.read(head.stream, 0):
                inbox.apply(e.decode(e.number(*record)))
            is_now = inbox.to_json()
        case _:
            first = json.loads(head.summary or "{}").get("fork_lsn", 0)
            is_now = [record.data.decode() for record in await log.read(head.stream, first)]
    return json.loads(e.to_json(about | {"is": is_now}))


async def _keep(log: Log, session: str, events: list[JSON], attachments: Attachments) -> None:
    """A session of these events, as a server keeps them: with labels, a summary, words, and a snapshot on the way."""
    events = [event | {"session": session} if event["type"] == "session-created" else event for event in events]
    records = [_record(event) for event in events]
    numbered = [e.decode(e.number(lsn, record)) for lsn, record in enumerate(records, 1)]
    transcript, half = fold(numbered), fold(numbered[: len(numbered) // 2])
    labels = {**KEPT, **expected_labels(transcript)}
    key = notebook_key("/home/ada", transcript.notebook, session) if transcript.notebook else None
    await log.create(session, records[:1], key=key, labels=labels)
    words = " ".join(text_of(message) for message in transcript.messages)
    await log.append(session, records[1:], summary=summary(transcript), words=words)
    if half.lsn:
        await log.save_snapshot(session, Record(half.lsn, e.to_json(half.to_json())))
    assert not named_files(transcript.to_json()), "a vector names files"


async def _keep_streams(log: Log) -> None:
    kept = Streams(log)
    await kept.create("notes", Creation("application/json", b'[{"n":1}]'))
    for seq in range(3):
        await kept.append(
            "notes", Append("application/json", b'{"n":2}', producer=Producer("p", 1 if seq else 0, max(seq - 1, 0)))
        )
    await kept.append("notes", Append("application/json", b'{"n":3}', seq="00007"))
    await kept.create("branch", Creation(forked_from="notes", fork_lsn=2))
    await kept.create("closed", Creation("text/plain", b"all of it", closed=True))


def _record(event: JSON) -> bytes:
    return e.to_json({name: value for name, value in event.items() if name != "lsn"})


def _write_down(path: Path, said: JSON) -> None:
    """A line for each stream."""
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(about, sort_keys=True)}" for name, about in said["streams"].items()
    )
    path.write_text(f'{{"found": {json.dumps(said["found"])}, "streams": {{\n{lines}\n}}}}\n')


def _dump(server: Postgres, path: Path) -> None:
    dumped = server.folder / "dump.sql"
    how = (f"--schema={SCHEMA}", "--no-owner", "--inserts", "--rows-per-insert=100", f"--file={dumped}")
    server.program("pg_dump", *how, server.dsn())
    # What it says of the moment, and of the program that wrote it, is of no interest.
    aside = r"^(--.*|\\(un)?restrict .*|SET transaction_timeout.*)?\n"
    path.write_text(re.sub(aside, "", dumped.read_text(), flags=re.MULTILINE))


def main() -> None:
    place = HERE / __version__
    place.mkdir(exist_ok=True)
    path = place / "log.sqlite3"
    for written in (path, Path(f"{path}.attachments"), place / "postgres.attachments"):
        shutil.rmtree(written) if written.is_dir() else written.unlink(missing_ok=True)
    _write_down(place / "sqlite.json", asyncio.run(write(lambda: SqliteLog(path), Path(f"{path}.attachments"))))
    with Postgres() as server:
        said = asyncio.run(write(lambda: PostgresLog(server.dsn(), schema=SCHEMA), place / "postgres.attachments"))
        _write_down(place / "postgres.json", said)
        _dump(server, place / "postgres.sql")


if __name__ == "__main__":
    main()
