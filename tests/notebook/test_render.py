"""What viewers that run nothing are given: the browser's words, and HTML that can do no harm."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import mistune
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_durable_chat import events
from jupyter_durable_chat.notebook.bundle import MIME_TYPE, SNAPSHOT_BYTES, chat_bundle, limited, output
from jupyter_durable_chat.readable.html import to_html
from jupyter_durable_chat.readable.markup import harmless as harmless_markdown
from jupyter_durable_chat.readable.text import text_of, to_markdown, to_text

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "static" / "static.json").read_text())

INLINE = {"a", "br", "code", "del", "em", "input", "span", "strong"}
BLOCKS = {"blockquote", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"}
TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
TAGS = INLINE | BLOCKS | TABLES


class Seen(HTMLParser):
    """The tags, attributes and texts of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def transcript(*texts: str, **more: Any) -> dict[str, Any]:
    """Turns of a question and an answer each; the texts alternate."""
    messages = [
        {
            "id": f"m_{place}",
            "role": "assistant" if place % 2 else "user",
            "parts": [{"type": "text", "text": text, "state": "done"}],
            "metadata": {"turn": f"t_{place // 2}"} | ({"outcome": "completed"} if place % 2 else {}),
        }
        for place, text in enumerate(texts)
    ]
    told = {"others": [], "queue": [], "held": None, "removed": [], "offers": []}
    return {"id": "s_1", "lsn": 9, "messages": messages, **told, **more}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_the_browser_writes_the_same(vector: dict[str, Any]) -> None:
    assert to_markdown(vector["transcript"], vector["turn"]) == vector["markdown"]
    assert to_text(vector["transcript"], vector["turn"]) == vector["plain"]


def test_html_of_an_answer() -> None:
    html = to_html(transcript("a < b?\nSure?", "# Yes\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n`a<b` $a_1 * b_1$"))
    seen = Seen(html)
    assert {"h1", "table", "td", "code"} <= seen.tags
    assert "a < b?\nSure?" in seen.text and "a<b" in seen.text
    assert r"\(a_1 * b_1\)" in seen.text, "math is left to the page's MathJax"


def test_html_of_money() -> None:
    assert "from $5 to $6 a day" in Seen(to_html(transcript("", "from $5 to $6 a day"))).text


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\nscript:alert(1))",
    "![x](https://tracker.example/pixel.png)",
    "![x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](data:text/html,<script>alert(1)</script>)",
    '[x](https://example.org/"onmouseover="alert(1))',
    '[x](https://example.org "title\\" onclick=alert(1)")',
    "<https://example.org/'onclick='alert(1)>",
    "```x onclick=alert(1)\n</code></pre><script>alert(1)</script>\n```",
    "$$</div><script>alert(1)</script>$$",
    "$$\n</div><script>alert(1)</script>\n$$",
    "a $</span><script>alert(1)</script>$ b",
    "[x]: javascript:alert(1)\n\n[x]",
    "<iframe src=https://example.org></iframe>",
    "| <b onclick=a> |\n|--|\n| <svg/onload=alert(1)> |",
    "- [ ] <input autofocus onfocus=alert(1)>",
]


def harmless(html: str) -> bool:
    seen = Seen(html)
    return seen.tags <= TAGS and all(
        name in ("class", "rel", "style", "type", "disabled", "checked", "target", "title", "start")
        or (name == "href" and (value or "").startswith(("http://", "https://")))
        for name, value in seen.attributes
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_html_lets_nothing_through(text: str) -> None:
    assert harmless(to_html(transcript(text, text), notice=text))


pieces = st.sampled_from(
    [*HOSTILE, *"<>\"'&`*_~|[]()!#-$\\\n \t", "onclick=", "javascript:", "http://", "a", "```", "$$"]
)


@given(st.lists(pieces, max_size=12).map("".join))
def test_html_of_anything_is_harmless(text: str) -> None:
    assert harmless(to_html(transcript("", text)))


CODE_MARKS = [
    "`",
    "``",
    "```",
    "~~~",
    "- ```",
    "\n  ```\n",
    "\n    ```\n",
    "https://e.example/`",
    "<https://e.example/`>",
]
AROUND = ["\n", "\n\n", "  ", "    ", "\t", "- ", "1. ", "> ", "| ` | ", "|---|---|\n", "$", "\\", "!", "a"]
LINKED = ["![x](https://e.example/x)", "![x]", "\n[x]: https://e.example/x\n", "[a](", "](https://e.example)"]
TAGGED = ["<", ">", "<div>", "<!--", "<img src=https://e.example>", "<img\nsrc=x>", "<script>"]
markup = st.sampled_from([*CODE_MARKS, *AROUND, *LINKED, *TAGGED])
believing = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "task_lists", "url", "math"])


