"""What guests are shown goes on as the whole does, and holds nothing that was not named to be shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat import guests
from jupyter_durable_chat.transcript import Transcript

VECTORS = {path.stem: json.loads(path.read_text()) for path in Path(__file__).parent.glob("vectors/*.json")}

SECRETS = {
    *("Ada Lovelace's login", "a.ipynb", "runner", "kernel-id", "signature", "a-scope", "link-hash", "client"),
    *("queued words", "removed words", "other branch", "kept by a tool", "what an agent says", "offered"),
}


def folded(events: list[Any], transcript: Transcript | None = None) -> Transcript:
    transcript = transcript or Transcript()
    for event in events:
        transcript.apply(event)
    return transcript


@pytest.mark.parametrize("name", VECTORS)
def test_what_is_shown_goes_on_as_the_whole_does(name: str) -> None:
    events = [e.decode(json.dumps(event)) for event in VECTORS[name]["events"]]
    for first in range(1, len(events) + 1):
        shown = Transcript.from_json(json.loads(e.to_json(guests.transcript(folded(events[:first])))))
        for lsn, event in enumerate(events[first:], first + 1):
            if guests.begins(event):
                break
            shown.apply(e.decode(e.number(lsn, guests.record(event))))
            assert shown.to_json() == guests.transcript(folded(events[:lsn])), (first, lsn, event)


def test_what_belongs_to_the_owner_is_not_shown() -> None:
    ada = e.Author("Ada Lovelace's login", "Ada", "#ff8800")
    tool = e.OfferedTool("run", "offered", {})
    facts: list[tuple[str | None, Any]] = [
        (None, e.SessionCreated(session="s_1", notebook="a.ipynb", title="T", by=ada)),
        (None, e.ShareCreated(share="h_1", hash="link-hash", name="a-scope", by=ada)),
        (None, e.UserMessage(message_id="m_0", client_id="client", text="other branch", author=ada)),
        (None, e.UserMessage(message_id="m_1", client_id="client", text="Why?", author=ada, parent=None)),
        (None, e.ToolsOffered(runner="runner", kernel="kernel-id", tools=[tool], by=ada)),
        ("t_1", e.TurnStarted(user_message_id="m_1", message_id="m_2", agent="demo", client_id="client")),
        ("t_1", e.Start(message_metadata={"k": "what an agent says"})),
        ("t_1", e.StartStep()),
        ("t_1", e.TextStart(id="x", provider_metadata={"p": "signature"})),
        ("t_1", e.TextDelta(id="x", delta="So.", provider_metadata={"p": "signature"})),
        ("t_1", e.TextEnd(id="x", provider_metadata={"p": "signature"})),
        ("t_1", e.ToolInputAvailable(tool_call_id="c", tool_name="run", input=1, provider_metadata={"p": "signature"})),
        ("t_1", e.ToolApprovalRequest(approval_id="a", tool_call_id="c", scope="session")),
        ("t_1", e.ApprovalAnswered(approval_id="a", tool_call_id="c", approved=True, by=ada)),
        ("t_1", e.ToolWaiting(tool_call_id="c", waits_for="kernel")),
        ("t_1", e.ToolStarted(tool_call_id="c", runner="runner")),
        ("t_1", e.ToolSuspended(tool_call_id="c", kept="kept by a tool", asked="d")),
        ("t_1", e.Data(type="data-x", data="what an agent says", transient=True)),
        ("t_2", e.MessageQueued(message_id="m_3", client_id="client", text="queued words", author=ada)),
        ("t_3", e.MessageQueued(message_id="m_4", client_id="client", text="removed words")),
        (None, e.MessageDequeued(message_id="m_4", reason="removed", by=ada)),
        ("t_1", e.StopRequested(by=ada)),
        ("t_1", e.TurnStopped(outcome="stopped", usage=e.Usage(7_654_321, 2, cost_usd=9.87))),
    ]  # fmt: skip
    at = "2026-11-28T00:00:00.000Z"
    numbered = [e.decode(e.number(lsn, e.encode(fact, at=at, turn=turn))) for lsn, (turn, fact) in enumerate(facts, 1)]
    whole = folded(numbered)
    said = e.to_json(whole.to_json()).decode()
    shown = e.to_json(guests.transcript(whole)).decode()
    live = b"\n".join(guests.record(event) for event in numbered if not guests.begins(event)).decode()
    assert all(secret in said for secret in SECRETS), "the whole has all of them"
    for secret in (*SECRETS, "7654321", "9.87"):
        assert secret not in shown, secret
        assert secret not in live, secret
    assert all(text in shown for text in ("Why?", "So.", '"name":"Ada"', '"title":"T"', "#ff8800"))


def test_somebody_has_thought_of_every_event() -> None:
    hidden = {
        *(e.ShareCreated, e.ShareRevoked, e.ToolsOffered, e.Start, e.MessageMetadata, e.Finish, e.Abort, e.ErrorText),
        *(e.MessageQueued, e.MessageDequeued, e.QueueEdited, e.QueueReordered, e.QueueHeld, e.QueueResumed),
        *(e.TurnNoticed, e.NoticeClaimed, e.NoticeWithdrawn, e.SessionRead, e.NoticesCleared, e.SessionForgotten),
    }
    every = set(e.Known.__args__) | {e.Data}
    assert set(guests._SHOWN) | set(guests._BEGINS) | hidden == every
    assert not hidden & (set(guests._SHOWN) | set(guests._BEGINS))


def test_somebody_has_thought_of_all_that_a_transcript_has() -> None:
    shown = {"id", "lsn", "title", "status", "turn", "messages", "approvals", "created_at", "updated_at"}
    assert set(Transcript().to_json()) == shown | set(guests._NOBODYS)
    assert not shown & set(guests._NOBODYS)
