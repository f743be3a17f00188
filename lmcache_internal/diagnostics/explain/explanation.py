"""Combine the chunks of a prompt and the reasons of its misses into one response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypedDict, cast

from msgspec import structs

from ...engine.prefix import KeyParts, PrefixChunk, StorageKind, storage_kind
from . import rules, storing_rules
from .situation import Reason, Situation

_RULES: tuple[Callable[[Situation], Iterator[Reason]], ...] = (
    rules.engine_unhealthy,
    rules.below_min_retrieve_tokens,
    rules.skipped_backends,
    rules.not_read_again,
    rules.not_in_retrieve_locations,
    rules.being_written,
    rules.slices_missing,
    rules.another_key,
    storing_rules.unreachable,
    storing_rules.closed,
    storing_rules.stores_nothing,
    rules.removed,
    rules.gap_in_prefix,
    storing_rules.drained,
    storing_rules.not_cached,
    rules.remainder,
)
"""In the order of their weight."""


class _KeyFields(TypedDict):
    model_name: str
    world_size: int
    worker_id: int | None
    dtype: str | None
    chunk_hash: str
    tags: dict[str, Any] | None


class KeyFields(_KeyFields, total=False):
    """The key of a chunk; `tags` is null without tags. On an MP server, it has a `cache_salt`, and no rank or dtype."""

    cache_salt: str


class ChunkFields(TypedDict):
    """A chunk; `storage` is where it is read from, or else would be."""

    start: int
    end: int
    key: KeyFields
    backends: list[str]
    storage: StorageKind | None
    hit: bool


class ReasonFields(TypedDict):
    """Why a chunk is not a hit."""

    code: str
    message: str
    evidence: dict[str, Any]
    next_step: str


class Explanation(TypedDict):
    """The chunks of a prompt; `hit_tokens` and `missing_tokens` are null on a rank that has no storage."""

    tokens: int
    chunk_size: int
    hit_tokens: int | None
    missing_tokens: int | None
    remainder_tokens: int
    chunks: list[ChunkFields]
    reasons: list[ReasonFields]
    not_checked: list[str]


def reasons_of(found: Situation) -> list[Reason]:
    """Return the reasons of the misses, in the order of their weight."""
    return [each for rule in _RULES for each in rule(found)]


def explanation_of(found: Situation) -> Explanation:
    """Return the response."""
    prefix = found.prefix
    end = prefix.chunks[-1].end if prefix.chunks else 0
    hit = prefix.hit_tokens
    return {
        "tokens": found.tokens,
        "chunk_size": prefix.chunk_size,
        "hit_tokens": hit,
        "missing_tokens": None if hit is None else end - hit,
        "remainder_tokens": found.tokens - end,
        "chunks": [_chunk(chunk, prefix.skipped) for chunk in prefix.chunks],
        "reasons": [structs.asdict(each) for each in reasons_of(found)],  # type: ignore[misc]  # It has these fields.
        "not_checked": _not_checked(found),
    }


def _chunk(chunk: PrefixChunk, skipped: Any) -> ChunkFields:
    readable = [name for name in chunk.backends if name not in skipped] or chunk.backends
    return {
        "start": chunk.start,
        "end": chunk.end,
        "key": _key(chunk.key),
        "backends": list(chunk.backends),
        "storage": storage_kind(readable[0]) if readable else None,
        "hit": chunk.hit,
    }


def _key(key: KeyParts) -> KeyFields:
    fields = structs.asdict(key)
    if key.cache_salt is None:
        del fields["cache_salt"]
    return cast("KeyFields", fields)


def _not_checked(found: Situation) -> list[str]:
    closed = [f"{mode.backend}: it is closed" for mode in found.modes if mode.name == "closed"]
    lost = [f"{name}: {why}" for name, why in found.unreachable.items()]
    disk = [chunk for chunk in found.prefix.chunks if chunk.hit and "LocalDiskBackend" in chunk.backends[:1]]
    unread = ["LocalDiskBackend: its index is read, not its files"] if disk else []
    return [*found.prefix.not_checked, *closed, *lost, *unread]
