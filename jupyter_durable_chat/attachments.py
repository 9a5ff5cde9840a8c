"""Files that belong to sessions, each stored once, under the SHA-256 of its bytes.

    all/<hash>                    every file
    sessions/<session>/<hash>     the same file again (a hard link), for each session that refers to it

A session's own link is the truth: only through it is a file read, and the file lives as long as there is one. `all`
only finds what is there already; a name in it that nobody else links to may go at any time. So several servers may
share a folder, and a crash leaves at worst a file that nobody refers to, which `sweep` removes. Where a filesystem
has no hard links, each session has a copy. A file that was accepted is on the disk.
"""

import asyncio
import contextlib
import errno
import hashlib
import mimetypes
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar

URL = "attachment:"
"""How the URL of a part begins that names a file of its session; the hash follows."""

INLINE = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What a page may show as it is: pictures in which no browser finds a program."""

OPAQUE = "application/octet-stream"

SETTLED_SECONDS = 3600.0
"""`sweep` leaves alone what is younger: it may belong to a session that is just being made."""

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES}

Result = TypeVar("Result")


class UnknownAttachment(Exception):
    """This session refers to no such file."""


class TooLarge(Exception):
    """A file has more bytes than the setting allows."""


class Attachments:
    """The files of one store. Nothing is touched before the first file; raises `OSError` when the disk fails."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes

    async def put(self, session: str, data: bytes) -> str:
        """The hash of the file, once it is on the disk and the session's. Idempotent. Raises `TooLarge`."""
        if len(data) > self.max_bytes:
            raise TooLarge(
                f"The file has {len(data)} bytes; c.DurableChat.max_attachment_bytes allows {self.max_bytes}."
            )
        return await asyncio.to_thread(self._put, session, data)

    async def get(self, session: str, file_hash: str) -> bytes:
        """The bytes. Raises `UnknownAttachment`, also for a file that only other sessions have."""
        return await self._read(session, file_hash, Path.read_bytes)

    async def has(self, session: str, file_hash: str) -> bool:
        """Whether the session refers to this file."""
        try:
            return await self._read(session, file_hash, Path.is_file)
        except UnknownAttachment:
            return False

    async def of(self, session: str) -> list[str]:
        """The hashes of all files that the session refers to, in order."""
        return await asyncio.to_thread(lambda: sorted(path.name for path in _files(self._of(session))))

    async def forget(self, session: str) -> None:
        """The session is deleted, and what only it referred to. Idempotent."""
        await asyncio.to_thread(self._forget, session)

    async def fork(self, old: str, new: str) -> None:
        """What a session refers to, the new one refers to as well. Idempotent."""
        await asyncio.to_thread(self._fork, old, new)

    async def sweep(self, live: Collection[str]) -> None:
        """Remove what belongs to no live session, and what a crash left, unless it is younger than an hour."""
        await asyncio.to_thread(self._sweep, live)

    async def _read(self, session: str, file_hash: str, read: Callable[[Path], Result]) -> Result:
        if not _HASH.fullmatch(file_hash):
            raise UnknownAttachment(f"{file_hash[:80]!r} is not the name of an attachment, 64 hexadecimal digits.")
        path = self._of(session) / file_hash
        try:
            return await asyncio.to_thread(read, path)
        except (FileNotFoundError, NotADirectoryError):
            raise UnknownAttachment(f"This session has no attachment {file_hash}.") from None

    # In threads

    def _of(self, session: str) -> Path:
        if not _SESSION.fullmatch(session):
            raise UnknownAttachment(f"{session[:80]!r} is not the id of a session.")
        return self.folder / "sessions" / session

    def _put(self, session: str, data: bytes) -> str:
        file_hash = hashlib.sha256(data).hexdigest()
        kept, own = self.folder / "all" / file_hash, self._of(session) / file_hash
        while not own.exists():
            try:
                _link(kept, own)
            except FileNotFoundError:  # it is new, or its last session was deleted just now
                _write(kept, data)
        return file_hash

    def _forget(self, session: str) -> None:
        own = self._of(session)
        for path in _files(own):
            path.unlink(missing_ok=True)
            self._drop(path.name)
        with contextlib.suppress(OSError):  # a file came meanwhile: `sweep` finds it
            own.rmdir()

    def _drop(self, name: str) -> None:
        """Remove a file that no session refers to."""
        kept = self.folder / "all" / name
        with contextlib.suppress(FileNotFoundError):
            if kept.stat().st_nlink == 1:
                kept.unlink()

    def _fork(self, old: str, new: str) -> None:
        for path in _files(self._of(old)):
            with contextlib.suppress(FileNotFoundError):  # the old session is being deleted
                _link(path, self._of(new) / path.name)

    def _sweep(self, live: Collection[str]) -> None:
        settled = time.time() - SETTLED_SECONDS
        for own in _folders(self.folder / "sessions"):
            if own.name not in live and _changed(own) < settled:
                self._forget(own.name)
        for folder in (self.folder / "all", *_folders(self.folder / "sessions")):
            for path in _files(folder, temporary=True):
                if _changed(path) < settled:
                    path.unlink(missing_ok=True)
        for path in _files(self.folder / "all"):
            if _changed(path) < settled:
                self._drop(path.name)


