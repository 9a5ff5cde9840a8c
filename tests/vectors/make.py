"""Writes the fold's vectors from the events below and the Python fold: run it when the fold changes on purpose.

    python tests/vectors/make.py

Read the difference before you commit it: the TypeScript fold must give the same.
"""

import json
from pathlib import Path

from jupyter_durable_chat import events as e
from jupyter_durable_chat.inbox import Inbox
from jupyter_durable_chat.transcript import fold

HERE = Path(__file__).parent
ME = e.Author("ada", "Ada Lovelace", "#ff8800")


def log(*items: tuple[str | None, e.Known | e.Data | dict]) -> list[dict]:
    """Events with LSNs and times, one second apart, as a reader gets them."""
    out = []
    for lsn, (turn, event) in enumerate(items, 1):
        at = e.timestamp(1_790_000_000 + lsn)
        if isinstance(event, dict):
            out.append({"lsn": lsn, "at": at, "turn": turn, **event})
        else:
            out.append(json.loads(e.number(lsn, e.encode(event, at=at, turn=turn))))
    return out


CREATED = (None, e.SessionCreated(session="s_1", name="", notebook="a.ipynb", by=ME))
ASKED = (None, e.UserMessage(message_id="m_1", client_id="c_1", text="Why?", author=ME))
STARTED = ("t_1", e.TurnStarted(user_message_id="m_1", message_id="m_2", agent="demo"))
HEAD = (CREATED, ASKED, STARTED, ("t_1", e.Start(message_id="m_2", message_metadata={"k": 1})))


def text(turn: str, part: str, *pieces: str) -> list[tuple[str | None, e.Known]]:
    return [
        (turn, e.TextStart(id=part)),
        *((turn, e.TextDelta(id=part, delta=p)) for p in pieces),
        (turn, e.TextEnd(id=part)),
    ]


def stop(turn: str, outcome: e.Outcome, **more) -> tuple[str, e.TurnStopped]:
    return (turn, e.TurnStopped(outcome=outcome, **more))


def queued(message: str, turn: str, said: str, **more) -> tuple[str, e.MessageQueued]:
    return (turn, e.MessageQueued(message_id=message, client_id=f"c_{message}", text=said, **more))


