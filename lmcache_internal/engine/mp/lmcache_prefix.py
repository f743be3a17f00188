"""Reads which chunks of a prompt LMCache's MP server has.

LMCache makes the keys and decides how long the hit is. Its own lookup loads and locks objects, so presence is read from
the index of L1, the files of a file-system adapter, and the listing of other adapters, if they have one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ...errors import BadRequest, EngineUnavailable, NotSupported
from ..lmcache_names import load
from ..prefix import MAX_CHUNKS, Prefix, StoredKeys
from .prefix import Presence, Tier, prefix_of, stored_keys_of, tier_names
from .runtime import Prompt

_LOOK_SECONDS = 2.0
"""For one L2 adapter."""
_PAGE = 1000


def read_prefix(engine: Any, prompt: Prompt) -> Prefix:
    """Return the chunks of a prompt."""
    context = engine.context
    if len(prompt.tokens) // context.chunk_size > MAX_CHUNKS:
        raise BadRequest(f"At most {MAX_CHUNKS} chunks, got {len(prompt.tokens) // context.chunk_size}")
    groups = _groups(context, prompt)
    keys = [key for group in groups for key in group.keys]
    storage = engine.storage_manager
    adapters = storage.l2_adapters()
    names = tier_names([descriptor.type_name for descriptor, _ in adapters])
    tiers = [_l1(storage, keys)]
    tiers += [_l2(name, adapter, prompt, keys) for name, (_, adapter) in zip(names, adapters, strict=True)]
    windows = [group.sliding_window_size for group in groups]
    return prefix_of(
        prompt, context.chunk_size, [group.keys for group in groups], tiers, lambda found: _hit_chunks(found, windows)
    )


def read_stored_keys(engine: Any, prompt: Prompt, chunk_hash: str) -> StoredKeys:
    """Return the keys in L1 that have this hash."""
    ranks = {key.kv_rank for group in _groups(engine.context, prompt) for key in group.keys[:1]}
    # One call in C for each manager, so that no other thread changes the index meanwhile.
    keys = [key for manager in _l1_managers(engine.storage_manager) for key in list(manager._objects)]
    return stored_keys_of(prompt, chunk_hash, keys, ranks, ["L2"] if engine.storage_manager.l2_adapters() else [])


def _groups(context: Any, prompt: Prompt) -> Sequence[Any]:
    """Return the keys of the chunks for each rank and group of layers, as LMCache's lookup makes them."""
    try:
        resolve = load("resolve_grouped_object_keys")
    except ImportError as error:
        raise NotSupported(f"This needs LMCache 0.5.6: {error}") from None
    registry = context.layout_desc_registry
    layouts = registry.find_group_layout_descs(prompt.model_name, prompt.world_size)
    if not layouts:
        raise EngineUnavailable(
            f"No worker has registered model_name={prompt.model_name!r} with world_size={prompt.world_size} yet."
        )
    attention = registry.find_attn_desc(prompt.model_name, prompt.world_size)
    try:
        groups, _ = resolve(
            context.token_hasher,
            prompt.model_name,
            prompt.world_size,
            prompt.tokens,
            prompt.cache_salt,
            layouts,
            attention,
        )
    except ValueError as error:
        raise BadRequest(str(error)) from None
    return list(groups)


def _hit_chunks(presence: Presence, windows: Sequence[int]) -> int:
    bitmap = load("Bitmap")
    rows = []
    for row in presence:
        rows.append(bitmap(len(row)))
        for number, is_present in enumerate(row):
            if is_present:
                rows[-1].set(number)
    hit, _ = load("fold_unfold_grouped")(rows, windows)
    return int(hit)


def _l1_managers(storage: Any) -> list[Any]:
    return list(storage._l1_managers_by_id.values())


def _l1(storage: Any, keys: Sequence[Any]) -> Tier:
    found, written = set(), set()
    for manager in _l1_managers(storage):
        written |= {key for key in keys if key in manager._staging}
        found |= {key for key in keys if manager.get_object_state(key) is not None}
    return Tier("L1", found, written)


def _l2(name: str, adapter: Any, prompt: Prompt, keys: Sequence[Any]) -> Tier:
    inner = getattr(adapter, "_inner", adapter)  # An adapter with serialization is wrapped.
    path_of = getattr(inner, "_key_to_path", None)
    if path_of is not None:
        return _in_files(name, path_of, keys)
    wanted = {_name(key): key for key in keys}
    found: set[Any] = set()
    cursor, until = None, time.monotonic() + _LOOK_SECONDS
    try:
        while len(found) < len(wanted):
            page = adapter.list_l2_keys(model_name=prompt.model_name, page_size=_PAGE, cursor=cursor)
            found |= {wanted[_name(entry.key)] for entry in page.entries if _name(entry.key) in wanted}
            cursor = page.next_page_token
            if cursor is None:
                break
            if time.monotonic() > until:
                return Tier(name, found, not_checked=f"its listing takes longer than {_LOOK_SECONDS:g} s")
    except NotImplementedError:
        return Tier(name, not_checked="this adapter cannot look objects up without locking them")
    return Tier(name, found)


def _in_files(name: str, path_of: Any, keys: Sequence[Any]) -> Tier:
    """Return the objects that are files; a network file system may need milliseconds for each of thousands."""
    found: set[Any] = set()
    until = time.monotonic() + _LOOK_SECONDS
    for number, key in enumerate(keys):
        if time.monotonic() > until:
            left = f"{len(keys) - number} of {len(keys)} objects were not looked up"
            return Tier(name, found, not_checked=f"{left}, because it is slow (the limit is {_LOOK_SECONDS:g} s)")
        if path_of(key).exists():
            found.add(key)
    return Tier(name, found)


def _name(key: Any) -> tuple[Any, ...]:
    """Return the parts of a key, of LMCache's class or of the one in its listings."""
    text = key.chunk_hash_hex if hasattr(key, "chunk_hash_hex") else key.chunk_hash.hex()
    return text, key.model_name, key.kv_rank, key.object_group_id, key.cache_salt
