"""The embedded cache engine: store, retrieve and look up token chunks."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...redaction.log_lines import get_logger
from .chunks import HASH_FUNCTIONS, ChunkKey, chunk_keys
from .config import EmbeddedConfig
from .kv_buffers import KVBuffer, read_slots, write_slots
from .local_cpu import LocalCPUBackend
from .metadata import EmbeddedMetadata
from .metrics import EngineMetrics
from .simulated_remote import SimulatedRemoteBackend
from .storage_manager import EmbeddedStorageManager

# LMCache's logger name, so that requests that set its level work with both engines.
logger = get_logger("lmcache.v1.cache_engine")


class EmbeddedEngine:
    """A cache engine with LMCache's interface that stores bytes in host memory.

    Token i of a request is in slot i of the KV buffers, modulo their length.

    Attributes:
        kvcache_check_log_enabled: whether store and retrieve log the slots they touch.
        post_inited: always False; True on an LMCache engine that intentionally has no storage.
    """

    post_inited = False

    def __init__(self, config: EmbeddedConfig, metadata: EmbeddedMetadata, kv_caches: Mapping[str, KVBuffer]) -> None:
        self.config = config
        self.metadata = metadata
        self.storage_manager = EmbeddedStorageManager(config, metadata)
        self.metrics = EngineMetrics(metadata)
        self.kvcache_check_log_enabled = False
        self._kv_caches = kv_caches
        self._num_slots = min(buffer.num_slots for buffer in kv_caches.values())
        self._pinned: dict[str, list[ChunkKey]] = {}
        self._totals = dict.fromkeys(("requested", "hit", "looked_up", "found"), 0)
        self._lock = threading.Lock()
        self._counted = Counter[str]()
        self._closed = False
        self._refresh_gauges()

    def store(self, tokens: Sequence[int], request_configs: Mapping[str, Any] | None = None) -> int:
        """Store the KV cache of each complete chunk of `tokens`; return the number of newly stored tokens."""
        started = time.perf_counter()
        stored = 0
        for start, key in self._keys(tokens, request_configs):
            if self.storage_manager.contains(key) is None:
                with self._lock:
                    data = read_slots(self._kv_caches, start % self._num_slots, self.metadata.chunk_size)
                stored += self.metadata.chunk_size * self.storage_manager.put(key, data)
        self._log_slots("store", len(tokens))
        logger.debug("Stored %d of %d tokens", stored, len(tokens))
        self.metrics.count("num_store_requests")
        self.metrics.count("num_stored_tokens", stored)
        self.metrics.observe("time_to_store", time.perf_counter() - started)
        self._refresh_gauges()
        return stored

    def retrieve(self, tokens: Sequence[int], request_configs: Mapping[str, Any] | None = None) -> list[bool]:
        """Copy the longest cached prefix of `tokens` into the KV buffers.

        Returns:
            One entry per token: whether it was retrieved.
        """
        started = time.perf_counter()
        found = list(self._cached_prefix(tokens, request_configs))
        hit = len(found) * self.metadata.chunk_size
        if hit < self.config.min_retrieve_tokens:
            found, hit = [], 0
        for start, data in found:
            with self._lock:
                write_slots(self._kv_caches, start % self._num_slots, self.metadata.chunk_size, data)
        self._log_slots("retrieve", hit)
        logger.debug("Retrieved %d of %d tokens", hit, len(tokens))
        self.metrics.count("num_retrieve_requests")
        self.metrics.count("num_requested_tokens", len(tokens))
        self.metrics.count("num_hit_tokens", hit)
        self.metrics.observe("time_to_retrieve", time.perf_counter() - started)
        self._count_hits("requested", len(tokens), "hit", hit)
        return [True] * hit + [False] * (len(tokens) - hit)

    def lookup(
        self,
        tokens: Sequence[int],
        lookup_id: str | None = None,
        pin: bool = False,
        request_configs: Mapping[str, Any] | None = None,
    ) -> int:
        """Return the number of cached tokens of the prefix; with `pin`, they are kept until `lookup_unpin`."""
        started = time.perf_counter()
        found = 0
        for start, key in self._keys(tokens, request_configs):
            if self.storage_manager.contains(key, pin=pin) is None:
                break
            if pin:
                self._pinned.setdefault(lookup_id or "", []).append(key)
            found = start + self.metadata.chunk_size
        self.metrics.count("num_lookup_requests")
        self.metrics.count("num_lookup_tokens", len(tokens))
        self.metrics.count("num_lookup_hits", found)
        self.metrics.observe("time_to_lookup", time.perf_counter() - started)
        self._count_hits("looked_up", len(tokens), "found", found)
        return found

    def lookup_unpin(self, lookup_id: str) -> None:
        """Unpin the chunks that a lookup pinned."""
        for key in self._pinned.pop(lookup_id, []):
            self.storage_manager.unpin(key)

    def clear(
        self,
        locations: Sequence[str] | None = None,
        request_configs: Mapping[str, Any] | None = None,  # noqa: ARG002  # LMCache's signature.
    ) -> int:
        """Drop cached chunks; return the number of tokens dropped.

        `request_configs` is a filter in LMCache; the embedded engine ignores it.
        """
        removed = self.storage_manager.clear(locations) * self.metadata.chunk_size
        self._refresh_gauges()
        return removed

    def freeze(self, enabled: bool) -> None:
        """Stop or resume storing."""
        self.storage_manager.set_freeze(enabled)

    def is_frozen(self) -> bool:
        """Return whether storing is stopped."""
        return self.storage_manager.is_frozen()

    def set_hot_cache(self, enabled: bool) -> None:
        """Enable or disable the hot cache."""
        self.storage_manager.set_hot_cache(enabled)

    def is_hot_cache_enabled(self) -> bool:
        """Return whether the hot cache stores new chunks."""
        return self.storage_manager.is_hot_cache_enabled()

    def is_healthy(self) -> bool:
        """Return whether the engine is open and has a backend."""
        return not self._closed and bool(self.storage_manager.storage_backends)

    def check_pins(self) -> str:
        """Drop pins older than `pin_timeout_sec`; the pin monitor calls it."""
        cpu = self.storage_manager.storage_backends.get("LocalCPUBackend")
        dropped = cpu.unpin_older_than(self.config.pin_timeout_sec) if isinstance(cpu, LocalCPUBackend) else 0
        self.metrics.count("forced_unpin_count", dropped)
        self._refresh_gauges()
        return f"dropped {dropped} pins"

    def reset_metrics(self) -> None:
        """Reset all counts to zero."""
        with self._lock:
            self._totals = dict.fromkeys(self._totals, 0)
        self.metrics.reset()
        self._refresh_gauges()

    def close(self) -> None:
        """Close the backends; the engine cannot be used afterwards."""
        self._closed = True
        self.storage_manager.close()
        self.metrics.close()

    def _keys(self, tokens: Sequence[int], request_configs: Mapping[str, Any] | None) -> Iterator[tuple[int, ChunkKey]]:
        function = HASH_FUNCTIONS[self.config.pre_caching_hash_algorithm]
        return chunk_keys(tokens, self.metadata, function, request_configs)

    def _cached_prefix(
        self, tokens: Sequence[int], request_configs: Mapping[str, Any] | None
    ) -> Iterator[tuple[int, bytes]]:
        for start, key in self._keys(tokens, request_configs):
            data = self.storage_manager.get(key)
            if data is None:
                return
            yield start, data

    def _count_hits(self, requested: str, tokens: int, found: str, hits: int) -> None:
        with self._lock:
            self._totals[requested] += tokens
            self._totals[found] += hits
        self._refresh_gauges()

    def _refresh_gauges(self) -> None:
        if self._closed:
            return
        totals = self._totals
        self.metrics.set("retrieve_hit_rate", totals["hit"] / (totals["requested"] or 1))
        self.metrics.set("lookup_hit_rate", totals["found"] / (totals["looked_up"] or 1))
        self.metrics.set("lmcache_is_healthy", self.is_healthy())
        backends = self.storage_manager.storage_backends
        cpu, disk = backends.get("LocalCPUBackend"), backends.get("LocalDiskBackend")
        self.metrics.set("local_cache_usage", cpu.used_bytes if cpu is not None else 0)
        self.metrics.set("local_storage_usage", disk.used_bytes if disk is not None else 0)
        self.metrics.set("local_cpu_hot_cache_count", len(cpu) if cpu is not None else 0)
        remote = backends.get("RemoteBackend")
        for name in ("local_cpu_evict_count", "local_cpu_evict_keys_count"):
            self._count_up(name, cpu.evictions if cpu is not None else 0)
        if isinstance(remote, SimulatedRemoteBackend):
            self.metrics.set("get_blocking_failed_count", remote.failed_reads)
            self.metrics.set("put_failed_count", remote.failed_writes)

    def _count_up(self, name: str, total: int) -> None:
        """Add the increase of a backend's own count, which starts at zero again when the backend is recreated."""
        with self._lock:
            self.metrics.count(name, max(0, total - self._counted[name]))
            self._counted[name] = total

    def _log_slots(self, action: str, count: int) -> None:
        if self.kvcache_check_log_enabled:
            logger.info("%s used slots [0, %d] of %d", action, count - 1, self._num_slots)
