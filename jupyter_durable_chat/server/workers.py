"""The worker of this server: started with it, started anew when it ends, and left alone when the server ends.

What it is started by is a thread of its own: that takes a while, and an event loop would end the process with itself.
"""

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from jupyter_durable_chat.facts import Tell, TurnBegun, TurnLeft
from jupyter_durable_chat.worker.pipe import Settings, from_line

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.2
"""Before the next worker is started; it doubles with every one that ended soon, up to `MAX_PAUSE_SECONDS`."""

MAX_PAUSE_SECONDS = 30.0

SOON_SECONDS = 60.0

MAX_LOG_BYTES = 10 << 20


class Worker:
    """Keeps one running, which writes its log into `log_file` and tells what it does."""

    def __init__(self, settings: Settings, log_file: Path, tell: Tell) -> None:
        self._settings = settings
        self._log_file = log_file
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        """One that has its settings, and listens."""
        self._left = threading.Event()
        self._changing = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._keep, name="durable-chat worker", daemon=True).start()

    def nudge(self) -> None:
        """Tell it that there is something new in the store. It would find it by itself, a little later."""
        process = self._process
        if process and process.stdin:
            with contextlib.suppress(OSError, ValueError):  # it takes nothing now, or is gone
                os.write(process.stdin.fileno(), b"\n")

    def leave(self) -> None:
        """Start no other; the one that runs does what is left to do, and ends. Idempotent."""
        with self._changing:
            self._left.set()
            if self._process and self._process.stdin:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()

    # In the thread

    def _keep(self) -> None:
        try:
            settings = self._settings.to_line()
        except Exception as error:  # a configuration may hold anything
            logger.error("There is no worker: its settings cannot be given to it (%s)", type(error).__name__)
            return
        pause = PAUSE_SECONDS / 2
        while not self._left.is_set():
            began = time.monotonic()
            try:
                self._run(settings)
                ended = "It has ended by itself"
            except OSError as error:
                ended = f"It cannot be started ({error.strerror})"
            if self._left.is_set():
                return
            pause = PAUSE_SECONDS if time.monotonic() - began > SOON_SECONDS else min(2 * pause, MAX_PAUSE_SECONDS)
            logger.error("%s: the worker, whose log is %s. Another one follows.", ended, self._log_file)
            self._left.wait(pause)

    def _run(self, settings: bytes) -> None:
        """One worker, from its start to its end."""
        process = self._started()
        assert process.stdin and process.stdout
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            process.stdin.write(settings)
            process.stdin.flush()
        if os.name != "nt":
            # Whoever nudges it is the event loop.
            os.set_blocking(process.stdin.fileno(), False)
        with self._changing:
            self._process = process
            if self._left.is_set():
                process.stdin.close()
        running: set[str] = set()
        for line in process.stdout:
            match fact := from_line(line):
                case TurnBegun(turn=turn):
                    running.add(turn)
                case TurnLeft(turn=turn):
                    running.discard(turn)
            if fact:
                self._tell(fact)
        process.wait()
        for turn in running:
            # It had no time to say so.
            self._tell(TurnLeft(turn))

    def _started(self) -> "subprocess.Popen[bytes]":
        self._log_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # there is none, or somebody has it open where that matters
            if self._log_file.stat().st_size > MAX_LOG_BYTES:
                self._log_file.unlink()
        own = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS if sys.platform == "win32" else 0
        with open(self._log_file, "ab", opener=_private) as log:
            return subprocess.Popen(
                # Without the folder in which Jupyter was started among what it imports from.
                [sys.executable, "-P", "-m", "jupyter_durable_chat.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # What ends everything that the server's terminal has started does not end it.
                start_new_session=True,
                creationflags=own,
            )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
