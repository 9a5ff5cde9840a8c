"""The newest records, kept in memory, so that a thousand readers of a live stream do not each ask the store.

Only what this process has committed gets in, in the order of its commits; so the records of a stream that are here have
no hole, and the oldest go first when `max_bytes` are full. What is here is true, but need not be all: other processes
append too. That is why a tail never says that a stream has ended, and why it speaks of a stream only for a second
after its last commit here: within that time it may miss that another process deleted the stream.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from jupyter_durable_chat.log import Record

FRESH_SECONDS = 1.0
OVERHEAD = 256
"""About what a record costs beside its own bytes."""


class Tail:
    def __init__(self, max_bytes: int = 8 << 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._bytes = 0
        self._records: OrderedDict[tuple[str, int], Record] = OrderedDict()
        self._ends: dict[str, tuple[int, float]] = {}

    def extend(self, stream: str, end: int, records: Sequence[bytes]) -> None:
        """These records were committed, the last one as `end`."""
        first = end - len(records) + 1
        if stream in self._ends and self._ends[stream][0] != first - 1:
            self.drop(stream)
        for lsn, data in enumerate(records, first):
            self._records[stream, lsn] = Record(lsn, data)
            self._bytes += len(data) + OVERHEAD
        if records:
            self._ends[stream] = end, self._clock()
        while self._bytes > self._max_bytes:
            (oldest, lsn), record = self._records.popitem(last=False)
            self._bytes -= len(record.data) + OVERHEAD
            if self._ends[oldest][0] == lsn:
                del self._ends[oldest]

    def drop(self, stream: str) -> None:
        """Forget the stream."""
        lsn, _ = self._ends.pop(stream, (0, 0.0))
        while record := self._records.pop((stream, lsn), None):
            self._bytes -= len(record.data) + OVERHEAD
            lsn -= 1

    def read(self, stream: str, after: int, limit: int, max_bytes: int) -> list[Record]:
        """The next records, as `Log.read` gives them; empty when the store has to be asked."""
        end, at = self._ends.get(stream, (0, 0.0))
        if end <= after or self._clock() - at > FRESH_SECONDS:
            return []
        records: list[Record] = []
        for lsn in range(after + 1, min(after + limit, end) + 1):
            record = self._records.get((stream, lsn))
            if record is None or max_bytes <= 0:
                break
            records.append(record)
            max_bytes -= len(record.data)
        return records
