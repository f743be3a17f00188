"""The embedded engine's Prometheus series: counts, reset, and removal with the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest

from lmcache_internal import EmbeddedEngine, EmbeddedManager
from lmcache_internal.engine.embedded.local_cpu import GIB
from tests.support import CHUNK, make_manager

LABELS = {"model_name": "test-model", "worker_id": "5", "role": "worker", "served_model_name": ""}
TOKENS = list(range(3 * CHUNK))
CHUNK_BYTES = CHUNK * 64

COUNTERS = [
    "num_store_requests",
    "num_retrieve_requests",
    "num_lookup_requests",
    "num_stored_tokens",
    "num_requested_tokens",
    "num_hit_tokens",
    "num_lookup_tokens",
    "num_lookup_hits",
    "local_cpu_evict_count",
    "local_cpu_evict_keys_count",
]
GAUGES = [
    "retrieve_hit_rate",
    "lookup_hit_rate",
    "local_cache_usage",
    "local_storage_usage",
    "local_cpu_hot_cache_count",
    "lmcache_is_healthy",
    "get_blocking_failed_count",
    "put_failed_count",
]
HISTOGRAMS = ["time_to_store", "time_to_retrieve", "time_to_lookup"]


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"lmcache:{name}", LABELS | labels)


def values(*names: str) -> list[float | None]:
    return [value(name) for name in names]


def own_series() -> list[str]:
    return [line for line in generate_latest(REGISTRY).decode().splitlines() if 'worker_id="5"' in line]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[EmbeddedManager]:
    """Worker 5, with room for two chunks in memory and a hundred on disk."""
    disk = CHUNK_BYTES * 100 / GIB
    with make_manager(
        worker_id=5, max_local_cpu_size=2 * CHUNK_BYTES / GIB, local_disk=str(tmp_path), max_local_disk_size=disk
    ) as made:
        yield made


@pytest.fixture
def engine(manager: EmbeddedManager) -> EmbeddedEngine:
    assert manager.lmcache_engine is not None
    return manager.lmcache_engine


@pytest.mark.parametrize(
    ("name", "kind", "sample"),
    [
        *[(name, "counter", f"{name}_total") for name in COUNTERS],
        *[(name, "gauge", name) for name in GAUGES],
        *[(name, "histogram", f"{name}_count") for name in HISTOGRAMS],
    ],
)
@pytest.mark.usefixtures("engine")
def test_each_family_is_exposed_from_the_start(name: str, kind: str, sample: str) -> None:
    lines = generate_latest(REGISTRY).decode().splitlines()
    total = "_total" if kind == "counter" else ""
    assert f"# TYPE lmcache:{name}{total} {kind}" in lines
    labels = 'model_name="test-model",role="worker",served_model_name="",worker_id="5"'
    first = "1.0" if name == "lmcache_is_healthy" else "0.0"
    assert f"lmcache:{sample}{{{labels}}} {first}" in lines


def test_requests_and_tokens_are_counted(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    engine.store(TOKENS)
    engine.retrieve([*TOKENS[:CHUNK], *TOKENS[:CHUNK], 1])
    engine.lookup([*TOKENS, *TOKENS])
    assert values("num_store_requests_total", "num_stored_tokens_total") == [2, 3 * CHUNK]
    assert values("num_retrieve_requests_total", "num_requested_tokens_total") == [1, 2 * CHUNK + 1]
    assert values("num_hit_tokens_total") == [CHUNK]
    assert values("num_lookup_requests_total", "num_lookup_tokens_total") == [1, 6 * CHUNK]
    assert values("num_lookup_hits_total") == [3 * CHUNK]
    assert values("time_to_store_count", "time_to_retrieve_count", "time_to_lookup_count") == [2, 1, 1]


def test_times_are_in_seconds(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    (seconds,) = values("time_to_store_sum")
    assert seconds is not None
    assert 0 < seconds < 1
    assert value("time_to_store_bucket", le="+Inf") == value("time_to_store_bucket", le="10.0") == 1


def test_hit_rates_are_over_all_requests(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    engine.retrieve(TOKENS)
    engine.retrieve([-1] * CHUNK)
    engine.lookup([-1] * CHUNK)
    engine.lookup(TOKENS)
    engine.lookup(TOKENS)
    assert values("retrieve_hit_rate", "lookup_hit_rate") == [3 / 4, 6 / 7]


def test_usage_follows_the_backends(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    names = ("local_cache_usage", "local_cpu_hot_cache_count", "local_storage_usage", "local_cpu_evict_count_total")
    assert values(*names) == [2 * CHUNK_BYTES, 2, 3 * CHUNK_BYTES, 1]
    engine.clear()
    assert values(*names) == [0, 0, 3 * CHUNK_BYTES, 1]
    engine.clear(["LocalDiskBackend"])
    assert values(*names) == [0, 0, 0, 1]


def test_closed_backends_have_no_usage(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    for name in ("LocalCPUBackend", "LocalDiskBackend"):
        engine.storage_manager.close_backend(name)
    engine.check_pins()
    assert values("local_cache_usage", "local_cpu_hot_cache_count", "local_storage_usage") == [0, 0, 0]
    assert values("lmcache_is_healthy") == [0]


def test_evictions_continue_to_count_after_a_recreate(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    engine.storage_manager.recreate_backend("LocalCPUBackend")
    engine.check_pins()
    engine.retrieve(TOKENS)
    assert values("local_cpu_evict_count_total") == [2]


def test_reset_sets_counters_to_zero_and_keeps_chunks(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    engine.retrieve(TOKENS)
    engine.lookup(TOKENS)
    engine.reset_metrics()
    assert values(*[f"{name}_total" for name in COUNTERS]) == [0] * len(COUNTERS)
    assert values(*[f"{name}_count" for name in HISTOGRAMS]) == [0] * len(HISTOGRAMS)
    assert values("retrieve_hit_rate", "lookup_hit_rate") == [0, 0]
    assert values("local_cache_usage", "lmcache_is_healthy") == [2 * CHUNK_BYTES, 1]
    engine.retrieve(TOKENS)
    assert values("num_hit_tokens_total", "retrieve_hit_rate") == [3 * CHUNK, 1]


def test_series_are_removed_with_their_engine(manager: EmbeddedManager, engine: EmbeddedEngine) -> None:
    with make_manager(worker_id=6):
        assert own_series()
        manager.close()
        assert own_series() == []
        assert value("num_store_requests_total", worker_id="6") == 0
    engine.store(TOKENS)
    engine.retrieve(TOKENS)
    engine.lookup(TOKENS)
    engine.reset_metrics()
    assert own_series() == []


def test_a_new_engine_with_the_same_labels_starts_at_zero(manager: EmbeddedManager, engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    manager.close()
    with make_manager(worker_id=5):
        assert values("num_store_requests_total") == [0]


@pytest.mark.usefixtures("engine")
def test_a_real_lmcache_can_still_register_the_same_names() -> None:
    counter = Counter("lmcache:num_store_requests", "Requests to store", ("model_name",), registry=REGISTRY)
    try:
        counter.labels("real").inc()
        assert REGISTRY.get_sample_value("lmcache:num_store_requests_total", {"model_name": "real"}) == 1
        assert values("num_store_requests_total") == [0]
    finally:
        REGISTRY.unregister(counter)


def test_a_scheduler_has_no_series() -> None:
    with make_manager("scheduler", worker_id=5):
        assert own_series() == []


@pytest.mark.usefixtures("engine")
def test_only_the_default_registry_has_them() -> None:
    assert b"lmcache" not in generate_latest(CollectorRegistry())
