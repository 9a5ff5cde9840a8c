"""Storage that fails: what was acknowledged is there, the answer says what happened, and Jupyter goes on."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jupyter_durable_chat.commands import Message
from jupyter_durable_chat.log.sqlite import SqliteLog
from tests.browser.jupyter import Jupyter, running
from tests.store.test_check import command
from tests.test_registry import World, created, outcome, send
from tests.waiting import eventually

pytestmark = pytest.mark.slow

JSON = dict[str, Any]

FRAME = 24
PAGE = 4096
"""A write-ahead log is a header of 32 bytes, and then frames: 24 bytes and a page each."""


def size(path: Path) -> int:
    return path.stat().st_size


async def test_failure_37_a_commit_that_is_cut_at_any_byte_is_whole_or_not_there(tmp_path: Path) -> None:
    """A torn write made a chat load as empty, and the next save erased it."""
    store = tmp_path / "log.sqlite3"
    async with SqliteLog(store) as log:
        await log.create("s", [b"first"])
        await log.append("s", [b"second"] * 3, summary=b"before")
        before = size(Path(f"{store}-wal"))
        await log.append("s", [b"third" * 1000, b"fourth"], summary=b"after", labels={"status": "idle"})
        whole = shutil.copytree(tmp_path, tmp_path / "whole")
    wal = (whole / "log.sqlite3-wal").read_bytes()
    frames = range(before, len(wal) + 1, FRAME + PAGE)
    assert len(frames) > 2, "the last commit has several pages"
    cuts = {at for frame in frames for at in range(frame - 3, frame + FRAME + 3)} | set(range(before, len(wal), 211))
    short = [b"first", *[b"second"] * 3]
    full = [*short, b"third" * 1000, b"fourth"]
    found: dict[bool, int] = {False: 0, True: 0}
    for cut in sorted(at for at in cuts if before <= at <= len(wal)):
        copy = tmp_path / "copy"
        shutil.copytree(whole, copy)
        (copy / "log.sqlite3-wal").write_bytes(wal[:cut])
        (copy / "log.sqlite3-shm").unlink(missing_ok=True)
        async with SqliteLog(copy / "log.sqlite3") as log:
            stored = [record.data for record in await log.read("s", 0)]
            head = await log.head("s")
            is_whole = cut == len(wal)
            assert stored == (full if is_whole else short), cut
            assert head.summary == (b"after" if is_whole else b"before")
            assert await log.append("s", [b"and on"]) == len(stored) + 1
        found[is_whole] += 1
        shutil.rmtree(copy)
    assert found[True] == 1 and found[False] > 100


@contextmanager
def full_disk(jupyter: Jupyter, folder: Path) -> Iterator[None]:
    """No byte more fits on the file system of this folder."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            for size in (1 << 16, 1 << 12, 1):
                with pytest.raises(OSError, match="No space left"):
                    while True:
                        file.write(b"x" * size)
            yield
        finally:
            ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes, of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def ask(jupyter: Jupyter, session: str, client_id: str, text: str) -> httpx2.Response:
    url = f"{jupyter.url}durable-chat/api/sessions/{session}/messages"
    headers = {"Authorization": f"token {jupyter.token}"}
    return httpx2.post(url, headers=headers, json={"client_id": client_id, "text": text}, trust_env=False, timeout=None)


def over(jupyter: Jupyter, session: str) -> JSON:
    """The transcript once no turn runs."""
    while (transcript := jupyter.transcript(session))["turn"]:
        jupyter.api(f"durable-chat/api/sessions/{session}/events", after=transcript["lsn"], limit=1, wait=5)
    return transcript


def test_a_full_disk_fails_the_answer_and_nothing_else(tmp_path: Path, small_disk: Path) -> None:
    store = str(small_disk / "log.sqlite3")
    with running("server", tmp_path, store=store, agents=["tests.server.bulk:bulk"]) as jupyter:
        session = jupyter.post("durable-chat/api/sessions", agent="bulk")["id"]
        assert ask(jupyter, session, "before", "1 reports of 1 kB").status_code == 202
        before = over(jupyter, session)
        sent = ask(jupyter, session, "too much", "2000 reports of 20 kB")
        assert sent.status_code == 202
        with full_disk(jupyter, small_disk):
            refused = ask(jupyter, session, "refused", "1 reports of 1 kB")
            assert refused.status_code == 503 and refused.json()["code"] == "store-unavailable"
            assert store in refused.json()["message"] and "full" in refused.json()["message"]
            assert jupyter.api("api/status")["started"], "Jupyter goes on"
            assert jupyter.transcript(session)["messages"][:2] == before["messages"], "and what there is can be read"
        failed = over(jupyter, session)["messages"][3]["metadata"]
        assert failed["outcome"] == "failed" and "full" in failed["error"]["text"]
        assert ask(jupyter, session, "too much", "2000 reports of 20 kB").json() == sent.json()
        assert ask(jupyter, session, "after", "1 reports of 1 kB").status_code == 202
        after = over(jupyter, session)
        assert after["messages"][-1]["metadata"]["outcome"] == "completed"
        events = jupyter.events(session)
        assert [event["lsn"] for event in events] == list(range(1, len(events) + 1))


