"""An empty page of a Jupyter server, to mount the front end in: nothing else of Jupyter is in it."""

import json
from pathlib import Path

from playwright.sync_api import Page, Route

from benchmarks.measure.rest import wait_for_rest
from tests.browser.jupyter import ROOT, Jupyter

PAGE = Path(__file__).with_name("page.html")


def open_empty(page: Page, jupyter: Jupyter) -> None:
    """With the core in it, and nothing mounted yet; everything that the browser does for a page is done."""
    page.context.request.get(f"{jupyter.url}lab?token={jupyter.token}")  # for its cookies
    page.route(f"**/{PAGE.name}", serve)
    page.goto(jupyter.url + PAGE.name)
    page.unroute_all()  # or everything that is asked for later is asked of the driver first, and nothing is cached
    manifest = json.loads((ROOT / "jupyter_durable_chat" / "static" / "manifest.json").read_text())
    url = f"{jupyter.url}static/durable_chat/{manifest['core']}"
    page.evaluate("async (url) => { window.core = await import(url) }", url)
    assert page.context.browser is not None
    wait_for_rest(page.context.browser)


def serve(route: Route) -> None:
    route.fulfill(body=PAGE.read_bytes(), content_type="text/html")


def mounts(jupyter: Jupyter, session: str) -> str:
    """The expression that mounts a session's chat."""
    source = {"session": session, "turn": None, "lsn": 0, "snapshot": None, "widget": None, "notice": None}
    host = {"baseUrl": jupyter.url}
    # What is kept of an answer is part of its cost, as in a notebook.
    more = "signal: new AbortController().signal, onFinal: (bundle) => { window.kept = bundle }"
    return f"core.mount(root, {{ source: {json.dumps(source)}, host: {json.dumps(host)}, {more} }})"
