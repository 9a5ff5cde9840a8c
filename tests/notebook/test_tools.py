"""Functions of a notebook that a model calls, in real kernels of a real server."""

import hashlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from jupyter_durable_chat.notebook.bundle import MIME_TYPE
from jupyter_durable_chat.transcript import JSON, nested
from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import CellError, Kernel

pytestmark = pytest.mark.slow  # kernels are started, restarted and killed

SECONDS = 30


def calls_of(transcript: JSON) -> list[JSON]:
    answers = [message for message in transcript["messages"] if message["role"] == "assistant"]
    return [part for answer in answers for part in nested(answer["parts"]) if part["type"] == "dynamic-tool"]


def until(jupyter: Jupyter, session: str, done: Callable[[JSON], Any]) -> JSON:
    """The transcript when it is so."""
    deadline = time.monotonic() + SECONDS
    while True:
        transcript = jupyter.transcript(session)
        if done(transcript):
            return transcript
        assert time.monotonic() < deadline, transcript
        time.sleep(0.05)


def is_over(transcript: JSON) -> bool:
    return transcript["status"] != "streaming" and len(transcript["messages"]) > 1


def ask(kernel: Kernel, jupyter: Jupyter, question: str) -> list[JSON]:
    """The calls of an answer for which no cell waits."""
    kernel.run(f"turn = chat.send({question!r})")
    return calls_of(until(jupyter, kernel.value("chat.session"), is_over))


def outputs(calls: list[JSON]) -> list[Any]:
    return [call.get("output", call.get("errorText")) for call in calls]


