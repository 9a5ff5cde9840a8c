"""A session as a file: what goes out comes in again, and whatever else comes is refused with its place."""

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_durable_chat import events as e
from jupyter_durable_chat.portable import Allowed, Portable, Refused, TooLarge, attachment, head, opened
from jupyter_durable_chat.transcript import Transcript, fold
from tests.test_transcript import FOLD_VECTORS, chunks, turns

JSON = dict[str, Any]

ME = e.Author("me", "Me Myself")
NOW = "2026-11-28T03:00:00.000Z"
ALLOWED = Allowed(session_bytes=1e6, attachment_bytes=1000, allows=lambda kind: True, patience=lambda: True)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def read(file: JSON | bytes, **allowed: Any) -> Portable:
    data = file if isinstance(file, bytes) else json.dumps(file).encode()
    return opened(data, session="s_new", by=ME, at=NOW, allowed=ALLOWED._replace(**allowed))


def written(events: list[JSON], snapshot: JSON | None = None, attachments: list[JSON] | None = None) -> JSON:
    return {
        "format": "jupyter-durable-chat",
        "version": 1,
        "session": {"id": "s_old"},
        "snapshot": snapshot,
        "events": events,
        "attachments": attachments or [],
    }


def number(items: list[tuple[str | None, Any]], start: int = 1) -> list[JSON]:
    """Events as they are on the wire."""
    return [
        json.loads(e.number(lsn, e.encode(event, at=e.timestamp(lsn), turn=turn)))
        for lsn, (turn, event) in enumerate(items, start)
    ]


def said(transcript: Transcript) -> JSON:
    """What a file is for: what was said, on whatever branch."""
    return {name: transcript.to_json()[name] for name in ("messages", "others", "usage", "title")}


def stored(portable: Portable) -> Transcript:
    """What a server makes of what it stores."""
    start = Transcript.from_json(json.loads(portable.base.data)) if portable.base else Transcript()
    first = start.lsn + 1
    return fold((e.decode(e.number(lsn, record)) for lsn, record in enumerate(portable.records, first)), start)


def decoded(events: list[JSON]) -> list[e.AnyEvent]:
    return [e.decode(json.dumps(event)) for event in events]


def ended(transcript: Transcript) -> Transcript:
    """The same, when an import has ended the turn that runs."""
    if transcript.turn:
        stop = e.encode(e.TurnStopped(outcome="interrupted"), at=NOW, turn=transcript.turn["id"])
        transcript.apply(e.decode(e.number(transcript.lsn + 1, stop)))
    return transcript


def lawful(items: list[tuple[str | None, Any]]) -> list[tuple[str | None, Any]]:
    """Without the turns that no log has: those that start while another runs."""
    kept: list[tuple[str | None, Any]] = [(None, e.SessionCreated(session="s_old", notebook="a.ipynb", by=ME))]
    transcript = fold(decoded(number(kept)))
    for turn, event in items:
        if isinstance(event, e.TurnStarted) and (turn is None or transcript.turn):
            continue
        kept.append((turn, event))
        transcript.apply(decoded(number(kept[-1:], transcript.lsn + 1))[0])
    return kept


@given(st.lists(st.tuples(turns, chunks), max_size=60), st.data())
def test_any_log_comes_in_as_it_went_out(items: list, data: st.DataObject) -> None:
    """Whole, or with a snapshot in place of its first events; and what came in goes out again, and in."""
    events = number(lawful(items))
    cut = data.draw(st.integers(0, len(events)))
    snapshot = json.loads(e.to_json(fold(decoded(events[:cut])).to_json())) if cut else None
    portable = read(written(events[cut:], snapshot))
    assert said(portable.transcript) == said(ended(fold(decoded(events))))
    assert stored(portable).to_json() == portable.transcript.to_json()
    assert portable.transcript.id == "s_new"
    first = portable.base.lsn + 1 if portable.base else 1
    again = [json.loads(e.number(lsn, record)) for lsn, record in enumerate(portable.records, first)]
    base = json.loads(portable.base.data) if portable.base else None
    assert said(read(written(again, base)).transcript) == said(portable.transcript)


@pytest.mark.parametrize("path", FOLD_VECTORS, ids=lambda path: path.stem)
def test_the_vectors_come_in(path: Any) -> None:
    events = json.loads(path.read_text())["events"]
    portable = read(written(events))
    assert stored(portable).to_json() == portable.transcript.to_json()
    mine = said(ended(fold(decoded(events))))
    theirs = said(portable.transcript)
    for told in (mine, theirs):
        for message in (*told["messages"], *told["others"]):
            for name in ("author", "stopped_by"):
                message["metadata"].pop(name, None)
            for part in message["parts"]:
                part.get("approval", {}).pop("by", None)
    assert theirs == mine


