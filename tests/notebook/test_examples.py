"""What newcomers run first runs: notebooks and pages, in real kernels of a server as `make demo` starts it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import nbformat
import psutil
import pytest

from tests import written
from tests.browser.jupyter import ROOT, Jupyter
from tests.notebook.kernel import Kernel, running_kernel

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KILLS = "os._exit"
IN_THE_MIDDLE = ("survive", "tour")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    with demonstrating(tmp_path_factory.mktemp("demo"), tokens_per_second=1000.0) as server:
        yield server


@pytest.fixture(scope="module")
def slow_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """For what is done in the middle of an answer."""
    with demonstrating(tmp_path_factory.mktemp("slow"), tokens_per_second=80.0) as server:
        yield server


@contextmanager
def demonstrating(folder: Path, tokens_per_second: float) -> Iterator[Jupyter]:
    """A server with the demo agent, the tools and the other agents of the notebooks, and a person before it."""
    server = Jupyter("server", folder, agents=[], demo_tokens_per_second=tokens_per_second)
    config = ROOT / "notebooks" / "server" / "jupyter_server_config.py"
    (folder / "config" / "jupyter_durable_chat_config.py").symlink_to(config)
    server.start()
    try:
        with someone_who_says_yes(server):
            yield server
    finally:
        server.close()


@contextmanager
def someone_who_says_yes(jupyter: Jupyter) -> Iterator[None]:
    """Who sits before these notebooks: allows every call, approves every plan, and takes the first answer there is."""
    gone = threading.Event()

    def sit() -> None:
        while not gone.wait(0.1):
            for session in jupyter.api("durable-chat/api/sessions", status="streaming")["sessions"]:
                with suppress(httpx2.HTTPStatusError):  # it was over before the yes
                    answer_all(jupyter, session["id"])

    person = threading.Thread(target=sit)
    person.start()
    try:
        yield
    finally:
        gone.set()
        person.join()


def answer_all(jupyter: Jupyter, session: str) -> None:
    transcript = jupyter.transcript(session)
    for approval in transcript["approvals"]:
        jupyter.post(f"durable-chat/api/sessions/{session}/approvals/{approval['id']}", approved=True)
    for call in calls_of(transcript):
        if call.get("waitsFor") == "person" and call["state"] == "input-available":
            path = f"durable-chat/api/sessions/{session}/tools/{call['toolCallId']}"
            jupyter.post(path, output=first_answer(call.get("suspended", {}).get("asked") or call["input"]))


def first_answer(asked: dict[str, Any]) -> dict[str, Any]:
    if "plan" in asked:
        return {"decision": "approve"}
    questions = enumerate(asked["questions"], 1)
    answers = {question.get("id") or str(place): question["options"][0]["label"] for place, question in questions}
    return {"action": "accept", "answers": answers}


def calls_of(transcript: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [part for message in transcript["messages"] for part in message["parts"]]
    found = []
    while parts:
        part = parts.pop()
        found += [part] if part["type"] == "dynamic-tool" else []
        parts += part.get("parts", [])
    return found


def until_all_is_said(jupyter: Jupyter, path: str) -> list[dict[str, Any]]:
    """The transcripts of a notebook, when nothing of them is being answered, and nothing waits to be."""
    while True:
        listed = jupyter.api("durable-chat/api/sessions", notebook=path, limit=100)["sessions"]
        transcripts = [jupyter.transcript(session["id"]) for session in listed]
        if not any(transcript["turn"] or transcript["queue"] for transcript in transcripts):
            return transcripts


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(request: pytest.FixtureRequest, path: Path) -> None:
    notebook = nbformat.read(path, 4)
    demo: Jupyter = request.getfixturevalue("slow_demo" if path.stem in IN_THE_MIDDLE else "demo")
    (demo.files / path.name).write_bytes(path.read_bytes())
    said_before_death = ""
    with running_kernel(demo, path.name) as kernel:
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            if KILLS in cell.source:
                said_before_death = die(demo, path.name, kernel, cell.source)
            else:
                kernel.run(cell.source)
        transcripts = until_all_is_said(demo, path.name)
    answers = [m for t in transcripts for m in (*t["messages"], *t["others"]) if m["role"] == "assistant"]
    assert answers
    assert {answer["metadata"]["outcome"] for answer in answers} == {"completed"}
    assert {call["state"] for transcript in transcripts for call in calls_of(transcript)} <= {"output-available"}
    if said_before_death:
        said = "".join(part.get("text", "") for part in answers[0]["parts"])
        assert said.startswith(said_before_death) and len(said) > len(said_before_death)
        assert len(answers) == 1 and not answers[0]["metadata"].get("continued")


@pytest.mark.parametrize("page", list(dict.fromkeys(block.page for block in written.blocks() if block.runs)))
def test_the_code_of_a_page_runs(demo: Jupyter, page: str) -> None:
    name = f"{Path(page).stem}.page.ipynb"
    demo.write_notebook(name, "")
    with running_kernel(demo, name) as kernel:
        for block in written.blocks():
            if block.page == page and block.runs:
                kernel.run(block.code)
        transcripts = until_all_is_said(demo, name)
    calls = [call for transcript in transcripts for call in calls_of(transcript)]
    assert {call["state"] for call in calls} <= {"output-available"}


def die(jupyter: Jupyter, path: str, kernel: Kernel, source: str) -> str:
    """Run a cell that ends the kernel, until Jupyter has started another one. What of the answer there was then."""
    process = psutil.Process(kernel.value("os.getpid()"))
    kernel.start(source)
    process.wait(30)
    (session,) = jupyter.api("durable-chat/api/sessions", notebook=path)["sessions"]
    transcript = jupyter.transcript(session["id"])
    assert transcript["turn"], "the answer was over before its kernel was dead"
    kernel.reconnect()
    return "".join(part.get("text", "") for part in transcript["messages"][-1]["parts"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_read_in_two_minutes(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    words = sum(len(cell.source.split()) for cell in notebook.cells)
    assert words < 600, "more than two minutes"
    places = (re.findall(r"\]\(([^):]+)\)", cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    assert not [place for found in places for place in found if not (path.parent / place).exists()]
