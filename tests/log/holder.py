"""A process that writes under a lease until somebody else has it: `python -m tests.log.holder DSN SCHEMA STREAM`.

Says `epoch N`, then a line for each record that is acknowledged, and at last `fenced`.
"""

import asyncio
import sys

from jupyter_durable_chat.log import Fenced
from jupyter_durable_chat.log.postgres import PostgresLog


async def main(dsn: str, schema: str, stream: str) -> None:
    async with PostgresLog(dsn, schema=schema) as log:
        epoch = await log.lease(stream, "holder", 10)
        print(f"epoch {epoch}", flush=True)
        try:
            while True:
                # Several at once: when it is paused, some of them are on their way.
                for lsn in await asyncio.gather(*(log.append(stream, [b"holder"], epoch=epoch) for _ in range(5))):
                    print(lsn, flush=True)
        except Fenced:
            print("fenced", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
