"""Cached KV chunks: store, retrieve, clear."""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import (
    BadRequest,
    FromText,
    JsonBody,
    NotFound,
    Role,
    backend_names,
    cut,
    operation,
    runtime,
    shown,
    started_engine,
)

router = Blueprint("cache", __name__, url_prefix="/cache")

MAX_TOKENS = 1 << 20


def _parse_tokens(text: str) -> range:
    """Parse `start,end`, and check the size of the range before it is expanded."""
    numbers = re.fullmatch(r"\s*(-?\d{1,18})\s*,\s*(-?\d{1,18})\s*", text)
    if numbers is None:
        raise _invalid(f"expected two whole numbers, got {text[:100]!r}")
    tokens = range(int(numbers[1]), int(numbers[2]))
    if not tokens:
        raise _invalid(f"start must be less than end, got {shown(text)}")
    if len(tokens) > MAX_TOKENS:
        raise _invalid(f"at most {MAX_TOKENS} tokens, got {len(tokens)}")
    return tokens


_START_END = {"type": "string", "pattern": r"^\s*-?\d{1,18}\s*,\s*-?\d{1,18}\s*$", "examples": ["0,256"]}
TokenRange = Annotated[range, FromText(_parse_tokens, missing="Missing parameters", schema=_START_END)]


class Cleared(TypedDict):
    """Number of removed tokens."""

    status: Literal["success"]
    num_removed: int


class Stored(TypedDict):
    """Number of tokens in the request."""

    status: Literal["success"]
    num_tokens: int


class Retrieved(Stored):
    """Number of tokens in the request, and how many were retrieved."""

    num_retrieved: int


def _invalid(reason: str) -> BadRequest:
    return BadRequest(f"tokens_mock must be 'start,end': {reason}", title="Invalid tokens_mock format")


def _check_locations(locations: Sequence[str], known: Sequence[str] | None) -> None:
    if known is None:
        return
    unknown = [name for name in locations if name not in known]
    if unknown:
        raise NotFound(
            f"There is no backend {', '.join(map(cut, unknown[:10]))} to clear; there are: {', '.join(known)}",
            title="Unknown location",
        )


@router.delete("/clear")
@operation(action="clear cache", access=Role.OPERATOR, media="pretty", exclusive=True, errors=(NotFound,))
def clear(locations: list[str] | None = None, request_configs: JsonBody | None = None) -> Cleared:
    """Clear cached KV chunks.

    Clears the backends in `locations` (repeatable), or the CPU memory by default.
    """
    found = started_engine()
    _check_locations(locations or [], backend_names(found))
    removed = found.clear(locations=locations, request_configs=request_configs)
    return {"status": "success", "num_removed": removed}


@router.post("/store")
@operation(action="store cache", access=Role.OPERATOR, media="pretty", exclusive=True)
def store(tokens_mock: TokenRange) -> Stored:
    """Store KV chunks of the tokens `start,end`.

    The KV data comes from the first slots of the KV caches.
    """
    started_engine()
    runtime().store(tokens_mock)
    return {"status": "success", "num_tokens": len(tokens_mock)}


@router.post("/retrieve")
@operation(action="retrieve cache", access=Role.OPERATOR, media="pretty", exclusive=True)
def retrieve(tokens_mock: TokenRange) -> Retrieved:
    """Retrieve KV chunks of the tokens `start,end`.

    The KV data goes to the first slots of the KV caches; only whole chunks are retrieved.
    """
    started_engine()
    retrieved = runtime().retrieve(tokens_mock)
    return {"status": "success", "num_tokens": len(tokens_mock), "num_retrieved": retrieved}
