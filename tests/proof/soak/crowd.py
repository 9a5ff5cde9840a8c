"""Who uses the server while it is soaked: people who talk, and readers who come at any LSN and go at any moment.

Everything that anybody reads is compared with what others have read, its LSNs are dense, and when a conversation is
left all of it is compared with its log, as after a crash (`test_crash.py`): nothing is lost, nothing is doubled. What
must not be is a finding; the crowd goes on.
"""

import asyncio
import json
import random
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from tests.browser.jupyter import Jupyter
from tests.proof.test_crash import JSON, World

ACCEPT = {"Accept": "application/json"}

GONE = (404, 410)

TURNS = (12, 30)
"""How often somebody says something in a conversation before it is left."""

LEFT = 0.3
"""The share of conversations that are left to retention, not deleted."""

TURN_SECONDS = 180.0
"""An answer that has not ended after so long never will; pauses and full disks are in it."""

PAUSE_SECONDS = (2.0, 12.0)
"""Between an answer and what is said next."""

LOOK_SECONDS = 3.0
"""Between two looks of somebody who waits for an answer."""

MOST_FINDINGS = 200

Way = Callable[[httpx2.AsyncClient], Coroutine[Any, Any, None]]
"""How somebody reads, until they are told to go."""


def connected(jupyter: Jupyter) -> httpx2.AsyncClient:
    """Every request has a connection of its own, so that nobody's idle ones are counted as the server's handles."""
    return httpx2.AsyncClient(
        base_url=f"{jupyter.url}durable-chat/api/",
        headers={"Authorization": f"token {jupyter.token}"},
        timeout=60,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        trust_env=False,
    )


