"""Functions that convert text to typed values, shared by configuration, arguments and settings."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})


def parse_bool(text: str) -> bool | None:
    """Return the boolean that `text` spells, in upper or lower case; None if it is not a boolean."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def without_none(annotation: Any) -> tuple[Any, bool]:
    """Return the type without `None`, and whether it allowed `None`."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    return next(arm for arm in get_args(annotation) if arm is not type(None)), True


def type_name(annotation: Any) -> str:
    """Return the name of the type for messages: `int`, `list[int]`."""
    return str(annotation) if get_origin(annotation) else annotation.__name__


def cut(text: str, limit: int = 100) -> str:
    """Return `text`, cut to `limit` characters and an ellipsis, because a client's input must not fill a message."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def shown(value: Any) -> str:
    """Return `repr(value)`, cut to 100 characters and an ellipsis."""
    return cut(repr(value))
