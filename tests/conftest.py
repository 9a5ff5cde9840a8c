"""What all tests share: pytest-jupyter's server fixtures, which also run coroutine tests; no deadlines by the clock."""

from collections.abc import Iterator

import hypothesis
import pytest

from tests.postgres import Postgres

pytest_plugins = ["pytest_jupyter.jupyter_server"]

hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One for all tests, which take a schema each. What it acknowledges is not on the disk."""
    with Postgres(fsync="off", full_page_writes="off", max_connections="200") as server:
        yield server
