"""A server under everything for hours: memory, file handles, tasks and disk stay flat, but for the logs.

    HOURS=2 python -m tests.proof.soak        # or MINUTES=; PEOPLE=50 and READERS=25

Fifty people talk with one real Jupyter server, readers come and go, and something happens to it every minute. It is
killed twice, near the beginning and near the end; the life between is the one that is judged. In it everybody rests
eleven times: all answers over, all readers gone, all sessions out of memory. What the server has then is what it keeps,
so that is held against the limits, after the first quarter, in which it warms up. Under load it is shown, not judged.

Only on Linux: a full disk is a limit that the process is given from outside. Ends with 0 when everything is as it must
be; an interrupt ends it early, with what there is.
"""

import asyncio
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import httpx2

from benchmarks.measure.machine import machine
from tests.browser.jupyter import ROOT, Jupyter, running
from tests.proof.soak.crowd import Crowd, connected
from tests.proof.soak.faults import SILENT_SECONDS, STALLED_SECONDS, Faults, OneKernel
from tests.proof.soak.gauges import grown, table
from tests.proof.soak.samples import LIMITS, Samples, courses_of

SECONDS = 60 * float(os.environ.get("MINUTES") or 60 * float(os.environ.get("HOURS") or 2))
PEOPLE = int(os.environ.get("PEOPLE") or 50)
READERS = int(os.environ.get("READERS") or 25)

ROUNDS = max(5, min(12, round(SECONDS / 150)))
"""Each ends with a rest; the server is killed in the middle of the first and of the last."""

SAMPLE_SECONDS = 10.0
FAULT_SECONDS = min(60.0, SECONDS / ROUNDS / 8)

REST_SECONDS = min(75.0, SECONDS / ROUNDS / 4)
"""A session that nobody uses leaves memory after a minute, at the next look; in a short run they stay."""

WARM_UP = 0.25

RESTS = 3
"""At least so many are judged: between fewer, nothing can be said to grow."""

KEPT = ROOT / "test-results" / "soak"

SETTINGS = {
    "agents": ["tests.proof.soak.agent:soaked", "tests.server.bulk:bulk"],
    "tools": ["tests.proof.soak.agent:tools"],
    "agent": "soaked",
    "max_messages_per_minute": 0,
    "inactivity_seconds": SILENT_SECONDS,
    "stalled_seconds": STALLED_SECONDS,
    "compact_after_events": 400,
    "max_sessions": PEOPLE + 15,
}

TRACEBACK = re.compile(r"^Traceback \(most recent call last\):\n(?: .*\n)+(\S.*)$", re.MULTILINE)
EXPECTED = ("RuntimeError: It was told to.",)
"""How tracebacks end that the server should print."""


