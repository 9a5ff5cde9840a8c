"""Readers who are at the same place are given what comes next together; each of them has all of it, in its order."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import pytest
from tornado.http1connection import HTTP1Connection
from tornado.web import RequestHandler

from jupyter_durable_chat.server.following import AT_ONCE
from tests.server.conftest import JSON, Api
from tests.waiting import eventually

KIND = {"Content-Type": "application/json"}
READERS = 100
SAID = re.compile(rb'\{"n":(\d+),"pad":"x*"\}')


@pytest.fixture
def jp_server_config(jp_server_config: JSON) -> JSON:
    mine = {"max_message_bytes": 1 << 20, "keep_alive_seconds": 20.0}
    return jp_server_config | {"DurableChat": jp_server_config["DurableChat"] | mine}


class Reader:
    """A connection that follows the stream `p`, and takes what it is told to."""

    def __init__(self, receives: asyncio.StreamReader) -> None:
        self._receives = receives
        self._heard = bytearray()

    async def until(self, text: bytes) -> list[int]:
        """The numbers of all events, once this has come."""
        looked = 0
        while self._heard.find(text, looked) < 0:
            looked = max(0, len(self._heard) - len(text))
            more = await self._receives.read(1 << 16)
            assert more, self._heard[-300:]
            self._heard += more
        return self.numbers

    @property
    def numbers(self) -> list[int]:
        # Pieces of the transfer may divide an event.
        return [int(n) for n in SAID.findall(re.sub(rb"\r\n[0-9a-f]+\r\n", b"", self._heard))]

    async def all(self) -> list[int]:
        """The numbers of all events, until the stream ends."""
        while more := await self._receives.read(1 << 16):
            self._heard += more
        return self.numbers


@asynccontextmanager
async def follow(api: Api, offset: str = "-1", buffer: int | None = None) -> AsyncIterator[Reader]:
    url = urlsplit(f"{api.url}v1/stream/p?offset={offset}&live=sse")
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (url.hostname, url.port))
    receives, sends = await asyncio.open_connection(sock=connection, limit=buffer or 1 << 16)
    head = f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n"
    sends.write(f"{head}Authorization: {api.headers['Authorization']}\r\n\r\n".encode())
    try:
        yield Reader(receives)
    finally:
        sends.close()


def waits(handler: RequestHandler) -> bool:
    """Whether something is yet to be sent."""
    connection = handler.request.connection
    assert isinstance(connection, HTTP1Connection) and connection.stream
    return connection.stream.writing()


async def put(api: Api) -> None:
    assert (await api("PUT", "v1/stream/p", headers=KIND)).status_code == 201


async def post(api: Api, n: int, size: int = 0, **headers: str) -> None:
    body = b'{"n":%d,"pad":"%b"}' % (n, b"x" * size)
    assert (await api("POST", "v1/stream/p", body, headers=KIND | headers)).is_success


async def test_a_hundred_at_the_end_of_a_stream_are_one_reading(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(api)
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(follow(api)) for _ in range(READERS)]
        for reader in readers:
            await reader.until(b"upToDate")
        log, asked = api.chat.registry.log, []
        read = log.read
        monkeypatch.setattr(log, "read", lambda *args, **kw: asked.append(args) or read(*args, **kw))
        for n in range(3):
            await post(api, n)
            for reader in readers:
                await reader.until(b'{"n":%d,' % n)
        assert [reader.numbers for reader in readers] == [[0, 1, 2]] * READERS
        assert len(asked) == 3


async def test_who_comes_at_any_time_goes_along_with_the_others(api: Api) -> None:
    """Readers with and without the past, while more comes all the time."""
    await put(api)

    async def write() -> None:
        for n in range(200):
            await post(api, n)
        await api("POST", "v1/stream/p", headers=KIND | {"Stream-Closed": "true"})

    async with AsyncExitStack() as stack:
        writing = asyncio.create_task(write())
        offsets = ("-1", "now") * 20
        readers = [await stack.enter_async_context(follow(api, offset)) for offset in offsets]
        heard = await asyncio.gather(*(reader.all() for reader in readers))
        await writing
    for offset, numbers in zip(offsets, heard, strict=True):
        first = 0 if offset == "-1" else numbers[0] if numbers else 200
        assert numbers == [*range(first, 200)]
    await eventually(lambda: not api.chat.streams)
    assert not api.chat.following.places


async def test_who_takes_nothing_keeps_nobody_and_loses_nothing(api: Api) -> None:
    await put(api)
    async with follow(api, buffer=4096) as stalled, follow(api) as reader:
        await stalled.until(b"upToDate")
        await reader.until(b"upToDate")
        for n in range(100):
            await post(api, n, 60_000)
        await reader.until(b'{"n":99,')
        # What it does not take waits for it alone.
        assert [waits(one) for one in api.chat.streams].count(True) == 1
        await api("POST", "v1/stream/p", headers=KIND | {"Stream-Closed": "true"})
        assert await reader.all() == await stalled.all() == [*range(100)]


async def test_what_is_too_large_for_one_piece_reaches_everybody(api: Api) -> None:
    await put(api)
    async with follow(api) as one, follow(api) as other:
        for reader in (one, other):
            await reader.until(b"upToDate")
        await post(api, 0, 5 * AT_ONCE)
        await post(api, 1, 0, **{"Stream-Closed": "true"})
        assert await one.all() == await other.all() == [0, 1]


async def test_who_hangs_up_takes_nobody_along(api: Api) -> None:
    await put(api)
    async with follow(api) as stays:
        async with follow(api) as leaves:
            for reader in (stays, leaves):
                await reader.until(b"upToDate")
        await post(api, 0)
        await stays.until(b'{"n":0,')
        await eventually(lambda: len(api.chat.streams) == 1)
        await post(api, 1)
        assert await stays.until(b'{"n":1,') == [0, 1]


async def test_a_stream_that_is_deleted_ends_for_all(api: Api) -> None:
    await put(api)
    async with follow(api) as one, follow(api) as other:
        for reader in (one, other):
            await reader.until(b"upToDate")
        await api("DELETE", "v1/stream/p")
        assert await one.all() == await other.all() == []
