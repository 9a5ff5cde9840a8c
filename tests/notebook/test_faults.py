"""A network that does everything a network can do: nothing is lost and nothing is there twice."""

import threading
from collections.abc import Callable

import pytest

from jupyter_durable_chat.notebook.client import Client
from jupyter_durable_chat.notebook.follower import Follower, Reader
from jupyter_durable_chat.transcript import JSON, Transcript
from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import Kernel
from tests.notebook.proxy import Proxy

pytestmark = pytest.mark.slow

SECONDS = 30


def answered(turns: int) -> Callable[[Transcript], bool]:
    def over(transcript: Transcript) -> bool:
        outcomes = [m["metadata"].get("outcome") for m in transcript.messages if m["role"] == "assistant"]
        return len(outcomes) == turns and all(outcomes)

    return over


def until(reader: Reader, done: Callable[[Transcript], bool]) -> None:
    assert reader.wait(lambda: reader.look(done), SECONDS)


def said(transcript: JSON) -> list[str]:
    return ["".join(p["text"] for p in m["parts"] if p["type"] == "text") for m in transcript["messages"]]


@pytest.mark.timeout(300)  # for more than a thousand cuts; each has its own limit
def test_cut_at_every_byte(client: Client, direct: Client, proxy: Proxy) -> None:
    """Of the stream of an answer: in its head, in an event, inside of a character, between two lines."""
    session = direct.create()
    direct.send(session["id"], "é🙂", agent="obedient")
    until(Follower(direct).reader(session), answered(1))
    whole = direct.transcript(session["id"])
    byte, cut = 0, True
    while cut:
        reader = Follower(client, pause=0).reader({**session, "messages": [], "others": [], "queue": [], "removed": []})
        proxy.cut_stream_at(byte)
        until(reader, answered(1))
        assert reader.snapshot() == whole, f"cut at byte {byte}"
        cut = proxy.cut_short.is_set()
        byte += 1
    assert byte > 1000


def test_a_connection_that_is_open_to_one_side_only(
    client: Client, direct: Client, proxy: Proxy, demand: Callable[[], None]
) -> None:
    """It says nothing, and is not closed either: after a while it is given up."""
    follower = Follower(client, silence=0.5)
    reader = follower.reader(direct.create())
    with reader.listening(lambda: None):
        direct.send(reader.session, "60 words at 100 per second, the last 30 on demand", agent="paced")
        until(reader, lambda transcript: any("w5 " in text for text in said({"messages": transcript.messages})))
        proxy.silence()
        demand()
        until(reader, answered(1))
    assert reader.snapshot() == direct.transcript(reader.session)
    assert proxy.connections > 1


def test_a_slow_network(client: Client, direct: Client, proxy: Proxy) -> None:
    proxy.delay = 0.5
    reader = Follower(client).reader(direct.create())
    with reader.listening(lambda: None):
        client.send(reader.session, "60 words at 300 per second", agent="paced")
        until(reader, answered(1))
    assert reader.snapshot() == direct.transcript(reader.session)
    assert said(reader.snapshot())[1].split() == [f"w{n}" for n in range(1, 61)]


def test_a_message_that_arrives_twice(client: Client, direct: Client, proxy: Proxy) -> None:
    reader = Follower(direct).reader(direct.create())
    proxy.repeat(b"/messages")
    client.send(reader.session, "hello", agent="obedient")
    until(reader, answered(1))
    assert proxy.repeated.wait(SECONDS)
    assert said(direct.transcript(reader.session)) == ["hello", "hello "]


def test_a_message_that_arrives_late_as_well(client: Client, direct: Client, proxy: Proxy) -> None:
    """Its connection broke, it was sent again and answered; now the first one arrives."""
    reader = Follower(direct).reader(direct.create())
    proxy.hold(b"/messages")
    sent: list[JSON] = []
    sending = threading.Thread(target=lambda: sent.append(client.send(reader.session, "hello", agent="obedient")))
    sending.start()
    assert proxy.held.wait(SECONDS)
    proxy.cut()
    sending.join()
    until(reader, answered(1))
    proxy.release()
    client.send(reader.session, "and now?", agent="obedient")
    until(reader, answered(2))
    transcript = direct.transcript(reader.session)
    assert said(transcript) == ["hello", "hello ", "and now?", "and now? "]
    assert transcript["messages"][0]["id"] == sent[0]["message_id"]
    assert (transcript["queue"], transcript["others"]) == ([], [])


def test_a_message_that_overtakes_another(client: Client, direct: Client, proxy: Proxy) -> None:
    reader = Follower(direct).reader(direct.create())
    proxy.hold(b"/messages")
    sent: dict[str, JSON] = {}
    slow = threading.Thread(target=lambda: sent.update(slow=client.send(reader.session, "slow", agent="obedient")))
    slow.start()
    assert proxy.held.wait(SECONDS)
    sent["fast"] = client.send(reader.session, "fast", agent="obedient")
    proxy.release()
    slow.join()
    until(reader, answered(2))
    transcript = direct.transcript(reader.session)
    assert said(transcript) == ["fast", "fast ", "slow", "slow "]
    assert [m["metadata"]["turn"] for m in transcript["messages"][::2]] == [
        sent[x]["turn_id"] for x in ("fast", "slow")
    ]


@pytest.fixture
def far_kernel(jupyter: Jupyter, proxy: Proxy, own_kernel: Kernel) -> Kernel:
    """A kernel with a `chat`, behind the proxy."""
    url = f"http://127.0.0.1:{proxy.port}{jupyter.base_url}durable-chat/"
    own_kernel.run(f"import os; os.environ['JUPYTER_DURABLE_CHAT_URL'] = {url!r}")
    own_kernel.run("from jupyter_durable_chat import Chat; chat = Chat(agent='obedient')")
    return own_kernel


def test_every_command_arrives_twice(far_kernel: Kernel, proxy: Proxy) -> None:
    proxy.repeat(b" /")
    far_kernel.run(
        """
        first = chat.send("one | wait | more"); second = chat.send("two"); third = chat.send("three")
        chat.stop()
        chat.remove(second.message_id)
        chat.resume()
        assert third.text == "three "
        again = first.retry()
        again.stop()
        more = again.go_on()
        assert more.text == "one more "
        other = first.retry("in other words")
        assert other.text == "in other words "
        chat.branch(third.message_id)
        """
    )
    assert proxy.repeated.is_set()
    texts = "[''.join(p.get('text', '') for p in m['parts']) for m in chat.messages]"
    assert far_kernel.value(texts) == ["one | wait | more", "one ", "three", "three "]
    assert far_kernel.value("[turn.outcome for turn in (first, third, again, more, other)]") == [
        *("stopped", "completed", "stopped", "completed", "completed")
    ]
    assert far_kernel.value("len(chat._reader.look(lambda transcript: transcript.others))") == 3


def test_a_stop_that_arrives_late_as_well_stops_no_other_answer(
    far_kernel: Kernel, direct: Client, proxy: Proxy
) -> None:
    far_kernel.run("first = chat.send('one | wait')")
    proxy.hold(b"/stop")
    stopping = far_kernel.start("stopped = chat.stop()")
    assert proxy.held.wait(SECONDS)
    proxy.cut()
    far_kernel.outputs(stopping)
    far_kernel.run("second = chat.send('two | wait')")
    proxy.release()
    running = direct.transcript(far_kernel.value("chat.session"))["turn"]
    assert running and running["id"] == far_kernel.value("second.id")
    assert far_kernel.value("(stopped, first.outcome)") == (True, "stopped")
    assert far_kernel.value("(second.stop(), chat.stop())") == (True, False)
