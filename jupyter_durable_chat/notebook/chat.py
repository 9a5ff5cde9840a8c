"""`Chat`: a conversation in a notebook.

The conversation lives in the server. A `Chat` shows it, sends to it and follows it: its traits move while this kernel
lives, whoever sends, and observers are called in the thread that reads. Closing a `Chat`, or the kernel, stops nothing.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, overload

from traitlets import Enum, Unicode

from jupyter_durable_chat.notebook import terminal
from jupyter_durable_chat.notebook.attach import attached, names_of
from jupyter_durable_chat.notebook.client import ServerUnreachable
from jupyter_durable_chat.notebook.conversation import Conversation, bring
from jupyter_durable_chat.notebook.follower import Reader
from jupyter_durable_chat.notebook.runner import Offer, runner_of
from jupyter_durable_chat.notebook.tools import Approval, KernelTool, kernel_tool, kernel_tools, mark, marks_of
from jupyter_durable_chat.notebook.turn import Turn
from jupyter_durable_chat.notebook.view import ChatView
from jupyter_durable_chat.readable.text import text_of
from jupyter_durable_chat.transcript import JSON, Transcript, requests

Function = TypeVar("Function", bound=Callable[..., Any])


class Chat(ChatView):
    """This notebook's conversation, or with a `name` another one of this notebook, or any `session` by its id.

    Running the same cell again gives the same conversation. `title`, `agent`, `model`, `mode` (`ask`, `plan`, `act`)
    and `effort` change it for everyone. Without a server there is still a `Chat`, which shows why; `send` then raises
    `ServerUnreachable`.

    `tools` are functions that the model may call in this kernel, and names of tools that are built in
    (`list_variables`, `describe_dataframe`, `run_code`, `read_notebook`, or `all` of them), each of which asks you
    before it runs. They take the place of those that this kernel offered to the conversation before.
    """

    status = Enum(("idle", "streaming", "failed"), "idle", read_only=True, help="What the conversation does.")
    last_answer = Unicode(read_only=True, help="The text of the newest answer, as far as it has come.")
    title = Unicode(read_only=True, help="The conversation's title; empty while it has none.")

    _reader: Reader | None = None
    _started: int = 0
    _offer: Offer | None = None
    _unoffered: list[KernelTool] | None
    """Tools that wait for the session that they are for."""

    def __init__(
        self,
        name: str = "",
        *,
        session: str | None = None,
        title: str | None = None,
        agent: str | None = None,
        model: str | None = None,
        mode: str | None = None,
        effort: str | None = None,
        tools: Iterable[Callable[..., Any] | str] | str | None = None,
    ) -> None:
        terminal.adopt()
        self._unoffered = None if tools is None else kernel_tools(tools)
        about = {"title": title, "agent": agent, "model": model, "mode": mode, "effort": effort}
        conversation = Conversation(name, session=session, **about)
        with suppress(ServerUnreachable):  # the conversation's notice says why
            conversation.open()
        super().__init__(conversation)
        self._follow()

    @property
    def session(self) -> str | None:
        """The session's id; `None` while no server was reached."""
        return self._conversation.session

    @property
    def messages(self) -> list[JSON]:
        """Everything said, oldest first, as AI SDK `UIMessage` objects: `id`, `role`, `parts`, `metadata`."""
        self._conversation.refresh()
        return self._reader.snapshot()["messages"] if self._reader else []

    @property
    def queue(self) -> list[JSON]:
        """The messages that wait for their turn, the next one first, as AI SDK `UIMessage` objects."""
        self._conversation.refresh()
        return self._reader.snapshot()["queue"] if self._reader else []

    @property
    def held(self) -> str | None:
        """Why what waits does not go on by itself: `stopped`, or the reason in words; `None` when it does."""
        self._conversation.refresh()
        return self._reader.look(lambda transcript: transcript.held) if self._reader else None

    def send(  # type: ignore[override]
        self,
        text: str,
        *,
        attach: Any = (),
        agent: str | None = None,
        model: str | None = None,
        mode: str | None = None,
        effort: str | None = None,
        tools: Iterable[Callable[..., Any] | str] | None = None,
    ) -> Turn:
        """Ask, and return as soon as the question is kept; the answer arrives by itself.

        While another answer is running, or others wait, it waits for its turn in the queue. `attach` is what goes with
        the question: figures, images, DataFrames and other variables, `"cell:3"`, `"cell:last"`, `"output:3"`, files.
        `mode` is `ask` (no tools), `plan` (those that only read) or `act`; `tools` are the only ones for this question.
        """
        options = {"agent": agent, "model": model, "mode": mode, "effort": effort}
        only = None if tools is None else names_of(tools)
        sent = self._conversation.send(text, attached(attach), tools=only, **options)
        self._follow()
        return Turn(self._conversation, sent["turn_id"], sent["message_id"])

    @overload
    def tool(self, function: Function) -> Function: ...

    @overload
    def tool(
        self,
        function: None = None,
        *,
        name: str | None = None,
        approval: Approval = "never",
        read_only: bool = False,
        idempotent: bool = False,
    ) -> Callable[[Function], Function]: ...

    def tool(self, function: Callable[..., Any] | None = None, **options: Any) -> Any:
        """Let the model call a function in this kernel: `@chat.tool`, or `@chat.tool(approval="always")`.

        What the model is told comes from its signature and docstring. `approval` says when you are asked before it
        runs: `never`, `always`, or `once` in a conversation. One that is `read_only` may be used to make a plan. A call
        of one that is `idempotent` is run again when the kernel died in it; any other one then fails. What is said here
        goes with the function when it is given to another `Chat`.
        """

        def add(function: Callable[..., Any]) -> Callable[..., Any]:
            chosen = {**marks_of(function), **options}
            self._offer_tool(kernel_tool(function, **chosen))
            mark(function, chosen)
            return function

        return add if function is None else add(function)

    @property
    def tools(self) -> list[str]:
        """The names of what this kernel runs for the conversation."""
        if self._unoffered is not None:
            return [tool.name for tool in self._unoffered]
        follower, reader = self._conversation.follower, self._reader
        return list(follower.runner.offer(reader).tools) if follower and follower.runner and reader else []

    def stop(self) -> bool:
        """Stop the running answer, keep what there is of it; whether there was anything to stop.

        What waits is held until `resume`.
        """
        return self._conversation.stop()

    def resume(self) -> None:
        """Let a queue that is held go on."""
        self._conversation.resume()

    def remove(self, message_id: str) -> bool:
        """Take a message out of the queue; `False` when its turn has started."""
        return self._conversation.remove(message_id)

    def branch(self, message_id: str) -> None:
        """Show the conversation that this message is in, and go on from there; what was shown is kept.

        After `Turn.retry` there are two: `chat.branch(turn.message_id)` shows the newest with that message.
        """
        self._conversation.branch(message_id)

    def fork(self, *, lsn: int | None = None, message_id: str | None = None) -> "Chat":
        """A new conversation with the history up to an LSN or a message; without either, up to now."""
        at = {"lsn": lsn, "message_id": message_id}
        return Chat(session=self._conversation.fork(**{name: value for name, value in at.items() if value is not None}))

    def show(self) -> None:
        """Print what was said, and what is being answered as it comes; for terminals. Notebooks show `chat` itself."""
        self._conversation.refresh()
        transcript = self._reader.snapshot() if self._reader else None
        running = transcript["turn"] if transcript else None
        if not transcript or not running:
            terminal.write(transcript, self._conversation.notice)
            return
        before = [message for message in transcript["messages"] if message["id"] != running["message_id"]]
        terminal.write({**transcript, "messages": before}, self._conversation.notice)
        Turn(self._conversation, running["id"], running["user_message_id"]).show()

    def export(self, format: Literal["md", "html", "ipynb", "json"] = "md") -> str:
        """The conversation as a file's text: Markdown, one HTML page, a notebook, or what `Chat.load` takes.

        It has the branch that is shown, as it is now; `json` has all of it.
        """
        return self._conversation.export(format)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Chat":
        """A new conversation of a file that `chat.export("json")` gave, here or on another server.

        Whoever wrote in it is marked as imported, and nothing in it goes on by itself. Raises `ChatError` that names
        the place when something in the file is not as it must be.
        """
        return cls(session=bring(Path(path).read_bytes())["id"])

    def close(self) -> None:
        """Take it off the screen, follow it no longer, and offer its tools no longer."""
        if self._reader:
            self._reader.unlisten(self._update)
        if self._offer:
            self._offer.withdraw(self)
        super().close()

    def __repr__(self) -> str:
        return f"<Chat {self.session or 'without a server'}>"

    def _follow(self) -> None:
        """Follow the conversation as soon as there is one."""
        if self._reader is None and (reader := self._conversation.reader):
            self._reader = reader
            self._started = reader.look(_seen).started
            self._update()
            reader.listen(self._update)
        if self._reader and self._unoffered is not None:
            tools, self._unoffered = self._unoffered, None
            assert self._conversation.follower is not None
            self._offer = runner_of(self._conversation.follower).offer(self._reader)
            self._offer.set(self, tools)

    def _offer_tool(self, tool: KernelTool) -> None:
        with suppress(ServerUnreachable):
            self._conversation.open()
        if self._reader is None and self._conversation.reader is None:
            self._unoffered = [*(self._unoffered or ()), tool]
            return
        self._follow()
        if self._offer is None:
            assert self._reader is not None and self._conversation.follower is not None
            self._offer = runner_of(self._conversation.follower).offer(self._reader)
        self._offer.add(self, tool)

    def _update(self) -> None:
        """Show in the traits what the conversation is now."""
        assert self._reader is not None
        seen = self._reader.look(_seen)
        if seen.started > self._started:
            self._started = seen.started
            # An answer that was over before this thread saw it was streaming all the same.
            self.set_trait("status", "streaming")
        self.set_trait("title", seen.title)
        self.set_trait("last_answer", seen.text)
        self.set_trait("status", seen.status)
        told = self.bundle["lsn"], self.bundle["notice"]
        if seen.status != "streaming" and told != (seen.lsn, self._conversation.notice):
            self.bundle = self._current()


class _Seen(NamedTuple):
    lsn: int
    title: str
    status: str
    started: int
    """The event with which the newest turn of this branch began."""
    text: str


def _seen(transcript: Transcript) -> _Seen:
    answer = next((message for message in reversed(transcript.messages) if message["role"] == "assistant"), None)
    started = requests(answer)[-1]["lsn"] if answer else 0
    text = text_of(answer) if answer else ""
    return _Seen(transcript.lsn, transcript.title or "", transcript.status, started, text)
