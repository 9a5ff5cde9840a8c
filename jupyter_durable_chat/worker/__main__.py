"""A worker that a server has started: it has the server's settings, tells it what it does, and outlives it.

The first line of its input is what the server says of itself, every other one says that something is new in the store,
and the end of its input is the server's end. Its output, line by line, is the facts of its work: as many as the server
takes, for nobody here waits for it.
"""

import asyncio
import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator

from traitlets.config import Config

from jupyter_durable_chat.facts import Fact, several
from jupyter_durable_chat.server.extension import DurableChat
from jupyter_durable_chat.traces import Traces
from jupyter_durable_chat.worker.pipe import Settings, lines, to_line
from jupyter_durable_chat.worker.serve import begin_log, serve


class Telling:
    """Tells the server. A line that it does not take at once is lost, and so is all after its end."""

    def __init__(self) -> None:
        self._pipe = os.dup(sys.stdout.fileno())
        # What libraries print is no fact.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        with contextlib.suppress(OSError, AttributeError):  # there is no such thing
            os.set_blocking(self._pipe, False)

    def __call__(self, fact: Fact) -> None:
        with contextlib.suppress(OSError):
            os.write(self._pipe, to_line(fact))


async def work(settings: Settings, said: Iterator[bytes]) -> None:
    loop = asyncio.get_running_loop()
    server_gone = asyncio.Event()
    chat = DurableChat(config=Config({"DurableChat": settings.traits}))
    chat.named_by_others = settings.names_people

    def listen() -> None:
        with contextlib.suppress(RuntimeError):  # this process has ended before
            for _ in said:
                loop.call_soon_threadsafe(lambda: chat.registry.nudge())
            loop.call_soon_threadsafe(server_gone.set)

    threading.Thread(target=listen, name="listening to the server", daemon=True).start()
    await serve(chat, several(Telling(), Traces()), server_gone)


def main() -> None:
    said = lines(sys.stdin.fileno())
    settings = Settings.from_line(next(said))
    sys.path.extend(place for place in settings.path if place not in sys.path)
    begin_log(logging.INFO)
    asyncio.run(work(settings, said))


if __name__ == "__main__":
    main()
