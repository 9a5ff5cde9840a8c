"""The Jupyter Server extension: settings in, routes out, a registry in between.

Starting it never blocks and never fails Jupyter: a store that cannot be opened makes the API answer 503 with the
reason. Its turns count as the server's activity while they do anything, so no culler stops a server that is answering;
its open streams do not, nor does a turn that waits for a person: the next server goes on with it.
"""

import asyncio
import contextlib
import getpass
import importlib
import math
import os
import secrets
import sys
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from jupyter_core.paths import jupyter_data_dir
from jupyter_events import EventLogger
from jupyter_server._tz import utcnow
from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from tornado.ioloop import PeriodicCallback
from traitlets import Bool, Dict, Enum, Float, Int, List, Unicode, default

from jupyter_durable_chat import events as e
from jupyter_durable_chat.admission import Admission
from jupyter_durable_chat.agents.acp import AcpAgent
from jupyter_durable_chat.agents.catalog import Agents, installed, personas
from jupyter_durable_chat.agents.demo import DemoAgent
from jupyter_durable_chat.agents.pydantic_ai import PydanticAgent
from jupyter_durable_chat.attachments import INLINE, Attachments
from jupyter_durable_chat.facts import Fact, Tell, several, silent
from jupyter_durable_chat.lifecycle import Lifecycle
from jupyter_durable_chat.log import Log, LogUnavailable
from jupyter_durable_chat.log.facts import Flushed
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.metrics import shared
from jupyter_durable_chat.notices import Notices
from jupyter_durable_chat.registry import Part, Registry, Retention
from jupyter_durable_chat.rendezvous import TOKEN_VARIABLE, URL_VARIABLE, worker_log_file
from jupyter_durable_chat.runners import Runners
from jupyter_durable_chat.server.api import ROUTES
from jupyter_durable_chat.server.dialects.ai_sdk import AI_SDK
from jupyter_durable_chat.server.dialects.durable_streams import DURABLE_STREAMS
from jupyter_durable_chat.server.following import Following
from jupyter_durable_chat.server.guests import GUESTS, Guests
from jupyter_durable_chat.server.listing import Listing
from jupyter_durable_chat.server.notebooks import Notebooks
from jupyter_durable_chat.server.openapi import OPENAPI
from jupyter_durable_chat.server.page import PAGES, STATIC
from jupyter_durable_chat.server.prompts import prompts
from jupyter_durable_chat.server.stream import Reader, Snapshots
from jupyter_durable_chat.server.workers import Worker
from jupyter_durable_chat.stage import Denial, StepLimits
from jupyter_durable_chat.streams import Streams
from jupyter_durable_chat.tools import Approval
from jupyter_durable_chat.tools.catalog import Tools
from jupyter_durable_chat.traces import Traces
from jupyter_durable_chat.turn import Limits
from jupyter_durable_chat.watching import Watching
from jupyter_durable_chat.worker.pipe import Settings

OPAQUE_TYPES = (
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.apache.parquet",
    "application/zip",
)
"""Attachments that hold data and that only tools can read."""

COLLABORATION = "jupyter_server_ydoc"
"""The server extension of jupyter-collaboration."""

ACTIVITY_SECONDS = 1.0
"""How often a server that answers is marked as active."""

LOOPBACK = ("", "*", "0.0.0.0", "::", "localhost", "127.0.0.1")


