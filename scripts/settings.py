"""Writes docs/settings.md from the settings: `python scripts/settings.py`. A test says when it is out of date."""

from pathlib import Path

from jupyter_durable_chat.server.extension import DurableChat

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

HEAD = """# Settings

All of them are set on `c.DurableChat` in `jupyter_server_config.py`, or on the command line:
`jupyter lab --DurableChat.model=openai:gpt-5`. This page is written by `scripts/settings.py`.
"""


def page() -> str:
    """The page as it should be."""
    sections = [HEAD]
    for name, trait in sorted(DurableChat.class_own_traits(config=True).items()):
        default = trait.default_value_repr() if "store" not in name and "folder" not in name else None
        shown = f" (default: `{default}`)" if default is not None else ""
        sections.append(f"## `{name}`\n\n{trait.help}{shown}\n")
    return "\n".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page())
