"""Documents: what they hold, and that nothing that was said gets out of its place."""

import json
import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_durable_chat.readable import markup
from jupyter_durable_chat.readable.document import Document, File, to_document
from jupyter_durable_chat.readable.notebook import pieces, to_notebook
from jupyter_durable_chat.readable.page import POLICY, to_page
from jupyter_durable_chat.readable.text import plain
from tests.notebook.test_render import HOSTILE

NOW = "2026-11-28T03:04:05.000Z"
HASH = "0" * 64
PICTURE = {"type": "file", "mediaType": "image/png", "url": f"attachment:{HASH}", "filename": "a.png"}


def document(*messages: dict[str, Any], files: dict[str, File] | None = None, title: str | None = "T") -> Document:
    return Document({"id": "s_1", "lsn": 9, "title": title, "name": "", "messages": list(messages)}, files or {}, NOW)


def asked(text: str = "?", *parts: Any, **metadata: Any) -> dict[str, Any]:
    said = {"type": "text", "text": text, "state": "done"}
    about = {"at": "2026-11-28T03:00:00.000Z", **metadata}
    return {"id": "m_1", "role": "user", "parts": [said, *parts], "metadata": about}


def answered(*parts: Any, **metadata: Any) -> dict[str, Any]:
    said = [{"type": "text", "text": part, "state": "done"} if isinstance(part, str) else part for part in parts]
    return {"id": "m_2", "role": "assistant", "parts": said, "metadata": {"outcome": "completed", **metadata}}


def call(**about: Any) -> dict[str, Any]:
    return {"type": "dynamic-tool", "toolName": "look", "toolCallId": "k", "state": "output-available", **about}


def test_a_document_in_markdown() -> None:
    ada = asked("What is *it*?", PICTURE, author={"username": "ada", "name": "Ada\n# L."})
    said = answered(call(input={"a": 1}, output="much"), "# It\n\n```\nx", model="openai:gpt-5")
    assert to_document(document(ada, said, title="A *title*\n# B")) == (
        "# A \\*title\\* # B\n\n*2 messages, exported 2026-11-28 03:04 UTC*\n\n"
        "## Ada # L.\n\nWhat is *it*?\n\n*file: a.png*\n\n"
        "## Assistant (openai:gpt-5)\n\n*tool look: done*\n\n# It\n\n```\nx\n```\n"
    )


def test_how_an_answer_ended_is_said_everywhere() -> None:
    ended = document(asked(), answered("So", outcome=None), answered("far", outcome="interrupted"), title=None)
    for text in (to_document(ended), to_page(ended), json.dumps(to_notebook(ended))):
        assert "still answering" in text and "the server ended in the middle of the answer" in text
        assert "Chat" in text


