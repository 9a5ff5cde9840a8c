"""One question and its answer, seen from the kernel.

A `Turn` is a reader: it may be waited for, iterated and shown as often as one likes, at any time, and each time it
gives the whole answer from its first word. Dropping it, or interrupting a wait, stops nothing; `stop` does.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import cached_property
from typing import Any, Literal, TypeVar

from jupyter_durable_chat.events import Outcome
from jupyter_durable_chat.notebook import terminal
from jupyter_durable_chat.notebook.client import ChatError
from jupyter_durable_chat.notebook.conversation import Conversation
from jupyter_durable_chat.notebook.terminal import Told
from jupyter_durable_chat.notebook.view import ChatView
from jupyter_durable_chat.readable.text import called, is_of_turn, outcome_of, text_of
from jupyter_durable_chat.transcript import JSON, TOOL_ENDS, Transcript, requests

Status = Literal["queued", "running", "over", "removed"]
Look = TypeVar("Look")


class Turn:
    """What `Chat.send` returns. `message_id` is the question's.

    A question that came while another was answered waits in the queue, and whoever waits for its turn waits as long.
    `status` tells; a queue that is held goes on after `Chat.resume`.
    """

    def __init__(self, conversation: Conversation, turn_id: str, message_id: str) -> None:
        self._conversation = conversation
        self._reader = conversation.open()
        self.id = turn_id
        self.message_id = message_id
        self._is_read = False

    @property
    def text(self) -> str:
        """The whole answer; waits for it. What there is of one that was stopped or broke off.

        Raises `ChatError` for an answer that failed before its first word, for a question that was removed from the
        queue (code `removed`), and when the session is deleted.
        """
        self.wait()
        text = self._reader.look(lambda transcript: text_of(self._answer(transcript)))
        error = self.error
        if error and not text:
            raise ChatError(error["text"], code=error["category"])
        return text

    @property
    def status(self) -> Status:
        """`queued`, `running` or `over`; `removed` for a question that was taken out of the queue."""
        return self._current(self._status)

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; `None` while it has not."""
        return self._current(self._outcome)

    @property
    def error(self) -> JSON | None:
        """`{category, text, recoverable}` of an answer that did not end well."""
        return self._current(self._error)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the outcome; whether it is known after `timeout` seconds.

        Raises `ChatError` for a question that was removed from the queue (code `removed`).
        """
        over = self._reader.wait(lambda: self._reader.look(self._is_over), timeout)
        if over:
            self._have_read()
        return over

    def stop(self) -> bool:
        """Stop the answer, keep what there is of it; whether there was anything to stop.

        A question that waits is not stopped: `Chat.remove` takes it out of the queue.
        """
        return self._conversation.stop(self.id)

    def retry(
        self,
        text: str | None = None,
        *,
        agent: str | None = None,
        model: str | None = None,
        mode: str | None = None,
        effort: str | None = None,
    ) -> "Turn":
        """Have it answered again, by another model if one is named; with `text`, ask that in its place.

        What is there stays, on a branch of its own: `Chat.branch` shows it again. Raises `ChatError` (code
        `turn-running`) while an answer is running.
        """
        options = {"text": text, "agent": agent, "model": model, "mode": mode, "effort": effort}
        return self._next(self._conversation.retry(self.message_id, **options))

    def go_on(self) -> "Turn":
        """Continue an answer that was stopped, or broke off, where its text ends.

        Raises `ChatError` when it is complete (code `nothing-to-continue`) or an answer is running (`turn-running`).
        """
        answer = self._reader.look(lambda transcript: self._answer(transcript).get("id"))
        return self._next(self._conversation.go_on(answer or self.message_id))

    def show(self) -> None:
        """Print the answer as it comes, and how it ended; as Markdown in a terminal where `rich` is installed.

        An interrupt ends the printing and not the answer.
        """
        terminal.show(self._told())

    def __iter__(self) -> Iterator[str]:
        """The pieces of the text as they arrive."""
        return (piece.text for piece in self._told() if not piece.aside)

    async def __aiter__(self) -> AsyncIterator[str]:
        """The pieces of the text as they arrive."""
        seen = _Seen(self)
        async for _ in self._reader.changes():
            seen.look()
            for piece in seen.take():
                if not piece.aside:
                    yield piece.text
            if seen.over:
                break
        self._have_read()

    def _repr_mimebundle_(self, **_: Any) -> tuple[JSON, JSON]:
        self._conversation.refresh()
        return self._view._repr_mimebundle_()

    def __repr__(self) -> str:
        return f"<Turn {self.id} of {self._reader.session}>"

    def _told(self) -> Iterator[Told]:
        """The text, what its calls are at, and at last how it ended."""
        seen = _Seen(self)
        with self._reader.attending():
            while not seen.over:
                self._reader.wait(seen.look)
                yield from seen.take()
        self._have_read()
        if ended := self._reader.look(lambda transcript: self._ending(transcript)):
            yield Told(ended, aside=True)

    def _have_read(self) -> None:
        """Whoever was given all of the answer here is not told of it elsewhere, even if it came before they asked."""
        if not self._is_read:
            self._is_read = True
            self._conversation.read(self._reader.look(lambda t: self._answer(t)["metadata"].get("finished_lsn", 0)))

    def _ending(self, transcript: Transcript) -> str:
        answer = self._answer(transcript)
        return outcome_of(answer) if answer["metadata"] else ""

    @cached_property
    def _view(self) -> ChatView:
        return ChatView(self._conversation, turn=self.id)

    def _next(self, sent: JSON) -> "Turn":
        return Turn(self._conversation, sent["turn_id"], sent["message_id"])

    def _current(self, at: Callable[[Transcript], Look]) -> Look:
        """What `at` makes of the transcript as the server has it now."""
        if self._reader.look(self._status) in ("queued", "running"):
            self._conversation.refresh()
        return self._reader.look(at)

    def _answer(self, transcript: Transcript) -> JSON:
        """The answer's message, on whatever branch it is; an empty one until it has begun."""
        answers = (message for message in _newest_first(transcript) if message["role"] == "assistant")
        return next((answer for answer in answers if is_of_turn(answer, self.id)), {"parts": [], "metadata": {}})

    def _status(self, transcript: Transcript) -> Status:
        answer = self._answer(transcript)
        if not answer["metadata"]:
            return "removed" if any(is_of_turn(message, self.id) for message in transcript.removed) else "queued"
        return "over" if self._outcome(transcript) else "running"

    def _outcome(self, transcript: Transcript) -> Outcome | None:
        """Its own, whatever became of the answer in a later turn."""
        answer = self._answer(transcript)
        turns = requests(answer) if answer["metadata"] else []
        return next((turn.get("outcome") for turn in turns if turn["turn"] == self.id), None)

    def _error(self, transcript: Transcript) -> JSON | None:
        metadata = self._answer(transcript)["metadata"]
        return metadata.get("error") if metadata.get("turn") == self.id else None

    def _is_over(self, transcript: Transcript) -> bool:
        status = self._status(transcript)
        if status == "removed":
            raise ChatError("This message was removed from the queue, so nobody answers it.", code="removed")
        return status == "over"


