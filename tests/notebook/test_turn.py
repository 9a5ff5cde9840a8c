"""A turn, seen from the kernel."""

import time
from collections.abc import Callable

import pytest

from jupyter_durable_chat.notebook.bundle import MIME_TYPE
from tests.browser.jupyter import Jupyter
from tests.notebook.kernel import CellError, Kernel


def test_text_waits_for_the_answer(kernel: Kernel) -> None:
    assert kernel.value("chat.send('30 words at 200 per second', agent='paced').text.split()[-1]") == "w30"


def test_text_in_parts(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('one | part | two')")
    assert kernel.value("turn.text") == "one \n\ntwo "
    assert kernel.value("list(turn)[-1]").endswith("two ")
    assert kernel.value("''.join(turn) == turn.text")


def test_pieces_arrive_exactly_once(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('60 words at 20 per second', agent='paced'); pieces = list(turn)")
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
        one, two = await asyncio.gather(collected(turn), collected(turn))
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


def test_who_waits_in_a_cell_is_not_told_elsewhere(
    kernel: Kernel, jupyter: Jupyter, demand: Callable[[], None]
) -> None:
    session = kernel.value("chat.session")
    waiting = kernel.start("text = chat.send('30 words at 10 per second, the last 20 on demand', agent='paced').text")
    while not jupyter.api("durable-chat/api/health")["watched"]:
        time.sleep(0.02)
    demand()
    kernel.outputs(waiting)
    assert told(jupyter, session) == []
    # A chat that is only open watches nothing.
    kernel.run("chat.send('fail on purpose')")
    while told(jupyter, session) != ["failed"]:
        time.sleep(0.02)


def told(jupyter: Jupyter, session: str) -> list[str]:
    notices = jupyter.api("durable-chat/api/inbox")["notices"]
    return [notice["kind"] for notice in notices if notice["session"] == session]


def test_an_interrupted_wait_stops_nothing(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('before | wait')")
    waiting = kernel.start("print('now'); turn.text")
    kernel.until_printed()
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
    with pytest.raises(CellError, match=r"ChatError.*the provider said no"):
        kernel.run("turn.text")
    assert kernel.value("turn.outcome") == "failed"
    assert kernel.value("turn.error['category'], turn.error['recoverable']") == ("provider", True)


def test_an_answer_that_fails_in_the_middle(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('so far | fail the provider broke')")
    assert kernel.value("turn.text") == "so far "
    assert kernel.value("(turn.outcome, turn.error['text'])") == ("failed", "the provider broke")
    while (status := kernel.value("chat.status")) == "streaming":
        """A trait is set by the kernel between two cells."""
    assert status == "failed"


def test_an_answer_that_just_ends(kernel: Kernel) -> None:
    kernel.run("turn = chat.send('half a | cut')")
    assert kernel.value("turn.text") == "half a "
    assert kernel.value("turn.outcome") == "truncated"


def test_a_turn_outlives_its_chat(kernel: Kernel) -> None:
    """A turn is a reader of its own."""
    kernel.run("turn = chat.send('20 words at 200 per second', agent='paced'); chat.close()")
    assert kernel.value("len(turn.text.split())") == 20


def test_a_turn_that_waits_in_the_queue(kernel: Kernel) -> None:
    kernel.run("first = chat.send('one | wait'); second = chat.send('two'); third = chat.send('three')")
    assert kernel.value("[turn.status for turn in (first, second, third)]") == ["running", "queued", "queued"]
    assert kernel.value("(second.outcome, second.error, second.wait(timeout=0.01))") == (None, None, False)
    assert kernel.value("[m['id'] for m in chat.queue] == [second.message_id, third.message_id]")
    kernel.run("first.stop()")
    assert kernel.value("(chat.held, second.status, second.wait(timeout=0.01))") == ("stopped", "queued", False)
    waiting = kernel.start("print('now'); pieces = list(third)")
    kernel.until_printed()
    kernel.interrupt()
    with pytest.raises(CellError, match="KeyboardInterrupt"):
        kernel.outputs(waiting)
    kernel.run("chat.resume(); pieces = list(third)")
    assert kernel.value("(second.text, ''.join(pieces), chat.held, chat.queue)") == ("two ", "three ", None, [])
    assert kernel.value("[turn.status for turn in (first, second, third)]") == ["over"] * 3


def test_a_wait_for_a_message_that_is_removed_ends(kernel: Kernel) -> None:
    kernel.run(
        """
        import asyncio, threading
        from jupyter_durable_chat.notebook.client import ChatError

        first, second = chat.send("one | wait"), chat.send("two")
        errors = []

        def waits():
            for way in (lambda: second.text, lambda: list(second)):
                try:
                    way()
                except ChatError as error:
                    errors.append(error.code)

        async def iterates():
            try:
                async for piece in second:
                    raise AssertionError(piece)
            except ChatError as error:
                errors.append(error.code)

        thread = threading.Thread(target=waits)
        thread.start()
        iterating = asyncio.ensure_future(iterates())
        await asyncio.sleep(0)
        removed = chat.remove(second.message_id)
        await iterating
        thread.join()
        """
    )
    assert kernel.value("(removed, errors)") == (True, ["removed"] * 3)
    assert kernel.value("(second.status, second.outcome, chat.queue)") == ("removed", None, [])
    assert kernel.value("chat.remove(second.message_id)") is True
    assert kernel.value("chat.remove(first.message_id)") is False
    (output,) = kernel.run("second")
    assert output["data"]["text/plain"] == "You:\ntwo\n\n[removed from the queue]"
    kernel.run("first.stop()")


def test_retry_and_branches(kernel: Kernel) -> None:
    kernel.run("first = chat.send('2 words at 500 per second', agent='paced'); first.wait(); last = chat.send('last')")
    kernel.run("last.wait(); again = first.retry(agent='obedient'); other = None")
    assert kernel.value("(again.text, again.message_id == first.message_id)") == ("2 words at 500 per second ", True)
    assert kernel.value("(first.text, first.status, last.text)") == ("w1 w2 ", "over", "last "), "still to be found"
    assert kernel.value("len(chat.messages)") == 2
    kernel.run("other = first.retry('in other words', agent='obedient')")
    assert kernel.value("(other.text, other.message_id != first.message_id)") == ("in other words ", True)
    kernel.run("chat.branch(last.message_id)")
    assert kernel.value("[m['parts'][-1]['text'] for m in chat.messages][-2:]") == ["last", "last "]
    for turn, text in (("again", "2 words at 500 per second"), ("first", "w1 w2"), ("other", "in other words")):
        (output,) = kernel.run(turn)
        plain = output["data"]["text/plain"]
        assert plain.startswith("You:\n") and plain.endswith(f"Assistant:\n{text}")


def test_an_answer_that_goes_on(kernel: Kernel) -> None:
    kernel.run("first = chat.send('half a | cut | sentence | wait')")
    assert kernel.value("(first.text, first.outcome)") == ("half a ", "truncated")
    kernel.run("second = first.go_on()\nseen = ''")
    kernel.run("for piece in second:\n    seen += piece\n    if seen.endswith('sentence '): break")
    assert kernel.value("second.message_id == first.message_id and second.id != first.id")
    assert kernel.value("(first.status, first.outcome, first.error)") == ("over", "truncated", None)
    assert kernel.value("(second.status, second.outcome, chat.status)") == ("running", None, "streaming")
    kernel.run("second.stop()")
    assert kernel.value("(first.text, second.text)") == ("half a sentence ",) * 2
    assert kernel.value("''.join(first) == ''.join(second) == first.text")
    assert kernel.value("(first.outcome, second.outcome, len(chat.messages))") == ("truncated", "stopped", 2)


def test_an_answer_that_cannot_go_on(kernel: Kernel) -> None:
    kernel.run("done = chat.send('all'); done.wait(); running = chat.send('one | wait'); waiting = chat.send('two')")
    kernel.run("from jupyter_durable_chat.notebook.client import ChatError")
    kernel.run("def code(do):\n    try: do()\n    except ChatError as error: return error.code")
    assert kernel.value("(code(running.go_on), code(done.retry))") == ("turn-running", "turn-running")
    assert kernel.value("code(waiting.retry)") == "unknown-message"
    kernel.run("chat.remove(waiting.message_id); running.stop()")
    assert kernel.value("code(done.go_on)") == "nothing-to-continue"


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
