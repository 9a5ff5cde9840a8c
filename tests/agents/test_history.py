"""What the model is told of a conversation, and that no address in it is ever followed."""

import base64
import json
from typing import Any

import pytest

from jupyter_durable_chat.agents import AgentError, Host, Verdict
from tests.agents.asking import CHAT, agent_at, ask, assistant, user
from tests.agents.raw import DIALECTS, RawProvider, says

HELLO = (*DIALECTS["chat"].hello, *DIALECTS["chat"].finish)
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def file(url: str, **more: str) -> dict[str, str]:
    return {"type": "file", "mediaType": "image/png", "url": url, **more}


async def told(*messages: dict) -> list[dict]:
    async with RawProvider(says(*HELLO)) as provider:
        await ask(agent_at(provider.url), messages, CHAT)
        (request,) = provider.requests
    sent = json.loads(request.partition(b"\r\n\r\n")[2])["messages"]
    assert sent[0]["role"] == "system"
    return sent[1:]


async def test_reasoning_and_steps_are_not_repeated_to_the_model() -> None:
    answer = assistant("It is 42.")
    answer["parts"][1:1] = [{"type": "reasoning", "text": "Hm.", "state": "done"}]

    assert await told(user("What is it?"), answer, user("Why?")) == [
        {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": "It is 42."},
        {"role": "user", "content": "Why?"},
    ]


async def test_an_answer_that_was_stopped_before_its_first_word_is_left_out() -> None:
    sent = await told(user("What is it?"), assistant(""), user("Well?"))

    assert [message["role"] for message in sent] == ["user", "user"]


async def test_an_unfinished_answer_is_to_be_gone_on_with() -> None:
    answer = assistant("The mean is 6, and the med")
    call = {
        "type": "dynamic-tool",
        "toolName": "look",
        "toolCallId": "c",
        "state": "output-error",
        "errorText": "stopped",
    }
    answer["parts"] += [{"type": "reasoning", "text": "Hm.", "state": "done"}, call]

    *before, last = await told(user("What is it?"), answer)

    assert before == [
        {"role": "user", "content": "What is it?"},
        {"role": "assistant", "content": "The mean is 6, and the med"},
    ]
    assert last["role"] == "user"
    assert "exactly there" in last["content"] and "'The mean is 6, and the med'" in last["content"]


@pytest.mark.parametrize("begun", ["", " \n"])
async def test_an_answer_without_a_word_is_asked_for_anew(begun: str) -> None:
    assert await told(user("What is it?"), assistant(begun)) == [{"role": "user", "content": "What is it?"}]


async def test_a_file_is_sent_when_its_bytes_are_there() -> None:
    (sent,) = await told(user("What is this?", file(PIXEL)))

    assert sent["content"][1]["image_url"]["url"] == PIXEL


async def test_an_address_is_neither_followed_nor_passed_on() -> None:
    async with RawProvider(says("secret")) as inside:
        addresses = (f"{inside.url}/admin", "file:///etc/passwd", "data:nonsense", "//169.254.169.254/latest")
        (sent,) = await told(user("Read these", *(file(url, filename="report.png") for url in addresses)))

        assert inside.requests == []
    assert len(sent["content"]) == 5
    assert all(
        part == {"type": "text", "text": "[A file that could not be sent: report.png]"} for part in sent["content"][1:]
    )


async def test_other_parts_of_a_message_are_for_people() -> None:
    (sent,) = await told(user("Hello", {"type": "data-cell", "data": {"id": 3}}, {"type": "file"}, {"type": 7}, {}))

    assert sent == {"role": "user", "content": "Hello"}


# Attachments


class Shelf(Host):
    """Files by their address, as the server keeps them."""

    def __init__(self, **files: tuple[bytes, str]) -> None:
        self._files = {f"attachment:{name}": file for name, file in files.items()}

    async def attachment(self, url: str) -> tuple[bytes, str]:
        if url not in self._files:
            raise AgentError("internal", "It is gone.")
        return self._files[url]

    async def approval(self, approval_id: str) -> Verdict:
        raise NotImplementedError


PNG = b"\x89PNG\r\n\x1a\n"

SHELF = Shelf(
    png=(PNG, "image/png"),
    pdf=(b"%PDF-1.4", "application/pdf"),
    csv=(b"a,b\n1,2\n", "text/csv"),
    notebook=(b'{"cells": []}', "application/x-ipynb+json"),
    big=(b"x" * 250_000, "text/plain"),
    zip=(b"PK", "application/zip"),
    svg=(b"<svg/>", "image/svg+xml"),
)


async def attached(name: str, dialect: str = "chat", host: Host | None = SHELF) -> Any:
    """The parts of a question with this attachment, as the provider is sent them."""
    part = {"type": "file", "mediaType": "x/y", "url": f"attachment:{name}", "filename": f"my.{name}"}
    spoken = DIALECTS[dialect]
    async with RawProvider(says(*spoken.hello, *spoken.finish)) as provider:
        await ask(agent_at(provider.url), [user("Look", part)], spoken.model, host=host)
        (request,) = provider.requests
    body = json.loads(request.partition(b"\r\n\r\n")[2])
    (question,) = (body.get("messages") or body.get("input") or body.get("contents"))[-1:]
    return question.get("content") or question["parts"]


IMAGES = {
    "chat": {"type": "image_url", "image_url": {"url": PIXEL}},
    "responses": {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
    "anthropic": {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": PIXEL.partition(",")[2]},
    },
    "gemini": {"inlineData": {"data": PIXEL.partition(",")[2], "mime_type": "image/png"}},
    "ollama": {"type": "image_url", "image_url": {"url": PIXEL}},
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_attached_image_is_seen(dialect: str) -> None:
    assert (await attached("png", dialect))[1] == IMAGES[dialect]


@pytest.mark.parametrize("dialect", ["responses", "anthropic", "gemini"])
async def test_an_attached_pdf_is_read(dialect: str) -> None:
    assert base64.b64encode(b"%PDF-1.4").decode() in json.dumps((await attached("pdf", dialect))[1])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("csv", "[File: my.csv]\na,b\n1,2\n"),
        ("notebook", '[File: my.notebook]\n{"cells": []}'),
        ("zip", "[A file that this model cannot read: my.zip, application/zip, 2 bytes]"),
        ("svg", "[A file that this model cannot read: my.svg, image/svg+xml, 6 bytes]"),
        ("gone", "[A file that could not be sent: my.gone]"),
    ],
)
async def test_other_attachments_are_told_in_words(name: str, told: str) -> None:
    assert (await attached(name))[1] == {"type": "text", "text": told}


async def test_a_long_text_is_cut_and_says_so() -> None:
    told = (await attached("big"))[1]["text"]
    assert told.startswith("[File: my.big]\nxxx") and told.endswith(
        "[Cut: 250000 bytes, of which these are the first 200000]"
    )
    assert told.count("x") == 200_000


async def test_without_a_host_an_attachment_is_named() -> None:
    assert (await attached("png", host=None))[1]["text"] == "[A file that could not be sent: my.png]"


async def test_cells_and_variables_are_told_as_text() -> None:
    cell = {"type": "data-cell", "data": {"label": "Cell 3", "text": "df.head()"}}
    variable = {"type": "data-variable", "data": {"text": "3 rows"}}
    (sent,) = await told(user("Why?", cell, variable))
    assert [part["text"] for part in sent["content"]] == ["Why?", "[Cell 3]\ndf.head()", "[variable]\n3 rows"]


async def test_a_figure_that_a_call_made_is_seen() -> None:
    output = {
        "content": [
            {"type": "text", "text": "Drawn."},
            {"type": "file", "mediaType": "image/png", "url": "attachment:png"},
        ]
    }
    call = {"type": "dynamic-tool", "toolName": "plot", "toolCallId": "c", "state": "output-available", "input": {}}
    answer = assistant("There.")
    answer["parts"][:0] = [{"type": "step-start"}, call | {"output": output}]
    spoken = DIALECTS["anthropic"]
    async with RawProvider(says(*spoken.hello, *spoken.finish)) as provider:
        await ask(agent_at(provider.url), [user("Plot"), answer, user("Well?")], spoken.model, host=SHELF)
        (request,) = provider.requests
    (result,) = json.loads(request.partition(b"\r\n\r\n")[2])["messages"][2]["content"]
    assert result["content"] == [{"type": "text", "text": "Drawn."}, IMAGES["anthropic"]]
