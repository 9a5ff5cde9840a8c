"""A connection to PostgreSQL that comes back.

Whatever is asked is asked again on a new connection when the old one is lost, until the time of whoever asks is over;
so it must be something that may be asked twice. A server that does not answer is one that is gone: after
`ANSWER_SECONDS` the connection is replaced. What a DSN says, its password above all, is in no error and in no log line.
"""

import asyncio
import contextlib
import math
import random
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from jupyter_durable_chat.log import LogError, LogUnavailable

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
CLOSE_SECONDS = 2.0

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0

Connection = asyncpg.Connection
T = TypeVar("T")

PASSING = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is about to be promoted, or the old primary
)
"""What may be over a moment later."""

HARMLESS = (
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""What leaves a connection as good as before."""

LASTING = (ValueError, asyncpg.UnsupportedClientFeatureError)
"""What no new connection mends, although it is of a kind above: a DSN, or a value, that makes no sense."""

SETTINGS = """
    SELECT set_config('search_path', $1, false), set_config('jit', 'off', false),
        -- What we no longer wait for need not go on there either.
        set_config('statement_timeout', $2, false)"""

REACH = "See that PostgreSQL runs, and that this machine reaches it."

NEXT_STEPS: dict[str, str] = {
    "08": REACH,
    "28": "See the user and the password of the DSN.",
    "3D": "Create the database, or name another one in the DSN.",
    "42501": "Give the role of the DSN the rights that docs/postgresql.md lists.",
    "53100": "Free some space on the disk of PostgreSQL.",
    "53300": "Let PostgreSQL take more connections, or fewer programs use it.",
    "25006": "It only reads: name the primary server in the DSN.",
}
"""By SQLSTATE, or its first two characters."""


HOST = r"(?:\[[\w:.]+\]|[\w.-]+)(?::\d+)?"


def place(dsn: str) -> str:
    """What a person may see of a DSN: host and database, if it is written as one should be, else nothing."""
    found = re.fullmatch(rf"postgres(?:ql)?://(?:[^@/?#]*@)?({HOST}(?:,{HOST})*)/([\w-]*)(?:\?[^#@]*)?", dsn)
    return f" {found[2]} at {found[1]}" if found and found[1] and found[2] else ""


def unavailable(store: str, error: BaseException, kind: type[LogUnavailable] = LogUnavailable) -> LogUnavailable:
    """What to tell a person about a store that failed: its name, the reason, the next step."""
    match error:
        case asyncpg.PostgresError():
            # Neither details nor hints: they quote what was to be stored.
            code = getattr(error, "sqlstate", None) or ""
            reason = (getattr(error, "message", None) or type(error).__name__).rstrip(".")
            step = NEXT_STEPS.get(code) or NEXT_STEPS.get(code[:2]) or ""
        case TimeoutError():
            reason, step = "it does not answer", REACH
        case OSError():
            reason, step = error.strerror or type(error).__name__, REACH
            # asyncio joins what several addresses said, each with the address: that is the DSN's to know.
            reason = "it cannot be reached" if "Connect call failed" in reason or "Multiple" in reason else reason
        case asyncpg.ClientConfigurationError() | ValueError():
            reason = "its address is not one that can be used"
            step = "It is written postgresql://USER@HOST/DATABASE, with special characters in percent encoding."
        case _:
            reason, step = "the connection was lost", REACH
    return kind(f"{store} cannot be used: {reason}. {step}".rstrip())


class Refused(LogUnavailable):
    """The database has answered, and does not take what it was asked."""


class Link:
    """`connected` is run on each new connection before anything else is; `lost` is called when one is gone."""

    def __init__(
        self,
        dsn: str,
        *,
        store: str,
        schema: str,
        connected: Callable[[Connection], Awaitable[None]],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._dsn = dsn
        self._store = store
        self._schema = schema
        self._connected = connected
        self._lost = lost
        self._connection: Connection | None = None
        self.pid = 0
        """Of the backend, by which it is told who notifies."""
        self.latest = math.inf
        """When nothing is tried any more, whatever was agreed."""

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    async def ask(self, do: Callable[[Connection], Awaitable[T]], until: float) -> T:
        """What `do` gives, tried again until this time of the event loop. Raises `LogUnavailable`.

        One at a time: the caller sees to that.
        """
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            until = min(until, self.latest)
            left = until - loop.time()
            if left <= 0:
                # Nothing is sent for whom nobody waits any more: it might be stored, or cost a connection.
                raise unavailable(self._store, TimeoutError())
            try:
                if not self.is_open:
                    await self._connect(min(CONNECT_SECONDS, left))
                assert self._connection is not None
                return await self._answered(self._connection, do, min(ANSWER_SECONDS, left))
            except LogError:
                raise
            except PASSING as error:
                self._drop_if_broken(error)
                if isinstance(error, LASTING) or loop.time() + pause >= until:
                    raise unavailable(self._store, error) from None
            except (asyncpg.PostgresError, ValueError) as error:
                raise unavailable(self._store, error, Refused) from None
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*PASSING, asyncpg.PostgresError):
                await connection.close(timeout=CLOSE_SECONDS)

    def drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _connect(self, seconds: float) -> None:
        self._connection = None
        connection = await asyncpg.connect(
            self._dsn,
            timeout=seconds,  # pyright: ignore[reportArgumentType]
            server_settings={"application_name": "jupyter-durable-chat"},
        )
        try:
            await self._answered(connection, self._prepare, ANSWER_SECONDS)
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(lambda _: self._lost())
        self._connection, self.pid = connection, connection.get_server_pid()

    async def _prepare(self, connection: Connection) -> None:
        # Not when connecting: a pooler in between refuses what it does not know.
        await connection.execute(SETTINGS, self._schema, str(int(ANSWER_SECONDS * 1000)))
        await self._connected(connection)

    async def _answered(self, connection: Connection, do: Callable[[Connection], Awaitable[T]], seconds: float) -> T:
        """Within this time, else `TimeoutError`, and the connection is gone. So it is when we are cancelled."""
        doing = asyncio.ensure_future(do(connection))
        try:
            done, _ = await asyncio.wait({doing}, timeout=seconds)
        finally:
            if not doing.done():
                # Not by cancelling: that would ask the server, which does not answer, to give up politely.
                connection.terminate()
                await asyncio.wait({doing})
                doing.exception()
        if not done:
            raise TimeoutError
        return doing.result()

    def _drop_if_broken(self, error: BaseException) -> None:
        if not isinstance(error, HARMLESS):
            self.drop()
