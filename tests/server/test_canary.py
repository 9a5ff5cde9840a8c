"""What people and models say, name and type is in no metric, event, span and log line, wherever it was said."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.conftest import JSON, Api
from tests.server.kept import Kept
from tests.server.provider import Provider, serving
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


class Thinking(Provider):
    """It thinks, has both tools called, and answers; what asks for it is refused."""

    def post(self) -> None:
        said = self.asked["messages"][-1]
        assert CANARY["prompt"] in json.dumps(self.asked["messages"])
        if "refuse" in str(said["content"]):
            self.refuse(400, CANARY["refusal"])
        elif said["role"] == "tool":
            self.say({"reasoning_content": CANARY["reasoning"]}, {"content": CANARY["answer"]}, finish="stop")
        else:
            self.call(("look", {"what": CANARY["arguments"]}), ("stumble", {}))


@pytest.fixture
def provider(jp_asyncio_loop: Any) -> Iterator[str]:
    with serving(Thinking, jp_asyncio_loop) as url:
        yield url


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
