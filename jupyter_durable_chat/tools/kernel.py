"""A tool that a kernel offers: what it says of it is in the log, and its calls wait there until a kernel runs them."""

from typing import Any

from jupyter_durable_chat.events import OfferedTool
from jupyter_durable_chat.tools import Context, Tool, ToolError


class KernelTool(Tool):
    runs = "kernel"
    origin = "kernel"

    def __init__(self, offered: OfferedTool) -> None:
        self.name = offered.name
        self.description = offered.description
        self.parameters = offered.parameters
        self.approval = offered.approval
        self.read_only = offered.read_only
        self.idempotent = offered.idempotent

    async def call(self, arguments: dict[str, Any], context: Context) -> Any:
        raise ToolError(f"{self.name} is run by a kernel.")
