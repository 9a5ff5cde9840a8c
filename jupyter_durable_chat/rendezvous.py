"""How kernels find their server: it tells those that it starts by their environment.

For the others, the standalone server of this machine and user says where it is. One file in Jupyter's runtime folder
has it, for its owner only: `{"url", "token", "pid", "version"}`. Another one is locked for as long as that server
lives, however it ends, so there is never more than one. Both bear the machine's name, because homes are shared.
"""

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

URL_VARIABLE = "JUPYTER_DURABLE_CHAT_URL"
TOKEN_VARIABLE = "JUPYTER_DURABLE_CHAT_TOKEN"
"""Where a kernel is told its server's address, and what it is known by there."""


def folder() -> Path:
    # Most kernels only look at their environment.
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def address_file() -> Path:
    return folder() / f"{_name()}.json"


def log_file() -> Path:
    return folder() / f"{_name()}.log"


def worker_log_file() -> Path:
    """Where the workers of this machine's servers write their logs."""
    return folder() / f"{_name()}.worker.log"


def published() -> tuple[str, str] | None:
    """URL and token, as the last server said; `None` while none has."""
    try:
        said = json.loads(address_file().read_text(encoding="utf-8"))
        return str(said["url"]), str(said["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def publish(url: str, token: str, **about: Any) -> None:
    """Say where the server is, all at once."""
    file = address_file()
    draft = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as text:
        json.dump({"url": url, "token": token, "pid": os.getpid(), **about}, text)
    draft.replace(file)


def withdraw() -> None:
    address_file().unlink(missing_ok=True)


@contextlib.contextmanager
def only_one() -> Iterator[bool]:
    """Whether this process is the one server until it leaves this, or ends."""
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder() / f"{_name()}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


def _name() -> str:
    return f"durable-chat-{re.sub('[^A-Za-z0-9.-]', '_', socket.gethostname())}"


def _lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
