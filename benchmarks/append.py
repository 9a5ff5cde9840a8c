"""What an acknowledged append costs beside the disk's own price, and what many streams get together.

    python benchmarks/append.py [FOLDER]

One event of 150 bytes is appended and acknowledged durable (`synchronous=FULL`), in turn with a plain write and
fdatasync of as many bytes to a file in the same folder. Then 200 streams append at once: first each 40 events a second,
which is how often a live answer is stored, then each as soon as its last event is acknowledged. Fails when the store
adds more than a millisecond to the disk's median.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from jupyter_durable_chat.log.sqlite import SqliteLog

EVENT = b"x" * 150
SINGLES = 3000
STREAMS = 200
RATE = 40
SECONDS = 4
LIMIT = 1.0


async def singles(log: SqliteLog, raw: int) -> tuple[list[float], list[float]]:
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


async def together(log: SqliteLog, prefix: str, interval: float) -> tuple[list[float], float]:
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


def row(name: str, took: list[float], per_second: float, raw: float) -> None:
    median, p95 = statistics.median(took) * 1000, statistics.quantiles(took, n=20)[-1] * 1000
    print(f"{name:<42} {median:9.3f} {p95:9.3f} {median / raw:8.1f} {per_second:11,.0f} {per_second * raw / 1000:8.1f}")


async def main(folder: Path) -> None:
    raw = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    async with SqliteLog(folder / "log.sqlite3") as log:
        await log.create("single", [])
        await singles(log, raw)  # warm up
        synced, appended = await singles(log, raw)
        paced = await together(log, "paced", 1 / RATE)
        eager = await together(log, "eager", 0)
    os.close(raw)
    price, cost = statistics.median(synced) * 1000, statistics.median(appended) * 1000
    print(f"{'':<42} {'median ms':>9} {'p95 ms':>9} {'of disk':>8} {'events/s':>11} {'of disk':>8}")
    row(f"write + fdatasync of {len(EVENT)} bytes", synced, SINGLES / sum(synced), price)
    row("append, acknowledged durable", appended, SINGLES / sum(appended), price)
    row(f"append, {STREAMS} streams, {RATE} events/s each", *paced, price)
    row(f"append, {STREAMS} streams, as fast as they can", *eager, price)
    if cost - price > LIMIT:
        raise SystemExit(f"not good enough: the store adds {cost - price:.2f} ms to the disk's {price:.2f} ms")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else ".") as folder:
        asyncio.run(main(Path(folder)))
