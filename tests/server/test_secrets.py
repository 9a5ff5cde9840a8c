"""What must not leave the server is planted wherever it may be, and looked for wherever something comes out."""

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat.notebook.bundle import chat_bundle, output
from tests.server.conftest import JSON, Api
from tests.server.provider import Provider, serving

KEY = "sk-planted-4f9a1c77e2b84d0e"
INSTRUCTIONS = "Planted: the launch code is purple elephant ninety."
PERSONA = "Planted as well: you are the keeper of the crimson ledger."
ENVIRONMENT = "env-planted-a81bc93d"
TO_MCP = "mcp-planted-55e0d1f2"
TO_ACP = "acp-planted-0c9e77aa"

PLANTED = (KEY, INSTRUCTIONS, PERSONA, ENVIRONMENT, TO_MCP, TO_ACP, "purple elephant", "crimson ledger")


def leaky(what: str) -> None:
    """A tool of the server that fails with everything that it should not say."""
    raise RuntimeError(f"{what} {KEY} {ENVIRONMENT} {INSTRUCTIONS}")


class Quoting(Provider):
    """It quotes what it was sent when it refuses, as some do."""

    def post(self) -> None:
        said = self.asked["messages"][-1]
        if "refuse" in json.dumps(said):
            key = self.request.headers["Authorization"]
            self.refuse(401, f"Bad key {key}. You said: {json.dumps(self.asked['messages'][0])}")
        elif said["role"] == "tool" or not self.asked.get("tools"):
            self.say({"content": "I have looked."}, finish="stop")
        else:
            names = [tool["function"]["name"] for tool in self.asked["tools"]]
            first, *others = [name for name in names if name != "ask_user"]
            self.call((first, {"what": "x"}), *((name, {}) for name in others))


@pytest.fixture
def provider(jp_asyncio_loop: Any) -> Iterator[str]:
    with serving(Quoting, jp_asyncio_loop) as url:
        yield url


@pytest.fixture
def jp_server_config(
    store: Path, tmp_path: Path, provider: str, monkeypatch: pytest.MonkeyPatch, jp_server_config: JSON
) -> JSON:
    monkeypatch.setenv("OPENAI_API_KEY", ENVIRONMENT)
    monkeypatch.setenv("PLANTED", ENVIRONMENT)
    fails = [sys.executable, "-c", "import os, sys; sys.exit(os.environ['SECRET'])"]
    jp_server_config["DurableChat"] |= {
        "model": "openai-chat:m",
        "instructions": INSTRUCTIONS,
        "api_keys": {"openai-chat": KEY},
        "base_urls": {"openai-chat": provider},
        "personas": {"keeper": {"instructions": PERSONA}},
        "tools": ["tests.server.test_secrets:leaky"],
        "mcp_servers": {"broken": {"command": fails[0], "args": fails[1:], "env": {"SECRET": TO_MCP}}},
        "acp_agents": {
            "dead": {"command": fails[0], "args": fails[1:], "env": {"SECRET": TO_ACP}, "cwd": str(tmp_path)}
        },
    }
    return jp_server_config


@pytest.mark.timeout(120)
async def test_a_planted_secret_comes_out_nowhere(
    api: Api, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []
    outcomes: list[str] = []
    for agent in ("assistant", "keeper", "dead"):
        session = await api.session(agent=agent)
        for client_id, text in (("c1", "Look."), ("c2", "Please refuse.")):
            seen.append(json.dumps(await api.send(session, text, client_id)))
            transcript = await api.settled(session)
            outcomes.append(transcript["messages"][-1]["metadata"]["outcome"])
        seen.append(json.dumps(transcript))
        seen.append(json.dumps(output(chat_bundle(transcript, session=session))))
        for path in (f"api/sessions/{session}/events?after=0", "api/sessions", "api/agents", "api/health"):
            response = await api("GET", path, headers={"Accept": "application/json"})
            seen.append(response.text + str(response.headers))
        response = await api("POST", f"api/sessions/{session}/messages", {"client_id": "c", "text": "", "x": KEY[:3]})
        seen.append(response.text)
    jupyter = api.url.removesuffix("durable-chat/")
    seen.append((await api.client.get(f"{jupyter}metrics", headers=api.headers)).text)
    assert outcomes == ["completed", "failed"] * 2 + ["failed", "failed"], "everything that can fail, did"
    assert any("RuntimeError" in text for text in seen), "the tool has failed, too"
    captured = capfd.readouterr()
    seen += [captured.out, captured.err, caplog.text, *(record.getMessage() for record in caplog.records)]
    for text in seen:
        for planted in PLANTED:
            assert planted not in text, text[max(0, text.index(planted) - 300) : text.index(planted) + 100]
