"""What a message says, without what only one side notes of it."""

from typing import Any

from jupyter_durable_chat.server.dialects.ui_messages import DENIED

JSON = dict[str, Any]

TOLD = ("type", "text", "toolName", "toolCallId", "state", "input", "output", "errorText", "url", "mediaType", "data")


def told(message: JSON, version: int = 6) -> list[JSON]:
    """The parts, as a client of this version can have them."""
    return [_part(part, version) for part in message["parts"]]


def _part(part: JSON, version: int) -> JSON:
    said = {name: part[name] for name in TOLD if part.get(name) is not None}
    match said.get("state"):
        case "approval-requested" | "approval-responded" as state:
            # What it gives before is not told: to clients it would be its end. Nor is that it was answered.
            said.pop("output", None)
            said["state"] = state if version > 5 and state == "approval-requested" else "input-available"
        case "output-denied":
            said.pop("output", None)
            if version == 5:
                said |= {"state": "output-error", "errorText": part["approval"].get("reason") or DENIED}
        case "output-available" if version == 5 and part.get("preliminary"):
            said.pop("output")
            said["state"] = "input-available"
        case "output-error":
            said.pop("output", None)
            if "input" not in said and "rawInput" in part:
                said["input"] = part["rawInput"]
    return said
