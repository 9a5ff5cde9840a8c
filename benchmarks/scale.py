"""How what the house does grows: with the conversations of a store, the length of a log and of a transcript, readers.

    python benchmarks/scale.py [sqlite | postgres | server]

Each kind of work is done at sizes that grow by the same factor. What is told is its price in seconds of a processor, in
instructions of SQLite's machine and in bytes handed to the store, and the exponent with which each grows, by least
squares: 0 is no growth, 1 is linear. The store is a real one, SQLite and then PostgreSQL; readers and turns at once are
those of a real Jupyter server, whose process is looked at. `docs/scale.md` makes a model of it.

Fails when an exponent is over 1.1.
"""

import asyncio
import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from benchmarks.measure.conversations import Instant, conversation, conversations, turn
from benchmarks.measure.counted import Cost, CountedPostgres, CountedSqlite, Counting, seconds_of
from benchmarks.measure.fit import exponent
from benchmarks.measure.machine import machine
from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents.catalog import Agents
from jupyter_durable_chat.commands import Message
from jupyter_durable_chat.notices import SESSIONS
from jupyter_durable_chat.registry import Registry
from jupyter_durable_chat.replica import KEPT
from jupyter_durable_chat.server.stream import Records, Snapshots, read
from jupyter_durable_chat.transcript import Transcript
from tests.browser.jupyter import Jupyter, running
from tests.postgres import Postgres
from tests.waiting import eventually

LIMIT = 1.1
TIMES = 20
"""How often what is quick is done."""

STORED = (100, 400, 1_600, 6_400)
EVENTS = (1_000, 4_000, 16_000, 64_000)
TURNS = (16, 64, 256, 1_024)
WHOLE = (8, 32, 128, 512)
SERVERS = (4, 16, 64)
READERS = (1, 4, 16, 64, 256)

TOKENS, RATE = 200, 100
"""Of an answer that a real server gives, and how many come in a second."""

IDLE_SECONDS = 5.0

Found = dict[str, dict[int, Cost]]
"""By the kind of work and its size."""

Work = Callable[[int], Awaitable[object]]


def registry(log: Counting) -> Registry:
    return Registry(lambda: log, Agents([Instant()], default="instant"))


async def costs(log: Counting, work: Work, times: int = TIMES) -> Cost:
    """Of doing this once; the first time does not count."""
    await work(0)
    before = log.cost
    for n in range(1, times + 1):
        await work(n)
    return (log.cost - before) / times


async def answered(house: Registry, session: str, client_id: str) -> None:
    """A turn, to its very end."""
    async with house.acquire(session) as loaded:
        sent = await loaded.send(Message(client_id=client_id, text="Why?"), None)
        assert await loaded.turn_ended(sent.turn_id, 60)
    await eventually(lambda: not house.turns)


async def folded(log: Counting, session: str) -> int:
    """Everything read and folded, from the first event; how many there were."""
    transcript = Transcript()
    while records := await log.read(session, transcript.lsn):
        for record in records:
            transcript.apply(e.decode(e.number(*record)))
    return transcript.lsn


async def by_stored(log: Counting, sizes: tuple[int, ...] = STORED, times: int = TIMES) -> Found:
    """With how many conversations a person has."""
    found: Found = {}
    async with registry(log) as house:
        there = 0

        def listed(**how: Any) -> Work:
            wanted: dict[str, Any] = dict.fromkeys(("notebook", "status", "search", "before")) | how
            return lambda _: house.sessions(**wanted, limit=50)

        async def opened(n: int) -> None:
            async with house.acquire(f"s_{n}") as session:
                e.to_json(session.transcript.to_json())

        for size in sizes:
            before = log.cost
            await conversations(log, there, size)
            there, stored = size, log.cost - before
            of_size: dict[str, Work] = {
                "a page of the list": listed(),
                "a page from its middle": listed(before=f"s_{size // 2}"),
                "those of a status": listed(status="failed"),
                "those of a notebook": listed(notebook="/a.ipynb"),
                "search, one has the word": listed(search=f"word{size // 2}"),
                "search, all have it": listed(search="answer"),
                "opening one": opened,
                "a turn": lambda n, size=size: answered(house, f"s_{n}", f"at {size}"),
                "a look for news of the list": lambda _: house.heads(200),
                "a round of leases": lambda _: _round(log),
                "a look for waiting messages": lambda _: log.streams(labels=SESSIONS | {"queue": "waiting"}),
                "a look for what is old": lambda _: log.streams(labels=SESSIONS | KEPT, updated_before=1.0),
            }
            found.setdefault("storing them all", {})[size] = stored
            for name, work in of_size.items():
                found.setdefault(name, {})[size] = await costs(log, work, times)
    # Those of the smaller sizes were there already.
    return found | {"storing them all": _summed(found["storing them all"])}


