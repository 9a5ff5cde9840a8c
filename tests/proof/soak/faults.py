"""What happens to the server while it is soaked: one thing a minute, and after each of them it answers as before."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import httpx2
import psutil

from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import Kernel
from tests.proof.soak.crowd import Crowd
from tests.server.test_stalled import stalled

PAUSE_SECONDS = 8.0
FULL_SECONDS = 8.0
STALLED_READERS = 3
"""On each kind of stream."""

SILENT_SECONDS = 15.0
"""The server's `inactivity_seconds`."""

STALLED_SECONDS = 40.0
"""The server's `stalled_seconds`."""

GARBAGE: tuple[tuple[str, str, bytes], ...] = (
    ("POST", "sessions", b"{"),
    ("POST", "sessions", b"\xff\xfe\x00"),
    ("POST", "sessions", b"[" * 10_000),
    ("POST", "sessions", b'{"agent": 7}'),
    ("POST", "sessions/SESSION/messages", b'{"client_id": "", "text": "x"}'),
    ("POST", "sessions/SESSION/messages", b'{"client_id": "a", "text": "x", "parts": [{"type": "nothing"}]}'),
    ("POST", "sessions/SESSION/messages", b'{"client_id": "a", "text": "' + b"x" * (1 << 21) + b'"}'),
    ("POST", "sessions/SESSION/fork", b'{"lsn": -1}'),
    ("POST", "sessions/SESSION/approvals/none", b'{"approved": true}'),
    ("POST", "sessions/SESSION/attachments", b""),
    ("GET", "sessions/SESSION/events?after=-1", b""),
    ("GET", "sessions/SESSION/events?after=2abc", b""),
    ("GET", "sessions/SESSION/events?after=999999999", b""),
    ("GET", "sessions/s_nobody/events?after=0", b""),
    ("GET", "events?after=", b""),
    ("DELETE", "sessions/s_nobody", b""),
    ("POST", "sessions/import", b'{"events": 1}'),
)


class OneKernel:
    """A notebook's kernel, whose function the agent calls; who holds `used` may talk with it."""

    def __init__(self, jupyter: Jupyter) -> None:
        self._jupyter = jupyter
        self._kernel: Kernel | None = None
        self._name = ""
        self._pid = 0
        self.used = asyncio.Lock()

    async def begin(self, name: str) -> str:
        """The conversation of this name, where the kernel offers its function; empty when it reaches no server."""
        async with self.used:
            self._name = name
            return await asyncio.to_thread(self._begin)

    def _begin(self) -> str:
        if self._kernel is None:
            self._jupyter.write_notebook("soak.ipynb", "")
            self._kernel = Kernel(self._jupyter, "soak.ipynb")
        self._kernel.run(
            "import os\n"
            "from jupyter_durable_chat import Chat\n"
            "def add(a: int, b: int = 1) -> int:\n"
            '    "Add two numbers."\n'
            "    return a + b\n"
            f"chat = Chat({self._name!r}, tools=[add])"
        )
        self._pid = self._kernel.value("os.getpid()")
        return self._kernel.value("chat.session") or ""

    def die(self) -> None:
        """Jupyter starts another one in its place, in which the same cell is run again."""
        if self._kernel:
            os.kill(self._pid, signal.SIGKILL)
            self._kernel.reconnect()
            self._begin()

    def begin_anew(self) -> None:
        """It has gone with its server."""
        if self._kernel:
            self.let_go()
            self._begin()

    def let_go(self) -> None:
        if self._kernel:
            self._kernel.let_go()
            self._kernel = None


