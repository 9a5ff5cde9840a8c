"""Who answers is never guessed: what was asked for, or an error that quotes it."""

import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import Agent, AgentError, Request, ToolSpec
from jupyter_durable_chat.agents.catalog import Agents, LazyAgent, UnknownAgent, installed, personas
from jupyter_durable_chat.agents.demo import DemoAgent
from jupyter_durable_chat.agents.pydantic_ai import PydanticAgent
from tests.agents.asking import CHAT, INSTRUCTIONS, KEY, ask, refusal, text
from tests.agents.raw import DIALECTS, RawProvider, says

MODEL = "ollama:qwen3"


def agents(default_model: str | None = None, *more: str) -> Agents:
    default = "assistant" if default_model else "demo"
    return Agents([DemoAgent(), PydanticAgent(default_model=default_model), *more], default)


@pytest.mark.parametrize(
    ("configured", "agent", "model", "answers"),
    [
        (None, None, None, ("demo", None)),
        (None, None, "demo", ("demo", None)),
        (None, None, MODEL, ("assistant", MODEL)),
        (None, "assistant", None, ("assistant", None)),
        (None, "demo", MODEL, ("demo", None)),
        (MODEL, None, None, ("assistant", MODEL)),
        (MODEL, None, "demo", ("demo", None)),
        (MODEL, None, "vllm:x", ("assistant", "vllm:x")),
        (MODEL, "assistant", None, ("assistant", MODEL)),
        (MODEL, "demo", None, ("demo", None)),
    ],
)
def test_who_answers(configured: str | None, agent: str | None, model: str | None, answers: tuple[str, str]) -> None:
    chosen, with_model = agents(configured).resolve(agent, model)
    assert (chosen.name, with_model) == answers


def test_an_unknown_agent_is_quoted_with_those_there_are() -> None:
    with pytest.raises(UnknownAgent, match=r"'asistant'.* demo, assistant\."):
        agents().resolve("asistant", None)


def test_describe_says_who_can_answer_and_why_another_cannot() -> None:
    described = agents().describe()

    assert described["default"] == "demo"
    demo, assistant = described["agents"]
    assert (demo["name"], demo["available"], demo["why"]) == ("demo", True, None)
    assert (assistant["name"], assistant["available"], assistant["models"]) == ("assistant", False, [])
    assert "c.DurableChat.model" in assistant["why"]
    assert agents(MODEL).describe()["agents"][1]["models"] == [MODEL]


class Parrot(Agent):
    name = "parrot"

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        yield e.TextDelta(id="t", delta=request.messages[-1]["parts"][0]["text"])


