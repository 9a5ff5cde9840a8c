"""What a session's events may be, whatever happened to the servers that wrote them.

LSNs have no hole. One turn runs at a time; its chunks lie between its start and its one end, and nothing follows that.
A message waits once, starts once and never overtakes; a held queue starts nothing. A client id is one message.
A call of ours is started once, after its approval, and has one result; an approval has one answer.

The referee keeps its own few facts, and folds nothing, so that it shares no mistake with the fold.
"""

from typing import Any

JSON = dict[str, Any]

ANY_TIME = frozenset({"session-updated", "tools-offered"})


class Referee:
    """Sees a session's events one by one and fails at the first that must not be."""

    def __init__(self) -> None:
        self.lsn = 0
        self.turn: str | None = None
        self.outcomes: dict[str, str] = {}
        self.queue: list[str] = []
        self.held = False
        self.said: dict[str, JSON] = {}
        """Messages by id: what was sent first, and `lsn`."""
        self._texts: dict[str, str] = {}
        self._promised: dict[str, str] = {}
        self._clients: dict[str, str] = {}
        self._answers: set[str] = set()
        self._leaf: str | None = None
        self._stopping = False
        self._asked_for: dict[str, str] = {}
        """Approvals that were asked for: their calls."""
        self._answered: dict[str, bool] = {}
        self._refused: set[str] = set()
        self._started: set[str] = set()
        self._results: set[str] = set()
        self._due: tuple[str, str] | None = None
        """What must come next: in one transaction with what came before."""

    def see(self, event: JSON) -> None:
        assert event["lsn"] == self.lsn + 1, f"a hole: {event['lsn']} follows {self.lsn}"
        self.lsn += 1
        due, self._due = self._due, None
        if due and event["type"] != "session-created":  # a fork may end anywhere
            kind, message_id = due
            named = event.get("user_message_id", event.get("message_id"))
            assert (event["type"], named) == (kind, message_id), f"{due} must come here, not {event}"
        if event.get("toolCallId", "").startswith("call-"):
            self._of_call(event)
        fact = getattr(self, "_" + event["type"].replace("-", "_"), None)
        if fact:
            fact(event)
        elif event["type"] not in ANY_TIME:
            assert event["turn"] is not None and event["turn"] == self.turn, f"outside of its turn: {event}"

    def _of_call(self, event: JSON) -> None:
        """What is said of a call of ours, whose ids are never used twice."""
        call = event["toolCallId"]
        assert call not in self._results, f"{call} has its result already: {event}"
        match event["type"]:
            case "tool-approval-request":
                assert call not in self._asked_for.values() and call not in self._started
                self._asked_for[event["approvalId"]] = call
            case "tool-started":
                asked = [approval for approval, about in self._asked_for.items() if about == call]
                assert all(self._answered.get(approval) for approval in asked), f"{call} was not allowed"
                assert call not in self._started, f"{call} is started twice"
                self._started.add(call)
            case "tool-waiting":
                assert call not in self._started
            case "tool-output-denied":
                assert call in self._refused and call not in self._started
                self._results.add(call)
            case "tool-output-available":
                assert call in self._started or call.endswith("ask_user")
                self._results.add(call)
            case "tool-output-error":
                self._results.add(call)

    def _approval_answered(self, event: JSON) -> None:
        assert event["turn"] == self.turn and self._asked_for[event["approval_id"]] == event["tool_call_id"]
        assert event["approval_id"] not in self._answered, "a second answer"
        self._answered[event["approval_id"]] = event["approved"]
        if not event["approved"]:
            self._refused.add(event["tool_call_id"])

    def _session_created(self, event: JSON) -> None:
        assert event["lsn"] == 1 or event["forked_from"]
        for waiting in self.queue:
            del self._clients[self.said[waiting]["client_id"]]
        self.queue, self.held = [], False

    def _user_message(self, event: JSON) -> None:
        message_id = event["message_id"]
        assert self.turn is None, "a message was said in the middle of a turn"
        if "queued" in event:
            assert self.said[message_id]["lsn"] == event["queued"]
            assert self._texts[message_id] == event["text"]
        else:
            self._new(event)
            # An edit goes beside an older message; who goes on from where we are must not overtake.
            assert not self.queue or event["parent"] != self._leaf, f"{message_id} overtakes {self.queue}"
        self._leaf = message_id
        self._due = ("turn-started", message_id)

    def _message_queued(self, event: JSON) -> None:
        assert self.turn or self.queue, "nothing to wait for"
        self._new(event)
        self._promised[event["message_id"]] = event["turn"]
        self.queue.append(event["message_id"])

    def _new(self, event: JSON) -> None:
        assert event["message_id"] not in self.said
        assert event["client_id"] not in self._clients, f"two messages of one client id: {event}"
        self.said[event["message_id"]] = event
        self._clients[event["client_id"]] = event["message_id"]
        self._texts[event["message_id"]] = event["text"]

    def _message_dequeued(self, event: JSON) -> None:
        message_id = event["message_id"]
        if event["reason"] == "started":
            assert self.turn is None and not self.held, f"{message_id} must wait"
            assert self.queue[0] == message_id, f"{message_id} overtakes {self.queue}"
            self._due = ("user-message", message_id)
        self.queue.remove(message_id)
        self.held = self.held and bool(self.queue)

    def _queue_edited(self, event: JSON) -> None:
        assert event["message_id"] in self.queue
        self._texts[event["message_id"]] = event["text"]

    def _queue_reordered(self, event: JSON) -> None:
        first: list[str] = event["message_ids"]
        assert set(first) <= set(self.queue)
        self.queue = [*dict.fromkeys(first), *(waiting for waiting in self.queue if waiting not in first)]

    def _queue_held(self, event: JSON) -> None:
        self.held = bool(self.queue)

    def _queue_resumed(self, event: JSON) -> None:
        self.held = False

    def _branch_selected(self, event: JSON) -> None:
        assert self.turn is None and event["message_id"] in self.said.keys() | self._answers
        self._leaf = event["message_id"]

    def _turn_started(self, event: JSON) -> None:
        turn, asked = event["turn"], event["user_message_id"]
        assert self.turn is None, f"{turn} starts while {self.turn} runs"
        assert turn not in self.outcomes and asked in self.said and asked not in self.queue
        promised = self._promised.pop(asked, turn)
        assert promised == turn, f"{asked} was promised {promised}"
        self.turn, self._stopping, self._leaf = turn, False, event["message_id"]
        self._answers.add(event["message_id"])

    def _stop_requested(self, event: JSON) -> None:
        assert event["turn"] == self.turn and not self._stopping, "one stop, one record"
        self._stopping = True

    def _turn_stopped(self, event: JSON) -> None:
        assert event["turn"] == self.turn, f"a second end, or one without a beginning: {event}"
        self.outcomes[event["turn"]] = event["outcome"]
        self.turn = None
        self.held = bool(self.queue) and (self.held or event["outcome"] == "stopped")
