"""A hundred answers at 50 tokens a second in one server, followed live, while Jupyter's own API is asked all the time.

Prints how long `/api/status` took, and fails when its 99th percentile is over the limit or when a word is missing: in
what the live reader was sent, or in the log.
"""

import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from tests.browser.jupyter import Jupyter, running

TURNS = 100
QUESTION = "500 words at 50 per second"
ANSWER = [f"w{n}" for n in range(1, 501)]
LIMIT = 50


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running("lab", Path(folder)) as jupyter:
        sessions = asyncio.run(create(jupyter))
        with multiprocessing.get_context("spawn").Pool(1) as reader:
            followed = reader.apply_async(follow, [jupyter.url, jupyter.token, sessions])
            idle = asyncio.run(probe(jupyter, 200))
            took, seconds = asyncio.run(measure(jupyter, sessions))
            live = followed.get(60)
        stored = {session: answer_of(jupyter.events(session)) for session in sessions}
    lost = sum(answer != ANSWER for answer in [*live.values(), *stored.values()])
    print(
        f"{TURNS} turns at 50 tokens/s, followed live: {TURNS * len(ANSWER) / seconds:.0f} tokens/s for {seconds:.1f} s"
    )
    print(f"/api/status without turns: {figures(idle)}")
    print(f"/api/status with {TURNS} turns: {figures(took)}; limit of p99 {LIMIT} ms")
    print(f"answers with a word missing, doubled or out of place: {lost} of {2 * TURNS}")
    if lost or p99(took) > LIMIT:
        raise SystemExit("not good enough")


def client(url: str, token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, headers={"Authorization": f"token {token}"}, timeout=60)


async def create(jupyter: Jupyter) -> list[str]:
    async with client(jupyter.url, jupyter.token) as http:
        answers = [await http.post("durable-chat/api/sessions", json={"agent": "paced"}) for _ in range(TURNS)]
        return [answer.raise_for_status().json()["id"] for answer in answers]


async def measure(jupyter: Jupyter, sessions: list[str]) -> tuple[list[float], float]:
    """How long each `/api/status` took, in ms, while all turns ran, and how long that was, in seconds."""
    async with client(jupyter.url, jupyter.token) as http:
        start = time.monotonic()
        for session in sessions:
            message = {"client_id": f"c-{session}", "text": QUESTION}
            (await http.post(f"durable-chat/api/sessions/{session}/messages", json=message)).raise_for_status()
    took: list[float] = []
    while jupyter.api("durable-chat/api/health")["turns"]:
        took += await probe(jupyter, 50)
    return took, time.monotonic() - start


async def probe(jupyter: Jupyter, times: int) -> list[float]:
    """Ask `/api/status` one time after the other, as a page does; milliseconds."""
    took = []
    async with client(jupyter.url, jupyter.token) as http:
        await http.get("api/status")
        for _ in range(times):
            await asyncio.sleep(0.01)
            start = time.perf_counter()
            (await http.get("api/status")).raise_for_status()
            took.append((time.perf_counter() - start) * 1000)
    return took


def follow(url: str, token: str, sessions: list[str]) -> dict[str, list[str]]:
    """Read all sessions live on one shared stream, as a browser does, until every turn has ended; their answers."""
    events: dict[str, list[dict[str, Any]]] = {session: [] for session in sessions}
    running = set(sessions)
    after = {"after": [f"{session}:0" for session in sessions]}
    with (
        httpx2.Client(base_url=url, headers={"Authorization": f"token {token}"}, timeout=60) as http,
        http.stream("GET", "durable-chat/api/events", params=after) as stream,
    ):
        named = None
        for line in stream.iter_lines():
            if line.startswith("event:"):
                named = line
            elif not line:
                named = None
            elif line.startswith("data:") and not named:
                event = json.loads(line[5:])
                events[event["session"]].append(event)
                if event["type"] == "turn-stopped":
                    running.discard(event["session"])
                    if not running:
                        break
    return {session: answer_of(found) for session, found in events.items()}


def answer_of(events: list[dict[str, Any]]) -> list[str]:
    """The words of an answer, from events that must have no gap."""
    assert [event["lsn"] for event in events] == list(range(1, len(events) + 1))
    pieces: list[str] = [event["delta"] for event in events if event["type"] == "text-delta"]
    return "".join(pieces).split()


def figures(values: list[float]) -> str:
    return f"median {statistics.median(values):.1f} ms, p99 {p99(values):.1f} ms, max {max(values):.1f} ms"


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


if __name__ == "__main__":
    main()