TOOL = e.OfferedTool("f", "does", {"type": "object"})
ASKED = e.UserMessage(message_id="m_1", client_id="c_1", text="Run it?", author=e.Author("ada", "Ada", "#f00"))
STARTED = e.TurnStarted(user_message_id="m_1", message_id="m_2", agent="shell", model="big")
BEGUN = [(None, e.SessionCreated(session="s_old", agent="shell", model="big", by=ME)), (None, ASKED), ("t_1", STARTED)]
RUNNING = [
    *BEGUN,
    (None, e.SessionUpdated(mode="act", effort="high", budget=e.Budget(0, 99.0))),
    (None, e.ToolsOffered(runner="r_1", tools=[TOOL])),
    ("t_1", e.ToolInputAvailable(tool_call_id="k", tool_name="f", input={})),
    ("t_1", e.ToolApprovalRequest(tool_call_id="k", approval_id="a_1", scope="session")),
    ("t_1", e.ApprovalAnswered(approval_id="a_1", tool_call_id="k", approved=True, by=e.Author("ada"))),
    ("t_2", e.MessageQueued(message_id="m_3", client_id="c_2", text="And then?")),
]


@pytest.mark.parametrize("with_snapshot", [False, True])
def test_nothing_in_it_goes_on_asks_or_runs_by_itself(with_snapshot: bool) -> None:
    events = number(RUNNING)
    snapshot = json.loads(e.to_json(fold(decoded(events)).to_json())) if with_snapshot else None
    transcript = read(written([] if with_snapshot else events, snapshot)).transcript
    assert (transcript.turn, transcript.queue, transcript.offers, transcript.allowed) == (None, [], [], [])
    assert (transcript.agent, transcript.model, transcript.mode, transcript.budget) == (None, None, None, None)
    assert (transcript.notebook, transcript.status) == (None, "idle")
    _, answer = transcript.messages
    assert answer["metadata"]["outcome"] == "interrupted"
    assert answer["parts"][0]["state"] == "output-error"
    assert answer["metadata"]["agent"] == "shell", "who answered then is still said"


@pytest.mark.parametrize("with_snapshot", [False, True])
def test_who_wrote_it_is_nobody_here(with_snapshot: bool) -> None:
    events = number(RUNNING)
    snapshot = json.loads(e.to_json(fold(decoded(events)).to_json())) if with_snapshot else None
    portable = read(written([] if with_snapshot else events, snapshot))
    question, answer = portable.transcript.messages
    ada = {"username": "imported:ada", "name": "Ada (imported)"}
    assert question["metadata"]["author"] == ada
    assert answer["parts"][0]["approval"]["by"] == {"username": "imported:ada", "name": "ada (imported)"}
    assert b'"username":"ada"' not in b"".join(portable.records) + (portable.base.data if portable.base else b"")
    again = number([(None, e.SessionCreated(session="x")), (None, e.UserMessage(**{**question_of(question)}))])
    assert read(written(again)).transcript.messages[0]["metadata"]["author"] == ada, "said once"


def question_of(message: JSON) -> JSON:
    author = e.Author(**message["metadata"]["author"])
    return {"message_id": message["id"], "client_id": "c", "text": "?", "author": author}


def test_what_nobody_here_knows_keeps_its_number_and_nothing_else() -> None:
    events = number(BEGUN[:1])
    events.append({"lsn": 2, "at": NOW, "turn": None, "type": "from-tomorrow", "secret": "x"})
    portable = read(written(events))
    assert json.loads(portable.records[1]) == {"at": NOW, "turn": None, "type": "from-tomorrow"}


def test_fields_that_nobody_here_knows_stay_outside() -> None:
    events = number(BEGUN[:2])
    events[1]["sender"] = "root"
    events[0]["key"] = "stolen"
    assert b"root" not in read(written(events)).records[1]
    assert b"stolen" not in read(written(events)).records[0]


def change(place: int, **fields: Any) -> list[JSON]:
    events = number(RUNNING)
    events[place] = {name: value for name, value in {**events[place], **fields}.items() if value != "absent"}
    return events


def nested(levels: int) -> Any:
    return {"a": nested(levels - 1)} if levels > 1 else {}