VECTORS = {
    "empty-session": log(CREATED),
    "completed-answer": log(
        *HEAD,
        ("t_1", e.StartStep()),
        ("t_1", e.ReasoningStart(id="r1")),
        ("t_1", e.ReasoningDelta(id="r1", delta="Let me ")),
        ("t_1", e.ReasoningDelta(id="r1", delta="think 🤔")),
        ("t_1", e.ReasoningEnd(id="r1", provider_metadata={"anthropic": {"signature": "x"}})),
        *text("t_1", "x1", "# He", "llo\n", "wörld ✓"),
        ("t_1", e.SourceUrl(source_id="u1", url="https://example.org/", title="Example")),
        ("t_1", e.FinishStep()),
        ("t_1", e.Finish(finish_reason="stop", message_metadata={"usage": {"input_tokens": 3, "output_tokens": 5}})),
        stop("t_1", "completed", usage=e.Usage(input_tokens=3, output_tokens=5)),
    ),
    "streaming": log(*HEAD, ("t_1", e.TextStart(id="x1")), ("t_1", e.TextDelta(id="x1", delta="half of"))),
    "stopping": log(
        *HEAD, ("t_1", e.TextStart(id="x1")), ("t_1", e.TextDelta(id="x1", delta="ha")), ("t_1", e.StopRequested(by=ME))
    ),
    "stopped-keeps-partial": log(
        *HEAD,
        ("t_1", e.TextStart(id="x1")),
        ("t_1", e.TextDelta(id="x1", delta="half")),
        ("t_1", e.StopRequested(by=ME)),
        ("t_1", e.MessageMetadata(message_metadata={"stopped_by": {"username": "eve"}})),
        ("t_1", e.Abort()),
        stop("t_1", "stopped"),
    ),
    "failed-with-error": log(
        *HEAD,
        ("t_1", e.ErrorText(error_text="The key was refused.")),
        stop("t_1", "failed", error=e.Error("auth", "The key was refused.", recoverable=False)),
    ),
    "interrupted-tool": log(
        *HEAD,
        ("t_1", e.ToolInputStart(tool_call_id="c1", tool_name="f")),
        ("t_1", e.ToolInputDelta(tool_call_id="c1", input_text_delta='{"a"')),
        stop("t_1", "interrupted"),
    ),
    "tools": log(
        *HEAD,
        ("t_1", e.StartStep()),
        ("t_1", e.ToolInputStart(tool_call_id="c1", tool_name="f", title="F")),
        ("t_1", e.ToolInputDelta(tool_call_id="c1", input_text_delta='{"a":')),
        ("t_1", e.ToolInputDelta(tool_call_id="c1", input_text_delta="1}")),
        ("t_1", e.ToolInputAvailable(tool_call_id="c1", tool_name="f", input={"a": 1})),
        ("t_1", e.ToolInputAvailable(tool_call_id="c2", tool_name="g", input=None, provider_executed=True)),
        ("t_1", e.ToolApprovalRequest(approval_id="a1", tool_call_id="c2")),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c1", output=[1], preliminary=True)),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c1", output=[1, 2])),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c1", output="too late")),
        ("t_1", e.ToolOutputDenied(tool_call_id="c2")),
        ("t_1", e.ToolInputError(tool_call_id="c3", tool_name="h", input="{", error_text="not JSON")),
        ("t_1", e.ToolInputStart(tool_call_id="c4", tool_name="f")),
        ("t_1", e.ToolInputAvailable(tool_call_id="c4", tool_name="f", input={})),
        ("t_1", e.ToolOutputError(tool_call_id="c4", error_text="ValueError: 1")),
        ("t_1", e.ToolOutputError(tool_call_id="c9", error_text="an orphan")),
        ("t_1", e.FinishStep()),
        *text("t_1", "x1", "Done."),
        stop("t_1", "completed"),
    ),
    "files-sources-data": log(
        *HEAD,
        ("t_1", e.File(url="data:image/png;base64,AA==", media_type="image/png")),
        ("t_1", e.SourceDocument(source_id="d1", media_type="text/plain", title="T", filename="t.txt")),
        ("t_1", e.Data(type="data-progress", id="p", data={"done": 1})),
        ("t_1", e.Data(type="data-progress", id="p", data={"done": 2})),
        ("t_1", e.Data(type="data-note", data="n")),
        ("t_1", e.Data(type="data-note", data="gone", transient=True)),
        ("t_1", e.MessageMetadata(message_metadata={"k": 2, "z": None})),
        stop("t_1", "truncated"),
    ),
    "outcomes-absorb": log(
        *HEAD,
        ("t_1", e.TextStart(id="x1")),
        ("t_1", e.TextDelta(id="x1", delta="kept")),
        stop("t_1", "stopped"),
        ("t_1", e.TextDelta(id="x1", delta=" not this")),
        stop("t_1", "completed"),
    ),
    "unknown-types-move-the-lsn": log(
        CREATED,
        (None, {"type": "from-the-future", "lsn_like": 7, "nested": {"a": [1]}}),
        ASKED,
        STARTED,
        ("t_1", {"type": "also-unknown"}),
        stop("t_1", "completed"),
    ),
    "from-a-newer-writer": log(
        (None, {"type": "session-created", "session": "s_1", "colour": "red", "by": {"username": "ada"}}),
        (None, {"type": "session-updated", "title": "Why", "pinned": True}),
        (
            None,
            {
                "type": "user-message",
                "message_id": "m_1",
                "client_id": "c_1",
                "text": "Why?",
                "parts": [{"type": "data-hologram", "data": {"mm": 3}, "depth": 3}],
                "mood": "curious",
                "author": {"username": "ada", "name": "Ada"},
            },
        ),
        ("t_1", {"type": "turn-started", "user_message_id": "m_1", "message_id": "m_2", "agent": "demo", "lane": 2}),
        ("t_1", {"type": "start", "messageId": "m_2", "messageMetadata": {"k": 1}, "voice": "alto"}),
        ("t_1", {"type": "text-start", "id": "x1", "font": "serif"}),
        ("t_1", {"type": "text-delta", "id": "x1", "delta": "So ", "confidence": 0.9}),
        ("t_1", {"type": "text-watermark", "id": "x1", "mark": "w"}),
        ("t_1", {"type": "text-delta", "id": "x1", "delta": "it is."}),
        ("t_1", {"type": "text-end", "id": "x1", "hash": "h"}),
        ("t_1", {"type": "tool-input-start", "toolCallId": "c1", "toolName": "plot", "sandbox": {"kind": "wasm"}}),
        ("t_1", {"type": "tool-input-available", "toolCallId": "c1", "toolName": "plot", "input": {}, "sandbox": 1}),
        ("t_1", {"type": "tool-paused", "toolCallId": "c1"}),
        ("t_1", {"type": "tool-output-available", "toolCallId": "c1", "output": {"mime": {}}, "cached": True}),
        ("t_1", {"type": "data-mood", "data": {"mood": "good"}, "id": "d1", "weight": 2}),
        ("t_1", {"type": "finish-step", "finishReason": "stop", "usage": {"input_tokens": 2}}),
        (
            "t_1",
            {
                "type": "turn-stopped",
                "outcome": "failed",
                "error": {"category": "provider", "text": "No.", "recoverable": True},
                "usage": {"input_tokens": 2, "output_tokens": 3},
                "grade": "b",
            },
        ),
        (None, {"type": "session-archived", "by": {"username": "ada"}}),
    ),
    "updates": log(
        CREATED,
        (None, e.SessionUpdated(title="First", by=ME)),
        (None, e.SessionUpdated(model="openai:gpt-5", agent="assistant")),
        (None, e.SessionUpdated(title=None, muted=True)),
        (None, e.SessionUpdated(notebook="b/a.ipynb")),
    ),
    "queue": log(
        *HEAD,
        queued("q_1", "t_2", "first", agent="demo", model="demo", tools=["f"], author=ME),
        queued("q_2", "t_3", "second"),
        queued("q_3", "t_4", "third", resolved_agent="assistant", resolved_model="openai:gpt-5"),
        (None, e.QueueEdited(message_id="q_2", text="second, edited", by=ME)),
        (None, e.QueueReordered(message_ids=["q_3", "q_1"], by=ME)),
        (None, e.MessageDequeued(message_id="q_1", reason="removed", by=ME)),
        stop("t_1", "stopped"),
    ),
    "queue-drains": log(
        *HEAD,
        queued("q_1", "t_2", "first"),
        stop("t_1", "stopped"),
        (None, e.QueueResumed(by=ME)),
        (None, e.MessageDequeued(message_id="q_1", reason="started")),
        (None, e.UserMessage(message_id="q_1", parent="m_2", client_id="c_q_1", text="first")),
        ("t_2", e.TurnStarted(user_message_id="q_1", message_id="m_3", agent="demo")),
        queued("q_2", "t_3", "next"),
        (None, e.QueueHeld(reason="There is no agent 'x'.")),
        *text("t_2", "x1", "answer"),
        stop("t_2", "completed"),
    ),
    "branches": log(
        *HEAD,
        *text("t_1", "x1", "one"),
        stop("t_1", "completed"),
        ("t_2", e.TurnStarted(user_message_id="m_1", message_id="m_3", agent="demo", model="demo", client_id="r_1")),
        *text("t_2", "x1", "again"),
        stop("t_2", "completed"),
        (None, e.UserMessage(message_id="m_4", parent=None, client_id="c_4", text="Why not?")),
        ("t_3", e.TurnStarted(user_message_id="m_4", message_id="m_5", agent="demo")),
        *text("t_3", "x1", "edited"),
        stop("t_3", "completed"),
        (None, e.UserMessage(message_id="m_6", parent="m_2", client_id="c_6", text="More")),
        (None, e.BranchSelected(message_id="m_3", by=ME)),
        (None, e.BranchSelected(message_id="m_unknown", by=ME)),
    ),
    "continue": log(
        *HEAD,
        ("t_1", e.TextStart(id="x1")),
        ("t_1", e.TextDelta(id="x1", delta="half")),
        stop("t_1", "truncated", error=e.Error("network", "cut", True)),
        ("t_2", e.TurnStarted(user_message_id="m_1", message_id="m_2", agent="demo", client_id="c_7")),
        ("t_2", e.StartStep()),
        *text("t_2", "r1", " and half"),
        *text("t_2", "x2", "another"),
        stop("t_2", "stopped", usage=e.Usage(output_tokens=2)),
        ("t_3", e.TurnStarted(user_message_id="m_1", message_id="m_2", agent="demo", model="openai:gpt-5")),
        *text("t_3", "x1", ", whole"),
        ("t_3", e.Finish(message_metadata={"parent": "m_2", "lsn": 1, "usage": {"output_tokens": 1}})),
        stop("t_3", "completed", usage=e.Usage(output_tokens=1)),
    ),
    "two-turns": log(
        *HEAD,
        *text("t_1", "x1", "one"),
        stop("t_1", "completed", usage=e.Usage(input_tokens=1, output_tokens=2)),
        (
            None,
            e.UserMessage(
                message_id="m_3",
                client_id="c_2",
                text="And?",
                parts=[{"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="}],
                agent="assistant",
                model="openai:gpt-5",
                tools=["f"],
            ),
        ),
        ("t_2", e.TurnStarted(user_message_id="m_3", message_id="m_4", agent="assistant", model="openai:gpt-5")),
        ("t_2", e.Start(message_id="m_4")),
        ("t_1", e.TextDelta(id="x1", delta="of an old turn")),
        *text("t_2", "x1", "two"),
        stop("t_2", "completed", usage=e.Usage(input_tokens=10, output_tokens=20, reasoning_tokens=5)),
    ),
}


