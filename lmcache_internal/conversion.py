"""Functions that convert text to typed values, shared by configuration, arguments and settings."""

from __future__ import annotations

import re
import types
from typing import Any, Union, get_args, get_origin

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})

MAX_TOKENS = 1 << 20
"""The most tokens that a range may have: each of them takes memory in the engine."""

TOKENS_PATTERN = r"^\s*-?[0-9]{1,18}\s*[,:]\s*-?[0-9]{1,18}\s*$"
"""What `parse_tokens` reads, as a regular expression of Python and of JSON schema."""


def parse_tokens(text: str) -> range:
    """Read a range of tokens: `0:512` or `0,512`, which are the same.

    Raises:
        ValueError: it is something else, is empty, or has more than `MAX_TOKENS` tokens.
    """
    if not re.fullmatch(TOKENS_PATTERN, text):
        raise ValueError(f"expected two whole numbers, as in 0:512, got {shown(text)}")
    start, end = map(int, re.split("[,:]", text))
    if start >= end:
        raise ValueError(f"the start must be less than the end, got {shown(text)}")
    if end - start > MAX_TOKENS:
        raise ValueError(f"at most {MAX_TOKENS} tokens, got {end - start}")
    return range(start, end)


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
