"""The protocol Durable Streams over HTTP: the published suite, the published client, and what neither of them asks."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.conftest import JSON, Api

SUITE = Path(__file__).parents[1] / "durable_streams"
VITEST = SUITE / "node_modules/vitest/vitest.mjs"

LONG_POLL_SECONDS = 1.0


@pytest.fixture
def jp_server_config(jp_server_config: JSON) -> JSON:
    mine = {"long_poll_seconds": LONG_POLL_SECONDS, "keep_alive_seconds": 15.0, "max_message_bytes": 1 << 20}
    return jp_server_config | {"DurableChat": jp_server_config["DurableChat"] | mine}


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_published_suite_finds_nothing_wrong(api: Api, tmp_path: Path) -> None:
    assert VITEST.exists(), "make conformance fetches the suite"
    report = tmp_path / "report.json"
    process = await asyncio.create_subprocess_exec(
        "node",
        VITEST,
        "run",
        f"--outputFile={report}",
        cwd=SUITE,
        env=os.environ
        | {
            "CONFORMANCE_URL": api.url.rstrip("/"),
            "CONFORMANCE_TOKEN": api.headers["Authorization"].removeprefix("token "),
            "CONFORMANCE_LONG_POLL_MS": str(int(LONG_POLL_SECONDS * 1000)),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert report.exists(), said.decode()
    found = json.loads(report.read_bytes())
    wrong = list(failures(found))
    assert not wrong, "\n\n".join(wrong)
    assert found["success"], said.decode()
    assert (found["numPassedTests"], found["numTotalTests"]) == (332, 338)


def failures(report: JSON) -> Iterator[str]:
    for file in report["testResults"]:
        if file["status"] == "failed" and not file["assertionResults"]:
            yield file["message"]
        for test in file["assertionResults"]:
            if test["status"] == "failed":
                yield f"{test['fullName']}\n{test['failureMessages'][0][:600]}"
