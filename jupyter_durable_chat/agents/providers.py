"""What a model's provider needs before it can answer, told without importing any of it.

A model is named `provider:model`, as pydantic-ai names it. Rows are needed only for what cannot be told otherwise; a
provider without one is one that the installed pydantic-ai has a module for.
"""

import difflib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from jupyter_durable_chat.events import Category

KEY_SETTING = "c.DurableChat.api_keys"
URL_SETTING = "c.DurableChat.base_urls"

OURS = ("openai", "anthropic", "google")
"""The SDKs that this package has extras for; the others come with pydantic-ai's."""


class Provider(Struct, frozen=True):
    """`sdk` is the module that must be there and `extra` installs it; any one of `keys` in the environment will do.

    `url` is the environment variable that moves a provider elsewhere; a server elsewhere may want no key.
    """

    keys: tuple[str, ...] = ()
    url: str | None = None
    default_url: str | None = None
    sdk: str = "openai"
    extra: str = "openai"


PROVIDERS = {
    "openai": Provider(("OPENAI_API_KEY",), url="OPENAI_BASE_URL"),
    "openai-chat": Provider(("OPENAI_API_KEY",), url="OPENAI_BASE_URL"),
    "openai-responses": Provider(("OPENAI_API_KEY",), url="OPENAI_BASE_URL"),
    "anthropic": Provider(("ANTHROPIC_API_KEY",), sdk="anthropic", extra="anthropic"),
    "google": Provider(("GOOGLE_API_KEY", "GEMINI_API_KEY"), sdk="google.genai", extra="google"),
    "google-cloud": Provider(sdk="google.genai", extra="google"),
    "ollama": Provider(url="OLLAMA_BASE_URL", default_url="http://localhost:11434/v1"),
    "vllm": Provider(url="VLLM_BASE_URL", default_url="http://localhost:8000/v1"),
    "alibaba": Provider(("ALIBABA_API_KEY", "DASHSCOPE_API_KEY")),
    "azure": Provider(("AZURE_OPENAI_API_KEY",)),
    "bedrock": Provider(sdk="boto3", extra="bedrock"),
    "cerebras": Provider(("CEREBRAS_API_KEY",)),
    "cohere": Provider(("CO_API_KEY",), sdk="cohere", extra="cohere"),
    "deepseek": Provider(("DEEPSEEK_API_KEY",)),
    "fireworks": Provider(("FIREWORKS_API_KEY",)),
    "groq": Provider(("GROQ_API_KEY",), sdk="groq", extra="groq"),
    "heroku": Provider(("HEROKU_INFERENCE_KEY",)),
    "huggingface": Provider(("HF_TOKEN",), sdk="huggingface_hub", extra="huggingface"),
    "mistral": Provider(("MISTRAL_API_KEY",), sdk="mistralai", extra="mistral"),
    "moonshotai": Provider(("MOONSHOTAI_API_KEY",)),
    "nebius": Provider(("NEBIUS_API_KEY",)),
    "openrouter": Provider(("OPENROUTER_API_KEY",)),
    "ovhcloud": Provider(("OVHCLOUD_API_KEY",)),
    "sambanova": Provider(("SAMBANOVA_API_KEY",)),
    "together": Provider(("TOGETHER_API_KEY",)),
    "vercel": Provider(("VERCEL_AI_GATEWAY_API_KEY", "VERCEL_OIDC_TOKEN")),
    "xai": Provider(("XAI_API_KEY",), sdk="xai_sdk", extra="xai"),
    "zai": Provider(("ZAI_API_KEY",)),
}


MAX_NAME = 64
"""Characters of a provider's name; files have no names of any length."""


class Obstacle(Struct, frozen=True):
    """Why a model cannot answer here, in words for a person, with the next step."""

    category: Category
    text: str


