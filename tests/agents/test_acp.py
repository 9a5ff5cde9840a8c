"""An agent that speaks ACP, as a real process: what it says, asks and does, and how it is stopped and ended."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from jupyter_durable_chat import events as e
from jupyter_durable_chat.agents import AgentError, Host, Request, Verdict
from jupyter_durable_chat.agents.acp import AcpAgent
from tests.waiting import eventually, is_gone

pytestmark = pytest.mark.slow  # it starts many processes

AGENT = Path(__file__).with_name("acp_agent.py")

SECRET = "sk-planted-secret"

PNG = "data:image/png;base64,iVBORw=="


class Person(Host):
    """Answers each request with what the test said; without anything said, never."""

    def __init__(self, session: str = "s_one", *verdicts: Verdict) -> None:
        self.session = session
        self.asked: list[str] = []
        self.heard = asyncio.Event()
        self._verdicts = list(verdicts)

    async def attachment(self, url: str) -> tuple[bytes, str]:
        return b"a,b\n1,2\n", "text/csv"

    async def approval(self, approval_id: str) -> Verdict:
        self.asked.append(approval_id)
        self.heard.set()
        if not self._verdicts:
            await asyncio.Event().wait()
        return self._verdicts.pop(0)


class Talk:
    """One conversation with an agent, whose answers come back to it as they would from a transcript."""

    def __init__(self, agent: AcpAgent, host: Host | None = None) -> None:
        self.agent = agent
        self.host = host if host is not None else Person()
        self.messages: list[dict[str, Any]] = []
        self.chunks: list[e.Chunk] = []

    def say(self, text: str, *parts: dict[str, Any]) -> None:
        number = len(self.messages)
        message = {"id": f"m{number}", "role": "user", "parts": [{"type": "text", "text": text}, *parts]}
        self.messages.append({**message, "metadata": {}})

    async def ask(self, text: str, *parts: dict[str, Any]) -> str:
        self.say(text, *parts)
        return await self.answer()

    async def answer(self, until: Callable[[e.Chunk], bool] = lambda _: False) -> str:
        """The text of the answer, which is given up after the first chunk that is `until`."""
        self.chunks = []
        try:
            async with aclosing(self.agent.run(Request(self.messages, host=self.host))) as chunks:
                async for chunk in chunks:
                    self.chunks.append(chunk)
                    if until(chunk):
                        break
        finally:
            self._keep()
        return self.text

    def _keep(self) -> None:
        metadata: dict[str, Any] = {}
        for chunk in self.of(e.MessageMetadata):
            metadata |= chunk.message_metadata
        parts = [{"type": "step-start"}, {"type": "text", "text": self.text, "state": "done"}]
        self.messages.append(
            {"id": f"m{len(self.messages)}", "role": "assistant", "parts": parts, "metadata": metadata}
        )

    @property
    def text(self) -> str:
        return "".join(chunk.delta for chunk in self.of(e.TextDelta))

    def of(self, kind: type[Any]) -> list[Any]:
        return [chunk for chunk in self.chunks if isinstance(chunk, kind)]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "notes"


def noted(notes: Path, word: str = "") -> list[str]:
    return [line for line in notes.read_text().splitlines() if line.startswith(word)] if notes.exists() else []


@asynccontextmanager
async def tested(notes: Path, *args: str, **more: Any) -> AsyncIterator[AcpAgent]:
    agent = AcpAgent(
        "tested",
        sys.executable,
        [str(AGENT), str(notes), *args],
        {"API_KEY": SECRET},
        str(notes.parent / "folder"),
        **more,
    )
    assert agent.unavailable() is None
    try:
        yield agent
    finally:
        await agent.aclose()
    for line in noted(notes, "started"):
        pid = int(line.split()[1])
        await eventually(lambda pid=pid: not psutil.pid_exists(pid))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_it_says_and_does_are_chunks(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        await talk.ask("work")

    ids = [chunk.tool_call_id for chunk in talk.of(e.ToolInputStart)]
    assert len({id_.rpartition("_")[0] for id_ in ids}) == 1
    edit, run, plot, search = ids
    called: dict[str, Any] = {"provider_executed": True, "dynamic": True}
    diff = "```diff\n--- /a.py\n+++ /a.py\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n```"
    content = [{"type": "text", "text": "see"}, {"type": "file", "mediaType": "image/png", "url": PNG[:22] + "AAAA"}]
    thought, said, done = (chunk.id for chunk in talk.chunks if isinstance(chunk, e.ReasoningStart | e.TextStart))
    [plan] = talk.of(e.Data)
    assert plan.type == "data-plan" and plan.id
    assert plan.data == {"entries": [{"content": "Edit", "priority": "medium", "status": "in_progress"}]}
    assert [chunk for chunk in talk.chunks[1:] if chunk is not plan] == [
        e.StartStep(),
        e.ReasoningStart(id=thought),
        e.ReasoningDelta(id=thought, delta="Let me "),
        e.ReasoningDelta(id=thought, delta="see."),
        e.ReasoningEnd(id=thought),
        e.TextStart(id=said),
        e.TextDelta(id=said, delta="I will "),
        e.TextDelta(id=said, delta="edit."),
        e.TextEnd(id=said),
        e.ToolInputStart(tool_call_id=edit, tool_name="edit", title="Edit a.py", **called),
        e.ToolInputAvailable(tool_call_id=edit, tool_name="edit", title="Edit a.py", input={"path": "/a.py"}, **called),
        e.ToolOutputAvailable(tool_call_id=edit, output=diff, preliminary=True, **called),
        e.ToolOutputAvailable(tool_call_id=edit, output=diff, **called),
        e.ToolInputStart(tool_call_id=run, tool_name="execute", title="Run it", **called),
        e.ToolInputAvailable(tool_call_id=run, tool_name="execute", title="Run it", input={"command": "x"}, **called),
        e.ToolOutputError(tool_call_id=run, error_text="no such command", **called),
        e.ToolInputStart(tool_call_id=plot, tool_name="tool", title="Plot", **called),
        e.ToolInputAvailable(tool_call_id=plot, tool_name="tool", title="Plot", input={"locations": []}, **called),
        e.ToolOutputAvailable(tool_call_id=plot, output={"content": content}, **called),
        e.ToolInputStart(tool_call_id=search, tool_name="tool", title="Search", **called),
        e.ToolInputAvailable(tool_call_id=search, tool_name="tool", title="Search", input={"locations": []}, **called),
        e.TextStart(id=done),
        e.TextDelta(id=done, delta="Done."),
        e.TextEnd(id=done),
        e.ToolOutputError(tool_call_id=search, error_text="Its end was not reported.", **called),
        e.FinishStep(),
        e.Finish(
            finish_reason="stop",
            message_metadata={
                "usage": {"input_tokens": 10, "output_tokens": 20, "reasoning_tokens": 5, "cost_usd": 0.25},
                "context": {"tokens": 100, "window": 1000},
            },
        ),
    ]


async def test_a_call_that_says_too_much_is_cut_visibly(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        await talk.ask("flood")

    *before, last = talk.of(e.ToolOutputAvailable)
    assert last.preliminary is None
    assert last.output.endswith("[… 145000 more characters]")
    assert len(before) < 10
    assert talk.of(e.ToolInputAvailable)[0].input.endswith("more characters]")


async def test_a_second_answer_costs_what_it_added(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        await talk.ask("work")
        await talk.ask("work")

    assert talk.of(e.Finish)[0].message_metadata["usage"]["cost_usd"] == 0


@pytest.mark.parametrize(
    ("approved", "options", "chosen"),
    [
        (True, "allow_always allow_once reject_once", "o-allow_once"),
        (True, "allow_always reject_once", "o-allow_always"),
        (False, "allow_once reject_always reject_once", "o-reject_once"),
        (False, "allow_once", ""),
    ],
)
async def test_leave_is_asked_of_the_person(notes: Path, approved: bool, options: str, chosen: str) -> None:
    person = Person("s_one", Verdict(approved))
    async with tested(notes) as agent:
        talk = Talk(agent, person)
        assert await talk.ask(f"leave {options}") == chosen

    [asked] = talk.of(e.ToolApprovalRequest)
    [call] = talk.of(e.ToolInputAvailable)
    assert person.asked == [asked.approval_id]
    assert (call.tool_call_id, call.tool_name, call.input) == (asked.tool_call_id, "delete", {"path": "/"})
    assert talk.chunks.index(call) < talk.chunks.index(asked)
    results = [chunk.output for chunk in talk.of(e.ToolOutputAvailable)]
    assert (results, len(talk.of(e.ToolOutputDenied))) == (([{"chosen": chosen}], 0) if approved else ([], 1))


async def test_without_anybody_to_ask_no_leave_is_given(notes: Path) -> None:
    async with tested(notes) as agent:
        async with aclosing(agent.run(Request(Talk(agent).messages or [_user("leave allow_once")]))) as chunks:
            assert [type(chunk) async for chunk in chunks][-1] is e.Finish
        await eventually(lambda: not agent._processes)

    assert noted(notes, "outcome") == ["outcome cancelled"]


def _user(text: str) -> dict[str, Any]:
    return {"id": "m0", "role": "user", "parts": [{"type": "text", "text": text}], "metadata": {}}


async def test_a_stop_is_told_and_the_process_stays(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        talk.say("wait")
        assert await talk.answer(until=lambda chunk: isinstance(chunk, e.TextDelta)) == "waiting"
        answer = json.loads(await talk.ask("told"))

    assert (answer, talk.text.count("too late")) == (["wait", "told"], 0)
    assert len(noted(notes, "started")) == 1
    assert noted(notes, "cancel") == ["cancel"]


async def test_a_cancellation_is_a_stop(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        heard = asyncio.Event()
        talk.say("wait")
        running = asyncio.create_task(talk.answer(until=lambda chunk: bool(heard.set())))
        await heard.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: noted(notes, "cancel") == ["cancel"])


async def test_a_stop_while_a_person_is_asked_takes_the_question_back(notes: Path) -> None:
    async with tested(notes) as agent:
        person = Person()
        talk = Talk(agent, person)
        talk.say("leave allow_once")
        running = asyncio.create_task(talk.answer())
        await person.heard.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await eventually(lambda: noted(notes, "outcome") == ["outcome cancelled"])
        assert len(json.loads(await talk.ask("told"))) == 2


async def test_a_process_is_kept_between_turns_and_told_only_what_is_new(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        assert json.loads(await talk.ask("told once")) == ["told once"]
        talk.messages += [
            {**_user("What else?"), "id": "m7"},
            {"id": "m8", "role": "assistant", "parts": [{"type": "text", "text": "This."}], "metadata": {}},
        ]
        second = json.loads(await talk.ask("told again"))
        other = Talk(agent, Person("s_two"))
        assert json.loads(await other.ask("told apart")) == ["told apart"]

    assert second == [
        "told once",
        "What was said in this conversation so far:\n\nuser: What else?\n\nassistant: This.\n\nNow: | told again",
    ]
    assert len(noted(notes, "started")) == 2


async def test_another_branch_is_another_conversation(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        await talk.ask("told this")
        del talk.messages[:]
        assert json.loads(await talk.ask("told that")) != []
        talk.messages[0]["id"] = "m_other"
        talk.messages[1:] = []
        answer = json.loads(await talk.answer())

    assert answer == ["told that"]
    assert len(noted(notes, "started")) == 1


async def test_a_new_process_goes_on_with_what_an_old_one_knew(notes: Path) -> None:
    async with tested(notes, "--loads") as agent:
        talk = Talk(agent)
        await talk.ask("told once")
    async with tested(notes, "--loads") as agent:
        talk.agent = agent
        assert json.loads(await talk.ask("told again")) == ["told again"]
        assert talk.text.count("an old answer") == 0

    [new] = noted(notes, "new")
    assert noted(notes, "load") == [f"load {new.split()[1]}"]


async def test_a_new_process_that_cannot_is_told_everything(notes: Path) -> None:
    talk = Talk(AcpAgent("none", "none"))
    for _ in range(2):
        async with tested(notes) as agent:
            talk.agent = agent
            await talk.ask("told")

    assert json.loads(talk.text) == [
        'What was said in this conversation so far:\n\nuser: told\n\nassistant: ["told"]\n\nNow: | told'
    ]


async def test_a_fork_does_not_go_on_in_the_conversation_of_its_origin(notes: Path) -> None:
    async with tested(notes, "--loads") as agent:
        talk = Talk(agent)
        await talk.ask("told")
        fork = Talk(agent, Person("s_fork"))
        fork.messages = list(talk.messages)
        await fork.ask("told")

    assert noted(notes, "load") == []
    assert len(noted(notes, "new")) == 2


async def test_an_answer_that_was_cut_off_is_gone_on_with(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        talk.say("wait")
        await talk.answer(until=lambda chunk: isinstance(chunk, e.TextDelta))
        told = json.loads(await talk.answer())

    assert told[0] == "wait"
    assert told[1].startswith("Your last answer was cut off.")


async def test_files_come_with_the_question(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        image = {"type": "file", "mediaType": "image/png", "url": PNG}
        table = {"type": "file", "mediaType": "text/csv", "url": "attachment:abc", "filename": "t.csv"}
        far = {"type": "file", "mediaType": "text/plain", "url": "https://example.org/x", "filename": "x"}
        talk.say("", image, table, far)
        talk.messages[0]["parts"].append({"type": "text", "text": "told"})
        answer = json.loads(await talk.answer())

    assert answer == [" | image | [t.csv]\na,b\n1,2\n | [x (text/plain) could not be sent.] | told"]


@pytest.mark.parametrize(("reason", "finish"), [("max_tokens", "length"), ("max_turn_requests", "other")])
async def test_it_says_why_it_ended(notes: Path, reason: str, finish: str) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        await talk.ask(f"stop {reason}")

    assert talk.of(e.Finish)[0].finish_reason == finish


async def refused(talk: Talk, text: str) -> AgentError:
    with pytest.raises(AgentError) as raised:
        await talk.ask(text)
    assert SECRET not in raised.value.text
    return raised.value


async def test_a_refusal_is_one(notes: Path) -> None:
    async with tested(notes) as agent:
        error = await refused(Talk(agent), "stop refusal")

    assert (error.category, error.recoverable) == ("refused", False)


async def test_a_failure_is_told_without_what_it_wrote(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        error = await refused(talk, "fail")
        assert json.loads(await talk.ask("told"))

    assert (error.category, error.recoverable) == ("provider", True)
    assert len(noted(notes, "started")) == 1


async def test_one_that_dies_is_started_again(notes: Path) -> None:
    async with tested(notes) as agent:
        talk = Talk(agent)
        error = await refused(talk, "die")
        assert talk.text == "farewell"
        assert len(json.loads(await talk.ask("told"))) == 1

    assert (error.category, error.recoverable) == ("provider", True)
    assert "exit code 7" in error.text
    assert len(noted(notes, "started")) == 2


async def test_one_that_wants_a_sign_in_says_so(notes: Path) -> None:
    async with tested(notes, "--locked") as agent:
        error = await refused(Talk(agent), "told")

    assert error.category == "auth"
    assert "sign in" in error.text


async def test_what_it_writes_on_the_side_is_for_who_debugs_it(notes: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "jupyter_durable_chat")
    async with tested(notes) as agent:
        await Talk(agent).ask("told")
        await eventually(lambda: "tested: started with …" in caplog.text)

    assert SECRET not in caplog.text


async def test_it_reads_only_inside_of_its_folder(notes: Path) -> None:
    folder = notes.parent / "folder"
    (folder / "in.txt").write_text("one\r\ntwo\nthree")
    (notes.parent / "out.txt").write_text("secret")
    (folder / "link.txt").symlink_to(notes.parent / "out.txt")
    (folder / "near.txt").symlink_to(folder / "in.txt")
    async with tested(notes) as agent:
        talk = Talk(agent)
        assert await talk.ask(f"read {folder}/in.txt") == "one\r\ntwo\nthree"
        assert await talk.ask(f"read {folder}/near.txt 2") == "two\n"
        for path in (
            f"{notes.parent}/out.txt",
            f"{folder}/../out.txt",
            f"{folder}/link.txt",
            "in.txt",
            f"{folder}-2/x",
            "/dev/zero",
        ):
            assert await talk.ask(f"read {path}") == "error -32602"
        assert await talk.ask(f"read {folder}/missing.txt") == "error -32002"
        assert await talk.ask(f"write {folder}/new.txt") == "error -32601"

    assert not (folder / "new.txt").exists()
    assert noted(notes, "may write") == ["may write: False"]


async def test_it_writes_only_inside_of_its_folder_and_when_it_may(notes: Path) -> None:
    folder = notes.parent / "folder"
    (folder / "link.txt").symlink_to(notes.parent / "out.txt")
    async with tested(notes, allow_writes=True) as agent:
        talk = Talk(agent)
        assert await talk.ask(f"write {folder}/new.txt") == "written"
        assert await talk.ask(f"write {folder}/link.txt") == "error -32602"
        assert await talk.ask(f"write {folder}/none/new.txt") == "error -32602"

    assert (folder / "new.txt").read_text() == "written\n"
    assert not (notes.parent / "out.txt").exists()


async def test_what_it_has_started_ends_with_it(notes: Path) -> None:
    async with tested(notes) as agent:
        child = int(await Talk(agent).ask("spawn"))
        assert psutil.pid_exists(child)
    await eventually(lambda: is_gone(child))


async def test_one_that_nobody_asks_is_ended(notes: Path) -> None:
    async with tested(notes, idle_seconds=0.01) as agent:
        await Talk(agent).ask("told")
        pid = int(noted(notes, "started")[0].split()[1])
        await eventually(lambda: not psutil.pid_exists(pid))


def test_it_says_what_is_missing(tmp_path: Path) -> None:
    assert "'no-such-command-here' is not found" in (AcpAgent("a", "no-such-command-here").unavailable() or "")
    assert "is not there" in (AcpAgent("a", sys.executable, cwd=str(tmp_path / "none")).unavailable() or "")
    assert AcpAgent("a", sys.executable).unavailable() is None


@pytest.mark.parametrize(
    ("name", "config", "error"),
    [
        ("a b", {"command": "x"}, "'a b' is no name"),
        ("a", {}, "missing required field `command`"),
        ("a", {"command": ""}, "empty 'command'"),
        ("a", {"command": "x", "arguments": []}, "'a': Object contains unknown field `arguments`"),
        ("a", {"command": "x", "args": "y"}, "args"),
    ],
)
def test_a_wrong_configuration_is_quoted(name: str, config: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        AcpAgent.configured(name, config)
