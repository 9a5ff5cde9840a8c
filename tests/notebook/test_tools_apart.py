"""Tools where the network breaks, and in a process without cells."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import jupyter_durable_chat
from jupyter_durable_chat.notebook.client import Client
from jupyter_durable_chat.notebook.follower import Follower
from jupyter_durable_chat.notebook.runner import runner_of
from jupyter_durable_chat.notebook.tools import kernel_tool
from tests.browser.jupyter import Jupyter
from tests.notebook.proxy import Proxy
from tests.notebook.test_tools import calls_of, is_over, outputs, until

pytestmark = pytest.mark.slow  # kernels are started, restarted and killed

SECONDS = 30


@pytest.fixture
def follower(client: Client) -> Follower:
    return Follower(client)


def test_a_result_waits_for_the_network(jupyter: Jupyter, direct: Client, follower: Follower, proxy: Proxy) -> None:
    """The function ran once; its result arrives when there is a network again."""
    runs: list[int] = []
    computed = threading.Event()

    def once() -> str:
        runs.append(1)
        proxy.refuse()
        computed.set()
        return "kept"

    session = direct.create()["id"]
    offer = runner_of(follower).offer(follower.reader(direct.transcript(session)))
    offer.set(None, [kernel_tool(once)])
    direct.send(session, "use once", agent="obedient")
    assert computed.wait(SECONDS)
    assert not is_over(jupyter.transcript(session))
    proxy.accept()
    assert outputs(calls_of(until(jupyter, session, is_over))) == ["kept"]
    assert runs == [1]
    offer.set(None, [])


def test_a_claim_and_a_result_that_arrive_and_are_not_answered(
    jupyter: Jupyter, direct: Client, follower: Follower, proxy: Proxy
) -> None:
    runs: list[int] = []

    def once() -> str:
        runs.append(1)
        proxy.swallow_answer()
        return "kept"

    session = direct.create()["id"]
    offer = runner_of(follower).offer(follower.reader(direct.transcript(session)))
    offer.set(None, [kernel_tool(once)])
    proxy.repeat(b"/tools/")
    direct.send(session, "use once", agent="obedient")
    assert outputs(calls_of(until(jupyter, session, is_over))) == ["kept"]
    assert runs == [1]
    offer.set(None, [])


def test_an_offer_waits_for_the_network(jupyter: Jupyter, direct: Client, follower: Follower, proxy: Proxy) -> None:
    session = direct.create()["id"]
    reader = follower.reader(direct.transcript(session))
    proxy.refuse()
    offer = runner_of(follower).offer(reader)
    offer.set(None, [kernel_tool(late)])
    proxy.accept()
    until(jupyter, session, lambda transcript: transcript["offers"])
    direct.send(session, "use late", agent="obedient")
    assert outputs(calls_of(until(jupyter, session, is_over))) == ["late"]
    offer.set(None, [])


def test_an_offer_that_the_session_has_lost_is_made_again(jupyter: Jupyter, direct: Client, follower: Follower) -> None:
    session = direct.create()["id"]
    runner = runner_of(follower)
    offer = runner.offer(follower.reader(direct.transcript(session)))
    offer.set(None, [kernel_tool(late)])
    direct.offer(session, runner.id, None, [])
    until(jupyter, session, lambda transcript: transcript["offers"])
    offer.set(None, [])


def late() -> str:
    return "late"


def test_two_processes_offer_the_same(jupyter: Jupyter, direct: Client, token: str) -> None:
    """One of them runs a call, and the other one does not."""
    runs: list[int] = []

    def once() -> int:
        runs.append(1)
        return len(runs)

    session = direct.create()["id"]
    followers = [Follower(direct), Follower(direct)]
    offers = [runner_of(follower).offer(follower.reader(direct.transcript(session))) for follower in followers]
    for offer in offers:
        offer.set(None, [kernel_tool(once)])
    direct.send(session, " & ".join(["use once"] * 5), agent="obedient")
    assert sorted(outputs(calls_of(until(jupyter, session, is_over)))) == [1, 2, 3, 4, 5]
    for offer in offers:
        offer.set(None, [])


def test_a_script(jupyter: Jupyter, token: str) -> None:
    """There are no cells: calls run in a thread, and what they print is theirs."""
    code = """
import asyncio, threading
from jupyter_durable_chat import Chat
chat = Chat(agent="obedient")
@chat.tool
def where():
    print("printed")
    return threading.current_thread() is threading.main_thread()
@chat.tool
async def later():
    await asyncio.sleep(0)
    return "later"
print(chat.send("use where & use later | done").text)
print([part["output"] for part in chat.messages[1]["parts"] if part["type"] == "dynamic-tool"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={
            "PYTHONPATH": str(Path(jupyter_durable_chat.__file__).parents[1]),
            "JUPYTER_DURABLE_CHAT_URL": f"{jupyter.url}durable-chat/",
            "JUPYTER_DURABLE_CHAT_TOKEN": token,
        },
    )
    assert (done.stdout, done.stderr) == ("done \n[False, 'later']\n", "")


def test_without_a_server() -> None:
    """There is a chat, which has its tools for when there is a server."""
    code = """
from jupyter_durable_chat import Chat
def f(): ...
def g(): ...
chat = Chat(tools=[f, "run_code"])
chat.tool(g)
print(chat.tools)
"""
    root = str(Path(jupyter_durable_chat.__file__).parents[1])
    environment = {"PYTHONPATH": root, "JUPYTER_DURABLE_CHAT_STANDALONE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, env=environment
    )
    assert (done.stdout, done.stderr) == ("['f', 'run_code', 'g']\n", "")
