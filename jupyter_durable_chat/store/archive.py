"""A store in one file, and what is believed of such a file.

A ZIP archive of members that are stored as they are: `log.sqlite3`, `attachments/HASH` for each file, and last
`manifest.json`, with the hash and the size of each and which files each session has. No name in an archive is ever a
path: members are looked up by the names that follow from the manifest, and anything else in the archive refuses it.
Nothing is compressed, and the members together are not larger than the archive, so it cannot unpack to more than it is.
"""

import hashlib
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Self

import msgspec
from msgspec import Struct

from jupyter_durable_chat.log.migrations import APPLICATION_ID, MIGRATIONS, migrate

FORMAT = "jupyter-durable-chat-backup"
VERSION = 1

LOG = "log.sqlite3"
MANIFEST = "manifest.json"
FILES = "attachments/"

CHUNK = 1 << 20

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

COUNTS = {
    "streams": "SELECT count(*) FROM streams WHERE NOT deleted",
    "records": "SELECT count(*) FROM records",
    "snapshots": "SELECT count(*) FROM snapshots",
}


class Refused(Exception):
    """Why a file is not taken for a backup."""


class Manifest(Struct, kw_only=True):
    """What is in an archive. `schema` counts the steps that the log's file has taken."""

    format: str = FORMAT
    version: int = VERSION
    made_at: str
    made_by: str
    schema: int
    counts: dict[str, int]
    log_size: int
    log_hash: str
    files: dict[str, int]
    """The size of each, by its hash."""
    sessions: dict[str, list[str]]
    """The hashes of the files that each session has, if any."""


def counts(db: sqlite3.Connection) -> dict[str, int]:
    return {name: db.execute(sql).fetchone()[0] for name, sql in COUNTS.items()}


class Archive:
    """An archive that is there. Entering opens it and believes its outline; raises `Refused`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._zip = zipfile.ZipFile(self._path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise Refused(f"{self._path} is no backup, or not all of one: {error}") from None
        except OSError as error:
            raise Refused(f"{self._path} cannot be read: {error.strerror}") from None
        try:
            self.manifest = self._outline()
        except BaseException:
            self._zip.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._zip.close()

    def verify(self) -> None:
        """Read everything. Raises `Refused` when a byte is not what the manifest says."""
        for _ in self.log():
            pass
        for name in self.manifest.files:
            self.file(name)

    def log(self) -> Iterator[bytes]:
        """The bytes of the log's file; after the last ones, raises `Refused` if they are not the right ones."""
        return self._read(LOG, self.manifest.log_hash)

    def file(self, name: str) -> bytes:
        return b"".join(self._read(FILES + name, name))

    def _read(self, member: str, expected: str) -> Iterator[bytes]:
        found = hashlib.sha256()
        try:
            with self._zip.open(member) as opened:
                while chunk := opened.read(CHUNK):
                    found.update(chunk)
                    yield chunk
        except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            raise self._refused(f"{member} cannot be read: {error}") from None
        if found.hexdigest() != expected:
            raise self._refused(f"{member} has been changed: it has another hash")

    def _outline(self) -> Manifest:
        members = self._zip.infolist()
        if any(m.compress_type != zipfile.ZIP_STORED or m.file_size != m.compress_size for m in members):
            raise self._refused("something in it is compressed")
        if sum(member.file_size for member in members) > self._path.stat().st_size:
            raise self._refused("it says that it holds more than it does")
        try:
            manifest = msgspec.json.decode(self._zip.read(MANIFEST), type=Manifest)
        except KeyError:
            raise self._refused(f"it has no {MANIFEST}") from None
        except (msgspec.MsgspecError, zipfile.BadZipFile, EOFError, RuntimeError, UnicodeDecodeError) as error:
            raise self._refused(f"its {MANIFEST} cannot be read: {error}") from None
        self._check(manifest)
        sizes = {LOG: manifest.log_size} | {FILES + name: size for name, size in manifest.files.items()}
        there = [(member.filename, member.file_size) for member in members if member.filename != MANIFEST]
        if len(members) != len(there) + 1 or sorted(there) != sorted(sizes.items()):
            raise self._refused(f"what is in it is not what its {MANIFEST} says")
        return manifest

    def _check(self, manifest: Manifest) -> None:
        if manifest.format != FORMAT:
            raise self._refused(f"its format is {manifest.format[:80]!r}, and not {FORMAT!r}")
        if manifest.version != VERSION or not 1 <= manifest.schema <= len(MIGRATIONS):
            raise self._refused("another version of jupyter-durable-chat made it. Upgrade jupyter-durable-chat")
        names = [*manifest.files, *(name for files in manifest.sessions.values() for name in files)]
        if not all(map(_HASH.fullmatch, names)) or not all(map(_SESSION.fullmatch, manifest.sessions)):
            raise self._refused(f"its {MANIFEST} has a name that is none of ours")
        if set(names) != set(manifest.files):
            raise self._refused(f"its {MANIFEST} gives sessions files that are not in it")

    def _refused(self, why: str) -> Refused:
        return Refused(f"{self._path} is no backup that can be restored: {why}.")


