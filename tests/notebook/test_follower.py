"""The kernel's reader, over a network that breaks: every event exactly once, in order."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from jupyter_durable_chat import events
from jupyter_durable_chat.notebook.client import ChatError, Client, ServerUnreachable
from jupyter_durable_chat.notebook.follower import STREAM_SESSIONS, Follower, Reader
from jupyter_durable_chat.transcript import JSON, Transcript
from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import Kernel
from tests.notebook.proxy import Proxy

SECONDS = 30


@pytest.fixture
def follower(client: Client) -> Iterator[Follower]:
    follower = Follower(client)
    yield follower
    follower.client.close()
    assert ended(follower), "a reader that nobody listens to has no thread"


def ended(follower: Follower) -> bool:
    thread = follower._thread
    if thread:
        thread.join(SECONDS)
    return follower._thread is None


class Watch:
    """Every text of the newest answer that a listener saw, and the means to wait for one."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.lsns: list[int] = []
        self._moved = threading.Condition()

    def __call__(self) -> None:
        with self._moved:
            self.lsns.append(self.reader.lsn)
            self._moved.notify_all()

    def until(self, done: Callable[[Transcript], object]) -> None:
        with self._moved:
            assert self._moved.wait_for(lambda: self.reader.look(done) or self.reader.error, SECONDS)


def words(n: int) -> Callable[[Transcript], bool]:
    """Whether the newest answer has come to its n-th word."""
    return lambda transcript: any(f"w{n} " in part.get("text", "") for part in answer(transcript)["parts"])


def is_over(transcript: Transcript) -> bool:
    return "outcome" in answer(transcript)["metadata"]


def answer(transcript: Transcript) -> JSON:
    return transcript.messages[-1] if transcript.messages else {"parts": [], "metadata": {}}


def ask(client: Client, session: str, text: str) -> None:
    client.send(session, text, agent="paced")


@pytest.fixture
def reader(follower: Follower, direct: Client) -> Reader:
    """Of a new session."""
    return follower.reader(direct.create())


def as_in_the_log(reader: Reader, direct: Client) -> bool:
    return reader.snapshot() == direct.transcript(reader.session)


def test_follows(reader: Reader, direct: Client) -> None:
    watch = Watch(reader)
    with reader.listening(watch):
        ask(direct, reader.session, "30 words at 200 per second")
        watch.until(is_over)
    assert as_in_the_log(reader, direct)
    assert watch.lsns == sorted(watch.lsns)


def test_goes_on_after_a_broken_connection(reader: Reader, direct: Client, proxy: Proxy) -> None:
    watch = Watch(reader)
    with reader.listening(watch):
        ask(direct, reader.session, "100 words at 100 per second")
        for n in (10, 30, 50):
            watch.until(words(n))
            proxy.cut()
        watch.until(is_over)
    assert as_in_the_log(reader, direct)


def test_goes_on_when_the_server_is_back(reader: Reader, follower: Follower, direct: Client, proxy: Proxy) -> None:
    watch = Watch(reader)
    with reader.listening(watch):
        ask(direct, reader.session, "40 words at 100 per second")
        watch.until(words(5))
        proxy.refuse()
        assert reader.wait(lambda: follower.problem is not None, SECONDS)
        assert isinstance(follower.problem, ServerUnreachable)
        assert "does not answer" in str(follower.problem)
        proxy.accept()
        watch.until(is_over)
        assert reader.wait(lambda: follower.problem is None, SECONDS)
    assert as_in_the_log(reader, direct)


def test_a_hole_is_fetched(reader: Reader, direct: Client, proxy: Proxy) -> None:
    watch = Watch(reader)
    with reader.listening(watch):
        proxy.drop_events()
        ask(direct, reader.session, "60 words at 60 per second")
        assert proxy.dropped.wait(SECONDS)
        watch.until(is_over)
    assert as_in_the_log(reader, direct)


def test_a_session_that_is_followed_later(follower: Follower, reader: Reader, direct: Client, proxy: Proxy) -> None:
    """Adding one to the stream costs the others nothing."""
    other = follower.reader(direct.create())
    watch, other_watch = Watch(reader), Watch(other)
    with reader.listening(watch):
        ask(direct, reader.session, "60 words at 100 per second")
        watch.until(words(5))
        ask(direct, other.session, "20 words at 100 per second")
        with other.listening(other_watch):
            other_watch.until(is_over)
        watch.until(is_over)
    assert as_in_the_log(reader, direct)
    assert as_in_the_log(other, direct)


def test_two_listeners_share_a_connection(reader: Reader, direct: Client, proxy: Proxy) -> None:
    first, second = Watch(reader), Watch(reader)
    with reader.listening(first), reader.listening(second):
        ask(direct, reader.session, "5 words at 100 per second")
        first.until(is_over)
        second.until(is_over)
    assert proxy.connections == 1


def test_listening_again_goes_on_where_it_was(reader: Reader, direct: Client) -> None:
    for turns in (1, 2, 3):
        ask(direct, reader.session, "5 words at 200 per second")
        watch = Watch(reader)
        with reader.listening(watch):
            watch.until(lambda transcript, turns=turns: len(transcript.messages) == 2 * turns and is_over(transcript))
        assert as_in_the_log(reader, direct)