def test_a_store_that_may_only_be_read_is_named_and_taken_when_it_may_be_written(
    tmp_path: Path, small_disk: Path
) -> None:
    store = small_disk / "log.sqlite3"
    with running("server", tmp_path, store=str(store)) as jupyter:
        session = jupyter.post("durable-chat/api/sessions", agent="paced")["id"]
        jupyter.stop()
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        jupyter.start()
        refused = ask(jupyter, session, "c", "3 words at 100 per second")
        assert refused.status_code == 503 and str(store) in refused.json()["message"]
        assert jupyter.api("api/status")["started"]
        subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
        while ask(jupyter, session, "c", "3 words at 100 per second").status_code == 503:
            jupyter.api("api/status")
        assert over(jupyter, session)["messages"][1]["parts"][1]["text"].split() == ["w1", "w2", "w3"]


def test_two_servers_on_one_store(tmp_path: Path) -> None:
    store = str(tmp_path / "log.sqlite3")
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with running("server", folders[0], store=store) as one, running("server", folders[1], store=store) as two:
        session = one.post("durable-chat/api/sessions", agent="paced")["id"]
        assert ask(one, session, "c1", "100000 words at 100 per second").status_code == 202
        queued = ask(two, session, "c2", "3 words at 100 per second")
        assert queued.json()["status"] == "queued"
        assert ask(one, session, "c2", "3 words at 100 per second").json() == queued.json()
        assert two.post(f"durable-chat/api/sessions/{session}/stop") == {"stopped": True}
        two.post(f"durable-chat/api/sessions/{session}/queue/resume")
        while len(two.transcript(session)["messages"]) < 4:
            two.wait_for_lsn(session, two.transcript(session)["lsn"])
        seen = over(one, session)
        assert seen == over(two, session)
        outcomes = [message["metadata"].get("outcome") for message in seen["messages"]]
        assert outcomes == [None, "stopped", None, "completed"]
        assert one.events(session) == two.events(session)
        ask(one, session, "c3", "100000 words at 100 per second")
        one.kill()
        assert over(two, session)["messages"][-1]["metadata"]["outcome"] == "interrupted"


@pytest.mark.timeout(240)
def test_a_backup_of_a_server_that_answers_is_a_store_of_its_own(tmp_path: Path) -> None:
    store, saved, restored = tmp_path / "log.sqlite3", tmp_path / "saved.zip", tmp_path / "restored" / "log.sqlite3"
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with running("server", folders[0], store=str(store)) as one:
        session = one.post("durable-chat/api/sessions", agent="paced")["id"]
        sent = ask(one, session, "c", "100000 words at 200 per second").json()
        one.wait_for_lsn(session, sent["lsn"] + 20)
        assert "nothing is wrong" in command("check", store=store, status=0)
        command("backup", str(saved), store=store, status=0)
        command("restore", str(saved), store=restored, status=0)
        assert "nothing is wrong" in command("check", store=restored, status=0)
        with running("server", folders[1], store=str(restored)) as two:
            there = over(two, session)["messages"][1]
            assert there["metadata"]["outcome"] == "interrupted"
            kept = there["parts"][-1]["text"]
            assert ask(two, session, "c2", "3 words at 100 per second").status_code == 202
            assert over(two, session)["messages"][3]["metadata"]["outcome"] == "completed"
        here = one.transcript(session)
        assert here["turn"], "and the server whose store was saved goes on"
        assert here["messages"][1]["parts"][-1]["text"].startswith(kept) and kept


class Counted(SqliteLog):
    """Says how often its server has renewed what it holds."""

    rounds = 0

    async def renew(self, holder: str, seconds: float) -> None:
        await super().renew(holder, seconds)
        self.rounds += 1


@pytest.mark.parametrize("hours", [5, -5])
async def test_a_clock_that_jumps_costs_no_turn(tmp_path: Path, hours: int) -> None:
    world = World(tmp_path)
    logs = [Counted(world.path, clock=world.clock) for _ in range(2)]
    async with world.server(log=logs[0]) as first, world.server(log=logs[1]) as second:
        session_id = await created(first)
        turn = await send(first, session_id)
        world.agent.say_text("before ")
        world.now += hours * 3600
        before = [log.rounds for log in logs]
        await eventually(lambda: all(log.rounds > seen + 5 for log, seen in zip(logs, before, strict=True)))
        world.agent.say_text("and after")
        world.agent.finish()
        assert await outcome(second, session_id, turn) == "completed"
        async with second.acquire(session_id) as session:
            again = await session.send(Message(client_id="c", text="Why?"), None)
            assert again.turn_id == turn
            lsns = [message["metadata"]["lsn"] for message in session.transcript.messages]
            assert lsns == sorted(lsns), "the order is the log's, and not the clock's"
