"""Files of a session over HTTP: taken once, given back safely."""

import hashlib
from typing import Any

import pytest

from tests.server.conftest import JSON, Api, Scripted

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
HASH = hashlib.sha256(PNG).hexdigest()


@pytest.fixture
def jp_server_config(jp_server_config: JSON) -> JSON:
    jp_server_config["DurableChat"]["max_attachment_bytes"] = 300_000
    return jp_server_config


async def upload(api: Api, session: str, data: bytes, name: str = "a.png", **headers: str) -> Any:
    return await api("POST", f"api/sessions/{session}/attachments?filename={name}", data, headers=headers)


async def test_a_picture(api: Api) -> None:
    session = await api.session()
    answer = await upload(api, session, PNG)
    assert answer.status_code == 201
    assert answer.json() == {
        "url": f"attachment:{HASH}",
        "mediaType": "image/png",
        "filename": "a.png",
        "size": len(PNG),
    }
    answer = await api("GET", f"api/sessions/{session}/attachments/{HASH}")
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_a_page_is_only_given_to_be_saved(api: Api) -> None:
    session = await api.session()
    answer = await upload(api, session, b"<script>alert(1)</script>", "x.html", **{"Content-Type": "text/html"})
    assert answer.json()["mediaType"] == "text/html"
    name = answer.json()["url"].removeprefix("attachment:")
    answer = await api("GET", f"api/sessions/{session}/attachments/{name}?filename=x%22%0d%0a.html")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''x%22%0D%0A.html"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


async def test_a_name_is_the_last_part_of_a_path(api: Api) -> None:
    session = await api.session()
    for given, name in (("..%2F..%2Fetc%2Fpasswd", "passwd"), ("C:%5Cx.csv", "x.csv"), ("a%0Ab", "ab"), ("", "file")):
        assert (await upload(api, session, b"x", given)).json()["filename"] == name
    assert (await upload(api, session, b"x", "x" * 201)).status_code == 400


async def test_too_large(api: Api) -> None:
    session = await api.session()
    assert (await upload(api, session, b"x" * 300_000)).status_code == 201
    answer = await upload(api, session, b"x" * 5_000_000)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert "c.DurableChat.max_attachment_bytes allows 300000" in answer.json()["message"]


async def test_an_empty_file(api: Api) -> None:
    answer = await upload(api, await api.session(), b"")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_types_that_are_not_allowed(api: Api) -> None:
    session = await api.session()
    answer = await upload(api, session, b"\x00\x01")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported")
    assert "application/octet-stream" in answer.json()["message"]
    assert "c.DurableChat.attachment_types" in answer.json()["message"]
    api.chat.attachment_types = []
    assert (await upload(api, session, b"\x00\x01")).status_code == 201


async def test_a_session_that_does_not_exist(api: Api) -> None:
    assert (await upload(api, "s_none", PNG)).status_code == 404
    assert (await api("GET", f"api/sessions/s_none/attachments/{HASH}")).status_code == 404


async def test_a_file_of_another_session(api: Api) -> None:
    await upload(api, await api.session(), PNG)
    other = await api.session()
    answer = await api("GET", f"api/sessions/{other}/attachments/{HASH}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-attachment")


async def test_nobody_uploads_without_a_token(api: Api) -> None:
    session = await api.session()
    for headers in ({"Authorization": "token wrong"}, {"Authorization": ""}):
        assert (await upload(api, session, PNG, **headers)).status_code == 403
    assert not api.chat.attachments.folder.exists()


async def test_a_message_with_an_attachment(api: Api, agent: Scripted) -> None:
    session = await api.session()
    uploaded = (await upload(api, session, PNG)).json()
    part = {"type": "file", "mediaType": "image/png", "url": uploaded["url"], "filename": "a.png"}
    agent.finish()
    await api.send(session, parts=[part])
    transcript = await api.settled(session)
    assert transcript["messages"][0]["parts"][1] == part


@pytest.mark.parametrize("url", [f"attachment:{HASH}", "attachment:../../etc/passwd", "attachment:"])
async def test_a_message_with_an_attachment_that_is_none(api: Api, url: str) -> None:
    session = await api.session()
    part = {"type": "file", "mediaType": "image/png", "url": url}
    body = {"client_id": "c_1", "text": "Why?", "parts": [part]}
    answer = await api("POST", f"api/sessions/{session}/messages", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown-attachment")
    assert "parts[0]" in answer.json()["message"]


async def test_a_folder_that_cannot_be_used(api: Api) -> None:
    session = await api.session()
    api.chat.attachments.folder.write_text("a file")
    answer = await upload(api, session, PNG)
    assert (answer.status_code, answer.json()["code"]) == (503, "attachments-unavailable")
    assert str(api.chat.attachments.folder) not in answer.text
