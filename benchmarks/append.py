"""What an acknowledged append costs, and how soon others have it: in SQLite, and in a PostgreSQL of this machine.

    python benchmarks/append.py [FOLDER]

One event of 150 bytes is appended and acknowledged durable (`synchronous=FULL`, `fsync=on`), in turn with a plain write
and fdatasync of as many bytes to a file in the same folder. Then 200 streams append at once: first each 40 events a
second, which is how often a live answer is stored, then each as soon as its last event is acknowledged. At last two
servers, a process each, append 1,000 events a second each, and each follows all streams of the other one.

Fails when SQLite adds more than a millisecond to the disk's median, and when what one server has appended to PostgreSQL
reaches the other's readers later than after 15 ms at the median, or after 80 ms at the 99th percentile.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE

from benchmarks.measure.pair import EVENT_BYTES
from jupyter_durable_chat.log import Log
from jupyter_durable_chat.log.postgres import PostgresLog
from jupyter_durable_chat.log.sqlite import SqliteLog
from tests.postgres import Postgres

EVENT = b"x" * EVENT_BYTES
SINGLES = 3000
STREAMS = 200
RATE = 40
SECONDS = 4
LIMIT = 1.0

PAIR_STREAMS = 25
"""Of each of two servers: a thousand events a second."""

PAIR_SECONDS = 10
REACHED_LIMITS = 15.0, 80.0


async def singles(log: Log, raw: int) -> tuple[list[float], list[float]]:
    """Seconds that each fdatasync and each append took, in turn."""
    synced, appended = [], []
    for _ in range(SINGLES):
        start = time.perf_counter()
        os.write(raw, EVENT)
        os.fdatasync(raw)
        middle = time.perf_counter()
        await log.append("single", [EVENT])
        synced.append(middle - start)
        appended.append(time.perf_counter() - middle)
    return synced, appended


async def together(log: Log, prefix: str, interval: float) -> tuple[list[float], float]:
    """Seconds that each append took while all streams appended, one event each `interval`; and events per second."""
    took: list[float] = []
    for i in range(STREAMS):
        await log.create(f"{prefix}{i}", [])
    begin = time.perf_counter()

    async def write(i: int) -> None:
        due = begin + interval * i / STREAMS
        while (now := time.perf_counter()) < begin + SECONDS:
            if due > now:
                await asyncio.sleep(due - now)
            start = time.perf_counter()
            await log.append(f"{prefix}{i}", [EVENT])
            took.append(time.perf_counter() - start)
            due += interval

    await asyncio.gather(*(write(i) for i in range(STREAMS)))
    return took, len(took) / (time.perf_counter() - begin)


async def reached(store: str) -> list[float]:
    """Seconds until what each of two servers has appended was in the hands of the other one's readers."""
    module = [sys.executable, "-m", "benchmarks.measure.pair", store]
    numbers = [str(PAIR_STREAMS), str(RATE), str(PAIR_SECONDS)]
    servers = [
        await asyncio.create_subprocess_exec(*module, *pair, *numbers, stdin=PIPE, stdout=PIPE, limit=1 << 24)
        for pair in ("ab", "ba")
    ]
    for server in servers:
        assert server.stdout and await server.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(server.communicate(b"go\n") for server in servers))
    assert not any(server.returncode for server in servers)
    return [seconds for output, _ in outputs for seconds in json.loads(output)]


def row(name: str, took: list[float], per_second: float, raw: float) -> None:
    median, p95 = statistics.median(took) * 1000, statistics.quantiles(took, n=20)[-1] * 1000
    p99 = statistics.quantiles(took, n=100)[-1] * 1000
    print(
        f"{name:<42} {median:9.3f} {p95:9.3f} {p99:9.3f} {median / raw:8.1f} {per_second:11,.0f} "
        f"{per_second * raw / 1000:8.1f}"
    )


async def measure(name: str, log: Log, store: str, raw: int) -> tuple[float, float, list[float]]:
    """Milliseconds of a write and an append at the median, and what `reached` gives."""
    async with log:
        await log.create("single", [])
        await singles(log, raw)  # warm up
        synced, appended = await singles(log, raw)
        paced = await together(log, "paced", 1 / RATE)
        eager = await together(log, "eager", 0)
    remote = await reached(store)
    price, cost = statistics.median(synced) * 1000, statistics.median(appended) * 1000
    print(f"{name:<42} {'median ms':>9} {'p95 ms':>9} {'p99 ms':>9} {'of disk':>8} {'events/s':>11} {'of disk':>8}")
    row(f"write + fdatasync of {len(EVENT)} bytes", synced, SINGLES / sum(synced), price)
    row("append, acknowledged durable", appended, SINGLES / sum(appended), price)
    row(f"append, {STREAMS} streams, {RATE} events/s each", *paced, price)
    row(f"append, {STREAMS} streams, as fast as they can", *eager, price)
    row("append to a reader of the other server", remote, 2 * PAIR_STREAMS * RATE, price)
    print()
    return price, cost, remote


async def main(folder: Path) -> None:
    raw = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    path = str(folder / "log.sqlite3")
    price, cost, _ = await measure("SQLite", SqliteLog(path), path, raw)
    with Postgres() as server:
        *_, remote = await measure("PostgreSQL", PostgresLog(server.dsn()), server.dsn(), raw)
    os.close(raw)
    missed = []
    if cost - price > LIMIT:
        missed.append(f"SQLite adds {cost - price:.2f} ms to the disk's {price:.2f} ms")
    quantiles = statistics.quantiles(remote, n=100)
    for percent, limit in zip((50, 99), REACHED_LIMITS, strict=True):
        if (took := quantiles[percent - 1] * 1000) > limit:
            missed.append(f"{percent} % are with the other server's readers after {took:.1f} ms, not {limit:.0f} ms")
    if missed:
        raise SystemExit(f"not good enough: {'; '.join(missed)}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else ".") as folder:
        asyncio.run(main(Path(folder)))
