import pytest

from jupyter_durable_chat.log.memory import MemoryLog
from tests.log.contract import LogContract


class TestMemoryLog(LogContract):
    @pytest.fixture
    def open_log(self):
        return MemoryLog
