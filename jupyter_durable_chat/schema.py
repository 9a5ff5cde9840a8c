"""A Python function as a tool: what a model is told of it, and its arguments from what a model says.

Both come from the signature alone, with the docstring for the words, so what is told is what is taken. Server and
kernel share this, and the kernel has little: only msgspec and the standard library are imported.
"""

import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from inspect import Parameter
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec

__all__ = ["Described", "arguments_of", "schema_of"]

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What every provider takes for the name of a tool."""


class Described(NamedTuple):
    """A function as a model is told of it; `parameters` is the JSON Schema of an object."""

    name: str
    description: str
    parameters: dict[str, Any]


def schema_of(function: Callable[..., Any], *, name: str | None = None, context: type | None = None) -> Described:
    """What a model is told of a function. Raises `ValueError` that quotes what cannot be told.

    A parameter that is annotated with the class `context` is not told: whoever calls gives it. Nor are those that a
    `functools.partial` has set.
    """
    named = name or _name(function)
    if named == "<lambda>":
        raise ValueError("A lambda has no name to be called by; write a function with `def`.")
    if not NAME.fullmatch(named):
        raise ValueError(f"{named!r} is no name for a tool: up to 64 letters, digits, '_' and '-', please.")
    description, told = _docstring(function)
    parameters = list(_parameters(function, context))
    schemas, definitions = _schemas(named, parameters)
    properties: dict[str, Any] = {}
    required: list[str] = []
    others: bool | dict[str, Any] = False
    for (parameter, hint), schema in zip(parameters, schemas, strict=True):
        words = _words(hint) or told.get(parameter.name)
        match parameter.kind:
            case Parameter.VAR_KEYWORD:
                others = schema or True
                continue
            case Parameter.VAR_POSITIONAL:
                schema = {"type": "array", "items": schema}
            case _ if parameter.default is Parameter.empty:
                required.append(parameter.name)
            case _:
                schema = schema | _default(parameter.default)
        properties[parameter.name] = {"description": words} | schema if words else schema
    told_parameters: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": others}
    if required:
        told_parameters["required"] = required
    if definitions:
        told_parameters["$defs"] = definitions
    return Described(named, description, told_parameters)


def arguments_of(
    function: Callable[..., Any], data: Mapping[str, Any], *, name: str | None = None, context: Any = None
) -> inspect.BoundArguments:
    """What to call a function with (`function(*bound.args, **bound.kwargs)`), converted to what it is annotated with.

    `context` is given to the parameter that is annotated with its class, or one above it.
    Raises `ValueError` that quotes the argument that is unknown, missing, or does not fit.
    """
    named = name or _name(function)
    left = dict(data)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    by_position = True
    for parameter, hint in _parameters(function, None):
        if context is not None and _is_context(hint, type(context)):
            value: Any = context
        elif parameter.kind is Parameter.VAR_KEYWORD:
            kwargs.update({key: _convert(named, key, item, hint) for key, item in left.items()})
            left = {}
            continue
        elif parameter.kind is Parameter.VAR_POSITIONAL:
            items = left.pop(parameter.name, [])
            if items and not by_position:
                raise ValueError(f"{named} takes {parameter.name!r} only when all arguments before it are given.")
            args.extend(_convert(named, parameter.name, items, list[hint]))
            continue
        elif parameter.name in left:
            value = _convert(named, parameter.name, left.pop(parameter.name), hint)
        elif parameter.default is Parameter.empty:
            raise ValueError(f"{named} needs the argument {parameter.name!r}.")
        elif parameter.kind is Parameter.KEYWORD_ONLY:
            continue
        else:
            value = parameter.default
        if parameter.kind is Parameter.KEYWORD_ONLY:
            kwargs[parameter.name] = value
            by_position = False
        else:
            args.append(value)
    if left:
        raise ValueError(f"{named} has no argument {next(iter(left))!r}.")
    return inspect.signature(function).bind(*args, **kwargs)


def _parameters(function: Callable[..., Any], context: type | None) -> Iterator[tuple[Parameter, Any]]:
    """What may be asked of a model, each with its type."""
    bound = frozenset[str]()
    inner = function
    while isinstance(inner, functools.partial):
        bound |= inner.keywords.keys()
        inner = inner.func
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise ValueError(f"{_name(function)} has no signature that could be read; wrap it in a function.") from None
    hints = _hints(inner)
    for parameter in parameters:
        hint = hints.get(parameter.name, Any)
        if parameter.default is None and hint is not Any:
            hint = hint | None if isinstance(hint, type | types.UnionType) else typing.Union[hint, None]  # noqa: UP007
        if parameter.name in bound or (context is not None and _is_context(hint, context)):
            continue
        yield parameter, hint


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    if inspect.isclass(function):
        function = function.__init__
    elif not inspect.isroutine(function):
        function = type(function).__call__
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ValueError(f"An annotation of {_name(function)} cannot be read: {error}.") from None


def _is_context(hint: Any, given: type) -> bool:
    """Whether a parameter of this type is the caller's to give: what is given is of its class, or may be."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_is_context(one, given) for one in typing.get_args(hint))
    return inspect.isclass(hint) and hint is not object and issubclass(given, hint)


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", None) or type(function).__name__


