import itertools
from functools import partial

import pytest

from jupyter_durable_chat.log.postgres import PostgresLog
from tests.log.contract import SharedLogContract

SCHEMAS = itertools.count()


@pytest.fixture
def schema() -> str:
    return f"test_{next(SCHEMAS)}"


class TestPostgresLog(SharedLogContract):
    @pytest.fixture
    def open_log(self, postgres, schema):
        return partial(PostgresLog, postgres.dsn(), schema=schema)
