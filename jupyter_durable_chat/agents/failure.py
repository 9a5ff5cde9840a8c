"""What went wrong at a provider, in words for a person.

No text made here holds a key, a header, an address with credentials, or any of the instructions. Of what a provider
wrote, only the message of its error object is told, and that only after it was cleaned; a message that repeats a piece
of the instructions is not told at all.
"""

import re

from msgspec import Struct
from pydantic_ai import exceptions as x

from jupyter_durable_chat.agents import AgentError
from jupyter_durable_chat.agents.providers import URL_SETTING, key_places
from jupyter_durable_chat.events import Category

MESSAGE_CHARACTERS = 300

EXAMINED_CHARACTERS = 2000

SHARED_CHARACTERS = 24
"""A message that has so many characters in a row in common with the instructions is taken to quote them."""


LONGEST_PAUSE = 30.0
"""Most seconds that are waited when a provider says when to come back; it is told to the person if it is more."""

TOO_LONG = re.compile(
    r"(?:context|prompt|input|conversation)\b.{0,60}(?:too long|too large|exceed|longer than|larger than)"
    r"|exceed.{0,60}(?:context|maximum (?:number of )?(?:input )?(?:tokens|length))|maximum context length|"
    r"context[ _](?:length|window|size).{0,20}exceeded|too many (?:input )?tokens",
    re.IGNORECASE | re.DOTALL,
)
"""How servers word it that what they were sent is too long, when they have no code for it: Ollama, vLLM, llama.cpp."""


LONG = "the conversation is longer than this model can read. Start a new chat."


class Asked(Struct, frozen=True):
    """Who was asked, and what must not be told of it."""

    model: str
    instructions: str
    secrets: list[str]
    url: str | None = None

    @property
    def provider(self) -> str:
        return self.model.partition(":")[0]


def failure(error: Exception, asked: Asked) -> AgentError:
    """The `AgentError` for what pydantic-ai raised."""
    category, recoverable, text = _explain(error, asked)
    return AgentError(category, f"{asked.model}: {text}", recoverable=recoverable)


def pause(error: Exception, backoff: float) -> float | None:
    """Seconds to wait before asking again after this; `None` when that would not help, or not soon."""
    match error:
        case x.ModelQuotaExceededError():
            return None
        case x.ModelRateLimitError() | x.ModelConnectionError() | x.ModelUnavailableError() | x.ModelServerError():
            seconds = max(backoff, error.retry_after or 0.0)
        case _:
            return None
    return seconds if seconds <= LONGEST_PAUSE else None


def out_of_room(asked: Asked) -> AgentError:
    """The `AgentError` for an answer that reached its limit before its first word."""
    text = "the model reached its output limit before it wrote an answer. Ask for less."
    return AgentError("provider", f"{asked.model}: {text}")


def broken_off(reason: str | None, asked: Asked) -> AgentError | None:
    """The `AgentError` for an answer that ended for this reason; `None` for a reason that is no failure."""
    match reason:
        case "error":
            return AgentError("provider", f"{asked.model}: the model broke off. Try again.", recoverable=True)
        case "content_filter":
            return AgentError("refused", f"{asked.model}: the provider's content filter cut the answer off.")
    return None