def called(turn: str, call: str, name: str, arguments: dict, **more) -> tuple[str, e.ToolInputAvailable]:
    return (turn, e.ToolInputAvailable(tool_call_id=call, tool_name=name, input=arguments, dynamic=True, **more))


def acting(turn: str, **more) -> tuple[str, e.FinishStep]:
    return (turn, e.FinishStep(finish_reason="tool-calls", **more))


PLOT = e.OfferedTool("plot", "Draw it.", {"type": "object"}, approval="always")
RUN = e.OfferedTool("run", "Run it.", {"type": "object"}, idempotent=True)

VECTORS |= {
    "calls": log(
        *HEAD,
        ("t_1", e.StartStep()),
        *text("t_1", "x1", "I look."),
        called("t_1", "c1", "plot", {"x": 1}, provider_metadata={"google": {"sig": "s"}}),
        called("t_1", "c2", "plot", {"x": 2}),
        called("t_1", "c3", "count", {}),
        called("t_1", "c4", "late", {}),
        acting("t_1", usage=e.Usage(5, 7, cost_usd=0.25), context=e.Context(12, 1000)),
        ("t_1", e.ToolApprovalRequest(approval_id="a1", tool_call_id="c1", scope="session")),
        ("t_1", e.ToolApprovalRequest(approval_id="a2", tool_call_id="c2")),
        called("t_1", "c2", "plot", {"x": 22}),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c2", output="so far", preliminary=True)),
        ("t_1", e.ToolApprovalRequest(approval_id="a4", tool_call_id="c4", deadline="2026-09-21T13:46:53.000Z")),
        ("t_1", e.ToolStarted(tool_call_id="c3")),
        ("t_1", e.ToolProgress(tool_call_id="c3", progress=1, total=2, message="half")),
        ("t_1", e.ToolProgress(tool_call_id="c3", log="one", level="warning")),
        ("t_1", e.ToolProgress(tool_call_id="c3", log="two")),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c3", output={"n": 3})),
        called("t_1", "c5", "count", {}),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c5", output={"n": 1}, preliminary=True)),
        ("t_1", e.ToolOutputError(tool_call_id="c5", error_text="It broke.")),
        ("t_1", e.ApprovalAnswered(approval_id="a9", tool_call_id="c1", approved=False)),
        ("t_1", e.ApprovalAnswered(approval_id="a1", tool_call_id="c1", approved=True, by=ME)),
        ("t_1", e.ApprovalAnswered(approval_id="a1", tool_call_id="c1", approved=False, by=ME)),
        ("t_1", e.ApprovalAnswered(approval_id="a2", tool_call_id="c2", approved=False, reason="no", by=ME)),
        ("t_1", e.ToolOutputDenied(tool_call_id="c2")),
        ("t_1", e.ToolWaiting(tool_call_id="c1", waits_for="kernel")),
        ("t_1", e.ToolStarted(tool_call_id="c1", runner="r_1")),
        ("t_1", e.ToolWaiting(tool_call_id="c1", waits_for="kernel")),
    ),
    "calls-inside-calls": log(
        *HEAD,
        ("t_1", e.StartStep()),
        called("t_1", "c1", "research", {}),
        acting("t_1", usage=e.Usage(1, 2)),
        ("t_1", e.ToolStarted(tool_call_id="c1")),
        ("t_1", e.StartStep(parent_tool_call_id="c1")),
        ("t_1", e.TextStart(id="c1/x", parent_tool_call_id="c1")),
        ("t_1", e.TextDelta(id="c1/x", delta="I ")),
        ("t_1", e.TextDelta(id="c1/x", delta="search.")),
        ("t_1", e.TextEnd(id="c1/x")),
        ("t_1", e.ToolInputStart(tool_call_id="c1/1", tool_name="find", parent_tool_call_id="c1")),
        ("t_1", e.ToolInputDelta(tool_call_id="c1/1", input_text_delta='{"q"')),
        called("t_1", "c1/1", "find", {"q": 1}),
        (
            "t_1",
            e.FinishStep(usage=e.Usage(10, 20, cost_usd=0.5), context=e.Context(1, 2), parent_tool_call_id="c1"),
        ),
        called("t_1", "c1/2", "ask_user", {"questions": []}, parent_tool_call_id="c1/1"),
        ("t_1", e.ToolSuspended(tool_call_id="c1/1", kept=[1], asked="c1/2")),
        ("t_1", e.ToolWaiting(tool_call_id="c1/2", waits_for="person")),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c1/2", output={"action": "accept"})),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c1/1", output="found")),
        called("t_1", "c1/3", "find", {}, parent_tool_call_id="c1"),
        ("t_1", e.ToolStarted(tool_call_id="c1/3", runner="r_1")),
        ("t_1", e.ToolProgress(tool_call_id="c1/3")),
        called("t_1", "c1/4", "ask_user", {}, parent_tool_call_id="c1/3"),
        ("t_1", e.TextStart(id="c1/3/x", parent_tool_call_id="c1/3")),
        ("t_1", e.ToolOutputError(tool_call_id="c1/3", error_text="It took too long.")),
        called("t_1", "c1/5", "ask_user", {}, parent_tool_call_id="c1"),
        ("t_1", e.ToolStarted(tool_call_id="c1")),
        ("t_1", e.TextStart(id="c1/y", parent_tool_call_id="c1")),
        ("t_1", e.TextDelta(id="c1/y", delta="half")),
        ("t_1", e.ToolApprovalRequest(approval_id="a1", tool_call_id="c1")),
        stop("t_1", "stopped", usage=e.Usage(1, 2)),
        ("t_2", e.TurnStarted(user_message_id="m_1", message_id="m_2", agent="demo")),
        ("t_2", e.StartStep()),
        *text("t_2", "x2", "Again."),
    ),
    "times": log(
        *HEAD,
        ("t_1", e.StartStep()),
        ("t_1", e.ReasoningStart(id="r1")),
        ("t_1", e.ReasoningEnd(id="r1")),
        called("t_1", "c1", "run", {}),
        called("t_1", "c2", "research", {}),
        called("t_1", "c3", "plot", {}),
        acting("t_1"),
        ("t_1", e.ToolWaiting(tool_call_id="c1", waits_for="kernel")),
        ("t_1", e.ToolApprovalRequest(approval_id="a3", tool_call_id="c3")),
        ("t_1", e.ToolStarted(tool_call_id="c2")),
        ("t_1", e.ReasoningStart(id="c2/r", parent_tool_call_id="c2")),
        called("t_1", "c2/1", "ask_user", {}, parent_tool_call_id="c2"),
        ("t_1", e.ToolWaiting(tool_call_id="c2/1", waits_for="person")),
        ("t_1", e.ReasoningEnd(id="c2/r")),
        ("t_1", e.ToolProgress(tool_call_id="c1", log="still busy")),
        ("t_1", e.ToolStarted(tool_call_id="c1", runner="r_1")),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c1", output=1)),
        ("t_1", e.ApprovalAnswered(approval_id="a3", tool_call_id="c3", approved=False)),
        ("t_1", e.ToolOutputDenied(tool_call_id="c3")),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c2/1", output={"action": "decline"})),
        ("t_1", e.ReasoningStart(id="c2/s", parent_tool_call_id="c2")),
        ("t_1", e.ToolOutputAvailable(tool_call_id="c2", output=2)),
        ("t_1", e.StartStep()),
        ("t_1", e.ReasoningStart(id="r2")),
        ("t_1", e.ReasoningDelta(id="r2", delta="So")),
        stop("t_1", "stopped"),
        ("t_2", e.TurnStarted(user_message_id="m_1", message_id="m_2", agent="demo")),
        ("t_2", e.ReasoningStart(id="r3")),
        ("t_2", e.ReasoningDelta(id="r3", delta="Hm")),
        stop("t_2", "interrupted"),
    ),
    "shares": log(
        *HEAD,
        (None, e.ShareCreated(share="h_1", hash="a" * 64, name="Class", expires_at="2026-12-24T18:00:00.000Z", by=ME)),
        (None, e.ShareCreated(share="h_2", hash="b" * 64)),
        (None, e.ShareCreated(share="h_2", hash="c" * 64, name="again")),
        (None, e.ShareRevoked(share="h_1", by=ME)),
        (None, e.ShareRevoked(share="h_9")),
        stop("t_1", "completed"),
    ),
    "modes-and-offers": log(
        CREATED,
        (None, e.SessionUpdated(mode="plan", effort="high", budget=e.Budget(tokens=1000), by=ME)),
        (None, e.ToolsOffered(runner="r_1", kernel="k", tools=[PLOT, RUN], by=ME)),
        (None, e.ToolsOffered(runner="r_2", kernel="other", tools=[RUN])),
        (None, e.UserMessage(message_id="m_1", client_id="c_1", text="Do.", mode="act", effort="low", tools=["run"])),
        (
            "t_1",
            e.TurnStarted(
                user_message_id="m_1", message_id="m_2", agent="demo", mode="act", effort="low", tools=["run"]
            ),
        ),
        queued("m_3", "t_2", "Then", mode="ask", resolved_agent="demo", resolved_mode="ask", resolved_effort="high"),
        (None, e.ToolsOffered(runner="r_3", kernel="k", tools=[PLOT])),
        (None, e.ToolsOffered(runner="r_2", tools=[])),
        (None, e.SessionUpdated(mode=None)),
    ),
}


