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
from jupyter_durable_chat.store.archive import Manifest, Refused
from jupyter_durable_chat.store.backup import back_up, go_back, is_kept, restore
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
        except (Failed, Refused, LogUnavailable) as error:
            print(printable(str(error)), file=sys.stderr)
            ended = 1
        except OSError as error:
            print(f"{printable(str(error.filename or self.name))}: {error.strerror}", file=sys.stderr)
            ended = 1
        self.exit(ended)

    def file(self, command: str, chat: DurableChat) -> Path:
        """The one file that the command takes."""
        if chat.in_postgres:
            raise Failed(
                f"{command} is for stores in a file. This one is in PostgreSQL: use pg_dump and pg_restore "
                f"(docs/postgresql.md), and copy the folder of the attachments, {chat.attachments_folder}."
            )
        if len(self.extra_args) != 1:
            raise Failed(f"Name one file: jupyter durable-chat {command} FILE")
        return located(Path(self.extra_args[0]))

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
            check = Check(log, Attachments(chat.attachments_path, max_bytes=0))
            async for finding in check.findings():
                say(finding)
        if wrong > SHOWN:
            print(f"… and {wrong - SHOWN} more")
        kinds = ("sessions", "inboxes", "streams", "events", "snapshots", "files")
        looked = ", ".join(f"{check.counts[kind]} {kind}" for kind in kinds)
        print(f"Looked at {looked}: {counted(wrong, 'finding') if wrong else 'nothing is wrong'}.")
        return 1 if wrong else 0


class BackupCommand(StoreCommand):
    name = "jupyter-durable-chat-backup"
    description = """Save a store, with its files, as the new file FILE, which only its owner may read.

    Servers may use the store meanwhile; what is saved is the store at one moment.
    """
    examples = "jupyter durable-chat backup /backup/chat-monday.zip"

    async def run(self, chat: DurableChat) -> int:
        target = self.file("backup", chat)
        left_out: list[str] = []
        made = await back_up(located(Path(chat.store)), chat.attachments_path, target, left_out.append)
        for text in left_out:
            print(printable(text), file=sys.stderr)
        print(f"{target} has {contents(made)}.")
        return 1 if left_out else 0


class RestoreCommand(StoreCommand):
    name = "jupyter-durable-chat-restore"
    description = """Make a store from FILE, which `jupyter durable-chat backup` has made, or an upgrade.

    Nothing is overwritten: where there is a store already, move it away first, or name another place with --store.
    """
    examples = "jupyter durable-chat restore /backup/chat-monday.zip"

    async def run(self, chat: DurableChat) -> int:
        source, store = self.file("restore", chat), located(Path(chat.store))
        if source.is_file() and is_kept(source):
            streams, records = await asyncio.to_thread(go_back, source, store)
            print(f"{store} is what it was before it was brought up to date: {of_both(streams, records)}.")
            return 0
        made = await restore(source, store, chat.attachments_path)
        print(f"{store} has {contents(made)}, as of {made.made_at}.")
        return 0


class DurableChatCommand(JupyterApp):
    name = "jupyter-durable-chat"
    version = __version__
    description = "What one does with the store of conversations from a shell."
    subcommands = {  # noqa: RUF012
        "check": (CheckCommand, "prove the store, and say what is wrong with it"),
        "backup": (BackupCommand, "save the store, with its files, as one file"),
        "restore": (RestoreCommand, "make a store from such a file"),
        "worker": ("jupyter_durable_chat.worker.command.WorkerCommand", "run the answers of servers elsewhere"),
    }
    aliases = {}  # noqa: RUF012
    flags = {}  # noqa: RUF012

    def start(self) -> None:
        super().start()
        self.print_help()
        self.exit(2)


def counted(number: int, noun: str, several: str = "") -> str:
    return f"{number} {noun if number == 1 else several or f'{noun}s'}"


def contents(manifest: Manifest) -> str:
    counts = manifest.counts
    return f"{of_both(counts['streams'], counts['records'])}, {counted(len(manifest.files), 'file')}"


def of_both(streams: int, records: int) -> str:
    kinds = counted(streams, "conversation, inbox or stream", "conversations, inboxes and streams")
    return f"{kinds}, {counted(records, 'event')}"


def printable(text: str) -> str:
    """In one line, without what would steer a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def main() -> None:
    DurableChatCommand.launch_instance()
