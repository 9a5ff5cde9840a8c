"""A real JupyterHub as a process of its own: its proxy from npm, a simple spawner, and users who know one password.

Its folder holds everything: the hub's database, a home for each user, and a log of every address that proxy and servers
were asked for. Nothing of the machine's own is touched.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.browser.jupyter import ROOT, free_port

PROXY = ROOT / "tests/hub/node_modules/configurable-http-proxy/bin/configurable-http-proxy"
PASSWORD = "everybody-knows-it"
ADMIN = "the-token-of-the-tests"
SECONDS = 60

CONFIG = """
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_bind_url = {hub_url!r}
c.ConfigurableHTTPProxy.api_url = {proxy_url!r}
c.ConfigurableHTTPProxy.command = {proxy!r}
c.ConfigurableHTTPProxy.debug = True
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {password!r}
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home!r}
c.Spawner.args = ["--allow-root", "--config", {config!r}]
c.Spawner.environment = {environment!r}
c.Spawner.start_timeout = c.Spawner.http_timeout = {seconds!r}
c.JupyterHub.last_activity_interval = 1
c.JupyterHub.services = [{{"name": "tests", "api_token": {admin!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers", "tokens"]}}
]
"""

SERVER = """
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.open_browser = False
c.ServerApp.log_level = "DEBUG"
c.LabApp.expose_app_in_browser = True
c.DurableChat.agents = ["tests.browser.agent:paced"]
c.DurableChat.keep_alive_seconds = {keep_alive!r}
"""


def proxy_command() -> list[str]:
    """How the proxy is started: with a node of its own, which is beside this Python."""
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not PROXY.exists() or node is None:
        pytest.fail("No proxy for JupyterHub on this machine. Run `make proxies`, then try again.", pytrace=False)
    return [node, str(PROXY)]


class HubProxy:
    """JupyterHub's proxy without a hub, in front of one server; `options` are those of its command."""

    def __init__(self, folder: Path, target: int, *options: str) -> None:
        self.port = free_port()
        self._log = folder / f"proxy-{self.port}.log"
        places = ["--ip=127.0.0.1", f"--port={self.port}", "--api-ip=127.0.0.1", f"--api-port={free_port()}"]
        to = [f"--default-target=http://127.0.0.1:{target}", "--log-level=debug"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*proxy_command(), *places, *to, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._until_it_answers()

    def close(self) -> None:
        # What is started may be a Python that starts the node.
        processes = [*psutil.Process(self._process.pid).children(recursive=True), self._process]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes[:-1], 20)
        self._process.wait(20)

    @property
    def asked(self) -> int:
        """How often events were asked for."""
        return len(re.findall(r"PROXY WEB \S*/durable-chat/api/events ", self._log.read_text()))

    @property
    def timed_out(self) -> int:
        """How often something had no answer in time."""
        return self._log.read_text().count(" 503 GET ")

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        self.close()
        raise AssertionError(f"the proxy does not answer:\n{self._log.read_text()}")


class Hub:
    """One hub, without a culler until `cull` starts one."""

    def __init__(self, folder: Path, *, keep_alive: float = 15.0) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._log = folder / "hub.log"
        (folder / "server.py").write_text(SERVER.format(keep_alive=keep_alive))
        config = CONFIG.format(
            url=self.url,
            hub_url=f"http://127.0.0.1:{free_port()}",
            proxy_url=f"http://127.0.0.1:{free_port()}",
            proxy=proxy_command(),
            password=PASSWORD,
            home=str(folder / "home" / "{username}"),
            config=str(folder / "server.py"),
            environment={"PYTHONPATH": str(ROOT), "PACED_AGENT": str(folder), "JUPYTERHUB_ACTIVITY_INTERVAL": "1"},
            admin=ADMIN,
            seconds=SECONDS,
        )
        (folder / "jupyterhub_config.py").write_text(config)
        self._http = httpx2.Client(base_url=self.url, timeout=SECONDS, trust_env=False)
        self._process: subprocess.Popen[bytes] | None = None
        self._culler: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = self._run("jupyterhub")
        self.until(self._answers, "the hub answers")

    def cull(self, timeout: int) -> None:
        """From now on the idle culler stops servers that have not been active for so many seconds."""
        options = [f"--url={self.url}hub/api", f"--timeout={timeout}", "--cull-every=1"]
        self._culler = self._run("jupyterhub_idle_culler", *options, JUPYTERHUB_API_TOKEN=ADMIN)

    def _run(self, module: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("JUPYTER", "JPY", "CONFIGPROXY"))}
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *options],
                cwd=self.folder,
                env=kept | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def close(self) -> None:
        self._http.close()
        self.cull_no_more()
        if self._process is None:
            return
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        for process in [*family, self._process]:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.kill()
        psutil.wait_procs(family, 10)
        self._process.wait(10)

    @property
    def output(self) -> str:
        return self._log.read_text()

    def until(self, true: Any, what: str) -> None:
        """Return when this is so."""
        deadline = time.monotonic() + 2 * SECONDS
        while not true():
            assert self._process and self._process.poll() is None, f"the hub ended:\n{self.output}"
            assert time.monotonic() < deadline, f"it was never so that {what}:\n{self.output}"
            time.sleep(0.1)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the hub's own API by its administrator; what is there already may be made again."""
        answer = self._http.request(method, f"hub/api/{path}", json=body, headers={"Authorization": f"token {ADMIN}"})
        assert answer.is_success or answer.status_code == 409, answer.text
        return answer.json() if answer.content else None

    def cull_no_more(self) -> None:
        if self._culler:
            self._culler.kill()
            self._culler.wait(10)

    def serves(self, user: str) -> bool:
        """Whether this user has a server, ready or not."""
        return "" in self.api("GET", f"users/{user}")["servers"]

    def runs(self, user: str) -> bool:
        """Whether this user's server is there and ready."""
        return self.api("GET", f"users/{user}")["servers"].get("", {}).get("ready", False)

    def serve(self, *users: str) -> "list[UserClient]":
        """Start the servers of users, and be each of them with a token that the hub gave them."""
        for user in users:
            self.api("POST", f"users/{user}")
            self.api("POST", f"users/{user}/server")
        self.until(lambda: all(map(self.runs, users)), f"the servers of {users} run")
        return [UserClient(self, user, self.api("POST", f"users/{user}/tokens", {})["token"]) for user in users]

    def demand(self) -> None:
        """Have the paced agent give the rest of its answers, quickly."""
        (self.folder / "demanded").touch()

    def _answers(self) -> bool:
        try:
            return self._http.get("hub/api/").is_success
        except httpx2.TransportError:
            return False


class UserClient:
    """Somebody with a token of the hub, at anybody's server."""

    def __init__(self, hub: Hub, name: str, token: str) -> None:
        self.name = name
        self._url = hub.url
        self._headers = {"Authorization": f"token {token}", "Accept": "application/json"}

    def client(self, read: float = SECONDS) -> httpx2.Client:
        """How this user asks; `read` are seconds without anything after which there is no more."""
        timeout = httpx2.Timeout(SECONDS, read=read)
        return httpx2.Client(base_url=self._url, headers=self._headers, timeout=timeout, trust_env=False)

    def __call__(self, method: str, path: str, body: Any = None, *, of: str | None = None) -> httpx2.Response:
        """A call of the chat's API at the server of somebody, one's own by default."""
        with self.client() as client:
            return client.request(method, f"user/{of or self.name}/durable-chat/api/{path}", json=body)

    def ask(self, question: str) -> str:
        """A new session with a question to the paced agent."""
        session = self("POST", "sessions", {"agent": "paced"}).json()["id"]
        assert self("POST", f"sessions/{session}/messages", {"client_id": "c", "text": question}).status_code == 202
        return session


@contextlib.contextmanager
def running_hub(folder: Path, **settings: Any) -> Iterator[Hub]:
    hub = Hub(folder, **settings)
    try:
        hub.start()
        yield hub
    finally:
        hub.close()
