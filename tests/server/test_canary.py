"""What people and models say, name and type is in no metric, event, span and log line, wherever it was said."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import tornado.web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from tests.server.conftest import JSON, Api
from tests.server.kept import Kept
from tests.spans import Spans
from tests.waiting import eventually

PLACES = (
    "message", "answer", "reasoning", "arguments", "output", "failure", "refusal", "title", "notebook", "name", "file",
    "prompt", "key", "search", "client"
)  # fmt: skip
CANARY = {place: f"canary-{place}-7d1e" for place in PLACES}


def look(what: str) -> str:
    assert what == CANARY["arguments"]
    return CANARY["output"]


def stumble() -> None:
    raise RuntimeError(CANARY["failure"])


class Provider(tornado.web.RequestHandler):
    """Speaks OpenAI's dialect: it thinks, has both tools called, and answers; what asks for it is refused."""

    def post(self) -> None:
        asked = json.loads(self.request.body)
        assert CANARY["prompt"] in json.dumps(asked["messages"])
        if "refuse" in str(asked["messages"][-1]["content"]):
            self.set_status(400)
            self.finish({"error": {"message": CANARY["refusal"]}})
            return
        self.set_header("Content-Type", "text/event-stream")
        if asked["messages"][-1]["role"] == "tool":
            self._chunk({"reasoning_content": CANARY["reasoning"]})
            self._chunk({"content": CANARY["answer"]})
            self._chunk({}, "stop")
        else:
            called = (("look", json.dumps({"what": CANARY["arguments"]})), ("stumble", "{}"))
            calls = [
                {"index": i, "id": f"c{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
                for i, (name, arguments) in enumerate(called)
            ]
            self._chunk({"tool_calls": calls})
            self._chunk({}, "tool_calls")
        self.finish("data: [DONE]\n\n")

    def _chunk(self, delta: JSON, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
        chunk = {"id": "r", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        self.write(f"data: {json.dumps(chunk)}\n\n")


@pytest.fixture
def provider(jp_asyncio_loop: Any) -> Iterator[str]:
    """In the server's event loop."""
    socket, port = bind_unused_port()

    async def listen() -> HTTPServer:
        server = HTTPServer(tornado.web.Application([(".*", Provider)]))
        server.add_socket(socket)
        return server

    server = jp_asyncio_loop.run_until_complete(listen())
    yield f"http://127.0.0.1:{port}/v1"
    server.stop()
    jp_asyncio_loop.run_until_complete(server.close_all_connections())


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def jp_server_config(provider: str, kept: Kept, jp_server_config: JSON) -> JSON:
    jp_server_config["EventLogger"] = {"handlers": [kept]}
    jp_server_config["DurableChat"] |= {
        "model": "openai-chat:m",
        "instructions": CANARY["prompt"],
        "api_keys": {"openai-chat": CANARY["key"]},
        "base_urls": {"openai-chat": provider},
        "tools": ["tests.server.test_canary:look", "tests.server.test_canary:stumble"],
    }
    return jp_server_config


@pytest.mark.timeout(120)
async def test_nothing_that_was_said_is_seen_from_outside(
    api: Api, kept: Kept, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    spans = Spans()
    caplog.set_level(logging.DEBUG)
    about = {"title": CANARY["title"], "notebook": f"{CANARY['notebook']}.ipynb", "name": CANARY["name"]}
    session = await api.session(agent="assistant", **about)
    attached = await api("POST", f"api/sessions/{session}/attachments?filename={CANARY['file']}.csv", b"a,b\n1,2\n")
    assert attached.status_code == 201, attached.text
    part = {"type": "file", "url": attached.json()["url"], "mediaType": "text/csv", "filename": CANARY["file"]}
    await api.send(session, CANARY["message"], CANARY["client"], parts=[part])
    answered = await api.settled(session)
    await api.send(session, f"refuse {CANARY['message']}", "c_2")
    failed = await api.settled(session)
    assert [m["metadata"].get("outcome") for m in failed["messages"][1::2]] == ["completed", "failed"]
    # What is refused is logged at a higher level.
    for search in (f"q={CANARY['search']}&limit=1", f"limit=x&q={CANARY['search']}"):
        assert (await api("GET", f"api/sessions?{search}")).status_code in (200, 400)
    refused = await api("POST", f"api/sessions/{session}/attachments?filename={CANARY['file']}.exe", b"MZ\0")
    assert refused.status_code == 415
    said = json.dumps(answered)
    assert all(CANARY[place] in said for place in ("message", "answer", "arguments", "output", "title", "file"))

    await eventually(lambda: len(spans.named("invoke_agent assistant")) == 2)
    await eventually(lambda: len(kept.of("turn")) >= 5)
    assert spans.named("execute_tool look") and spans.named("execute_tool stumble") and spans.named("chat m")
    scraped = (await api.client.get(f"{api.url.removesuffix('durable-chat/')}metrics", headers=api.headers)).text
    captured = capfd.readouterr()
    # The test's own client says, too, what it asks for.
    logged = [record.getMessage() for record in caplog.records if api.url not in record.getMessage()]
    seen = {
        "metrics": scraped,
        "events": json.dumps(kept.events),
        "spans": spans.text(),
        "log": "\n".join([*logged, captured.out, captured.err]),
    }
    assert session in seen["events"] and session in seen["spans"] and "stumble" in seen["log"]
    for where, text in seen.items():
        for canary in CANARY.values():
            assert canary not in text, f"{where}: …{text[max(0, text.index(canary) - 200) : text.index(canary) + 99]}"
