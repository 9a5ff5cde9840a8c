"""A Jupyter server whose store is a PostgreSQL that goes away and comes back."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log.postgres import PostgresLog
from tests.postgres import Postgres
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api, take
from tests.waiting import eventually

pytestmark = pytest.mark.slow

PASSWORD = "s3cret-of-the-store"


@pytest.fixture(scope="module")
def fragile() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture
def jp_server_config(jp_server_config: JSON, fragile: Postgres, tmp_path: Any) -> JSON:
    dsn = f"{fragile.dsn()}&password={PASSWORD}"
    chat = {"store": dsn, "store_seconds": 40.0, "attachments_folder": str(tmp_path / "attachments")}
    return jp_server_config | {"DurableChat": jp_server_config["DurableChat"] | chat}


async def test_an_answer_outlives_a_crash_of_its_database(api: Api, agent: Scripted, fragile: Postgres) -> None:
    session = await api.session()
    async with api.stream(f"api/sessions/{session}/events?after=0") as stream:
        await api.send(session)
        agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="before "))
        await take(stream, lambda event: event.data.get("delta") == "before ")
        await asyncio.to_thread(fragile.stop)
        agent.say(e.TextDelta(id="x", delta="during "))
        await asyncio.to_thread(fragile.start)
        agent.say(e.TextDelta(id="x", delta="after"), e.TextEnd(id="x"))
        agent.finish()
        events = await take(stream, lambda event: event.data.get("type") == "turn-stopped")
    text = "".join(event.data.get("delta", "") for event in events)
    assert text == "during after" and events[-1].data["outcome"] == "completed"
    answer = (await api.settled(session))["messages"][-1]
    assert [part["text"] for part in answer["parts"] if part["type"] == "text"] == ["before during after"]


async def test_an_answer_fails_with_a_text_when_its_database_stays_away(
    api: Api, agent: Scripted, fragile: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    session = await api.session()
    turn = (await api.send(session))["turn_id"]
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="kept"))
    async with api.stream(f"api/sessions/{session}/events?after=0") as stream:
        await take(stream, lambda event: event.data.get("delta") == "kept")
    log = api.chat.registry.log
    assert isinstance(log, PostgresLog)
    log.patience = 2
    # What was asked with more patience is done by then.
    await asyncio.gather(log.renew("nobody", 1), log.leases())
    await asyncio.to_thread(fragile.stop)
    try:
        agent.say(e.TextDelta(id="x", delta="lost"))
        refused = await api(
            "POST", f"api/sessions/{session}/messages", {"client_id": "c_2", "text": "And?"}, timeout=30
        )
        assert refused.status_code == 503 and refused.json()["code"] == "store-unavailable"
        assert "PostgreSQL" in refused.text and PASSWORD not in refused.text
        await asyncio.wait_for(agent.closed.wait(), 30)
    finally:
        await asyncio.to_thread(fragile.start)
    log.patience = 40

    async def ended() -> bool:
        answer = await api("GET", f"api/sessions/{session}", timeout=30)
        return answer.status_code == 200 and answer.json()["turn"] is None

    await eventually(ended)
    answer = (await api.transcript(session))["messages"][-1]
    assert answer["metadata"]["turn"] == turn and answer["metadata"]["outcome"] == "failed"
    assert "PostgreSQL" in answer["metadata"]["error"]["text"]
    assert "kept" in str(answer["parts"])
    assert PASSWORD not in caplog.text and PASSWORD not in str(answer)
    agent.say_text("again")
    agent.finish()
    await api.send(session, client_id="c_3")
    assert (await api.settled(session))["messages"][-1]["metadata"]["outcome"] == "completed"


async def test_a_driver_that_is_not_installed_is_named(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.chat.stop_extension()
    monkeypatch.setitem(sys.modules, "jupyter_durable_chat.log.postgres", None)
    api.chat.initialize_settings()
    answer = await api("GET", "api/sessions")
    assert answer.status_code == 503
    assert "pip install 'jupyter-durable-chat[postgres]'" in answer.json()["message"]
    assert PASSWORD not in answer.text