async def _round(log: Counting) -> None:
    await log.renew("somebody", 10)
    await log.leases()


def _summed(costs: dict[int, Cost]) -> dict[int, Cost]:
    so_far, summed = Cost(), {}
    for size, cost in costs.items():
        so_far = so_far - (Cost() - cost)
        summed[size] = so_far
    return summed


async def by_events(log: Counting, sizes: tuple[int, ...] = EVENTS, times: int = TIMES) -> Found:
    """With how long a log is: one conversation whose answers are many events."""
    found: Found = {}
    async with registry(log) as house:
        for size in sizes:
            session = f"log_{size}"
            pieces = 500
            turns = [turn(n, pieces) for n in range(size // pieces)]
            before = log.cost
            await log.create(session, [e.encode(e.SessionCreated(session=session), at="")], labels=KEPT)
            for records in turns:
                for at in range(0, len(records), 10):
                    await log.append(session, records[at : at + 10])
            found.setdefault("storing it", {})[size] = log.cost - before
            before = log.cost
            end = await folded(log, session)
            found.setdefault("folding all of it", {})[size] = log.cost - before
            async with house.acquire(session) as loaded:
                await loaded.keep()
            resumed = await costs(log, lambda _, at=(session, end): log.read(at[0], at[1] - 5), times)
            found.setdefault("what came last", {})[size] = resumed
            middle = await costs(log, lambda _, at=(session, end): log.read(at[0], at[1] // 2, limit=100), times)
            found.setdefault("a hundred of its middle", {})[size] = middle
            one = [e.encode(e.SessionUpdated(title="a"), at="")]
            found.setdefault("one event more", {})[size] = await costs(
                log, lambda _, at=session, one=one: log.append(at, one), times
            )
            before = log.cost
            await log.compact(session)
            found.setdefault("compacting it", {})[size] = log.cost - before
    return found


async def by_turns(
    log: Counting, sizes: tuple[int, ...] = TURNS, wholes: tuple[int, ...] = WHOLE, times: int = TIMES
) -> Found:
    """With how much was said: turns of a conversation."""
    found: Found = {}
    async with registry(log) as house:
        for size in sizes:
            session = f"said_{size}"
            await conversation(log, session, size)
            before = log.cost
            async with house.acquire(session) as loaded:
                body = e.to_json(loaded.transcript.to_json())
            found.setdefault("opening it", {})[size] = log.cost - before
            found["opening it"][size].bytes = len(body)
            one = await costs(log, lambda n, session=session: answered(house, session, f"c {n}"), times)
            found.setdefault("one turn more", {})[size] = one
        for size in wholes:
            session = f"whole_{size}"
            await house.create(e.SessionCreated(session=session), None)
            before = log.cost
            for n in range(size):
                await answered(house, session, f"c {n}")
            found.setdefault("all of its turns", {})[size] = log.cost - before
    return found


async def by_readers(log: Counting, sizes: tuple[int, ...] = READERS) -> Found:
    """With how many follow one answer, in this process, without their connections."""
    found: Found = {}
    async with log:
        for size in sizes:
            session = f"read_{size}"
            await log.create(session, [])
            events = turn(0)
            reading = [asyncio.create_task(_follow(log, session, len(events))) for _ in range(size)]
            await asyncio.sleep(0)
            before = log.cost
            for event in events:
                await log.append(session, [event])
            given = sum(await asyncio.gather(*reading))
            cost = log.cost - before
            cost.bytes = given
            found.setdefault("an answer to all", {})[size] = cost
    return found


async def _follow(log: Counting, session: str, end: int) -> int:
    """Bytes of the events that this reader was given."""
    positions, given = {session: 0}, 0
    async for items in read(log, positions, 60.0, Snapshots()):
        given += sum(len(record.data) for item in items if isinstance(item, Records) for record in item.records)
        if positions[session] == end:
            break
    return given


async def by_servers(make: Callable[[str], Counting], sizes: tuple[int, ...] = SERVERS) -> Found:
    """With how many servers of other people there are on one database."""
    found: Found = {}
    async with contextlib.AsyncExitStack() as servers:
        log = await servers.enter_async_context(make("me"))
        await log.create("mine", [])
        events = turn(0)
        for n in range(1, sizes[-1]):
            await servers.enter_async_context(make(f"somebody {n}"))
            if n + 1 in sizes:
                found.setdefault("an event", {})[n + 1] = await costs(
                    log, lambda k: log.append("mine", [events[k % len(events)]]), 200
                )
    return found


# A real server


class Reader:
    """All events of a session, as they come over a connection of their own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.bytes = 0

    @classmethod
    async def open(cls, jupyter: Jupyter, session: str) -> "Reader":
        """One that has what there is."""
        reader, writer = await asyncio.open_connection("127.0.0.1", jupyter.port)
        path = f"/durable-chat/api/sessions/{session}/events?after=0"
        about = f"Host: 127.0.0.1:{jupyter.port}\r\nAuthorization: token {jupyter.token}\r\nAccept: text/event-stream"
        writer.write(f"GET {path} HTTP/1.1\r\n{about}\r\n\r\n".encode())
        await reader.readuntil(b"caught-up")
        return cls(reader, writer)

    async def to_the_end(self) -> None:
        """Read until the turn that runs has ended."""
        seen = b""
        while b'"turn-stopped"' not in seen:
            more = await self._reader.read(1 << 16)
            assert more, "the stream has ended"
            self.bytes += len(more)
            seen = seen[-100:] + more

    def close(self) -> None:
        self._writer.close()


def over_http(sizes: tuple[int, ...] = READERS) -> Found:
    """With how many follow one answer, and with how many answers there are at once, over HTTP."""
    found: Found = {}
    settings = {"agents": ["benchmarks.measure.agent:prose"], "max_messages_per_minute": 0}
    with tempfile.TemporaryDirectory() as folder, running("server", Path(folder), **settings) as jupyter:
        _ask(jupyter, _session(jupyter))  # warm up
        while jupyter.api("durable-chat/api/health")["turns"]:
            time.sleep(0.1)
        for size in sizes:
            one = _session(jupyter)
            found.setdefault("an answer to all", {})[size] = _measured(jupyter, [one] * size, [one])
            many = [_session(jupyter) for _ in range(size)]
            found.setdefault("answers at once, each followed", {})[size] = _measured(jupyter, many, many)
        memory = {}
        for size in sizes:
            memory[size] = asyncio.run(_resting(jupyter, _session(jupyter), size))
        found["readers of nothing, a second"] = memory
    return found


def _session(jupyter: Jupyter) -> str:
    return jupyter.post("durable-chat/api/sessions", agent="prose")["id"]


def _ask(jupyter: Jupyter, session: str) -> None:
    text = f"{TOKENS} tokens at {RATE} per second"
    jupyter.post(f"durable-chat/api/sessions/{session}/messages", client_id="c", text=text)


def _measured(jupyter: Jupyter, read: list[str], asked: list[str]) -> Cost:
    """What these readers and these answers cost the server, and the bytes that came."""

    async def run() -> tuple[float, int]:
        readers = [await Reader.open(jupyter, session) for session in read]
        before = jupyter.cpu
        for session in asked:
            await asyncio.to_thread(_ask, jupyter, session)
        await asyncio.gather(*(reader.to_the_end() for reader in readers))
        spent = jupyter.cpu - before
        for reader in readers:
            reader.close()
        return spent, sum(reader.bytes for reader in readers)

    cpu, given = asyncio.run(run())
    return Cost(cpu=cpu, bytes=given)


async def _resting(jupyter: Jupyter, session: str, size: int) -> Cost:
    """A second of so many readers while nothing happens; `bytes` is what the server has in memory for them."""
    memory = jupyter.memory
    readers = [await Reader.open(jupyter, session) for _ in range(size)]
    before = jupyter.cpu
    await asyncio.sleep(IDLE_SECONDS)
    cost = Cost(cpu=(jupyter.cpu - before) / IDLE_SECONDS, bytes=jupyter.memory - memory)
    for reader in readers:
        reader.close()
    return cost


# What is told of it


def told(title: str, found: Found, unit: str) -> list[str]:
    """Prints it; what grows faster than it may."""
    sizes = [*next(iter(found.values()))]
    print(f"\n{title}: {', '.join(f'{size:,}' for size in sizes)} {unit}")
    missed = []
    for work, costs in found.items():
        for name, shown in KINDS.items():
            values = {size: getattr(cost, name) for size, cost in costs.items()}
            if min(values.values()) <= 0:
                continue
            grows = exponent(values)
            row = " ".join(f"{shown(value):>10}" for value in values.values())
            print(f"  {work:32} {name:6} {row}  exponent {grows:5.2f}")
            if grows > LIMIT:
                missed.append(f"{title}, {work}: {name} grow with {grows:.2f}")
    return missed


def _seconds(value: float) -> str:
    return f"{value * 1e6:.0f} us" if value < 0.001 else f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def _many(value: float) -> str:
    return f"{value:.0f}" if value < 1e4 else f"{value / 1e3:.0f} k" if value < 1e6 else f"{value / 1e6:.1f} M"


KINDS = {"cpu": _seconds, "steps": _many, "bytes": _many, "rows": _many, "reads": _many}


async def stores(make: Callable[[], Counting], name: str) -> list[str]:
    missed = told(f"{name}, by conversations stored", await by_stored(make()), "conversations")
    missed += told(f"{name}, by the length of a log", await by_events(make()), "events")
    found = await by_turns(make())
    whole = {work: found.pop(work) for work in ["all of its turns"]}
    missed += told(f"{name}, by what was said", found, "turns")
    missed += told(f"{name}, a conversation from its beginning", whole, "turns")
    return missed + told(f"{name}, by readers", await by_readers(make()), "readers")


def in_sqlite() -> list[str]:
    names = itertools.count()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        return asyncio.run(stores(lambda: CountedSqlite(Path(folder) / f"{next(names)}.sqlite3"), "SQLite"))


def in_postgres() -> list[str]:
    names = itertools.count()
    with Postgres(max_connections="200") as server:

        def make() -> CountedPostgres:
            server.program("createdb", f"--host={server.folder}", "--username=chat", name := f"scale{next(names)}")
            log = CountedPostgres(server.dsn(name))
            log.elsewhere = lambda: seconds_of(psutil.Process(server.pid))
            return log

        missed = asyncio.run(stores(make, "PostgreSQL"))
        server.program("createdb", f"--host={server.folder}", "--username=chat", "shared")

        def share(owner: str) -> CountedPostgres:
            log = CountedPostgres(server.dsn("shared"), owner=owner)
            log.elsewhere = lambda: seconds_of(psutil.Process(server.pid))
            return log

        return missed + told("PostgreSQL, by servers", asyncio.run(by_servers(share)), "servers of one person each")


def in_a_server() -> list[str]:
    return told("A Jupyter server", over_http(), "readers, or answers at once")


PARTS = {"sqlite": in_sqlite, "postgres": in_postgres, "server": in_a_server}


def main() -> None:
    print(machine())
    missed = [what for part in sys.argv[1:] or PARTS for what in PARTS[part]()]
    if missed:
        raise SystemExit("not good enough:\n" + "\n".join(missed))


if __name__ == "__main__":
    main()
