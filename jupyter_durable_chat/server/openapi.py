"""What every route takes and answers, as an OpenAPI document.

Paths, methods and bodies are the code's own: they come from the tables of routes and from the structs that bodies are
decoded to. What the code does not say of itself stands here, one `Operation` for each method of a handler; a method
without one, or one without a method, is an error. `GET durable-chat/api/openapi.json` gives the document.

Format: https://spec.openapis.org/oas/v3.1.0
"""

import http.client
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args

import msgspec
from jupyter_server.base.handlers import JupyterHandler
from msgspec import Struct

from jupyter_durable_chat import __version__
from jupyter_durable_chat import events as e
from jupyter_durable_chat.commands import Message, Sent
from jupyter_durable_chat.server import api, attachments, calls, files, guests, inbox, page, shares
from jupyter_durable_chat.server.dialects import ai_sdk, durable_streams, wire
from jupyter_durable_chat.server.handler import ChatHandler, route

Schema = dict[str, Any]

Routes = Sequence[tuple[str, type[JupyterHandler]]]

METHODS = ("get", "head", "put", "post", "patch", "delete")
"""The methods that are described; a preflight (`OPTIONS`) says for itself what it allows."""

SSE = "text/event-stream"
JSON = "application/json"
HTML = "text/html"


@dataclass(frozen=True)
class Operation:
    """One method of a handler.

    `answers`: by status, the media types with what is in them, or nothing; `refuses`: statuses of errors, beside those
    that every route may have. `bare`: errors of this one may come without the usual body.
    """

    says: str
    answers: Mapping[int, Mapping[str, Schema]]
    refuses: tuple[int, ...] = ()
    body: type[Struct] | Mapping[str, Schema] | None = None
    asks: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    is_open: bool = False
    """Whether nobody has to be logged in."""


def document(base_url: str, routes: Routes) -> Schema:
    """The document of these routes. Raises `LookupError` for one that is not described, or a description of none."""
    paths: dict[str, Schema] = {}
    described = dict(OPERATIONS)
    for pattern, handler in routes:
        for method in _methods(handler):
            operation = described.pop((handler, method), None)
            if operation is None:
                raise LookupError(f"server/openapi.py does not describe {method.upper()} of {pattern}.")
            path, parameters = _path(pattern, handler, method)
            paths.setdefault(path, {})[method] = _described(operation, handler, method, parameters)
    if described:
        raise LookupError(f"server/openapi.py describes what no route has: {sorted(map(str, described))}.")
    return {
        "openapi": "3.1.0",
        "info": {"title": "jupyter-durable-chat", "version": __version__, "summary": "Chats that outlive their pages."},
        "servers": [{"url": base_url.rstrip("/") or "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": _components(), "securitySchemes": _SECURITY},
    }


class OpenApi(ChatHandler):
    """This document."""

    _track_activity = False

    @route
    async def get(self) -> None:
        self.reply(_encoded(self.base_url))


OPENAPI: list[tuple[str, type[ChatHandler]]] = [(r"durable-chat/api/openapi\.json", OpenApi)]

DESCRIBED: Routes = [
    (pattern, handler)
    for table in (page.PAGES, guests.GUESTS, ai_sdk.AI_SDK, durable_streams.DURABLE_STREAMS, OPENAPI, api.ROUTES)
    for pattern, handler in table
    if handler is not api.NotFound
]
"""All routes; what is left is none."""


@cache
def _encoded(base_url: str) -> bytes:
    return e.to_json(document(base_url, DESCRIBED))


def _methods(handler: type[JupyterHandler]) -> list[str]:
    """What a handler answers by itself."""
    return [name for name in METHODS if getattr(handler, name) is not getattr(JupyterHandler, name)]


_GROUP = re.compile(r"\((?:[^()\\]|\\.)*\)")


def _path(pattern: str, handler: type[JupyterHandler], method: str) -> tuple[str, list[Schema]]:
    """A route's path with its groups named as its method names them."""
    groups = _GROUP.findall(pattern)
    names = list(inspect.signature(getattr(handler, method)).parameters)[1 : 1 + len(groups)]
    path = pattern.replace("\\.", ".")
    parameters: list[Schema] = []
    for group, name in zip(groups, names, strict=True):
        path = path.replace(group, f"{{{name}}}", 1)
        schema = {"type": "string", "pattern": f"^{group[1:-1]}$"}
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
    return f"/{path}", parameters


def _described(operation: Operation, handler: type[JupyterHandler], method: str, parameters: list[Schema]) -> Schema:
    asked = [{"name": name, "in": "query", "schema": schema} for name, schema in operation.asks.items()]
    headers = [{"name": name, "in": "header", "schema": schema} for name, schema in operation.headers.items()]
    refuses = {*operation.refuses, 400, 403, 503, *((404,) if parameters else ())}
    if operation.body is not None:
        refuses |= {413}
    described: Schema = {
        "operationId": f"{handler.__name__}.{method}",
        "summary": operation.says,
        "parameters": [*parameters, *asked, *headers],
        "responses": {
            **{str(status): _answer(status, media) for status, media in operation.answers.items()},
            **{str(status): _error(status) for status in sorted(refuses - {*operation.answers})},
        },
    }
    if operation.is_open:
        described["security"] = []
    if operation.body is not None:
        described["requestBody"] = _takes(operation.body)
    return described


def _takes(body: type[Struct] | Mapping[str, Schema]) -> Schema:
    if isinstance(body, type):
        required = any(field.required for field in msgspec.structs.fields(body))
        return {"required": required, "content": {JSON: {"schema": _ref(body.__name__)}}}
    return {"content": {kind: {"schema": schema} for kind, schema in body.items()}}


def _answer(status: int, media: Mapping[str, Schema]) -> Schema:
    answer: Schema = {"description": http.client.responses[status]}
    return answer | ({"content": {kind: {"schema": schema} for kind, schema in media.items()}} if media else {})


def _error(status: int) -> Schema:
    return _answer(status, {JSON: _ref("Error"), HTML: {}, "text/plain": {}} if status in (403, 404) else _ERROR)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _components() -> Schema:
    bodies = [o.body for o in OPERATIONS.values() if isinstance(o.body, type)]
    _, schemas = msgspec.json.schema_components([*bodies, Sent], ref_template="#/components/schemas/{name}")
    schemas[ai_sdk.Chat.__name__]["properties"]["messages"] = _list(_ref("Asked")) | {"minItems": 1}
    return schemas | _SHAPES


def _object(*required: str, **properties: Schema) -> Schema:
    named = {name: properties.get(name, {}) for name in (*required, *properties)}
    return {"type": "object", "required": list(required), "properties": named}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


_SECURITY = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`token …`. A page has Jupyter's cookies instead, and the value of `_xsrf` in `X-XSRFToken`.",
    }
}

