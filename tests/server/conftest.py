"""A real Jupyter server in the test's event loop, its store in a folder of its own, and readers of its streams."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jupyter_server.serverapp import ServerApp

from jupyter_durable_chat.server.extension import DurableChat
from tests import scripted as scripts
from tests.scripted import Scripted

JSON = dict[str, Any]


@pytest.fixture
def agent() -> Any:
    scripts.current.append(Scripted())
    yield scripts.current[-1]
    scripts.current.pop()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store" / "log.sqlite3"


@pytest.fixture
def jp_server_config(store: Path) -> JSON:
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_durable_chat": True}},
        "DurableChat": {
            "store": str(store),
            "agents": ["tests.scripted:scripted"],
            "max_message_bytes": 10_000,
            "keep_alive_seconds": 0.2,
            "prompts": {
                "explain": {"text": "Explain {what}.", "description": "from the beginning"},
                "short": "In one sentence:",
            },
        },
    }


@dataclass
class Event:
    """One event of a stream as it came over the wire."""

    name: str = ""
    id: str | None = None
    data: JSON = field(default_factory=dict)


@dataclass
class Api:
    """The HTTP API of a server, and who asks."""

    url: str
    headers: dict[str, str]
    chat: DurableChat
    client: httpx2.AsyncClient

    async def __call__(self, method: str, path: str, body: Any = None, **kwargs: Any) -> httpx2.Response:
        content = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        headers = self.headers | kwargs.pop("headers", {})
        return await self.client.request(method, self.url + path, content=content, headers=headers, **kwargs)

    async def session(self, **body: Any) -> str:
        response = await self("POST", "api/sessions", {"agent": "scripted", **body})
        assert response.status_code == 201, response.text
        return response.json()["id"]

    async def send(self, session: str, text: str = "Why?", client_id: str = "c_1", **more: Any) -> JSON:
        body = {"client_id": client_id, "text": text, **more}
        response = await self("POST", f"api/sessions/{session}/messages", body)
        assert response.status_code == 202, response.text
        return response.json()

    async def transcript(self, session: str) -> JSON:
        response = await self("GET", f"api/sessions/{session}")
        assert response.status_code == 200, response.text
        return response.json()

    async def settled(self, session: str) -> JSON:
        """The transcript once no turn runs."""
        async with self.chat.registry.acquire(session) as loaded:
            if turn := loaded.transcript.turn:
                assert await loaded.turn_ended(turn["id"], 20)
        return await self.transcript(session)

    @contextlib.asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncIterator[AsyncIterator[Event]]:
        """The events of a stream, as they come; leaving closes the connection."""
        async with self.client.stream("GET", self.url + path, headers=self.headers | headers, timeout=20) as response:
            assert response.status_code == 200, await response.aread()
            yield events(response)


async def events(response: httpx2.Response) -> AsyncIterator[Event]:
    event = Event()
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line == "":
            if event.data:
                yield event
            event = Event()
        elif name == "id":
            event.id = value
        elif name == "event":
            event.name = value
        elif name == "data":
            event.data = json.loads(value)


async def take(stream: AsyncIterator[Event], until: Callable[[Event], bool]) -> list[Event]:
    """Events up to and with the first that fits."""
    taken = []
    async for event in stream:
        taken.append(event)
        if until(event):
            return taken
    raise AssertionError(f"the stream ended after {taken}")


@pytest.fixture
def api(
    agent: Scripted,
    jp_serverapp: ServerApp,
    http_server_port: Any,
    http_server: Any,
    jp_base_url: str,
    jp_asyncio_loop: Any,
) -> Any:
    chat: DurableChat = jp_serverapp.web_app.settings["durable_chat"]
    url = f"http://127.0.0.1:{http_server_port[-1]}{jp_base_url}durable-chat/"
    client = httpx2.AsyncClient(trust_env=False, verify=False, timeout=None)  # there are no certificates to be read
    yield Api(url, {"Authorization": f"token {jp_serverapp.identity_provider.token}"}, chat, client)
    jp_asyncio_loop.run_until_complete(client.aclose())
