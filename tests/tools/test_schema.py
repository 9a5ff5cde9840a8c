"""What a model is told of a function is what the function takes."""

import functools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from jsonschema import Draft202012Validator

from jupyter_durable_chat.schema import arguments_of, schema_of
from jupyter_durable_chat.tools import Context


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: float
    y: float = 0.0


def everything(
    text: str,
    count: int = 3,
    *,
    ratio: float | None = None,
    unit: Literal["cm", "in"] = "cm",
    colour: Colour = Colour.RED,
    where: Point | None = None,
    many: list[Point] | None = None,
    table: dict[str, int] | None = None,
    day: date | None = None,
    path: Path = Path("."),
    anything=None,
) -> dict[str, Any]:
    """Take all of it."""
    return dict(locals())


def call(function: Callable[..., Any], data: dict[str, Any], context: Any = None) -> Any:
    bound = arguments_of(function, data, context=context)
    return function(*bound.args, **bound.kwargs)


def test_every_annotation_is_told_and_taken() -> None:
    name, description, parameters = schema_of(everything)

    Draft202012Validator.check_schema(parameters)
    assert (name, description, parameters["required"]) == ("everything", "Take all of it.", ["text"])
    assert parameters["properties"]["count"] == {"type": "integer", "default": 3}
    assert parameters["properties"]["unit"] == {"enum": ["cm", "in"], "default": "cm"}
    assert parameters["properties"]["anything"] == {"default": None}
    assert parameters["$defs"]["Point"]["required"] == ["x"]
    data = {
        "text": "a",
        "count": 4,
        "ratio": 2,
        "unit": "in",
        "colour": "blue",
        "where": {"x": 1},
        "many": [{"x": 1, "y": 2}],
        "table": {"a": 1},
        "day": "2026-11-21",
        "path": "a/b",
        "anything": [1, "two"],
    }
    Draft202012Validator(parameters).validate(data)
    assert call(everything, data) == {
        "text": "a",
        "count": 4,
        "ratio": 2.0,
        "unit": "in",
        "colour": Colour.BLUE,
        "where": Point(1.0),
        "many": [Point(1.0, 2.0)],
        "table": {"a": 1},
        "day": date(2026, 11, 21),
        "path": Path("a/b"),
        "anything": [1, "two"],
    }
    assert call(everything, {"text": "a"}) == everything("a")


def numpydoc(a, b, c=1, **more):
    """Say it.

    At length.

    Parameters
    ----------
    a, b : int
        Both of them,
        together.
    c : int, optional
        The third.
    **more
        The others.

    Returns
    -------
    None
        Nothing.
    """


def google(a: int, b: int, c: int = 1):
    """Say it.

    At length.

    Args:
        a (int): Both of them,
            together.
        b: Both of them, together.
        c (int, optional): The third.

    Returns:
        Nothing: nothing.
    """


def rest(a: int, b: int, c: int = 1):
    """Say it.

    At length.

    :param a: Both of them,
        together.
    :param int b: Both of them, together.
    :param c: The third.
    :returns: Nothing.
    """


def annotated(
    a: Annotated[int, "Both of them, together."],
    b: Annotated[int, msgspec.Meta(description="Both of them, together.", ge=0)],
    c: Annotated[int, "The third."] = 1,
):
    """Say it.

    At length."""


@pytest.mark.parametrize("function", [numpydoc, google, rest, annotated])
def test_the_docstring_says_what_the_parameters_are(function: Callable[..., Any]) -> None:
    _, description, parameters = schema_of(function)

    assert description == "Say it.\n\nAt length."
    assert {name: of["description"] for name, of in parameters["properties"].items()} == {
        "a": "Both of them, together.",
        "b": "Both of them, together.",
        "c": "The third.",
    }


def test_a_plain_docstring_is_told_as_it_is() -> None:
    def plain(a: int) -> None:
        """Note: a is not a section,

        nor is this: b.
        """

    assert schema_of(plain).description == "Note: a is not a section,\n\nnor is this: b."


