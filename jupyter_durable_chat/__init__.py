"""What a notebook imports, and what Jupyter asks for.

Importing this costs next to nothing: a name is loaded when somebody uses it, and a kernel never loads what is the
server's.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_durable_chat.notebook.chat import Chat
    from jupyter_durable_chat.notebook.client import ChatError, ServerUnreachable
    from jupyter_durable_chat.notebook.tools import ToolContext

__version__ = "0.1.0"
__all__ = ["Chat", "ChatError", "ServerUnreachable", "ToolContext"]

_HOMES = {"Chat": "chat", "ChatError": "client", "ServerUnreachable": "client", "ToolContext": "tools"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.notebook.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext jupyter_durable_chat`"""
    from jupyter_durable_chat.notebook import magics, terminal

    shell.register_magics(magics.ChatMagics)
    terminal.adopt()


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyter_durable_chat.server.extension import DurableChat

    return [{"module": "jupyter_durable_chat", "app": DurableChat}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-durable-chat"}]
