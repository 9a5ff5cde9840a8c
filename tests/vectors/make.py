"""Writes the fold's vectors from the events below and the Python fold: run it when the fold changes on purpose.

    python tests/vectors/make.py

Read the difference before you commit it: the TypeScript fold must give the same.
"""

import json
from pathlib import Path

from jupyter_durable_chat import events as e
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
        ("t_1", e.StopRequested()),
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
    "updates": log(
        CREATED,
        (None, e.SessionUpdated(title="First", by=ME)),
        (None, e.SessionUpdated(model="openai:gpt-5", agent="assistant")),
        (None, e.SessionUpdated(title=None, muted=True)),
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


def main() -> None:
    for name, events in VECTORS.items():
        decoded = [e.decode(json.dumps(event)) for event in events]
        vector = {"name": name, "events": events, "transcript": fold(decoded).to_json()}
        (HERE / f"{name}.json").write_text(json.dumps(vector, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