def test_positional_only_variadic_and_other_arguments_arrive() -> None:
    def f(a: int, /, b: int = 2, *rest: int, c: int = 4, **others: str) -> Any:
        return a, b, rest, c, others

    parameters = schema_of(f).parameters
    assert parameters["properties"]["rest"] == {"type": "array", "items": {"type": "integer"}}
    assert parameters["additionalProperties"] == {"type": "string"}
    assert call(f, {"a": 1}) == (1, 2, (), 4, {})
    assert call(f, {"a": 1, "rest": [3, 3], "c": 5, "d": "x"}) == (1, 2, (3, 3), 5, {"d": "x"})


class Methods:
    def method(self, a: int) -> int:
        """Of an object."""
        return a

    @classmethod
    def of_class(cls, a: int) -> int:
        """Of an object."""
        return a

    @staticmethod
    def of_none(a: int) -> int:
        """Of an object."""
        return a

    def __call__(self, a: int) -> int:
        """Of an object."""
        return a


async def coroutine(a: int) -> int:
    """Of an object."""
    return a


@functools.wraps(coroutine)
async def wrapped(*args: Any, **kwargs: Any) -> int:
    return await coroutine(*args, **kwargs)


def with_base(base: int, a: int) -> int:
    """Of an object."""
    return base * a


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (Methods().method, "method"),
        (Methods.of_class, "of_class"),
        (Methods.of_none, "of_none"),
        (Methods(), "Methods"),
        (coroutine, "coroutine"),
        (wrapped, "coroutine"),
        (functools.partial(with_base, 2), "with_base"),
        (functools.partial(with_base, base=2), "with_base"),
    ],
)
def test_whatever_can_be_called_can_be_told(function: Callable[..., Any], name: str) -> None:
    assert schema_of(function) == (
        name,
        "Of an object.",
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}},
            "additionalProperties": False,
            "required": ["a"],
        },
    )
    arguments_of(function, {"a": 1})


def test_an_argument_that_a_partial_has_set_is_not_the_models() -> None:
    function = functools.partial(with_base, base=2)

    assert call(function, {"a": 3}) == 6
    with pytest.raises(ValueError, match="with_base has no argument 'base'"):
        arguments_of(function, {"base": 1, "a": 3})


def test_the_context_is_given_and_not_told() -> None:
    class Given(Context):
        progress = log = ask = sample = run_agent = None  # type: ignore[assignment]

    def f(a: int, context: Context, other: Context | None = None) -> Any:
        return a, context, other

    given = Given()
    assert list(schema_of(f, context=Context).parameters["properties"]) == ["a"]
    assert call(f, {"a": 1}, given) == (1, given, given)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"a": "x"}, "The argument 'a' of f does not fit: Expected `int`, got `str`"),
        ({"a": 1, "b": {"x": "y"}}, r"The argument 'b' of f does not fit: Expected `float`, got `str` - at `\$\.x`"),
        ({}, "f needs the argument 'a'"),
        ({"a": 1, "z": 1}, "f has no argument 'z'"),
    ],
)
def test_an_argument_that_does_not_fit_is_quoted(data: dict[str, Any], error: str) -> None:
    def f(a: int, b: Point | None = None) -> None: ...

    with pytest.raises(ValueError, match=error):
        arguments_of(f, data)


def test_what_cannot_be_told_is_quoted() -> None:
    def of_object(frame: Methods) -> None: ...

    def unreadable(a: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ValueError, match="A lambda has no name"):
        schema_of(lambda a: a)
    with pytest.raises(ValueError, match="The parameter 'frame' of of_object is a Methods"):
        schema_of(of_object)
    with pytest.raises(ValueError, match="'Missing'"):
        schema_of(unreadable)
    with pytest.raises(ValueError, match="'a b' is no name"):
        schema_of(coroutine, name="a b")
    assert schema_of(lambda a: a, name="named").name == "named"


def test_a_kernel_that_has_only_msgspec_can_import_it() -> None:
    code = (
        "import sys, jupyter_durable_chat.schema\n"
        "assert not {'pydantic', 'pydantic_ai', 'jsonschema', 'tornado'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
