"""A line of the log is a line, and no terminal that shows it obeys what somebody has sent."""

import asyncio
import logging

import pytest

from tests.server.conftest import Api

FORGED = "[E 2026-01-01 00:00:00.000 ServerApp] forged"
STEERING = "\x9b2J\x9d0;owned\x9c\x85"
"""What is below U+0020 no HTTP server takes; what a terminal obeys of the rest, it does."""


async def asked(api: Api, line: str, *headers: str) -> str:
    """The first line of the answer to a request that no client would send."""
    host, port = api.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = "\r\n".join((f"{line} HTTP/1.1", f"Host: {host}:{port}", "Connection: close", *headers, "", ""))
    writer.write(request.encode("latin-1"))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n")[0].decode()


async def test_nothing_that_is_sent_steers_a_terminal_or_makes_a_line(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    session = await api.session(title=f"T\n{FORGED}{STEERING}", notebook=f"n\n{FORGED}{STEERING}.ipynb")
    base = "/" + api.url.split("/", 3)[3]
    token = f"Authorization: {api.headers['Authorization']}"
    for path in (
        "api/nowhere",
        "api/sessions/no",
        "share/x",
        "s/x",
        "v1/stream/x",
        "ai-sdk/chat/x/stream",
        "openapi.json",
    ):
        for more in ((), (token,), (token, f"Last-Event-ID: {STEERING}")):
            said = (f"Referer: http://x/{STEERING}", f"User-Agent: {STEERING}", f"Accept: {STEERING}")
            answer = await asked(api, f"GET {base}{path}{STEERING}?q={STEERING}&after={STEERING}", *said, *more)
            assert answer.startswith("HTTP/1.1 "), path
    assert "404" in await asked(api, f"GET {base}api/{STEERING}", token)
    for name in (f"\r\n{FORGED}", STEERING):
        await api("POST", f"api/sessions/{session}/attachments", b"MZ\0", params={"filename": name})
        await api("PUT", "v1/stream/" + "".join(f"%{byte:02x}" for byte in name.encode()), b"x")
        await api("GET", "api/sessions", params={"before": name, "q": name, "status": name})
        await api("POST", f"api/sessions/{session}/stop", {"turn_id": name})
        await api("PATCH", f"api/sessions/{session}", {"title": name, "agent": name})
    logged = [record.getMessage() for record in caplog.records if record.name != "httpx2"]
    assert any("api/nowhere" in line for line in logged) and any("share/x" in line for line in logged)
    for line in logged:
        assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 for c in line), ascii(line)
        assert not any(row.startswith("[E 2026-01-01") for row in line.splitlines()), ascii(line)
