"""Whatever is sent to whatever route: no server error, and no answer that the OpenAPI document does not have."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.browser.jupyter import ROOT, Jupyter, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CHECKS = (
    *("status_code_conformance", "content_type_conformance"),
    *("response_schema_conformance", "response_headers_conformance", "use_after_free"),
)

EXAMPLES = 12
"""For each operation, beside those that cover the document."""


def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "agents": ["tests.notebook.agent:obedient"],
        "agent": "obedient",
        "tools": ["tests.ai_sdk.tools:erase"],
        "approvals": {"erase": "always"},
        "long_poll_seconds": 0.05,
        "keep_alive_seconds": 0.05,
        "max_messages_per_minute": 0,
    }
    with running("server", tmp_path, base_url="/user/a%40b/", **settings) as jupyter:
        there = [waiting(jupyter), shared(jupyter), shared(jupyter)]
        found = fuzz(jupyter, there, tmp_path)
        said = jupyter.output
    # What broke is in the server's log, what was asked in the fuzzer's report.
    broken = said.find(" failed with ")
    assert broken < 0, said[broken - 200 :][:2000] + found.stdout
    assert "Uncaught exception" not in said
    assert found.returncode == 0, found.stdout


def fuzz(jupyter: Jupyter, there: list[dict[str, str]], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        *(Path(sys.executable).with_name("st"), "run", f"{jupyter.url}durable-chat/api/openapi.json"),
        *("--header", f"Authorization: token {jupyter.token}", "--header", "Accept: application/json"),
        *("--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing,stateful"),
        *("--seed", "1", "--max-examples", str(EXAMPLES), "--no-shrink", "--continue-on-failure"),
        *("--request-timeout", "30", "--suppress-health-check", "all", "--warnings", "off", "--no-color"),
    ]
    asked = {"SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "FUZZED": json.dumps(there), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=os.environ | asked, capture_output=True, text=True)


def waiting(jupyter: Jupyter) -> dict[str, str]:
    """A session whose answer waits for leave to call a tool."""
    session = jupyter.post("durable-chat/api/sessions")["id"]
    said = {"client_id": "c", "text": 'Well. | use erase {"place": "here"}'}
    message = jupyter.post(f"durable-chat/api/sessions/{session}/messages", **said)["message_id"]
    while not (asked := (transcript := jupyter.transcript(session))["approvals"]):
        jupyter.wait_for_lsn(session, transcript["lsn"] + 1)
    call = {"approval_id": quote(asked[0]["id"], safe=""), "call_id": quote(asked[0]["tool_call_id"], safe="")}
    return {"session_id": session, "session": session, "chat_id": session, "message_id": message, **call}


def shared(jupyter: Jupyter) -> dict[str, str]:
    """A session with an answer, a file, and a link."""
    session = jupyter.post("durable-chat/api/sessions")["id"]
    path = f"durable-chat/api/sessions/{session}"
    headers = {"Authorization": f"token {jupyter.token}"}
    file = httpx2.post(f"{jupyter.url}{path}/attachments", content=b"a file", headers=headers, timeout=None).json()[
        "url"
    ]
    part = {"type": "file", "mediaType": "text/plain", "url": file}
    message = jupyter.post(f"{path}/messages", client_id="c", text="Hello.", parts=[part])["message_id"]
    token = jupyter.post(f"{path}/shares")["token"]
    stream = {"Content-Type": "application/json", **headers}
    httpx2.put(f"{jupyter.url}durable-chat/v1/stream/{session}", content=b"[1, 2]", headers=stream, timeout=None)
    names = {"session_id": session, "session": session, "chat_id": session, "message_id": message}
    return {**names, "path": session, "token": token, "file_hash": file.removeprefix("attachment:"), "runner": "r"}
