"""What `/metrics` of a real Jupyter server says of conversations, and what it never says."""

import asyncio
import json
import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from jupyter_durable_chat import events as e
from jupyter_durable_chat.log import Fenced
from jupyter_durable_chat.metrics import BREAKS, OUTCOMES, STORES, TRANSPORTS, Metrics, shared
from tests.scripted import Scripted
from tests.server.conftest import Api, take
from tests.waiting import eventually

DOCS = Path(__file__).parents[2] / "docs"
PREFIX = "jupyter_durable_chat_"
CANARY = "canary-8c1f"


async def scraped(api: Api) -> str:
    response = await api.client.get(api.url.removesuffix("durable-chat/") + "metrics", headers=api.headers)
    assert response.status_code == 200
    return response.text


async def values(api: Api) -> dict[str, float]:
    """Every sample of ours, by its name and the value of its label."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(await scraped(api)):
        for name, labels, value, *_ in family.samples:
            if name.startswith(PREFIX) and "le" not in labels:
                found[" ".join([name.removeprefix(PREFIX), *labels.values()])] = value
    return found


class Growth:
    """What has grown at `/metrics` since this began: other tests of this process have counted, too."""

    def __init__(self, api: Api, before: dict[str, float]) -> None:
        self._api = api
        self._before = before

    @classmethod
    async def begin(cls, api: Api) -> "Growth":
        return cls(api, await values(api))

    async def __call__(self) -> dict[str, float]:
        now = await values(self._api)
        return {name: value - self._before.get(name, 0) for name, value in now.items()}


async def test_a_turn_is_counted_with_its_outcome_its_first_token_and_its_appends(api: Api, agent: Scripted) -> None:
    grown = await Growth.begin(api)
    session = await api.session()
    await api.send(session)
    await agent.started.wait()
    assert (await grown())["turns_running"] == 1
    agent.say_text("Because", " it is.")
    agent.finish()
    await api.settled(session)
    await eventually(lambda: not api.chat.registry.turns)
    now = await grown()
    assert now["turns_total completed"] == 1 and now["turns_total failed"] == 0
    assert now["turns_running"] == 0
    assert now["turn_duration_seconds_count"] == 1
    assert now["time_to_first_token_seconds_count"] == 1
    assert (now["tokens_total input"], now["tokens_total output"]) == (2, 3)
    assert now["append_duration_seconds_count sqlite"] >= 4
    assert 1 <= now["flush_operations_count sqlite"] <= now["flush_operations_sum sqlite"]


async def test_a_turn_without_a_word_has_no_first_token(api: Api, agent: Scripted) -> None:
    grown = await Growth.begin(api)
    session = await api.session()
    agent.say(RuntimeError(CANARY))
    await api.send(session)
    await api.settled(session)
    now = await grown()
    assert now["turns_total failed"] == 1 and now["time_to_first_token_seconds_count"] == 0


async def test_readers_are_counted_while_they_read_and_what_they_missed_when_they_come_back(
    api: Api, agent: Scripted
) -> None:
    grown = await Growth.begin(api)
    session = await api.session()
    await api.send(session)
    agent.say_text("Because.")
    agent.finish()
    last = (await api.settled(session))["lsn"]
    async with api.stream(f"api/events?after={session}:1") as stream:
        await take(stream, lambda event: event.name == "caught-up")
        now = await grown()
        assert now["readers stream"] == 1
        assert (now["resume_gap_events_count"], now["resume_gap_events_sum"]) == (1, last - 1)
    await eventually(lambda: not api.chat.streams)
    assert (await grown())["readers stream"] == 0

    async with api.stream(f"api/events?after={session}:0") as stream:
        await take(stream, lambda event: event.name == "caught-up")
    assert (await grown())["resume_gap_events_count"] == 1, "who reads from the beginning has missed nothing"


async def test_a_position_that_cannot_be_resumed_is_counted_with_its_reason(api: Api, agent: Scripted) -> None:
    grown = await Growth.begin(api)
    session = await api.session()
    await api.send(session)
    agent.say_text("Because.")
    agent.finish()
    await api.settled(session)
    await eventually(lambda: not api.chat.registry.turns)
    await api.chat.registry.log.compact(session)
    for path in (f"api/events?after={session}:1", f"api/sessions/{session}/events?after=1"):
        async with api.stream(path) as stream:
            await take(stream, lambda event: event.name == "snapshot")
    async with api.stream(f"api/events?after={session}:9999") as stream:
        await take(stream, lambda event: event.name == "gone")
    assert (await api("GET", f"api/sessions/{session}/events?after=9999")).status_code == 409
    now = await grown()
    assert (now["resume_breaks_total compacted"], now["resume_breaks_total ahead"]) == (2, 2)


async def test_a_writer_that_lost_its_lease_is_counted(api: Api) -> None:
    grown = await Growth.begin(api)
    session = await api.session()
    log = api.chat.registry.log
    old = await log.lease(session, "test", 10)
    await log.lease(session, "test", 10)
    refused = await asyncio.gather(log.append(session, [b"{}"], epoch=old), return_exceptions=True)
    assert isinstance(refused[0], Fenced)
    assert (await grown())["fenced_appends_total sqlite"] == 1


async def test_no_label_has_a_value_that_is_not_ours(api: Api, agent: Scripted) -> None:
    session = await api.session(title=CANARY, name=CANARY)
    agent.say_text(CANARY)
    agent.say(RuntimeError(CANARY))
    await api.send(session, CANARY)
    await api.settled(session)
    text = await scraped(api)
    assert CANARY not in text and session not in text
    ours = {*OUTCOMES, *STORES, *TRANSPORTS, *BREAKS, "input", "output"}
    for family in text_string_to_metric_families(text):
        if family.name.startswith(PREFIX):
            for sample in family.samples:
                assert {value for name, value in sample.labels.items() if name != "le"} <= ours


def test_a_process_counts_once_however_many_servers_it_runs() -> None:
    assert shared() is shared()


def test_labels_are_all_values_that_there_are() -> None:
    assert set(OUTCOMES) == set(e.Outcome.__args__)


def described() -> dict[str, str]:
    """Every metric as its registry has it: its name in `/metrics`, and its kind."""
    registry = CollectorRegistry()
    Metrics(registry)
    return {family.name + ("_total" if family.type == "counter" else ""): family.type for family in registry.collect()}


def test_every_metric_is_documented_and_no_other() -> None:
    rows = re.findall(rf"^\| `({PREFIX}\w+)`[^|]*\| (\w+)", (DOCS / "metrics.md").read_text(), re.M)
    assert dict(rows) == described()


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    """A histogram by its buckets, or by its sum and its count."""
    dashboard = json.loads((DOCS / "grafana" / "jupyter-durable-chat.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked += [variable["query"] for variable in dashboard["templating"]["list"]]
    named = set(re.findall(rf"{PREFIX}\w+", " ".join(asked)))
    there = described()
    series = {name: name for name, kind in there.items() if kind != "histogram"} | {
        f"{name}{end}": name
        for name, kind in there.items()
        if kind == "histogram"
        for end in ("_bucket", "_sum", "_count")
    }
    assert named <= set(series), sorted(named - set(series))
    assert {series[name] for name in named} == set(there)