def _newest_first(transcript: Transcript) -> Iterator[JSON]:
    """Every message, those of the shown branch first."""
    yield from reversed(transcript.messages)
    yield from reversed(transcript.others)


class _Seen:
    """How far an iteration has come: a place in every text part, so that every piece is given exactly once.

    Of a call it is told when it waits for a person, and how it ended.
    """

    def __init__(self, turn: Turn) -> None:
        self.over = False
        self._turn = turn
        self._lengths: list[int] = []
        self._calls: dict[str, str] = {}
        self._pieces: list[Told] = []

    def look(self) -> bool:
        """Collect what is new; whether there is anything."""
        self._turn._reader.look(self._collect)
        return bool(self._pieces) or self.over

    def take(self) -> list[Told]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _collect(self, transcript: Transcript) -> None:
        place = 0
        for part in self._turn._answer(transcript)["parts"]:
            if part["type"] == "text":
                self._see_text(place, part["text"])
                place += 1
            elif part["type"] == "dynamic-tool":
                self._see_call(part)
        self.over = self._turn._is_over(transcript)

    def _see_text(self, place: int, text: str) -> None:
        if place == len(self._lengths):
            self._lengths.append(0)
        if len(text) > self._lengths[place]:
            between = "\n\n" if not self._lengths[place] and any(self._lengths) else ""
            self._pieces.append(Told(between + text[self._lengths[place] :]))
            self._lengths[place] = len(text)

    def _see_call(self, call: JSON) -> None:
        state = "person" if call.get("waitsFor") == "person" and call["state"] not in TOOL_ENDS else call["state"]
        if state not in (*TOOL_ENDS, "approval-requested", "person") or self._calls.get(call["toolCallId"]) == state:
            return
        self._calls[call["toolCallId"]] = state
        words = f"tool {call['toolName']}: waits for an answer" if state == "person" else called(call)
        self._pieces.append(Told(words, aside=True))