class Soak:
    def __init__(self, jupyter: Jupyter, store: Path, folder: Path) -> None:
        self._jupyter = jupyter
        self.crowd = Crowd(jupyter, random.Random(), PEOPLE, READERS)
        self.samples = Samples(jupyter, store, folder / "samples.jsonl")
        self.kernel = OneKernel(jupyter)

    async def run(self) -> None:
        """Returns after its time, or when it is interrupted."""
        interrupted = asyncio.Event()
        for what in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(what, interrupted.set)
        async with connected(self._jupyter) as http:
            crowd = [asyncio.create_task(task) for task in [*self.crowd.tasks(http), self._talks_with_kernel(http)]]
            rounds = asyncio.create_task(self._rounds(http))
            ended = asyncio.create_task(interrupted.wait())
            try:
                # Whoever of the crowd ends has failed in a way that nobody thought of.
                done, _ = await asyncio.wait([rounds, ended, *crowd], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (rounds, ended, *crowd):
                    task.cancel()
                await asyncio.gather(rounds, ended, *crowd, return_exceptions=True)
                await self.crowd.cut()
            for task in done - {ended, rounds}:
                self.crowd.find(f"somebody of the crowd has ended: {task.exception()!r}")
            if rounds in done and (error := rounds.exception()):
                self.crowd.find(f"the rounds have ended: {error!r}")

    async def _rounds(self, http: httpx2.AsyncClient) -> None:
        faults = Faults(self._jupyter, self.crowd, http, self.kernel)
        begun = time.monotonic()
        for number in range(ROUNDS):
            left = begun + SECONDS * (number + 1) / ROUNDS - REST_SECONDS - time.monotonic()
            self.crowd.awake.set()
            sampling = asyncio.create_task(self._sample(http))
            try:
                await self._work(faults, left, crashes=number in (0, ROUNDS - 1))
                await self.crowd.rest(http)
            except TimeoutError:
                self.crowd.find("not everybody comes to rest")
            finally:
                sampling.cancel()
            await asyncio.sleep(REST_SECONDS)
            await self.samples.take_at_rest(http)
            print(self._line(number), flush=True)

    async def _work(self, faults: Faults, seconds: float, crashes: bool) -> None:
        """One fault after the other for about so long; in the middle, the crash."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds - FAULT_SECONDS / 2 or crashes:
            await asyncio.sleep(FAULT_SECONDS - passed % FAULT_SECONDS)
            if crashes and time.monotonic() - begun >= seconds / 2:
                crashes = False
                await faults.crash()
                self.samples.life += 1
            else:
                await faults.befall()

    async def _sample(self, http: httpx2.AsyncClient) -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            await self.samples.take(http)

    async def _talks_with_kernel(self, http: httpx2.AsyncClient) -> None:
        """Somebody lets a function of a notebook be called, in one conversation after the other.

        While everybody rests there is always one that the kernel follows.
        """
        number = 0
        while True:
            session, number = "", number + 1
            with self.crowd.acting("a kernel begins"):
                session = await self.kernel.begin(f"conversation {number}")
            if not session:
                await asyncio.sleep(1)
                continue
            self.crowd.know(session)
            for _ in range(8):
                await self.crowd.awake.wait()
                with self.crowd.acting("a kernel's function is called"):
                    await self.crowd.speak(http, session, 'use add {"a": 2}')
                    shown = (await http.get(f"sessions/{session}")).raise_for_status().json()
                    states = [part["state"] for part in shown["messages"][-1]["parts"] if "toolCallId" in part]
                    self.crowd.counts.update(f"{state} of the kernel" for state in states)
                await asyncio.sleep(5)
            with self.crowd.acting("a kernel's conversation is left"):
                await self.crowd.leave(http, session)
            self.crowd.forget(session)

    def _line(self, number: int) -> str:
        values = self.samples.taken[-1].values
        told = ", ".join(f"{name} {values[name]:.1f}" for name in LIMITS)
        return f"round {number + 1} of {ROUNDS} at rest: {told}; {sum(self.crowd.findings.values())} findings"


def report(soak: Soak, seconds: float) -> bool:
    """Say what there is to say; whether everything is as it must be."""
    samples, crowd = soak.samples, soak.crowd
    lived = [sample.at for sample in samples.taken if sample.life == 1]
    warm = lived[0] + WARM_UP * (lived[-1] - lived[0]) if lived else 0
    judged = [sample for sample in samples.taken if sample.life == 1 and sample.at >= warm]
    loaded, rested = ([sample for sample in judged if sample.rest == rest] for rest in (False, True))
    print(f"\n{seconds / 60:.0f} minutes, {machine()}")
    print(", ".join(f"{count} {name}" for name, count in sorted(crowd.counts.items())))
    print(f"\nUnder load, {len(loaded)} times in the life that is judged, after its first quarter")
    print("\n".join(table(courses_of(loaded), {})))
    print(f"\nAt rest, {len(rested)} times of these")
    kept = courses_of(rested)
    print("\n".join(table(kept, LIMITS)))
    for text, count in crowd.findings.items():
        print(f"\n{count} x {text}")
    if len(rested) < RESTS:
        print(f"\nThat was too short: {RESTS} rests are the least that can be judged.")
        return False
    return not grown(kept, LIMITS) and not crowd.findings


def proven(jupyter: Jupyter) -> bool:
    """Whether `jupyter durable-chat check` finds nothing wrong with the store of a server that has ended."""
    with jupyter.another("durable-chat", "check") as check:
        ended = check.wait()
    print((jupyter.folder / "another").read_text())
    return ended == 0


def main() -> int:
    shutil.rmtree(KEPT, ignore_errors=True)
    (KEPT / "server" / "tmp").mkdir(parents=True)
    os.environ["TMPDIR"] = str(KEPT / "server" / "tmp")
    store = KEPT / "server" / "log.sqlite3"
    begun = time.monotonic()
    with running("server", KEPT / "server", store=str(store), **SETTINGS) as jupyter:
        soak = Soak(jupyter, store, KEPT)
        asyncio.run(soak.run())
        soak.kernel.let_go()
        jupyter.stop()
        right = report(soak, time.monotonic() - begun)
        right = proven(jupyter) and right
        for text, count in Counter(TRACEBACK.findall(jupyter.output)).items():
            right = right and text in EXPECTED
            print(f"The server has printed {count} x {text}")
    print("Everything is flat, and nothing is lost." if right else "NOT as it must be.")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
