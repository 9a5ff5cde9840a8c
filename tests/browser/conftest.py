"""A browser and the two hosts. Without a browser these tests fail: nobody may believe that they ran."""

import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, expect, sync_playwright

from tests.browser.jupyter import Jupyter, running
from tests.browser.page import NotebookPage

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=30_000)

FAILED = pytest.StashKey[bool]()

Open = Callable[..., NotebookPage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_here(item):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(180))
    items.sort(key=is_here)  # the quick ones first


def is_here(item: pytest.Item) -> bool:
    return Path(__file__).parent in item.path.parents


@pytest.fixture(autouse=True)
def jp_asyncio_loop() -> None:
    """Playwright runs an event loop of its own here, which pytest-jupyter must not take for its and close."""


@pytest.fixture(autouse=True)
def jp_server_cleanup() -> None:
    """There is no server in this process to clean up after."""


def chromium(playwright: Playwright) -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if Path(playwright.chromium.executable_path).exists():
        return playwright.chromium.executable_path
    pytest.fail("No Chromium on this machine. Run scripts/install-chromium, then try again.", pytrace=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(playwright), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[("lab", "/"), ("notebook", "/")], ids=["lab", "notebook"])
def jupyter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jupyter]:
    """A running server: the application that it serves and its base URL are the parameter.

    The marker `settings` has what it is told beside that.
    """
    app, base_url = request.param
    marker = request.node.get_closest_marker("settings")
    with running(app, tmp_path, base_url=base_url, **(marker.kwargs if marker else {})) as server:
        yield server
        print(server.output)  # pytest shows it when the test has failed


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """One person's browser: its tabs share cookies and workers. A test that failed leaves pictures of them."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context
        if request.node.stash.get(FAILED, False):
            for n, page in enumerate(context.pages):
                page.screenshot(path=f"test-results/{request.node.name}-{n}.png")


@pytest.fixture
def open_notebook(context: BrowserContext, jupyter: Jupyter) -> Open:
    """Open a notebook in a new tab; cells, when there are any, are written to its file first."""

    def open_notebook(*cells: str, name: str = "a.ipynb", **where: Any) -> NotebookPage:
        if cells:
            jupyter.write_notebook(name, *cells)
        return NotebookPage(context.new_page(), jupyter, name, **where).open()

    return open_notebook
