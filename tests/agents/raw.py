"""A provider made of bytes, for what a well-behaved mock does not do: it says just this, then ends, cuts or waits."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

from tests.connections import Server

Script = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One connection of a client, after its request was read."""

    def __init__(self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def begin(self, status: str = "200 OK", media_type: str = "text/event-stream") -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        await self.write(head.encode())

    async def send(self, body: str) -> None:
        data = body.encode()
        await self.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        """End the body as HTTP wants it; without this, closing the connection cuts it."""
        await self.write(b"0\r\n\r\n")

    async def closed(self) -> None:
        """Return when the client has closed the connection."""
        with suppress(ConnectionError):
            await self._reader.read()


class RawProvider:
    """Runs `script` for every connection. `asked` and `left` are set when a client has asked, and has gone."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    async def __aenter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self._server = Server(self._serve, listener)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            request = head + await reader.readexactly(length)
            self.requests.append(request)
            self.asked.set()
            with suppress(ConnectionError):
                await self._script(Connection(request, reader, writer))
        finally:
            self.left.set()


class Dialect(NamedTuple):
    """How a provider says "Hello" in two pieces, and then that this was all."""

    model: str
    hello: Sequence[str]
    finish: Sequence[str]


def data(value: Any) -> str:
    return f"data: {json.dumps(value)}\n\n"


def named(value: dict[str, Any]) -> str:
    return f"event: {value['type']}\n{data(value)}"


def _chat(delta: dict[str, str], finish_reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return data({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "mock", "choices": [choice]})


def _response(kind: str, number: int, **more: Any) -> str:
    return named({"type": f"response.{kind}", "sequence_number": number, **more})


def _state(status: str) -> dict[str, Any]:
    state = {"id": "r", "object": "response", "created_at": 1, "status": status, "model": "mock", "output": []}
    return state | {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}


def _gemini(text: str, **more: str) -> str:
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, **more}
    return data({"candidates": [candidate], "modelVersion": "mock", "responseId": "g"})


_MESSAGE = {"id": "msg", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
_PLACE = {"item_id": "msg", "output_index": 0, "content_index": 0}

CHAT = Dialect(
    "openai-chat:mock",
    hello=[_chat({"role": "assistant", "content": "Hel"}), _chat({"content": "lo"})],
    finish=[_chat({}, "stop"), "data: [DONE]\n\n"],
)

DIALECTS = {
    "chat": CHAT,
    "ollama": CHAT._replace(model="ollama:mock"),
    "responses": Dialect(
        "openai:mock",
        hello=[
            _response("created", 0, response=_state("in_progress")),
            _response("output_item.added", 1, output_index=0, item=_MESSAGE),
            _response("output_text.delta", 2, delta="Hel", logprobs=[], **_PLACE),
            _response("output_text.delta", 3, delta="lo", logprobs=[], **_PLACE),
        ],
        finish=[_response("completed", 4, response=_state("completed"))],
    ),
    "anthropic": Dialect(
        "anthropic:mock",
        hello=[
            named(
                {
                    "type": "message_start",
                    "message": {
                        **{"id": "msg", "type": "message", "role": "assistant", "model": "mock", "content": []},
                        **{"stop_reason": None, "stop_sequence": None},
                        "usage": {"input_tokens": 1, "output_tokens": 0},
                    },
                }
            ),
            named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}}),
            named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}}),
        ],
        finish=[
            named({"type": "content_block_stop", "index": 0}),
            named(
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": 2},
                }
            ),
            named({"type": "message_stop"}),
        ],
    ),
    "gemini": Dialect(
        "google:mock",
        hello=[_gemini("Hel"), _gemini("lo")],
        finish=[_gemini("", finishReason="STOP")],
    ),
}


def says(*pieces: str, end: bool = True) -> Script:
    """A script that sends these and then ends the body, or cuts the connection."""

    async def script(connection: Connection) -> None:
        await connection.begin()
        for piece in pieces:
            await connection.send(piece)
        if end:
            await connection.end()

    return script


def refuses(status: str, body: Any) -> Script:
    """A script that answers with an error."""

    async def script(connection: Connection) -> None:
        await connection.begin(status, "application/json")
        await connection.send(json.dumps(body))
        await connection.end()

    return script
