"""An MCP server for the tour, over its standard streams."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("units", log_level="ERROR")


@server.tool()
def miles(kilometres: float) -> float:
    """How many miles that is."""
    return round(kilometres / 1.609344, 3)


if __name__ == "__main__":
    server.run()