_STRING: Schema = {"type": "string"}
_BOOL: Schema = {"type": "boolean"}
_LSN: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "string", "enum": ["", "1"]}
_OBJECT: Schema = {"type": "object"}

_TEXT = _object("type", "text", type={"const": "text"}, text=_STRING)
_FILE_PART = _object("type", "mediaType", "url", type={"const": "file"}, mediaType=_STRING, url=_STRING)

_SHAPES: Schema = {
    "Error": _object("message", "reason", "code", message=_STRING, reason=_STRING, code=_STRING),
    "Transcript": _object(
        *("id", "lsn", "title", "name", "notebook", "agent", "model", "status", "messages", "others", "turn", "queue"),
        *("held", "removed", "approvals", "offers", "allowed", "shares", "usage", "created_at", "updated_at"),
        id=_STRING,
        lsn=_LSN,
        messages=_list(_ref("UIMessage")),
        others=_list(_ref("UIMessage")),
    ),
    "UIMessage": _object("id", "role", "parts", "metadata", role={"enum": ["user", "assistant"]}, parts=_list(_OBJECT)),
    "Asked": _object(
        *("id", "role", "parts"),
        id={"type": "string", "minLength": 1, "maxLength": ai_sdk.MESSAGE_ID},
        role={"enum": ["user", "assistant"]},
        parts=_list({"anyOf": [_TEXT, _FILE_PART, _object("type", type={"type": "string", "pattern": "^data-"})]}),
    ),
    "Event": _object("lsn", "at", "type", lsn=_LSN, at=_STRING, type=_STRING),
    "Page": _object("events", "lsn", "more", "snapshot", events=_list(_ref("Event")), lsn=_LSN, more=_BOOL),
    "Items": _object("items", items=_list(_object("session"))),
    "Inbox": _object("id", "lsn", "unread", "told", "notices", lsn=_LSN, notices=_list(_OBJECT)),
    "Share": _object("id", "name", "at", "expires_at", "by"),
}

_ERROR: Mapping[str, Schema] = {JSON: _ref("Error")}
_TRANSCRIPT: Mapping[str, Schema] = {JSON: _ref("Transcript")}
_SENT: Mapping[str, Schema] = {JSON: _ref("Sent")}
_INBOX: Mapping[str, Schema] = {JSON: _ref("Inbox")}
_NOTHING: Mapping[str, Schema] = {JSON: _OBJECT}
_STREAM: Mapping[str, Schema] = {SSE: {}}
_FILE: Mapping[str, Schema] = {"*/*": {}}

