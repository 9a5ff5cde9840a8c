"""A turn, seen from the kernel."""

import pytest

from jupyter_durable_chat.notebook.bundle import MIME_TYPE
from tests.notebook.kernel import CellError, Kernel


def test_text_waits_for_the_answer(kernel: Kernel) -> None:
    assert kernel.value("chat.send('30 words at 200 per second', agent='paced').text.split()[-1]") == "w30"


def test_text_in_parts(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('one | part | two')")
    assert kernel.value("turn.text") == "one \n\ntwo "
    assert kernel.value("list(turn)[-1]").endswith("two ")
    assert kernel.value("''.join(turn) == turn.text")


def test_pieces_arrive_exactly_once(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('60 words at 300 per second', agent='paced'); pieces = list(turn)")
    assert kernel.value("len(pieces)") > 3
    assert kernel.value("''.join(pieces) == turn.text")
    assert kernel.value("turn.text.split() == [f'w{n}' for n in range(1, 61)]")
    assert kernel.value("''.join(turn) == turn.text"), "from the start again"


def test_pieces_in_a_coroutine(kernel: Kernel) -> None:
    kernel.run(
        """
        import asyncio
        async def collected(turn):
            return "".join([piece async for piece in turn])
        turn = chat.send("60 words at 300 per second", agent="paced")
        one, two, ticks = await asyncio.gather(collected(turn), collected(turn), asyncio.sleep(0.01, "the loop is free"))
        assert one == two == turn.text and len(one.split()) == 60
        """
    )


def test_leaving_an_iteration_stops_nothing(kernel: Kernel) -> None:
    kernel.run(
        """
        turn = chat.send("20 words at 200 per second", agent="paced")
        for piece in turn:
            break
        async for piece in turn:
            break
        """
    )
    assert kernel.value("len(turn.text.split())") == 20
    assert kernel.value("turn.outcome") == "completed"


def test_an_interrupted_wait_stops_nothing(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('before | wait')")
    waiting = kernel.start("turn.text")
    kernel.until_busy()
    kernel.interrupt()
    with pytest.raises(CellError, match="KeyboardInterrupt"):
        kernel.outputs(waiting)
    assert kernel.value("(chat.status, turn.outcome)") == ("streaming", None)
    assert kernel.value("turn.stop()") is True
    assert kernel.value("turn.text") == "before "


def test_wait_with_a_timeout(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('wait')")
    assert kernel.value("turn.wait(timeout=0.05)") is False
    kernel.run("turn.stop()")
    assert kernel.value("turn.wait(timeout=20)") is True


def test_an_answer_that_fails_at_once(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('fail the provider said no')")
    with pytest.raises(CellError, match="ChatError.*the provider said no"):
        kernel.run("turn.text")
    assert kernel.value("turn.outcome") == "failed"
    assert kernel.value("turn.error['category'], turn.error['recoverable']") == ("provider", True)


def test_an_answer_that_fails_in_the_middle(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('so far | fail the provider broke')")
    assert kernel.value("turn.text") == "so far "
    assert kernel.value("(turn.outcome, turn.error['text'])") == ("failed", "the provider broke")
    assert kernel.value("chat.status") == "failed"


def test_an_answer_that_just_ends(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('half a | cut')")
    assert kernel.value("turn.text") == "half a "
    assert kernel.value("turn.outcome") == "truncated"


def test_a_turn_outlives_its_chat(kernel: Kernel) -> None:
    """A turn is a reader of its own."""
    kernel.run("turn = chat.send('20 words at 200 per second', agent='paced'); chat.close()")
    assert kernel.value("len(turn.text.split())") == 20


def test_the_turns_bundle(kernel: Kernel) -> None:
    kernel.run("chat.send('first').wait(); turn = chat.send('second'); turn.wait()")
    (output,) = kernel.run("turn")
    bundle = output["data"][MIME_TYPE]
    assert bundle["turn"] == kernel.value("turn.id")
    assert [message["parts"][0]["text"] for message in bundle["snapshot"]["messages"]] == ["second", "second "]
    assert bundle["snapshot"]["omitted"] == 2
    assert output["data"]["text/plain"] == "You:\nsecond\n\nAssistant:\nsecond"
    assert bundle["widget"] == output["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    (again,) = kernel.run("turn")
    assert again["data"] == output["data"], "one widget, however often it is shown"
