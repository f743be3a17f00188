"""Functions that convert text to typed values, shared by configuration, arguments and settings."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Union, get_args, get_origin

import msgspec

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})

MAX_DEPTH = 100
"""How deep lists and mappings may be nested, because the code that reads them is recursive."""
_LONGEST_NAME = 64
MAX_TOKENS = 1 << 20
"""The most tokens that a range may have: each of them takes memory in the engine."""

_TOKENS = re.compile(r"^\s*-?[0-9]{1,18}\s*[,:]\s*-?[0-9]{1,18}\s*$")
TOKENS_PATTERN = _TOKENS.pattern
"""What `parse_tokens` reads, as a regular expression of Python and of JSON schema."""


def parse_tokens(text: str) -> range:
    """Read a range of tokens: `0:512` or `0,512`, which are the same.

    Raises:
        ValueError: it is something else, is empty, or has more than `MAX_TOKENS` tokens.
    """
    if not _TOKENS.fullmatch(text):
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


def suggestion(name: str, known: Iterable[str], cutoff: float = 0.7) -> str:
    """`; did you mean X?` for the known name that is most like `name`; empty where none is.

    Args:
        name: what somebody wrote.
        known: the names that there are.
        cutoff: how alike they must be, from 0 to 1.
    """
    if len(name) > _LONGEST_NAME:
        return ""  # Comparing costs the product of the lengths.
    by_form = {each.lower(): each for each in known if len(each) <= _LONGEST_NAME}
    near = get_close_matches(name.lower(), by_form, 1, cutoff)
    return f"; did you mean {by_form[near[0]]}?" if near else ""


def text_of(encoded: bytes) -> str:
    """The text of a JSON or YAML document in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        UnicodeDecodeError: it is none of them.
    """
    return encoded.decode(json.detect_encoding(encoded))


def is_too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and mappings are nested more than `limit` deep."""
    level, depth = [value], 0
    while level:
        depth += 1
        containers = [each for each in level if isinstance(each, (list, tuple, dict))]
        if depth > limit:
            return bool(containers)
        level = [item for each in containers for item in (each.values() if isinstance(each, dict) else each)]
    return False


def as_json(value: Any) -> Any:
    """Convert `value` to what a client reads of it: each key is a string; NaN and infinities are None."""
    if isinstance(value, dict):
        return {str(as_json(key)): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [as_json(item) for item in value]
    if isinstance(value, float):
        return msgspec.json.decode(msgspec.json.encode(value))
    if isinstance(value, (str, int, type(None))):
        return value
    return as_json(msgspec.to_builtins(value, enc_hook=str))
