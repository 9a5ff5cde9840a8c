"""Files, each stored once, that live as long as a session refers to them."""

import errno
import os
import time
from pathlib import Path

import pytest

from jupyter_durable_chat.attachments import Attachments, TooLarge, UnknownAttachment, is_allowed, media_type


@pytest.fixture
def attachments(tmp_path: Path) -> Attachments:
    return Attachments(tmp_path / "store.attachments", max_bytes=100)


def stored(attachments: Attachments) -> set[str]:
    return {path.name for path in (attachments.folder / "all").iterdir()}


def make_old(attachments: Attachments) -> None:
    then = time.time() - 7200
    for path in attachments.folder.rglob("*"):
        os.utime(path, (then, then))


async def test_a_file_comes_back(attachments: Attachments) -> None:
    name = await attachments.put("s_1", b"data")
    assert await attachments.get("s_1", name) == b"data"
    assert await attachments.has("s_1", name)


async def test_the_same_file_is_stored_once(attachments: Attachments) -> None:
    names = {await attachments.put(session, b"data") for session in ("s_1", "s_1", "s_2")}
    assert stored(attachments) == names
    (name,) = names
    assert (attachments.folder / "all" / name).stat().st_nlink == 3


async def test_only_a_session_that_refers_to_it_has_it(attachments: Attachments) -> None:
    name = await attachments.put("s_1", b"data")
    with pytest.raises(UnknownAttachment, match=name):
        await attachments.get("s_2", name)
    assert not await attachments.has("s_2", name)


@pytest.mark.parametrize("name", ["../s_1/x", "", "A" * 64, "a" * 63, "a" * 64 + "\n", "../" * 30])
async def test_a_name_leads_nowhere_else(attachments: Attachments, name: str) -> None:
    with pytest.raises(UnknownAttachment):
        await attachments.get("s_1", name)


async def test_a_session_that_is_none(attachments: Attachments) -> None:
    with pytest.raises(UnknownAttachment, match="not the id of a session"):
        await attachments.put("../elsewhere", b"data")


async def test_too_large(attachments: Attachments) -> None:
    with pytest.raises(TooLarge, match=r"101 bytes; c\.DurableChat.max_attachment_bytes allows 100"):
        await attachments.put("s_1", b"x" * 101)


async def test_the_last_session_takes_the_file_with_it(attachments: Attachments) -> None:
    name = await attachments.put("s_1", b"data")
    await attachments.put("s_2", b"data")
    await attachments.forget("s_1")
    assert await attachments.get("s_2", name) == b"data"
    await attachments.forget("s_2")
    await attachments.forget("s_2")
    assert stored(attachments) == set()
    assert list((attachments.folder / "sessions").iterdir()) == []


async def test_a_fork_has_the_files_too(attachments: Attachments) -> None:
    name = await attachments.put("s_1", b"data")
    await attachments.fork("s_1", "s_2")
    await attachments.fork("s_1", "s_2")
    await attachments.forget("s_1")
    assert await attachments.get("s_2", name) == b"data"


async def test_nothing_is_made_for_sessions_without_files(attachments: Attachments) -> None:
    await attachments.fork("s_1", "s_2")
    await attachments.forget("s_1")
    await attachments.sweep({"s_2"})
    assert not attachments.folder.exists()


async def test_sweeping_removes_what_no_live_session_has(attachments: Attachments) -> None:
    kept = await attachments.put("s_live", b"kept")
    await attachments.put("s_gone", b"gone")
    (attachments.folder / "all" / "half.tmp").write_bytes(b"half")
    await attachments.sweep({"s_live"})
    assert len(stored(attachments)) == 3, "what is young may belong to a session that is just being made"
    make_old(attachments)
    await attachments.sweep({"s_live"})
    assert stored(attachments) == {kept}
    assert await attachments.get("s_live", kept) == b"kept"


async def test_a_file_that_another_server_just_dropped_is_written_again(attachments: Attachments) -> None:
    name = await attachments.put("s_1", b"data")
    (attachments.folder / "all" / name).unlink()
    assert await attachments.get("s_1", name) == b"data"
    await attachments.put("s_2", b"data")
    assert await attachments.get("s_2", name) == b"data"


async def test_a_filesystem_without_links(attachments: Attachments, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    name = await attachments.put("s_0", b"first")
    monkeypatch.setattr(os, "link", link)
    name = await attachments.put("s_1", b"data")
    await attachments.put("s_2", b"data")
    await attachments.fork("s_1", "s_3")
    await attachments.forget("s_1")
    assert await attachments.get("s_2", name) == await attachments.get("s_3", name) == b"data"


PNG = b"\x89PNG\r\n\x1a\n\x00\x00"


@pytest.mark.parametrize(
    ("data", "filename", "declared", "kind"),
    [
        (PNG, "", "", "image/png"),
        (PNG, "page.html", "text/html", "image/png"),
        (b"\xff\xd8\xff\xe0", "", "", "image/jpeg"),
        (b"GIF89a", "", "", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "", "", "image/webp"),
        (b"%PDF-1.7", "", "", "application/pdf"),
        (b"PAR1..PAR1", "x.csv", "", "application/vnd.apache.parquet"),
        (b"a,b\n1,2\n", "x.csv", "", "text/csv"),
        (b"a,b\n1,2\n", "x.csv", "text/csv; charset=utf-8", "text/csv"),
        (b"print(1)\n", "x.py", "application/octet-stream", "text/x-python"),
        (b"{}", "x.ipynb", "", "application/x-ipynb+json"),
        (b"{}", "x.json", "", "application/json"),
        (b"# Title", "x.md", "", "text/markdown"),
        (b"no picture", "x.png", "image/png", "text/plain"),
        (b"<svg/>", "x.svg", "", "text/plain"),
        (b"PK\x03\x04", "x.zip", "", "application/zip"),
        (b"PK\x03\x04", "x.txt", "text/plain", "application/zip"),
        (b"PK\x03\x04", "x.xlsx", "", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (b"\x00\x01", "x.txt", "text/plain", "application/octet-stream"),
        (b"\xff\xfe", "", "not a type", "application/octet-stream"),
    ],
)
def test_what_a_file_is(data: bytes, filename: str, declared: str, kind: str) -> None:
    assert media_type(data, filename, declared) == kind


def test_which_types_are_allowed() -> None:
    assert is_allowed("image/png", ["image/png"]) and is_allowed("text/csv", ["text/*"])
    assert is_allowed("anything/else", [])
    assert not is_allowed("image/png", ["text/*", "image/gif"])
