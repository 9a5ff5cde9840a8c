"""The site of these pages: `make docs`. A test builds it with warnings as errors, and asks no network."""

from importlib.metadata import version as installed
from pathlib import Path
from shutil import copytree

from sphinx.application import Sphinx

HERE = Path(__file__).parent

project = "jupyter-durable-chat"
author = copyright = "the jupyter-durable-chat contributors"
version = release = installed("jupyter-durable-chat")

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = "Durable Chat"
html_copy_source = html_show_sphinx = html_use_index = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}


def copy_pictures(app: Sphinx, error: Exception | None) -> None:
    """What stands in a <picture> is HTML, in which Sphinx looks for no files."""
    if error is None and app.builder.format == "html":
        copytree(HERE / "images", app.outdir / "images", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", copy_pictures)
