"""Named as an agent, it has the server say that it is of a later version than its pages."""

from jupyter_durable_chat.server import stream
from tests.browser.agent import paced

VERSION = stream.__version__ = "999.0.0"

__all__ = ["VERSION", "paced"]
