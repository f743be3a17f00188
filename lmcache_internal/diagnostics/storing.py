"""Store tokens and count the newly stored ones: chunks that are cached afterwards and were not cached before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from ..engine.runtime import Chunk, TokenStore
from ..errors import ApiError
from ..limits.timeouts import call_within
from .engine_state import EngineState

COUNT_SECONDS = 2.0
"""Timeout of the engine for the list of cached chunks, before and after the store."""
_WRITE_SECONDS = 1.5
"""Timeout for backends that write asynchronously, within `COUNT_SECONDS`."""

_Result = TypeVar("_Result")


class Stored(Struct, frozen=True):
    """The result of a store.

    Attributes:
        tokens: number of newly cached tokens; None if it is unknown.
        reason: why they are fewer than the given tokens; None if they are not.
    """

    tokens: int | None
    reason: str | None


class _UnknownError(Exception):
    """The number of stored tokens is unknown; the message is the reason."""


def store_and_count(store: TokenStore, tokens: Sequence[int], engine: Any) -> Stored:
    """Store `tokens` and return the number of newly cached ones.

    Chunks that the engine itself stores or evicts at the same time are counted, too.
    """
    try:
        chunks = _within("name the chunks", lambda: store.chunks(tokens))
        if chunks is None:
            raise _UnknownError("this engine does not report which chunks are cached")
        new = _within("look for cached chunks", lambda: _absent(store, chunks))
    except _UnknownError as error:
        store.store(tokens)
        return Stored(None, f"not known: {error}")
    store.store(tokens)
    try:
        left = _within("look for stored chunks", lambda: _left_after_writing(store, new))
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
    except Exception as error:  # An engine may raise any exception, but the store must not fail because of the count.
        raise _UnknownError(f"to {action} failed with {type(error).__name__}") from error


def _absent(store: TokenStore, chunks: Sequence[Chunk]) -> list[Chunk]:
    return [chunk for chunk in chunks if store.holds(chunk) is False]


def _left_after_writing(store: TokenStore, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Wait until no backend writes any of `chunks`; return the chunks that are not cached."""
    until = time.monotonic() + _WRITE_SECONDS
    while True:
        held = [store.holds(chunk) for chunk in chunks]
        being_written = sum(chunk.tokens for chunk, is_held in zip(chunks, held, strict=True) if is_held is None)
        if not being_written:
            return [chunk for chunk, is_held in zip(chunks, held, strict=True) if not is_held]
        if time.monotonic() > until:
            raise _UnknownError(f"{being_written} tokens are still being written")
        time.sleep(0.01)


def _sum(chunks: Sequence[Chunk]) -> int:
    return sum(chunk.tokens for chunk in chunks)
