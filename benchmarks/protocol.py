"""A real Jupyter server with this extension beside the reference server of Durable Streams, and beside jupyter-chat.

    python benchmarks/protocol.py [append | follow | catchup | stall | bytes | resume | status | FILE.svg] …

The reference server (npm, `@durable-streams/server`) keeps streams in memory or in files; it and the Jupyter server are
given the same work by the same client, a process of its own, in turns, several rounds of it. Told is the median of the
rounds with the least and the greatest, and its ratio to the reference's.

- append: one event of 150 bytes after the other, until it is acknowledged; and what Jupyter takes to answer nothing
- follow: a thousand readers of one stream, from an event's sending to each one's having it
- catchup: who has nothing reads 10,000 events, in pages and as an event stream
- stall: twenty readers who take nothing while 20 MB are appended; what the server's memory grows by
- bytes: an answer of 32 kB to a page of ours, and to one of jupyter-chat with RTC
- resume: from a new connection to the first event after number 100,000
- status: Jupyter's own `/api/status` while the server does that

A FILE.svg gets a picture of what was compared. Fails when a limit is missed.
"""

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.measure import empty, load, plot
from benchmarks.measure.answer import answer
from benchmarks.measure.machine import machine
from benchmarks.measure.peers import CHAT, PROTOCOL, environment, fetch_chat, fetch_server
from jupyter_durable_chat import events as e
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.streams import Creation, Streams
from tests.browser.jupyter import ROOT, Jupyter, free_port, running

OURS, MEMORY, FILES = "this server", "reference, memory", "reference, files"
EMPTY = "an empty answer"
"""Of Jupyter's server, to the same request, for which nothing is stored."""

ROUNDS = 3
APPENDS = 300
READERS, FOLLOWED, INTERVAL = 1000, 15, 0.25
"""Readers, events, and seconds between two of them at least."""
EVENTS = 10_000
TIMES = 5
"""How often a round catches up."""
STALLED, MEGABYTES, PIECE = 20, 20, 1 << 16
ANSWER_BYTES = 32_000
RATES = (50, 200, 1000)
"""Tokens a second, of the answers whose bytes are counted."""
RESUMED = 100_000
AT = e.timestamp(1_790_000_000)

missed: list[str] = []
compared: list[plot.Measure] = []


@dataclass(frozen=True)
class Server:
    name: str
    root: str
    headers: dict[str, str]
    pid: int

    def begin(self, work: str, *arguments: Any, root: str | None = None) -> "subprocess.Popen[str]":
        given = [work, root or self.root, json.dumps(self.headers), json.dumps(arguments)]
        command = [sys.executable, "-m", "benchmarks.measure.load", *given]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def do(self, work: str, *arguments: Any, root: str | None = None) -> Any:
        """What the client finds who does this work of `benchmarks.measure.load`."""
        return found(self.begin(work, *arguments, root=root))


def found(client: "subprocess.Popen[str]") -> Any:
    output, _ = client.communicate()
    if client.returncode:
        raise SystemExit(f"the client failed with {client.returncode}")
    return json.loads(output)


def ours(jupyter: Jupyter) -> Server:
    headers = {"Authorization": f"token {jupyter.token}"}
    return Server(OURS, f"{jupyter.url}durable-chat/v1/stream/", headers, jupyter.pid)


@contextlib.contextmanager
def jupyter_server(folder: Path) -> Iterator[Jupyter]:
    settings = {"agents": ["benchmarks.measure.agent:prose"], "max_messages_per_minute": 0, "max_session_bytes": 0}
    extensions = folder / "config" / "jupyter_server_config.d"
    extensions.mkdir(parents=True)
    (extensions / "empty.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": {empty.__name__: True}}}))
    with running("server", folder, **settings) as jupyter:
        yield jupyter


