"""The protocol Durable Streams over HTTP: the published suite, the published client, and what neither of them asks."""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx2
import pytest
from durable_streams import DurableStream, astream

from jupyter_durable_chat import events as e
from jupyter_durable_chat import streams
from jupyter_durable_chat.attachments import Attachments
from jupyter_durable_chat.log.sqlite import SqliteLog
from jupyter_durable_chat.server.dialects import wire
from jupyter_durable_chat.store.check import Check
from jupyter_durable_chat.streams import PREFIX
from tests.scripted import Scripted
from tests.server.conftest import JSON, Api
from tests.waiting import eventually

SUITE = Path(__file__).parents[1] / "durable_streams"
VITEST = SUITE / "node_modules/vitest/vitest.mjs"

LONG_POLL_SECONDS = 1.0

TEXT_TYPE = {"Content_Type": "text/plain"}
PAGES = {"Accept": "application/json"}


@pytest.fixture
def jp_server_config(jp_server_config: JSON) -> JSON:
    mine = {"long_poll_seconds": LONG_POLL_SECONDS, "max_message_bytes": 1 << 20}
    return jp_server_config | {"DurableChat": jp_server_config["DurableChat"] | mine}


async def ask(api: Api, method: str, path: str, body: bytes | None = None, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api(method, f"v1/stream/{path}", body, headers=named)


async def made(api: Api, path: str, body: bytes | None = None, kind: str = "text/plain", **headers: str) -> str:
    """A new stream; where it ends."""
    answer = await ask(api, "PUT", path, body, Content_Type=kind, **headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["Stream-Next-Offset"]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_published_suite_finds_nothing_wrong(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert VITEST.exists(), "make conformance fetches the suite"
    # The suite sleeps for 1.5 s of a stream's 2, and on a machine with much to do everybody is late.
    monkeypatch.setattr(streams, "LASTS", 1.5)
    caplog.set_level(logging.WARNING, api.chat.server.log.name)
    report = tmp_path / "report.json"
    process = await asyncio.create_subprocess_exec(
        "node",
        VITEST,
        "run",
        f"--outputFile={report}",
        cwd=SUITE,
        env=os.environ
        | {
            "CONFORMANCE_URL": api.url.rstrip("/"),
            "CONFORMANCE_TOKEN": api.headers["Authorization"].removeprefix("token "),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert report.exists(), said.decode()
    found = json.loads(report.read_bytes())
    wrong = list(failures(found))
    assert not wrong, "\n\n".join(wrong)
    assert found["success"], said.decode()
    assert (found["numPassedTests"], found["numTotalTests"]) == (332, 338)


def failures(report: JSON) -> Iterator[str]:
    for file in report["testResults"]:
        if file["status"] == "failed" and not file["assertionResults"]:
            yield file["message"]
        for test in file["assertionResults"]:
            if test["status"] == "failed":
                yield f"{test['fullName']}\n{test['failureMessages'][0][:600]}"


# A session as a stream


@pytest.mark.parametrize("live", ["sse", "long-poll"])
async def test_the_published_client_reads_a_chat_drops_and_resumes(
    api: Api, agent: Scripted, live: Literal["sse", "long-poll"]
) -> None:
    session = await api.session()
    url = f"{api.url}v1/stream/sessions/{session}"
    seen: list[JSON] = []

    async def read_until(offset: str, text: str) -> str:
        """Read on from there, up to an event that says this; where that was."""
        async with astream(url, offset=offset, live=live, headers={**api.headers}) as response:
            async for event in response.iter_events(mode="json"):
                seen.extend(event.data)
                if any(text in json.dumps(message) for message in event.data):
                    return event.next_offset
        raise AssertionError(f"the stream ended after {seen}")

    await api.send(session)
    agent.say(e.TextStart(id="x"), e.TextDelta(id="x", delta="before"))
    dropped = await read_until("-1", '"before"')
    agent.say(e.TextDelta(id="x", delta="meanwhile"), e.TextEnd(id="x"))
    reading = asyncio.create_task(read_until(dropped, "turn-stopped"))
    agent.finish()
    end = await reading
    assert [event["lsn"] for event in seen] == list(range(1, len(seen) + 1))
    assert "".join(event.get("delta", "") for event in seen) == "beforemeanwhile"
    assert end == wire.offset(len(seen))
    await api.settled(session)
    whole = await ask(api, "GET", f"sessions/{session}")
    assert whole.json()[: len(seen)] == seen


async def test_a_chat_is_only_read(api: Api) -> None:
    session = await api.session()
    head = await ask(api, "HEAD", f"sessions/{session}")
    assert head.headers["Content-Type"] == "application/json"
    for method in ("PUT", "POST", "DELETE"):
        answer = await ask(api, method, f"sessions/{session}", b"{}", Content_Type="application/json")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
        assert answer.json()["code"] == "read-only"
    assert (await ask(api, "PUT", "sessions", b"", **TEXT_TYPE)).status_code == 405
    after = await ask(api, "HEAD", f"sessions/{session}")
    assert after.headers["Stream-Next-Offset"] == head.headers["Stream-Next-Offset"]


async def test_a_compacted_chat_begins_with_what_it_amounts_to(api: Api, agent: Scripted) -> None:
    session = await api.session()
    await api.send(session)
    agent.say_text("a ", "b")
    agent.finish()
    lsn = (await api.settled(session))["lsn"]

    async def compacted() -> bool:
        async with api.chat.registry.acquire(session) as loaded:
            await loaded.compact()
        return (await api("GET", f"api/sessions/{session}/events?after=0", headers=PAGES)).json()[
            "snapshot"
        ] is not None

    await eventually(compacted)
    first, *rest = (await ask(api, "GET", f"sessions/{session}?offset=-1")).json()
    assert first["type"] == "session-snapshot" and first["lsn"] >= lsn
    assert first["transcript"]["messages"][-1]["parts"][-1]["text"] == "a b"
    assert [event["lsn"] for event in rest] == list(range(first["lsn"] + 1, first["lsn"] + 1 + len(rest)))


async def test_a_chat_that_is_deleted_ends_its_stream(api: Api) -> None:
    session = await api.session()
    path = f"v1/stream/sessions/{session}?offset=-1&live=sse"
    api.chat.keep_alive_seconds = 20.0  # nothing else is said meanwhile
    async with api.client.stream("GET", api.url + path, headers=api.headers, timeout=20) as response:
        chunks = response.aiter_bytes()
        assert b"upToDate" in await anext(chunks)
        await api("DELETE", f"api/sessions/{session}")
        assert [chunk async for chunk in chunks] == []
    assert (await ask(api, "GET", f"sessions/{session}")).status_code == 410


async def test_nothing_else_of_the_store_is_read_here(api: Api) -> None:
    """Neither what is kept for people, nor a stream by the name that the log has for it, nor a stream as a chat."""
    await made(api, "mine", b"x")
    etag = (await ask(api, "GET", "mine")).headers["ETag"]
    name = etag.strip('"').split(":")[0]
    assert name.startswith(PREFIX)
    inbox = (await api("GET", "api/inbox")).json()["id"]
    for other in (name, inbox, "s_none", "", "a/b"):
        assert (await ask(api, "GET", f"sessions/{other}")).status_code == 404
    for path in (f"api/sessions/{name}", f"api/sessions/{name}/events?after=0"):
        assert (await api("GET", path)).status_code == 404
    page = await api("GET", f"api/events?after={name}:0&wait=0", headers=PAGES)
    assert page.json()["items"][0]["gone"]["status"] == 404
    assert (await api("GET", "api/sessions")).json()["sessions"] == []
    assert (await ask(api, "GET", "__ds/subscriptions/x")).status_code == 404
    assert (await ask(api, "PUT", "__ds/x", b"", **TEXT_TYPE)).status_code == 404


# What the published suite does not ask


async def test_every_answer_is_safe_in_a_browser(api: Api) -> None:
    """Somebody may have given a stream any type."""
    await made(api, "page", b"<script>alert(1)</script>", kind="text/html")
    answers = [
        await ask(api, "GET", "page"),
        await ask(api, "HEAD", "page"),
        await ask(api, "GET", "page?offset=x"),
        await ask(api, "GET", "page?offset=-1&live=long-poll"),
        await ask(api, "POST", "page", b"x", Content_Type="text/html"),
        await ask(api, "PATCH", "page"),
        await api.client.get(api.url + "v1/stream/page"),
        await api.client.options(api.url + "v1/stream/page"),
        await ask(api, "DELETE", "page"),
        await ask(api, "GET", "page"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 200, 204, 405, 403, 204, 204, 404]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert {"sandbox", "default-src 'none'"} <= set(answer.headers["Content-Security-Policy"].split("; "))
        assert (
            answer.status_code < 400 or {"message", "reason", "code"} <= (answer.json() if answer.text else {}).keys()
        )


async def test_what_is_too_large_is_refused_and_changes_nothing(api: Api) -> None:
    end = await made(api, "p", b"x")
    for method in ("POST", "PUT"):
        answer = await ask(api, method, "p", b"y" * ((1 << 20) + 1), **TEXT_TYPE)
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    long = "a" * 1025
    assert (await ask(api, "PUT", long, b"", **TEXT_TYPE)).status_code == 400
    for headers in ({"Producer_Id": "p" * 257, "Producer_Epoch": "0", "Producer_Seq": "0"}, {"Stream_Seq": "s" * 257}):
        assert (await ask(api, "POST", "p", b"y", **TEXT_TYPE, **headers)).status_code == 400
    api.chat.durable_streams._max_bytes = 2
    answer = await ask(api, "POST", "p", b"yz", **TEXT_TYPE)
    assert (answer.status_code, answer.json()["code"]) == (413, "stream-full")
    assert (await ask(api, "HEAD", "p")).headers["Stream-Next-Offset"] == end


@pytest.mark.parametrize(
    "path", ["a/b/../c", "%2e%2e/%2e%2e/etc/passwd", "%C3%BC%20%F0%9F%8C%8A", "a//b/", "x%00y", "a%0Ab"]
)
async def test_a_path_is_any_text_and_never_a_file(api: Api, path: str) -> None:
    url = api.url + "v1/stream/" + path
    head, _, rest = url.partition("/a%40b/")
    host, _, port = head.removeprefix("http://").partition(":")

    async def raw(method: str, body: bytes = b"") -> bytes:
        """As it is written: a client would tidy the path up."""
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = f"{method} /a%40b/{rest} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
        lines += f"Authorization: {api.headers['Authorization']}\r\nContent-Type: text/plain\r\n"
        writer.write(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            return await reader.read()
        finally:
            writer.close()

    assert (await raw("PUT", b"one ")).startswith(b"HTTP/1.1 201")
    assert (await raw("POST", b"two")).startswith(b"HTTP/1.1 204")
    assert (await raw("GET")).endswith(b"\r\n\r\none two")


async def test_an_offset_that_no_stream_has_come_to_is_refused(api: Api) -> None:
    await made(api, "p", b"x")
    for offset in ("0000000000000000_0000000000000002", "0000000000000001_0000000000000001", "0_1", "1", "-2", ""):
        for live in ("", "&live=long-poll", "&live=sse"):
            assert (await ask(api, "GET", f"p?offset={offset}{live}")).status_code == 400, (offset, live)
    assert (await ask(api, "GET", "p?offset=-1&live=often")).status_code == 400


async def test_a_fork_names_its_source_by_any_form_of_its_path(api: Api) -> None:
    await made(api, "dir/ü", b"x")
    base = "/" + api.url.split("/", 3)[3]
    for number, root in enumerate((base, base.replace("%40", "@"), "/durable-chat/", "/")):
        answer = await ask(api, "PUT", f"fork/{number}", Stream_Forked_From=f"{root}v1/stream/dir/%C3%BC")
        assert answer.status_code == 201, answer.text


async def test_a_long_poll_asks_the_store_no_more_often_than_something_happens(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = await made(api, "p", b"x")
    log, asked = api.chat.registry.log, []
    read = log.read
    monkeypatch.setattr(log, "read", lambda *args, **kw: asked.append(args) or read(*args, **kw))
    answer = await ask(api, "GET", f"p?offset={end}&live=long-poll")
    assert answer.status_code == 204 and len(asked) <= 2
    api.chat.long_poll_seconds = 20.0
    waiting = asyncio.create_task(ask(api, "GET", f"p?offset={end}&live=long-poll"))
    await eventually(lambda: bool(api.chat.streams))
    await ask(api, "POST", "p", b"y", **TEXT_TYPE)
    assert (await waiting).text == "y" and len(asked) <= 4


async def test_who_waits_for_a_stream_is_told_when_it_is_deleted(api: Api) -> None:
    end = await made(api, "p", b"x")
    api.chat.long_poll_seconds = 20.0
    waiting = asyncio.create_task(ask(api, "GET", f"p?offset={end}&live=long-poll"))
    await eventually(lambda: bool(api.chat.streams))
    await ask(api, "DELETE", "p")
    assert (await waiting).status_code in (404, 410)


async def test_who_is_gone_is_waited_for_no_longer(api: Api) -> None:
    end = await made(api, "p", b"x")
    host, port = api.url.removeprefix("http://").split("/")[0].split(":")
    with socket.create_connection((host, int(port))) as connection:
        path = "/" + api.url.split("/", 3)[3] + f"v1/stream/p?offset={end}&live=sse"
        token = api.headers["Authorization"]
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: {token}\r\n\r\n".encode())
        await eventually(lambda: bool(api.chat.streams))
    await eventually(lambda: not api.chat.streams)


async def test_text_survives_an_event_stream(api: Api) -> None:
    """Leading spaces, empty lines, and what looks like a field."""
    said = " one\n\n  two\nevent: control\ndata: {}\n"
    await made(api, "p", said.encode(), Stream_Closed="true")
    async with astream(f"{api.url}v1/stream/p", offset="-1", live="sse", headers={**api.headers}) as response:
        assert "".join([text async for text in response.iter_text()]) == said


async def test_the_published_client_writes_with_the_kernels_token(api: Api) -> None:
    """From a thread, as code in a kernel does."""
    headers = {"Authorization": f"token {api.chat.kernel_token}"}

    def write() -> list[JSON]:
        url = f"{api.url}v1/stream/experiments/42"
        with DurableStream.create(url, content_type="application/json", headers={**headers}) as handle:
            for step in range(3):
                handle.append({"step": step})
            with handle.stream(live=False) as response:
                return response.read_json()

    assert await asyncio.to_thread(write) == [{"step": 0}, {"step": 1}, {"step": 2}]


async def test_a_store_with_streams_is_sound(api: Api, store: Path) -> None:
    await made(api, "p", b"[1, 2]", kind="application/json")
    await ask(api, "PUT", "fork", b"3", Stream_Forked_From="/v1/stream/p", Content_Type="application/json")
    await ask(api, "POST", "p", b"4", Content_Type="application/json", Stream_Closed="true")
    await ask(api, "DELETE", "p")
    assert (await ask(api, "GET", "fork")).json() == [1, 2, 3]
    async with SqliteLog(store, read_only=True) as log:
        check = Check(log, Attachments(store.parent / "attachments", max_bytes=0))
        assert [str(finding) async for finding in check.findings()] == []
        assert check.counts["streams"] == 2
