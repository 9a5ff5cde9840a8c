"""What schemathesis cannot know: what there is on the server, and that a stream that is followed has no end."""

import json
import os
import zlib
from typing import Any

import schemathesis

THERE: list[dict[str, str]] = json.loads(os.environ["FUZZED"])
"""Names that belong together, by what the document calls them: a session, a message of it, …"""

KEPT = ("OneSession.delete", "OneShare.delete", "OneStream.delete")
"""What there is shall be there for the others."""


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Three requests of four are about what is there, and name no agent that is not."""
    chosen = zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode())
    if case.query and case.query.get("live") == "sse":
        case.query["live"] = "long-poll"
    if chosen % 4 and case.operation.definition.raw["operationId"] not in KEPT:
        names = THERE[chosen % len(THERE)]
        case.path_parameters.update({name: names[name] for name in case.path_parameters if name in names})
        if isinstance(case.body, dict):
            _speak_of(case.body, names)
        if "token" in names and case.headers and "X-Share-Token" in case.headers:
            case.headers["X-Share-Token"] = names["token"]
        if case.query and ":" in str(case.query.get("after")):
            case.query["after"] = f"{names['session_id']}:{chosen % 9}"


def _speak_of(body: dict[str, Any], names: dict[str, str]) -> None:
    for name in ("message_id", "runner"):
        if isinstance(body.get(name), str) and name in names:
            body[name] = names[name]
    if "messages" in body and isinstance(body.get("id"), str):
        body["id"] = names["session_id"]
    for name in ("agent", "model", "effort"):
        body.pop(name, None)
