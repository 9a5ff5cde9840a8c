"""One real Jupyter server for all tests here, and one kernel of it, shared by the tests that do not restart theirs."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count

import pytest

from jupyter_durable_chat.notebook.client import Client
from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import Kernel, running_kernel
from tests.notebook.proxy import Proxy, proxy_to

AGENTS = ["tests.browser.agent:paced", "tests.notebook.agent:obedient"]

_numbers = count(1)


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """The server is another process; these tests need no loop."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """There is no server in this process to clean up after."""


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """A server under a base URL as a hub gives it."""
    server = Jupyter("lab", tmp_path_factory.mktemp("jupyter"), base_url="/user/a%40b/")
    config_file = server.folder / "config.json"
    config = json.loads(config_file.read_text())
    # The tests are one user, who types faster than any other.
    config["DurableChat"] |= {"agents": AGENTS, "max_messages_per_minute": 0}
    config_file.write_text(json.dumps(config))
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def notebook(jupyter: Jupyter) -> str:
    """The path of a notebook that no other test has."""
    name = f"notebook-{next(_numbers)}.ipynb"
    jupyter.write_notebook(name, "")
    return name


@pytest.fixture
def own_kernel(jupyter: Jupyter, notebook: str) -> Iterator[Kernel]:
    """A kernel that no other test has, for a notebook that no other test has."""
    with running_kernel(jupyter, notebook) as kernel:
        yield kernel


@pytest.fixture(scope="session")
def shared_kernel(jupyter: Jupyter) -> Iterator[Kernel]:
    jupyter.write_notebook("shared.ipynb", "")
    with running_kernel(jupyter, "shared.ipynb") as kernel:
        kernel.run("from jupyter_durable_chat import Chat")
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    """A kernel with a `chat` that no other test has, answered by the obedient agent."""
    shared_kernel.run(f"chat = Chat('conversation {next(_numbers)}', agent='obedient')")
    return shared_kernel


@pytest.fixture(scope="session")
def token(shared_kernel: Kernel) -> str:
    """What the server gave its kernels to be known by."""
    return shared_kernel.value("__import__('os').environ['JUPYTER_DURABLE_CHAT_TOKEN']")


@pytest.fixture
def demand(jupyter: Jupyter) -> Iterator[Callable[[], None]]:
    """Has the paced agent give the rest of its answers; in the next test it holds back again."""
    yield jupyter.demand
    (jupyter.folder / "demanded").unlink(missing_ok=True)


@pytest.fixture
def proxy(jupyter: Jupyter) -> Iterator[Proxy]:
    """A network in front of the server, that fails as it is told to."""
    with proxy_to(jupyter.port) as proxy:
        yield proxy


@pytest.fixture
def direct(jupyter: Jupyter, token: str) -> Iterator[Client]:
    """The server as it is."""
    with closing(Client(f"{jupyter.url}durable-chat/", token)) as client:
        yield client


@pytest.fixture
def client(jupyter: Jupyter, proxy: Proxy, token: str) -> Iterator[Client]:
    """The server behind the proxy."""
    with closing(Client(f"http://127.0.0.1:{proxy.port}{jupyter.base_url}durable-chat/", token)) as client:
        yield client
