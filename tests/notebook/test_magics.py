"""`%%chat` in real kernels of a real server."""

import pytest

from jupyter_durable_chat.notebook.bundle import MIME_TYPE
from tests.notebook.kernel import Kernel


@pytest.fixture
def magic(shared_kernel: Kernel) -> Kernel:
    shared_kernel.run("%reload_ext jupyter_durable_chat")
    return shared_kernel


def error(kernel: Kernel, cell: str) -> str:
    (output,) = kernel.run(cell)
    assert output["name"] == "stderr"
    return output["text"]


def test_asks_and_shows(magic: Kernel) -> None:
    (output,) = magic.run("%%chat --agent obedient\nsay | wait")
    bundle = output["data"][MIME_TYPE]
    assert bundle["session"] == magic.value("Chat().session"), "the notebook's own conversation"
    assert bundle["turn"] == magic.value("_.id")
    assert output["data"]["text/plain"].startswith("You:\nsay | wait\n\nAssistant:\n")
    assert magic.value("_.outcome") is None, "the cell ended before the answer"
    assert magic.value("_.stop()") is True


def test_run_all_with_several_chat_cells(magic: Kernel) -> None:
    """Each cell ends at once and shows its own turn, also the one that waits for the other."""
    magic.run("%%chat --session several --agent obedient\nfirst | wait")
    (output,) = magic.run("%%chat --session several --agent obedient\nsecond")
    bundle = output["data"][MIME_TYPE]
    assert output["data"]["text/plain"] == "You:\nsecond\n\n[waits for its turn]"
    assert "waits for its turn" in output["data"]["text/html"]
    assert bundle["turn"] == magic.value("_.id")
    assert [message["id"] for message in bundle["snapshot"]["queue"]] == [magic.value("_.message_id")]
    magic.run("second = _; chat = Chat('several'); chat.stop()")
    assert magic.value("second.status") == "queued"
    magic.run("chat.resume()")
    assert magic.value("second.text") == "second "


def test_values_in_the_question(magic: Kernel) -> None:
    magic.run("column = 'age'; ages = [1, 2, 3]")
    magic.run("%%chat --agent obedient\nMean of {column!r}: {sum(ages[1:]) / 2} of {{all}}")
    assert magic.value("_.text") == "Mean of 'age': 2.5 of {all} "


def test_other_conversations(magic: Kernel) -> None:
    before = magic.value("Chat().messages")
    magic.run("name = 'second'")
    magic.run("%%chat --session $name --agent obedient\none")
    magic.run("_.wait()")
    assert magic.value("[m['parts'][0]['text'] for m in Chat('second').messages]") == ["one", "one "]
    assert magic.value("Chat().messages") == before


def test_the_answer_belongs_to_the_agent_of_the_cell(magic: Kernel) -> None:
    magic.run("%%chat --agent paced\n3 words at 100 per second")
    assert magic.value("_.text") == "w1 w2 w3 "


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("%%chat\nMean of {colum}?", ["{colum}", "NameError", "{{"]),
        ('%%chat\nIs {"a":5} JSON?', ['{"a":5}', "SyntaxError", "{{"]),
        ("%%chat\nWhat is }?", ["'}'", "{{"]),
        ("%%chat\nWhat is {}?", ["{}", "{{"]),
        ("%%chat\n  \n", ["asks nothing"]),
        ("%%chat --modle x\nHello", ["--modle"]),
        ("%%chat --agent nobody\nHello", ["nobody"]),
    ],
)
def test_errors_name_the_word(magic: Kernel, cell: str, words: list[str]) -> None:
    before = magic.value("Chat().messages")
    text = error(magic, cell)
    assert "UsageError" in text
    for word in words:
        assert word in text
    assert magic.value("Chat().messages") == before
