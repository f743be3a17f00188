"""Reads which chunks of a prompt a real LMCache engine has, with the engine's own functions for keys and lookups.

`contains` of a backend, without `pin`, reports whether it has a chunk and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import BadRequest, EngineUnavailable, NotSupported
from .prefix import MAX_CHUNKS, KeyParts, Prefix, PrefixChunk, StoredKey, StoredKeys

_LOOK_SECONDS = 2.0
"""For the lookups of each chunk in one backend. A remote backend takes a round trip for each chunk."""
_SCHEDULER = "a scheduler has no storage: ask the workers"


def read_prefix(manager: Any, tokens: Sequence[int], request_configs: Mapping[str, Any] | None) -> Prefix:
    """Return the chunks of a prompt; on a scheduler, only their keys are known."""
    engine = manager.lmcache_engine
    database = _token_database(manager)
    if manager.config.enable_blending:
        raise NotSupported("With enable_blending, the chunks of a prompt do not depend on its prefix.")
    if len(tokens) // manager.config.chunk_size > MAX_CHUNKS:
        raise BadRequest(f"At most {MAX_CHUNKS} chunks, got {len(tokens) // manager.config.chunk_size}")
    found = list(database.process_tokens(list(tokens), request_configs=dict(request_configs or {}) or None))
    storage = getattr(engine, "storage_manager", None)
    if storage is None:
        if engine is not None and not engine.post_inited:
            raise EngineUnavailable("The engine is still starting and has no storage manager yet.")
        chunks = [PrefixChunk(start, end, key_parts(key)) for start, end, key in found]
        return Prefix(
            manager.config.chunk_size, chunks, not_checked=[_SCHEDULER if engine is None else _passive(engine)]
        )
    return _Reading(engine, storage, found, len(tokens)).prefix()


def read_stored_keys(engine: Any, chunk_hash: str) -> StoredKeys:
    """Return the keys of the stored chunks that have this hash, of the backends that have an index in this process."""
    total, alike, not_listed = 0, [], []
    same = _hashes(chunk_hash)
    for name, backend in list(engine.storage_manager.storage_backends.items()):
        index = _index_of(backend)
        if index is None:
            not_listed.append(name)
            continue
        keys = list(index)  # One call in C, so that no other thread changes the index meanwhile.
        total += len(keys)
        alike += [StoredKey(name, key_parts(key)) for key in keys if key.chunk_hash in same]
    return StoredKeys(total, alike, not_listed)


def key_parts(key: Any) -> KeyParts:
    """Return the parts of a `CacheEngineKey`."""
    tags = None if key.tags is None else dict(key.tags)
    dtype = str(key.dtype).removeprefix("torch.")
    return KeyParts(key.model_name, key.world_size, key.worker_id, dtype, key.chunk_hash_hex, tags)


class _Reading:
    """One reading of an engine.

    Args:
        engine: LMCache's engine.
        storage: its storage manager.
        found: start, end and key of each chunk.
        tokens: number of tokens of the prompt.
    """

    def __init__(self, engine: Any, storage: Any, found: Sequence[tuple[int, int, Any]], tokens: int) -> None:
        self._engine = engine
        self._tokens = tokens
        self._storage = storage
        self._found = found
        # In layerwise mode, a chunk is one object for each layer.
        layers = engine.num_layers if engine.use_layerwise else None
        self._keys = [key.split_layers(layers) if layers else [key] for _, _, key in found]
        self._not_checked: list[str] = []
        self._examined = len(found)

    def prefix(self) -> Prefix:
        """Read everything."""
        is_passive = self._engine._is_passive()
        written = self._being_written()
        cached = self._walk(None)
        healthy = bool(self._engine.is_healthy())
        if is_passive:
            self._not_checked.append(_passive(self._engine))
        if self._engine.use_layerwise:
            self._not_checked.append("use_layerwise: hit_tokens is the result of a lookup; retrieves may find less")
        backends = list(self._storage.storage_backends.items())
        peers = [name for name, backend in backends if type(backend).__name__ == "P2PBackend"]
        self._not_checked += [f"{name}: only a lookup with enable_async_loading asks the peers" for name in peers]
        hit = None if is_passive else cached if healthy else 0
        lookup = None if is_passive else self._walk(self._locations) if healthy else 0
        held = self._held()
        chunks = [
            PrefixChunk(
                start,
                end,
                key_parts(key),
                tuple(held[number]),
                hit=end <= (hit or 0),
                being_written=number in written,
                is_examined=number < self._examined,
            )
            for number, (start, end, key) in enumerate(self._found)
        ]
        return Prefix(
            self._engine.config.chunk_size,
            chunks,
            searched=tuple(self._storage.get_all_backend_names()),
            cached_tokens=None if is_passive else cached,
            hit_tokens=hit,
            # vLLM's connector computes the last token of a prompt that is cached completely.
            loaded_tokens=cached - (cached == self._tokens),
            lookup_tokens=lookup,
            skipped=self._skipped(),
            is_healthy=healthy,
            is_complete=self._examined == len(self._found) and not peers,
            not_checked=self._not_checked,
        )

    @property
    def _locations(self) -> list[str] | None:
        return getattr(self._engine, "retrieve_locations", None)  # LMCache 0.3 has none.

    def _walk(self, locations: list[str] | None) -> int:
        """Return the length of the prefix that the storage manager finds in `locations`, in tokens."""
        if not self._engine.use_layerwise:
            hits, _ = self._storage.batched_contains([keys[0] for keys in self._keys], locations, False)
            return self._found[hits - 1][1] if hits else 0
        end = 0
        for keys, (_, chunk_end, _) in zip(self._keys, self._found, strict=True):
            layers, by_backend = self._storage.batched_contains(keys, locations, False)
            if layers != len(keys) or len(by_backend) != 1:
                break
            end = chunk_end
        return end

    def _held(self) -> list[list[str]]:
        held: list[list[str]] = [[] for _ in self._keys]
        for name, backend in list(self._storage.storage_backends.items()):
            if getattr(backend, "connection", backend) is None:
                continue  # It would log a warning for each chunk.
            until = time.monotonic() + _LOOK_SECONDS
            for number, keys in enumerate(self._keys):
                if time.monotonic() > until:
                    self._examined = min(self._examined, number)
                    self._not_checked.append(
                        f"{name}: {len(self._keys) - number} of {len(self._keys)} chunks, because it is slow "
                        f"(the limit is {_LOOK_SECONDS:g} s)"
                    )
                    break
                if all(backend.contains(key) for key in keys):
                    held[number].append(name)
        return held

    def _being_written(self) -> set[int]:
        return {
            number
            for _, backend in list(self._storage.storage_backends.items())
            for number, keys in enumerate(self._keys)
            if _is_being_written(backend, keys)
        }

    def _skipped(self) -> dict[str, str]:
        names = self._storage.get_all_backend_names()
        reads = [name for name, _ in self._storage.get_active_storage_backends()]
        bypassed = self._storage.get_bypassed_backends()
        return {name: "bypassed" if name in bypassed else "frozen" for name in names if name not in reads}


def _is_being_written(backend: Any, keys: Sequence[Any]) -> bool:
    try:
        return any(backend.exists_in_put_tasks(key) for key in keys)
    except NotImplementedError:  # LMCache's P2PBackend stores nothing.
        return False


def _token_database(manager: Any) -> Any:
    """Return the object that makes the keys: the engine's, or that of the scheduler's lookup client."""
    found = manager.lmcache_engine or manager.lookup_client
    while not hasattr(found, "token_database") and hasattr(found, "actual_lookup_client"):
        found = found.actual_lookup_client
    database = getattr(found, "token_database", None)
    if database is None:
        raise EngineUnavailable("This rank makes no keys: it has no engine and no lookup client.")
    return database


def _passive(engine: Any) -> str:
    return f"worker {engine.metadata.worker_id} reads no storage: the first rank reads for it; ask worker 0"


def _hashes(text: str) -> set[int | bytes]:
    """Return the values of `chunk_hash` with this text: a number, or bytes in LMCache 0.3."""
    found: set[int | bytes] = {int(text, 16)}
    return found if text.startswith("-") or len(text) % 2 else found | {bytes.fromhex(text)}


def _index_of(backend: Any) -> Any:
    """Return the keys of a backend that has them in memory; None for other backends."""
    names = {"LocalCPUBackend": "hot_cache", "LocalDiskBackend": "dict"}
    return getattr(backend, names.get(type(backend).__name__, ""), None)
