"""Real servers and real workers: an answer belongs to neither, so it outlives whichever of them is killed."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.browser.jupyter import Jupyter, running

JSON = dict[str, Any]

SECONDS = 40
ANSWER = "60 words at 100 per second, the last 20 on demand"
WORDS = [f"w{n}" for n in range(1, 61)]


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Jupyter]:
    with running("server", tmp_path, turns="worker") as jupyter:
        yield jupyter


def until(true: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, what or "this is not so in time"
        time.sleep(0.05)


def ask(jupyter: Jupyter, text: str = ANSWER, agent: str = "paced", session: str = "") -> tuple[str, JSON]:
    """A session, and what was said to a message in it."""
    session = session or jupyter.post("durable-chat/api/sessions", agent=agent)["id"]
    path = f"durable-chat/api/sessions/{session}/messages"
    return session, jupyter.post(path, client_id=f"c_{time.monotonic_ns()}", text=text)


def words(jupyter: Jupyter, session: str) -> list[str]:
    return "".join(str(event["delta"]) for event in jupyter.events(session) if event["type"] == "text-delta").split()


def outcomes(jupyter: Jupyter, session: str) -> list[str]:
    return [event["outcome"] for event in jupyter.events(session) if event["type"] == "turn-stopped"]


def is_told(jupyter: Jupyter, session: str) -> bool:
    """Whether the answer is as far as it comes without being asked for."""
    return words(jupyter, session) == WORDS[:40]


def worker(jupyter: Jupyter) -> psutil.Process:
    until(lambda: jupyter.workers)
    return jupyter.workers[-1]


def test_an_answer_survives_the_death_of_its_server(jupyter: Jupyter) -> None:
    session, said = ask(jupyter)
    until(lambda: is_told(jupyter, session))
    before, mine = jupyter.events(session), worker(jupyter)
    # What lies where Jupyter is started is the person's, and nothing that a worker is made of.
    (jupyter.files / "jupyter_events.py").write_text("raise RuntimeError('imported from where Jupyter was started')")
    jupyter.kill()
    jupyter.demand()
    jupyter.start()
    until(lambda: outcomes(jupyter, session))
    assert outcomes(jupyter, session) == ["completed"]
    assert words(jupyter, session) == WORDS
    after = jupyter.events(session)
    assert after[: len(before)] == before
    assert {event["turn"] for event in after if event["turn"]} == {said["turn_id"]}
    assert len(jupyter.asked) == 1, "the model was asked once"
    # What is left to do is done by the worker of the new server, and the old one ends.
    mine.wait(SECONDS)
    jupyter.demand()
    ask(jupyter, session=session)
    until(lambda: outcomes(jupyter, session) == ["completed"] * 2)


def test_what_was_asked_last_is_answered_too(jupyter: Jupyter) -> None:
    session, _ = ask(jupyter)
    until(lambda: is_told(jupyter, session))
    _, queued = ask(jupyter, "3 words at 100 per second", session=session)
    assert queued["status"] == "queued"
    jupyter.kill()
    jupyter.demand()
    jupyter.start()
    until(lambda: outcomes(jupyter, session) == ["completed"] * 2)
    assert words(jupyter, session) == [*WORDS, "w1", "w2", "w3"]


def test_stop_reaches_the_worker_and_its_model(jupyter: Jupyter) -> None:
    session, said = ask(jupyter)
    until(lambda: is_told(jupyter, session))
    assert jupyter.post(f"durable-chat/api/sessions/{session}/stop", turn_id=said["turn_id"]) == {"stopped": True}
    assert outcomes(jupyter, session) == ["stopped"]
    jupyter.demand()
    _, again = ask(jupyter, session=session)
    until(lambda: outcomes(jupyter, session) == ["stopped", "completed"])
    assert again["status"] == "started"


def test_when_a_worker_dies_its_answers_are_closed_and_another_one_comes(jupyter: Jupyter) -> None:
    session, _ = ask(jupyter)
    until(lambda: is_told(jupyter, session))
    dead = worker(jupyter)
    dead.kill()
    until(lambda: outcomes(jupyter, session))
    assert outcomes(jupyter, session) == ["interrupted"]
    assert words(jupyter, session) == WORDS[:40], "what was said is kept"
    jupyter.demand()
    jupyter.post(f"durable-chat/api/sessions/{session}/continue")
    until(lambda: outcomes(jupyter, session) == ["interrupted", "completed"])
    assert words(jupyter, session) == WORDS
    assert worker(jupyter) != dead


def test_a_worker_that_was_paused_writes_nothing_when_it_wakes(tmp_path: Path) -> None:
    with running("server", tmp_path, turns="elsewhere", lease_seconds=2.0) as jupyter:
        with jupyter.another("durable-chat", "worker") as paused:
            session, _ = ask(jupyter)
            until(lambda: is_told(jupyter, session))
            paused.send_signal(signal.SIGSTOP)
            with jupyter.another("durable-chat", "worker"):
                until(lambda: outcomes(jupyter, session))
                closed = jupyter.events(session)
                assert outcomes(jupyter, session) == ["interrupted"]
                jupyter.demand()
                paused.send_signal(signal.SIGCONT)
                # It has been somewhere else meanwhile, and takes its part again.
                other, _ = ask(jupyter, "3 words at 100 per second")
                until(lambda: outcomes(jupyter, other) == ["completed"])
                until(lambda: "ends here" in (jupyter.folder / "another").read_text())
                assert jupyter.events(session) == closed
        assert "Traceback" not in (jupyter.folder / "another").read_text()


def test_a_question_waits_for_a_worker_and_not_for_ever(tmp_path: Path) -> None:
    with running("server", tmp_path, turns="elsewhere") as jupyter:
        session, said = ask(jupyter, "3 words at 100 per second")
        with jupyter.another("durable-chat", "worker") as only:
            until(lambda: outcomes(jupyter, session) == ["completed"])
            only.terminate()
            assert only.wait(SECONDS) == 0
        stopped, said = ask(jupyter)
        assert jupyter.post(f"durable-chat/api/sessions/{stopped}/stop", turn_id=said["turn_id"]) == {"stopped": True}
        assert outcomes(jupyter, stopped) == ["stopped"], "nobody has begun it"


def test_what_a_worker_does_is_counted_where_it_is_asked_for(jupyter: Jupyter) -> None:
    jupyter.demand()
    session, _ = ask(jupyter)
    until(lambda: outcomes(jupyter, session) == ["completed"])

    def counted() -> bool:
        return 'turns_total{outcome="completed"} 1.0' in metrics(jupyter)

    until(counted)


def metrics(jupyter: Jupyter) -> str:
    headers = {"Authorization": f"token {jupyter.token}"}
    return httpx2.get(f"{jupyter.url}metrics", headers=headers, trust_env=False, timeout=None).text
