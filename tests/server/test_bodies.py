"""Bodies that are made to be more than they seem: nothing is unpacked, and what cannot be taken is refused as such."""

import gzip

from tests.server.conftest import Api

PACKED = gzip.compress(b'{"client_id":"c","text":"' + b"x" * 50_000_000 + b'"}')


async def test_a_packed_body_is_not_unpacked(api: Api) -> None:
    session = await api.session()
    before = (await api.transcript(session))["lsn"]
    for path in (f"api/sessions/{session}/messages", "api/sessions/import"):
        for packed in ("gzip", "deflate", "br"):
            answer = await api("POST", path, PACKED, headers={"Content-Encoding": packed})
            assert answer.status_code in (400, 413), (path, packed, answer.text)
    assert (await api.transcript(session))["lsn"] == before


async def test_numbers_names_and_depths_that_nobody_writes_are_refused_and_no_error(api: Api) -> None:
    session = await api.session()
    file = b'{"format":"jupyter-durable-chat","version":1,"events":[%b]}'
    for path, frame in (
        (f"api/sessions/{session}/messages", b'{"client_id":"c","text":"t","parts":[{"type":"data-x","data":%b}]}'),
        (f"api/sessions/{session}/tools/c", b'{"runner":"r","output":%b}'),
        ("api/sessions/import", file),
        ("ai-sdk/chat", b'{"id":"x","messages":[{"id":"m","role":"user","parts":[{"type":"data-x","data":%b}]}]}'),
    ):
        for value in (
            b"9" * 5000,
            b"-" + b"9" * 5000,
            b"1e999999999",
            b"[" * 3000 + b"]" * 3000,
            b'{"a":' * 3000 + b"1" + b"}" * 3000,
            b'"\\ud800"',
            b"NaN",
            b"\xff",
            b"Infinity",
        ):
            answer = await api("POST", path, frame % value)
            assert 400 <= answer.status_code < 500, (path, value[:20], answer.status_code, answer.text[:200])
    twice = b'{"client_id":"c1","client_id":"c2","text":"one","text":"two","__proto__":{"x":1},"constructor":1}'
    answer = await api("POST", f"api/sessions/{session}/messages", twice)
    assert answer.status_code == 202
    (said, *_) = (await api.transcript(session))["messages"]
    assert (said["metadata"]["client_id"], said["parts"][0]["text"]) == ("c2", "two")