TWICE = [*BEGUN, ("t_2", e.TurnStarted(user_message_id="m_1", message_id="m_9", agent="x"))]
TO_A_QUESTION = [*BEGUN[:2], ("t_1", e.TurnStarted(user_message_id="m_1", message_id="m_1", agent="x"))]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([], "events is empty"),
        (number(BEGUN[1:]), "events[0]: a conversation begins with session-created, and not with user-message"),
        (number(BEGUN, start=2), "events[0].lsn takes 1, the number after the one before it, and not 2"),
        (change(2, lsn=5), "events[2].lsn takes 3"),
        (change(1, at="yesterday"), "events[1].at takes a time"),
        (change(1, at="absent"), "events[1] has no at"),
        (change(2, turn="t/../1"), "events[2].turn takes 1 to 64 letters"),
        (change(2, turn=None), "events[2] has no turn"),
        (change(1, message_id="<b>"), "events[1].message_id takes 1 to 64 letters"),
        (change(1, client_id=""), "events[1].client_id takes 1 to 200"),
        (change(1, text="absent"), "events[1]: Object missing required field `text`"),
        (change(1, text=7), "events[1]: Expected `str`, got `int` - at `$.text`"),
        (change(1, parts=[{"type": "dynamic-tool"}]), "events[1].parts[0].type takes 'text', 'file' or 'data-NAME'"),
        (change(1, parts=[{"type": "file", "mediaType": "a/b"}]), "events[1].parts[0] has no url"),
        (change(1, type=7), "events[1]: Expected `str`, got `int` - at `$.type`"),
        (change(1, type="x" * 65), "events[1].type takes at most 64"),
        (change(5, input=nested(e.MAX_DEPTH + 1)), "events[5] nests deeper than the 64 levels"),
        ([*number(BEGUN), 7], "events[3]: Expected `object`, got `int`"),
        (number(TWICE), "events[3]: a turn starts before turn 't_1' has stopped"),
        (number(TO_A_QUESTION), "events[2].message_id names a message that is no answer"),
    ],
)
def test_an_event_that_is_none_is_refused_with_its_place(events: list[JSON], why: str) -> None:
    with pytest.raises(Refused) as refused:
        read(written(events))
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"", "The file is not JSON"),
        (b"{", "The file is not JSON"),
        (b"\xff\xfe", "The file is not JSON"),
        (b"[]", "This is no exported conversation"),
        (b'{"x":' * 1_000_000, "nests deeper"),
        ({"events": []}, "missing required field `format`"),
        ({**written([]), "format": "chatgpt"}, "format takes 'jupyter-durable-chat', and not 'chatgpt'"),
        ({**written([]), "version": 2}, "version takes 1, and not 2"),
        ({**written([]), "snapshot": 7}, "snapshot takes a transcript"),
    ],
)
def test_a_file_that_is_none(file: Any, why: str) -> None:
    with pytest.raises(Refused) as refused:
        read(file)
    assert why in str(refused.value)


def snapshot() -> JSON:
    return json.loads(e.to_json(fold(decoded(number(RUNNING))).to_json()))


def spoilt(path: str, value: Any) -> JSON:
    """The snapshot with something else at `a.0.b`."""
    spoilt: Any = snapshot()
    *way, last = path.split(".")
    place = spoilt
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    return spoilt


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("lsn", 0, "snapshot.lsn takes a number from 1"),
        ("status", "dancing", "snapshot: Invalid enum value 'dancing'"),
        ("messages", {}, "snapshot: Expected `array`"),
        ("messages.0.id", "a b", "snapshot.messages[0].id takes"),
        ("messages.0.role", "system", "Invalid enum value 'system'"),
        ("messages.1.metadata.parent", "m_7", "the parent of message 'm_2' is none that came before it"),
        ("messages.0.metadata.parent", "m_2", "the parent of message 'm_1' is none that came before it"),
        ("messages.1.metadata.parent", None, "snapshot.messages is no branch"),
        ("messages.1.metadata.lsn", 99, "snapshot.messages[1].metadata.lsn takes a number from 1 to 9"),
        ("messages.1.id", "m_1", "snapshot has two messages of one id"),
        ("messages.0.parts", [], "snapshot.messages[0].parts does not begin with a text"),
        ("messages.0.parts.0", {"type": "dynamic-tool"}, "snapshot.messages[0].parts[0].type"),
        ("messages.1.parts.0", {"type": "script"}, "snapshot.messages[1].parts[0]: Invalid value 'script'"),
        ("messages.1.parts.0.state", "done", "snapshot.messages[1].parts[0]: Invalid enum value 'done'"),
        ("messages.1.parts.0.parts", [{"type": "text"}], "snapshot.messages[1].parts[0].parts[0]: Object missing"),
        ("messages.1.metadata.waits", [{}], "snapshot.messages[1].metadata: Object missing required field `from`"),
        ("turn.message_id", "m_1", "snapshot.turn.message_id names no answer"),
        ("turn", None, "snapshot.status is 'streaming', but there is no turn"),
        ("turn.usage", {"input_tokens": "many"}, "snapshot.turn.usage"),
        ("created_at", "then", "snapshot.created_at takes a time"),
    ],
)
def test_a_snapshot_that_is_none(path: str, value: Any, why: str) -> None:
    read(written([], snapshot()))
    with pytest.raises(Refused) as refused:
        read(written([], spoilt(path, value)))
    assert why in str(refused.value)


