"""The tools that a person answers: questions, and a plan to approve.

Nothing here runs. What is asked is the call's arguments, what is answered is its result, and both are checked against
each other before the result is kept, because they come from a model and from any client.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from jupyter_durable_chat.tools import Approval, Context, Question, Tool, ToolError

__all__ = ["ASKING", "ASK_USER", "PROPOSE_PLAN", "AskUser", "ProposePlan", "as_arguments"]

Struct_ = TypeVar("Struct_", bound=Struct)

LONGEST_ANSWER = 20_000


class AskedOption(Struct, frozen=True, omit_defaults=True):
    label: Annotated[str, Meta(min_length=1, description="What the person chooses: a few words.")]
    description: Annotated[str, Meta(description="What choosing it means.")] = ""


class AskedQuestion(Struct, frozen=True, omit_defaults=True):
    question: Annotated[str, Meta(min_length=1, description="The whole question, as a sentence.")]
    id: Annotated[str, Meta(description="What the answer is called; its place, from `1`, by default.")] = ""
    header: Annotated[str, Meta(description="What it is about, in one or two words.")] = ""
    options: Annotated[list[AskedOption], Meta(max_length=20, description="None: the answer is written.")] = []
    multiple: Annotated[bool, Meta(description="Whether several options may be chosen.")] = False
    free_text: Annotated[bool, Meta(description="Whether something else than the options may be written.")] = False
    required: Annotated[bool, Meta(description="Whether it has to be answered to accept.")] = True
    kind: Annotated[
        Literal["text", "number", "integer", "boolean"], Meta(description="What is written, without options.")
    ] = "text"


class Asked(Struct, frozen=True, omit_defaults=True):
    questions: Annotated[list[AskedQuestion], Meta(min_length=1, max_length=4)]
    text: Annotated[str, Meta(description="What is said before the questions.")] = ""


class Answered(Struct, frozen=True, forbid_unknown_fields=True):
    action: Literal["accept", "decline", "cancel"]
    answers: dict[str, Any] = {}


class Plan(Struct, frozen=True, omit_defaults=True):
    plan: Annotated[str, Meta(min_length=1, description="The plan in Markdown: numbered steps, what each changes.")]
    title: Annotated[str, Meta(description="What it is for, in a few words.")] = ""


class Decided(Struct, frozen=True, forbid_unknown_fields=True):
    decision: Literal["approve", "change", "cancel"]
    text: str = ""


class AnsweredTool(Tool):
    """A tool whose result is a person's answer."""

    runs = "person"
    approval: Approval = "never"
    read_only = True
    idempotent = True
    origin = "built in"
    takes: type[Struct]

    def __init__(self) -> None:
        _, definitions = msgspec.json.schema_components([self.takes], ref_template="#/$defs/{name}")
        main = definitions.pop(self.takes.__name__)
        self.parameters = main | ({"$defs": definitions} if definitions else {})

    async def call(self, arguments: dict[str, Any], context: Context) -> Any:
        raise ToolError(f"{self.name} is answered by a person.")

    def check_answer(self, arguments: Mapping[str, Any], answer: Any) -> None:
        """Raises `ToolError` that quotes what does not answer these arguments."""
        raise NotImplementedError


class AskUser(AnsweredTool):
    """Questions. The answer is `{"action": "accept", "answers": {id: value}}`, or the action `decline` or `cancel`.

    The value is the label of an option, a list of labels when several may be chosen, or what was written.
    """

    name = "ask_user"
    description = (
        "Ask the person one to four questions and wait for the answer. Use it when you cannot go on well without a "
        "choice that is theirs: what is wanted is ambiguous, ways differ in what they bring about, or something is "
        "missing that only they know. Offer options whenever you can name them, the one you would take first; set "
        "free_text when they may want another. Ask what belongs together in one call. Do not ask what you can find out "
        "yourself, nor whether to go on with what was asked for already. The person may decline: go on without, and "
        "say what you assume; or cancel: stop what you were doing and say so."
    )
    takes = Asked

    def check(self, arguments: Any) -> None:
        super().check(arguments)
        ids = [question.id for question in _questions(arguments)]
        if twice := next((name for name in ids if ids.count(name) > 1), None):
            raise ToolError(f"Two questions have the id {twice!r}; give each its own, or none.")

    def check_answer(self, arguments: Mapping[str, Any], answer: Any) -> None:
        """Raises `ToolError` that quotes what does not fit these questions."""
        answered = _as(Answered, answer)
        if answered.action != "accept":
            if answered.answers:
                raise ToolError(f"There are answers, but the action is {answered.action!r}.")
            return
        questions = {question.id: question for question in _questions(arguments)}
        if unknown := next((name for name in answered.answers if name not in questions), None):
            raise ToolError(f"There is no question {unknown!r}. There are: {', '.join(questions)}.")
        for name, question in questions.items():
            if name in answered.answers:
                _check_value(question, answered.answers[name])
            elif question.required:
                raise ToolError(f"The question {name!r} is not answered.")


