"""Read what servers answer, within limits.

An address may lead to another program: a proxy, a wrong port, an attacker. So an answer has a largest size, a largest
depth, only finite numbers, and the types that the command expects. Whatever breaks a limit is one line of an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

MAX_BYTES = 64 << 20
"""The largest answer: 64 MiB. The metrics of a large engine are a few MiB."""
MAX_DEPTH = 64
"""How deep the lists and objects of an answer may be nested."""


class UnusableAnswerError(ValueError):
    """An answer that breaks a limit, or is not what was expected; the text says which."""


@dataclass(frozen=True)
class Answer:
    """The answer to one request.

    Attributes:
        status: the HTTP status.
        text: the body, decoded as UTF-8.
        headers: the header fields; names are case-insensitive.
    """

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self, type: Any = Any) -> Any:
        """Return the body, converted to `type`; raises `UnusableAnswerError`."""
        return decode(self.text, type)


def join_chunks(chunks: Iterable[bytes]) -> bytes:
    """Return the chunks joined; raises `UnusableAnswerError` above `MAX_BYTES`."""
    joined = bytearray()
    for chunk in chunks:
        joined += chunk
        if len(joined) > MAX_BYTES:
            raise UnusableAnswerError(f"the answer is larger than {MAX_BYTES >> 20} MiB")
    return bytes(joined)


def decode(text: str, type: Any = Any) -> Any:
    """Decode JSON. Numbers that are not finite become None, because JSON cannot hold them.

    Args:
        text: the JSON document.
        type: the type that is expected.

    Raises:
        UnusableAnswerError: it is not JSON, is nested too deep, or has another type.
    """
    try:
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
        _check_depth(value)
        return msgspec.convert(value, type)
    except msgspec.ValidationError as error:
        raise UnusableAnswerError(str(error)) from error
    except RecursionError as error:
        raise UnusableAnswerError(f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise UnusableAnswerError("not JSON") from error


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for each in level for item in _items(each)]
        if not level:
            return
    raise RecursionError


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
