"""No server: the cell says why and what to do, and shows the transcript that it has."""

from collections.abc import Iterator

import pytest

from jupyter_durable_chat.notebook.bundle import MIME_TYPE
from tests.browser.jupyter import Jupyter, free_port
from tests.notebook.kernel import CellError, Kernel
from tests.notebook.proxy import proxy_to


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Iterator[Kernel]:
    """A kernel whose environment a test may change."""
    shared_kernel.run("import os; environment = dict(os.environ)")
    yield shared_kernel
    shared_kernel.run("os.environ.clear(); os.environ.update(environment)")


def test_no_server_started_this_kernel(kernel: Kernel) -> None:
    kernel.run("del os.environ['JUPYTER_DURABLE_CHAT_URL']; os.environ['JUPYTER_DURABLE_CHAT_STANDALONE'] = '0'")
    (output,) = kernel.run("chat = Chat(); chat")
    bundle = output["data"][MIME_TYPE]
    assert (bundle["session"], bundle["snapshot"], bundle["lsn"]) == (None, None, 0)
    assert "Install jupyter-durable-chat in the environment of the Jupyter server" in bundle["notice"]
    assert "JUPYTER_DURABLE_CHAT_URL" in bundle["notice"]
    for mime_type in ("text/html", "text/markdown", "text/plain"):
        assert "restart the server" in output["data"][mime_type].replace("\n", " ")
    with pytest.raises(CellError, match=r"ServerUnreachable.*was not started by a Jupyter server"):
        kernel.run("chat.send('hello')")
    assert kernel.value("(chat.session, chat.messages, chat.status, chat.last_answer)") == (None, [], "idle", "")


def test_the_server_does_not_answer(kernel: Kernel) -> None:
    kernel.run(f"os.environ['JUPYTER_DURABLE_CHAT_URL'] = 'http://127.0.0.1:{free_port()}/durable-chat/'")
    (output,) = kernel.run("Chat()")
    assert "does not answer" in output["data"][MIME_TYPE]["notice"]
    kernel.run("%reload_ext jupyter_durable_chat")
    (error,) = kernel.run("%%chat\nhello")
    assert "does not answer" in error["text"] and "Traceback" not in error["text"]


def test_the_server_does_not_know_this_kernel(kernel: Kernel) -> None:
    kernel.run("os.environ['JUPYTER_DURABLE_CHAT_TOKEN'] = 'of yesterday'")
    (output,) = kernel.run("Chat()")
    assert "Restart the kernel" in output["data"][MIME_TYPE]["notice"]
    assert "of yesterday" not in str(output)


def test_a_chat_without_a_server_begins_when_there_is_one(kernel: Kernel) -> None:
    kernel.run("os.environ['JUPYTER_DURABLE_CHAT_STANDALONE'] = '0'")
    kernel.run("url = os.environ.pop('JUPYTER_DURABLE_CHAT_URL'); chat = Chat('begins later', agent='obedient')")
    assert kernel.value("(chat.session, chat.bundle['session'])") == (None, None)
    kernel.run("os.environ['JUPYTER_DURABLE_CHAT_URL'] = url")
    assert kernel.value("chat.send('hello').text") == "hello "
    assert kernel.value("chat.session == chat.bundle['session'] != None")
    assert kernel.value("chat.bundle['notice']") is None


def test_what_there_is_stays_when_the_server_goes(jupyter: Jupyter, kernel: Kernel) -> None:
    with proxy_to(jupyter.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}{jupyter.base_url}durable-chat/"
        kernel.run(f"os.environ['JUPYTER_DURABLE_CHAT_URL'] = {url!r}")
        kernel.run("chat = Chat('stays', agent='obedient'); chat.send('kept').wait()")
        proxy.refuse()
        with pytest.raises(CellError, match="ServerUnreachable"):
            kernel.run("chat.send('lost')")
        assert kernel.value("len(chat.messages)") == 2
        (output,) = kernel.run("chat")
        bundle = output["data"][MIME_TYPE]
        assert "does not answer" in bundle["notice"]
        assert len(bundle["snapshot"]["messages"]) == 2
        assert output["data"]["text/plain"].endswith("Assistant:\nkept")
        kernel.run("chat.close()")