_GONE = (410,)
_CHANGES = (409, 410, 413)
_SAYS = (409, 410, 413, 429)

_POSITION: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]+:[0-9]{1,18}$"}
_AFTER: Schema = {"after": {"type": "string", "pattern": "^[0-9]{1,18}$"}, "wait": {"type": "number", "minimum": 0}}
_TOKEN: Mapping[str, Schema] = {"X-Share-Token": _STRING}
_VERSION: Mapping[str, Schema] = {ai_sdk.VERSION_HEADER: {"type": "string", "enum": list(ai_sdk.VERSIONS)}}
_WRITES: Mapping[str, Schema] = dict.fromkeys((name for name in wire.ASKED if name != "Content-Type"), _STRING)

OPERATIONS: dict[tuple[type[JupyterHandler], str], Operation] = {
    (page.SessionPage, "get"): Operation("One session as a page", {200: {HTML: _STRING}, 302: {}}),
    (guests.SharedPage, "get"): Operation("The page of a link", {200: {HTML: _STRING}}, is_open=True),
    (guests.SharedSession, "get"): Operation(
        "A session, as guests get it", {200: _TRANSCRIPT}, (429,), headers=_TOKEN, is_open=True
    ),
    (guests.SharedAttachment, "get"): Operation(
        "A file that is shown to guests", {200: _FILE}, (429,), headers=_TOKEN, is_open=True
    ),
    (guests.SharedEvents, "get"): Operation(
        "What comes in a session, as guests get it",
        {200: {**_STREAM, JSON: _ref("Items")}},
        (404, 429),
        asks=_AFTER | {"after": _POSITION},
        headers=_TOKEN,
        is_open=True,
    ),
    (ai_sdk.Chats, "post"): Operation(
        "Say something, or go on, as the AI SDK does (docs/ai-sdk.md)",
        {200: _STREAM},
        (404, *_SAYS),
        ai_sdk.Chat,
        headers=_VERSION,
    ),
    (ai_sdk.ChatStream, "get"): Operation("The answer that runs", {200: _STREAM, 204: {}}, _GONE, headers=_VERSION),
    (durable_streams.OneStream, "get"): Operation(
        "Read a stream, or a session as one (docs/durable-streams.md)",
        {200: _FILE, 204: {}, 304: {}},
        (405, *_GONE),
        asks={"offset": _STRING, "live": {"enum": ["long-poll", "sse"]}, "cursor": _STRING},
    ),
    (durable_streams.OneStream, "head"): Operation("What a stream is, and where it ends", {200: {}}, (405, *_GONE)),
    (durable_streams.OneStream, "put"): Operation(
        "Make a stream", {200: {}, 201: {}}, (405, *_CHANGES), {"*/*": {}}, headers=_WRITES
    ),
    (durable_streams.OneStream, "post"): Operation(
        "Append to a stream, or close it", {200: {}, 204: {}}, (405, *_CHANGES), {"*/*": {}}, headers=_WRITES
    ),
    (durable_streams.OneStream, "delete"): Operation("Delete a stream", {204: {}}, (405, *_CHANGES)),
    (api.Sessions, "get"): Operation(
        "Sessions, the last used first",
        {200: {JSON: _object("sessions", "before", sessions=_list(_object("id", "lsn", "title", "status", "state")))}},
        (404,),
        asks={
            "q": _STRING,
            "status": _STRING,
            "notebook": _STRING,
            "before": _STRING,
            "limit": {"type": "integer", "minimum": 1, "maximum": api.MAX_PAGE},
        },
    ),
    (api.Sessions, "post"): Operation(
        "A new session, or the one of a notebook", {200: _TRANSCRIPT, 201: _TRANSCRIPT}, body=api.NewSession
    ),
    (files.Import, "post"): Operation("A session from a file", {201: _TRANSCRIPT}, body={JSON: _OBJECT}),
    (files.Export, "get"): Operation(
        "A session as a file", {200: _FILE}, _GONE, asks={"format": {"type": "string", "enum": [*files.KINDS]}}
    ),
    (api.OneSession, "get"): Operation("The transcript", {200: _TRANSCRIPT}, _GONE),
    (api.OneSession, "patch"): Operation(
        "Rename, mute, or choose who answers", {200: _TRANSCRIPT}, _CHANGES, api.Change
    ),
    (api.OneSession, "delete"): Operation("Delete the session", {204: {}}, _GONE),
    (api.Messages, "post"): Operation("Say something", {202: _SENT}, _SAYS, Message),
    (api.Stop, "post"): Operation("Stop the answer", {200: {JSON: _object("stopped")}}, _CHANGES, api.StopBody),
    (api.Fork, "post"): Operation("A new session from here", {201: _TRANSCRIPT}, _CHANGES, api.ForkBody),
    (api.Retry, "post"): Operation("Answer again, or to another text", {202: _SENT}, _SAYS, api.RetryBody),
    (api.Continue, "post"): Operation("Go on with an answer", {202: _SENT}, _SAYS, api.ContinueBody),
    (api.Branch, "post"): Operation("Show another branch", {200: _TRANSCRIPT}, _CHANGES, api.BranchBody),
    (api.Queue, "patch"): Operation("Put what waits in order", {200: _TRANSCRIPT}, _CHANGES, api.QueueBody),
    (api.ResumeQueue, "post"): Operation("Go on with what waits", {200: _TRANSCRIPT}, _CHANGES),
    (api.Queued, "patch"): Operation("Change what waits", {200: _TRANSCRIPT}, _CHANGES, api.QueuedBody),
    (api.Queued, "delete"): Operation("Remove what waits", {200: {JSON: _object("removed")}}, _CHANGES),
    (api.SessionEvents, "get"): Operation(
        "Events of a session, as a stream or in pages",
        {200: {**_STREAM, JSON: _ref("Page")}},
        (409, *_GONE),
        asks={**_AFTER, "limit": {"type": "integer", "minimum": 1, "maximum": api.MAX_PAGE}},
        headers={"Last-Event-ID": _STRING},
    ),
    (attachments.Attachments, "post"): Operation(
        "Attach a file",
        {201: {JSON: _object("url", "mediaType", "filename", "size")}},
        (415, *_GONE),
        {"*/*": {}},
        asks={"filename": _STRING},
    ),
    (attachments.Attachment, "get"): Operation("A file", {200: _FILE, 304: {}}, _GONE, asks={"filename": _STRING}),
    (calls.Offers, "post"): Operation("What a kernel runs", {200: _NOTHING}, _CHANGES, calls.Offer),
    (calls.Approvals, "post"): Operation(
        "Allow a call, or refuse it", {200: {JSON: _object("approved", "reason", "by")}}, _CHANGES, calls.ApprovalBody
    ),
    (calls.Calls, "post"): Operation("Start, report or answer a call", {200: _NOTHING}, _CHANGES, calls.CallBody),
    (shares.Shares, "get"): Operation(
        "Links by which others read", {200: {JSON: _object("allowed", "shares", shares=_list(_ref("Share")))}}, _GONE
    ),
    (shares.Shares, "post"): Operation(
        "Make a link", {201: {JSON: _object("share", "token", "path")}}, _CHANGES, shares.NewShare
    ),
    (shares.OneShare, "delete"): Operation("Revoke a link", {200: {JSON: _object("revoked")}}, _CHANGES),
    (inbox.OneInbox, "get"): Operation("What was not seen", {200: _INBOX}),
    (inbox.Read, "post"): Operation("This was seen", {200: _INBOX}, body=inbox.ReadBody),
    (inbox.Clear, "post"): Operation("All of it was", {200: _INBOX}),
    (inbox.Claim, "post"): Operation("Show a notice here", {200: {JSON: _object("claimed")}}, body=inbox.ClaimBody),
    (inbox.Watch, "post"): Operation("What is in sight of a stream", {200: _NOTHING}, (404,), inbox.WatchingBody),
    (api.SharedEvents, "get"): Operation(
        "Events of many sessions, as a stream or in pages",
        {200: {**_STREAM, JSON: _ref("Items")}},
        asks={
            "after": _list(_POSITION) | {"minItems": 1, "maxItems": api.MAX_FOLLOWED},
            "seen": _list(_STRING),
            "wait": _AFTER["wait"],
            "runner": _STRING,
            "presence": _FLAG,
            "sessions": _FLAG,
        },
        headers={"Last-Event-ID": _STRING},
    ),
    (api.Agents, "get"): Operation(
        "Who answers, with which tools",
        {
            200: {
                JSON: _object(
                    *("default", "agents", "tools", "prompts", "modes"),
                    modes=_list({"enum": list(get_args(e.Mode))}),
                )
            }
        },
    ),
    (api.Health, "get"): Operation(
        "How it is",
        {
            status: {JSON: _object("status", "version", "turns", "sessions", "readers", "watched")}
            for status in (200, 503)
        },
    ),
    (OpenApi, "get"): Operation("This document", {200: {JSON: _object("openapi", "info", "paths")}}),
}
