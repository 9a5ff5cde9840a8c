"""The AI SDK of npm, in several releases, speaks with sessions: what it holds in the end is what the session says."""

import contextlib
import re
import subprocess
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from tests.ai_sdk.page import FOLDER, Page, node, opened
from tests.ai_sdk.told import told
from tests.browser.jupyter import ROOT, Jupyter

pytestmark = pytest.mark.slow

JSON = dict[str, Any]
Open = Callable[..., Page]

FIVE = ("ai-5-first", "ai-5")
SINCE_SIX = ("ai-6-first", "ai-6", "ai-7")

_numbers = count(1)


@pytest.fixture(params=[*FIVE, *SINCE_SIX])
def package(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def chat_id() -> str:
    return f"chat {next(_numbers)}/ä"


@pytest.fixture
def open_page(jupyter: Jupyter, package: str, chat_id: str) -> Any:
    """Opens a page on this test's chat."""
    headers = {"Authorization": f"token {jupyter.token}"}
    if package in FIVE:
        headers["X-AI-SDK-Version"] = "5"
    with contextlib.ExitStack() as pages:

        def open_page(**more: Any) -> Page:
            url = f"{jupyter.url}durable-chat/ai-sdk/chat"
            return pages.enter_context(opened(package, url, headers, chat_id, **more))

        yield open_page


def transcript(jupyter: Jupyter, page: Page) -> JSON:
    """The page's session, which the answer's metadata name."""
    (session,) = {m["metadata"]["session"] for m in page.messages() if m["role"] == "assistant"}
    return jupyter.transcript(session)


def must_be_same(jupyter: Jupyter, page: Page) -> JSON:
    """The page holds what the session says. Returns the session's transcript."""
    whole = transcript(jupyter, page)
    theirs, ours = page.messages(), whole["messages"]
    assert len(theirs) == len(ours)
    for held, said in zip(theirs, ours, strict=True):
        if said["role"] == "assistant":
            assert (held["id"], told(held)) == (said["id"], told(said))
            assert held["metadata"].items() >= said["metadata"].items()
        else:
            assert held["id"] == said["metadata"]["client_id"]
            assert held["parts"][0]["text"] == said["parts"][0]["text"]
    return whole


def test_an_answer_is_whole_and_the_transcripts(jupyter: Jupyter, open_page: Open) -> None:
    page = open_page()
    page.send('One two. | use count {"word": "three"} & use count {"word": "no letters"} | Four. | part | Five.')
    assert "Five." in page.answered()["parts"][-1]["text"]
    page.send("More.")
    page.answered()
    assert must_be_same(jupyter, page)["status"] == "idle"


def test_what_was_asked_is_answered_again_and_edited(jupyter: Jupyter, open_page: Open) -> None:
    page = open_page()
    page.send("First.")
    first = page.answered()
    page.do("await chat.regenerate()")
    again = page.answered()
    assert again["id"] != first["id"] and told(again) == told(first)
    page.do("await chat.sendMessage({ text: 'Second.', messageId: chat.messages[0].id })")
    assert page.answered()["parts"][-1]["text"] == "Second. "
    page.do("await chat.regenerate()")
    page.do("await chat.sendMessage({ text: 'Third.', messageId: chat.messages[0].id })")
    assert page.answered()["parts"][-1]["text"] == "Third. "
    whole = transcript(jupyter, page)
    assert [m["parts"][0]["text"] for m in whole["messages"]] == ["Third.", "Third. "]
    assert len(whole["others"]) == 6


def test_a_page_that_is_gone_in_the_middle_stops_nothing_and_comes_back(jupyter: Jupyter, open_page: Open) -> None:
    (jupyter.folder / "demanded").unlink(missing_ok=True)
    page = open_page(body={"agent": "paced"})
    page.send("90 words at 300 per second, the last 30 on demand")
    page.wait("text.includes('w20')")
    asked = page.messages()[:1]
    page.close()
    again, beside = open_page(messages=asked), open_page()
    for reader in (again, beside):
        reader.do("void chat.resumeStream()")
        reader.wait("text.includes('w60')")
    jupyter.demand()
    words = " ".join(f"w{n}" for n in range(1, 91))
    for reader in (again, beside):
        assert " ".join(reader.answered()["parts"][-1]["text"].split()) == words
    must_be_same(jupyter, again)
    for reader in (again, beside):
        held = reader.messages()
        reader.do("await chat.resumeStream()")
        assert reader.messages() == held and reader.do("return chat.error ?? null") is None


def test_a_page_that_lost_its_connection_goes_on(jupyter: Jupyter, open_page: Open, package: str) -> None:
    (jupyter.folder / "demanded").unlink(missing_ok=True)
    page = open_page(body={"agent": "paced"})
    page.send("90 words at 300 per second, the last 30 on demand")
    page.wait("text.includes('w20')")
    page.do("await chat.stop()")
    if not page.do("return chat.transport.resumeStreamIsReplay ?? false"):
        # Earlier releases add what comes to what there is, whatever it is.
        page.do("chat.messages = chat.messages.slice(0, 1)")
    page.do("void chat.resumeStream()")
    page.wait("text.includes('w60')")
    jupyter.demand()
    page.answered()
    must_be_same(jupyter, page)


def test_stop_stops_and_who_comes_back_is_told(jupyter: Jupyter, open_page: Open) -> None:
    page = open_page()
    page.send("Wait for it. | wait")
    page.wait("text.includes('for it')")
    asked = page.messages()[:1]
    beside = open_page(messages=asked)
    beside.do("void chat.resumeStream()")
    beside.wait("text.includes('for it')")
    assert jupyter.post(f"durable-chat/api/sessions/{transcript(jupyter, page)['id']}/stop") == {"stopped": True}
    for reader in (page, beside):
        assert reader.answered()["metadata"]["outcome"] == "stopped"
        must_be_same(jupyter, reader)
    beside.do("await chat.resumeStream()")
    page.send("Go on.")
    assert page.answered()["parts"][-1]["text"] == "Go on. "
    must_be_same(jupyter, page)


def test_messages_wait_for_their_turns(jupyter: Jupyter, open_page: Open) -> None:
    (jupyter.folder / "demanded").unlink(missing_ok=True)
    first = open_page(body={"agent": "echo"})
    first.send("One ⏸two.")
    first.wait("text.includes('One')")
    second = open_page()
    second.send("Three.")
    second.wait("chat.status === 'submitted'")
    third = open_page()
    third.send("Four.")
    jupyter.demand()
    assert first.answered()["parts"][-1]["text"] == "One two."
    assert second.answered()["parts"][-1]["text"] == "Three. "
    assert third.answered()["parts"][-1]["text"] == "Four. "
    said = [m["parts"][-1]["text"] for m in transcript(jupyter, first)["messages"]]
    assert said[0::2] in (["One ⏸two.", "Three.", "Four."], ["One ⏸two.", "Four.", "Three."])


def test_a_failure_is_an_error_of_the_page_with_what_there_is(jupyter: Jupyter, open_page: Open) -> None:
    page = open_page()
    page.send("As far as this. | fail The provider is tired.")
    assert "The provider is tired." in page.failed()
    whole = must_be_same(jupyter, page)
    assert whole["status"] == "failed"
    page.do("await chat.regenerate()")
    page.failed()
    page.send("Better.")
    assert page.answered()["parts"][-1]["text"] == "Better. "


@pytest.mark.parametrize("approved", [True, False])
def test_a_call_is_approved_in_the_page(jupyter: Jupyter, open_page: Open, package: str, approved: bool) -> None:
    page = open_page(automatic="lastAssistantMessageIsCompleteWithApprovalResponses")
    (jupyter.folder / "demanded").unlink(missing_ok=True)
    page.send('Look. | use erase {"place": "here"} & use count {"word": "word"} | Then. | demand | Done.')
    page.wait("chat.status === 'ready'")
    whole = transcript(jupyter, page)
    (approval,) = whole["approvals"]
    if package in FIVE:
        (asked,) = page.do("return seen.data")
        assert asked["data"]["approvalId"] == approval["id"] and asked["data"]["input"] == {"place": "here"}
        answer = {"approved": approved, "reason": "Not today."}
        jupyter.post(f"durable-chat/api/sessions/{whole['id']}/approvals/{approval['id']}", **answer)
        page.do("chat.messages = chat.messages.slice(0, 1)")
        page.do("void chat.resumeStream()")
    else:
        answer = {"id": approval["id"], "approved": approved, "reason": "Not today."}
        page.do("void chat.addToolApprovalResponse(given)", answer)
    page.wait("text.includes('Then.')")  # it has come back while the answer goes on
    jupyter.demand()
    page.wait("text.includes('Done.')")
    page.answered()
    if package in FIVE and not approved:
        (denied,) = (part for part in page.messages()[-1]["parts"] if part.get("toolName") == "erase")
        assert (denied["state"], denied["errorText"]) == ("output-error", "Not today.")
    else:
        must_be_same(jupyter, page)


@pytest.mark.parametrize(
    "package", ["ai-5", *SINCE_SIX], indirect=True
)  # the first one gives outputs to no dynamic tool
def test_a_question_is_answered_in_the_page(jupyter: Jupyter, open_page: Open) -> None:
    page = open_page(automatic="lastAssistantMessageIsCompleteWithToolCalls")
    question = '{"questions": [{"id": "q", "question": "Which?", "options": [{"label": "a"}, {"label": "b"}]}]}'
    page.send(f"Well. | use ask_user {question} | Thanks.")
    page.wait("chat.status === 'ready'")
    (call,) = (part for part in page.messages()[-1]["parts"] if part["type"] == "dynamic-tool")
    output = {"action": "accept", "answers": {"q": "b"}}
    given = {"tool": "ask_user", "toolCallId": call["toolCallId"], "output": output}
    page.do("void (chat.addToolOutput ?? chat.addToolResult)(given)", given)
    page.wait("text.includes('Thanks.')")
    page.answered()
    must_be_same(jupyter, page)


def test_the_example_in_the_docs_works(jupyter: Jupyter) -> None:
    example = re.search(r"```js\n(import .*?)```", (ROOT / "docs/ai-sdk.md").read_text(), re.DOTALL)
    assert example
    code = example[1].replace('"ai"', '"ai-6"').replace("token …", f"token {jupyter.token}")
    code = code.replace("http://localhost:8888/", jupyter.url)
    command = [node(), "--input-type=module", "--eval", code]
    ran = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1] == "What is durable? "
