"""Who may come in: one walk over every route and method, for every kind of visitor."""

import pytest
from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.serverapp import ServerApp

from jupyter_durable_chat.server.api import ROUTES, NotFound
from jupyter_durable_chat.server.dialects.ai_sdk import AI_SDK
from jupyter_durable_chat.server.dialects.durable_streams import DURABLE_STREAMS
from jupyter_durable_chat.server.openapi import OPENAPI
from tests.server.conftest import JSON, Api

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
WALK = [
    (method, pattern)
    for pattern, handler in [*AI_SDK, *DURABLE_STREAMS, *OPENAPI, *ROUTES]
    for method in METHODS
    if method.lower() in vars(handler) or (handler is NotFound and method == "GET")
]
BODIES = {"POST": {"client_id": "c", "text": "t"}, "PATCH": {"title": "T"}}


class OnlyOthers(Authorizer):
    """Allows everything but `durable_chat`."""

    def is_authorized(self, handler: object, user: object, action: str, resource: str) -> bool:
        return resource != "durable_chat"


def path_of(pattern: str, session: str) -> str:
    path = pattern.removeprefix("durable-chat/").replace(r"([A-Za-z0-9_-]{1,64})", session)
    path = path.replace("(.+)", "a/stream").replace(r"([^/]{1,600})", "of-a-provider").replace(".*", "nothing")
    path = path.replace("\\.", ".")
    return path + (f"?after={session}:0" if path == "api/events" else "")


async def status(api: Api, method: str, path: str, headers: dict[str, str]) -> int:
    """The status of an answer; a stream that begins is not read further."""
    import json

    content = json.dumps(BODIES[method]).encode() if method in BODIES else None
    async with api.client.stream(method, api.url + path, headers=headers, content=content) as response:
        return response.status_code


async def log_in(api: Api, serverapp: ServerApp) -> dict[str, str]:
    """Cookies as a browser has them after its login, and its XSRF token."""
    token = serverapp.identity_provider.token
    page = await api.client.get(api.url.replace("durable-chat/", "") + "tree", params={"token": token})
    assert page.cookies or api.client.cookies
    return {"X-XSRFToken": api.client.cookies["_xsrf"]}


def test_the_walk_is_long_enough() -> None:
    assert len(WALK) >= 13


@pytest.mark.parametrize(("method", "pattern"), WALK)
async def test_every_route(api: Api, jp_serverapp: ServerApp, method: str, pattern: str) -> None:
    session = await api.session()
    path = path_of(pattern, session)
    origin = api.url.split("/a%40b/")[0]

    async def with_(**headers: str) -> int:
        return await status(api, method, path, {name.replace("_", "-"): value for name, value in headers.items()})

    assert await with_() == 403
    assert await with_(Authorization="token wrong") == 403
    xsrf = await log_in(api, jp_serverapp)
    assert await status(api, method, path, {}) == 403, "a cookie alone"
    assert await status(api, method, path, {"X-XSRFToken": "wrong"}) == 403, "a wrong XSRF token"
    assert await status(api, method, path, {**xsrf, "Origin": "http://evil.example"}) in (403, 404), "a foreign page"
    assert await status(api, method, path, {"Referer": "http://evil.example/"}) == 403, "a foreign referrer"
    allowed = await status(api, method, path, {**xsrf, "Origin": origin})
    assert allowed == (404 if pattern.endswith(".*") else allowed) and allowed not in (401, 403), "our page"
    api.client.cookies.clear()
    kernel = await with_(Authorization=f"token {api.chat.kernel_token}")
    shares = method == "POST" and pattern.endswith("/shares")
    assert (kernel in (401, 403)) == shares, "a kernel, which makes no links"


@pytest.mark.parametrize("path", ["api/contents", "api/kernels", "api/sessions", "api/terminals", "api/config/x"])
async def test_the_kernels_token_opens_nothing_else(api: Api, path: str) -> None:
    jupyter = api.url.replace("durable-chat/", "")
    headers = {"Authorization": f"token {api.chat.kernel_token}"}
    assert (await api.client.get(jupyter + path, headers=headers)).status_code == 403
    assert (await api.client.get(jupyter + path, headers=api.headers)).status_code == 200


class TestAnAuthorizerThatRefuses:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: JSON) -> JSON:
        return {**jp_server_config, "ServerApp": {**jp_server_config["ServerApp"], "authorizer_class": OnlyOthers}}

    @pytest.mark.parametrize(("method", "pattern"), [w for w in WALK if not w[1].endswith(".*")])
    async def test_every_route(self, api: Api, method: str, pattern: str) -> None:
        assert await status(api, method, path_of(pattern, "s_1"), api.headers) == 403


async def test_the_sender_is_the_current_user_and_never_a_field_of_the_body(api: Api) -> None:
    session = await api.session()
    await api.send(session, author={"username": "eve"}, by="eve")
    author = (await api.transcript(session))["messages"][0]["metadata"]["author"]
    assert author["username"] != "eve"


async def test_errors_are_json_with_message_reason_and_code(api: Api) -> None:
    for method, path, headers in (
        ("GET", "api/health", {}),
        ("PUT", "api/health", api.headers),
        ("GET", "api/nowhere", api.headers),
        ("GET", "api/sessions/s_no", api.headers),
    ):
        answer = await api.client.request(method, api.url + path, headers=headers)
        assert answer.status_code >= 400 and {"message", "reason", "code"} <= answer.json().keys(), answer.text
