"""A real Jupyter server for the fuzzer; the tests need no loop of their own."""

import pytest


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """The server is another process."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """There is no server in this process to clean up after."""
