"""An ACP agent for the tour. Others are real programs: Claude Code, Gemini CLI, Codex."""

# pyright: reportIncompatibleMethodOverride=false, reportAbstractUsage=false

import asyncio
from typing import Any

import acp
from acp import schema


class Parrot(acp.Agent):
    """Repeats what it hears, and asks for leave before it shouts."""

    def on_connect(self, conn: acp.Client) -> None:
        self._client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> acp.InitializeResponse:
        return acp.InitializeResponse(protocol_version=acp.PROTOCOL_VERSION)

    async def new_session(self, cwd: str, **_: Any) -> acp.NewSessionResponse:
        return acp.NewSessionResponse(session_id="parrot")

    async def cancel(self, session_id: str, **_: Any) -> None:
        pass

    async def prompt(self, prompt: list[Any], session_id: str, **_: Any) -> acp.PromptResponse:
        text = prompt[-1].text
        if text.endswith("!"):
            call = schema.ToolCallUpdate(tool_call_id="shout", title="Shout", kind="execute", status="pending")
            options = [
                schema.PermissionOption(option_id="yes", name="Allow", kind="allow_once"),
                schema.PermissionOption(option_id="no", name="Refuse", kind="reject_once"),
            ]
            answer = await self._client.request_permission(session_id=session_id, tool_call=call, options=options)
            if getattr(answer.outcome, "option_id", "no") == "yes":
                text = text.upper()
                done = acp.update_tool_call("shout", status="completed")
                await self._client.session_update(session_id, done)
        for word in text.split():
            await self._client.session_update(session_id, acp.update_agent_message_text(word + " "))
            await asyncio.sleep(0.1)
        return acp.PromptResponse(stop_reason="end_turn")


if __name__ == "__main__":
    asyncio.run(acp.run_agent(Parrot()))
