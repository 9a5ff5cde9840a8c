"""What a person answers fits what they were asked."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from jupyter_durable_chat.tools import Question, ToolError
from jupyter_durable_chat.tools.builtin import AskUser, ProposePlan, as_arguments
from tests.tools.recorder import Recorder

ask, plan = AskUser(), ProposePlan()

ASKED = {
    "questions": [
        {"question": "Which?", "options": [{"label": "This", "description": "the one"}, {"label": "That"}]},
        {"id": "many", "question": "What?", "options": [{"label": "A"}, {"label": "B"}], "multiple": True},
        {"id": "else", "question": "Or?", "options": [{"label": "A"}], "free_text": True, "required": False},
        {"id": "free", "question": "Why?", "header": "Reason", "required": False},
    ]
}

FITS = {"1": "This", "many": ["A", "B"], "else": "Neither", "free": "Because."}


def test_both_can_be_told_to_a_model() -> None:
    for tool in (ask, plan):
        Draft202012Validator.check_schema(tool.spec.parameters)
        assert tool.spec.parameters["type"] == "object"
        assert (tool.approval, tool.read_only) == ("never", True)


async def test_neither_is_run() -> None:
    with pytest.raises(ToolError, match="answered by a person"):
        await ask.call(ASKED, Recorder())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"questions": []}, r"\['questions'\]"),
        ({"questions": [{"question": "?"}] * 5}, r"\['questions'\]"),
        ({"questions": [{"options": []}]}, "'question' is a required property"),
        ({"questions": [{"question": "?", "id": "a"}, {"question": "?", "id": "a"}]}, "Two questions have the id 'a'"),
        ({"questions": [{"question": "?", "id": "2"}, {"question": "?"}]}, "Two questions have the id '2'"),
        ("Which?", "do not fit"),
    ],
)
def test_questions_that_do_not_fit_are_quoted(arguments: Any, error: str) -> None:
    with pytest.raises(ToolError, match=error):
        ask.check(arguments)


@pytest.mark.parametrize(
    "answer",
    [
        {"action": "accept", "answers": FITS},
        {"action": "accept", "answers": {"1": "That", "many": ["B"]}},
        {"action": "decline"},
        {"action": "cancel", "answers": {}},
    ],
)
def test_an_answer_that_fits(answer: Any) -> None:
    ask.check(ASKED)
    ask.check_answer(ASKED, answer)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("This", "does not fit"),
        ({"action": "maybe"}, "'maybe'"),
        ({"action": "accept", "answers": {}, "more": 1}, "`more`"),
        ({"action": "decline", "answers": {"1": "This"}}, "the action is 'decline'"),
        ({"action": "accept", "answers": {"many": ["A"]}}, "'1' is not answered"),
        ({"action": "accept", "answers": FITS | {"q9": "x"}}, "no question 'q9'"),
        ({"action": "accept", "answers": FITS | {"1": "Other"}}, "one of 'This', 'That', not 'Other'"),
        ({"action": "accept", "answers": FITS | {"1": ["This"]}}, "'1' is to be one of"),
        ({"action": "accept", "answers": FITS | {"many": "A"}}, "'many' is to be a list"),
        ({"action": "accept", "answers": FITS | {"many": []}}, "'many' is to be a list"),
        ({"action": "accept", "answers": FITS | {"many": ["A", "A"]}}, "'many' names an option twice"),
        ({"action": "accept", "answers": FITS | {"many": ["A", {}]}}, "'many' is to be one of"),
        ({"action": "accept", "answers": FITS | {"else": 3}}, "'else' is to be text"),
        ({"action": "accept", "answers": FITS | {"free": " "}}, "'free' is to be text"),
    ],
)
def test_an_answer_that_does_not_fit_is_quoted(answer: Any, error: str) -> None:
    with pytest.raises(ToolError, match=error):
        ask.check_answer(ASKED, answer)


@pytest.mark.parametrize(
    ("kind", "fits", "wrong"), [("number", 1.5, "1.5"), ("integer", 2, 2.5), ("boolean", False, 0)]
)
def test_what_a_tool_asks_is_asked_the_same_way(kind: Any, fits: Any, wrong: Any) -> None:
    arguments = as_arguments([Question("n", "How much?", kind=kind), Question("o", "Which?", ["A"])], "Please:")

    ask.check(arguments)
    assert arguments["text"] == "Please:"
    ask.check_answer(arguments, {"action": "accept", "answers": {"n": fits, "o": "A"}})
    with pytest.raises(ToolError, match="'n' is to be"):
        ask.check_answer(arguments, {"action": "accept", "answers": {"n": wrong, "o": "A"}})


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"decision": "approve"}, None),
        ({"decision": "change", "text": "Less."}, None),
        ({"decision": "cancel", "text": "No need."}, None),
        ({"decision": "change"}, "what to change"),
        ({"decision": "yes"}, "'yes'"),
        ({"decision": "approve", "text": "x" * 20_001}, "longer than"),
        (None, "does not fit"),
    ],
)
def test_a_plan_is_approved_changed_or_cancelled(answer: Any, error: str | None) -> None:
    arguments = {"plan": "1. Look", "title": "Looking"}
    plan.check(arguments)
    if error is None:
        plan.check_answer(arguments, answer)
    else:
        with pytest.raises(ToolError, match=error):
            plan.check_answer(arguments, answer)