def test_a_function(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run(
        '''
        @chat.tool
        def add(a: int, b: int = 1) -> int:
            """Add two numbers."""
            return a + b
        '''
    )
    assert kernel.value("chat.tools") == ["add"]
    (call,) = ask(kernel, jupyter, 'use add {"a": 2}')
    assert (call["state"], call["output"]) == ("output-available", 3)
    assert call["started"]["runner"].startswith("r_") and call["finishedAt"]


def test_what_is_told_of_it(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run(
        '''
        from jupyter_durable_chat import ToolContext
        @chat.tool(name="total", approval="once", read_only=True, idempotent=True)
        def add(context: ToolContext, a: int = 1, api_key: str = "hush"):
            """Add up."""
        '''
    )
    (offer,) = jupyter.transcript(kernel.value("chat.session"))["offers"]
    assert offer["kernel"] == kernel.id
    (tool,) = offer["tools"]
    assert tool["parameters"]["properties"] == {"a": {"type": "integer", "default": 1}, "api_key": {"type": "string"}}
    assert (tool["name"], tool["description"], tool["approval"]) == ("total", "Add up.", "once")
    assert tool["read_only"] and tool["idempotent"]


def test_a_cell_that_waits_for_an_answer_runs_its_calls(kernel: Kernel) -> None:
    """Else it would wait for ever: the call would wait for the end of the cell."""
    kernel.run("import threading\n@chat.tool\ndef where(): return threading.current_thread().name")
    kernel.run("text = chat.send('use where | done').text")
    assert kernel.value("text") == "done "
    kernel.run("turn = chat.send('use where | done'); pieces = list(turn)")
    assert kernel.value("pieces") == ["done "]
    assert outputs(calls_of({"messages": kernel.value("chat.messages")})) == ["MainThread"] * 2


def test_a_cell_that_awaits_an_answer_runs_its_calls(kernel: Kernel) -> None:
    kernel.run("import threading, asyncio\n@chat.tool\ndef where(): return threading.current_thread().name")
    kernel.run("@chat.tool\nasync def later():\n    await asyncio.sleep(0)\n    return 'later'")
    kernel.run("pieces = [piece async for piece in chat.send('use where | use later | done')]")
    assert kernel.value("pieces") == ["done "]
    assert outputs(calls_of({"messages": kernel.value("chat.messages")})) == ["MainThread", "later"]


def test_async_functions(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("import asyncio\n@chat.tool\nasync def later():\n    await asyncio.sleep(0.01)\n    return 'later'")
    assert outputs(ask(kernel, jupyter, "use later")) == ["later"]
    kernel.run("text = chat.send('use later | done').text")
    assert outputs(calls_of({"messages": kernel.value("chat.messages")})) == ["later", "later"]


def test_calls_run_in_order_in_the_main_thread(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run(
        """
        import threading, time
        seen = []
        @chat.tool
        def note(n: int):
            seen.append((n, threading.current_thread() is threading.main_thread()))
            time.sleep(0.02)
            seen.append(n)
        """
    )
    ask(kernel, jupyter, " & ".join(f'use note {{"n": {n}}}' for n in range(4)))
    assert kernel.value("seen") == [x for n in range(4) for x in ((n, True), n)]


def test_a_busy_kernel_claims_nothing(jupyter: Jupyter, kernel: Kernel, tmp_path: Path) -> None:
    """And calls run between cells: not in one that awaits, though the loop runs then."""
    kernel.run("import asyncio, time\nseen = []\n@chat.tool\ndef note(): seen.append('call')")
    session = kernel.value("chat.session")
    looked = tmp_path / "looked"
    kernel.run(f"import pathlib\nlooked = pathlib.Path({str(looked)!r})")
    cell = kernel.start(
        "turn = chat.send('use note'); seen.append('begin')\n"
        "while not any(p.get('waitsFor') for p in chat.messages[-1]['parts']): await asyncio.sleep(0.01)\n"
        "while not looked.exists(): await asyncio.sleep(0.01)\n"
        "seen.append('end')"
    )
    transcript = until(jupyter, session, lambda t: any("waitsFor" in call for call in calls_of(t)))
    assert "started" not in calls_of(transcript)[0]
    looked.touch()
    kernel.outputs(cell)
    until(jupyter, session, is_over)
    assert kernel.value("seen") == ["begin", "end", "call"]


def test_what_it_prints_and_shows_is_its_own(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run(
        """
        import sys, threading
        from IPython.display import display, HTML
        @chat.tool
        def talk():
            print('one'); print('two', file=sys.stderr)
            display({'shown': 1})
            return 7
        """
    )
    kernel.run("turn = chat.send('use talk')")
    (call,) = calls_of(until(jupyter, kernel.value("chat.session"), is_over))
    assert call["output"] == {"content": [{"type": "text", "text": "7"}, {"type": "text", "text": "{'shown': 1}"}]}
    assert call["logs"] == [{"level": "info", "text": "one"}, {"level": "warning", "text": "two"}]
    assert kernel.run("1") and kernel.run("print('me')")[0]["text"] == "me\n", "and cells print as before"


def test_of_one_that_only_prints_that_is_the_result(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("@chat.tool\ndef talk(): print('10 %', end='\\r'); print('said')")
    kernel.run("@chat.tool\ndef nothing(): pass")
    printed, nothing = outputs(ask(kernel, jupyter, "use talk & use nothing"))
    assert printed == {"content": [{"type": "text", "text": "said\n"}]}
    assert nothing is None


def test_progress(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run(
        """
        from jupyter_durable_chat import ToolContext
        @chat.tool
        def slow(context: ToolContext, n: int):
            context.progress(1, n, "half")
            context.log("careful", level="warning")
            return context.call_id
        """
    )
    (call,) = ask(kernel, jupyter, 'use slow {"n": 2}')
    assert call["output"] == call["toolCallId"]
    assert call["progress"] == {"progress": 1, "total": 2, "message": "half"}
    assert call["logs"] == [{"level": "warning", "text": "careful"}]


def test_one_that_says_much_is_not_told_of_all_the_time(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run(
        """
        from jupyter_durable_chat import ToolContext
        @chat.tool
        def fast(context: ToolContext):
            for n in range(2000):
                context.progress(n, 2000)
            for n in range(2000):
                print(n)
            print('x' * 200_000)
        """
    )
    kernel.run("turn = chat.send('use fast')")
    transcript = until(jupyter, kernel.value("chat.session"), is_over)
    (call,) = calls_of(transcript)
    assert call["progress"] == {"progress": 1999, "total": 2000}
    printed = "\n".join(line["text"] for line in call["logs"])
    assert printed.startswith("0\n1\n2\n") and printed.endswith("[cut: no more is kept]")
    assert transcript["lsn"] < 60


def test_errors(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run(
        """
        import json
        @chat.tool
        def broken(n: int = 0):
            json.loads("[")
        @chat.tool
        def leaves():
            raise SystemExit(3)
        """
    )
    broken, wrong, unknown, leaves = ask(
        kernel, jupyter, 'use broken & use broken {"n": "x"} & use broken {"m": 1} & use leaves'
    )
    assert broken["state"] == "output-error"
    assert broken["errorText"].startswith("json.decoder.JSONDecodeError: Expecting value")
    assert 'in broken, line 4: json.loads("[")' in broken["errorText"]
    assert "'n'" in wrong["errorText"] and "'m'" in unknown["errorText"]
    assert leaves["errorText"].startswith("SystemExit: 3")
    assert kernel.value("1") == 1


def test_an_interrupt_ends_the_call_and_nothing_else(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("import time, asyncio\n@chat.tool\ndef slow(): time.sleep(60)")
    kernel.run("@chat.tool\nasync def later(): await asyncio.sleep(60)")
    session = kernel.value("chat.session")
    for count, name in enumerate(("slow", "later"), 1):
        kernel.run(f"turn = chat.send('use {name}')")
        until(jupyter, session, lambda t: any("started" in c and "finishedAt" not in c for c in calls_of(t)))
        # The claim is there a moment before the function.
        while not is_over(jupyter.transcript(session)):
            kernel.interrupt()
            time.sleep(0.1)
        calls = calls_of(jupyter.transcript(session))
        assert len(calls) == count and calls[-1]["errorText"].startswith("interrupted")
        assert kernel.value("1") == 1


def test_an_interrupt_while_a_cell_waits_ends_the_cell_too(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("import time\n@chat.tool\ndef slow():\n    print('running', flush=True)\n    time.sleep(60)")
    session = kernel.value("chat.session")
    cell = kernel.start("chat.send('use slow').text")
    until(jupyter, session, lambda t: any("logs" in call for call in calls_of(t)))
    kernel.interrupt()
    with pytest.raises(CellError, match="KeyboardInterrupt"):
        kernel.outputs(cell)
    (call,) = calls_of(until(jupyter, session, is_over))
    assert call["errorText"].startswith("interrupted")


def test_figures(jupyter: Jupyter, kernel: Kernel) -> None:
    """Returned, returned by their axes, left open, or shown: each arrives once, and no cell shows it."""
    kernel.run(
        """
        import matplotlib.pyplot as plt
        @chat.tool
        def returned():
            figure, axes = plt.subplots(); axes.plot([1, 2]); return figure
        @chat.tool
        def axes():
            return plt.subplots()[1]
        @chat.tool
        def left_open():
            plt.plot([1, 2])
        @chat.tool
        def shown():
            plt.plot([1, 2]); plt.show(); return "shown"
        """
    )
    session = kernel.value("chat.session")
    for call in ask(kernel, jupyter, "use returned & use axes & use left_open & use shown"):
        files = [item for item in call["output"]["content"] if item["type"] == "file"]
        texts = [item["text"] for item in call["output"]["content"] if item["type"] == "text"]
        assert texts == (["shown"] if call["toolName"] == "shown" else []), call
        (file,) = files
        assert (file["mediaType"], file["filename"]) == ("image/png", "figure.png")
        name = file["url"].removeprefix("attachment:")
        headers = {"Authorization": f"token {jupyter.token}"}
        data = httpx2.get(
            f"{jupyter.url}durable-chat/api/sessions/{session}/attachments/{name}", headers=headers, timeout=None
        )
        assert data.content.startswith(b"\x89PNG\r\n\x1a\n") and data.headers["Content-Type"] == "image/png"
        assert hashlib.sha256(data.content).hexdigest() == name
    assert kernel.value("plt.get_fignums()") == []
    assert kernel.run("pass") == []


def test_tables(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("import pandas as pd, numpy as np\n@chat.tool\ndef table(): return pd.DataFrame({'a': range(100)})")
    kernel.run("@chat.tool\ndef within(): return {'t': pd.Series([1], name='s'), 'n': np.float64(0.5), 'm': np.eye(2)}")
    table, within = outputs(ask(kernel, jupyter, "use table & use within"))
    cells = [[n, n] for n in range(100)]
    assert table["structured"] == {"rows": 100, "columns": ["a"], "index": [""], "cells": cells}
    assert "the first 50 as CSV" in table["content"][0]["text"] and "\n49,49" in table["content"][0]["text"]
    assert (within["n"], within["m"]) == (0.5, [[1.0, 0.0], [0.0, 1.0]])
    assert within["t"]["columns"] == ["s"]


def test_other_values(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("@chat.tool\ndef value(): return value.__class__")
    kernel.run("@chat.tool\ndef large(): return ['x' * 1000] * 1000")
    value, large = outputs(ask(kernel, jupyter, "use value & use large"))
    assert value == {"content": [{"type": "text", "text": "<class 'function'>"}]}
    assert "[cut: " in large["content"][0]["text"]


def test_offers_follow_the_notebook(jupyter: Jupyter, kernel: Kernel) -> None:
    """A cell that is run again with other tools offers those; a chat without any takes none away; closing does."""
    kernel.run("def f(): return 'f'\ndef g(): return 'g'")
    session = kernel.value("chat.session")
    kernel.run(f"first = Chat(session={session!r}, tools=[f]); second = Chat(session={session!r}, tools=[f, g])")
    kernel.run(f"Chat(session={session!r})")

    def offered() -> list[str]:
        return [tool["name"] for offer in jupyter.transcript(session)["offers"] for tool in offer["tools"]]

    assert offered() == kernel.value("chat.tools and second.tools") == ["f", "g"]
    kernel.run("first.close()")
    assert offered() == ["f", "g"]
    kernel.run("@second.tool\ndef g(): return 'newer'")
    assert outputs(ask(kernel, jupyter, "use g")) == ["newer"]
    kernel.run("second.close()")
    assert jupyter.transcript(session)["offers"] == []


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("Chat(tools=['nothing'])", "There is no tool 'nothing'. Built in are 'list_variables'"),
        ("Chat(tools=[lambda: 1])", "write a function with `def`"),
        ("Chat(tools=[3])", "3 is no tool"),
        ("chat.tool(approval='sometimes')(print)", "not 'sometimes'"),
    ],
)
def test_what_is_no_tool(kernel: Kernel, code: str, why: str) -> None:
    with pytest.raises(CellError, match=f"ChatError.*{why}"):
        kernel.run(code)


def test_a_chat_that_was_refused_leaves_nothing_to_be_said(kernel: Kernel) -> None:
    """It is collected some time later, maybe while another cell runs."""
    code = "import gc\ntry:\n    Chat(tools=[3])\nexcept Exception as refusal:\n    print(refusal)\ngc.collect();"
    (said,) = kernel.run(code)
    assert said["name"] == "stdout" and "3 is no tool" in said["text"]


def test_a_call_cannot_wait_for_its_own_conversation(jupyter: Jupyter, kernel: Kernel) -> None:
    kernel.run("@chat.tool\ndef ask(): return chat.send('more').text")
    kernel.run("turn = chat.send('use ask')")
    session = kernel.value("chat.session")
    (call,) = calls_of(until(jupyter, session, lambda t: any("finishedAt" in call for call in calls_of(t))))
    assert "cannot wait for an answer of the conversation that called it" in call["errorText"]


def test_a_call_may_ask_another_conversation(kernel: Kernel) -> None:
    kernel.run(
        """
        other = Chat('another one', agent='obedient')
        @other.tool
        def inner(): return 'inner'
        @chat.tool
        def ask(): return other.send('use inner | said').text
        """
    )
    kernel.run("text = chat.send('use ask | done').text")
    assert kernel.value("text") == "done "
    assert outputs(calls_of({"messages": kernel.value("chat.messages")})) == ["said "]


@pytest.mark.parametrize("ending", ["killed", "restarted"])
def test_a_kernel_that_ended_in_a_call(jupyter: Jupyter, own_kernel: Kernel, ending: str) -> None:
    """The call fails, and one that is idempotent is run by the next kernel that offers it."""
    offer = """
        import os, time
        from jupyter_durable_chat import Chat
        def once(): time.sleep({seconds}); return 'once'
        def again(): time.sleep({seconds}); return 'again'
        chat = Chat(agent='obedient')
        chat.tool(once)
        chat.tool(idempotent=True)(again)
        """
    for name, state in (("once", "output-error"), ("again", "output-available")):
        own_kernel.run(offer.format(seconds=60))
        session, process = own_kernel.value("chat.session"), own_kernel.value("os.getpid()")
        own_kernel.run(f"turn = chat.send('use {name}')")
        until(jupyter, session, lambda t: any("started" in c and "finishedAt" not in c for c in calls_of(t)))
        if ending == "killed":
            os.kill(process, signal.SIGKILL)
        own_kernel.restart()
        own_kernel.run(offer.format(seconds=0))
        call = calls_of(until(jupyter, session, is_over))[-1]
        assert call["state"] == state, call


def test_an_answer_waits_for_the_kernel_that_went_away(jupyter: Jupyter, own_kernel: Kernel) -> None:
    own_kernel.run("from jupyter_durable_chat import Chat; chat = Chat(agent='obedient')")
    own_kernel.run("import time\n@chat.tool\ndef f(): return 'old'")
    session = own_kernel.value("chat.session")
    own_kernel.start("turn = chat.send('use f'); time.sleep(60)")
    until(jupyter, session, lambda t: any("waitsFor" in call for call in calls_of(t)))
    own_kernel.restart()
    assert not is_over(jupyter.transcript(session))
    own_kernel.run("from jupyter_durable_chat import Chat; chat = Chat()\n@chat.tool\ndef f(): return 'new'")
    assert outputs(calls_of(until(jupyter, session, is_over))) == ["new"]


def test_the_bundle_shows_calls(kernel: Kernel) -> None:
    kernel.run("@chat.tool\ndef f(): return 1")
    kernel.run("chat.send('use f').wait()")
    (output,) = kernel.run("chat")
    assert "tool f: done" in output["data"]["text/plain"]
    assert output["data"][MIME_TYPE]["snapshot"]["offers"] == [], "which are for live pages"


def test_an_approval_goes_with_the_function(kernel: Kernel, jupyter: Jupyter) -> None:
    kernel.run("@chat.tool(approval='always')\ndef drop(): pass")
    kernel.run("other = Chat('other', tools=[drop])")
    (offer,) = jupyter.transcript(kernel.value("other.session"))["offers"]
    assert offer["tools"][0]["approval"] == "always"
