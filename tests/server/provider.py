"""A provider of models that speaks OpenAI's dialect, in the event loop of the server that asks it."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import tornado.web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from tests.server.conftest import JSON


class Provider(tornado.web.RequestHandler):
    """What it answers is up to who is derived from it."""

    @property
    def asked(self) -> JSON:
        return json.loads(self.request.body)

    def say(self, *deltas: JSON, finish: str) -> None:
        """The answer, in these pieces."""
        self.set_header("Content-Type", "text/event-stream")
        for delta in deltas:
            self._chunk(delta, None)
        self._chunk({}, finish)
        self.finish("data: [DONE]\n\n")

    def call(self, *calls: tuple[str, Any]) -> None:
        """Have these functions called, each with its arguments."""
        called = [
            {"index": i, "id": f"c{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
            for i, (name, given) in enumerate(calls)
        ]
        self.say({"tool_calls": called}, finish="tool_calls")

    def refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        self.finish({"error": {"message": message}})

    def _chunk(self, delta: JSON, finish: str | None) -> None:
        choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
        chunk = {"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        self.write(f"data: {json.dumps(chunk)}\n\n")


@contextlib.contextmanager
def serving(provider: type[Provider], loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """Its base URL."""
    socket, port = bind_unused_port()

    async def listen() -> HTTPServer:
        server = HTTPServer(tornado.web.Application([(".*", provider)]))
        server.add_socket(socket)
        return server

    server = loop.run_until_complete(listen())
    yield f"http://127.0.0.1:{port}/v1"
    server.stop()
    loop.run_until_complete(server.close_all_connections())