@contextlib.contextmanager
def reference(name: str, *folder: str) -> Iterator[Server]:
    fetch_server()
    port = free_port()
    command = ["node", "serve.mjs", str(port), *folder]
    process = subprocess.Popen(command, cwd=PROTOCOL, env=environment(), stdout=subprocess.DEVNULL)
    try:
        root = f"http://127.0.0.1:{port}/v1/stream/"
        with httpx2.Client(transport=httpx2.HTTPTransport(retries=8)) as client:
            client.get(root + "none")
        yield Server(name, root, {}, family(process)[-1].pid)
    finally:
        # `node` may be a script that starts another process.
        for member in reversed(family(process)):
            member.kill()
        process.wait()


def family(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    first = psutil.Process(process.pid)
    return [first, *first.children(recursive=True)]


@contextlib.contextmanager
def servers() -> Iterator[list[Server]]:
    """All three, whose files are in the same file system."""
    with tempfile.TemporaryDirectory(dir=".") as folder, contextlib.ExitStack() as stack:
        here, there = Path(folder).resolve() / "ours", Path(folder).resolve() / "reference"
        here.mkdir()
        yield [
            ours(stack.enter_context(jupyter_server(here))),
            stack.enter_context(reference(MEMORY)),
            stack.enter_context(reference(FILES, str(there))),
        ]


# What is told


def in_turns(among: Sequence[Server], work: Callable[[Server], float], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """What each found in each round; who is first changes."""
    values: dict[str, list[float]] = {server.name: [] for server in among}
    for n in range(rounds):
        for server in (*among[n % len(among) :], *among[: n % len(among)]):
            values[server.name].append(work(server))
    return values


def tell(title: str, unit: str, values: dict[str, list[float]], digits: int = 2, better: str = "less") -> None:
    compared.append(plot.Measure(title.partition(";")[0], unit, values, better))
    print(title)
    mine = statistics.median(values[OURS])
    for name, rounds in values.items():
        middle = statistics.median(rounds)
        ratio = "" if name == OURS else f"   ours is {mine / middle:.3g} x that"
        spread = f"({min(rounds):,.{digits}f} to {max(rounds):,.{digits}f})"
        print(f"  {name:20} {middle:12,.{digits}f} {unit} {spread}{ratio}", flush=True)


def limit(what: str, value: float, most: float) -> None:
    verdict = "holds" if value <= most else "MISSED"
    print(f"  {what}: {value:.3g}, at most {most:g}: {verdict}")
    if value > most:
        missed.append(f"{what} is {value:.3g}, and not {most:g} at most")


def ratio(values: dict[str, list[float]], to: str) -> float:
    return statistics.median(values[OURS]) / statistics.median(values[to])


# What is measured


def append() -> None:
    with servers() as three:
        mine, *_ = three
        nothing = replace(mine, name=EMPTY, root=mine.root.replace("durable-chat/v1/stream/", empty.PATH))
        among = (*three, nothing)
        values = in_turns(among, lambda server: statistics.median(server.do("append", APPENDS)), 2 * ROUNDS)
    floor = statistics.median(values.pop(EMPTY))
    tell("an append, acknowledged; medians of a round", "ms", values)
    print(f"  {EMPTY:20} {floor:12,.2f} ms, {floor / statistics.median(values[FILES]):.3g} x the reference's files")
    limit("to the reference's files", ratio(values, FILES), 0.5)


def follow() -> None:
    lost: dict[str, int] = {}
    slowest: dict[str, float] = {}

    def work(server: Server) -> float:
        heard = server.do("follow", READERS, FOLLOWED, INTERVAL)
        lost[server.name] = lost.get(server.name, 0) + heard["lost"] + heard["disorder"]
        p99 = statistics.quantiles(heard["late"], n=100)[98]
        slowest[server.name] = max(slowest.get(server.name, 0), p99)
        return statistics.median(heard["late"])

    with servers() as three:
        values = in_turns(three, work)
    tell(f"an event to each of {READERS:,} readers; medians of a round", "ms", values, 1)
    for name, p99 in slowest.items():
        print(f"  {name:20} {p99:12,.1f} ms at the 99th percentile of the slowest round; lost: {lost[name]}")
    limit("to the reference's memory", ratio(values, MEMORY), 0.6)
    limit("to the reference's files", ratio(values, FILES), 0.05)
    limit("events lost, or out of order", lost[OURS], 0)


def catchup() -> None:
    with servers() as three:
        paths = {server.name: server.do("fill", EVENTS) for server in three}
        for live, how in ((False, "in pages"), (True, "as an event stream")):

            def work(server: Server, live: bool = live) -> float:
                return server.do("catch_up", paths[server.name], EVENTS, live)

            values = in_turns(three, work, ROUNDS * TIMES)
            tell(f"{EVENTS:,} events {how}", "events/s", values, 0, better="more")
            limit("the reference's memory to this server", 1 / ratio(values, MEMORY), 1 / 1.5)


def stall() -> None:
    values: dict[str, list[float]] = {}
    with servers() as three:
        for server in three:
            server.do("stall", 0, MEGABYTES, PIECE)  # what the stream itself takes is not told
            values[server.name] = [grown(server) / 2**20]
    tell(f"memory, {STALLED} readers who take nothing of {MEGABYTES} MB", "MB", values, 1)
    limit("to the reference's memory", ratio(values, MEMORY), 1 / 20)
    limit("to the reference's files", ratio(values, FILES), 1 / 20)


def grown(server: Server) -> int:
    """Bytes by which the server's memory grew at most."""
    process = psutil.Process(server.pid)
    before = most = process.memory_info().rss
    client = server.begin("stall", STALLED, MEGABYTES, PIECE)
    while client.poll() is None:
        most = max(most, process.memory_info().rss)
        time.sleep(0.05)
    found(client)
    return most - before


def sent() -> None:
    tokens, size = [], 0
    for token in answer(ANSWER_BYTES):
        tokens.append(token)
        if (size := size + len(token.encode())) >= ANSWER_BYTES:
            break
    with tempfile.TemporaryDirectory() as folder, jupyter_server(Path(folder)) as jupyter:
        taken: dict[int, int] = {}

        def read(rate: int) -> None:
            taken[rate] = bytes_of(jupyter, len(tokens), rate)

        readers = [threading.Thread(target=read, args=[rate]) for rate in RATES]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    fetch_chat()
    peer = [sys.executable, str(PROTOCOL / "chat.py")]
    given = {"input": json.dumps(tokens), "env": environment() | {"PYTHONPATH": str(CHAT)}}
    theirs = int(subprocess.run(peer, **given, stdout=subprocess.PIPE, text=True, check=True).stdout)
    print(f"bytes to one reader of an answer of {size:,} bytes in {len(tokens):,} tokens")
    for rate, count in sorted(taken.items()):
        print(f"  this server, {rate:5,} tokens a second {count:13,} bytes, {count / size:8,.1f} x the text")
    print(f"  jupyter-chat with RTC             {theirs:13,} bytes, {theirs / size:8,.1f} x the text")
    # What is said of an event does not shrink with its text, and a slower model has less text every 25 ms.
    limit(f"bytes to the text's, at {RATES[-1]:,} tokens a second", taken[RATES[-1]] / size, 3)


def bytes_of(jupyter: Jupyter, tokens: int, rate: int) -> int:
    """What a page is sent of such an answer, headers and all, until its turn is over."""
    session = jupyter.post("durable-chat/api/sessions", agent="prose")["id"]
    server = load.Server(f"{jupyter.url}durable-chat/api/sessions/", {"Authorization": f"token {jupyter.token}"})
    connection = server.connect()
    connection.sock.sendall(server.raw("GET", f"{session}/events?after=0"))
    text = f"{tokens} tokens at {rate} per second"
    jupyter.post(f"durable-chat/api/sessions/{session}/messages", client_id="c", text=text)
    count, end = 0, b""
    while b'"turn-stopped"' not in end:
        data = connection.sock.recv(65536)
        assert data
        count += len(data)
        end = end[-100:] + data
    connection.close()
    return count


async def write(file: Path) -> None:
    """A stream and a conversation of so many events, and some more, that no server has loaded."""
    file.parent.mkdir(parents=True)
    delta = e.encode(e.TextDelta(id="x", delta="a few words of an answer, "), at=AT, turn="t_0")
    async with SqliteLog(file) as log:
        streams = Streams(log)
        stream, _ = await streams.create("resumed", Creation(content_type="application/json"))
        await log.create("s_resumed", [e.encode(e.SessionCreated(session="s_resumed"), at=AT)])
        for first in range(0, RESUMED, 10_000):
            await log.append(stream.id, [load.event(n) for n in range(first, first + 10_000)])
            await log.append("s_resumed", [delta] * 10_000)
        await log.append(stream.id, [load.event(n) for n in range(100)])
        await log.append("s_resumed", [delta] * 100)


def resume() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder, contextlib.ExitStack() as stack:
        here, there = Path(folder).resolve() / "ours", Path(folder).resolve() / "reference"
        asyncio.run(write(here / "data" / "durable-chat" / "log.sqlite3"))
        jupyter = stack.enter_context(jupyter_server(here))
        mine = ours(jupyter)
        chat = Server("a chat's events", f"{jupyter.url}durable-chat/api/", mine.headers, mine.pid)
        paths = {
            mine.name: f"resumed?offset={0:016d}_{RESUMED:016d}&live=sse",
            chat.name: f"sessions/s_resumed/events?after={RESUMED}",
        }
        theirs = [stack.enter_context(reference(MEMORY)), stack.enter_context(reference(FILES, str(there)))]
        for server in theirs:
            filled = server.do("fill_quickly", RESUMED)
            paths[server.name] = f"{filled['path']}?offset={filled['offset']}&live=sse"

        def work(server: Server) -> float:
            return statistics.median(server.do("resume", paths[server.name], 30))

        values = in_turns([mine, chat, *theirs], work)
    tell(f"the first event after {RESUMED:,}, from a new connection; medians of a round", "ms", values)
    limit("ms of a stream", statistics.median(values[mine.name]), 5)
    limit("ms of a chat", statistics.median(values[chat.name]), 5)


def status() -> None:
    with tempfile.TemporaryDirectory(dir=".") as folder, jupyter_server(Path(folder).resolve()) as jupyter:
        server = ours(jupyter)
        works: dict[str, tuple[Any, ...] | None] = {
            "idle": None,
            f"{READERS:,} readers, 2 events a second": ("follow", READERS, 60, 0.5),
            f"{load.WRITERS} writers, as fast as they can": ("fill", 12_000),
            f"{STALLED} readers who take nothing, and a writer": ("stall", STALLED, 200, PIECE),
        }
        print("/api/status meanwhile")
        for name, work in works.items():
            busy = server.begin(*work) if work else None
            if busy:
                time.sleep(4)  # until all are there
            took = server.do("probe", "api/status", 6, root=jupyter.url)
            if busy:
                busy.kill()
                busy.wait()
            p99 = statistics.quantiles(took, n=100)[98]
            print(f"  {name:45} median {statistics.median(took):6.1f} ms, p99 {p99:6.1f} ms, max {max(took):6.1f} ms")


PARTS = {
    "append": append,
    "follow": follow,
    "catchup": catchup,
    "stall": stall,
    "bytes": sent,
    "resume": resume,
    "status": status,
}


def main() -> None:
    print(machine())
    pictures = [Path(name) for name in sys.argv[1:] if name.endswith(".svg")]
    for part in [name for name in sys.argv[1:] if name in PARTS] or PARTS:
        print(f"\n{part}", flush=True)
        PARTS[part]()
    for picture in pictures:
        picture.write_text(plot.svg(compared))
    if missed:
        raise SystemExit("not good enough:\n" + "\n".join(missed))


if __name__ == "__main__":
    main()
