"""An extension of Jupyter's server whose answers are empty: what a request takes there when nothing is done for it."""

from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado import web

PATH = "benchmarks/empty/"


class Empty(JupyterHandler):
    @web.authenticated
    async def put(self) -> None:
        self.set_status(204)
        self.finish()

    post = put


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    base_url = app.web_app.settings["base_url"]
    app.web_app.add_handlers(".*$", [(f"{base_url}{PATH}.*", Empty)])
