"""What is wrong with a stream of Durable Streams is found, and nothing is found in a sound one."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.log import Log
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.store.check import Check
from jupyter_durable_chat.streams import Append, Creation, Streams

Names = dict[str, str]

DAMAGE: dict[str, tuple[Callable[[Log, Names], Awaitable[object]], str]] = {
    "no config": (lambda log, names: log.append(names["open"], [], summary=b"{}"), "nobody can tell what it is"),
    "an end too many": (lambda log, names: log.append(names["open"], [b""]), "LSN 3: the record is an end that no"),
    "data after the end": (lambda log, names: log.append(names["closed"], [b"x"]), "the record is "),
    "no source": (lambda log, names: log.delete(names["open"]), "LSN 1: it begins with "),
}


async def filled(log: Log) -> Names:
    """A stream that is open, one that is closed, a fork, and one that is deleted but for its fork."""
    streams = Streams(log)
    await streams.create("open", Creation("text/plain", b"1"))
    await streams.append("open", Append("text/plain", b"2"))
    await streams.create("fork", Creation(forked_from="open", fork_lsn=1, fork_sub_offset=1))
    await streams.create("closed", Creation("text/plain", b"1", closed=True))
    await streams.create("heir", Creation(data=b"2", forked_from="closed"))
    names = {path: (await streams.open(path)).id for path in ("open", "fork", "closed", "heir")}
    await streams.delete("closed")
    return names


async def findings(path: Path) -> list[str]:
    async with SqliteLog(path, read_only=True) as log:
        check = Check(log, Attachments(path.parent / "attachments", max_bytes=0))
        found = [str(finding) async for finding in check.findings()]
        assert check.counts["streams"] + check.counts["sessions"] >= 3
        return found


async def test_sound_streams_are_sound(tmp_path: Path) -> None:
    async with SqliteLog(tmp_path / "log.sqlite3") as log:
        await filled(log)
    assert await findings(tmp_path / "log.sqlite3") == []


@pytest.mark.parametrize("damage", DAMAGE)
async def test_damage_is_found(tmp_path: Path, damage: str) -> None:
    do, text = DAMAGE[damage]
    async with SqliteLog(tmp_path / "log.sqlite3") as log:
        await do(log, await filled(log))
    found = await findings(tmp_path / "log.sqlite3")
    assert len(found) == 1 and text in found[0]


async def test_a_hole_is_found(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    async with SqliteLog(path) as log:
        names = await filled(log)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(
            "DELETE FROM records WHERE lsn = 1 AND stream = (SELECT id FROM streams WHERE name = ?)", (names["open"],)
        )
    assert await findings(path) == [
        f"{names['open']}, LSN 1: records are missing: the stream ends at 2, its records at 0"
    ]
