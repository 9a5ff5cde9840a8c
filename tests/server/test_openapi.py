"""The OpenAPI document says what there is: every route, every method, and nothing else. `tests/fuzz` takes its word."""

import pytest

from jupyter_durable_chat.server import api, openapi
from jupyter_durable_chat.server.handler import ChatHandler
from tests.server.conftest import Api


async def test_every_route_of_the_server_is_described(api: Api) -> None:
    there = {(rule[0], rule[1]) for rule in api.chat.handlers if "durable-chat/" in rule[0]}
    described = {*openapi.DESCRIBED}
    for pattern, handler in described:
        assert any(handler is known and known_pattern.endswith(pattern) for known_pattern, known in there), pattern
    left = [pattern for pattern, handler in there if all(handler is not known for _, known in described)]
    assert [pattern.rpartition("durable-chat/")[2] for pattern in left] == [".*"]


async def test_the_server_gives_its_document(api: Api, jp_base_url: str) -> None:
    document = (await api("GET", "api/openapi.json")).json()
    assert document["servers"] == [{"url": jp_base_url.rstrip("/")}]
    session = document["paths"]["/durable-chat/api/sessions/{session_id}"]
    assert [*session] == ["get", "patch", "delete"]
    taken = session["patch"]["requestBody"]["content"]["application/json"]["schema"]
    assert taken == {"$ref": "#/components/schemas/Change"}
    assert {"title", "muted"} <= {*document["components"]["schemas"]["Change"]["properties"]}
    assert {"200", "400", "403", "404", "409", "410", "413"} <= {*session["patch"]["responses"]}
    assert len(document["paths"]) == len({pattern for pattern, _ in openapi.DESCRIBED})


def test_a_route_that_nobody_describes_is_an_error() -> None:
    class New(ChatHandler):
        async def put(self, what: str) -> None: ...

    with pytest.raises(LookupError, match="PUT of durable-chat/new"):
        openapi.document("/", [*openapi.DESCRIBED, (r"durable-chat/new/(\d+)", New)])
    with pytest.raises(LookupError, match="Health"):
        openapi.document("/", [route for route in openapi.DESCRIBED if route[1] is not api.Health])
