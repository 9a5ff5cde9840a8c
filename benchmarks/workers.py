"""What it costs that an answer is made in another process: from a message to its first word, and from word to word.

The same answers, of 40 words at 100 per second, in the server and in a worker that it has started, in turns, as a
reader of the session's stream has them; medians, in milliseconds.
"""

import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from tests.browser.jupyter import Jupyter, running

ROUNDS = 30
QUESTION = "40 words at 100 per second"
LIMIT = 1.5
"""Times as long as in the server, at most."""


class Conversation:
    """One session of a server, and its stream."""

    def __init__(self, jupyter: Jupyter, stack: ExitStack) -> None:
        self._jupyter = jupyter
        self._session = jupyter.post("durable-chat/api/sessions", agent="paced")["id"]
        self._events = stack.enter_context(self._follow())
        self.first: list[float] = []
        self.between: list[float] = []

    def ask(self) -> None:
        asked = time.perf_counter()
        path = f"durable-chat/api/sessions/{self._session}/messages"
        self._jupyter.post(path, client_id=f"c_{asked}", text=QUESTION)
        came = [when for kind, when in self._until_over() if kind == "text-delta"]
        self.first.append(came[0] - asked)
        self.between += [after - before for before, after in itertools.pairwise(came)]

    def _until_over(self) -> Iterator[tuple[str, float]]:
        for kind, when in self._events:
            yield kind, when
            if kind == "turn-stopped":
                return

    @contextmanager
    def _follow(self) -> Iterator[Iterator[tuple[str, float]]]:
        url = f"{self._jupyter.url}durable-chat/api/sessions/{self._session}/events?after=0"
        headers = {"Authorization": f"token {self._jupyter.token}"}
        with httpx2.stream("GET", url, headers=headers, timeout=60, trust_env=False) as response:
            lines = response.iter_lines()
            said = (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))
            yield ((event.get("type", ""), time.perf_counter()) for event in said)


def main() -> None:
    with ExitStack() as stack:
        conversations: dict[str, Conversation] = {}
        for turns in ("server", "worker"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            jupyter = stack.enter_context(running("server", folder, turns=turns, max_messages_per_minute=0))
            conversations[turns] = Conversation(jupyter, stack)
            conversations[turns].ask()
        for _ in range(ROUNDS):
            for conversation in conversations.values():
                conversation.ask()
        firsts = {}
        for turns, conversation in conversations.items():
            # The first answer waits for the worker's start.
            firsts[turns] = statistics.median(conversation.first[1:])
            between = statistics.median(conversation.between)
            print(
                f"in the {turns:<7} first word {1000 * firsts[turns]:6.1f} ms   word to word {1000 * between:6.1f} ms"
            )
    ratio = firsts["worker"] / firsts["server"]
    print(f"{ratio:.2f} times as long in a worker (limit {LIMIT})")
    if ratio > LIMIT:
        raise SystemExit("too slow")


if __name__ == "__main__":
    main()