class Faults:
    """In rotation. Each returns when it is over, and then a new conversation is answered."""

    def __init__(self, jupyter: Jupyter, crowd: Crowd, http: httpx2.AsyncClient, kernel: OneKernel) -> None:
        self._jupyter = jupyter
        self._crowd = crowd
        self._http = http
        self._kernel = kernel
        self._next = 0
        self._all: list[Callable[[], Awaitable[None]]] = [
            self.the_disk_is_full,
            self.an_agent_raises,
            self.a_client_talks_garbage,
            self.an_agent_hangs,
            self.the_server_is_paused,
            self.the_kernel_dies,
            self.readers_stall,
            self.readers_are_cut,
        ]

    async def befall(self) -> None:
        """The next one, and the proof that the server answers after it."""
        fault = self._all[self._next % len(self._all)]
        self._next += 1
        name = fault.__name__.replace("_", " ")
        with self._crowd.acting(name):
            await fault()
        with self._crowd.acting(f"a conversation after {name}"):
            session = await self._crowd.begin(self._http)
            await self._crowd.speak(self._http, session, "10 words at 8 per second")
            await self._crowd.leave(self._http, session)
        self._crowd.counts[f"fault: {name}"] += 1

    async def readers_are_cut(self) -> None:
        await self._crowd.cut()

    async def an_agent_raises(self) -> None:
        await self._agents_fail("10 words at 8 per second, and raises", "failed")
        await self._agents_fail("10 words at 8 per second, and stops short", "truncated")

    async def an_agent_hangs(self) -> None:
        await self._agents_fail("10 words at 8 per second, and hangs", "failed")

    async def _agents_fail(self, order: str, outcome: str) -> None:
        await asyncio.gather(*(self._agent_fails(order, outcome) for _ in range(3)))

    async def _agent_fails(self, order: str, outcome: str) -> None:
        session = await self._crowd.begin(self._http)
        await self._crowd.speak(self._http, session, order)
        shown = (await self._http.get(f"sessions/{session}")).json()
        if self._crowd.awake.is_set():
            assert shown["messages"][-1]["metadata"]["outcome"] == outcome, shown
        await self._crowd.leave(self._http, session)

    async def a_client_talks_garbage(self) -> None:
        session = await self._crowd.begin(self._http)
        for method, path, body in GARBAGE:
            answer = await self._http.request(method, path.replace("SESSION", session), content=body)
            assert 400 <= answer.status_code < 500, (method, path, answer.status_code, answer.text)
        await asyncio.to_thread(self._talk_half)
        await self._crowd.leave(self._http, session)

    def _talk_half(self) -> None:
        """Requests that end in the middle of their first line, their headers, or their body."""
        head = f"POST {self._jupyter.base_url}durable-chat/api/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Authorization: token {self._jupyter.token}\r\nContent-Length: 1000\r\n\r\n"
        for length in (3, len(head) // 2, len(head), len(head) + 20):
            with socket.create_connection(("127.0.0.1", self._jupyter.port)) as one:
                one.sendall((head + "{" * 20)[:length].encode())

    async def the_server_is_paused(self) -> None:
        os.kill(self._jupyter.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            os.kill(self._jupyter.pid, signal.SIGCONT)

    async def the_kernel_dies(self) -> None:
        async with self._kernel.used:
            await asyncio.to_thread(self._kernel.die)

    async def readers_stall(self) -> None:
        """They take nothing until the server has had enough of that."""
        session = await self._crowd.begin(self._http, agent="bulk")
        await self._crowd.speak(self._http, session, "300 reports of 20 kB")
        with ExitStack() as stack:
            for path in (f"sessions/{session}/events?after=0", f"events?after={session}:0"):
                for _ in range(STALLED_READERS):
                    stack.enter_context(await asyncio.to_thread(stalled, self._jupyter, path))
            await asyncio.sleep(1.2 * STALLED_SECONDS)
        await self._crowd.leave(self._http, session)

    async def the_disk_is_full(self) -> None:
        """No file of the server takes another byte: answers fail, and what is asked is refused."""
        server = psutil.Process(self._jupyter.pid)
        soft, hard = server.rlimit(psutil.RLIMIT_FSIZE)
        self._crowd.disturbed = True
        self._crowd.refusals = (404, 409, 503)
        server.rlimit(psutil.RLIMIT_FSIZE, (0, hard))
        try:
            await asyncio.sleep(FULL_SECONDS)
        finally:
            server.rlimit(psutil.RLIMIT_FSIZE, (soft, hard))
            await asyncio.sleep(5)  # what was asked before is answered
            self._crowd.refusals = (404, 409)
            self._crowd.disturbed = False

    async def crash(self) -> None:
        """SIGKILL, whatever it is doing; another server takes its place."""
        self._crowd.disturbed = True
        async with self._kernel.used:
            await asyncio.to_thread(self._jupyter.kill)
            # Who reads slowly would notice only later that it has read all that there will be.
            await self._crowd.cut()
            await asyncio.to_thread(self._jupyter.start)
            await asyncio.to_thread(self._kernel.begin_anew)
        self._crowd.disturbed = False
        self._crowd.counts["fault: the server is killed"] += 1
