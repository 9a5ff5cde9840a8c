"""A SQLite store that an older version wrote is brought up to date, and what it was is kept beside it.

The copy is made under the lock under which the store is changed, so that nothing is stored in between. It has its name
once it is whole and on the disk, and the change is committed after that. Whatever fails, or is killed, before then
leaves the store as it was, and beside it at most a file without that name, which the next attempt replaces.

A copy is kept for `KEPT_DAYS`: who is content has no use for it, and what is deleted meanwhile is still in it.
"""

import contextlib
import logging
import os
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from jupyter_durable_chat.log import LogUnavailable

logger = logging.getLogger(__name__)

KEPT_DAYS = 30

_AT = "%Y%m%dT%H%M%SZ"


def copied(source: sqlite3.Connection, copy: Path) -> None:
    """All that is committed in `source`, as the new file `copy`, for its owner only. May raise `sqlite3.Error`."""
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(copy, isolation_level=None)) as target:
        source.backup(target)
        # One file, whatever was beside the other.
        target.execute("PRAGMA journal_mode = DELETE")


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where a folder can be opened (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Kept:
    """What the store at `path` is before it takes steps; `taken` counts those that it has.

    While this is entered, nothing may be stored by others. Leaving it with an exception removes the copy again.
    """

    def __init__(self, path: Path, taken: int) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.schema-{taken}.partial")
        at = datetime.now(UTC).strftime(_AT)
        self.copy = path.with_name(f"{path.name}.schema-{taken}.{at}.backup")

    def __enter__(self) -> Self:
        try:
            self._partial.unlink(missing_ok=True)
            with closing(sqlite3.connect(self._path, isolation_level=None)) as source:
                source.execute("PRAGMA query_only = ON")
                copied(source, self._partial)
        except (sqlite3.Error, OSError) as error:
            self._remove()
            why = error.strerror if isinstance(error, OSError) else error
            raise LogUnavailable(
                f"an older version wrote it, and it cannot be copied before it is brought up to date: {why}. It needs "
                f"room for {(self._path.stat().st_size >> 20) + 1} MB more in its folder. Nothing was changed."
            ) from error
        return self

    def name(self) -> None:
        """From now on it is a copy that one can go back to."""
        os.replace(self._partial, self.copy)
        sync_folder(self.copy.parent)

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is not None:
            self._remove()

    def _remove(self) -> None:
        for path in (self._partial, self.copy):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def copies(path: Path) -> list[tuple[datetime, int, Path]]:
    """The copies of the store at `path`, the newest first: when it was made, of which schema, and where it is."""
    named = re.compile(rf"{re.escape(path.name)}\.schema-(\d+)\.(\d{{8}}T\d{{6}}Z)\.backup", re.ASCII)
    found = []
    with contextlib.suppress(OSError):
        for other in path.parent.iterdir():
            if match := named.fullmatch(other.name):
                # A name that is no time is none of ours.
                with contextlib.suppress(ValueError):
                    found.append((datetime.strptime(match[2], _AT).replace(tzinfo=UTC), int(match[1]), other))
    return sorted(found, reverse=True)


def forget_old_copies(path: Path) -> None:
    for made, _, copy in copies(path):
        if datetime.now(UTC) - made > timedelta(days=KEPT_DAYS):
            with contextlib.suppress(OSError):
                copy.unlink()
                logger.info("The copy %s of the chat store is older than %d days, and is removed", copy, KEPT_DAYS)
