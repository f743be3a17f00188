"""Storing tokens, and counting what was really stored: the chunks that are cached afterwards and were not before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from ..engine.runtime import Chunk, Runtime
from ..errors import ApiError
from ..limits.timeouts import call_within
from .engine_state import EngineState

COUNT_SECONDS = 2.0
"""How long the engine may take to say which chunks are cached, before and after."""
_WRITE_SECONDS = 1.5
"""How long backends that write later may take, within that."""

_Result = TypeVar("_Result")


class Stored(Struct, frozen=True):
    """What became of the tokens.

    Attributes:
        tokens: how many are cached that were not before; None where it is not known.
        reason: why that is fewer than were given; None where it is not.
    """

    tokens: int | None
    reason: str | None


class _UnknownError(Exception):
    """It cannot be known what was stored; the message says why."""


def store_and_count(runtime: Runtime, tokens: Sequence[int], engine: Any) -> Stored:
    """Store `tokens`, and say how many of them are newly cached.

    Chunks that the engine itself stores or evicts meanwhile are not told from those of the call.
    """
    try:
        chunks = _within("name the chunks", lambda: runtime.chunks(tokens))
        if chunks is None:
            raise _UnknownError("this engine cannot tell which chunks are cached")
        new = _within("look for cached chunks", lambda: _absent(runtime, chunks))
    except _UnknownError as error:
        runtime.store(tokens)
        return Stored(None, f"not known: {error}")
    runtime.store(tokens)
    try:
        left = _within("look for stored chunks", lambda: _left_after_writing(runtime, new))
    except _UnknownError as error:
        return Stored(None, f"not known: {error}")
    stored = _sum(new) - _sum(left)
    if left:
        why = EngineState.of(engine).why_not_stored()
        return Stored(stored, why or "no room, or a backend did not take them: see GET /healthz and the engine's log")
    return Stored(stored, _why_fewer(len(tokens), _sum(chunks), stored))


def _why_fewer(given: int, in_chunks: int, stored: int) -> str | None:
    reasons = [f"already cached: {in_chunks - stored} tokens"] if stored < in_chunks else []
    if in_chunks < given:
        reasons.append(f"only whole chunks are stored (tokens left over: {given - in_chunks})")
    return "; ".join(reasons) or None


def _within(action: str, call: Callable[[], _Result]) -> _Result:
    try:
        result: _Result = call_within(action, call, COUNT_SECONDS)
        return result
    except _UnknownError:
        raise
    except ApiError as error:
        raise _UnknownError(str(error)) from error
    except Exception as error:  # An engine may raise anything; the store itself must not fail because of the count.
        raise _UnknownError(f"to {action} failed with {type(error).__name__}") from error


def _absent(runtime: Runtime, chunks: Sequence[Chunk]) -> list[Chunk]:
    return [chunk for chunk in chunks if runtime.holds(chunk) is False]


def _left_after_writing(runtime: Runtime, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Those of `chunks` that are not cached, once no backend writes one of them any more."""
    until = time.monotonic() + _WRITE_SECONDS
    while True:
        held = [runtime.holds(chunk) for chunk in chunks]
        being_written = sum(chunk.tokens for chunk, is_held in zip(chunks, held, strict=True) if is_held is None)
        if not being_written:
            return [chunk for chunk, is_held in zip(chunks, held, strict=True) if not is_held]
        if time.monotonic() > until:
            raise _UnknownError(f"{being_written} tokens are still being written")
        time.sleep(0.01)


def _sum(chunks: Sequence[Chunk]) -> int:
    return sum(chunk.tokens for chunk in chunks)
