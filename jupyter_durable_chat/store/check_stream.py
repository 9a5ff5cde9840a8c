"""A stream of Durable Streams is what it should be: it says what it is, and its data and what it begins with are there.

Records are dense from where it began, and none is empty but at the end, where its labels say why.
"""

import msgspec

from jupyter_durable_chat.log import Compacted, Head, Log, StreamDeleted, UnknownStream
from jupyter_durable_chat.streams import Config, Stream

PAGE = 1000

Finding = tuple[int | None, str]
"""At which LSN, if at any, and what is wrong."""


async def wrong_with(log: Log, head: Head) -> list[Finding]:
    """What is wrong with this stream, up to the end that it had. Raises `StreamDeleted`, `LogUnavailable`."""
    try:
        config = msgspec.json.decode(head.summary, type=Config)
    except msgspec.MsgspecError as error:
        return [(None, f"nobody can tell what it is: {str(error).splitlines()[0]}")]
    found = [*await _data(log, Stream(head, config), config.fork_lsn)]
    for source, last in config.lineage:
        try:
            end = (await log.head(source)).lsn
        except (UnknownStream, StreamDeleted):
            found.append((1, f"it begins with {source}, which is gone"))
        else:
            if end < last:
                found.append((last, f"it begins with {source} up to {last}, which ends at {end}"))
    return found


async def _data(log: Log, stream: Stream, last: int) -> list[Finding]:
    ends = stream.closed + stream.deleted
    while last < stream.head.lsn:
        try:
            records = await log.read(stream.id, last, limit=min(PAGE, stream.head.lsn - last))
        except Compacted:
            records = []
        for record in records:
            if record.lsn != last + 1:
                return [(last + 1, f"records are missing: after {last} comes {record.lsn}")]
            last = record.lsn
            if bool(record.data) != (last <= stream.head.lsn - ends):
                is_end = "an end that no label knows of" if not record.data else "data beyond its end"
                return [(last, f"the record is {is_end}")]
        if not records:
            return [(last + 1, f"records are missing: the stream ends at {stream.head.lsn}, its records at {last}")]
    return []