INBOX = log(
    noticed := ("t_1", e.TurnNoticed(session_id="s_1", kind="waiting", session_lsn=9, wait="c1", tool="plot")),
    noticed,
    ("t_1", e.NoticeClaimed(kind="waiting", wait="c1", by="p_1")),
    ("t_1", e.NoticeClaimed(kind="waiting", wait="c1", by="p_2")),
    ("t_2", e.TurnNoticed(session_id="s_2", kind="waiting", session_lsn=5, wait="c9", tool="ask_user", text="Which?")),
    ("t_2", e.NoticeWithdrawn()),
    (
        "t_1",
        e.TurnNoticed(session_id="s_1", kind="done", session_lsn=20, title="Why", text="So ✓", notebook="a.ipynb"),
    ),
    ("t_1", e.NoticeClaimed(kind="done", by="p_2")),
    ("t_3", e.TurnNoticed(session_id="s_1", kind="failed", session_lsn=30, text="The key was refused.")),
    (None, e.SessionRead(session_id="s_1", session_lsn=25)),
    ("t_4", e.TurnNoticed(session_id="s_3", kind="done", session_lsn=8, quiet=True)),
    ("t_5", e.TurnNoticed(session_id="s_4", kind="done", session_lsn=8)),
    (None, e.SessionForgotten(session_id="s_4")),
    (None, {"type": "of-a-later-version"}),
)
"""What is told, in the order in which it may go wrong."""

INBOXES = {
    "told-claimed-read": INBOX,
    "cleared": [*INBOX, *log(*[(None, e.NoticesCleared())] * 15)[14:]],
    "the-oldest-go": log(
        *((f"t_{n}", e.TurnNoticed(session_id=f"s_{n % 7}", kind="done", session_lsn=n)) for n in range(1, 410)),
        ("t_9", e.TurnNoticed(session_id="s_2", kind="done", session_lsn=9)),
        ("t_10", e.TurnNoticed(session_id="s_3", kind="done", session_lsn=10)),
    ),
}


def main() -> None:
    for name, events in INBOXES.items():
        inbox = Inbox("inbox_1")
        for event in events:
            inbox.apply(e.decode(json.dumps(event)))
        vector = {"name": name, "events": events, "inbox": inbox.to_json()}
        (HERE / "inbox" / f"{name}.json").write_text(json.dumps(vector, ensure_ascii=False) + "\n")
    for name, events in VECTORS.items():
        decoded = [e.decode(json.dumps(event)) for event in events]
        vector = {"name": name, "events": events, "transcript": fold(decoded).to_json()}
        (HERE / f"{name}.json").write_text(json.dumps(vector, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
