"""One real Jupyter server under a base URL as a hub gives it, and the AI SDK in processes of Node that talk to it."""

from collections.abc import Iterator

import pytest

from tests.browser.jupyter import Jupyter, running

AGENTS = ["tests.browser.agent:paced", "tests.browser.agent:echo", "tests.notebook.agent:obedient"]


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """The server is another process; these tests need no loop."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """There is no server in this process to clean up after."""


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    settings = {
        "agents": AGENTS,
        "agent": "obedient",
        "tools": ["tests.ai_sdk.tools:count", "tests.ai_sdk.tools:erase"],
        "approvals": {"erase": "always"},
        "keep_alive_seconds": 0.2,
    }
    with running("server", tmp_path_factory.mktemp("jupyter"), base_url="/user/a%40b/", **settings) as server:
        yield server
