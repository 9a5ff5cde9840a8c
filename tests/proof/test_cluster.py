"""Two real Jupyter servers and two real workers on one PostgreSQL, any of which is killed or paused at any moment.

As in `test_crash.py`, whose world this is: what anybody was told is there afterwards, once, at either server. Whoever
is not killed goes on meanwhile. `CYCLES` says how many (`make crash` has more), `SEED` repeats a run.
"""

import asyncio
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import pytest

from tests.browser.jupyter import Jupyter, running
from tests.postgres import Postgres
from tests.proof.test_crash import JSON, SEED, World, client

pytestmark = pytest.mark.slow

CYCLES = int(os.environ.get("CYCLES", "8"))

MOST_EVENTS = 400
"""After which somebody is killed, at most."""

PAUSE_SECONDS = 5.0
"""Longer than a lease."""

SECONDS = 60


class Cluster:
    """Two servers, and two workers that know nothing of them."""

    def __init__(self, folder: Path, dsn: str, stack: ExitStack) -> None:
        settings = {
            "store": dsn,
            "turns": "elsewhere",
            "lease_seconds": 3.0,
            "max_messages_per_minute": 0,
            "compact_after_events": 400,
            "attachments_folder": str(folder / "attachments"),
        }
        self.servers: list[Jupyter] = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            self.servers.append(stack.enter_context(running("server", folder / name, **settings)))
        self._stack = stack
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start()

    def start(self) -> None:
        """Whoever is not there is there again."""
        for server in self.servers:
            if not server.runs:
                server.start()
        while len(self.workers) < 2:
            self.workers.append(self._stack.enter_context(self.servers[0].another("durable-chat", "worker")))

    def befall(self, chance: random.Random) -> str:
        """Something happens to somebody."""
        match chance.randrange(4):
            case 0 | 1:
                place = chance.randrange(2)
                self.servers[place].kill()
                return f"server {place} is killed"
            case 2:
                worker = self.workers.pop(chance.randrange(2))
                worker.kill()
                worker.wait()
                return f"worker {worker.pid} is killed"
            case _:
                worker = chance.choice(self.workers)
                worker.send_signal(signal.SIGSTOP)
                return f"worker {worker.pid} is paused"

    def wake(self) -> None:
        for worker in self.workers:
            worker.send_signal(signal.SIGCONT)


class Parted(World):
    """What everybody knows who talks to either server."""

    refusals = (404, 409, 503)

    async def live(self, cluster: Cluster) -> str:
        """Keep both servers busy while something happens, and for a while after that."""
        events = self.chance.randint(1, MOST_EVENTS)
        happened = ""
        async with client(cluster.servers[0]) as a, client(cluster.servers[1]) as b:
            await self.begin_session(a)
            sending = [asyncio.create_task(self.keep_busy(http, s)) for s in self.sessions for http in (a, b)]
            try:
                for _ in range(2):
                    with suppress(httpx2.TransportError):
                        await self.follow(self.chance.choice([a, b]), events)
                    happened = happened or await asyncio.to_thread(cluster.befall, self.chance)
                if "paused" in happened:
                    await self.outlast(b, PAUSE_SECONDS)
            finally:
                for task in sending:
                    task.cancel()
                ended = await asyncio.gather(*sending, return_exceptions=True)
        for error in ended:
            assert isinstance(error, httpx2.TransportError | asyncio.CancelledError), error
        return happened

    async def outlast(self, http: httpx2.AsyncClient, seconds: float) -> None:
        """Read on for so long: somebody is away, and comes back later than anybody has waited for them."""
        with suppress(TimeoutError, httpx2.TransportError):
            async with asyncio.timeout(seconds):
                await self.follow(http, 1 << 30)

    async def check(self, jupyter: Jupyter) -> None:
        async with client(jupyter) as http:
            for session in self.sessions:
                await self.settle(http, session)
        await super().check(jupyter)

    async def settle(self, http: httpx2.AsyncClient, session: str) -> None:
        """Until nothing runs there: whoever ran it may be gone."""
        async with asyncio.timeout(SECONDS):
            while (await http.get(f"sessions/{session}")).json()["turn"]:
                await http.post(f"sessions/{session}/stop", json={})

    async def agree(self, cluster: Cluster) -> None:
        """Both servers show the same."""
        async with client(cluster.servers[0]) as a, client(cluster.servers[1]) as b:
            for session in self.sessions:
                await self.settle(a, session)
                lsns, shown = set[int](), list[JSON]()
                while len(lsns) != 1:
                    shown = [(await http.get(f"sessions/{session}")).json() for http in (a, b)]
                    lsns = {transcript["lsn"] for transcript in shown}
                assert shown[0] == shown[1]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Postgres(fsync="off", full_page_writes="off") as postgres, ExitStack() as stack:
        yield Cluster(tmp_path, postgres.dsn(), stack)


@pytest.mark.timeout(120 + 40 * CYCLES)
def test_whoever_is_killed_or_paused_nothing_is_lost_or_doubled(cluster: Cluster) -> None:
    world = Parted(random.Random(SEED))
    for cycle in range(CYCLES):
        happened = "nothing yet"
        try:
            happened = asyncio.run(world.live(cluster))
            cluster.wake()
            cluster.start()
            asyncio.run(world.check(cluster.servers[cycle % 2]))
            asyncio.run(world.agree(cluster))
        except BaseException as error:
            error.add_note(f"cycle {cycle} of SEED={SEED}: {happened}")
            raise
    for server in cluster.servers:
        assert "Traceback" not in server.output
