"""What an operator is told by Jupyter's own events: from a real server to a handler of its configuration."""

import json
from pathlib import Path
from typing import get_args

import pytest
from jupyter_events import EventLogger
from jupyter_events.schema import EventSchema

from jupyter_durable_chat import events as e
from jupyter_durable_chat import facts as f
from jupyter_durable_chat.agents import AgentError
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.facts import HouseFact
from jupyter_durable_chat.lifecycle import KINDS, SCHEMAS, Lifecycle, schema_id
from jupyter_durable_chat.log import Log, LogUnavailable
from jupyter_durable_chat.log.facts import FencedOff, Unstored
from jupyter_durable_chat.log.memory import MemoryLog
from jupyter_durable_chat.registry import Registry
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api
from tests.server.kept import Kept
from tests.waiting import eventually

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def jp_server_config(jp_server_config: JSON, kept: Kept) -> JSON:
    return jp_server_config | {"EventLogger": {"handlers": [kept]}}


def without_seconds(events: list[JSON]) -> list[JSON]:
    return [{name: value for name, value in event.items() if name != "seconds"} for event in events]


async def test_an_operator_is_told_how_a_turn_begins_speaks_and_ends(api: Api, agent: Scripted, kept: Kept) -> None:
    session = await api.session()
    turn = (await api.send(session))["turn_id"]
    agent.say_text("Because", " it is.")
    agent.finish()
    await api.settled(session)
    await eventually(lambda: len(kept.of("turn")) == 3)
    about = {"session": session, "turn": turn}
    assert without_seconds(kept.of("turn")) == [
        {"action": "started", "agent": "scripted", **about},
        {"action": "first-token", **about},
        {"action": "ended", "outcome": "completed", "input_tokens": 2, "output_tokens": 3, **about},
    ]
    first, ended = (event["seconds"] for event in kept.of("turn")[1:])
    assert first >= 0 and ended >= 0


async def test_an_operator_is_told_what_kind_of_error_ended_a_turn(api: Api, agent: Scripted, kept: Kept) -> None:
    session = await api.session()
    agent.say(AgentError("rate", "Too many questions about the canary."))
    await api.send(session)
    await api.settled(session)
    await eventually(lambda: len(kept.of("turn")) == 2)
    ended = kept.of("turn")[-1]
    assert (ended["action"], ended["outcome"], ended["category"]) == ("ended", "failed", "rate")
    assert "canary" not in json.dumps(kept.events)


async def test_an_operator_is_told_of_conversations_that_come_and_go(api: Api, kept: Kept) -> None:
    session = await api.session(title="canary", notebook="canary.ipynb", name="canary")
    assert (await api("POST", "api/sessions", {"notebook": "canary.ipynb", "name": "canary"})).json()["id"] == session
    fork = (await api("POST", f"api/sessions/{session}/fork", {})).json()["id"]
    exported = await api("GET", f"api/sessions/{session}/export?format=json")
    imported = (await api("POST", "api/sessions/import", exported.content)).json()["id"]
    assert (await api("DELETE", f"api/sessions/{session}")).status_code in (200, 204)
    await eventually(lambda: len(kept.of("session")) == 4)
    assert kept.of("session") == [
        {"action": "created", "session": session, "origin": "new"},
        {"action": "created", "session": fork, "origin": "fork"},
        {"action": "created", "session": imported, "origin": "import"},
        {"action": "deleted", "session": session, "cause": "person"},
    ]
    assert "canary" not in json.dumps(kept.events)


async def test_an_operator_is_told_that_the_store_is_there(api: Api, kept: Kept) -> None:
    assert (await api("GET", "api/health")).status_code == 200
    await eventually(lambda: bool(kept.of("store")))
    assert kept.of("store") == [{"action": "opened"}]


