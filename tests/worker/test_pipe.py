"""What a server and its worker say to each other arrives as it was said."""

import math
import os
from pathlib import Path

import pytest

from jupyter_durable_chat.facts import FirstToken, TurnBegun, TurnEnded, TurnLeft
from jupyter_durable_chat.log.facts import Appended, Flushed
from jupyter_durable_chat.worker.pipe import Settings, from_line, lines, to_line


def test_settings_are_what_a_configuration_may_hold() -> None:
    traits = {"total_seconds": math.inf, "acp_agents": {"a": {"cwd": Path("/x")}}, "personas": {"p": {1: ["\n", "é"]}}}
    line = Settings(traits, True, ["/x"]).to_line()
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert Settings.from_line(line) == Settings(traits, True, ["/x"])


@pytest.mark.parametrize(
    "fact",
    [
        TurnBegun("s", "t", "a", None, False),
        FirstToken("t", 0.5),
        TurnEnded("s", "t", "completed", 1.0, None, 1, 2),
        TurnLeft("t"),
        Appended("sqlite", 0.1),
        Flushed("postgres", 3),
    ],
)
def test_facts(fact: TurnBegun | Appended) -> None:
    assert from_line(to_line(fact)) == fact


@pytest.mark.parametrize("line", [b"", b"printed by a library", b"[]", b'["Nothing", {}]', b'["TurnLeft", {}]'])
def test_what_is_no_fact_is_left_out(line: bytes) -> None:
    assert from_line(line) is None


def test_lines_come_whole_however_they_are_cut() -> None:
    reads, writes = os.pipe()
    said = lines(reads)
    for piece in (b"on", b"e\ntwo\nth", b"ree\nlost"):
        os.write(writes, piece)
    assert next(said) == b"one" and next(said) == b"two"
    os.close(writes)
    assert list(said) == [b"three"]
    os.close(reads)
