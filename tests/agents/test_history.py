"""What the model is told of a conversation, and that no address in it is ever followed."""

import base64
import json

import pytest

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
