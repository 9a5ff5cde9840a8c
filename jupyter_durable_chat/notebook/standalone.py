"""A kernel that no Jupyter server with us has started finds the standalone server of this machine, or starts it.

It is a process of its own, which outlives the kernel. Two kernels that start one at once have one: the other process
sees the lock and ends. An address counts when somebody answers there who knows the token.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from jupyter_durable_chat import rendezvous
from jupyter_durable_chat.notebook.client import REFUSED, ChatError, Client, ServerUnreachable
from jupyter_durable_chat.rendezvous import TOKEN_VARIABLE, URL_VARIABLE

SWITCH = "JUPYTER_DURABLE_CHAT_STANDALONE"
"""`0` in the environment: no standalone server is started or joined here."""

START_SECONDS = 60.0
LOOK_SECONDS = 0.1

SWITCHED_OFF = (
    "This kernel was not started by a Jupyter server with jupyter-durable-chat, so there is nobody to answer. "
    "Install jupyter-durable-chat in the environment of the Jupyter server and restart the server, "
    f"set {URL_VARIABLE} and {TOKEN_VARIABLE} before the kernel starts, or let it start a server of its own, without "
    f"{SWITCH}=0."
)

_one_at_a_time = threading.Lock()


def address() -> tuple[str, str]:
    """URL and token of a server that answers. Raises `ServerUnreachable` with the reason when there is none."""
    if os.environ.get(SWITCH) == "0":
        raise ServerUnreachable(SWITCHED_OFF)
    with _one_at_a_time:
        started: subprocess.Popen[bytes] | None = None
        deadline = time.monotonic() + START_SECONDS
        while True:
            if (found := rendezvous.published()) and _answers(*found):
                return found
            if started is None or started.poll() == 0:  # it saw another one, which may end just now
                started = _start()
            if started.poll() or time.monotonic() > deadline:
                log = rendezvous.log_file()
                raise ServerUnreachable(f"The standalone server of jupyter-durable-chat did not start. {log} says why.")
            time.sleep(LOOK_SECONDS)


def _answers(url: str, token: str) -> bool:
    client = Client(url, token)
    try:
        client.health()
    except ServerUnreachable as error:
        return error.code is not None and error.status not in REFUSED
    except ChatError:
        return True
    finally:
        client.close()
    return True


def _start() -> "subprocess.Popen[bytes]":
    rendezvous.folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name not in (URL_VARIABLE, TOKEN_VARIABLE)}
    own = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS if sys.platform == "win32" else 0
    descriptor = os.open(rendezvous.log_file(), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            # Without the folder of the notebook among what it imports from.
            [sys.executable, "-P", "-m", "jupyter_durable_chat.server.standalone"],
            cwd=Path.home(),
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            creationflags=own,
        )
    finally:
        os.close(descriptor)
