"""A real ACP agent for the tests, on the SDK's `Agent`: `python acp_agent.py NOTES`. What it is told to do, it does."""

# pyright: reportIncompatibleMethodOverride=false, reportAbstractUsage=false

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import acp
from acp import schema

NOTES = Path(sys.argv[1])


def note(text: str) -> None:
    with NOTES.open("a") as notes:
        notes.write(text + "\n")


class Tested(acp.Agent):
    _client: acp.Client

    def __init__(self) -> None:
        self._sessions: dict[str, list[str]] = {}
        self._stopped = asyncio.Event()

    def on_connect(self, conn: acp.Client) -> None:
        self._client = conn

    async def initialize(self, protocol_version: int, client_capabilities: Any = None, **_: Any) -> Any:
        note(f"started {os.getpid()}")
        print(f"started with {os.environ.get('API_KEY')}", file=sys.stderr, flush=True)
        note(f"may write: {client_capabilities.fs.write_text_file}")
        able = schema.AgentCapabilities(
            load_session="--loads" in sys.argv, prompt_capabilities=schema.PromptCapabilities(image=True)
        )
        return acp.InitializeResponse(protocol_version=acp.PROTOCOL_VERSION, agent_capabilities=able)

    async def new_session(self, cwd: str, **_: Any) -> acp.NewSessionResponse:
        if "--locked" in sys.argv:
            raise acp.RequestError.auth_required()
        id_ = f"acp-{os.getpid()}-{len(self._sessions)}"
        self._sessions[id_] = []
        note(f"new {id_} in {cwd}")
        return acp.NewSessionResponse(session_id=id_)

    async def load_session(self, cwd: str, session_id: str, **_: Any) -> acp.LoadSessionResponse:
        note(f"load {session_id}")
        self._sessions[session_id] = []
        await self._say(session_id, "an old answer")  # as the protocol wants it
        return acp.LoadSessionResponse()

    async def cancel(self, session_id: str, **_: Any) -> None:
        note("cancel")
        self._stopped.set()

    async def prompt(self, prompt: list[Any], session_id: str, **_: Any) -> acp.PromptResponse:
        self._stopped.clear()
        texts = [block.text if block.type == "text" else block.type for block in prompt]
        self._sessions[session_id].append(" | ".join(texts))
        word, _, rest = texts[-1].partition(" ")
        done = await getattr(self, word)(session_id, rest)
        return done or acp.PromptResponse(stop_reason="end_turn")

    async def _update(self, session_id: str, update: Any) -> None:
        await self._client.session_update(session_id, update)

    async def _say(self, session_id: str, text: str) -> None:
        await self._update(session_id, acp.update_agent_message_text(text))

    async def told(self, session_id: str, _: str) -> None:
        """Says what it was told in this conversation."""
        await self._say(session_id, json.dumps(self._sessions[session_id]))

    async def Your(self, session_id: str, _: str) -> None:
        await self.told(session_id, "")

    async def work(self, session_id: str, _: str) -> acp.PromptResponse:
        """Thinks, plans, edits, fails, and says what it cost."""
        await self._update(session_id, acp.update_agent_thought_text("Let me "))
        await self._update(session_id, acp.update_agent_thought_text("see."))
        await self._say(session_id, "I will ")
        await self._say(session_id, "edit.")
        await self._update(session_id, acp.update_plan([acp.plan_entry("Edit", status="in_progress")]))
        location = schema.ToolCallLocation(path="/a.py", line=3)
        begins = acp.start_tool_call("1", "Edit a.py", kind="edit", status="pending", locations=[location])
        await self._update(session_id, begins)
        await self._update(session_id, acp.update_tool_call("1", status="in_progress", raw_input={"path": "/a.py"}))
        changed = [acp.tool_diff_content("/a.py", "a\nc\n", "a\nb\n")]
        await self._update(session_id, acp.update_tool_call("1", content=changed))
        await self._update(session_id, acp.update_tool_call("1", status="completed"))
        await self._update(session_id, acp.start_tool_call("2", "Run it", kind="execute", raw_input={"command": "x"}))
        failed = [acp.tool_content(acp.text_block("no such command"))]
        await self._update(session_id, acp.update_tool_call("2", status="failed", content=failed))
        image = [acp.tool_content(acp.text_block("see")), acp.tool_content(acp.image_block("AAAA", "image/png"))]
        await self._update(session_id, acp.start_tool_call("3", "Plot", status="completed", content=image))
        await self._update(session_id, acp.start_tool_call("4", "Search", status="in_progress"))
        await self._say(session_id, "Done.")
        cost = schema.Cost(amount=0.25, currency="USD")
        used = schema.UsageUpdate(session_update="usage_update", used=100, size=1000, cost=cost)
        await self._update(session_id, used)
        usage = schema.Usage(total_tokens=30, input_tokens=10, output_tokens=20, thought_tokens=5)
        return acp.PromptResponse(stop_reason="end_turn", usage=usage)

    async def flood(self, session_id: str, _: str) -> None:
        """One call that says more and more, far too much."""
        await self._update(
            session_id, acp.start_tool_call("1", "Log", status="in_progress", raw_input={"x": "y" * 200_000})
        )
        for number in range(50):
            said = [acp.tool_content(acp.text_block("line\n" * 1000 * number))]
            await self._update(session_id, acp.update_tool_call("1", content=said))
        await self._update(session_id, acp.update_tool_call("1", status="completed"))

    async def leave(self, session_id: str, options: str) -> None:
        """Asks for leave, and says what it was given."""
        kinds: list[Any] = options.split()
        call = schema.ToolCallUpdate(tool_call_id="1", title="Delete all", kind="delete", raw_input={"path": "/"})
        offered = [schema.PermissionOption(option_id=f"o-{kind}", name=kind, kind=kind) for kind in kinds]
        answer = await self._client.request_permission(session_id=session_id, tool_call=call, options=offered)
        note(f"outcome {answer.outcome.outcome}")
        if answer.outcome.outcome == "cancelled":
            return
        chosen = answer.outcome.option_id
        await self._update(session_id, acp.update_tool_call("1", status="completed", raw_output={"chosen": chosen}))
        await self._say(session_id, chosen)

    async def wait(self, session_id: str, _: str) -> acp.PromptResponse:
        await self._say(session_id, "waiting")
        await self._stopped.wait()
        await self._say(session_id, "too late")
        return acp.PromptResponse(stop_reason="cancelled")

    async def read(self, session_id: str, rest: str) -> None:
        path, _, line = rest.partition(" ")
        try:
            read = await self._client.read_text_file(
                session_id=session_id, path=path, line=int(line) if line else None, limit=1 if line else None
            )
            await self._say(session_id, read.content)
        except acp.RequestError as error:
            await self._say(session_id, f"error {error.code}")

    async def write(self, session_id: str, path: str) -> None:
        try:
            await self._client.write_text_file(session_id=session_id, path=path, content="written\n")
            await self._say(session_id, "written")
        except acp.RequestError as error:
            await self._say(session_id, f"error {error.code}")

    async def stop(self, session_id: str, reason: Any) -> acp.PromptResponse:
        return acp.PromptResponse(stop_reason=reason)

    async def fail(self, session_id: str, _: str) -> None:
        raise acp.RequestError.internal_error({"details": os.environ.get("API_KEY")})

    async def die(self, session_id: str, _: str) -> None:
        await self._say(session_id, "farewell")
        os._exit(7)

    async def spawn(self, session_id: str, _: str) -> None:
        """Leaves a process behind, which minds neither the end of its input nor SIGTERM."""
        code = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
        )
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
        assert child.stdout
        await child.stdout.readline()
        await self._say(session_id, str(child.pid))


asyncio.run(acp.run_agent(Tested()))