class DurableChat(ExtensionApp):
    """Chat from a notebook cell whose answer outlives the kernel, the page, the notebook and the server."""

    name = "durable_chat"
    load_other_extensions = True
    named_by_others: bool | None = None
    """In a worker: whether the identity provider of its servers names people."""

    store = Unicode(
        config=True,
        help="What keeps all sessions: a file, or a PostgreSQL database as 'postgresql://USER@HOST/DATABASE', which "
        "servers on many machines may share (docs/postgresql.md). Default: durable-chat/log.sqlite3 in Jupyter's data "
        "folder.",
    )
    store_seconds = Float(
        30.0,
        config=True,
        help="For how long what is to be stored or read waits for a PostgreSQL that is away; then the answer fails.",
    )
    turns = Enum(
        ("server", "worker", "elsewhere"),
        "server",
        config=True,
        help="Where answers are made: in this server ('server'), in a process that it starts and that outlives it "
        "('worker'), or in processes that somebody else starts with 'jupyter durable-chat worker', on this machine or, "
        "with PostgreSQL, on any ('elsewhere'; docs/workers.md).",
    )
    owner = Unicode(
        config=True,
        help="Whose conversations these are, where Jupyter makes up names for browsers. Servers and workers on one "
        "store need the same. Default: the hub's user, else the account that the server runs under. On a hub, in "
        "PostgreSQL, the hub's user counts, whatever this says.",
    )
    model = Unicode(
        "",
        config=True,
        help="The model that answers when neither session nor message names one, as pydantic-ai names it "
        "('openai:gpt-5', 'anthropic:claude-sonnet-4-5', 'ollama:llama3.2'). Empty: the offline demo agent answers.",
    )
    titles = Bool(
        True,
        config=True,
        help="Ask the model for a title after a conversation's first answer, with the beginning of what was said: one "
        "short request more. Without, the title is from the first question.",
    )
    instructions = Unicode(
        "You are a helpful assistant in a Jupyter notebook. Answer in Markdown.",
        config=True,
        help="What the assistant is told before every conversation. It never leaves the server.",
    )
    agent = Unicode(
        "",
        config=True,
        help="The agent that answers when neither session nor message names one. Empty: 'assistant' with a model, else "
        "'demo'.",
    )
    agents = List(
        Unicode(),
        config=True,
        help="More agents, each as 'package.module:object': a jupyter_durable_chat.agents.Agent, a pydantic_ai.Agent, "
        "or what makes one. Packages can also name them as entry points of the group 'jupyter_durable_chat.agents'.",
    )
    personas = Dict(
        config=True,
        help="More agents by name: {'tutor': {'description': '...', 'instructions': '...', 'model': '...', "
        "'models': [], 'tools': ['names'], 'effort': 'low', 'efforts': ['low', 'high'], 'options': {'temperature': "
        "0}}}. What one does not say is as for 'assistant'. Instructions never leave the server.",
    )
    prompts = Dict(
        config=True,
        help="Texts that people begin a message with, by name: a text, or {'text': '...', 'description': '...'}. They "
        "are offered behind '/' in the input; what has a name in braces ('Explain {topic}') is filled in there.",
    )
    acp_agents = Dict(
        config=True,
        help="Agents that speak ACP, by name: {'claude': {'command': 'claude-code-acp', 'args': [], 'env': {}, "
        "'cwd': '.', 'description': '', 'allow_writes': False}}. Each session that asks one has a process of its own.",
    )
    tools = List(
        Unicode(),
        config=True,
        help="Tools that run in this server, each as 'package.module:function': a function, a "
        "jupyter_durable_chat.tools.Tool, or a list of them. Packages can also name them as entry points of the group "
        "'jupyter_durable_chat.tools'.",
    )
    mcp_servers = Dict(
        config=True,
        help="MCP servers by name: {'command': '...', 'args': [], 'env': {}, 'cwd': None} or {'url': 'https://...', "
        "'headers': {}}, and for each 'approval' ('always'), 'prefix' (True: its tools are named NAME_tool), 'tools' "
        "(only these), 'timeout'.",
    )
    approvals = Dict(
        value_trait=Enum(("never", "always", "once")),
        key_trait=Unicode(),
        config=True,
        help="When a person is asked before a tool is run, by its name, whatever it says itself: 'never', 'always', or "
        "'once' for each session.",
    )
    api_keys = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="API keys by provider, for example {'openai': '...'}. Without one, the provider's environment variable is "
        "used. Keys never leave the server.",
    )
    base_urls = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        config=True,
        help="Addresses by provider: {'openai-chat': 'http://127.0.0.1:8000/v1'} for a vLLM or llama.cpp server.",
    )
    demo_tokens_per_second = Float(40.0, config=True, help="How fast the demo agent answers, in tokens per second.")
    max_message_bytes = Int(
        1 << 20, config=True, help="Size limit of a request's body in bytes; more is refused with 413."
    )
    max_import_bytes = Int(
        100 << 20,
        config=True,
        help="Size limit of an imported file in bytes, the attachments in it included; more is refused with 413.",
    )
    attachments_folder = Unicode(
        config=True,
        help="The folder of the files in messages and results. Default: the store's name and '.attachments'; with "
        "PostgreSQL, durable-chat/attachments in Jupyter's data folder.",
    )
    max_attachment_bytes = Int(
        20 << 20, config=True, help="Size limit of an attached file in bytes; more is refused with 413."
    )
    attachment_types = List(
        Unicode(),
        [*INLINE, "application/pdf", "text/*", "application/json", "application/x-ipynb+json", *OPAQUE_TYPES],
        config=True,
        help="Media types that may be attached, as 'application/pdf' or 'image/*'; others are refused with 415. Empty: "
        "every one. (Whatever it is, pages show only pictures, and give the rest to be saved.)",
    )
    standalone_idle_seconds = Float(
        3600.0,
        config=True,
        help="After how long without an answer that runs, a reader or a request the server ends that a kernel has "
        "started because no Jupyter server did start that kernel (marimo, VS Code, a plain Python).",
    )
    allow_sharing = Bool(
        True,
        config=True,
        help="Whether people may make links by which anybody who can reach this server reads one conversation, without "
        "a login. False: none can be made, and those there are open nothing.",
    )
    max_guests = Int(
        100, config=True, help="How many readers may follow conversations at once by such links; more get 429."
    )
    long_poll_seconds = Float(
        20.0,
        config=True,
        help="The longest that a JSON page of events, or a long poll of Durable Streams, waits for what comes next.",
    )
    keep_alive_seconds = Float(
        15.0, config=True, help="Seconds of silence after which an event stream sends a comment."
    )
    first_token_seconds = Float(
        300.0, config=True, help="How long a model may take to begin its answer; then the answer fails. 0: for ever."
    )
    inactivity_seconds = Float(
        300.0, config=True, help="How long a model may be silent in an answer; then the answer fails. 0: for ever."
    )
    total_seconds = Float(
        0.0, config=True, help="How long a whole answer may take; then it fails, with its text kept. 0: for ever."
    )
    events_per_second = Float(
        200.0,
        config=True,
        help="How many events one answer may add per second; a faster agent has to wait. 0: no limit. (Pieces of text "
        "that come close together share one event, so this is no limit for text.)",
    )
    max_session_bytes = Int(
        64 << 20,
        config=True,
        help="Size limit of one session's log in bytes: an answer that reaches it fails with its text kept, and new "
        "messages are refused with 413. 0: no limit.",
    )
    max_steps = Int(10, config=True, help="How often an answer may ask its model, with tools in between.")
    tool_seconds = Float(
        300.0, config=True, help="How long a call of a tool of this server may take, unless it says. 0: for ever."
    )
    tool_output_bytes = Int(
        64 << 10, config=True, help="Size limit of a tool's result in bytes, its files not counted; more is cut."
    )
    approval_seconds = Float(
        0.0, config=True, help="Seconds after which a call that nobody has approved is denied. 0: it waits for ever."
    )
    on_denial = Enum(
        ("error", "disable", "stop"),
        "error",
        config=True,
        help="What a denied call does beside telling the model: nothing ('error'), no more of that tool in the answer "
        "('disable'), or an end to the answer ('stop').",
    )
    session_tokens = Int(
        0,
        config=True,
        help="How many tokens a session may use; then its answer stops, with its text kept. 0: no limit.",
    )
    session_cost_usd = Float(0.0, config=True, help="The same in US dollars, as far as prices are known. 0: no limit.")
    max_turns = Int(0, config=True, help="How many answers may run at once on this server; more get 503. 0: no limit.")
    max_turns_per_user = Int(
        0, config=True, help="How many answers of one user may run at once on this server; more get 503. 0: no limit."
    )
    max_messages_per_minute = Int(
        600, config=True, help="How many messages a user may send in a minute; more get 429. 0: no limit."
    )
    compact_after_days = Float(
        30.0,
        config=True,
        help="Days after which the events of an unused session are replaced by what they amount to: everything said is "
        "kept, but no longer how it came piece by piece, and a fork can only be made of the whole. 0: never.",
    )
    compact_after_events = Int(
        100_000, config=True, help="The same for a session in use, each time that it has so many more events. 0: never."
    )
    delete_after_days = Float(0.0, config=True, help="Days after which an unused session is deleted. 0: never.")
    max_sessions = Int(
        0, config=True, help="How many sessions are kept; the longest unused of more are deleted. 0: no limit."
    )
    stalled_seconds = Float(
        600.0,
        config=True,
        help="Seconds after which a reader that takes nothing is disconnected; it may come back. 0: never.",
    )
    lease_seconds = Float(
        8.0,
        config=True,
        help="How long a turn's lease lasts without renewal: after that, another server or worker on the store goes "
        "on with the turn or closes it as interrupted. (A writer on the same machine whose process has ended is not "
        "waited for.)",
    )

    @default("store")
    def _default_store(self) -> str:
        return str(Path(jupyter_data_dir()) / "durable-chat" / "log.sqlite3")

    @default("owner")
    def _default_owner(self) -> str:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()

    @default("attachments_folder")
    def _default_attachments_folder(self) -> str:
        if self.in_postgres:
            return str(Path(jupyter_data_dir()) / "durable-chat" / "attachments")
        return f"{self.store}.attachments"

    @default("static_paths")
    def _default_static_paths(self) -> list[str]:
        return [str(STATIC)]

    def initialize_settings(self) -> None:
        self.kernel_token = secrets.token_urlsafe(32)
        lifecycle = Lifecycle(cast(EventLogger, self.server.event_logger), self.server.io_loop.add_callback)
        self.counting = several(shared(), lifecycle)
        """Who hears of what a worker of this server does, too: it has traces of its own."""
        self.tell = several(self.counting, Traces())
        self.streams: set[Reader] = set()
        self.snapshots = Snapshots()
        self.following: Following[Any] = Following()
        self._durable_streams: Streams | None = None
        self.guests = Guests(readers=self.max_guests)
        self.prompts_at_hand = prompts(self.prompts)
        self.furnish("both" if self.turns == "server" else "server", self.tell)
        self._noting = PeriodicCallback(self._note_activity, ACTIVITY_SECONDS * 1000)
        self.kernel_user = User(username=self.owner)
        self.listing = Listing(self.registry.heads)
        self.notebooks = Notebooks(self.server.contents_manager, self.registry, self.root, self.ready)

    def furnish(self, part: Part, tell: Tell) -> Registry:
        """Make what turns need, as the settings say: in a server, or in a worker, which has no server around it."""
        self.attachments = Attachments(self.attachments_path, max_bytes=self.max_attachment_bytes)
        self.runners = Runners()
        self.watching = Watching()
        self.tools_at_hand = Tools(self.tools, self.mcp_servers, cast(dict[str, Approval], self.approvals))
        self._opening: asyncio.Future[Registry] | None = None
        self._worker: Worker | None = None
        self.registry = Registry(
            partial(self.open_log, tell=tell),
            self._agents(),
            lease_seconds=self.lease_seconds,
            limits=Limits(
                first_token=self.first_token_seconds or math.inf,
                inactivity=self.inactivity_seconds or math.inf,
                total=self.total_seconds or math.inf,
                events_per_second=self.events_per_second or math.inf,
                session_bytes=self.max_session_bytes or math.inf,
            ),
            retention=Retention(
                compact_after_days=self.compact_after_days,
                compact_after_events=self.compact_after_events,
                delete_after_days=self.delete_after_days,
                sessions=self.max_sessions,
            ),
            admission=Admission(
                turns=self.max_turns,
                turns_per_user=self.max_turns_per_user,
                messages_per_minute=self.max_messages_per_minute,
            ),
            tools=self.tools_at_hand,
            steps=StepLimits(
                steps=self.max_steps,
                tool_seconds=self.tool_seconds,
                output_bytes=self.tool_output_bytes,
                approval_seconds=self.approval_seconds,
                denial=cast(Denial, self.on_denial),
            ),
            budget=e.Budget(self.session_tokens, self.session_cost_usd),
            runners=self.runners,
            titles=self.titles,
            attachments=self.attachments,
            notices=Notices(self.watching, self.person),
            part=part,
            owner=self.owner,
            on_offer=self._nudge,
            tell=tell,
        )
        return self.registry

    def initialize_handlers(self) -> None:
        self.handlers.extend([*PAGES, *GUESTS, *AI_SDK, *DURABLE_STREAMS, *OPENAPI, *ROUTES])

    @property
    def server(self) -> ServerApp:
        assert self.serverapp is not None
        return self.serverapp

    def person(self, username: str) -> str:
        """Whom a user's name stands for.

        Jupyter's own identity providers make up a name for each browser that has the token, or the password: they are
        all the same person, and so are the kernels.
        """
        return username if self.names_people else self.owner

    @property
    def names_people(self) -> bool:
        """Whether a user's name is a person's, and not one that was made up for a browser."""
        if self.named_by_others is not None:
            return self.named_by_others
        return type(self.server.identity_provider).get_user is not IdentityProvider.get_user

    @property
    def tells_apart(self) -> bool:
        """Whether several people may be at work here.

        Made-up names say so where people work together in Jupyter: its collaboration shows them by these names, too.
        """
        extension = self.server.extension_manager.extensions.get(COLLABORATION)
        return self.names_people or (extension is not None and extension.enabled)

    @property
    def root(self) -> str:
        """The folder that notebook paths are relative to."""
        return self.server.root_dir

    @property
    def durable_streams(self) -> Streams:
        """Raises `LogUnavailable`."""
        if self._durable_streams is None:
            self._durable_streams = Streams(self.registry.log, max_bytes=self.max_session_bytes or math.inf)
        return self._durable_streams

    async def ready(self) -> None:
        """Return once the registry has been started; whoever comes first starts it."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self.open())
            self._noting.start()
        await asyncio.shield(self._opening)

    @property
    def attachments_path(self) -> Path:
        """The folder, which is the same one for the server and for a command in a shell."""
        return Path(os.path.abspath(os.path.expanduser(self.attachments_folder)))

    @property
    def in_postgres(self) -> bool:
        return self.store.startswith(("postgresql://", "postgres://"))

    def open_log(self, *, read_only: bool = False, tell: Tell = silent) -> Log:
        """The log that the settings name, to be entered; `read_only` makes nothing where there is none."""
        if not self.in_postgres:
            return SqliteLog(self.store, read_only=read_only, tell=tell)
        try:
            from jupyter_durable_chat.log.postgres import PostgresLog
        except ImportError as error:
            raise LogUnavailable(
                f"A store in PostgreSQL needs a package that is not here ({error.name}). Install it: "
                "pip install 'jupyter-durable-chat[postgres]'"
            ) from None
        owner = os.environ.get("JUPYTERHUB_USER")
        return PostgresLog(self.store, owner=owner, patience=self.store_seconds, read_only=read_only, tell=tell)

    async def open(self) -> Registry:
        """Start the registry. Once; servers do it by `ready`."""
        if self.in_postgres:
            # The driver takes its time, and Jupyter's event loop has none.
            with contextlib.suppress(ImportError):
                await asyncio.to_thread(importlib.import_module, "asyncpg")
        return await self.registry.__aenter__()

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        os.environ[URL_VARIABLE] = self.address()
        os.environ[TOKEN_VARIABLE] = self.kernel_token
        await self.ready()
        if self.turns == "worker":
            self._worker = Worker(self._as_settings(), worker_log_file(), several(self.counting, self._hear))
            self._worker.start()

    def _hear(self, fact: Fact) -> None:
        """What its worker has stored is in the store of this server."""
        if isinstance(fact, Flushed):
            self.server.io_loop.add_callback(self.registry.nudge)

    def _nudge(self) -> None:
        if self._worker:
            self._worker.nudge()

    def _as_settings(self) -> Settings:
        """What a worker of this server must know."""
        mine = {name: trait for name, trait in self.traits(config=True).items() if trait.this_class is DurableChat}
        traits = {name: getattr(self, name) for name in mine if name != "turns"}
        return Settings(traits, self.names_people, sys.path)

    async def stop_extension(self) -> None:
        self.notebooks.close()
        if self._worker:
            self._worker.leave()
        for stream in list(self.streams):
            stream.end_stream()
        if self._opening is not None:
            self._noting.stop()
            # Also of an opening that failed, everything that was begun is ended.
            await asyncio.wait({self._opening})
            if self._durable_streams is not None:
                await self._durable_streams.aclose()
            await self.registry.__aexit__(None, None, None)
        await asyncio.gather(self.registry.agents.aclose(), self.tools_at_hand.aclose())

    def current_activity(self) -> dict[str, int] | None:  # type: ignore[override]
        """Jupyter asks this before it shuts an idle server down. A turn that waits for a person goes on after that."""
        return {"turns": self.registry.working} if self.registry.working else None

    def _note_activity(self) -> None:
        """Again and again, whatever the store does: a slow disk makes no server idle."""
        if self.registry.working:
            self.server.web_app.settings["last_activity_times"]["durable_chat"] = utcnow()

    def address(self) -> str:
        """Where kernels on this machine find us."""
        parts = urlsplit(self.server.connection_url)
        host = "127.0.0.1" if self.server.ip in LOOPBACK else self.server.ip
        netloc = (
            parts.netloc
            if self.server.sock
            else f"[{host}]:{self.server.port}"
            if ":" in host
            else f"{host}:{self.server.port}"
        )
        return f"{parts.scheme}://{netloc}{self.server.base_url}durable-chat/"

    def _agents(self) -> Agents:
        demo = DemoAgent(tokens_per_second=self.demo_tokens_per_second)
        assistant = PydanticAgent(
            instructions=self.instructions,
            default_model=self.model or None,
            api_keys=dict(self.api_keys),
            base_urls=dict(self.base_urls),
        )
        named = personas(
            self.personas,
            instructions=self.instructions,
            model=self.model or None,
            api_keys=dict(self.api_keys),
            base_urls=dict(self.base_urls),
        )
        acp = [AcpAgent.configured(name, config) for name, config in self.acp_agents.items()]
        everybody = [demo, assistant, *installed(), *self.agents, *named, *acp]
        return Agents(everybody, default=self.agent or (assistant.name if self.model else demo.name))