class Seen(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


HEAD = Seen(to_page(document()))


INSIDE = {"a", "article", "blockquote", "br", "code", "del", "details", "div", "em", "hr", "img", "input", "li", "ol"}
INSIDE |= {"p", "pre", "span", "strong", "summary", "ul", "table", "tbody", "td", "th", "thead", "tr"}
INSIDE |= {f"h{level}" for level in range(1, 7)}
PLAIN = {"alt", "checked", "class", "disabled", "download", "href", "rel", "src", "start", "target", "title", "type"}
ADDRESSES = ("http://", "https://", "data:image/png;base64,", "data:application/octet-stream;base64,")


def harmless(page: str) -> bool:
    """Whether there is nothing in it but the head of every page, and elements that only show."""
    seen = Seen(page)
    heads = all(seen.tags.count(tag) == HEAD.tags.count(tag) for tag in set(HEAD.tags) - INSIDE)
    addresses = [value for _, name, value in seen.attributes if name in ("href", "src")]
    names = {name for tag, name, _ in seen.attributes if tag in INSIDE}
    known = all(address.startswith(ADDRESSES) for address in addresses)
    return heads and known and names <= PLAIN and set(seen.tags) <= INSIDE | set(HEAD.tags)


def everywhere(text: str) -> Document:
    """A text in every place that somebody else fills."""
    inside = call(toolName=text, input={text: text}, output={"content": [{"type": "text", "text": text}]})
    file = {"type": "file", "mediaType": "a/b", "url": f"attachment:{HASH}", "filename": text}
    source = {"type": "source-url", "sourceId": "1", "url": text, "title": text}
    failed = call(state="output-error", errorText=text, rawInput=text, parts=[inside, {"type": "text", "text": text}])
    return document(
        asked(text, file, {"type": "data-cell", "data": {"label": text}}, author={"username": text}),
        answered(
            {"type": "reasoning", "text": text},
            text,
            inside,
            call(output=[text]),
            failed,
            source,
            file,
            {"type": "file", "mediaType": "image/png", "url": text, "filename": text},
            model=text,
            outcome="failed",
            error={"category": "provider", "text": text, "recoverable": False},
        ),
        title=text,
        files={f"attachment:{HASH}": File("text/html", text.encode("utf-8", "replace"))},
    )


@pytest.mark.parametrize("text", [*HOSTILE, "</style><script>x</script>", "</title><script>x</script>", "--><b>"])
def test_nothing_gets_out_of_a_page(text: str) -> None:
    assert harmless(to_page(everywhere(text)))
    nbformat.validate(to_notebook(everywhere(text)))
    assert "\n# " not in to_document(everywhere(text)).partition("\n")[2].replace(f"\n{text}\n", "")


@given(st.lists(st.sampled_from([*HOSTILE, *"<>\"'&`*_~|[]()!#-$\\\n \t", "```python\n", "```", "a"]), max_size=12))
def test_nothing_gets_out_of_a_page_whatever_it_is(texts: list[str]) -> None:
    assert harmless(to_page(everywhere("".join(texts))))
    nbformat.validate(to_notebook(everywhere("".join(texts))))


def test_a_page_forbids_what_it_does_not_have() -> None:
    page = to_page(document(asked(), answered("x")))
    assert "default-src 'none'" in POLICY and "unsafe" not in POLICY and "script-src" not in POLICY
    assert "style=" not in page and "<script" not in page and "http-equiv" in page
    assert page.index("Content-Security-Policy") < page.index("<style>") < page.index("<body>")


def test_what_is_long_is_closed_in_a_page() -> None:
    thought = {"type": "reasoning", "text": "Hm, *yes*."}
    looked = call(input={"path": "a.csv"}, output={"content": [{"type": "text", "text": "1,2"}, PICTURE]})
    files = {PICTURE["url"]: File("image/png", b"png")}
    page = to_page(document(asked(), answered(thought, looked, "So."), files=files))
    assert "<details><summary>Reasoning</summary>\n<p>Hm, <em>yes</em>.</p></details>" in page
    assert "<summary>tool look: done</summary>" in page
    assert "&quot;path&quot;: &quot;a.csv&quot;" in page and ">1,2<" in page
    assert '<img alt="a.png" src="data:image/png;base64,cG5n">' in page


def test_other_files_are_only_saved_from_a_page() -> None:
    html = {**PICTURE, "mediaType": "text/html", "filename": "x.html"}
    page = to_page(document(asked("?", html), files={PICTURE["url"]: File("text/html", b"<script>")}))
    assert '<a download="x.html" href="data:application/octet-stream;base64,PHNjcmlwdD4=">x.html (8 bytes)</a>' in page


def test_a_notebook() -> None:
    text = 'Try:\n\n```python title="x"\nprint(1)\n\n```\n\nor\n\n```js\nlet x\n```\n'
    notebook = nbformat.from_dict(to_notebook(document(asked(), answered(text, model="m"))))
    nbformat.validate(notebook)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells[1:]] == [
        ("markdown", "**You**\n\n?"),
        ("markdown", "**Assistant (m)**\n\nTry:"),
        ("code", "print(1)\n"),
        ("markdown", "or\n\n```js\nlet x\n```"),
    ]


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a", [(False, "a")]),
        ("", []),
        ("```py\n1\n```", [(True, "1")]),
        ("```Python\n1", [(True, "1")]),
        ("~~~{python}\n```\n~~~ x\n~~~\nb", [(True, "```\n~~~ x"), (False, "b")]),
        ("````python\n```\n````", [(True, "```")]),
        ("```\n```python\n```", [(False, "```\n```python\n```")]),
        ("```pycon\n>>> 1\n```", [(False, "```pycon\n>>> 1\n```")]),
        ("```python-repl\n>>> 1\n```", [(False, "```python-repl\n>>> 1\n```")]),
        ("1. a\n   ```python\n   1\n   ```", [(False, "1. a\n   ```python\n   1\n   ```")]),
        ("> ```python\n> 1\n> ```", [(False, "> ```python\n> 1\n> ```")]),
        ("```python `x`\n1", [(False, "```python `x`\n1")]),
    ],
)
def test_what_of_an_answer_is_a_code_cell(text: str, cut: list[tuple[bool, str]]) -> None:
    assert list(pieces(text)) == cut


lines = st.sampled_from(["```python", "```", "~~~", "```js", "x", "", "  y", "````py", "````"])


@given(st.lists(lines, max_size=20))
def test_no_line_of_an_answer_is_lost(rows: list[str]) -> None:
    kept = [row for _, text in pieces("\n".join(rows)) for row in text.split("\n") if row.strip()]
    left = [row for row in rows if row.strip()]
    fences = {"```python", "````py", "```", "````", "~~~"}
    assert [row for row in kept if row not in fences] == [row for row in left if row not in fences]


def test_pictures_are_attachments_of_their_cells() -> None:
    files = {PICTURE["url"]: File("image/png", b"png")}
    notebook = to_notebook(document(asked("look", PICTURE), files=files))
    nbformat.validate(notebook)
    assert notebook["cells"][1]["source"] == f"**You**\n\nlook\n\n![a.png](attachment:{HASH}.png)"
    assert notebook["cells"][1]["attachments"] == {f"{HASH}.png": {"image/png": "cG5n"}}


def test_a_long_row_holds_nobody_up() -> None:
    """A pattern is one call, in which no other thread runs: a row of any length costs some looks at it."""
    row = "words of an answer that goes on and on "
    text = row * 10_000
    assert (
        markup.harmless(text) == text.rstrip(" ") + " "
        and to_document(document(answered(text))).count(row[:-1]) == 10_000
    )
    assert seconds(lambda: markup.harmless(text)) < 15 * seconds(lambda: plain(text))


def seconds(call: Callable[[], Any]) -> float:
    """Of this thread alone, the least of some times."""
    taken: list[float] = []
    for _ in range(5):
        begun = time.thread_time()
        call()
        taken.append(time.thread_time() - begun)
    return min(taken)
