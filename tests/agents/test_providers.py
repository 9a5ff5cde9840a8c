"""Why a model cannot answer here is told at once, with the word that was used and the next step."""

import sys
from typing import Any

import pytest
from pydantic_ai.exceptions import UserError
from pydantic_ai.providers import infer_provider, infer_provider_class

from jupyter_durable_chat.agents.providers import PROVIDERS, credentials, obstacle
from jupyter_durable_chat.agents.pydantic_ai import PydanticAgent
from tests.agents.asking import CHAT, agent_at, ask, refusal
from tests.agents.raw import DIALECTS, RawProvider, says

HERE = "http://127.0.0.1:9/v1"


def why(model: str | None, **settings: Any) -> str:
    text = PydanticAgent(**settings).unavailable(model)
    assert text is not None
    return text


def test_a_missing_key_is_named_by_variable_and_setting() -> None:
    text = why("anthropic:claude")
    assert "anthropic:claude" in text and "ANTHROPIC_API_KEY or c.DurableChat.api_keys['anthropic']" in text


def test_a_key_from_the_settings_or_from_the_environment_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PydanticAgent(api_keys={"openai": "sk-a"}).unavailable("openai:gpt-5") is None
    monkeypatch.setenv("GEMINI_API_KEY", "a")
    assert PydanticAgent().unavailable("google:gemini-2.5-flash") is None


def test_servers_of_ones_own_need_no_key() -> None:
    assert PydanticAgent(base_urls={"openai-chat": HERE}).unavailable("openai-chat:llama") is None
    assert PydanticAgent().unavailable("ollama:qwen3") is None
    assert PydanticAgent().unavailable("vllm:qwen3") is None


async def test_the_key_for_openai_is_not_sent_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-only")
    chat = DIALECTS["chat"]
    async with RawProvider(says(*chat.hello, *chat.finish)) as provider:
        await ask(PydanticAgent(base_urls={"openai-chat": provider.url}), "Anything", CHAT)

    assert b"sk-for-openai-only" not in provider.requests[0]


def test_a_missing_sdk_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    assert 'pip install "jupyter-durable-chat[openai]"' in why("openai:gpt-5", api_keys={"openai": "sk-a"})


def test_an_sdk_that_we_have_no_extra_for_comes_with_pydantic_ais(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "groq", None)
    assert 'pip install "pydantic-ai-slim[groq]"' in why("groq:llama")


async def test_an_unavailable_model_fails_with_the_same_words() -> None:
    agent = PydanticAgent()
    error = await refusal(agent, "Anything", "anthropic:claude")

    assert error.category == "auth" and error.text == agent.unavailable("anthropic:claude")


def test_an_unknown_provider_is_quoted_with_those_there_are() -> None:
    text = why("opnai:gpt-5")
    assert "'opnai'" in text and "Did you mean 'openai'?" in text
    assert all(name in text for name in PROVIDERS)


@pytest.mark.parametrize("model", ["gpt-5", "openai:", ":gpt-5", ":", "../models:x", "_http:x"])
def test_what_names_no_model_is_quoted(model: str) -> None:
    assert model.partition(":")[0] in why(model)


def test_without_a_model_it_says_how_to_name_one() -> None:
    assert "c.DurableChat.model" in why(None)
    assert PydanticAgent(default_model="ollama:qwen3").unavailable() is None


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://a", "http://[::1", "http://a:b/v1", "u:hunter2@host"])
def test_an_address_that_is_none_is_told_without_repeating_it(address: str) -> None:
    text = why(CHAT, base_urls={"openai-chat": address})
    assert "c.DurableChat.base_urls['openai-chat']" in text and address not in text


@pytest.mark.parametrize("key", ["sk-hunter2\n", "sk-hünter2"])
def test_a_key_that_none_can_be_is_told_without_repeating_it(key: str) -> None:
    text = why(CHAT, api_keys={"openai-chat": key})
    assert "c.DurableChat.api_keys['openai-chat']" in text and "nter2" not in text


def test_a_provider_without_a_row_is_one_if_pydantic_ai_has_it() -> None:
    assert PydanticAgent().unavailable("litellm:gpt-5") is None
    assert PydanticAgent().unavailable("gateway/openai:gpt-5") is None


async def test_a_name_that_only_looks_like_a_provider_is_quoted_by_pydantic_ai() -> None:
    error = await refusal(agent_at(HERE), "Anything", "gateway:gpt-5")
    assert error.category == "internal" and "'gateway'" in error.text


async def test_a_setting_that_a_provider_does_not_take_is_named() -> None:
    agent = PydanticAgent(api_keys={"deepseek": "sk-a"}, base_urls={"deepseek": HERE})
    error = await refusal(agent, "Anything", "deepseek:chat")
    assert error.category == "internal" and "'base_url'" in error.text


@pytest.mark.parametrize("name", [name for name, row in PROVIDERS.items() if row.sdk == "openai"])
def test_each_row_says_what_pydantic_ai_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = PROVIDERS[name]
    assert infer_provider_class(name)
    if not row.keys:
        assert credentials(name, {}, {}) == {"base_url": row.default_url}
        return
    with pytest.raises(UserError) as raised:
        infer_provider(name)
    assert any(variable in str(raised.value) for variable in row.keys) or name == "azure"
    for variable in row.keys:
        monkeypatch.setenv(variable, "sk-a")
        assert PydanticAgent().unavailable(f"{name}:model") is None
        monkeypatch.delenv(variable)


def test_a_name_of_any_length_is_no_provider() -> None:
    for name in ("n" * 300, "ä" * 200):
        found = obstacle(f"{name}:m", {}, {})
        assert found and found.text.startswith("There is no provider")
