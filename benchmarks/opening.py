"""What opening a long session costs: 200 turns, 100,000 events.

A server that has never loaded it reads its snapshot, folds what came after it, and has the bytes that
`GET api/sessions/{id}` answers. Beside that, in the same run: folding all events from the first. Fails when the median
of an opening is over 50 ms.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.agents.demo import DemoAgent
from jupyter_durable_chat.log import Log
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.transcript import Transcript

TURNS = 200
DELTAS = 494
WORDS = "a few words of an answer, "
OPENINGS = 20
LIMIT = 50.0
AT = e.timestamp(1_790_000_000)


async def write(log: Log) -> None:
    await log.create("s_long", [e.encode(e.SessionCreated(session="s_long"), at=AT)])
    for n in range(TURNS):
        turn = f"t_{n}"
        said = e.UserMessage(message_id=f"q_{n}", client_id=f"c_{n}", text=f"Question {n}?")
        answer: list[e.Event] = [
            e.TurnStarted(user_message_id=f"q_{n}", message_id=f"a_{n}", agent="demo"),
            e.TextStart(id="x"),
            *(e.TextDelta(id="x", delta=WORDS) for _ in range(DELTAS)),
            e.TextEnd(id="x"),
            e.Finish(finish_reason="stop"),
            e.TurnStopped(outcome="completed"),
        ]
        await log.append("s_long", [e.encode(said, at=AT), *(e.encode(event, at=AT, turn=turn) for event in answer)])


async def opened(path: Path) -> tuple[float, int]:
    """Milliseconds from the command to the answer's bytes, in a registry that knows nothing; and how many bytes."""
    async with Registry(lambda: SqliteLog(path), Agents([DemoAgent()])) as registry:
        start = time.perf_counter()
        async with registry.acquire("s_long") as session:
            body = e.to_json(session.transcript.to_json())
        return (time.perf_counter() - start) * 1000, len(body)


async def folded(path: Path) -> float:
    async with SqliteLog(path) as log:
        start = time.perf_counter()
        transcript = Transcript()
        while records := await log.read("s_long", transcript.lsn):
            for record in records:
                transcript.apply(e.decode(e.number(*record)))
        assert transcript.lsn > 99_000
        return (time.perf_counter() - start) * 1000


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.sqlite3"
        async with SqliteLog(path) as log:
            await write(log)
            lsn = (await log.head("s_long")).lsn
        async with (
            Registry(lambda: SqliteLog(path), Agents([DemoAgent()])) as registry,
            registry.acquire("s_long") as session,
        ):
            await session.keep()
        took = []
        size = 0
        for _ in range(OPENINGS):
            milliseconds, size = await opened(path)
            took.append(milliseconds)
        whole = statistics.median([await folded(path) for _ in range(3)])
    median = statistics.median(took)
    print(f"{TURNS} turns, {lsn:,} events, {size / 1e6:.1f} MB of transcript")
    print(f"opened: median {median:.1f} ms, max {max(took):.1f} ms")
    print(f"folding every event: {whole:.0f} ms, {whole / median:.0f} times as long")
    if median > LIMIT:
        raise SystemExit(f"slower than {LIMIT:.0f} ms")


if __name__ == "__main__":
    asyncio.run(main())
