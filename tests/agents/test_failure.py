"""What a person is told when a provider fails: the right category, the next step, and no secret."""

import json
import socket
from typing import Any

import pytest

from tests.agents.asking import CHAT, INSTRUCTIONS, KEY, MODELS, agent_at, refusal
from tests.agents.raw import RawProvider, refuses

TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."

REFUSALS = {
    "wrong key": ("401 Unauthorized", {"message": "Incorrect API key", "code": "invalid_api_key"}, "auth", False, 1),
    "no right": ("403 Forbidden", {"message": "No access to this model"}, "auth", False, 1),
    "no model": ("404 Not Found", {"message": "No such model", "code": "model_not_found"}, "provider", False, 1),
    "rate": ("429 Too Many Requests", {"message": "Slow down", "code": "rate_limit_exceeded"}, "rate", True, 3),
    "quota": ("429 Too Many Requests", {"message": "Pay", "code": "insufficient_quota"}, "rate", False, 1),
    "too long": ("400 Bad Request", {"message": TOO_LONG, "code": "context_length_exceeded"}, "too-long", False, 1),
    "refused": ("400 Bad Request", {"message": "No", "code": "content_policy_violation"}, "refused", False, 1),
    "bad request": ("400 Bad Request", {"message": "Unsupported value: temperature"}, "provider", False, 1),
    "broken": ("500 Internal Server Error", {"message": "Oops"}, "provider", True, 3),
    "overloaded": ("503 Service Unavailable", {"message": "Overloaded"}, "provider", True, 3),
}


@pytest.mark.parametrize(("status", "error", "category", "recoverable", "attempts"), REFUSALS.values(), ids=REFUSALS)
async def test_each_refusal_has_its_category(
    status: str, error: Any, category: str, recoverable: bool, attempts: int
) -> None:
    async with RawProvider(refuses(status, {"error": error})) as provider:
        told = await refusal(agent_at(provider.url), "Anything", CHAT)
        assert len(provider.requests) == attempts

    assert (told.category, told.recoverable) == (category, recoverable)
    assert told.text.startswith(CHAT)


OTHERS = {
    "anthropic key": ("anthropic:mock", "401 Unauthorized", {"type": "authentication_error"}, "auth"),
    "anthropic length": (
        "anthropic:mock",
        "400 Bad Request",
        {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"},
        "too-long",
    ),
    "gemini key": (
        "google:mock",
        "400 Bad Request",
        {
            "code": 400,
            "message": "API key not valid.",
            "status": "INVALID_ARGUMENT",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
        },
        "auth",
    ),
    "gemini length": (
        "google:mock",
        "400 Bad Request",
        {
            "code": 400,
            "message": "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            "status": "INVALID_ARGUMENT",
        },
        "too-long",
    ),
    "ollama length": (
        "ollama:mock",
        "400 Bad Request",
        {"message": "the input length exceeds the context length"},
        "too-long",
    ),
    "vllm length": (
        "vllm:mock",
        "400 Bad Request",
        {"message": "This model's maximum context length is 8 tokens. However, you requested 9 tokens."},
        "too-long",
    ),
    "llama.cpp length": (
        "openai-chat:mock",
        "400 Bad Request",
        {"message": "the request exceeds the available context size. try increasing the context size"},
        "too-long",
    ),
}


@pytest.mark.parametrize(("model", "status", "error", "category"), OTHERS.values(), ids=OTHERS)
async def test_other_providers_say_it_in_other_words(model: str, status: str, error: Any, category: str) -> None:
    async with RawProvider(refuses(status, {"type": "error", "error": error})) as provider:
        told = await refusal(agent_at(provider.url), "Anything", model)

    assert told.category == category


async def test_a_refused_key_is_told_with_where_it_comes_from() -> None:
    async with RawProvider(refuses("401 Unauthorized", {"error": {"message": "Incorrect API key"}})) as provider:
        told = await refusal(agent_at(provider.url), "Anything", CHAT)

    assert "OPENAI_API_KEY" in told.text and "c.DurableChat.api_keys['openai-chat']" in told.text


async def test_what_the_provider_objects_to_is_told() -> None:
    async with RawProvider(refuses("400 Bad Request", {"error": {"message": "Unsupported value: temperature"}})) as p:
        told = await refusal(agent_at(p.url), "Anything", CHAT)

    assert told.text == f"{CHAT}: the provider rejected the request (HTTP 400): Unsupported value: temperature"


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_a_provider_that_is_not_there_is_named_by_its_address(model: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = await refusal(agent_at(f"http://someone:hunter2secret@127.0.0.1:{port}"), "Anything", model)

    assert (told.category, told.recoverable) == ("network", True)
    assert f"http://127.0.0.1:{port}" in told.text
    assert "hunter2secret" not in told.text


LEAKS = {
    "the key": f"Bad key {KEY}",
    "the header": f"Header Authorization: Bearer {KEY} is wrong",
    "a masked key": "Incorrect API key provided: sk-te****8a90",
    "another key": "Forwarded with key gsk_Zx81mNpQ22rT upstream",
    "an address with credentials": "Upstream https://root:hunter2secret@10.0.0.1/v1?key=hunter2secret failed",
    "a long token": "Session eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 expired",
    "a key after much text": "word " * 398 + f"key={KEY}",
    "nothing but text": "x" * 100_000,
    "the instructions": f"Cannot parse: {INSTRUCTIONS}",
    "the instructions as JSON": json.dumps({"messages": [{"role": "system", "content": INSTRUCTIONS}]}),
    "a piece of the instructions": "Near 'librarian whose name is Ermintrude' something is wrong",
}

SECRETS = (KEY, "5f0c9a", "8a90", "hunter2secret", "gsk_Zx", "eyJhbGci", "Ermintrude", "librarian")


@pytest.mark.parametrize("message", LEAKS.values(), ids=LEAKS)
async def test_no_secret_is_repeated(message: str) -> None:
    async with RawProvider(refuses("400 Bad Request", {"error": {"message": message}})) as provider:
        told = await refusal(agent_at(provider.url), "Anything", CHAT)

    assert told.text.startswith(f"{CHAT}: the provider rejected the request (HTTP 400)")
    assert not [secret for secret in SECRETS if secret in told.text]
    assert told.__cause__ is None and told.__suppress_context__