@given(st.lists(markup, max_size=16).map("".join))
def test_markdown_fetches_nothing_in_a_viewer_that_believes_it(text: str) -> None:
    html = str(believing(harmless_markdown(text)))
    assert not re.search(r"<(?:img|script)|<!--", html), html


@pytest.mark.parametrize("piece", ["![", "`", "<a ", "- ", "` ", "://`", "\\", "!", "```\n", "](", "\u202e"])
def test_markdown_of_anything_is_written_soon(piece: str) -> None:
    assert harmless_markdown(piece * 50_000)


def test_html_names_what_is_not_to_be_seen() -> None:
    html = to_html(transcript("x\u202e", "a\u202eb `c\u200bd`\n\n```\ne\u2066f\n```"))
    text = Seen(html).text
    assert all(name in text for name in ("x[U+202E]", "a[U+202E]b", "c[U+200B]d", "e[U+2066]f"))


PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    ("markdown", "said"),
    [
        ("[https://bank.example](https://evil.example/a)", "https://bank.example (evil.example)"),
        ("[bank.com](https://evil.example)", "bank.com (evil.example)"),
        ("<https://bank.example:x@evil.example>", "https://bank.example:x@evil.example (evil.example)"),
        ("[www.bank.com](https://bank.com.evil.example)", "www.bank.com (bank.com.evil.example)"),
        ("[bank](https://xn--bnk-6cd.example)", "bank (xn--bnk-6cd.example)"),
        ("[https://ok.example/a](https://ok.example/a)", "https://ok.example/a"),
        ("[pandas.DataFrame](https://ok.example)", "pandas.DataFrame"),
    ],
)
def test_a_link_says_where_it_leads_if_its_words_say_otherwise(markdown: str, said: str) -> None:
    html = to_html(transcript("", markdown))
    assert f">{said}</a>" in html
    assert 'href="https://bank.example' not in html


def test_html_of_pictures_and_reasoning() -> None:
    conversation = transcript("look", "I see.")
    conversation["messages"][0]["parts"].append({"type": "file", "mediaType": "image/png", "url": PIXEL})
    conversation["messages"][1]["parts"].insert(0, {"type": "reasoning", "text": "It is *red*."})
    html = to_html(conversation)
    assert f'<img alt="image/png" src="{PIXEL}">' in html
    assert "<summary>Reasoning</summary>" in html and "<em>red</em>" in html
    assert "red" not in to_markdown(conversation), "thoughts are for who opens them"


@pytest.mark.parametrize(
    "url", ["https://tracker.example/a.png", "data:image/svg+xml;base64,AAAA", PIXEL + '"onload="a']
)
def test_html_shows_no_other_picture(url: str) -> None:
    conversation = transcript("look")
    conversation["messages"][0]["parts"].append({"type": "file", "mediaType": "image/png", "url": url})
    assert harmless(to_html(conversation))


def question(text: str, turn: str) -> dict[str, Any]:
    part = {"type": "text", "text": text, "state": "done"}
    return {"id": f"m_{turn}", "role": "user", "parts": [part], "metadata": {"turn": turn, "queued": 8}}


def test_a_question_that_waits_is_in_its_own_cell() -> None:
    conversation = transcript("one?", "one", queue=[question("two?", "t_1")])
    assert to_text(conversation, "t_1") == "You:\ntwo?\n\n[waits for its turn]"
    assert "two?" not in to_text(conversation)
    assert "queue is held" in to_text({**conversation, "held": "stopped"}, "t_1")
    kept = limited(conversation, "t_1")
    assert to_text(kept, "t_1") == to_text(conversation, "t_1")
    assert (kept["messages"], len(limited(conversation, "t_0")["queue"])) == ([], 0)
    assert "waits for its turn" in to_html(conversation, "t_1")


def test_a_question_that_was_removed_says_so_in_its_own_cell() -> None:
    conversation = transcript("one?", "one", removed=[question("two?", "t_1"), question("three?", "t_2")])
    assert to_text(limited(conversation, "t_1"), "t_1") == "You:\ntwo?\n\n[removed from the queue]"


def test_a_cell_keeps_its_turn_when_another_branch_is_shown() -> None:
    everything = transcript("one?", "one", "other?", "other")["messages"]
    conversation = transcript(others=everything[:2], messages=everything[2:])
    assert to_text(conversation) == "You:\nother?\n\nAssistant:\nother"
    assert to_text(conversation, "t_0") == "You:\none?\n\nAssistant:\none"
    assert to_text(limited(conversation, "t_0"), "t_0") == to_text(conversation, "t_0")


