"""`s/{id}`: one session as a page of its own, for another tab, a phone or a colleague.

The page itself holds nothing of the session: the front end in it asks for the transcript as it does in a notebook, with
the visitor's own rights. It runs the scripts of this server's static folder and no others.
"""

import html
import http.client
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from jupyter_durable_chat.server.handler import ID, Logged

if TYPE_CHECKING:
    from jupyter_durable_chat.server.extension import DurableChat

STATIC = Path(__file__).parent.parent / "static"

PAGE = """<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>Chat</title>
<script id="jupyter-config-data" type="application/json">{config}</script>
<script type="module" src="{script}"></script>
</head>
<body data-{kind}="{session}"><noscript>This page needs JavaScript.</noscript></body>
</html>
"""

POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; img-src 'self' data: blob: https:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Pictures of other hosts are fetched when a person presses; a diagram is laid out in a frame with its own styles."""


def page(kind: Literal["chat", "shared"], session: str, base_url: str, extension: str) -> str:
    """The page for a session of this address; the front end takes it from there."""
    return PAGE.format(
        config=json.dumps({"baseUrl": base_url}).replace("<", "\\u003c"),
        script=html.escape(url_path_join(base_url, "static", extension, script())),
        kind=kind,
        session=session,
    )


@cache
def script() -> str:
    """The name of the page's script, with its hash."""
    return json.loads((STATIC / "manifest.json").read_bytes())["page"]


class SessionPage(Logged):
    """Whoever is not known is sent to log in, and comes back."""

    auth_resource = "durable_chat"

    @property
    def content_security_policy(self) -> str:
        return POLICY

    @web.authenticated
    @authorized
    async def get(self, session: str) -> None:
        chat = cast("DurableChat", self.settings["durable_chat"])
        _ = self.xsrf_token  # its cookie is what the front end proves itself with
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(page("chat", session, self.base_url, chat.name))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if hasattr(self, "_jupyter_current_user"):
            super().write_error(status_code, **kwargs)
        else:
            # Jupyter's page says who is logged in, which nobody has looked up for a method that there is not.
            self.finish(http.client.responses[status_code])


PAGES: list[tuple[str, type[JupyterHandler]]] = [(rf"durable-chat/s/{ID}", SessionPage)]
