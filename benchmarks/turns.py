"""Two hundred answers at 50 tokens a second in one server, followed live, while Jupyter's own API is asked.

    python benchmarks/turns.py [SECONDS]

Two rounds of so many seconds (60). Prints how long `/api/status` took and what the server has in memory after each,
and fails when the 99th percentile is over the limit, when memory has grown by more than a few times the text of the
second round, or when a word is missing: in what the live reader was sent, or in the log.
"""

import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2

from tests.browser.jupyter import Jupyter, running

TURNS = 200
RATE = 50
LIMIT = 100
FOLLOWED = 64
"""Sessions that one shared stream follows."""

GROWTH = 4
"""Bytes of memory for each byte of text: as it is shown, as it is stored, and what lies between."""


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    words = [f"w{n}" for n in range(1, RATE * seconds + 1)]
    with (
        tempfile.TemporaryDirectory() as folder,
        running("server", Path(folder), max_messages_per_minute=0) as jupyter,
    ):
        sessions = asyncio.run(create(jupyter))
        idle = asyncio.run(probe(jupyter, 200))
        print(f"/api/status without turns: {figures(idle)}")
        rounds = [one_round(jupyter, sessions, f"round {n}: {len(words)} words at {RATE} per second") for n in (1, 2)]
        stored = [words_of(jupyter.events(session)) for session in sessions]
    for n, (took, elapsed, memory, _) in enumerate(rounds, 1):
        print(f"round {n}: {TURNS} turns at {TURNS * len(words) / elapsed:,.0f} tokens/s together for {elapsed:.0f} s")
        print(f"  /api/status {figures(took)}; limit of p99 {LIMIT} ms; memory {memory / 1e6:.1f} MB")
    lost = sum(answer != words for _, _, _, live in rounds for answer in live) + sum(s != words * 2 for s in stored)
    print(f"answers with a word missing, doubled or out of place: {lost} of {3 * TURNS}")
    grown = rounds[1][2] - rounds[0][2]
    allowed = GROWTH * TURNS * len(" ".join(words))
    print(f"memory grew by {grown / 1e6:.1f} MB in the second round; its text allows {allowed / 1e6:.1f} MB")
    if lost or any(p99(took) > LIMIT for took, *_ in rounds) or grown > allowed:
        raise SystemExit("not good enough")


def one_round(jupyter: Jupyter, sessions: list[str], question: str) -> tuple[list[float], float, int, list[list[str]]]:
    """Milliseconds of each `/api/status`, seconds in all, bytes in memory afterwards, and the answers as they came."""
    after = [f"{session}:{jupyter.transcript(session)['lsn']}" for session in sessions]
    with multiprocessing.get_context("spawn").Pool(1) as reader:
        followed = reader.apply_async(follow, [jupyter.url, jupyter.token, after])
        took, elapsed = asyncio.run(measure(jupyter, sessions, question))
        live = followed.get(60)
    return took, elapsed, jupyter.memory, live


def client(url: str, token: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=url, headers={"Authorization": f"token {token}"}, timeout=60)


async def create(jupyter: Jupyter) -> list[str]:
    async with client(jupyter.url, jupyter.token) as http:
        answers = [await http.post("durable-chat/api/sessions", json={"agent": "paced"}) for _ in range(TURNS)]
        return [answer.raise_for_status().json()["id"] for answer in answers]


async def measure(jupyter: Jupyter, sessions: list[str], question: str) -> tuple[list[float], float]:
    """How long each `/api/status` took, in ms, while all turns ran, and how long that was, in seconds."""
    async with client(jupyter.url, jupyter.token) as http:
        start = time.monotonic()
        for session in sessions:
            message = {"client_id": question, "text": question}
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


def follow(url: str, token: str, after: list[str]) -> list[list[str]]:
    """Read all sessions live on shared streams, as browsers do, until every turn has ended; their answers."""

    async def everything() -> list[list[str]]:
        streams = [after[n : n + FOLLOWED] for n in range(0, len(after), FOLLOWED)]
        async with client(url, token) as http:
            return [
                answer for found in await asyncio.gather(*(one(http, part) for part in streams)) for answer in found
            ]

    return asyncio.run(everything())


async def one(http: httpx2.AsyncClient, after: list[str]) -> list[list[str]]:
    events: dict[str, list[dict[str, Any]]] = {position.partition(":")[0]: [] for position in after}
    running = set(events)
    async with http.stream("GET", "durable-chat/api/events", params={"after": after}) as stream:
        named = None
        async for line in stream.aiter_lines():
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
    return [words_of(found) for found in events.values()]


def words_of(events: list[dict[str, Any]]) -> list[str]:
    """The words of answers, from events that must have no gap."""
    first = events[0]["lsn"]
    assert [event["lsn"] for event in events] == list(range(first, first + len(events)))
    # The last word of an answer has no space after it, and the next answer begins with a part of its own.
    pieces: list[str] = [event.get("delta", " ") for event in events if event["type"] in ("text-delta", "text-end")]
    return "".join(pieces).split()


def figures(values: list[float]) -> str:
    return f"median {statistics.median(values):.1f} ms, p99 {p99(values):.1f} ms, max {max(values):.1f} ms"


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


if __name__ == "__main__":
    main()
