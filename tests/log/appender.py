"""A process that appends to a log and says so: `python -m tests.log.appender PATH MOUNTS COUNT STREAM...`.

Appends COUNT records to each of the streams, to all of them at once, and writes a line `STREAM LSN DATA` for each
record when it is acknowledged, and not before.
"""

import asyncio
import os
import sys
from pathlib import Path

from jupyter_durable_chat.log.sqlite import SqliteLog


async def append(log: SqliteLog, stream: str, count: int) -> None:
    for i in range(count):
        data = b"%d-%s-%d" % (os.getpid(), stream.encode(), i)
        lsn = await log.append(stream, [data])
        os.write(1, b"%s %d %s\n" % (stream.encode(), lsn, data))


async def main(path: str, mounts: str, count: str, *streams: str) -> None:
    async with SqliteLog(path, mounts=Path(mounts)) as log:
        await asyncio.gather(*(append(log, stream, int(count)) for stream in streams))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
