"""Texts that people begin a message with. They are for everybody who may chat here, and no secret."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

SETTING = "c.DurableChat.prompts"

NAME = re.compile(r"[\w.-]{1,64}")


class Prompt(Struct, frozen=True, forbid_unknown_fields=True):
    """What the configuration says of a prompt. What has a name in braces in `text` is for the person to fill in."""

    text: str
    description: str = ""


def prompts(config: Mapping[str, Any]) -> list[dict[str, str]]:
    """`[{"name", "description", "text"}]` in their order. Raises `ValueError`, which quotes what is wrong."""
    return [{"name": name, **msgspec.to_builtins(_prompt(name, said))} for name, said in config.items()]


def _prompt(name: object, said: object) -> Prompt:
    where = f"{SETTING}[{name!r}]"
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{where}: {name!r} cannot be a prompt's name; take letters, digits, '-', '_' and '.'.")
    try:
        prompt = msgspec.convert({"text": said} if isinstance(said, str) else said, Prompt)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where} must be a text, or {{'text': '…', 'description': '…'}}: {error}") from None
    if not prompt.text.strip():
        raise ValueError(f"{where} has no text.")
    return prompt
