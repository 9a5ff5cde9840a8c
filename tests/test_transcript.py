"""The fold, against the vectors that the TypeScript fold is held to as well, and its one law."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from jupyter_durable_chat import events as e
from jupyter_durable_chat.transcript import Transcript, fold

VECTORS = sorted((Path(__file__).parent / "vectors").glob("*.json"))
FOLD_VECTORS = [p for p in VECTORS if "events" in json.loads(p.read_text())]


def decoded(events: list[dict]) -> list[e.AnyEvent]:
    return [e.decode(json.dumps(event)) for event in events]


def restored(transcript: Transcript) -> Transcript:
    return Transcript.from_json(json.loads(e.to_json(transcript.to_json())))


@pytest.mark.parametrize("path", FOLD_VECTORS, ids=lambda p: p.stem)
def test_vector(path: Path) -> None:
    vector = json.loads(path.read_text())
    assert json.loads(e.to_json(fold(decoded(vector["events"])).to_json())) == vector["transcript"]


def test_there_are_vectors() -> None:
    assert len(FOLD_VECTORS) >= 12


def test_an_event_twice_changes_nothing() -> None:
    events = decoded(json.loads((Path(__file__).parent / "vectors" / "tools.json").read_text())["events"])
    twice = [event for event in events for _ in range(2)]
    assert fold(twice).to_json() == fold(events).to_json()


def test_an_answer_waits_in_the_moments_in_which_nobody_works_on_it() -> None:
    """One call waits for a kernel, one for a yes, and one asks the person inside of it, while it thinks and after."""
    vector = json.loads((Path(__file__).parent / "vectors" / "times.json").read_text())
    types = {event["at"]: event["type"] for event in vector["events"]}
    waits = vector["transcript"]["messages"][-1]["metadata"]["waits"]
    assert [(types[wait["from"]], types[wait["to"]]) for wait in waits] == [
        ("reasoning-end", "tool-started"),
        ("tool-output-available", "approval-answered"),
        ("tool-output-denied", "tool-output-available"),
        ("turn-stopped", "turn-started"),
    ]


ids = st.sampled_from(["1", "2", "3"])
texts = st.text(max_size=8)
turns = st.sampled_from(["t_1", "t_2", None])
objects = st.dictionaries(texts, st.integers() | texts, max_size=2)
parents = st.just(UNSET) | st.none() | ids.map("u".__add__) | ids.map("a".__add__)
chunks = st.one_of(
    st.builds(e.SessionUpdated, title=texts),
    st.builds(e.UserMessage, message_id=ids.map("u".__add__), client_id=ids, text=texts, parent=parents),
    st.builds(e.TurnStarted, user_message_id=ids.map("u".__add__), message_id=ids.map("a".__add__), agent=texts),
    st.builds(e.StopRequested),
    st.builds(e.BranchSelected, message_id=ids.map("a".__add__) | ids.map("u".__add__)),
    st.builds(e.MessageQueued, message_id=ids.map("q".__add__), client_id=ids, text=texts),
    st.builds(e.MessageDequeued, message_id=ids.map("q".__add__), reason=st.sampled_from(["started", "removed"])),
    st.builds(e.QueueEdited, message_id=ids.map("q".__add__), text=texts),
    st.builds(e.QueueReordered, message_ids=st.lists(ids.map("q".__add__))),
    st.builds(e.QueueHeld, reason=texts),
    st.builds(e.QueueResumed),
    st.builds(
        e.TurnStopped,
        outcome=st.sampled_from(["completed", "stopped", "failed", "truncated", "interrupted"]),
        usage=st.none() | st.builds(e.Usage, input_tokens=st.integers(0, 9)),
    ),
    st.builds(e.Start, message_metadata=objects),
    st.builds(e.StartStep),
    st.builds(e.TextStart, id=ids),
    st.builds(e.TextDelta, id=ids, delta=texts),
    st.builds(e.TextEnd, id=ids),
    st.builds(e.ReasoningStart, id=ids),
    st.builds(e.ReasoningDelta, id=ids, delta=texts),
    st.builds(e.ReasoningEnd, id=ids, provider_metadata=st.none() | objects),
    st.builds(e.ToolInputStart, tool_call_id=ids, tool_name=texts),
    st.builds(e.ToolInputDelta, tool_call_id=ids, input_text_delta=texts),
    st.builds(e.ToolInputAvailable, tool_call_id=ids, tool_name=texts, input=objects),
    st.builds(e.ToolInputError, tool_call_id=ids, tool_name=texts, input=texts, error_text=texts),
    st.builds(e.ToolApprovalRequest, tool_call_id=ids, approval_id=ids),
    st.builds(e.ToolOutputAvailable, tool_call_id=ids, output=texts, preliminary=st.none() | st.booleans()),
    st.builds(e.ToolOutputError, tool_call_id=ids, error_text=texts),
    st.builds(e.ToolOutputDenied, tool_call_id=ids),
    st.builds(e.Data, type=st.just("data-x"), id=st.none() | ids, data=texts),
    st.builds(e.Finish, message_metadata=st.none() | objects),
)


@given(st.lists(st.tuples(turns, chunks), max_size=60), st.data())
def test_fold_of_all_is_fold_of_any_snapshot_and_the_rest(items: list, data: st.DataObject) -> None:
    events = [
        e.decode(e.number(lsn, e.encode(event, at=e.timestamp(lsn), turn=turn)))
        for lsn, (turn, event) in enumerate(items, 1)
    ]
    cut = data.draw(st.integers(0, len(events)))
    assert fold(events[cut:], restored(fold(events[:cut]))).to_json() == fold(events).to_json()


def test_half_a_character_is_joined_to_its_other_half_or_replaced() -> None:
    joined = e.encode(e.TextDelta(id="x", delta="\ud83e\udd14"), at="")
    alone = e.encode(e.Data(type="data-x", data={"k": ["\ud83e!"]}), at="")
    assert json.loads(joined)["delta"] == "🤔" and json.loads(alone)["data"] == {"k": ["\ufffd!"]}


def test_who_only_shows_events_passes_over_what_a_newer_writer_means():
    newer = b'{"lsn":7,"at":"","turn":"t_1","type":"turn-stopped","outcome":"postponed"}'
    with pytest.raises(msgspec.ValidationError):
        e.decode(newer)
    assert e.understood(newer) == e.Unknown(type="turn-stopped", lsn=7, turn="t_1")
    assert e.understood(newer.replace(b"postponed", b"stopped")) == e.decode(newer.replace(b"postponed", b"stopped"))
    with pytest.raises(msgspec.ValidationError):
        e.understood(b'{"lsn":7}')
