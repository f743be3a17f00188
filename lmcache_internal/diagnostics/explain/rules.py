"""The rules that find reasons: each looks for one cause and yields a reason only with evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...engine.prefix import PrefixChunk
from ...limits.timeouts import clock
from ..doctor.catalogue import troubles
from .situation import Reason, Situation


def reason(code: str, message: str, **evidence: Any) -> Reason:
    """Return a reason with the next step that the catalogue of troubles has for its code."""
    return Reason(
        code,
        message,
        {name: value for name, value in evidence.items() if value is not None},
        troubles()[code].next_step,
    )


def engine_unhealthy(found: Situation) -> Iterator[Reason]:
    """The engine skips every request."""
    if not found.prefix.is_healthy:
        yield reason(
            "engine-unhealthy", "The engine is unhealthy, so it stores and retrieves nothing.", is_healthy=False
        )


def below_min_retrieve_tokens(found: Situation) -> Iterator[Reason]:
    """A prefix that is too short to be retrieved."""
    least, cached = getattr(found.config, "min_retrieve_tokens", 0), found.prefix.cached_tokens
    if cached and least > (found.prefix.loaded_tokens or 0):
        message = f"{cached} tokens are cached, and prefixes below min_retrieve_tokens ({least}) are not retrieved."
        yield reason("below-min-retrieve-tokens", message, cached_tokens=cached, min_retrieve_tokens=least)


def skipped_backends(found: Situation) -> Iterator[Reason]:
    """Missing chunks in backends that `retrieve` does not read."""
    codes = {"bypassed": "bypassed", "frozen": "frozen", "unreachable": "remote-unreachable"}
    for backend, why in found.prefix.skipped.items():
        chunks = [chunk for chunk in found.missing if backend in chunk.backends]
        if chunks:
            mode = found.mode("frozen") if why == "frozen" else found.mode("bypass", backend)
            because = "the engine is frozen and reads only LocalCPUBackend" if why == "frozen" else f"it is {why}"
            yield reason(
                codes[why],
                f"{len(chunks)} missing chunks are in {backend}, which is not read because {because}.",
                backend=backend,
                chunks=len(chunks),
                first_start=chunks[0].start,
                since=clock(mode.since) if mode else None,
            )


def not_read_again(found: Situation) -> Iterator[Reason]:
    """A missing chunk in a backend that was read before another backend took over."""
    chunk = _first(found)
    readable = [name for name in chunk.backends if name not in found.prefix.skipped] if chunk else []
    if chunk and readable and found.state is not None:
        yield reason(
            "backend-order",
            f"The chunk at token {chunk.start} is in {', '.join(readable)}, but the engine reads a prefix from one "
            "backend after the other and does not return to an earlier one.",
            start=chunk.start,
            backends=readable,
            order=list(found.state.backends),
        )


def not_in_retrieve_locations(found: Situation) -> Iterator[Reason]:
    """A lookup that finds less than is cached."""
    cached, lookup = found.prefix.cached_tokens, found.prefix.lookup_tokens
    locations = getattr(found.config, "retrieve_locations", None)
    if cached and lookup is not None and found.prefix.is_healthy and lookup < cached and locations:
        message = f"Lookups search only {', '.join(locations)}: they find {lookup} of {cached} cached tokens."
        yield reason(
            "not-in-retrieve-locations",
            message,
            retrieve_locations=locations,
            lookup_tokens=lookup,
            cached_tokens=cached,
        )


def being_written(found: Situation) -> Iterator[Reason]:
    """Chunks that a backend has not finished writing."""
    chunks = [chunk for chunk in found.missing if chunk.being_written and not chunk.backends]
    if chunks:
        message = f"{len(chunks)} missing chunks are being written."
        yield reason("being-written", message, chunks=len(chunks), first_start=chunks[0].start)


def another_key(found: Situation) -> Iterator[Reason]:
    """A stored chunk with the hash of the first missing chunk, and another key."""
    chunk = _absent(found)
    if chunk is None or found.stored is None:
        return
    for stored in found.stored.alike:
        parts = (stored.key, chunk.key)
        differs = [name for name in chunk.key.__struct_fields__ if _ordered(parts[0], name) != _ordered(parts[1], name)]
        if differs:
            yield reason(
                "stored-under-another-key",
                f"{stored.backend} has the same tokens under a key with another {' and '.join(differs)}.",
                start=chunk.start,
                backend=stored.backend,
                differs=differs,
                stored={name: getattr(stored.key, name) for name in differs},
                asked={name: getattr(chunk.key, name) for name in differs},
            )
            return


def slices_missing(found: Situation) -> Iterator[Reason]:
    """A chunk of which only some ranks have stored their slice."""
    chunk = _first(found)
    if chunk and 0 < chunk.slices_found < chunk.slices:
        yield reason(
            "slices-missing",
            f"The chunk at token {chunk.start} has {chunk.slices_found} of {chunk.slices} slices, and needs all of "
            "them to be a hit.",
            start=chunk.start,
            slices=chunk.slices,
            slices_found=chunk.slices_found,
            backends=list(chunk.backends),
        )


def removed(found: Situation) -> Iterator[Reason]:
    """A chunk that was cached when a prompt was explained before."""
    chunk = _absent(found)
    if chunk and found.sight and found.is_complete:
        seen, backends = clock(found.sight.at), list(found.sight.backends)
        yield reason(
            "removed",
            f"The chunk at token {chunk.start} was in {', '.join(backends)} at {seen}, and is in no backend now.",
            start=chunk.start,
            seen=seen,
            backends=backends,
        )


def gap_in_prefix(found: Situation) -> Iterator[Reason]:
    """A missing chunk before chunks that are cached."""
    chunk = _absent(found)
    later = [each for each in found.missing if each.backends] if chunk and found.is_complete else []
    if chunk and later:
        yield reason(
            "gap-in-prefix",
            f"The chunk at token {chunk.start} is in no backend, but {len(later)} later chunks of this prompt are. "
            "Their keys depend on it, so it was removed after it was stored, or could not be stored.",
            missing_start=chunk.start,
            later_chunks=len(later),
            later_start=later[0].start,
        )


def remainder(found: Situation) -> Iterator[Reason]:
    """Tokens after the last whole chunk."""
    end = found.prefix.chunks[-1].end if found.prefix.chunks else 0
    left = found.tokens - end
    if not found.prefix.chunks and found.tokens < found.prefix.chunk_size:
        yield reason(
            "prompt-shorter-than-chunk",
            f"The prompt has {found.tokens} tokens, fewer than one chunk ({found.prefix.chunk_size}).",
            tokens=found.tokens,
            chunk_size=found.prefix.chunk_size,
        )
    elif left and found.missing:
        message = f"The last {left} tokens do not fill a chunk and are never stored."
        yield reason("remainder-not-stored", message, remainder_tokens=left, chunk_size=found.prefix.chunk_size)


def _first(found: Situation) -> PrefixChunk | None:
    """Return the first missing chunk."""
    return next(iter(found.missing), None)


def _absent(found: Situation) -> PrefixChunk | None:
    """Return the first missing chunk, if it was looked up everywhere, and no backend has it or writes it."""
    chunk = _first(found)
    return chunk if chunk and chunk.is_examined and not (chunk.backends or chunk.being_written) else None


def _ordered(key: Any, name: str) -> Any:
    value = getattr(key, name)
    return list(value.items()) if isinstance(value, dict) else value
