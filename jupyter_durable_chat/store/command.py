"""`jupyter durable-chat`: what one does to a store from a shell.

It reads the configuration that the server reads, so the store is named once. Whatever is wrong is said in a line, and
the command ends with 1.
"""

import asyncio
import contextlib
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from jupyter_core.application import JupyterApp
from traitlets.config.application import Application
from traitlets.config.loader import ConfigFileNotFound

from jupyter_durable_chat import __version__
from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.log import LogUnavailable
from jupyter_durable_chat.log.opening import damage, located
from jupyter_durable_chat.server.extension import DurableChat
from jupyter_durable_chat.store.check import Check, Finding

SHOWN = 1000
"""Findings that are printed; of a store that is lost, the first ones say so."""


class Failed(Exception):
    """What is wrong, and the next step, for the person at the shell."""


class StoreCommand(JupyterApp):
    """A command on the store of `c.DurableChat`."""

    version = __version__
    classes = [DurableChat]  # noqa: RUF012
    aliases = {  # noqa: RUF012
        "config": "JupyterApp.config_file",
        "log-level": "Application.log_level",
        "store": "DurableChat.store",
    }
    flags = {}  # noqa: RUF012

    def _config_file_name_default(self) -> str:
        return "jupyter_server_config"

    def load_config_file(self, suppress_errors: bool = True) -> None:  # type: ignore[override]
        super().load_config_file(suppress_errors)
        # The file of the extension alone, which the server reads, too.
        with contextlib.suppress(ConfigFileNotFound):
            Application.load_config_file(self, "jupyter_durable_chat_config", path=self.config_file_paths)

    def start(self) -> None:
        super().start()
        try:
            ended = asyncio.run(self.run(DurableChat(config=self.config)))
        except (Failed, LogUnavailable) as error:
            print(error, file=sys.stderr)
            ended = 1
        self.exit(ended)

    def run(self, chat: DurableChat) -> Coroutine[Any, Any, int]:
        """Do it; the exit status."""
        raise NotImplementedError


class CheckCommand(StoreCommand):
    name = "jupyter-durable-chat-check"
    description = """Prove a store: what is wrong with it is said line by line, with the session and the LSN.

    Nothing is changed, and servers may use the store meanwhile. Ends with 0 when nothing is wrong, else with 1.
    """
    examples = "jupyter durable-chat check\njupyter durable-chat check --store=/backup/log.sqlite3"

    async def run(self, chat: DurableChat) -> int:
        if self.extra_args:
            raise Failed("check takes no file; name another store with --store=FILE.")
        wrong = 0

        def say(finding: Finding) -> None:
            nonlocal wrong
            wrong += 1
            if wrong <= SHOWN:
                print(printable(str(finding)))

        if not chat.in_postgres:
            for text in await asyncio.to_thread(damage, located(Path(chat.store))):
                say(Finding("", None, f"SQLite finds damage: {text}"))
        async with chat.open_log(read_only=True) as log:
            check = Check(log, Attachments(Path(chat.attachments_folder), max_bytes=0))
            async for finding in check.findings():
                say(finding)
        if wrong > SHOWN:
            print(f"… and {wrong - SHOWN} more")
        looked = ", ".join(
            f"{check.counts[kind]} {kind}" for kind in ("sessions", "inboxes", "events", "snapshots", "files")
        )
        print(f"Looked at {looked}: {counted(wrong, 'finding') if wrong else 'nothing is wrong'}.")
        return 1 if wrong else 0


class DurableChatCommand(JupyterApp):
    name = "jupyter-durable-chat"
    version = __version__
    description = "What one does to the store of conversations from a shell."
    subcommands = {  # noqa: RUF012
        "check": (CheckCommand, "prove the store, and say what is wrong with it"),
    }
    aliases = {}  # noqa: RUF012
    flags = {}  # noqa: RUF012

    def start(self) -> None:
        super().start()
        self.print_help()
        self.exit(2)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """In one line, without what would steer a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def main() -> None:
    DurableChatCommand.launch_instance()
