"""Where turns are offered to whoever runs them: a log of its own in the same store.

A turn that is handed over bears the label `work` from the transaction that begins it; who takes it removes the label
under their lease, with the turn's `start`, before they run anything. So a turn is begun by one, and one whose server
died at any moment is found by its label. The board only says that there is something to take, so that nobody has to
look again and again; and which worker came last, so that an older one leaves the rest to it.
"""

import hashlib
from typing import Literal

import msgspec
from msgspec import Struct

from jupyter_durable_chat.log import Compacted, Log, Record

PREFIX = "board_"
"""How the ids of boards begin. No session's does."""

KIND = {"kind": "board"}
"""The label of boards."""

OFFERED = {"work": "due"}
"""The label of a session whose turn nobody runs yet."""

TAKEN = {"work": ""}

COMPACT_AFTER = 1000
"""Records after which what was said before is removed."""


class Said(Struct, frozen=True):
    """One record: a session has a turn to take, or a worker has come."""

    what: Literal["offered", "came"]
    who: str


class Board:
    """The board of one owner, from the moment on at which it is opened."""

    def __init__(self, log: Log, owner: str) -> None:
        self._log = log
        self._name = f"{PREFIX}{hashlib.sha256(owner.encode()).hexdigest()[:32]}"
        self._lsn: int | None = None

    async def offer(self, session_id: str) -> None:
        """Say that this session has a turn to take."""
        await self._say(Said("offered", session_id))

    async def come(self, holder: str) -> None:
        """Say that this worker is there. Whoever came before hears of it."""
        await self._say(Said("came", holder))

    async def news(self, timeout: float) -> list[Said]:
        """What is said within `timeout` seconds, after what was heard before; at first nothing, at once."""
        if self._lsn is None:
            await self._open()
            return []
        if not await self._log.wait({self._name: self._lsn}, timeout):
            return []
        try:
            records = await self._log.read(self._name, self._lsn)
        except Compacted:
            self._lsn = (await self._log.head(self._name)).lsn
            return []
        if records:
            self._lsn = records[-1].lsn
        return [msgspec.json.decode(record.data, type=Said) for record in records]

    async def _say(self, said: Said) -> None:
        if self._lsn is None:
            await self._open()
        lsn = await self._log.append(self._name, [msgspec.json.encode(said)])
        if lsn % COMPACT_AFTER == 0:
            await self._log.save_snapshot(self._name, Record(lsn, b"{}"))
            await self._log.compact(self._name)

    async def _open(self) -> None:
        head = await self._log.create(self._name, [], key=self._name, labels=KIND)
        self._lsn = head.lsn
