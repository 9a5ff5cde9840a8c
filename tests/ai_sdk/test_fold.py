"""Whatever happens in a session, and wherever a client joins: what the SDK folds of our chunks, we fold of our events.

The vectors of the transcript are told event by event to clients that come at every LSN, in both vocabularies, and all
of that is read by the SDK's own transports.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.server.dialects.ai_sdk import Answer
from jupyter_durable_chat.server.dialects.ui_messages import Mirror
from jupyter_durable_chat.transcript import Transcript
from tests.ai_sdk.page import FOLDER, Page
from tests.ai_sdk.told import told

pytestmark = pytest.mark.slow

JSON = dict[str, Any]

VECTORS = sorted((FOLDER.parent / "vectors").glob("*.json"))

FOLD = """
const results = [];
for (const chunks of given) {
  const bytes = new TextEncoder().encode(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\\n\\n`).join(""));
  const body = new Blob([bytes]).stream();
  const stream = chat.transport.processResponseStream(body);
  let message;
  for await (const next of sdk.readUIMessageStream({ stream, onError: () => {} })) message = structuredClone(next);
  results.push(message ?? null);
}
return results;
"""


def streams(vector: Path, version: int) -> Iterator[tuple[str, list[JSON], JSON]]:
    """What clients are told of each answer, one that comes at each LSN, and the message that they should have then."""
    transcript = Transcript()
    answers: list[tuple[str, Answer, str, list[JSON]]] = []
    for event in json.loads(vector.read_bytes())["events"]:
        transcript.apply(e.decode(json.dumps(event)))
        if turn := transcript.turn:
            name = f"{vector.stem}, from LSN {transcript.lsn}, version {version}"
            answers.append((name, Answer("s", turn["id"], Mirror(version)), turn["message_id"], []))
        for name, answer, message_id, chunks in answers:
            if not answer.is_over:
                chunks += msgspec.to_builtins(answer.catch_up(transcript))
                if answer.is_over:
                    message = transcript.message(message_id)
                    assert message
                    yield name, chunks, json.loads(e.to_json(message))


@pytest.mark.parametrize("package", ["ai-5-first", "ai-5", "ai-6-first", "ai-6", "ai-7"])
def test_every_vector_is_folded_alike_from_every_lsn(package: str) -> None:
    version = 5 if "-5" in package else 6
    all_of_them = [stream for vector in VECTORS for stream in streams(vector, version)]
    assert len(all_of_them) > 50
    page = Page(package, "http://127.0.0.1:9/", {})
    try:
        page.open("fold")
        folded = page.do(FOLD, [chunks for _, chunks, _ in all_of_them])
    finally:
        page.close()
    for (name, _, ours), theirs in zip(all_of_them, folded, strict=True):
        assert theirs is not None and theirs["id"] == ours["id"], name
        assert len(theirs["parts"]) == len(ours["parts"]), (name, theirs, ours)
        for part, answered in zip(theirs["parts"], ours["parts"], strict=True):
            if answered.get("state") == "approval-responded":
                # Only who was there when it was asked for knows of it.
                part["state"] = "input-available"
        assert told(theirs) == told(ours, version), name
