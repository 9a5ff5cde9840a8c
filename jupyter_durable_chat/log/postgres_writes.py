"""What is written to the PostgreSQL store: operations as its function `flush` takes them, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from jupyter_durable_chat.log import (
    AheadOfLog,
    Conflict,
    Fenced,
    Lease,
    LeaseHeld,
    StreamDeleted,
    UnknownStream,
)
from jupyter_durable_chat.log.postgres_schema import STEPS
from jupyter_durable_chat.log.postgres_values import plain

FLUSH = f"""
    SELECT flush($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) FROM taken WHERE steps = {len(STEPS)}"""
"""Does nothing, and gives nothing, once a newer version has brought the schema up to date."""

UNKNOWN_WRITER = "DC001"


class Write:
    """One operation of a flush, as `flush` takes it, and what happens here once it is stored."""

    __slots__ = ("blobs", "do", "given", "holder", "key", "records", "stored", "stream")

    def __init__(
        self,
        do: str,
        stream: str | None = None,
        records: Sequence[bytes] = (),
        *,
        blobs: Mapping[str, bytes | None] | None = None,
        stored: Callable[[Any], None] | None = None,
        **given: Any,
    ) -> None:
        self.do = do
        self.stream = stream
        self.records = records
        self.blobs = {name: blob for name, blob in (blobs or {}).items() if blob is not None}
        self.stored = stored
        self.given = {name: value for name, value in given.items() if value is not None}
        self.key: str | None = self.given.get("key")
        self.holder: str | None = self.given.get("holder")


def handed(writes: Sequence[Write]) -> tuple[Any, ...]:
    """The parameters of `FLUSH` that say what is to be done."""
    ops, datas, places, nths, blobs = [], [], [], [], []
    for place, write in enumerate(writes, 1):
        op = {"do": write.do, **write.given}
        if write.stream is not None:
            op["stream"] = plain(write.stream)
        if write.records or write.do == "create":
            op["count"], op["bytes"] = len(write.records), sum(map(len, write.records))
            datas += write.records
            places += [place] * len(write.records)
            nths += range(1, len(write.records) + 1)
        for name, blob in write.blobs.items():
            blobs.append(blob)
            op[name] = len(blobs)
        ops.append(op)
    return (
        msgspec.json.encode(ops).decode(),
        sorted({op["stream"] for op in ops if "stream" in op}),
        sorted({write.key for write in writes if write.key}),
        sorted({write.holder for write in writes if write.do == "renew" and write.holder}),
        any(write.do == "create" or write.key is not None for write in writes),
        datas,
        places,
        nths,
        blobs,
    )


def number(outcome: list[Any], stream: str, *, epoch: int | None = None, after: int | None = None) -> int:
    """The number that an operation gives, or why it was refused."""
    match outcome:
        case ["at", number]:
            return number
        case ["unknown"]:
            raise UnknownStream(stream)
        case ["deleted"]:
            raise StreamDeleted(stream)
        case ["fenced", current]:
            raise Fenced(stream, epoch or 0, current)
        case ["conflict", last_lsn]:
            raise Conflict(stream, after or 0, last_lsn)
        case ["ahead", last_lsn]:
            raise AheadOfLog(stream, after or 0, last_lsn)
        case ["held", holder, held_epoch, until]:
            raise LeaseHeld(Lease(stream, holder, held_epoch, until))
    return 0
