"""A page that was loaded before an upgrade, from any version that was released, is understood by this server.

`js/tests/connection/requests.test.ts` writes down what the page of a version asks.
"""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.scripted import Scripted
from tests.server.conftest import Api

RELEASED = Path(__file__).parents[1] / "store" / "released"
VERSIONS = sorted(path.parent.name for path in RELEASED.glob("*/requests.json"))

UNKNOWN = {"unknown-session", "unknown-message", "unknown-call", "unknown-approval", "unknown-stream", "deleted"}
UNKNOWN |= {"unknown-attachment", "not-waiting", "already-answered", "nothing-to-continue", "turn-running"}
"""What may be said to something that was understood; all that is asked for is not there."""


def named(value: Any, names: dict[str, str]) -> Any:
    """The same for the session, and its messages, that are there."""
    text = json.dumps(value)
    for name, real in names.items():
        text = text.replace(f"{name}:3", f"{real}:1").replace(name, real)
    return json.loads(text)


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_a_page_of_every_version_asks_is_understood(api: Api, agent: Scripted, version: str) -> None:
    session = await api.session()
    agent.say_text("Because.")
    agent.finish()
    await api.send(session)
    question, answer = (await api.settled(session))["messages"]
    names = {"s_1": session, "m_1": question["id"], "m_2": answer["id"]}
    asked = json.loads((RELEASED / version / "requests.json").read_text())
    # At last, what takes it all away.
    asked.sort(key=lambda one: one["method"] == "DELETE" and one["path"] == "sessions/s_1")
    assert len(asked) > 30

    for nth, one in enumerate(asked):
        one = named(one, names | {"c_9": f"c_9_{nth}"})
        streamed = one["accept"] == "text/event-stream"
        query = httpx2.QueryParams([(name, "0" if name == "wait" else value) for name, value in one["query"]])
        headers = {"Accept": one["accept"]}
        path = f"api/{one['path']}"
        if streamed:
            async with api.client.stream("GET", api.url + path, params=query, headers=api.headers | headers) as stream:
                assert stream.status_code == 200 and stream.headers["Content-Type"] == "text/event-stream"
            continue
        body = b"a file" if one["body"] == "a file" else one["body"]
        if body == b"a file":
            headers["Content-Type"] = "text/plain"
        agent.finish()
        response = await api(one["method"], path, body, params=query, headers=headers)
        said = response.json().get("code") if response.status_code >= 400 else None
        assert response.status_code < 400 or said in UNKNOWN, f"{one['method']} {path} {body}: {response.text}"
        if "json" in one["accept"] and response.status_code not in (204, *range(400, 500)):
            assert response.headers["Content-Type"].startswith("application/json")
