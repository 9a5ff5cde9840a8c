"""What a notebook shows of a conversation: one MIME bundle for hosts with our renderer, with widgets, and with neither.

The browser reads the answer from the server, so nothing here is needed while it arrives: a busy kernel shows as well as
an idle one, and the output goes on without a kernel. A page that cannot reach the server reads through the kernel
(`relay.py`).
"""

import json
import uuid
import weakref
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, Unicode, default

from jupyter_durable_chat.notebook.bundle import chat_bundle, output
from jupyter_durable_chat.notebook.conversation import Conversation
from jupyter_durable_chat.notebook.follower import Follower
from jupyter_durable_chat.notebook.place import is_marimo, kernel_id, visitor
from jupyter_durable_chat.notebook.relay import Relay
from jupyter_durable_chat.transcript import JSON

STATIC = Path(__file__).parent.parent / "static"

NOT_BUILT = (
    "The front end of jupyter-durable-chat is not built. Run `npm install && npm run build` in the folder js/ of the "
    "checkout, or install the package with pip, which builds it; then restart this kernel."
)


_views: "weakref.WeakSet[ChatView]" = weakref.WeakSet()
"""What this kernel shows."""

_relays: "weakref.WeakKeyDictionary[Follower, Relay]" = weakref.WeakKeyDictionary()


def loader(static: Path) -> str:
    """The module of the widget, which fetches the front end; one that says what to do when it is not built.

    marimo keeps a module as a file, once for all widgets, so there it is the front end itself.
    """
    name = "core-inline.js" if is_marimo() else "widget.js"
    try:
        return (static / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return f"export default {{ render({{ el }}) {{ el.textContent = {json.dumps(NOT_BUILT)} }} }}"


class ChatView(anywidget.AnyWidget):
    """A conversation, or one turn of it, on the screen."""

    _esm = Unicode().tag(sync=True)
    bundle = Dict(help="The data of our MIME type, for the widget's view.").tag(sync=True)
    kernel = Unicode(help="The kernel by a name that it keeps when it is restarted.").tag(sync=True)

    def __init__(self, conversation: Conversation, turn: str | None = None) -> None:
        self._conversation = conversation
        self._turn = turn
        self._id = uuid.uuid4().hex
        self._visitor = visitor()
        # Among others in a box a chat takes the room that there is; by itself it would take none.
        super().__init__(model_id=self._id, bundle=self._current(), layout={"width": "100%"})
        self.on_msg(self._on_message)
        _views.add(self)

    @property
    def follower(self) -> Follower | None:
        """Who follows the conversation here; `None` while no server was reached."""
        return self._conversation.follower

    def close(self) -> None:
        """Take it off the screen."""
        _views.discard(self)
        if self.follower and (relay := _relays.get(self.follower)):
            relay.forget(self)
        super().close()

    def __del__(self) -> None:
        """One that was refused when it was made, as with a tool that is none, has nothing to close."""
        if hasattr(self, "_conversation"):
            super().__del__()

    def _current(self) -> JSON:
        reader = self._conversation.reader
        return chat_bundle(
            reader.snapshot() if reader else None,
            session=self._conversation.session,
            turn=self._turn,
            widget=self._id,
            notice=self._conversation.notice,
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[JSON, JSON]:
        """The output of a cell: its data by MIME type, and their metadata."""
        view: Any = super()._repr_mimebundle_()
        data, metadata = view
        return {**data, **output(self._current())}, metadata

    @default("_esm")
    def _loader(self) -> str:
        return loader(STATIC)

    def _shown(self) -> set[str]:
        """The sessions that are shown on this page."""
        here = [view for view in list(_views) if view.follower is self.follower and view._visitor == self._visitor]
        return {session for view in here if (session := view._conversation.session)}

    @default("kernel")
    def _kernel(self) -> str:
        return kernel_id() or ""

    def _on_message(self, _: object, message: JSON, buffers: list[Any]) -> None:
        """A page that cannot reach the server asks its kernel: for the front end, and for what that asks the server."""
        if message.get("type") == "core":
            super().send({"type": "core", "code": (STATIC / "core-inline.js").read_text(encoding="utf-8")})
        elif self.follower:
            _relay_of(self.follower).hear(self, super().send, self._shown(), message, buffers)


def _relay_of(follower: Follower) -> Relay:
    if follower not in _relays:
        _relays[follower] = Relay(follower.client)
    return _relays[follower]