class ProposePlan(AnsweredTool):
    """A plan. The answer is `{"decision": "approve" | "change" | "cancel", "text"?}`."""

    name = "propose_plan"
    description = (
        "Show the person a plan and wait until they approve it. Use it before you change anything, having looked "
        "at what is there and know what you would do: the steps, what each changes, and what could go wrong. Answered "
        "'approve', you do it as planned; 'change', you read what they say and propose again; 'cancel', you stop and "
        "say that nothing was changed. Do not use it to answer a question or to tell what you found."
    )
    takes = Plan

    def check_answer(self, arguments: Mapping[str, Any], answer: Any) -> None:
        """Raises `ToolError` that quotes what does not fit."""
        decided = _as(Decided, answer)
        if decided.decision == "change" and not decided.text.strip():
            raise ToolError("Say in 'text' what to change.")
        if len(decided.text) > LONGEST_ANSWER:
            raise ToolError(f"'text' is longer than {LONGEST_ANSWER} characters.")


ASK_USER = AskUser()
PROPOSE_PLAN = ProposePlan()
ASKING: dict[str, AnsweredTool] = {tool.name: tool for tool in (ASK_USER, PROPOSE_PLAN)}
"""What a person answers, by name."""


def as_arguments(questions: Sequence[Question], text: str = "") -> dict[str, Any]:
    """What a tool asks (`Context.ask`) as the arguments of `ask_user`."""
    asked = [
        AskedQuestion(
            id=question.id,
            question=question.question,
            options=[AskedOption(label) for label in question.options],
            multiple=question.multiple,
            free_text=question.free_text,
            required=question.required,
            kind=question.kind,
        )
        for question in questions
    ]
    return msgspec.to_builtins(Asked(asked, text))


def _questions(arguments: Mapping[str, Any]) -> list[AskedQuestion]:
    asked = msgspec.convert(arguments, Asked)
    return [
        question if question.id else msgspec.structs.replace(question, id=str(number))
        for number, question in enumerate(asked.questions, 1)
    ]


def _as(kind: type[Struct_], answer: Any) -> Struct_:
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise ToolError(f"The answer does not fit: {error}") from None


def _check_value(question: AskedQuestion, value: Any) -> None:
    if question.multiple:
        if not isinstance(value, list) or (question.required and not value):
            raise ToolError(f"The answer to {question.id!r} is to be a list of options, not {_quoted(value)}.")
        for one in value:
            _check_one(question, one)
        if len({*value}) < len(value):
            raise ToolError(f"The answer to {question.id!r} names an option twice.")
    else:
        _check_one(question, value)


def _check_one(question: AskedQuestion, value: Any) -> None:
    labels = [option.label for option in question.options]
    if value in labels:
        return
    if labels and not question.free_text:
        offered = ", ".join(map(repr, labels))
        raise ToolError(f"The answer to {question.id!r} is to be one of {offered}, not {_quoted(value)}.")
    kind = "text" if labels else question.kind
    if not KINDS[kind](value):
        raise ToolError(f"The answer to {question.id!r} is to be {AS_WORDS[kind]}, not {_quoted(value)}.")


KINDS = {
    "text": lambda value: isinstance(value, str) and len(value.strip()) > 0 and len(value) <= LONGEST_ANSWER,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
}

AS_WORDS = {
    "text": f"text of at most {LONGEST_ANSWER} characters",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "…"