def obstacle(model: str | None, api_keys: Mapping[str, str], base_urls: Mapping[str, str]) -> Obstacle | None:
    """What stands in the way of this model, as far as that can be told without I/O; `None` when nothing does."""
    if model is None:
        return Obstacle("internal", "No model is named. Name one, such as openai:gpt-5, or set c.DurableChat.model.")
    name, colon, rest = model.partition(":")
    if not colon or not name or not rest:
        return Obstacle("provider", f"{model!r} names no model; write provider:model, such as openai:gpt-5.")
    provider = PROVIDERS.get(name)
    if provider is None:
        return None if _has_module(name) else _unknown(name)
    if not _installed(provider.sdk):
        package = "jupyter-durable-chat" if provider.extra in OURS else "pydantic-ai-slim"
        command = f'pip install "{package}[{provider.extra}]"'
        return Obstacle("internal", f"{model} needs a package that is not here. Where Jupyter runs: {command}")
    address = _address(name, provider, base_urls)
    if address and not _is_address(address):
        places = _places(name, URL_SETTING, provider.url)
        return Obstacle("internal", f"{model} has no proper address: {places} must be like http://host:port/path.")
    key = _key(name, provider, api_keys)
    if key and not (key.isascii() and key.isprintable()):
        return Obstacle("auth", f"{model} has a key that none can be: paste it again into {key_places(name)}.")
    if not key and provider.keys and not (provider.url and address):
        return Obstacle("auth", f"{model} needs a key: set {key_places(name)}.")
    return None


def credentials(name: str, api_keys: Mapping[str, str], base_urls: Mapping[str, str]) -> dict[str, str]:
    """The settings of this provider as keyword arguments for pydantic-ai's; it adds what the environment has."""
    given: dict[str, str] = {}
    provider = PROVIDERS.get(name, Provider())
    if base_url := base_urls.get(name) or _default_address(provider):
        given["base_url"] = base_url
    if key := api_keys.get(name):
        given["api_key"] = key
    elif name == "openai-chat" and name in base_urls:
        # Somebody else's server. The key in OPENAI_API_KEY is for OpenAI, and is not sent there.
        given["api_key"] = "none"
    return given


def secrets(name: str, api_keys: Mapping[str, str]) -> list[str]:
    """Every key that an error of this provider might repeat."""
    variables = PROVIDERS.get(name, Provider()).keys
    return [*filter(None, api_keys.values()), *filter(None, map(os.environ.get, variables))]


def key_places(name: str) -> str:
    """Where a key of this provider is looked for."""
    return _places(name, KEY_SETTING, *PROVIDERS.get(name, Provider()).keys)


def _places(name: str, setting: str, *variables: str | None) -> str:
    return " or ".join([*filter(None, variables), f"{setting}[{name!r}]"])


def _key(name: str, provider: Provider, api_keys: Mapping[str, str]) -> str | None:
    return api_keys.get(name) or next(filter(None, map(os.environ.get, provider.keys)), None)


def _address(name: str, provider: Provider, base_urls: Mapping[str, str]) -> str | None:
    return base_urls.get(name) or (os.environ.get(provider.url) if provider.url else None)


def _default_address(provider: Provider) -> str | None:
    return None if provider.url and os.environ.get(provider.url) else provider.default_url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, a bracket is not closed
        return False


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the parent of a dotted name is not there
        return False


def _has_module(name: str) -> bool:
    """Whether the installed pydantic-ai has a provider of this name, found without importing it."""
    spec = importlib.util.find_spec("pydantic_ai")
    word = name.partition("/")[0]  # `gateway/openai` is the provider `gateway`
    if spec is None or len(word) > MAX_NAME or not word.replace("-", "").isalnum():
        return False
    file = Path("providers", word.replace("-", "_") + ".py")
    return any((folder / file).is_file() for folder in map(Path, spec.submodule_search_locations or ()))


def _unknown(name: str) -> Obstacle:
    close = difflib.get_close_matches(name, PROVIDERS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return Obstacle("provider", f"There is no provider {name!r}.{hint} There are: {', '.join(sorted(PROVIDERS))}.")
