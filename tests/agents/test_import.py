"""The server's event loop is shared with kernels: nothing big is imported on it, nor before it is needed."""

import subprocess
import sys
import threading

import pytest

from tests.agents.asking import CHAT, agent_at, ask
from tests.agents.raw import DIALECTS, RawProvider, says

BIG = {"pydantic_ai", "openai", "anthropic", "google.genai", "pydantic", "httpx2", "IPython"}

IMPORTS = """
import sys
import jupyter_durable_chat.agents.catalog, jupyter_durable_chat.agents.demo
from jupyter_durable_chat.agents.pydantic_ai import PydanticAgent
PydanticAgent(api_keys={"openai": "sk-a"}).unavailable("openai:gpt-5")
PydanticAgent().unavailable("litellm:gpt-5")
print(*sys.modules)
"""


def test_importing_the_agents_and_asking_what_they_need_imports_nothing_big() -> None:
    ran = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert not BIG & set(ran.stdout.split())


class Watch:
    """A finder that finds nothing, and notes in which thread each module was looked for."""

    def __init__(self) -> None:
        self.threads: dict[str, threading.Thread] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.threads[name] = threading.current_thread()


async def test_the_first_answer_imports_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    chat, watch = DIALECTS["chat"], Watch()
    monkeypatch.delitem(sys.modules, "jupyter_durable_chat.agents.answer", raising=False)
    monkeypatch.setattr(sys, "meta_path", [watch, *sys.meta_path])

    async with RawProvider(says(*chat.hello, *chat.finish)) as provider:
        await ask(agent_at(provider.url), "Anything", CHAT)

    assert watch.threads["jupyter_durable_chat.agents.answer"] is not threading.current_thread()
