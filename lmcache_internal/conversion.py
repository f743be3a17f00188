"""Small steps shared by whatever converts text to typed values."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})


def parse_bool(text: str) -> bool | None:
    """The boolean that `text` spells in any case; None where it spells none."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def without_none(annotation: Any) -> tuple[Any, bool]:
    """The type without its `None` arm, and whether it had one."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    return next(arm for arm in get_args(annotation) if arm is not type(None)), True


def type_name(annotation: Any) -> str:
    """The type as a message names it: `int`, `list[int]`."""
    return str(annotation) if get_origin(annotation) else annotation.__name__


def cut(text: str, limit: int = 100) -> str:
    """`text`, or its first `limit` characters and an ellipsis: what a client sends must not fill a message."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def shown(value: Any) -> str:
    """`repr(value)`, cut likewise."""
    return cut(repr(value))
