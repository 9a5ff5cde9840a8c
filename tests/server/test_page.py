"""`s/{id}` lets in whom the other routes let in, and holds nothing but the way to the front end."""

import pytest

from tests.server.conftest import JSON, Api
from tests.server.test_access import OnlyOthers


async def test_a_stranger_logs_in_and_comes_back(api: Api) -> None:
    answer = await api.client.get(f"{api.url}s/s_1", headers={})
    assert answer.status_code == 302
    assert "/login?next=" in answer.headers["Location"]
    assert answer.headers["Location"].endswith("durable-chat%2Fs%2Fs_1")


class TestWithAnAuthorizer:
    @pytest.fixture
    def jp_server_config(self, jp_server_config: JSON) -> JSON:
        return {**jp_server_config, "ServerApp": {**jp_server_config["ServerApp"], "authorizer_class": OnlyOthers}}

    async def test_who_may_not_chat_gets_no_page(self, api: Api) -> None:
        assert (await api("GET", "s/s_1")).status_code == 403


async def test_the_page_runs_only_what_this_server_has(api: Api) -> None:
    session = await api.session(title="Secret")
    answer = await api("GET", f"s/{session}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert session in answer.text and "Secret" not in answer.text
    (script,) = (line for line in answer.text.splitlines() if 'type="module"' in line)
    source = script.split('src="')[1].split('"')[0]
    assert (await api.client.get(api.url.split("/a%40b/")[0] + source)).status_code == 200