def _explain(error: Exception, asked: Asked) -> tuple[Category, bool, str]:
    """Category, whether a retry may help, and what to say."""
    status = f" (HTTP {error.status_code})" if isinstance(error, x.ModelHTTPError) else ""
    match error:
        case x.ModelRateLimitError():
            when = f"in {error.retry_after:g} s" if error.retry_after else "in a moment"
            return "rate", True, f"too many requests{status}. Try again {when}."
        case x.ModelQuotaExceededError():
            return "rate", False, "the account's quota or credit is used up. Top it up, or choose another model."
        case x.ModelContextWindowExceededError():
            return "too-long", False, LONG
        case x.ModelAuthenticationError():
            return "auth", False, f"the provider refused the key{status}. Check {key_places(asked.provider)}."
        case x.ModelNotFoundError():
            return "provider", False, f"the provider knows no such model{status}. Check its name, and the base URL."
        case x.ModelConnectionError():
            return "network", True, _unreachable(error, asked)
        case x.ModelUnavailableError() | x.ModelServerError():
            return "provider", True, f"the provider cannot answer now{status}. Try again in a moment."
        case x.ContentFilterError():
            return "refused", False, "the provider's content filter withheld the answer. Ask in other words."
        case x.ModelAPIError() if error.provider_error_code in ("content_filter", "content_policy_violation"):
            return "refused", False, "the provider refuses to answer this. Ask in other words."
        case x.ModelHTTPError() if error.status_code in (400, 413, 422) and TOO_LONG.search(_message(error.body)):
            return "too-long", False, LONG
        case x.ModelHTTPError():
            said = _clean(_message(error.body), asked)
            return "provider", False, f"the provider rejected the request{status}{': ' if said else '.'}{said}"
        case x.SuspendedResponseExpired():
            return "provider", True, "the provider does not keep the rest of this answer any longer. Continue it."
        case x.UserError() | ImportError():
            return "internal", False, _clean(str(error), asked)
    return "provider", True, "the provider sent what is no answer. Try again; if it stays so, check the base URL."


def _unreachable(error: x.ModelConnectionError, asked: Asked) -> str:
    where = _address(asked.url) if asked.url else "the provider"
    if isinstance(error, x.ModelTimeoutError):
        return f"{where} did not answer in time. Try again."
    if error.phase in ("read", "write"):
        return f"the connection to {where} broke before the answer began. Try again."
    return f"{where} cannot be reached. Is it running? {URL_SETTING}[{asked.provider!r}] sets the address."


def _address(url: str) -> str:
    """The address without credentials and query, also if it is a malformed one."""
    scheme, separator, rest = url.partition("?")[0].rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _message(body: object) -> str:
    """The message of an error object, where the APIs put it."""
    match body:
        case {"error": {"message": str(message)}} | {"message": str(message)} | {"error": str(message)}:
            return message
    return ""


SECRET = re.compile(
    r"""(?<=://)[^/\s@]+(?=@)                              # credentials in an address
      | (?<=[?&]key=)[^&\s]+ | (?<=token=)[^&\s]+
      | \b(?:bearer|basic)\s+\S+
      | \b(?:sk|pk|gsk|xai|hf|ghp)[-_][\w*-]{8,} | \bAIza[\w-]{8,}
      | [^\s*]*\*{3,}\S*                                   # a key that the provider has masked
      | \b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{24,}         # anything long and random
    """,
    re.IGNORECASE | re.VERBOSE,
)


def _clean(text: str, asked: Asked) -> str:
    """The text without secrets and not too long; empty if it repeats a piece of the instructions."""
    if len(text) > EXAMINED_CHARACTERS:
        text = text[:EXAMINED_CHARACTERS].rpartition(" ")[0]  # no half of a secret at the end
    if _quotes(text, asked.instructions):
        return ""
    for secret in sorted(asked.secrets, key=len, reverse=True):
        text = text.replace(secret, "[hidden]")
    text = SECRET.sub(lambda found: found[0] if found[0] in asked.model else "[hidden]", text)
    text = " ".join(text.split())
    return text if len(text) <= MESSAGE_CHARACTERS else text[:MESSAGE_CHARACTERS] + "…"


def _quotes(text: str, instructions: str) -> bool:
    text, instructions = _plain(text), _plain(instructions)
    size = min(SHARED_CHARACTERS, len(instructions))
    pieces = (instructions[i : i + size] for i in range(len(instructions) - size + 1))
    return size > 0 and any(piece in text for piece in pieces)


def _plain(text: str) -> str:
    """For comparing: without case, white space, and the escapes that JSON puts in."""
    return re.sub(r"(?:\\[nrt]|[\s\"'\\])+", " ", text).strip().casefold()
