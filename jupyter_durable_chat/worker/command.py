"""`jupyter durable-chat worker`: runs the turns of servers that have them run elsewhere, on this machine or another."""

import asyncio
import os

from jupyter_events import EventLogger
from jupyter_server.auth.identity import IdentityProvider
from traitlets import Int
from traitlets.config import Config
from traitlets.utils.importstring import import_item

from jupyter_durable_chat.facts import several
from jupyter_durable_chat.lifecycle import Lifecycle
from jupyter_durable_chat.metrics import serve_metrics, shared
from jupyter_durable_chat.server.extension import DurableChat
from jupyter_durable_chat.store.command import Failed, StoreCommand
from jupyter_durable_chat.traces import Traces
from jupyter_durable_chat.worker.serve import begin_log, serve


class WorkerCommand(StoreCommand):
    name = "jupyter-durable-chat-worker"
    description = """Run answers for servers with c.DurableChat.turns = 'elsewhere', until it is interrupted.

    It needs the store, the agents and the keys of these servers, so give it their configuration. Any number may run.
    """
    examples = "jupyter durable-chat worker\njupyter durable-chat worker --store=postgresql://chat@db/chat"
    classes = [DurableChat, EventLogger]  # noqa: RUF012
    aliases = StoreCommand.aliases | {"metrics-port": "WorkerCommand.metrics_port"}

    metrics_port = Int(
        0, config=True, help="The port, on this machine only, at which Prometheus finds this worker. 0: none."
    )

    async def run(self, chat: DurableChat) -> int:
        if self.extra_args:
            raise Failed("worker takes no file; name another store with --store=…")
        begin_log(self.log_level)
        if self.metrics_port:
            serve_metrics(self.metrics_port)
        chat.named_by_others = names_people(self.config)
        loop = asyncio.get_running_loop()
        lifecycle = Lifecycle(EventLogger(config=self.config), loop.call_soon_threadsafe)
        await serve(chat, several(shared(), lifecycle, Traces()))
        return 0


def names_people(config: Config) -> bool:
    """Whether servers of this configuration know people by name, as `DurableChat.names_people` has it; a hub's do."""
    given = config.ServerApp.get("identity_provider_class")
    if given is None:
        return "JUPYTERHUB_USER" in os.environ
    provider = import_item(given) if isinstance(given, str) else given
    return provider.get_user is not IdentityProvider.get_user