def test_refresh_and_follow_at_once(reader: Reader, direct: Client) -> None:
    """Two threads fold the same events: each is folded once."""
    watch = Watch(reader)
    with reader.listening(watch):
        ask(direct, reader.session, "100 words at 400 per second")
        while not reader.look(is_over):
            reader.refresh()
        watch.until(is_over)
    assert as_in_the_log(reader, direct)


def test_failure_24_more_sessions_than_a_stream_takes(follower: Follower, direct: Client, proxy: Proxy) -> None:
    """None of them stays blank: neither while all are followed nor when one is left and followed again."""
    readers = [follower.reader(direct.create()) for _ in range(2 * STREAM_SESSIONS + 1)]
    watches = [Watch(reader) for reader in readers]
    with ExitStack() as all_of_them:
        for reader, watch in zip(readers, watches, strict=True):
            all_of_them.enter_context(reader.listening(watch))
        for reader in readers:
            ask(direct, reader.session, "2 words at 500 per second")
        for watch in watches:
            watch.until(is_over)
    first = readers[0]
    ask(direct, first.session, "3 words at 500 per second")
    assert first.wait(
        lambda: first.look(lambda transcript: len(transcript.messages) == 4 and is_over(transcript)), SECONDS
    )
    assert all(as_in_the_log(reader, direct) for reader in (first, *readers[-2:]))


def test_what_was_compacted_is_caught_up_with(reader: Reader, direct: Client) -> None:
    """The page has a transcript in place of events: it is gone on from, and a reader that is further stays."""
    ask(direct, reader.session, "5 words at 200 per second")
    assert reader.wait(lambda: reader.look(is_over), SECONDS)
    behind = reader.snapshot()
    ask(direct, reader.session, "5 words at 200 per second")
    assert reader.wait(lambda: reader.look(lambda t: len(t.messages) == 4 and is_over(t)), SECONDS)
    compacted = events.to_json({"events": [], "lsn": reader.lsn, "more": False, "snapshot": behind})
    reader._apply_page(compacted)
    assert as_in_the_log(reader, direct)
    late = Reader(reader._follower, Transcript.from_json({**behind, "lsn": 1, "messages": []}))
    late._apply_page(compacted)
    assert late.snapshot() == behind


def test_a_deleted_session_is_lost_for_good(
    reader: Reader, follower: Follower, direct: Client, jupyter: Jupyter
) -> None:
    other = follower.reader(direct.create())
    watch, other_watch = Watch(reader), Watch(other)
    with reader.listening(watch), other.listening(other_watch):
        direct._request("DELETE", f"api/sessions/{reader.session}")
        with pytest.raises(ChatError, match="was deleted") as raised:
            reader.wait(lambda: False, SECONDS)
        assert raised.value.status == 410
        ask(direct, other.session, "5 words at 100 per second")
        other_watch.until(is_over)


def test_a_server_that_has_less(follower: Follower, direct: Client) -> None:
    """Its store was replaced: what it has is what there is, and the others go on."""
    session, other = direct.create(), follower.reader(direct.create())
    ahead = follower.reader({**session, "lsn": session["lsn"] + 100, "title": "of the old store"})
    watch, other_watch = Watch(ahead), Watch(other)
    with ahead.listening(watch), other.listening(other_watch):
        watch.until(lambda transcript: transcript.title is None)
        ask(direct, session["id"], "5 words at 100 per second")
        ask(direct, other.session, "5 words at 100 per second")
        watch.until(is_over)
        other_watch.until(is_over)
    assert as_in_the_log(ahead, direct)
    assert as_in_the_log(other, direct)


def test_a_token_that_is_not_accepted(jupyter: Jupyter, direct: Client) -> None:
    session = direct.create()
    follower = Follower(Client(f"{jupyter.url}durable-chat/", "a token of yesterday"))
    reader = follower.reader(session)
    with pytest.raises(ServerUnreachable, match="Restart the kernel") as raised:
        reader.wait(lambda: False, SECONDS)
    assert raised.value.status in (401, 403)
    assert ended(follower)


def test_a_wait_survives_the_network(jupyter: Jupyter, proxy: Proxy, own_kernel: Kernel) -> None:
    """`turn.text` behind a broken connection: nothing missing, nothing twice."""
    url = f"http://127.0.0.1:{proxy.port}{jupyter.base_url}durable-chat/"
    own_kernel.run(f"import os; os.environ['JUPYTER_DURABLE_CHAT_URL'] = {url!r}")
    own_kernel.run("from jupyter_durable_chat import Chat; chat = Chat(agent='paced')")
    own_kernel.run("turn = chat.send('50 words at 25 per second')")
    session = own_kernel.value("chat.session")
    waiting = own_kernel.start("pieces = list(turn)")
    for words in (10, 20, 30):
        jupyter.wait_for_words(session, words)
        proxy.cut()
    own_kernel.outputs(waiting)
    assert own_kernel.value("''.join(pieces) == turn.text")
    assert own_kernel.value("turn.text.split() == [f'w{n}' for n in range(1, 51)]")
