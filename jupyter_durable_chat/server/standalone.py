"""`python -m jupyter_durable_chat.server.standalone`: the extension in a server of its own, where there is no Jupyter.

It serves the routes of a chat on a port of this machine, to whoever has the token of `rendezvous.py`, and nothing else
of Jupyter: no files, no kernels, no pages. Kernels start it and it outlives them. It ends when nothing has run, and
nobody has followed anything or asked for anything, for `c.DurableChat.standalone_idle_seconds`.

Settings are those of Jupyter's server (`jupyter_server_config.py`), as far as they are `c.DurableChat`'s.
"""

import os
import socket
from typing import Any

from jupyter_server._tz import utcnow
from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.serverapp import ServerApp
from traitlets import default
from traitlets.config import Config

from jupyter_durable_chat import __version__, rendezvous
from jupyter_durable_chat.server.extension import DurableChat

LOOK_SECONDS = 30.0
"""How often it looks whether it is idle, at least."""

OURS = {
    "ip": "127.0.0.1",
    "port_retries": 0,
    "sock": "",
    "base_url": "/",
    "certfile": "",
    "keyfile": "",
    "client_ca": "",
    "open_browser": False,
    "allow_root": True,
    "allow_remote_access": False,
    "allow_origin": "",
    "allow_origin_pat": "",
    "root_dir": os.path.abspath(os.sep),
    "jpserver_extensions": {"jupyter_durable_chat": True},
    "identity_provider_class": "jupyter_durable_chat.server.standalone.Nobody",
    "contents_manager_class": "jupyter_server.services.contents.largefilemanager.AsyncLargeFileManager",
    "authorizer_class": "jupyter_server.auth.authorizer.AllowAllAuthorizer",
    "shutdown_no_activity_timeout": 0,
    "log_level": "WARN",
}
"""What no configuration changes: it is for this user's kernels on this machine."""


class Nobody(IdentityProvider):
    """Only the kernels' token opens anything."""

    @default("token")
    def _no_token(self) -> str:
        return ""

    def get_user(self, handler: Any) -> User | None:
        return None


class Standalone(ServerApp):
    """A Jupyter server without Jupyter."""

    name = "jupyter-server"
    default_services = ()

    def load_config_file(self, suppress_errors: bool = True) -> None:
        super().load_config_file(suppress_errors)
        self.update_config(Config({"ServerApp": {**OURS, "port": free_port()}}))

    def write_server_info_file(self) -> None:
        """It is no server that Jupyter lists."""

    def remove_server_info_file(self) -> None:
        """There is none."""

    def write_browser_open_files(self) -> None:
        """Nobody opens it in a browser."""


def free_port() -> int:
    """One that nobody has. Of port 0, Jupyter's server says which one it became only from 2.20 on."""
    with socket.socket() as probe:
        probe.bind((OURS["ip"], 0))
        return probe.getsockname()[1]


async def serve(app: Standalone, chat: DurableChat) -> None:
    """Say where it is, now that it can be asked, and end it when it has been idle for long enough."""
    await chat.ready()
    rendezvous.publish(chat.address(), chat.kernel_token, version=__version__)
    look(app, chat)


def look(app: Standalone, chat: DurableChat) -> None:
    """End it if it is idle, else look again."""
    if is_idle(app, chat):
        rendezvous.withdraw()
        app.stop()
    else:
        app.io_loop.call_later(min(LOOK_SECONDS, chat.standalone_idle_seconds / 4), look, app, chat)


def is_idle(app: Standalone, chat: DurableChat) -> bool:
    """Nothing runs, nobody follows anything, and the last request was long ago."""
    quiet = (utcnow() - app.web_app.last_activity()).total_seconds()
    return not (chat.registry.turns or chat.streams) and quiet >= chat.standalone_idle_seconds


def main() -> None:
    """The process. Returns at once when there is such a server already."""
    with rendezvous.only_one() as alone:
        if alone:
            app = Standalone.instance()
            app.initialize(argv=[], find_extensions=False)
            app.io_loop.add_callback(serve, app, app.web_app.settings["durable_chat"])
            app.start()


if __name__ == "__main__":
    main()
