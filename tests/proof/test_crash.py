"""A real server under load, killed at any moment and started again: nothing acknowledged is lost or doubled.

A cycle: senders keep several sessions busy, a reader follows them over one stream, and after a number of events that
chance has chosen the server gets SIGKILL, whatever it is doing. Then it is started again on its store, and everything
that anybody was told before is compared with what is there now. `CYCLES` says how many (`make crash` has more), `SEED`
repeats a run.
"""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.transcript import Transcript
from tests.browser.jupyter import Jupyter, running

pytestmark = pytest.mark.slow

JSON = dict[str, Any]

CYCLES = int(os.environ.get("CYCLES", "25"))
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))

SESSIONS = 5
"""Sessions in use at a time; each cycle begins a new one and leaves the oldest."""

MOST_EVENTS = 600
"""A server lives for as many events at most."""


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Jupyter]:
    with running("server", tmp_path, max_messages_per_minute=0, compact_after_events=400) as jupyter:
        yield jupyter


class World:
    """What everybody outside of the server knows: what was sent, what was answered, what was read."""

    refusals: tuple[int, ...] = (404, 409)

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.sessions: list[str] = []
        self.sent: dict[tuple[str, str], tuple[JSON, JSON | None]] = {}
        """By session and client id: the body, and the reply of a server that lived to give it."""
        self.read: dict[str, dict[int, JSON]] = {}
        """By session and LSN: the events that the reader was given."""
        self.position: dict[str, int] = {}

    async def load(self, jupyter: Jupyter) -> None:
        """Keep the server busy until it is dead."""
        events_left = self.chance.randint(1, MOST_EVENTS)
        async with client(jupyter) as http:
            await self.begin_session(http)
            reading = asyncio.create_task(self.follow(http, events_left))
            sending = [
                asyncio.create_task(self.keep_busy(http, session)) for session in self.sessions for _ in range(2)
            ]
            await reading
            await asyncio.to_thread(jupyter.kill)
            for ended in await asyncio.gather(*sending, return_exceptions=True):
                assert isinstance(ended, httpx2.TransportError), ended

    async def begin_session(self, http: httpx2.AsyncClient) -> None:
        session = (await http.post("sessions", json={"agent": "paced"})).raise_for_status().json()["id"]
        self.sessions = [*self.sessions, session][-SESSIONS:]
        self.read[session], self.position[session] = {}, 0

    async def keep_busy(self, http: httpx2.AsyncClient, session: str) -> None:
        """Send, stop, retry, resume and remove, one after the other, until nobody answers any more."""
        path = f"sessions/{session}"
        while True:
            match self.chance.randrange(8):
                case 0:
                    await http.post(f"{path}/stop", json={})
                case 1:
                    await http.post(f"{path}/queue/resume")
                case 2 | 3:
                    shown = (await http.get(path)).json()
                    if shown["queue"]:
                        await http.delete(f"{path}/queue/{self.chance.choice(shown['queue'])['id']}")
                    elif shown["messages"]:
                        message = self.chance.choice(shown["messages"])["id"]
                        await self.ask(http, session, "retry", {"message_id": message})
                case _:
                    text = f"{self.chance.randint(1, 30)} words at {self.chance.choice([200, 1000])} per second"
                    await self.ask(http, session, "messages", {"text": text})

    async def ask(self, http: httpx2.AsyncClient, session: str, what: str, body: JSON) -> None:
        body = {"client_id": f"c_{self.chance.getrandbits(64):x}", **body}
        known = session, body["client_id"]
        self.sent[known] = {"to": what, **body}, None
        answer = await http.post(f"sessions/{session}/{what}", json=body)
        if answer.status_code == 202:
            self.sent[known] = self.sent[known][0], answer.json()
        else:
            assert answer.status_code in self.refusals, answer.text
            del self.sent[known]

    async def follow(self, http: httpx2.AsyncClient, events: int) -> None:
        """Read all sessions from where reading ended before, until so many events have come."""
        after = [f"{session}:{self.position[session]}" for session in self.sessions]
        async with http.stream("GET", "events", params={"after": after}) as stream:
            name = ""
            async for line in stream.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif not line:
                    name = ""
                elif line.startswith("data: "):
                    self.take(name, json.loads(line.removeprefix("data: ")))
                    events -= not name
                    if events <= 0:
                        return

    def take(self, name: str, data: JSON) -> None:
        if name == "snapshot":
            assert data["lsn"] > self.position[data["id"]]
            self.position[data["id"]] = data["lsn"]
        elif not name:
            # `session-created` has a field of that name too.
            session = data.pop("session")
            assert data["lsn"] == self.position[session] + 1, "gap-free, over every crash"
            self.read[session][data["lsn"]] = data
            self.position[session] = data["lsn"]

    # After the crash

    async def check(self, jupyter: Jupyter) -> None:
        async with client(jupyter) as http:
            for session in self.sessions:
                await http.post(f"sessions/{session}/stop", json={})
                await self.check_log(http, session)
            for (session, client_id), (body, reply) in self.sent.items():
                if session in self.sessions:
                    await self.check_sent(http, session, client_id, body, reply)
        self.sent = {known: sent for known, sent in self.sent.items() if known[0] in self.sessions}

    async def check_log(self, http: httpx2.AsyncClient, session: str) -> None:
        """What is there is dense, has everything that was read, folds to what is shown, and every turn has one end."""
        accept = {"Accept": "application/json"}
        page = (await http.get(f"sessions/{session}/events", params={"after": 0}, headers=accept)).json()
        while page["more"]:
            # What was added since the page was read is on the next one, also where the page is a snapshot alone.
            after = (page["events"] or [page["snapshot"]])[-1]["lsn"]
            more = (await http.get(f"sessions/{session}/events", params={"after": after}, headers=accept)).json()
            if more["snapshot"]:
                page = more  # what was read is compacted by now
            else:
                page |= {"events": page["events"] + more["events"], "more": more["more"], "lsn": more["lsn"]}
        shown = (await http.get(f"sessions/{session}")).json()
        base = page["snapshot"]
        first = base["lsn"] + 1 if base else 1
        lsns = [event["lsn"] for event in page["events"]]
        assert lsns == list(range(first, first + len(lsns)))
        stored = {event["lsn"]: event for event in page["events"]}
        for lsn, event in self.read[session].items():
            if lsn >= first:
                kept = dict(stored[lsn])
                kept.pop("session", None)
                assert kept == event
        transcript = Transcript.from_json(base) if base else Transcript()
        for event in page["events"]:
            transcript.apply(e.decode(json.dumps(event)))
        if transcript.lsn == shown["lsn"]:
            assert json.loads(e.to_json(transcript.to_json())) == shown
        ends = Counter(event["turn"] for event in page["events"] if event["type"] == "turn-stopped")
        assert set(ends.values()) <= {1}
        over: set[str] = set()
        for event in page["events"]:
            assert event["turn"] not in over, "nothing follows an outcome"
            if event["type"] == "turn-stopped":
                over.add(event["turn"])

    async def check_sent(
        self, http: httpx2.AsyncClient, session: str, client_id: str, body: JSON, reply: JSON | None
    ) -> None:
        """Asked again, it is what it was; what nobody answered is asked for now, and is one thing either way."""
        again = {name: value for name, value in body.items() if name != "to"}
        answer = await http.post(f"sessions/{session}/{body['to']}", json=again)
        if reply is None and answer.status_code in self.refusals:
            return  # it was not stored, and cannot be done now
        assert answer.status_code == 202, answer.text
        assert reply in (None, answer.json()), (reply, answer.json())
        self.sent[session, client_id] = body, answer.json()
        shown = (await http.get(f"sessions/{session}")).json()
        everything = shown["messages"] + shown["others"] + shown["queue"] + shown["removed"]
        mine = [m for m in everything if client_id in client_ids(m)]
        assert len(mine) == 1, (client_id, mine)


def client_ids(message: JSON) -> list[str]:
    metadata = message["metadata"]
    return [request.get("client_id") for request in [metadata, *metadata.get("continued", [])]]


def client(jupyter: Jupyter) -> httpx2.AsyncClient:
    headers = {"Authorization": f"token {jupyter.token}"}
    return httpx2.AsyncClient(base_url=f"{jupyter.url}durable-chat/api/", headers=headers, timeout=30, trust_env=False)


@pytest.mark.timeout(60 + 10 * CYCLES)
def test_killed_at_any_moment_and_nothing_is_lost_or_doubled(jupyter: Jupyter) -> None:
    chance = random.Random(SEED)
    world = World(chance)
    for cycle in range(CYCLES):
        try:
            asyncio.run(world.load(jupyter))
            jupyter.start()
            asyncio.run(world.check(jupyter))
        except BaseException as error:
            error.add_note(f"cycle {cycle} of SEED={SEED}")
            raise
    with suppress(OSError):
        assert "Traceback" not in jupyter.output
