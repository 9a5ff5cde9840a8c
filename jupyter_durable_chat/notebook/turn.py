"""One question and its answer, seen from the kernel.

A `Turn` is a reader: it may be waited for, iterated and shown as often as one likes, at any time, and each time it
gives the whole answer from its first word. Dropping it, or interrupting a wait, stops nothing; `stop` does.
"""

from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import Any, Literal

from jupyter_durable_chat.notebook.client import ChatError
from jupyter_durable_chat.notebook.conversation import Conversation
from jupyter_durable_chat.notebook.render import text_of
from jupyter_durable_chat.notebook.view import ChatView
from jupyter_durable_chat.transcript import JSON, Transcript

Outcome = Literal["completed", "stopped", "failed", "truncated", "interrupted"]


class Turn:
    """What `Chat.send` returns."""

    def __init__(self, conversation: Conversation, turn_id: str, message_id: str) -> None:
        self._conversation = conversation
        self._reader = conversation.open()
        self.id = turn_id
        self.message_id = message_id

    @property
    def text(self) -> str:
        """The whole answer; waits for it. What there is of one that was stopped or broke off.

        Raises `ChatError` for an answer that failed before its first word, and when the session is deleted.
        """
        self.wait()
        text = self._reader.look(lambda transcript: text_of(self._answer(transcript)))
        error = self.error
        if error and not text:
            raise ChatError(error["text"], code=error["category"])
        return text

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; `None` while it has not."""
        return self._metadata("outcome")

    @property
    def error(self) -> JSON | None:
        """`{category, text, recoverable}` of an answer that did not end well."""
        return self._metadata("error")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the outcome; whether it is known after `timeout` seconds."""
        return self._reader.wait(lambda: self._reader.look(self._is_over), timeout)

    def stop(self) -> bool:
        """Stop the answer, keep what there is of it; whether there was anything to stop."""
        return self._conversation.stop(self.id)

    def __iter__(self) -> Iterator[str]:
        """The pieces of the text as they arrive."""
        seen = _Seen(self)
        while not seen.over:
            self._reader.wait(seen.look)
            yield from seen.take()

    async def __aiter__(self) -> AsyncIterator[str]:
        """The pieces of the text as they arrive."""
        seen = _Seen(self)
        async for _ in self._reader.changes():
            seen.look()
            for piece in seen.take():
                yield piece
            if seen.over:
                return

    def _repr_mimebundle_(self, **_: Any) -> tuple[JSON, JSON]:
        self._conversation.refresh()
        return self._view._repr_mimebundle_()

    def __repr__(self) -> str:
        return f"<Turn {self.id} of {self._reader.session}>"

    @cached_property
    def _view(self) -> ChatView:
        return ChatView(self._conversation, turn=self.id)

    def _metadata(self, name: str) -> Any:
        if not self._reader.look(self._is_over):
            self._conversation.refresh()
        return self._reader.look(lambda transcript: self._answer(transcript)["metadata"].get(name))

    def _answer(self, transcript: Transcript) -> JSON:
        """The answer's message; an empty one until it has begun."""
        for message in reversed(transcript.messages):
            if message["role"] == "assistant" and message["metadata"].get("turn") == self.id:
                return message
        return {"parts": [], "metadata": {}}

    def _is_over(self, transcript: Transcript) -> bool:
        return "outcome" in self._answer(transcript)["metadata"]


class _Seen:
    """How far an iteration has come: a place in every text part, so that every piece is given exactly once."""

    def __init__(self, turn: Turn) -> None:
        self.over = False
        self._turn = turn
        self._lengths: list[int] = []
        self._pieces: list[str] = []

    def look(self) -> bool:
        """Collect what is new; whether there is anything."""
        self._turn._reader.look(self._collect)
        return bool(self._pieces) or self.over

    def take(self) -> list[str]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _collect(self, transcript: Transcript) -> None:
        texts = [part["text"] for part in self._turn._answer(transcript)["parts"] if part["type"] == "text"]
        self._lengths += [0] * (len(texts) - len(self._lengths))
        for place, text in enumerate(texts):
            if len(text) > self._lengths[place]:
                between = "\n\n" if not self._lengths[place] and any(self._lengths) else ""
                self._pieces.append(between + text[self._lengths[place] :])
                self._lengths[place] = len(text)
        self.over = self._turn._is_over(transcript)
