"""What a worker does from its start to its end, however it was started."""

import asyncio
import contextlib
import logging
import signal
from typing import Any

from jupyter_durable_chat.facts import Tell
from jupyter_durable_chat.server.extension import DurableChat

logger = logging.getLogger(__name__)


def begin_log(level: int | str) -> None:
    """What this package does is told from this level on; of others' only what is wrong: they tell whole addresses."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")
    logging.getLogger("jupyter_durable_chat").setLevel(level)


async def serve(chat: DurableChat, tell: Tell, server_gone: asyncio.Event | None = None) -> None:
    """Run turns until a signal says that this is enough, or the server is gone and nothing is left to do.

    At a signal, what runs ends as it does with a server that is shut down: a turn that only waits is left to others.
    """
    registry = chat.furnish("worker", tell)
    enough = asyncio.Event()
    _on_signals(enough)
    await chat.open()
    logger.info("This worker runs answers of %r.", chat.owner)
    try:
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(enough.wait())]
        if server_gone is not None:
            waits.append(asyncio.create_task(_outlive(chat, server_gone)))
        done, others = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for over in done:
            over.result()
    finally:
        await registry.__aexit__(None, None, None)
        await asyncio.gather(registry.agents.aclose(), chat.tools_at_hand.aclose())


async def _outlive(chat: DurableChat, server_gone: asyncio.Event) -> None:
    await server_gone.wait()
    logger.info("The server is gone. What it has begun goes on here.")
    await chat.registry.leave_alone()


def _on_signals(enough: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows ends it at once
            loop.add_signal_handler(number, enough.set)
