"""Combine the objects of a prompt and the tiers that have them into its cached prefix, for any MP engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence, Set
from typing import Any

from msgspec import Struct

from ..prefix import KeyParts, Prefix, PrefixChunk, StoredKey, StoredKeys
from .runtime import Prompt

Presence = Sequence[Sequence[bool]]
"""For each row (a rank and a group of layers), whether each chunk is cached in any tier."""


class Tier(Struct, frozen=True):
    """A tier: L1 or an L2 adapter.

    Attributes:
        name: `L1`, or `L2:` and the type of the adapter.
        keys: the objects of the prompt that it has; it may have others.
        being_written: the objects that it has not finished writing.
        not_checked: why it was not examined; empty if it was.
    """

    name: str
    keys: Set[Any] = frozenset()
    being_written: Set[Any] = frozenset()
    not_checked: str = ""


def tier_names(types: Sequence[str]) -> list[str]:
    """Return the names of the L2 adapters of these types; several adapters of one type are numbered."""
    several = {name for name, count in Counter(types).items() if count > 1}
    return [f"L2:{name}#{number}" if name in several else f"L2:{name}" for number, name in enumerate(types)]


def whole_prefix(presence: Presence) -> int:
    """Return the number of leading chunks that all rows have."""
    columns = [all(column) for column in zip(*presence, strict=True)]
    return columns.index(False) if False in columns else len(columns)


def prefix_of(
    prompt: Prompt,
    chunk_size: int,
    rows: Sequence[Sequence[Any]],
    tiers: Sequence[Tier],
    hit_chunks: Callable[[Presence], int],
) -> Prefix:
    """Return the cached prefix of a prompt.

    Args:
        prompt: the prompt.
        chunk_size: tokens per chunk.
        rows: for each rank and group of layers, the key of each chunk.
        tiers: L1 and the L2 adapters.
        hit_chunks: the rule of the engine: the number of chunks of the longest prefix that it can serve.
    """
    presence = [[any(key in tier.keys for tier in tiers) for key in row] for row in rows]
    hit = chunk_size * (hit_chunks(presence) if rows and rows[0] else 0)
    columns = list(zip(*rows, strict=True))
    return Prefix(
        chunk_size,
        [_chunk(prompt, number * chunk_size, chunk_size, keys, tiers, hit) for number, keys in enumerate(columns)],
        searched=tuple(tier.name for tier in tiers if not tier.not_checked),
        cached_tokens=hit,
        hit_tokens=hit,
        lookup_tokens=hit,
        is_complete=not any(tier.not_checked for tier in tiers),
        not_checked=[
            f"{tier.name}: {tier.not_checked}; its chunks count as missing" for tier in tiers if tier.not_checked
        ],
    )


def stored_keys_of(
    prompt: Prompt, chunk_hash: str, keys: Iterable[Any], ranks: Collection[int], not_listed: list[str]
) -> StoredKeys:
    """Return the keys of L1 that have a hash; the world size of a key with a rank not in `ranks` is unknown."""
    keys = list(keys)
    alike = {
        KeyParts(
            key.model_name,
            prompt.world_size if key.kv_rank in ranks else None,
            None,
            None,
            chunk_hash,
            cache_salt=key.cache_salt,
        ): None
        for key in keys
        if key.chunk_hash.hex() == chunk_hash
    }
    return StoredKeys(len(keys), [StoredKey("L1", parts) for parts in alike], not_listed)


def _chunk(
    prompt: Prompt, start: int, size: int, keys: Sequence[Any], tiers: Sequence[Tier], hit_tokens: int
) -> PrefixChunk:
    parts = KeyParts(
        prompt.model_name, prompt.world_size, None, None, keys[0].chunk_hash.hex(), cache_salt=prompt.cache_salt
    )
    return PrefixChunk(
        start,
        start + size,
        parts,
        tuple(tier.name for tier in tiers if any(key in tier.keys for key in keys)),
        hit=start < hit_tokens,
        being_written=any(key in tier.being_written for tier in tiers for key in keys),
        slices=len(keys),
        slices_found=sum(any(key in tier.keys for tier in tiers) for key in keys),
    )