SOURCE = """
from tests.agents.test_catalog import Parrot
polly = Parrot()
number = 7
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "aviary.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "aviary", raising=False)
    return "aviary"


@pytest.mark.parametrize("name", ["polly", "Parrot"])
async def test_an_agent_by_its_path_is_loaded_when_it_is_asked(package: str, name: str) -> None:
    catalog = agents(None, f"{package}:{name}")
    agent, _ = catalog.resolve(name, None)
    assert agent.unavailable() is None
    assert package not in sys.modules

    assert text(await ask(agent, "Hello")) == "Hello"
    assert package in sys.modules


@pytest.mark.parametrize(
    ("path", "says"), [("aviary:number", "is no "), ("aviary:nobody", "nobody"), ("aviary.x:y", "aviary")]
)
async def test_a_path_that_leads_to_no_agent_is_quoted(package: str, path: str, says: str) -> None:
    catalog = agents(None, path)
    error = await refusal(catalog[path.partition(":")[2]], "Hello")

    assert error.category == "internal" and path in error.text and says in error.text


def test_a_path_to_a_package_that_is_not_here_is_unavailable() -> None:
    why = agents(None, "nowhere_at_all.x:someone")["someone"].unavailable()
    assert why and "'nowhere_at_all'" in why


@pytest.mark.parametrize("path", ["aviary", "aviary:", ":polly", "a:b c"])
def test_what_is_no_path_is_refused_at_once(path: str) -> None:
    with pytest.raises(ValueError, match=r"package\.module:object"):
        agents(None, path)


# Personas

TUTOR = {
    "description": "Asks back",
    "instructions": INSTRUCTIONS,
    "model": CHAT,
    "models": ["openai-chat:other"],
    "tools": ["look"],
    "effort": "high",
    "efforts": ["low", "high"],
    "options": {"max_tokens": 77},
}

LOOK = ToolSpec("look", "Looks.", {"type": "object", "properties": {}})


def test_a_persona_is_described_without_its_instructions() -> None:
    described = Agents([DemoAgent(), *personas({"tutor": TUTOR})]).describe()

    assert described["agents"][1] == {
        "name": "tutor",
        "description": "Asks back",
        "models": [CHAT, "openai-chat:other"],
        "efforts": ["low", "high"],
        "available": False,
        "why": described["agents"][1]["why"],
    }
    assert "Ermintrude" not in repr(described)
    (tutor,) = personas({"tutor": TUTOR})
    assert tutor.tools == ("look",)


@pytest.mark.parametrize(("effort", "sent"), [(None, "high"), ("low", "low")])
async def test_a_persona_is_asked_as_it_is_configured(effort: str | None, sent: str) -> None:
    chat = DIALECTS["chat"]
    tutor = TUTOR | {"model": "openai-chat:gpt-5"}
    async with RawProvider(says(*chat.hello, *chat.finish)) as provider:
        (agent,) = personas({"tutor": tutor}, api_keys={"openai-chat": KEY}, base_urls={"openai-chat": provider.url})
        assert text(await ask(agent, "Anything", effort=effort)) == "Hello"
        (request,) = provider.requests

    body = json.loads(request.partition(b"\r\n\r\n")[2])
    assert body["model"] == "gpt-5"
    assert body["messages"][0]["content"] == INSTRUCTIONS
    assert body["max_completion_tokens"] == 77
    assert body["reasoning_effort"] == sent


def test_what_a_persona_does_not_say_is_as_for_all() -> None:
    plain, own = personas({"plain": {}, "own": {"models": ["ollama:a"]}}, model=MODEL)
    assert (list(plain.models), list(own.models)) == ([MODEL], ["ollama:a"])


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"tutor": {"instruction": "x"}}, r"personas\['tutor'\].* 'instruction'.* Did you mean 'instructions'\?"),
        ({"tutor": {"tools": "look"}}, r"personas\['tutor'\].*tools"),
        ({"tutor": {"effort": "huge"}}, r"personas\['tutor'\].*'huge'"),
        ({"tutor": "You are"}, r"personas\['tutor'\] must be a dictionary"),
        ({"my tutor": {}}, r"'my tutor' cannot be"),
        ({"demo": {}}, r"'demo' cannot be"),
    ],
)
def test_what_is_wrong_with_a_persona_is_quoted(config: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        personas(config)


# Agents of packages


async def test_agents_of_installed_packages_have_the_names_of_their_entry_points(
    package: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    info = tmp_path / "aviary-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aviary\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[jupyter_durable_chat.agents]\nparrot = aviary:polly\nbroken = aviary:a.b\n"
    )
    (parrot,) = installed()

    assert parrot.name == "parrot" and package not in sys.modules
    assert text(await ask(parrot, "Hello")) == "Hello"
    assert "'broken'" in caplog.text


class Choosy(Agent):
    """Says what it was asked with."""

    name = "choosy"
    description = "Chooses"
    models = ("a:b",)
    efforts = ("low", "high")
    tools = ("look",)

    async def run(self, request: Request) -> AsyncGenerator[e.Chunk]:
        names = [spec.name for spec in request.tools]
        yield e.TextDelta(id="t", delta=f"{request.model} {request.effort} {names}")


async def test_an_agent_by_its_path_is_asked_for_the_same() -> None:
    agent = LazyAgent(f"{__name__}:Choosy")
    said = text(await ask(agent, "Hello", "a:b", effort="low", tools=[LOOK, ToolSpec("run", "", {})]))

    assert said == "a:b low ['look']"
    assert (agent.models, agent.efforts, agent.tools) == (("a:b",), ("low", "high"), ("look",))
    assert Agents([agent]).describe()["agents"][0]["efforts"] == ["low", "high"]


def test_errors_of_agents_carry_what_a_person_reads() -> None:
    error = AgentError("rate", "Too fast.", recoverable=True)
    assert (error.category, error.text, error.recoverable, str(error)) == ("rate", "Too fast.", True, "Too fast.")