@pytest.mark.parametrize("with_snapshot", [False, True])
def test_whatever_an_answer_may_have_comes_in_again(with_snapshot: bool) -> None:
    deepest = nested(e.MAX_DEPTH)
    output = e.ToolOutputAvailable(tool_call_id="k", output=deepest)
    assert e.is_shallow(output) and not e.is_shallow(msgspec.structs.replace(output, output=[deepest]))
    events = number([*RUNNING[:8], ("t_1", output)])
    snapshot = json.loads(e.to_json(fold(decoded(events)).to_json())) if with_snapshot else None
    portable = read(written([] if with_snapshot else events, snapshot))
    assert portable.transcript.messages[1]["parts"][0]["output"] == deepest


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(TooLarge, match=r"events\[1\]: up to here the conversation has \d+ bytes"):
        read(written(number(BEGUN)), session_bytes=200)


def test_what_takes_too_long_is_refused() -> None:
    turns = iter([True, False])
    with pytest.raises(Refused, match=r"events\[1\]: .* taken longer"):
        read(written(number(BEGUN)), patience=lambda: next(turns))


HASH = sha256(PNG).hexdigest()
PICTURE = {"type": "file", "mediaType": "image/png", "url": f"attachment:{HASH}"}
WITH_PICTURE = number([BEGUN[0], (None, e.UserMessage(message_id="m", client_id="c", text="?", parts=[PICTURE]))])
GIVEN = {"hash": HASH, "size": len(PNG), "media_type": "image/png", "data": b64encode(PNG).decode()}


def test_a_file_of_a_message_comes_along() -> None:
    assert json.loads(attachment(HASH, PNG)) == GIVEN
    portable = read(written(WITH_PICTURE, attachments=[GIVEN]))
    assert (portable.attachments, portable.missing) == ({HASH: PNG}, [])


def test_a_file_that_does_not_come_along_is_named() -> None:
    missing = read(written(WITH_PICTURE)).missing
    assert missing == [{"hash": HASH, "why": "it is not in the file"}]
    missing = read(written(WITH_PICTURE, attachments=[json.loads(attachment(HASH, None, "too large"))])).missing
    assert missing == [{"hash": HASH, "why": "too large"}]
    portable = read(written(WITH_PICTURE, attachments=[GIVEN]), allows=lambda kind: False)
    assert portable.attachments == {}
    assert portable.missing[0]["why"] == "its type image/png is not among c.DurableChat.attachment_types"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({**GIVEN, "hash": "0" * 64}, "attachments[0]: nothing in the conversation refers to '000"),
        ({**GIVEN, "size": 1}, "attachments[0].size takes 208, and not 1"),
        ({**GIVEN, "data": "%%"}, "attachments[0].data is not base64"),
        ({**GIVEN, "size": 1, "data": b64encode(b"x").decode()}, "attachments[0].hash is not the SHA-256 of its data"),
        ({**GIVEN, "data": b64encode(bytes(1001)).decode()}, "attachments[0] has 1001 bytes"),
        ({**GIVEN, "data": b64encode(bytes(9999)).decode()}, "attachments[0] is larger than the 1000 bytes"),
        ({"size": 1}, "missing required field `hash` - at `$.attachments[0]`"),
    ],
)
def test_a_file_that_is_another_one(given: JSON, why: str) -> None:
    with pytest.raises(Refused) as refused:
        read(written(WITH_PICTURE, attachments=[given]))
    assert why in str(refused.value)


def test_a_file_twice() -> None:
    with pytest.raises(Refused, match="there twice"):
        read(written(WITH_PICTURE, attachments=[GIVEN, GIVEN]))


def test_the_head_of_a_file() -> None:
    transcript = fold(decoded(number(BEGUN))).to_json()
    file = json.loads(head(transcript, 3, b"null", NOW) + b'],"attachments":[]}')
    assert file["session"] == {
        "id": "s_old",
        "title": None,
        "lsn": 3,
        "created_at": transcript["created_at"],
        "exported_at": NOW,
    }