def _schemas(name: str, parameters: list[tuple[Parameter, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    try:
        schemas, definitions = msgspec.json.schema_components(
            [hint for _, hint in parameters], schema_hook=_schema_hook, ref_template="#/$defs/{name}"
        )
    except (TypeError, RuntimeError, ValueError):
        for parameter, hint in parameters:  # which one was it?
            try:
                msgspec.json.schema(hint, schema_hook=_schema_hook)
            except (TypeError, RuntimeError, ValueError):
                shown = getattr(hint, "__name__", None) or str(hint)
                raise ValueError(
                    f"The parameter {parameter.name!r} of {name} is a {shown}, which a model cannot write as JSON."
                ) from None
        raise
    return list(schemas), definitions


def _schema_hook(kind: type) -> dict[str, Any]:
    if issubclass(kind, PurePath):
        return {"type": "string"}
    raise NotImplementedError


def _dec_hook(kind: type, value: Any) -> Any:
    if issubclass(kind, PurePath) and isinstance(value, str):
        return kind(value)
    raise TypeError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")


def _convert(name: str, argument: str, value: Any, hint: Any) -> Any:
    try:
        return msgspec.convert(value, hint, dec_hook=_dec_hook)
    except msgspec.ValidationError as error:
        raise ValueError(f"The argument {argument!r} of {name} does not fit: {error}") from None


def _default(value: Any) -> dict[str, Any]:
    try:
        return {"default": msgspec.to_builtins(value)}
    except (TypeError, RecursionError):
        return {}  # it is a default all the same, only not one that can be told


def _words(hint: Any) -> str | None:
    """What is said about a parameter in its annotation: `Annotated[int, "in seconds"]`."""
    if typing.get_origin(hint) is not typing.Annotated:
        return None
    return next((extra for extra in hint.__metadata__ if isinstance(extra, str)), None)


NUMPY = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}[ \t]*$", re.MULTILINE)
GOOGLE = re.compile(
    r"^(Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters|Returns?|Yields?|Raises|"
    r"Examples?|Notes?|References|Attributes|Warnings?|Warns|See Also|Todo):[ \t]*$",
    re.MULTILINE,
)
REST = re.compile(r"^:(\w+)([^:\n]*):", re.MULTILINE)
PARAMETERS = {"Args", "Arguments", "Params", "Parameters", "Other Parameters", "Keyword Args", "Keyword Arguments"}


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """What is said before any section, and what is said of the parameters: numpydoc, Google, or `:param name:`."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        doc = inspect.getdoc(function) or ""
    else:
        doc = inspect.getdoc(type(function).__call__) or inspect.getdoc(type(function)) or ""
    for sections, entries in ((NUMPY, _numpy), (GOOGLE, _google)):
        if heads := list(sections.finditer(doc)):
            told: dict[str, str] = {}
            ends = [head.start() for head in heads[1:]] + [len(doc)]
            for head, end in zip(heads, ends, strict=True):
                if head[1].strip() in PARAMETERS:
                    told |= entries(inspect.cleandoc("\n" + doc[head.end() : end]))
            return doc[: heads[0].start()].strip(), told
    heads = list(REST.finditer(doc))
    if not heads:
        return doc.strip(), {}
    ends = [head.start() for head in heads[1:]] + [len(doc)]
    told = {
        head[2].split()[-1].lstrip("*"): _joined(doc[head.end() : end])
        for head, end in zip(heads, ends, strict=True)
        if head[1] in ("param", "parameter", "arg", "argument", "key", "keyword") and head[2].split()
    }
    return doc[: heads[0].start()].strip(), told


def _numpy(text: str) -> dict[str, str]:
    """`x, y : float` and, indented below it, what they are."""
    return {
        name.strip().lstrip("*"): _joined(body)
        for head, body in _indented(text)
        for name in re.split(r"\s*:\s|:$", head, maxsplit=1)[0].split(",")
        if _joined(body)
    }


def _google(text: str) -> dict[str, str]:
    """`x (float): what it is`, going on in indented lines."""
    told = {}
    for head, body in _indented(text):
        if found := re.match(r"\**(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)", head):
            told[found[1]] = _joined(f"{found[2]} {body}")
    return told


def _indented(text: str) -> Iterator[tuple[str, str]]:
    """Each line that is not indented, with the indented ones that follow it."""
    for block in re.split(r"\n(?=\S)", text.strip()):
        head, _, body = block.partition("\n")
        yield head, body


def _joined(text: str) -> str:
    return " ".join(text.split())