def check_log(path: Path, manifest: Manifest) -> None:
    """A log's file is a store of ours, whole, and the one that the manifest tells of. Raises `Refused`."""
    with _checked(path, "The log in the backup") as (db, schema):
        if schema != manifest.schema:
            raise Refused("The log in the backup is no chat store.")
        if counts(db) != manifest.counts:
            raise Refused("The log in the backup has not what its manifest says.")


def check_kept(path: Path, name: str) -> tuple[int, int]:
    """The same of a log without a manifest, of any schema that this version knows; its streams and records."""
    with _checked(path, name) as (db, _):
        streams, records = (db.execute(COUNTS[what]).fetchone()[0] for what in ("streams", "records"))
    return streams, records


@contextmanager
def _checked(path: Path, name: str) -> Iterator[tuple[sqlite3.Connection, int]]:
    """A log that was found to be whole, and its schema.

    It may be a stranger's, so nothing in its schema is run: what is not ours is found before anything is read.
    """
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            db.execute("PRAGMA trusted_schema = OFF")
            db.execute("PRAGMA query_only = ON")
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (schema,) = db.execute("PRAGMA user_version").fetchone()
            if application == APPLICATION_ID and schema > len(MIGRATIONS):
                raise Refused(f"{name} is of a newer version of jupyter-durable-chat. Upgrade jupyter-durable-chat.")
            if application != APPLICATION_ID or schema < 1 or _tables(db) != _expected(schema):
                raise Refused(f"{name} is no chat store.")
            found = [row[0] for row in db.execute("PRAGMA integrity_check(10)")]
            if found != ["ok"]:
                raise Refused(f"{name} is damaged: {found[0].splitlines()[-1]}")
            yield db, schema
    except sqlite3.Error as error:
        raise Refused(f"{name} is damaged: {error}") from None


def _tables(db: sqlite3.Connection) -> set[tuple[str, str, str]]:
    return set(db.execute("SELECT type, name, tbl_name FROM sqlite_master"))


def _expected(schema: int) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, MIGRATIONS[:schema])
        return _tables(db)


class Writing:
    """An archive that is being made."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.files: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def add_file(self, name: str, data: bytes) -> None:
        if name not in self.files:
            self._zip.writestr(_member(FILES + name), data)
            self.files[name] = len(data)

    def add_log(self, path: Path) -> tuple[int, str]:
        """Size and hash."""
        size, digest = 0, hashlib.sha256()
        with path.open("rb") as log, self._zip.open(_member(LOG), "w", force_zip64=True) as member:
            while chunk := log.read(CHUNK):
                member.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        return size, digest.hexdigest()

    def add_manifest(self, manifest: Manifest) -> None:
        self._zip.writestr(_member(MANIFEST), msgspec.json.format(msgspec.json.encode(manifest)))

    def close(self) -> None:
        self._zip.close()


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o600 << 16
    return member
