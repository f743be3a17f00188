"""The rules for an engine that cannot have stored a chunk, and for backends that cannot be examined."""

from __future__ import annotations

from collections.abc import Iterator

from ...limits.timeouts import clock
from ..engine_state import CPU
from .rules import _absent, reason
from .situation import Reason, Situation


def unreachable(found: Situation) -> Iterator[Reason]:
    """A backend without connection."""
    if _absent(found):
        for backend, why in found.unreachable.items():
            yield reason(
                "remote-unreachable",
                f"{backend} has no connection, so its chunks are misses.",
                backend=backend,
                why=why,
            )


def closed(found: Situation) -> Iterator[Reason]:
    """A backend that existed and was closed."""
    for mode in found.modes if _absent(found) else ():
        if mode.name == "closed":
            message = f"{mode.backend} is closed, so its chunks are misses."
            yield reason("backend-closed", message, backend=mode.backend, since=clock(mode.since))


def stores_nothing(found: Situation) -> Iterator[Reason]:
    """An engine that stores no new chunks, or has no backend for them."""
    state = found.state
    if state is None or not _absent(found):
        return
    if state.frozen:
        mode = found.mode("frozen")
        since = clock(mode.since) if mode else None
        yield reason("frozen", "The engine is frozen: it stores no new chunks.", frozen=True, since=since)
    if found.in_service:
        return
    if not state.backends:
        yield reason("no-backend", "The engine has no backend, so it stores nothing.", backends=[])
    elif state.out_of_service:
        names = ", ".join(state.out_of_service)
        message = f"Bypassed: {names}. No other backend stores new chunks."
        yield reason("bypassed", message, backends=list(state.backends), bypassed=state.out_of_service)
    if state.hot_cache_is_off:
        message = f"The hot cache of {CPU} is off, and no other backend stores new chunks."
        yield reason("hot-cache-off", message, hot_cache=False, backends=list(state.backends))


def drained(found: Situation) -> Iterator[Reason]:
    """A rank that gets no requests."""
    mode = found.mode("drained")
    if mode and _absent(found):
        message = "The rank is drained: a load balancer sends it no requests, so it stores no new prompts."
        yield reason("drained", message, since=clock(mode.since))


def not_cached(found: Situation) -> Iterator[Reason]:
    """A chunk that no backend has."""
    chunk = _absent(found)
    if chunk is None:
        return
    searched = [name for name in found.prefix.searched if name not in found.unreachable]
    stored = found.stored
    if stored is not None and not stored.total and not stored.not_listed:
        yield reason("cache-empty", "The backends hold no chunks.", stored_chunks=0, backends=searched)
        return
    yield reason(
        "not-cached",
        f"The chunk at token {chunk.start} is in no examined backend: it was not stored with this key, or was removed.",
        start=chunk.start,
        chunk_hash=chunk.key.chunk_hash,
        backends=searched,
        stored_chunks=stored.total if stored else None,
    )