def test_a_second_answer_comes_with_its_question() -> None:
    conversation = transcript("one?", "one")
    question, first = conversation["messages"]
    first["metadata"]["parent"] = question["id"]
    again = {**first, "id": "m_again", "metadata": {**first["metadata"], "turn": "t_1"}}
    conversation |= {"messages": [question, again], "others": [first]}
    assert to_text(conversation, "t_0") == to_text(conversation, "t_1") == "You:\none?\n\nAssistant:\none"


def test_a_continued_answer_is_of_all_its_turns() -> None:
    conversation = transcript("one?", "one")
    conversation["messages"][1]["metadata"] |= {
        "turn": "t_9",
        "parent": "m_0",
        "continued": [{"turn": "t_0", "lsn": 3}],
    }
    assert to_text(conversation, "t_0") == to_text(conversation, "t_9") == to_text(conversation)


def test_what_is_not_shown_is_not_saved() -> None:
    everything = transcript("one?", "one", "other?", "other")["messages"]
    waiting, removed = question("later", "t_2"), question("x" * 300_000, "t_3")
    kept = limited(transcript(messages=everything[:2], others=everything[2:], queue=[waiting], removed=[removed]), None)
    assert (kept["others"], kept["queue"], kept["removed"]) == ([], [waiting], [])
    assert "omitted" not in kept
    assert limited(transcript("one?", queue=[removed]), None)["queue"] == [], "small whatever waits"


def test_only_the_turns_messages() -> None:
    both = transcript("one?", "one", "two?", "two")
    text = to_text(both, "t_1")
    assert "two?" in text and "one" not in text


def test_a_notice_comes_before_what_there_is() -> None:
    assert to_text(None, None, "No server.") == "[No server.]"
    assert to_text(transcript("a"), None, "No server.") == "[No server.]\n\nYou:\na"


def test_text_of_a_message_in_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "step-start"}, {"type": "text", "text": ""}]
    assert text_of({"parts": [*parts, {"type": "text", "text": "b"}]}) == "a\n\nb"


def test_a_large_conversation_is_cut_visibly() -> None:
    long = transcript(*(f"{place} " + "x" * 1000 for place in range(20)))
    kept = limited(long, None, limit=5000)
    assert len(events.to_json(kept)) <= 5000 + len(',"omitted":16')
    assert kept["messages"] == long["messages"][-len(kept["messages"]) :]
    assert kept["omitted"] == 20 - len(kept["messages"]) > 0
    assert to_text(kept).startswith(f"[{kept['omitted']} earlier messages are left out]\n\nYou:\n")
    assert len(long["messages"]) == 20


@pytest.mark.parametrize("turn", [None, "t_0"])
def test_what_alone_would_be_too_large_is_cut_where_one_sees_it(turn: str | None) -> None:
    long = 'é"\n' * 100_000
    conversation = transcript("Why?", long)
    conversation["messages"][1]["parts"].append({"type": "reasoning", "text": long, "state": "done"})
    kept = limited(conversation, turn)
    assert len(events.to_json(kept)) <= SNAPSHOT_BYTES + len(',"omitted":1')
    said, note = (part["text"] for part in kept["messages"][-1]["parts"])
    assert len(said) > 40_000 and long.startswith(said)
    assert note == f"[cut: {len(said.encode())} of 400000 bytes]"
    assert to_text(kept, turn).endswith(f"\n\n{note}")
    assert ("Why?" in to_text(kept, turn)) is (turn is not None), "a turn shows its question, too"
    assert conversation["messages"][1]["parts"][0]["text"] == long


def test_a_call_that_alone_would_be_too_large_leaves_its_message() -> None:
    conversation = transcript("Why?", "So.")
    conversation["messages"][1]["parts"].append({"type": "data-x", "data": "x" * 300_000})
    assert to_text(limited(conversation, "t_0")) == "You:\nWhy?\n\nAssistant:\nSo.\n\n[cut]"


def test_one_message_left_out() -> None:
    assert "1 earlier message is left out" in to_markdown(limited(transcript("x" * 900, "y"), None, limit=400))


def test_a_turns_snapshot_has_its_messages_only() -> None:
    kept = limited(transcript("one?", "one", "two?", "two"), "t_0")
    assert [message["id"] for message in kept["messages"]] == ["m_0", "m_1"]
    assert kept["omitted"] == 2
    assert "left out" not in to_text(kept, "t_0")


def test_a_small_conversation_is_whole() -> None:
    assert limited(transcript("a", "b"), None) == {**transcript("a", "b"), "shares": []}


def test_a_bundle_without_a_session() -> None:
    bundle = chat_bundle(None, session=None, notice="No server.")
    assert bundle == {"session": None, "turn": None, "lsn": 0, "snapshot": None, "widget": None, "notice": "No server."}
    assert output(bundle) == {
        MIME_TYPE: bundle,
        "text/html": to_html(None, None, "No server."),
        "text/markdown": "*No server.*",
        "text/plain": "[No server.]",
    }
