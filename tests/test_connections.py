"""The tests' own servers leave no connection open, at whatever point of its making one is cut."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.connections import listening


async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.fixture
def own_garbage() -> Iterator[None]:
    """Only what comes into being from here on is collected."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("own_garbage")
@pytest.mark.parametrize("turns", range(6))
async def test_a_server_is_closed_while_clients_come(turns: int) -> None:
    with ExitStack() as clients, warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        async with listening(served) as port:
            for _ in range(20):
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(turns):
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
    assert [str(warning.message) for warning in left if "unclosed" in str(warning.message)] == []
