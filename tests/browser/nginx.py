"""A real nginx between a browser and a server: Debian's package with its defaults, but for what a test changes."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.browser.jupyter import free_port

CONFIG = """
daemon off;
pid {folder}/nginx.pid;
worker_shutdown_timeout 1s;
error_log stderr;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  gzip on;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{target};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      include {folder}/more.conf;
    }}
  }}
}}
"""


class Nginx:
    """Hands everything on to `target`. `more` are directives of its location."""

    def __init__(self, folder: Path, target: int, more: str) -> None:
        program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if program is None:
            pytest.fail("No nginx on this machine. Run scripts/install-nginx, then try again.", pytrace=False)
        self.port = free_port()
        self._folder = folder
        self._config = folder / "nginx.conf"
        self._program = program
        folder.mkdir()
        self._config.write_text(CONFIG.format(folder=folder, port=self.port, target=target))
        self._write(more)
        self._process = subprocess.Popen([program, "-p", str(folder), "-c", str(self._config)])
        self._until_it_answers()

    def become(self, more: str) -> None:
        """From now on do it in this way; what is under way has a second to end as it began, and is cut."""
        self._write(more)
        subprocess.run([self._program, "-p", str(self._folder), "-c", str(self._config), "-s", "reload"], check=True)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    @property
    def asked(self) -> list[str]:
        """The requests for events that are over, the oldest first."""
        lines = (self._folder / "access.log").read_text().splitlines()
        return [line for line in lines if "/durable-chat/api/events?" in line]

    def _write(self, more: str) -> None:
        (self._folder / "more.conf").write_text(more)

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self._process.poll() is None, "nginx ended"
            with contextlib.suppress(httpx2.TransportError):
                httpx2.get(f"http://127.0.0.1:{self.port}/", trust_env=False)
                return
            time.sleep(0.05)
        raise AssertionError("nginx does not answer")


@contextlib.contextmanager
def nginx_to(folder: Path, target: int, more: str = "") -> Iterator[Nginx]:
    nginx = Nginx(folder, target, more)
    try:
        yield nginx
    finally:
        nginx.close()
