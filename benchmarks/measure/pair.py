"""One of two servers on a store: appends to its own streams, and follows the other's, like a server with their readers.

    python -m benchmarks.measure.pair STORE MINE THEIRS STREAMS RATE SECONDS

Says `ready`, begins at the first line that it is given, and prints as JSON how many seconds passed between the call of
each append of the other's and the moment when its reader here had the record. A record begins with the time of its
append, of a clock that the processes of a machine share.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

from jupyter_durable_chat.log import Log
from jupyter_durable_chat.log.sqlite import SqliteLog

EVENT_BYTES = 150
WARM_UP = 1.0
"""Seconds at the beginning that do not count."""


def open_log(store: str) -> Log:
    if not store.startswith("postgresql:"):
        return SqliteLog(Path(store))
    from jupyter_durable_chat.log.postgres import PostgresLog

    return PostgresLog(store)


async def write(log: Log, stream: str, begin: float, interval: float, events: int) -> None:
    appending: set[asyncio.Task[int]] = set()
    for i in range(events):
        await asyncio.sleep(max(begin + i * interval - time.monotonic(), 0))
        data = f"{time.monotonic():.9f} ".encode().ljust(EVENT_BYTES, b"x")
        # Not waited for: an answer's next piece comes, whether the last one is stored or not.
        task = asyncio.create_task(log.append(stream, [data]))
        appending.add(task)
        task.add_done_callback(appending.discard)
    if appending:
        await asyncio.wait(appending)


async def follow(log: Log, stream: str, events: int, begin: float, took: list[float]) -> None:
    after = 0
    while after < events:
        records = await log.read(stream, after)
        now = time.monotonic()
        for record in records:
            at = float(record.data.split(b" ", 1)[0])
            if at > begin + WARM_UP:
                took.append(now - at)
        if records:
            after = records[-1].lsn
        else:
            await log.wait({stream: after})


async def main(store: str, mine: str, theirs: str, streams: int, rate: float, seconds: float) -> None:
    took: list[float] = []
    events = int(rate * seconds)
    async with open_log(store) as log:
        for i in range(streams):
            await log.create(f"{mine}{i}", [])
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begin = time.monotonic()
        await asyncio.gather(
            *(write(log, f"{mine}{i}", begin + i / rate / streams, 1 / rate, events) for i in range(streams)),
            *(follow(log, f"{theirs}{i}", events, begin, took) for i in range(streams)),
        )
    print(json.dumps(took))


if __name__ == "__main__":
    store, mine, theirs, streams, rate, seconds = sys.argv[1:]
    asyncio.run(main(store, mine, theirs, int(streams), float(rate), float(seconds)))
