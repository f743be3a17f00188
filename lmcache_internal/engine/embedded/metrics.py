"""The embedded engine's Prometheus metrics, with LMCache's names for the same measurements."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import Metric

from ..multiprocess import make_directory
from .metadata import EmbeddedMetadata

_LABELS = ("model_name", "worker_id", "role", "served_model_name")

_COUNTERS = {
    "num_store_requests": "Requests to store tokens",
    "num_retrieve_requests": "Requests to retrieve tokens",
    "num_lookup_requests": "Requests to look tokens up",
    "num_stored_tokens": "Tokens stored",
    "num_requested_tokens": "Tokens requested by retrieve requests",
    "num_hit_tokens": "Tokens found by retrieve requests",
    "num_lookup_tokens": "Tokens requested by lookup requests",
    "num_lookup_hits": "Tokens found by lookup requests",
    "local_cpu_evict_count": "Evictions from memory, of one chunk each",
    "local_cpu_evict_keys_count": "Chunks evicted from memory",
    "forced_unpin_count": "Pins dropped because of their age",
}
_GAUGES = {
    "retrieve_hit_rate": "Share of the requested tokens that were found, since start or reset",
    "lookup_hit_rate": "Share of the looked up tokens that were found, since start or reset",
    "local_cache_usage": "Bytes of chunks in memory",
    "local_storage_usage": "Bytes of chunks on disk",
    "local_cpu_hot_cache_count": "Chunks in memory",
    "lmcache_is_healthy": "1 when the engine is healthy, else 0",
    "get_blocking_failed_count": "Chunks that the remote backend failed to read",
    "put_failed_count": "Chunks that the remote backend failed to write",
}
_HISTOGRAMS = {
    "time_to_store": "Seconds a store request took",
    "time_to_retrieve": "Seconds a retrieve request took",
    "time_to_lookup": "Seconds a lookup request took",
}
_BUCKETS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)

Family = Counter | Gauge | Histogram


class _Families:
    """All metric families of all embedded engines, as one collector of the default registry.

    `describe` returns no names, so that a real LMCache in the same process can register the same names.
    """

    def __init__(self) -> None:
        named = {name: Counter(f"lmcache:{name}", text, _LABELS, registry=None) for name, text in _COUNTERS.items()}
        gauges = {name: Gauge(f"lmcache:{name}", text, _LABELS, registry=None) for name, text in _GAUGES.items()}
        times = {
            name: Histogram(f"lmcache:{name}", text, _LABELS, registry=None, buckets=_BUCKETS)
            for name, text in _HISTOGRAMS.items()
        }
        self.by_name: dict[str, Family] = {**named, **gauges, **times}

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        for family in self.by_name.values():
            yield from family.collect()


_families: _Families | None = None
_lock = threading.Lock()


def _shared_families() -> _Families:
    global _families  # Registered once per process, and only if it has an embedded engine.
    with _lock:
        if _families is None:
            make_directory()
            _families = _Families()
            REGISTRY.register(_families)
        return _families


class EngineMetrics:
    """The series of one engine in the shared families."""

    def __init__(self, metadata: EmbeddedMetadata) -> None:
        self._labels = (
            metadata.model_name,
            str(metadata.worker_id),
            metadata.role,
            metadata.served_model_name or "",
        )
        self._families = _shared_families().by_name
        self._closed = False
        self.reset()

    def count(self, name: str, amount: float = 1) -> None:
        """Add to a counter."""
        if not self._closed:
            self._families[name].labels(*self._labels).inc(amount)  # type: ignore[union-attr]

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        if not self._closed:
            self._families[name].labels(*self._labels).set(value)  # type: ignore[union-attr]

    def observe(self, name: str, seconds: float) -> None:
        """Add to a histogram."""
        if not self._closed:
            self._families[name].labels(*self._labels).observe(seconds)  # type: ignore[union-attr]

    def reset(self) -> None:
        """Reset all series to zero."""
        self._remove()
        for family in self._families.values() if not self._closed else ():
            family.labels(*self._labels)

    def close(self) -> None:
        """Remove this engine's series from the exposition; later values are ignored."""
        self._closed = True
        self._remove()

    def _remove(self) -> None:
        for family in self._families.values():
            # The series may not exist yet, or another engine with the same labels has removed it.
            with contextlib.suppress(KeyError):
                family.remove(*self._labels)