def _write(path: Path, data: bytes) -> None:
    """The whole file or none, and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path) as temporary:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    _sync(path.parent)


def _link(path: Path, new: Path) -> None:
    """Have a file at a second place. Raises `FileNotFoundError` when it is not at the first."""
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, new)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _copy(path, new)
    _sync(new.parent)


def _copy(path: Path, new: Path) -> None:
    with _temporary(new) as temporary:
        shutil.copyfile(path, temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, new)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A name beside this one, which is free again afterwards."""
    temporary = path.with_name(f"{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk, where a folder can be opened (not on Windows)."""
    with contextlib.suppress(PermissionError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _files(folder: Path, *, temporary: bool = False) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return [path for path in folder.iterdir() if (path.suffix == ".tmp") == temporary]
    return []


def _folders(folder: Path) -> list[Path]:
    return [path for path in _files(folder) if _SESSION.fullmatch(path.name) and path.is_dir()]


def _changed(path: Path) -> float:
    """When; a file that is gone by now is left alone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


# What is in a file

_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"%PDF-"), "application/pdf"),
    (re.compile(rb"PAR1"), "application/vnd.apache.parquet"),
)
_ZIP = re.compile(rb"PK(?:\x03\x04|\x05\x06)")
_ZIPPED = re.compile(r"application/(?:zip|epub\+zip|vnd\.(?:openxmlformats-officedocument|oasis\.opendocument)\..+)")
_TEXT = re.compile(r"text/.+|application/(?:.+\+)?(?:json|yaml|toml|sql|xml)|application/x-ipynb\+json")
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,80}/[a-z0-9][a-z0-9.+-]{0,80}", re.ASCII)
_ENDINGS = {".ipynb": "application/x-ipynb+json", ".md": "text/markdown", ".parquet": "application/vnd.apache.parquet"}


def media_type(data: bytes, filename: str = "", declared: str = "") -> str:
    """What the bytes are. A name, and what somebody says of them, count as far as the bytes do not say otherwise."""
    for magic, kind in _MAGIC:
        if magic.match(data):
            return kind
    said = declared.partition(";")[0].strip().lower()
    if said in ("", OPAQUE) or not _TYPE.fullmatch(said):
        ending = Path(filename).suffix.lower()
        said = _ENDINGS.get(ending) or mimetypes.guess_type(f"x{ending}")[0] or ""
    if _ZIP.match(data):
        return said if _ZIPPED.fullmatch(said) else "application/zip"
    if _is_text(data):
        return said if _TEXT.fullmatch(said) else "text/plain"
    return OPAQUE


def _is_text(data: bytes) -> bool:
    if b"\x00" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_allowed(kind: str, allowed: Collection[str]) -> bool:
    """Whether a media type is one of these, or of a `type/*` among them; with none, every one is."""
    return not allowed or kind in allowed or f"{kind.partition('/')[0]}/*" in allowed
