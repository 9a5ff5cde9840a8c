"""Stores of any size for measurements: conversations as the registry leaves them, written without running them."""

import asyncio
from collections.abc import AsyncGenerator

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, Request
from jupyter_durable_chat.log import Log, Record
from jupyter_durable_chat.replica import KEPT, summary
from jupyter_durable_chat.transcript import Transcript

AT = e.timestamp(1_790_000_000)
PIECE = "a few words of an answer, "
PIECES = 40
"""Of an answer: about 250 tokens."""

AT_ONCE = 400


class Instant(Agent):
    """Answers at once, with as many pieces as the others here have."""

    name = "instant"
    description = "for measurements"

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        yield e.StartStep()
        yield e.TextStart(id="x")
        for _ in range(PIECES):
            yield e.TextDelta(id="x", delta=PIECE)
        yield e.TextEnd(id="x")
        usage = {"input_tokens": 100, "output_tokens": 250}
        yield e.Finish(finish_reason="stop", message_metadata={"usage": usage})


def turn(n: int, pieces: int = PIECES) -> list[bytes]:
    """A question and its answer."""
    asked = e.UserMessage(message_id=f"q_{n}", client_id=f"c_{n}", text=f"Question {n}?")
    answer: list[e.Event] = [
        e.TurnStarted(user_message_id=f"q_{n}", message_id=f"a_{n}", agent="instant"),
        e.Start(message_id=f"a_{n}"),
        e.TextStart(id="x"),
        *(e.TextDelta(id="x", delta=PIECE) for _ in range(pieces)),
        e.TextEnd(id="x"),
        e.Finish(finish_reason="stop"),
        e.TurnStopped(outcome="completed", usage=e.Usage(100, 250)),
    ]
    return [e.encode(asked, at=AT), *(e.encode(event, at=AT, turn=f"t_{n}") for event in answer)]


async def conversation(log: Log, session: str, turns: int, word: str = "", pieces: int = PIECES) -> None:
    """One of so many turns, kept as the registry keeps it after the last one, to be found by this word."""
    records = [e.encode(e.SessionCreated(session=session, title=f"About {word}"), at=AT)]
    for n in range(turns):
        records += turn(n, pieces)
    transcript = Transcript()
    for lsn, record in enumerate(records, 1):
        transcript.apply(e.decode(e.number(lsn, record)))
    await log.create(session, records, labels={"status": "idle"} | KEPT, summary=summary(transcript))
    await log.append(session, [], words=f"{word} {PIECE * PIECES}")
    await log.save_snapshot(session, Record(transcript.lsn, e.to_json(transcript.to_json())))


async def conversations(log: Log, first: int, end: int) -> None:
    """Those from `s_FIRST` to before `s_END`, of a turn each; what one says is its number as a word."""
    for begin in range(first, end, AT_ONCE):
        some = range(begin, min(begin + AT_ONCE, end))
        await asyncio.gather(*(conversation(log, f"s_{n}", 1, f"word{n}", 4) for n in some))
