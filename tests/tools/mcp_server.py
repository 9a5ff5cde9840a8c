"""A real MCP server for the tests: `python mcp_server.py`, or `python mcp_server.py PORT` over streamable HTTP.

It notes what it is told to note in the file that `NOTES` names.
"""

import asyncio
import base64
import os
import sys
import warnings
from enum import Enum
from pathlib import Path

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import (
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    SamplingMessage,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from pydantic import BaseModel, Field

warnings.simplefilter("ignore")

PNG = base64.b64encode(b"\x89PNG").decode()

server = MCPServer("tested", log_level="ERROR")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Form(BaseModel):
    name: str = Field(description="Whose it is")
    age: int
    ratio: float = 0.5
    sure: bool = False
    colour: str = Field("red", json_schema_extra={"enum": ["red", "blue"]})


def note(text: str) -> None:
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(text + "\n")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
def pid() -> int:
    """Which process this is."""
    return os.getpid()


@server.tool()
def text() -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text="just text")])


@server.tool()
def everything() -> CallToolResult:
    return CallToolResult(
        content=[
            TextContent(type="text", text="see"),
            ImageContent(type="image", data=PNG, mime_type="image/png"),
            ResourceLink(type="resource_link", name="notes", uri="file:///notes.md", description="of today"),
            EmbeddedResource(type="resource", resource=TextResourceContents(uri="file:///a.txt", text="embedded")),
        ]
    )


@server.tool()
def fails() -> CallToolResult:
    key = os.environ.get("API_KEY", "none")
    return CallToolResult(is_error=True, content=[TextContent(type="text", text=f"no such table, and {key}")])


@server.tool()
def crashes() -> str:
    raise ValueError("boom")


@server.tool()
async def reports(ctx: Context) -> str:
    await ctx.report_progress(1, 2, "half")
    await ctx.warning("careful")
    return "done"


@server.tool()
async def asks(ctx: Context) -> str:
    answer = await ctx.elicit("Who are you?", Form)
    return f"{answer.action} {answer.data.model_dump_json()}" if answer.action == "accept" else answer.action


@server.tool()
async def samples(ctx: Context, text: str) -> str:
    said = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    made = await ctx.session.create_message(
        messages=[said], max_tokens=7, system_prompt="Be brief.", related_request_id=ctx.request_id
    )
    content = made.content
    assert isinstance(content, TextContent)
    return content.text


@server.tool()
async def waits(ctx: Context) -> str:
    await ctx.report_progress(0, None, "waiting")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        note("cancelled")
        raise
    return "never"


@server.tool()
async def dies(ctx: Context) -> str:
    os._exit(3)


@server.tool()
async def grows(ctx: Context) -> str:
    """Has one more tool from now on."""
    server.add_tool(lambda: "new", name="grown")
    await ctx.session.send_tool_list_changed()
    return "grown"


if len(sys.argv) > 1:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
else:
    note(f"started {os.getpid()}")
    server.run("stdio")
