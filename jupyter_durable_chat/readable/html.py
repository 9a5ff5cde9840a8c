"""A transcript as HTML for viewers that run nothing: GitHub, nbviewer, nbconvert.

Every text is escaped, links lead to the web or nowhere, and nothing is fetched: to look at a notebook tells nobody that
it is looked at. It looks like the browser's (`js/src/view/html.ts`), which replaces it when a page saw the answer, and
reads well where its styles are taken away. Formulas are TeX, which many viewers set.
"""

import re
from collections.abc import Callable
from functools import cache
from html import escape, unescape
from typing import Any
from unicodedata import normalize
from urllib.parse import urlsplit

from jupyter_durable_chat.readable.markup import legible
from jupyter_durable_chat.readable.text import WEB, Format, line, name_of, write
from jupyter_durable_chat.readable.unseen import named
from jupyter_durable_chat.transcript import JSON

Look = Callable[[str], str]
"""Of the name of a look, the attribute that gives it to an element."""

STYLES = {
    "chat": "max-width: 60em; line-height: 1.5",
    "message": "margin: 0 0 1em",
    "bubble": "margin: 0 0 1em; padding: .5em .9em; border-radius: .7em; background: rgba(128, 128, 128, .15); "
    "white-space: pre-wrap; overflow-wrap: anywhere",
    "aside": "opacity: .7",
    "code": "margin: 0 0 1em; padding: .6em .9em; border-radius: .4em; background: rgba(128, 128, 128, .12); "
    "overflow-x: auto",
    # nbconvert's style sheet aligns to the right.
    **{side: f"text-align: {side}" for side in ("left", "center", "right")},
}

LONGEST = 5000
"""Characters of a paragraph in which marks are looked for: nobody writes a longer one, and to find what belongs
together can take a time that grows with the square of this."""

_FORMULA = r"(?P<mark>\$\$?)(?!\s)(?P<formula>[^$\n]+?)(?<!\s)(?P=mark)(?!\d)"
_TAG = re.compile(r"<[^<>]*>")
_ADDRESS = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\"']+"
    r"|(?<![\w.-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.(?:com|org|net|edu|gov|mil|info|io|app|dev|bank|example)(?![\w-])"
)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*")


def to_html(transcript: JSON | None, turn: str | None = None, notice: str | None = None) -> str:
    return f"<div{inline('chat')}>\n{write(transcript, turn, notice, _CELL)}\n</div>"


def inline(look: str) -> str:
    """For a place that has no style sheet of ours."""
    return f' style="{STYLES[look]}"'


def aside(inner_html: str, look: Look) -> str:
    return f"<p{look('aside')}><em>{inner_html}</em></p>"


def link(inner_html: str, url: str) -> str:
    if not WEB.fullmatch(url):
        return inner_html
    try:
        parts = urlsplit(url)
    except ValueError:  # the host is none
        return inner_html
    # What is in front of an @ is for no host that a person would read, but made to be taken for one.
    bare = escape(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())
    said = inner_html + escape(_leads(unescape(_TAG.sub("", inner_html)), parts.hostname or ""))
    return f'<a href="{bare}" rel="noopener noreferrer" target="_blank" title="{bare}">{said}</a>'


def _leads(words: str, host: str) -> str:
    """The host that a link leads to, if its words could be taken for another one."""
    named = [name.partition("://")[2] or name for name in _ADDRESS.findall(normalize("NFKC", words).lower())]
    others = [name for name in named if re.split(r"[/?#:]", name)[0].removeprefix("www.") != host.removeprefix("www.")]
    return f" ({host})" if others or "xn--" in host or not host.isascii() else ""


def picture(name: str, url: str) -> str:
    return f'<p><img alt="{escape(name)}" src="{url}"></p>' if _IMAGE.fullmatch(url) else ""


def reasoning(text: str, look: Look) -> str:
    return f"<details><summary>Reasoning</summary>\n{markdown(look)(text)}</details>" if text else ""


@cache
def markdown(look: Look) -> Callable[[str], str]:
    """What makes HTML of a model's Markdown."""
    import mistune
    from mistune.plugins import import_plugin
    from mistune.plugins.math import math

    class Inline(mistune.InlineParser):
        def __call__(self, s: str, env: Any) -> list[dict[str, Any]]:
            return super().__call__(s, env) if len(s) <= LONGEST else [{"type": "text", "raw": s}]

    def math_but_no_money(md: mistune.Markdown) -> None:
        """Formulas by pandoc's rule, under which "$5 and $6" is none."""

        def formula(_: mistune.InlineParser, found: re.Match[str], state: mistune.InlineState) -> int:
            state.append_token({"type": "inline_math", "raw": found["formula"]})
            return found.end()

        math(md)
        md.inline.register("inline_math", _FORMULA, formula, before="link")

    class Renderer(mistune.HTMLRenderer):
        def link(self, text: str, url: str, title: str | None = None) -> str:
            return link(text, url)

        def image(self, text: str, url: str, title: str | None = None) -> str:
            return link(text or "image", url)

        def codespan(self, text: str) -> str:
            return f"<code>{escape(named(text))}</code>"

        def block_code(self, code: str, info: str | None = None) -> str:
            return f"<pre{look('code')}><code>{escape(code)}</code></pre>\n"

        def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
            tag = "th" if head else "td"
            return f"<{tag}{look(align or 'left')}>{text}</{tag}>\n"

        # Not every version of the plugin escapes.
        def inline_math(self, text: str) -> str:
            return rf'<span class="math">\({escape(text)}\)</span>'

        def block_math(self, text: str) -> str:
            return f'<div class="math">$$\n{escape(text)}\n$$</div>\n'

    plugins = [import_plugin(name) for name in ("table", "strikethrough", "task_lists", "url")]
    render = mistune.Markdown(Renderer(escape=True), inline=Inline(), plugins=[*plugins, math_but_no_money])
    return lambda text: str(render(legible(text))).rstrip("\n")


def said(text: str, look: Look) -> str:
    return f"<div{look('bubble')}>{escape(legible(text))}</div>" if text else ""


_CELL = Format(
    message=lambda message, content: (
        f"<div{inline('message')}><p><strong>{name_of(message)}</strong></p>\n{content}</div>"
    ),
    said=lambda text: said(text, inline),
    answered=lambda text: markdown(inline)(text),
    aside=lambda text: aside(escape(line(text)), inline),
    link=lambda label, url: aside(link(escape(line(label)), url), inline),
    reasoning=lambda text: reasoning(text, inline),
    file=picture,
)
