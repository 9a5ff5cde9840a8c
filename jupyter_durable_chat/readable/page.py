"""A session's shown branch as one HTML file: no script, no network, light and dark, on screen and on paper.

Every text is escaped, and the policy in the page's head says the same again: a browser that keeps to it runs nothing
and fetches nothing, whatever a message holds. The only styles are those of the one sheet, named by its hash.
"""

import hashlib
import json
from base64 import b64encode
from html import escape

from jupyter_durable_chat.readable.document import Document, content_of, moment, sized, speaker
from jupyter_durable_chat.readable.html import aside, link, markdown, picture, reasoning, said
from jupyter_durable_chat.readable.notebook import PICTURES
from jupyter_durable_chat.readable.text import Format, called, clean, line, part_of, write
from jupyter_durable_chat.transcript import JSON

STYLES = """
:root { color-scheme: light dark; --text: #1c1e21; --quiet: #5c6370; --page: #fff; --soft: #f2f3f5; --line: #d8dbe0; --link: #0b57d0; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e6ea; --quiet: #a0a6b1; --page: #17191c; --soft: #24272c; --line: #3a3e45; --link: #8ab4f8; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 1rem/1.55 system-ui, sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
header { border-bottom: 1px solid var(--line); margin-bottom: 2rem; }
header h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
header p, .when, .aside { color: var(--quiet); font-size: .875rem; }
.when { font-weight: normal; margin-left: .5em; }
.message { margin: 0 0 1.75rem; overflow-wrap: anywhere; }
.who { font-size: .875rem; font-weight: 600; margin: 0 0 .4rem; }
.bubble { background: var(--soft); border-radius: .75rem; padding: .6rem .9rem; margin: 0 0 1rem; white-space: pre-wrap; }
h1, h2, h3, h4 { line-height: 1.3; margin: 1.4em 0 .5em; }
.message h1 { font-size: 1.35rem; } .message h2 { font-size: 1.2rem; } .message h3, .message h4 { font-size: 1.05rem; }
p, ul, ol, blockquote, pre, table, details { margin: 0 0 .9rem; }
a { color: var(--link); }
pre, code { font: .875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; tab-size: 4; }
code { background: var(--soft); border-radius: .25rem; padding: .1em .3em; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; overflow-x: auto; }
pre code { background: none; padding: 0; font-size: 1em; }
blockquote { border-left: 3px solid var(--line); margin-left: 0; padding-left: 1rem; color: var(--quiet); }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid var(--line); padding: .3rem .6rem; }
th { background: var(--soft); }
.left { text-align: left; } .center { text-align: center; } .right { text-align: right; }
img { max-width: 100%; height: auto; border-radius: .4rem; background: #fff; }
details { border: 1px solid var(--line); border-radius: .5rem; padding: .45rem .8rem; }
details > summary { cursor: pointer; color: var(--quiet); font-size: .875rem; }
details[open] > summary { margin-bottom: .6rem; }
details > :last-child { margin-bottom: .2rem; }
.label { color: var(--quiet); font-size: .8rem; margin: 0 0 .2rem; }
@page { margin: 18mm; }
@media print {
  :root { color-scheme: light; --text: #000; --quiet: #444; --page: #fff; --soft: #f4f4f4; --line: #bbb; --link: #000; }
  main { max-width: none; padding: 0; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  table { display: table; }
  .bubble, tr, img { break-inside: avoid; }
  .who, h1, h2, h3, h4 { break-after: avoid; }
}
"""  # noqa: E501 (a rule a line)

_HASH = b64encode(hashlib.sha256(STYLES.encode()).digest()).decode()
POLICY = f"default-src 'none'; img-src data:; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def to_page(document: Document) -> str:
    title = escape(document.title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{STYLES}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
<p>{escape(document.about)}</p>
</header>
{write(document.transcript, None, None, _format(document))}
</main>
</body>
</html>
"""


def named(look: str) -> str:
    """For a place that has this module's style sheet."""
    return f' class="{look}"'


def _format(document: Document) -> Format:
    def file(name: str, url: str) -> str:
        return _file(document, name, url)

    format = Format(
        message=_message,
        said=lambda text: said(text, named),
        answered=lambda text: markdown(named)(text),
        aside=lambda text: aside(escape(line(text)), named),
        link=lambda label, url: aside(link(escape(line(label)), url), named),
        reasoning=lambda text: reasoning(text, named),
        file=file,
        call=lambda part: _call(part, format),
    )
    return format


def _message(message: JSON, content_html: str) -> str:
    at = message["metadata"].get("at", "")
    when = f"<span{named('when')}>{escape(moment(at))}</span>" if at else ""
    who = f"<p{named('who')}>{escape(speaker(message))}{when}</p>"
    return f"<article{named('message')}>\n{who}\n{content_html}\n</article>"


def _file(document: Document, name: str, url: str) -> str:
    file = document.files.get(url)
    if file is None:
        return picture(name, url)
    if file.why:
        return aside(escape(line(f"file: {name} ({file.why})")), named)
    data = b64encode(file.data).decode()
    if file.kind in PICTURES:
        return picture(line(name), f"data:{file.kind};base64,{data}")
    # Whatever it is, it is only saved: a page of its own would be shown with this one's permission.
    href = f"data:application/octet-stream;base64,{data}"
    said = f"{line(name)} ({sized(len(file.data))})"
    return f'<p{named("aside")}>file: <a download="{escape(line(name))}" href="{href}">{escape(said)}</a></p>'


def _call(part: JSON, format: Format) -> str:
    """What a tool was asked for and what it gave, for who opens it."""
    inside: list[str] = []
    asked = part.get("input", part.get("rawInput"))
    if asked not in (None, "", {}):
        inside += _block("asked for", _written(asked))
    inside += [part_of(nested, "assistant", format) for nested in part.get("parts", [])]
    content = content_of(part.get("output"))
    for item in content:
        if item["type"] == "text":
            inside += _block("result", item["text"])
        else:
            inside.append(part_of(item, "assistant", format))
    if "output" in part and not content:
        inside += _block("result", _written(part["output"]))
    if not any(inside):
        return ""
    body = "\n".join(filter(None, inside))
    return f"<details>\n<summary>{escape(line(called(part)))}</summary>\n{body}\n</details>"


def _block(label: str, text: str) -> list[str]:
    return [f"<p{named('label')}>{label}</p>", f"<pre><code>{escape(clean(text))}</code></pre>"]


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
