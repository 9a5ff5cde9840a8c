"""What a model can use.

A tool is a name, a description, a JSON Schema, and something that is done with arguments that fit it. It runs in the
server, in the kernel that offered it, or it is answered by a person; where it runs, whether a person is asked before,
and what becomes of its result is decided by whoever runs the turn (`steps.py`). A tool knows no log, session or model.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from msgspec import Struct

from jupyter_durable_chat.agents import ToolSpec

__all__ = ["Approval", "Context", "Question", "Suspended", "Tool", "ToolError", "Toolbox", "TwoPhaseTool"]

Approval = Literal["never", "always", "once"]
"""When a person is asked before a tool is run: not at all, for every call, for the first call in a session."""


class ToolError(Exception):
    """A call failed. Its text is for the model and for the person: it holds no secret and says what to do."""


MAX_ERRORS = 20
"""Errors of which the most telling one is told."""


def _quick(schema: Any) -> Any:
    """The schema without patterns: the model chooses the text, and some patterns take for ever to say no."""
    if isinstance(schema, list):
        return [_quick(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    slow = {name for name in ("pattern", "format") if isinstance(schema.get(name), str)} | {"patternProperties"}
    return {name: _quick(value) for name, value in schema.items() if name not in slow}


class Context(ABC):
    """What a tool may do beside returning, while one of its calls runs."""

    call_id: str
    session: str

    @abstractmethod
    def progress(self, progress: float | None = None, total: float | None = None, message: str | None = None) -> None:
        """Show how far the call is."""

    @abstractmethod
    def log(self, text: str, level: str = "info") -> None:
        """Show a line with the call; `level` is one of MCP's (`debug`, `info`, `warning`, `error` …)."""

    @abstractmethod
    async def ask(self, questions: "Sequence[Question]", text: str = "") -> dict[str, Any]:
        """Ask the person one to four questions and wait: `{"action": "accept", "answers": {id: value}}`, or the action
        `decline` or `cancel`. It does not outlive the server; a `TwoPhaseTool` does."""

    @abstractmethod
    async def sample(self, text: str, *, instructions: str = "", max_tokens: int | None = None) -> str:
        """Ask the model that answers this turn, without tools; shown nested in the call. Raises `ToolError`."""

    @abstractmethod
    async def run_agent(self, name: str, text: str) -> str:
        """Have another agent answer, with its tools, shown nested in the call; its text. Raises `ToolError`."""


class Question(Struct, frozen=True, omit_defaults=True):
    """One question for a person. Without `options` the answer is free text (or a number, a yes or no: `kind`)."""

    id: str
    question: str
    options: list[str] = []
    multiple: bool = False
    free_text: bool = False
    """Whether the person may write something else than the options."""
    required: bool = True
    kind: Literal["text", "number", "integer", "boolean"] = "text"


class Tool(ABC):
    """The seam. Implementations: `function`, `mcp`, `builtin`, `kernel`."""

    name: str
    description: str = ""
    parameters: dict[str, Any]
    """The JSON Schema of an object."""
    runs: Literal["server", "kernel", "person"] = "server"
    """Who gives the result; of a tool that does not run in the server, `call` is never used."""
    approval: Approval = "always"
    read_only: bool = False
    """Whether it changes nothing, so that it may be used to make a plan."""
    idempotent: bool = False
    """Whether a call whose end nobody knows may be run once more."""
    timeout: float | None = None
    """Seconds that a call may take; `None`: as long as any other."""
    origin: str = ""
    """Where it comes from, for a person: an entry point, an MCP server, a kernel."""

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, self.description, self.parameters)

    def check(self, arguments: Any) -> None:
        """Raises `ToolError` that quotes what does not fit `parameters`. Quick, no I/O."""
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import best_match
        from referencing import Registry

        # An empty registry: a reference to elsewhere is never followed.
        validator = Draft202012Validator(_quick(self.parameters), registry=Registry())
        error = best_match(islice(validator.iter_errors(arguments), MAX_ERRORS))
        if error is not None:
            where = "".join(f"[{step!r}]" for step in error.absolute_path)
            raise ToolError(f"The arguments of {self.name} do not fit: {where or 'they'}: {error.message[:300]}")

    @abstractmethod
    async def call(self, arguments: dict[str, Any], context: Context) -> Any:
        """The result as JSON, or `{"content": [{"type": "text", "text"} | {"type": "file", "mediaType", "url"}]}` where
        `url` is a `data:` URL. Cancelled when the turn is stopped or the time is up. Raises `ToolError`; of any other
        exception only the type is told."""


class Toolbox:
    """The tools of a server. This one has those that it was given."""

    def __init__(self, tools: Sequence[Tool] = (), approvals: Mapping[str, Approval] | None = None) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self.approvals: dict[str, Approval] = dict(approvals or {})
        """What the server's settings say of a tool, whatever the tool says, by its name."""

    async def all(self) -> dict[str, Tool]:
        """The tools that can be used now, by name. Those that cannot are left out, and nothing is raised."""
        return self._tools

    def describe(self) -> list[dict[str, Any]]:
        """`{name, description, origin, approval, read_only, available, why}` of each. Quick, and no I/O."""
        return [described(tool, self.approval(tool)) for tool in self._tools.values()]

    def approval(self, tool: Tool) -> Approval:
        """When a person is asked before this tool is run."""
        return self.approvals.get(tool.name, tool.approval)

    async def aclose(self) -> None:
        """Give up connections and processes. Idempotent."""


def described(tool: Tool, approval: Approval) -> dict[str, Any]:
    about = {name: getattr(tool, name) for name in ("name", "description", "origin", "read_only")}
    return {**about, "approval": approval, "available": True, "why": None}


class Suspended(Struct, frozen=True):
    """What the first phase of a tool leaves: `kept` (JSON) for its last phase, and what is asked of whom meanwhile.

    A kernel is asked by the name and arguments of a tool that it offers, a person by `ask_user` with questions.
    """

    kept: Any
    tool_name: str = "ask_user"
    arguments: dict[str, Any] = {}


class TwoPhaseTool(Tool):
    """A tool with a server part, then the kernel's or the person's, then a server part.

    `call` runs once and its result is in the log before anybody is asked; `finish` may run again after a crash.
    """

    @abstractmethod
    async def call(self, arguments: dict[str, Any], context: Context) -> Suspended: ...

    @abstractmethod
    async def finish(self, arguments: dict[str, Any], kept: Any, answer: Any, context: Context) -> Any:
        """The result, from what the first phase kept and what the other side answered (its output, as JSON)."""
