"""What running turns wait for: tools that kernels offer, results, answers, approvals.

Shapes of bodies and answers: `docs/architecture.md`.
"""

import re
from typing import Any

from msgspec import UNSET, Struct

from jupyter_durable_chat import events as e
from jupyter_durable_chat.server.handler import ID, ApiError, ChatHandler, route
from jupyter_durable_chat.tools.builtin import ASKING

MAX_TOOLS = 128
"""Tools in one offer: a model is told of all of them in every request."""

MAX_ID = 200

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


class Offer(Struct):
    runner: str
    kernel: str | None = None
    tools: list[e.OfferedTool] = []


class ApprovalBody(Struct):
    approved: bool
    reason: str | None = None


class CallBody(Struct):
    """A start, a report of the progress, or a result."""

    runner: str | None = None
    started: bool = False
    output: Any = UNSET
    error: str | None = None
    progress: float | None = None
    total: float | None = None
    message: str | None = None
    log: str | None = None
    level: str | None = None


class Offers(ChatHandler):
    """The tools that a kernel runs for a session."""

    @route
    async def post(self, session_id: str) -> None:
        body = self.body(Offer)
        _check_id(body.runner, "runner")
        if len(body.tools) > MAX_TOOLS:
            raise ApiError(400, "too-many", f"tools has {len(body.tools)} entries; an offer takes at most {MAX_TOOLS}.")
        for index, tool in enumerate(body.tools):
            if not _NAME.fullmatch(tool.name):
                text = f"tools[{index}].name takes 1 to 64 letters, digits, _ and -, and not {tool.name[:80]!r}."
                raise ApiError(400, "malformed", text)
            if tool.name in ASKING:
                raise ApiError(400, "malformed", f"tools[{index}].name: {tool.name!r} is the chat's own.")
        if twice := _twice([tool.name for tool in body.tools]):
            raise ApiError(400, "malformed", f"tools has {twice!r} twice.")
        offered = e.ToolsOffered(runner=body.runner, kernel=body.kernel, tools=body.tools, by=self.author)
        async with self.registry.acquire(session_id) as session:
            await session.offer(offered)
        self.reply({})


class Approvals(ChatHandler):
    @route
    async def post(self, session_id: str, approval_id: str) -> None:
        body = self.body(ApprovalBody)
        async with self.registry.acquire(session_id) as session:
            approval = await session.answer_approval(approval_id, body.approved, body.reason, self.author)
        self.reply({name: approval.get(name) for name in ("approved", "reason", "by")})


class Calls(ChatHandler):
    """One call: a kernel starts it and gives its result, a person answers it."""

    @route
    async def post(self, session_id: str, call_id: str) -> None:
        body = self.body(CallBody)
        if body.runner is not None:
            _check_id(body.runner, "runner")
        if body.output is not UNSET and body.error is not None:
            raise ApiError(400, "malformed", "A result is an output or an error, and not both.")
        async with self.registry.acquire(session_id) as session:
            if body.output is not UNSET or body.error is not None:
                output = None if body.output is UNSET else body.output
                await session.answer_call(call_id, output=output, error=body.error, runner=body.runner, by=self.author)
            elif body.runner is None:
                raise ApiError(400, "malformed", "A call takes an output, an error, or a runner that starts it.")
            elif body.started:
                await session.start_call(call_id, body.runner)
            else:
                said = {name: getattr(body, name) for name in ("progress", "total", "message", "log", "level")}
                await session.report_call(call_id, body.runner, e.ToolProgress(tool_call_id=call_id, **said))
        self.reply({})


def _check_id(text: str, name: str) -> None:
    if not 1 <= len(text) <= MAX_ID:
        raise ApiError(400, "malformed", f"{name} takes 1 to {MAX_ID} characters, and not {len(text)}.")


def _twice(names: list[str]) -> str | None:
    return next((name for name in names if names.count(name) > 1), None)


_ANY = r"([^/]{1,600})"
"""Providers name their calls as they like."""

CALLS: list[tuple[str, type[ChatHandler]]] = [
    (rf"durable-chat/api/sessions/{ID}/offers", Offers),
    (rf"durable-chat/api/sessions/{ID}/approvals/{_ANY}", Approvals),
    (rf"durable-chat/api/sessions/{ID}/tools/{_ANY}", Calls),
]
