import os

import pytest

from jupyter_durable_chat.log.stamps import SETTLED_SECONDS, Stamps
from tests.log.contract import Clock


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "log.sqlite3"
    path.write_bytes(b"1")
    return path


@pytest.mark.parametrize("side", ["", "-wal"])
def test_a_change_shows_until_no_other_can_hide_behind_it(path, side):
    clock = Clock()
    stamps = Stamps(clock)
    file = path.with_name(path.name + side)
    for change in (b"22", b"333"):
        file.write_bytes(change)
        assert stamps.changed(path)
        clock.now += SETTLED_SECONDS
        assert stamps.changed(path)
        clock.now += 0.1
        assert stamps.changed(path)
        assert not stamps.changed(path)
        clock.now += 1000
        assert not stamps.changed(path)


def test_a_time_or_another_file_is_a_change_too(path):
    clock = Clock()
    stamps = Stamps(clock)
    changes = [
        lambda: os.utime(path, ns=(0, 1)),
        lambda: os.utime(path, ns=(0, 2)),
        path.unlink,
        lambda: path.write_bytes(b"1"),
    ]
    for change in changes:
        change()
        assert stamps.changed(path)
        clock.now += SETTLED_SECONDS + 0.1
        assert stamps.changed(path)
        assert not stamps.changed(path)
