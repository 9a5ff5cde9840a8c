"""What somebody means harm by costs no more than its length: no time that grows with the square of it.

Measured in the time of this thread alone, whatever else runs on the machine; a text eight times as long may take eight
times as long, and some more, where the square would be sixty-four.
"""

import gc
import time
from collections.abc import Callable
from typing import Any

import pytest

from jupyter_durable_chat.agents import demo, failure, history, title
from jupyter_durable_chat.log.words import words_of
from jupyter_durable_chat.outputs import _DATA_URL
from jupyter_durable_chat.readable import html, markup, text, unseen
from jupyter_durable_chat.readable.html import LONGEST, inline, link, markdown
from jupyter_durable_chat.server.handler import TYPED

SHORT, TIMES, MOST = 700, 8, 24.0

UNNOTICED = 0.003
"""Seconds of which nobody takes notice, and in which chance is most of what is measured."""

PIECES = (
    *("a", " ", "\t", "\n", "\\", "`", "``", "```\n", "~~~\n", "*", "**", "_", "~~", "[", "]", "[](", "![", "![a]("),
    *("[a](b", "](", "(", "<", "<a ", "</", "<!--", "<?", "&", "$", "$$", "$a", "$ ", "|", "| |\n", "- ", "- - "),
    *("1. ", "> ", "#", "# ", "=\n", "x\n", "\n\n", "\n ", "    x\n", "www.", "http://", "a@a", "a.", "\\`", "`a"),
    *("a*", "*a", "*a ", "_a ", "~~a ", "[a", "[a]:", "[^a]", "\u200d", "\u202e", "a\u0301", "1", "1,", "1 ", "sk-"),
    *("aA1-", "*** ", "://", "%%a\n", " \n", "use `a` ", "\\(", "[[", "[![", "<https://", "- [ ] ", "q=", "&q=", "a/"),
    *(";a", "+", "? "),
)  # fmt: skip

READ: dict[str, Callable[[str], Any]] = {
    "title": lambda said: title.title_of([{"role": "user", "parts": [{"type": "text", "text": said}]}]),
    "line": lambda said: title.line_of(said, 80),
    "words in a line": lambda said: title.words_of(said, 200),
    "title of a model": title.as_title,
    "words to be searched for": words_of,
    "Markdown that is saved": markup.harmless,
    "text that is saved": markup.legible,
    "one line of it": text.line,
    "without control characters": text.clean,
    "what is not seen": unseen.named,
    "HTML": markdown(inline),
    "a link": lambda said: link(html.escape(said), "https://a.example/"),
    "where it leads": lambda said: link("a", f"https://a.example/{said}"),
    "a picture": lambda said: html.picture("a", f"data:image/png;base64,{said}"),
    "a file of a result": lambda said: _DATA_URL.fullmatch(f"data:{said}"),
    "a file of a message": lambda said: history._from_data(f"data:{said}"),
    "its type": lambda said: history.TEXTS.match(f"application/{said}"),
    "an error of a provider": lambda said: failure._clean(said, failure.Asked("m", "", [])),
    "what a provider calls too long": failure.TOO_LONG.search,
    "the demo's greeting": demo.GREETS.match,
    "the demo's calls": demo.USE.findall,
    "the demo's numbers": demo.LIST.findall,
    "an address in the log": lambda said: TYPED.sub("", f"/a?{said}"),
}


def seconds(read: Callable[[str], Any], said: str, rounds: int = 1) -> float:
    """The least of these rounds. What collecting the garbage of all tests before takes is not told."""
    gc.disable()
    try:
        took: list[float] = []
        for _ in range(rounds):
            began = time.thread_time()
            read(said)
            took.append(time.thread_time() - began)
        return min(took)
    finally:
        gc.enable()


@pytest.mark.parametrize("name", READ)
def test_no_text_takes_the_square_of_its_length(name: str) -> None:
    read = READ[name]
    read("")
    slow: list[str] = []
    for piece in PIECES:
        for begin, end in (("", ""), ("[x", "!\n>\x01")):
            short, long = (begin + piece * (size // len(piece)) + end for size in (SHORT, SHORT * TIMES))
            if seconds(read, long) <= UNNOTICED:
                continue
            for rounds in (3, 30):  # who looks slow is looked at again: chance is less in the least of many
                before, took = (seconds(read, said, rounds) for said in (short, long))
                if took <= max(UNNOTICED, MOST * before):
                    break
            else:
                slow.append(f"{begin + piece!r}…: {before * 1000:.1f} ms, then {took * 1000:.1f} ms")
    assert not slow


def test_no_marks_are_looked_for_in_a_paragraph_that_nobody_writes() -> None:
    html = markdown(inline)
    assert "<a " in html("x" * (LONGEST - 100) + " [a](https://a.example) <b>")
    long = html("x" * LONGEST + " [a](https://a.example) <b>")
    assert "<a " not in long and long.endswith("[a](https://a.example) &lt;b&gt;</p>")
    assert html(long).count("<p>") == 1
