"""Rejects, when a plugin loads, a view whose signature no request can match."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from msgspec import inspect as types
from msgspec import json

from ..conversion import shown, type_name

if TYPE_CHECKING:
    from .arguments import Argument

_FROM_TEXT = (
    types.AnyType,
    types.BoolType,
    types.BytesType,
    types.DateTimeType,
    types.DateType,
    types.DecimalType,
    types.EnumType,
    types.FloatType,
    types.IntType,
    types.LiteralType,
    types.NoneType,
    types.StrType,
    types.TimeDeltaType,
    types.TimeType,
    types.UUIDType,
)
_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check_signature(view: Callable[..., Any], arguments: Iterable[Argument]) -> None:
    """Raise `TypeError`, with the fix, unless a request can provide each of `arguments`.

    Args:
        view: the function below `@operation`.
        arguments: its parameters.
    """
    if not inspect.isroutine(view):
        raise TypeError(f"@operation is applied to {shown(view)}: apply it to a function")
    name = view.__name__
    if inspect.iscoroutinefunction(view) or inspect.isasyncgenfunction(view):
        raise TypeError(f"{name} is async: write `def {name}`, because each request runs in a worker thread")
    if inspect.isgeneratorfunction(view):
        raise TypeError(f"{name} is a generator: return flask.Response(…) to stream")
    for parameter in inspect.signature(view).parameters.values():
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise TypeError(f"{name} has the positional-only parameter {parameter}: remove the `/` after it")
        if parameter.kind not in _KINDS:
            raise TypeError(f"{name} has the parameter {parameter}: name each parameter of the request instead")
    for argument in arguments:
        if not _is_readable(argument):
            raise TypeError(
                f"{name} has the parameter {argument.parameter}: {type_name(argument.bare)}, which no request can "
                "hold: use str, int, float, bool, Literal, list[str], Annotated[…, FromText(parse)], or JsonBody or a "
                "Struct of these for the JSON body"
            )


def _is_readable(argument: Argument) -> bool:
    if argument.text is not None or argument.is_raw:
        return True
    try:
        json.schema(argument.type)
    except TypeError:  # A type, at any depth, that msgspec cannot decode.
        return False
    if argument.is_body:
        return True
    kind = types.type_info(argument.type)
    if argument.is_list:
        return isinstance(kind, types.ListType) and _is_text(kind.item_type)
    return _is_text(kind)


def _is_text(kind: types.Type) -> bool:
    kind = kind.type if isinstance(kind, types.Metadata) else kind
    members = kind.types if isinstance(kind, types.UnionType) else (kind,)
    return all(isinstance(member, _FROM_TEXT) for member in members)
