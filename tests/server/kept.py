"""A handler of an operator's configuration, which keeps what Jupyter's event logger gives it."""

import json
import logging

from jupyter_durable_chat.lifecycle import schema_id
from tests.server.conftest import JSON

ADDED = ("__timestamp__", "__schema__", "__schema_version__", "__metadata_version__", "taskName")


class Kept(logging.Handler):
    """Keeps what it is given, as the JSON that it comes as."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[JSON] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(json.loads(self.format(record)))

    def of(self, kind: str) -> list[JSON]:
        """The events of this kind, each as it is beside what Jupyter adds."""
        mine = [event for event in self.events if event["__schema__"] == schema_id(kind)]
        return [{name: value for name, value in event.items() if name not in ADDED} for event in mine]
