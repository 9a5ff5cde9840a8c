"""What requests in the protocol Durable Streams say, and how pages look as Server-Sent Events."""

import base64

import pytest

from jupyter_durable_chat.server.dialects import wire
from jupyter_durable_chat.streams import Append, Creation, Malformed, Page, Producer

BASE = "/user/ann/"
SENDS = {"Content-Type": "text/plain"}


def test_offsets_sort_as_text_as_their_lsns_do() -> None:
    lsns = [0, 1, 9, 10, 99, 10**15]
    offsets = [wire.offset(lsn) for lsn in lsns]
    assert offsets == sorted(offsets) and [wire.lsn_of(offset) for offset in offsets] == lsns
    assert offsets[0] == "0000000000000000_0000000000000000"


@pytest.mark.parametrize("text", ["", "1", "0_1", "-1_1", "0000000000000001_0000000000000001", f"{wire.offset(1)}\n"])
def test_what_is_no_offset_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        wire.lsn_of(text)


def test_where_to_read_from() -> None:
    assert wire.position([], None) == wire.position(["-1"], "sse") == 0
    assert wire.position(["now"], "long-poll") == "now"
    assert wire.position([wire.offset(7)], None) == 7
    with pytest.raises(Malformed):
        wire.position([], "sse")
    for offsets in ([wire.offset(1)] * 2, ["0,1"]):
        with pytest.raises(Malformed):
            wire.position(offsets, None)


def test_a_cursor_is_always_beyond_the_one_that_the_reader_has() -> None:
    now = wire.CURSOR_EPOCH + 20 * 1000 + 7.0
    assert wire.cursor("", now) == wire.cursor("999", now) == wire.cursor("x", now) == "1000"
    for asked in ("1000", "5000"):
        assert int(asked) < int(wire.cursor(asked, now)) <= int(asked) + 180


def test_what_a_put_wants() -> None:
    assert wire.creation({}, b"", BASE) == Creation("application/octet-stream")
    assert wire.creation({**SENDS, "Stream-TTL": "60", "Stream-Closed": "TRUE"}, b"x", BASE) == Creation(
        "text/plain", b"x", ttl=60, closed=True
    )
    forks = {"Stream-Forked-From": f"{BASE}durable-chat/v1/stream/a/b%20c", "Stream-Fork-Offset": wire.offset(3)}
    assert wire.creation({**forks, "Stream-Fork-Sub-Offset": "2"}, b"", BASE) == Creation(
        None, forked_from="a/b c", fork_lsn=3, fork_sub_offset=2
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Stream-TTL": "-1"},
        {"Stream-TTL": "01"},
        {"Stream-TTL": "1.0"},
        {"Stream-TTL": "1" * 17},
        {"Stream-Expires-At": "tomorrow"},
        {"Stream-Expires-At": "2026-01-01T00:00:00"},
        {"Stream-Expires-At": "2026-13-01T00:00:00Z"},
        {"Stream-TTL": "1", "Stream-Expires-At": "2026-01-01T00:00:00Z"},
        {"Stream-Fork-Sub-Offset": "0"},
        {"Stream-Fork-Offset": wire.offset(1)},
        {"Stream-Forked-From": "/v1/stream/a", "Stream-Fork-Sub-Offset": "1"},
        {"Content-Type": "text/" + "x" * 300},
    ],
)
def test_what_a_put_cannot_want(headers: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        wire.creation(headers, b"", BASE)


def test_what_a_post_adds() -> None:
    who = {"Producer-Id": "me", "Producer-Epoch": "1", "Producer-Seq": "2"}
    assert wire.append({**SENDS, **who, "Stream-Seq": "a"}, b"x") == Append(
        "text/plain", b"x", producer=Producer("me", 1, 2), seq="a"
    )
    assert wire.append({"Stream-Closed": "true"}, b"").closes
    for headers, data in (
        (SENDS, b""),
        ({}, b"x"),
        ({**SENDS, "Stream-Closed": "1"}, b""),
        ({**SENDS, "Producer-Id": "me"}, b"x"),
        ({**SENDS, **who, "Producer-Id": ""}, b"x"),
        ({**SENDS, **who, "Producer-Seq": "1e3"}, b"x"),
        ({**SENDS, **who, "Producer-Epoch": str(2**53)}, b"x"),
    ):
        with pytest.raises(Malformed):
            wire.append(headers, data)


def test_a_page_is_its_data_and_then_where_the_reader_is() -> None:
    now = wire.CURSOR_EPOCH + 40.0
    page = Page([b'{"a":1}', b"2,3"], 7, up_to_date=True, closed=False)
    assert wire.frames(page, "application/json", "", now) == (
        b'event: data\ndata:[{"a":1},2,3]\n\n'
        b'event: control\ndata:{"streamNextOffset":"0000000000000000_0000000000000007",'
        b'"streamCursor":"2","upToDate":true}\n\n'
    )
    end = wire.frames(Page([], 7, up_to_date=True, closed=True), "text/plain", "", now)
    assert end.count(b"event:") == 1 and b'"streamClosed":true' in end and b"streamCursor" not in end


def test_no_line_of_a_text_is_a_field_and_none_loses_its_first_space() -> None:
    said = wire.frames(Page([b" a\r\nevent: x\rid: 1\n", b"\n \xff"], 2, True, False), "text/plain", "", 0.0)
    data, _, _ = said.partition(b"\n\n")
    assert data.split(b"\n") == [
        b"event: data",
        b"data:  a",
        b"data:event: x",
        b"data:id: 1",
        b"data:",
        "data:  \N{REPLACEMENT CHARACTER}".encode(),
    ]


def test_what_is_no_text_is_sent_in_base64() -> None:
    said = wire.frames(Page([b"\x00\n", b"\xff"], 2, True, False), "image/png", "", 0.0)
    assert said.startswith(b"event: data\ndata:" + base64.b64encode(b"\x00\n\xff") + b"\n\n")
    assert wire.needs_base64("application/ndjson") and not wire.needs_base64("Application/JSON; charset=utf-8")
