"""What `make demo` gives the server: tools, an MCP server and an ACP agent that need no network."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

c = get_config()  # noqa: F821 (Jupyter defines it)

c.DurableChat.tools = ["tour_tools:TOOLS"]
c.DurableChat.mcp_servers = {"units": {"command": sys.executable, "args": [str(HERE / "tour_mcp.py")]}}
c.DurableChat.acp_agents = {
    "parrot": {
        "command": sys.executable,
        "args": [str(HERE / "tour_acp.py")],
        "description": "An ACP agent: repeats, and asks before it shouts",
    }
}
c.DurableChat.prompts = {
    "explain": {"text": "Explain {what} to somebody who has never heard of it.", "description": "from the beginning"},
    "review": {"text": "Review this code. What would you change, and why?", "description": "with a cell: @cell:3"},
}
