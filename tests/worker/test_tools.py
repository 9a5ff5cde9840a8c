"""The calls of an answer made elsewhere: a person allows them at a server, and a kernel that it knows runs them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_durable_chat.notebook.client import Client
from jupyter_durable_chat.notebook.follower import Follower
from jupyter_durable_chat.notebook.runner import runner_of
from jupyter_durable_chat.notebook.tools import kernel_tool
from tests.browser.jupyter import Jupyter, running
from tests.notebook.test_tools import JSON, calls_of, is_over, outputs, until

pytestmark = pytest.mark.slow


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[Jupyter]:
    with running("server", tmp_path, turns="worker", agents=["tests.notebook.agent:obedient"]) as jupyter:
        yield jupyter


def test_what_waits_for_a_person_and_a_kernel_outlives_the_server(jupyter: Jupyter) -> None:
    runs: list[int] = []

    def add(a: int, b: int) -> int:
        runs.append(a)
        return a + b

    with closing(Client(f"{jupyter.url}durable-chat/", jupyter.token)) as client:
        session = client.create()["id"]
        follower = Follower(client)
        offer = runner_of(follower).offer(follower.reader(client.transcript(session)))
        offer.set(None, [kernel_tool(add, approval="always")])
        ask = 'use add {"a": 1, "b": 2} | use add {"a": 2, "b": 3}'
        client.send(session, ask, agent="obedient")
        allow(jupyter, session)
        until(jupyter, session, lambda transcript: runs == [1] and transcript["approvals"])
        jupyter.kill()
        jupyter.start()
        allow(jupyter, session)
        transcript = until(jupyter, session, is_over)
        assert outputs(calls_of(transcript)) == [3, 5] and runs == [1, 2]
        assert transcript["messages"][-1]["metadata"]["outcome"] == "completed"
        offer.set(None, [])


def allow(jupyter: Jupyter, session: str) -> None:
    asked: JSON = until(jupyter, session, lambda transcript: transcript["approvals"])["approvals"][0]
    path = f"durable-chat/api/sessions/{session}/approvals/{asked['id']}"
    assert jupyter.post(path, approved=True)["approved"]
