"""Reads which chunks of a prompt the embedded engine has."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ..prefix import KeyParts, Prefix, PrefixChunk, StoredKey, StoredKeys
from .cache_engine import EmbeddedEngine
from .chunks import ChunkKey
from .metadata import EmbeddedMetadata
from .simulated_remote import SimulatedRemoteBackend


def read_prefix(
    engine: EmbeddedEngine | None, metadata: EmbeddedMetadata, keys: Sequence[tuple[int, ChunkKey]]
) -> Prefix:
    """Return the chunks of a prompt; a scheduler has no engine, so that only their keys are known."""
    size = metadata.chunk_size
    if engine is None:
        chunks = [PrefixChunk(start, start + size, _parts(key, metadata)) for start, key in keys]
        return Prefix(size, chunks, not_checked=["a scheduler has no storage: ask the workers"])
    backends = list(engine.storage_manager.storage_backends.items())
    skipped = _skipped(engine)
    held = [[name for name, backend in backends if backend.contains(key)] for _, key in keys]
    is_cached = [any(name not in skipped for name in names) for names in held]
    cached = size * sum(itertools.takewhile(bool, is_cached))
    hit = 0 if cached < engine.config.min_retrieve_tokens else cached
    return Prefix(
        size,
        [
            PrefixChunk(start, start + size, _parts(key, metadata), tuple(names), hit=start < hit)
            for (start, key), names in zip(keys, held, strict=True)
        ],
        searched=tuple(name for name, _ in backends),
        cached_tokens=cached,
        hit_tokens=hit,
        loaded_tokens=cached,
        lookup_tokens=size
        * sum(itertools.takewhile(bool, (engine.storage_manager.contains(key) is not None for _, key in keys))),
        skipped=skipped,
    )


def read_stored_keys(engine: EmbeddedEngine, chunk_hash: str) -> StoredKeys:
    """Return the keys of the stored chunks that have this hash."""
    by_backend = {name: each.keys() for name, each in list(engine.storage_manager.storage_backends.items())}
    alike = [
        StoredKey(name, _parts(key, engine.metadata))
        for name, keys in by_backend.items()
        for key in keys
        if key.chunk_hash == chunk_hash
    ]
    return StoredKeys(sum(map(len, by_backend.values())), alike, [])


def _parts(key: ChunkKey, metadata: EmbeddedMetadata) -> KeyParts:
    tags = None if key.tags is None else dict(key.tags)
    return KeyParts(key.model_name, key.world_size, key.worker_id, metadata.kv_dtype, key.chunk_hash, tags)


def _skipped(engine: EmbeddedEngine) -> dict[str, str]:
    """Return the backends that `retrieve` does not read, each with the reason."""
    storage = engine.storage_manager
    remote = storage.storage_backends.get("RemoteBackend")
    outage = isinstance(remote, SimulatedRemoteBackend) and remote.outage
    bypassed = dict.fromkeys(storage.get_bypassed_backends(), "bypassed")
    return ({"RemoteBackend": "unreachable"} if outage else {}) | bypassed