class Crowd(World):
    """`people` talk, each in a conversation after the other; `readers` visit these conversations."""

    def __init__(self, jupyter: Jupyter, chance: random.Random, people: int, readers: int) -> None:
        super().__init__(chance)
        self._jupyter = jupyter
        self._people = people
        self._readers = readers
        self._visits: set[asyncio.Task[None]] = set()
        self._acting = 0
        self.awake = asyncio.Event()
        self.disturbed = False
        """Whether the server cannot be expected to do what it is asked, for what is being done to it."""
        self.counts: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()

    def tasks(self, http: httpx2.AsyncClient) -> list[Coroutine[Any, Any, None]]:
        talking = [self._talks(http) for _ in range(self._people)]
        return [*talking, *(self._visits_again(http) for _ in range(self._readers))]

    # Resting

    async def rest(self, http: httpx2.AsyncClient) -> None:
        """Returns when nobody reads, talks or waits any more, and no answer is under way."""
        self.awake.clear()
        await self.cut()
        async with asyncio.timeout(2 * TURN_SECONDS):
            while self._acting or self._visits:  # noqa: ASYNC110 (many begin and end)
                await asyncio.sleep(0.5)
        for session in self.sessions:
            await self._stop(http, session)

    async def cut(self) -> None:
        """All readers are gone in the middle of what they read."""
        visits = [*self._visits]
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)

    @contextmanager
    def acting(self, who: str) -> Iterator[None]:
        """Something is done that may fail while something is done to the server, and else is a finding."""
        self._acting += 1
        try:
            yield
        except Exception as error:  # nobody of the crowd ends for that
            if not self.disturbed:
                said = error.response.text if isinstance(error, httpx2.HTTPStatusError) else ""
                *_, place = traceback.extract_tb(error.__traceback__)
                self.find(f"{who}: {type(error).__name__} in {place.name}, line {place.lineno}: {error} {said}")
        finally:
            self._acting -= 1

    def find(self, text: str) -> None:
        if len(self.findings) < MOST_FINDINGS:
            self.findings[text[:600]] += 1
            print(text[:600], flush=True)

    # People

    async def _talks(self, http: httpx2.AsyncClient) -> None:
        await asyncio.sleep(self.chance.uniform(0, 10))
        while True:
            await self.awake.wait()
            session = ""
            with self.acting("begin"):
                session = await self.begin(http)
            if not session:
                await asyncio.sleep(1)
                continue
            # The first ones are not left all at the same time.
            for _ in range(self.chance.randint(1 if self.counts["left"] < self._people else TURNS[0], TURNS[1])):
                await self.awake.wait()
                with self.acting("talk"):
                    session = await self._act(http, session)
                await asyncio.sleep(self.chance.uniform(*PAUSE_SECONDS))
            await self.awake.wait()
            with self.acting("leave"):
                await self.leave(http, session)
            self.forget(session)

    async def begin(self, http: httpx2.AsyncClient, agent: str = "soaked") -> str:
        answer = (await http.post("sessions", json={"agent": agent})).raise_for_status().json()
        self.know(answer["id"])
        self.counts["conversations"] += 1
        return answer["id"]

    def know(self, session: str) -> None:
        self.sessions.append(session)
        self.read[session] = {}

    def forget(self, session: str) -> None:
        """Nobody visits it any more. Idempotent."""
        if session in self.sessions:
            self.sessions.remove(session)
            self.counts["left"] += 1
        self.read.pop(session, None)
        self.sent = {known: sent for known, sent in self.sent.items() if known[0] != session}

    async def leave(self, http: httpx2.AsyncClient, session: str) -> None:
        """Compare everything; then delete it, or leave it to retention."""
        await http.post(f"sessions/{session}/stop", json={})
        await self.check_log(http, session)
        mine = [known for known in self.sent if known[0] == session]
        for known in self.chance.sample(mine, min(4, len(mine))):
            await self.check_sent(http, *known, *self.sent[known])
        self.forget(session)
        if self.chance.random() < LEFT:
            await self._let_lie(http, session)
        else:
            (await http.delete(f"sessions/{session}")).raise_for_status()
            self.counts["deleted"] += 1

    async def _let_lie(self, http: httpx2.AsyncClient, session: str) -> None:
        """Nothing runs or waits there any more, so retention may have it."""
        await http.post(f"sessions/{session}/stop", json={})
        for message in (await http.get(f"sessions/{session}")).raise_for_status().json()["queue"]:
            (await http.delete(f"sessions/{session}/queue/{message['id']}")).raise_for_status()

    async def _act(self, http: httpx2.AsyncClient, session: str) -> str:
        """One thing that people do; the conversation that they are in afterwards."""
        path = f"sessions/{session}"
        match self.chance.choices(range(10), [40, 8, 8, 10, 8, 8, 6, 4, 4, 4])[0]:
            case 0:
                await self.speak(http, session, self._order())
            case 1:
                await self.speak(http, session, f"use work {json.dumps({'steps': self.chance.randint(1, 6)})}")
            case 2:
                await self.speak(http, session, f"use careful {json.dumps({'size': self.chance.randint(1, 4000)})}")
            case 3:
                await self._stops(http, session)
            case 4:
                await self._waits_in_line(http, session)
            case 5:
                await self._asks_again(http, session)
            case 6:
                await self._attaches(http, session)
            case 7:
                return await self._forks(http, session)
            case 8:
                title = f"About {self.chance.getrandbits(32)}"
                (await http.patch(path, json={"title": title})).raise_for_status()
                (await http.get("sessions", params={"q": title.split()[1]})).raise_for_status()
            case _:
                kind = self.chance.choice(["md", "html", "json", "ipynb"])
                (await http.get(f"{path}/export", params={"format": kind})).raise_for_status()
        return session

    def _order(self) -> str:
        return f"{self.chance.randint(5, 60)} words at {self.chance.randint(1, 5)} per second"

    async def speak(self, http: httpx2.AsyncClient, session: str, text: str, parts: list[JSON] | None = None) -> None:
        """Say it, and stay until it is answered."""
        if turn := await self.say(http, session, "messages", {"text": text, **({"parts": parts} if parts else {})}):
            await self.stay(http, session, turn)

    async def say(self, http: httpx2.AsyncClient, session: str, what: str, body: JSON) -> JSON | None:
        """The reply, if it is not refused."""
        before = {known for known in self.sent if known[0] == session}
        await self.ask(http, session, what, body)
        new = {known for known in self.sent if known[0] == session} - before
        return self.sent[new.pop()][1] if new else None

    async def stay(self, http: httpx2.AsyncClient, session: str, reply: JSON) -> None:
        """Read until that turn is over, and answer what it asks; who wants to rest stops it."""
        path, after = f"sessions/{session}", reply["lsn"] - 1
        self.counts["turns"] += 1
        try:
            async with asyncio.timeout(TURN_SECONDS):
                while True:
                    # The event that ends it may be compacted before it is read; the transcript has it.
                    shown = (await http.get(path)).raise_for_status().json()
                    if outcome := outcome_of(shown, reply["turn_id"]):
                        self.counts[outcome] += 1
                        return
                    if not self.awake.is_set():
                        await http.post(f"{path}/stop", json={})
                        return
                    if shown["held"]:
                        await http.post(f"{path}/queue/resume")
                    for approval in shown["approvals"]:
                        answer = {"approved": self.chance.random() < 0.7}
                        await http.post(f"{path}/approvals/{approval['id']}", json=answer)
                    page = await self._page(http, session, after, wait=20)
                    after = page[-1]["lsn"] if page else after
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise AssertionError(f"the turn {reply} of {session} has not ended") from None

    async def _stops(self, http: httpx2.AsyncClient, session: str) -> None:
        if await self.say(http, session, "messages", {"text": "80 words at 4 per second"}):
            await asyncio.sleep(self.chance.uniform(0, 4))
            await self._stop(http, session)
            self.counts["stops"] += 1

    async def _stop(self, http: httpx2.AsyncClient, session: str) -> None:
        """Stop what runs there; asked again for as long as the server says to, which has much to do."""
        async with asyncio.timeout(TURN_SECONDS):
            while "Retry-After" in (answer := await http.post(f"sessions/{session}/stop", json={})).headers:  # noqa: ASYNC110 (as the server says)
                await asyncio.sleep(float(answer.headers["Retry-After"]))
        answer.raise_for_status()

    async def _waits_in_line(self, http: httpx2.AsyncClient, session: str) -> None:
        await self.say(http, session, "messages", {"text": "20 words at 4 per second"})
        last = await self.say(http, session, "messages", {"text": "10 words at 8 per second"})
        shown = (await http.get(f"sessions/{session}")).raise_for_status().json()
        if shown["queue"] and self.chance.random() < 0.3:
            await http.delete(f"sessions/{session}/queue/{self.chance.choice(shown['queue'])['id']}")
        elif shown["held"]:
            await http.post(f"sessions/{session}/queue/resume")
        elif last:
            await self.stay(http, session, last)

    async def _asks_again(self, http: httpx2.AsyncClient, session: str) -> None:
        shown = (await http.get(f"sessions/{session}")).raise_for_status().json()
        if not shown["messages"] or shown["turn"]:
            return
        message = self.chance.choice(shown["messages"])
        body: JSON = {"message_id": message["id"]}
        if message["role"] == "user" and self.chance.random() < 0.5:
            body["text"] = self._order()
        if reply := await self.say(http, session, "retry", body):
            await self.stay(http, session, reply)

    async def _attaches(self, http: httpx2.AsyncClient, session: str) -> None:
        data = b"n,value\n" + b"".join(b"%d,%d\n" % (n, self.chance.getrandbits(20)) for n in range(2000))
        headers = {"Content-Type": "text/csv"}
        answer = await http.post(
            f"sessions/{session}/attachments", params={"filename": "some.csv"}, content=data, headers=headers
        )
        kept = answer.raise_for_status().json()
        part = {"type": "file", "mediaType": kept["mediaType"], "url": kept["url"], "filename": "some.csv"}
        await self.speak(http, session, self._order(), [part])
        got = await http.get(f"sessions/{session}/attachments/{kept['url'].removeprefix('attachment:')}")
        assert got.raise_for_status().content == data

    async def _forks(self, http: httpx2.AsyncClient, session: str) -> str:
        shown = (await http.get(f"sessions/{session}")).raise_for_status().json()
        if not shown["messages"] or shown["turn"]:
            return session
        message = self.chance.choice(shown["messages"])["id"]
        answer = await http.post(f"sessions/{session}/fork", json={"message_id": message})
        if answer.status_code == 409:  # that part of it is compacted
            return session
        fork = answer.raise_for_status().json()["id"]
        self.know(fork)
        self.counts["forks"] += 1
        with self.acting("leave"):
            await self.leave(http, session)
        self.forget(session)
        return fork

    # Readers

    async def _visits_again(self, http: httpx2.AsyncClient) -> None:
        ways: list[Way] = [
            self._streams,
            self._streams,
            self._streams_several,
            self._turns_pages,
            self._takes_its_time,
            self._looks_away,
        ]
        while True:
            await self.awake.wait()
            if self.sessions:
                visit = asyncio.create_task(self._visit(self.chance.choice(ways), http))
                self._visits.add(visit)
                visit.add_done_callback(self._visits.discard)
                await asyncio.wait([visit])
            await asyncio.sleep(self.chance.uniform(0, 5))

    async def _visit(self, reads: Way, http: httpx2.AsyncClient) -> None:
        with self.acting("read"):
            try:
                async with asyncio.timeout(self.chance.uniform(2, 40)):
                    await reads(http)
            except TimeoutError:
                self.counts["readers"] += 1  # it goes, in the middle of whatever it reads

    def _somewhere(self, several: int = 1) -> dict[str, int]:
        """Conversations, each at an LSN that somebody may have."""
        some = self.chance.sample(self.sessions, min(several, len(self.sessions)))
        return {session: self.chance.choice([0, *self.read[session]]) for session in some}

    async def _streams(self, http: httpx2.AsyncClient) -> None:
        await self._follow(http, self._somewhere())

    async def _streams_several(self, http: httpx2.AsyncClient) -> None:
        await self._follow(http, self._somewhere(6))

    async def _takes_its_time(self, http: httpx2.AsyncClient) -> None:
        await self._follow(http, self._somewhere(), seconds=0.5)

    async def _looks_away(self, http: httpx2.AsyncClient) -> None:
        """It asks, and takes nothing."""
        (session,) = self._somewhere()
        async with http.stream("GET", f"sessions/{session}/events", params={"after": 0}):
            await asyncio.sleep(60)

    async def _turns_pages(self, http: httpx2.AsyncClient) -> None:
        ((session, after),) = self._somewhere().items()
        while session in self.read:
            page = await self._page(http, session, after, wait=10, limit=self.chance.randint(1, 300))
            after = page[-1]["lsn"] if page else after
            await asyncio.sleep(self.chance.uniform(0, 2))

    async def _page(
        self, http: httpx2.AsyncClient, session: str, after: int, *, wait: int, limit: int = 1000
    ) -> list[JSON]:
        """What comes next; of a conversation that was compacted meanwhile, what follows the snapshot."""
        params = {"after": after, "wait": wait, "limit": limit}
        answer = await http.get(f"sessions/{session}/events", params=params, headers=ACCEPT)
        if answer.status_code in GONE and session not in self.read:
            return []
        page = answer.raise_for_status().json()
        if page["snapshot"]:
            assert page["snapshot"]["lsn"] > after
            after = page["snapshot"]["lsn"]
        for n, event in enumerate(page["events"], after + 1):
            self._take(session, event, n)
        return page["events"]

    async def _follow(self, http: httpx2.AsyncClient, positions: Mapping[str, int], seconds: float = 0) -> None:
        """Read a stream, one for all of them where there are several, with pauses of so many seconds."""
        at = dict(positions)
        (alone,) = at if len(at) == 1 else ("",)
        where = f"sessions/{alone}/events" if alone else "events"
        after = {"after": at[alone] if alone else [f"{session}:{lsn}" for session, lsn in at.items()]}
        async with http.stream("GET", where, params=after) as answer:
            if answer.status_code in GONE and alone not in self.read:
                return
            answer.raise_for_status()
            async for name, data in said(answer.aiter_lines()):
                if name == "snapshot":
                    assert data["lsn"] > at[data["id"]]
                    at[data["id"]] = data["lsn"]
                elif name == "gone":
                    session = data["session"]
                    assert session not in self.read, f"{session} is gone: {data}"
                elif not name:
                    session = alone or data.pop("session")
                    at[session] += 1
                    self._take(session, data, at[session])
                    await asyncio.sleep(seconds)

    def _take(self, session: str, event: JSON, lsn: int) -> None:
        assert event["lsn"] == lsn, f"{session}: {event['lsn']} where {lsn} was due"
        self.counts["events read"] += 1
        if session in self.read:
            # `session-created` has a field of that name, which a shared stream's events have for themselves.
            event = {name: value for name, value in event.items() if name != "session"}
            known = self.read[session].setdefault(lsn, event)
            assert known == event, f"{session}: two have read different events {lsn}: {known} and {event}"


def outcome_of(transcript: JSON, turn: str) -> str | None:
    """How that turn has ended, if it has."""
    answers = [m for m in transcript["messages"] + transcript["others"] if m["role"] == "assistant"]
    return next((m["metadata"].get("outcome") for m in answers if m["metadata"]["turn"] == turn), None)


async def said(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, JSON]]:
    """The events of an event stream: their names, and what they say."""
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
        elif not line:
            name = ""
