"""Cached KV chunks: store, retrieve, clear."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import (
    JsonBody,
    NotFound,
    Role,
    TokenRange,
    backend_names,
    cut,
    operation,
    runtime,
    started_engine,
)
from lmcache_internal.diagnostics.storing import store_and_count

router = Blueprint("cache", __name__, url_prefix="/cache")


class Cleared(TypedDict):
    """Number of removed tokens."""

    status: Literal["success"]
    num_removed: int


class Asked(TypedDict):
    """Number of tokens in the request."""

    status: Literal["success"]
    num_tokens: int


class Reason(TypedDict, total=False):
    """Why fewer tokens are stored than requested."""

    reason: str


class Stored(Asked, Reason):
    """Number of tokens in the request, and how many are stored; null if the engine does not report it."""

    stored: int | None


class Retrieved(Asked):
    """Number of tokens in the request, and how many were retrieved."""

    num_retrieved: int


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
    """Store KV chunks of the tokens `start,end` (or `start:end`).

    The KV data comes from the first slots of the KV caches. The response has the number of stored tokens.
    """
    done = store_and_count(runtime(), tokens_mock, started_engine())
    reason: Reason = {"reason": done.reason} if done.reason else {}
    return {"status": "success", "num_tokens": len(tokens_mock), "stored": done.tokens, **reason}


@router.post("/retrieve")
@operation(action="retrieve cache", access=Role.OPERATOR, media="pretty", exclusive=True)
def retrieve(tokens_mock: TokenRange) -> Retrieved:
    """Retrieve KV chunks of the tokens `start,end` (or `start:end`).

    The KV data goes to the first slots of the KV caches; only whole chunks are retrieved.
    """
    started_engine()
    retrieved = runtime().retrieve(tokens_mock)
    return {"status": "success", "num_tokens": len(tokens_mock), "num_retrieved": retrieved}