async def test_a_handler_that_fails_costs_no_turn_anything(
    api: Api, agent: Scripted, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(schema_id: str, data: JSON) -> JSON:
        raise RuntimeError("the operator's")

    logger = api.chat.server.event_logger
    assert isinstance(logger, EventLogger)
    logger.add_modifier(schema_id=schema_id("turn"), modifier=fail)
    session = await api.session()
    agent.say_text("Because.")
    agent.finish()
    await api.send(session)
    assert (await api.settled(session))["messages"][-1]["metadata"]["outcome"] == "completed"
    await eventually(lambda: caplog.text.count("RuntimeError: the operator's") == 3)
    assert kept.of("turn") == []


async def test_a_store_that_cannot_be_opened_is_told_once_for_each_reason(tmp_path: Path) -> None:
    reasons = ["It is full.", "It is full.", "It is gone.", None]
    told: list[object] = []

    def open_log() -> Log:
        if reason := reasons.pop(0):
            raise LogUnavailable(reason)
        return MemoryLog()

    async with Registry(open_log, Agents([Scripted()]), tell=told.append):
        await eventually(lambda: not reasons)
        await eventually(lambda: len(told) >= 3)
    house = [fact for fact in told if isinstance(fact, HouseFact)]
    assert house == [f.StoreUnavailable(), f.StoreUnavailable(), f.StoreOpened()]


class Pane:
    """Where facts become events, without a server."""

    def __init__(self) -> None:
        self.kept = Kept()
        logger = EventLogger(handlers=[self.kept])
        self.tell = Lifecycle(logger, lambda call: call())


def test_a_turn_without_an_outcome_is_left_and_one_of_another_process_taken_over() -> None:
    pane = Pane()
    for fact in (
        f.TurnBegun("s_1", "t_1", "assistant", "openai:gpt-5", False),
        f.TurnLeft("t_1"),
        f.TurnBegun("s_1", "t_1", "assistant", None, True),
        f.TurnEnded("s_1", "t_1", "stopped", 2.5, None, 1, 2),
        f.TurnLeft("t_1"),
        f.TurnEnded("s_2", "t_2", "interrupted", 9, "internal", 0, 0),
    ):
        pane.tell(fact)
    about = {"session": "s_1", "turn": "t_1"}
    assert [(event["action"], event["turn"]) for event in pane.kept.of("turn")] == [
        ("started", "t_1"),
        ("left", "t_1"),
        ("taken-over", "t_1"),
        ("ended", "t_1"),
        ("ended", "t_2"),
    ]
    assert pane.kept.of("turn")[0] == {"action": "started", "agent": "assistant", "model": "openai:gpt-5", **about}


def test_an_operator_is_told_what_a_store_refuses() -> None:
    pane = Pane()
    for fact in (f.StoreUnavailable(), f.StoreOpened(), Unstored("postgres"), FencedOff("sqlite")):
        pane.tell(fact)
    assert pane.kept.of("store") == [
        {"action": "unavailable"},
        {"action": "opened"},
        {"action": "append-failed", "store": "postgres"},
        {"action": "append-fenced", "store": "sqlite"},
    ]


@pytest.fixture(params=KINDS)
def schema(request: pytest.FixtureRequest) -> EventSchema:
    return EventSchema(SCHEMAS / request.param / "v1.yaml")


def test_a_schema_has_the_id_under_which_its_events_go_out(schema: EventSchema) -> None:
    assert schema.id in map(schema_id, KINDS)


def test_a_schema_takes_nothing_that_it_does_not_name(schema: EventSchema) -> None:
    assert schema._schema["additionalProperties"] is False


def test_schemas_know_every_value_that_there_is() -> None:
    def values(kind: str, name: str) -> set[str]:
        return set(EventSchema(SCHEMAS / kind / "v1.yaml").properties[name]["enum"])

    assert values("turn", "outcome") == set(get_args(e.Outcome))
    assert values("turn", "category") == set(get_args(e.Category))
    assert values("session", "origin") == set(get_args(f.Origin))
    assert values("session", "cause") == set(get_args(f.Cause))


def test_every_action_is_documented_and_no_other(schema: EventSchema) -> None:
    kind = schema.id.split("/")[-2]
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{schema.id}` "))
    documented = [cell.strip(" `") for cell in row.split("|")[2].split(",")]
    assert documented == schema.properties["action"]["enum"], kind
