"""The embedded engine stores, looks up and retrieves exactly the same bytes, for the cached prefix."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lmcache_internal import EmbeddedConfig, EmbeddedEngine, EmbeddedManager, EmbeddedMetadata
from lmcache_internal.engine.embedded import local_cpu
from lmcache_internal.engine.embedded.kv_buffers import read_slots, write_slots
from lmcache_internal.engine.embedded.local_cpu import GIB
from lmcache_internal.errors import ConfigError
from tests.support import CHUNK, SHAPE, examples, make_manager

CHUNK_BYTES = CHUNK * 64
SLOTS = 8 * CHUNK
CPU, DISK = "LocalCPUBackend", "LocalDiskBackend"
TOKENS = list(range(100, 100 + 3 * CHUNK))


def engine_of(manager: EmbeddedManager) -> EmbeddedEngine:
    assert manager.lmcache_engine is not None
    return manager.lmcache_engine


def content(manager: EmbeddedManager, start: int = 0, count: int = SLOTS) -> bytes:
    return read_slots(manager.kv_caches, start, count)


def overwrite(manager: EmbeddedManager, byte: bytes = b"\xee") -> bytes:
    """Fill all KV buffers with `byte`; return what they hold then."""
    write_slots(manager.kv_caches, 0, SLOTS, byte * len(content(manager)))
    return content(manager)


@pytest.fixture
def engine(manager: EmbeddedManager) -> EmbeddedEngine:
    return engine_of(manager)


@pytest.fixture
def with_disk(tmp_path: Path) -> Iterator[EmbeddedManager]:
    """An engine with room for two chunks in memory and a hundred on disk."""
    values: dict[str, Any] = {"local_disk": str(tmp_path), "max_local_disk_size": 100 * CHUNK_BYTES / GIB}
    with make_manager(max_local_cpu_size=2 * CHUNK_BYTES / GIB, **values) as made:
        yield made


def test_retrieve_restores_the_stored_bytes(manager: EmbeddedManager, engine: EmbeddedEngine) -> None:
    before = content(manager, 0, len(TOKENS))
    assert engine.store(TOKENS) == len(TOKENS)
    blank = overwrite(manager)
    assert engine.retrieve(TOKENS) == [True] * len(TOKENS)
    assert content(manager, 0, len(TOKENS)) == before
    assert content(manager, len(TOKENS), CHUNK) == blank[:CHUNK_BYTES]


def test_only_complete_chunks_are_stored(manager: EmbeddedManager, engine: EmbeddedEngine) -> None:
    tokens = TOKENS[: 2 * CHUNK + 5]
    before = content(manager, 0, 2 * CHUNK)
    assert engine.store(tokens) == 2 * CHUNK
    blank = overwrite(manager)
    assert engine.lookup(tokens) == 2 * CHUNK
    assert engine.retrieve(tokens) == [True] * 2 * CHUNK + [False] * 5
    assert content(manager, 0, 2 * CHUNK) == before
    assert content(manager, 2 * CHUNK, CHUNK) == blank[:CHUNK_BYTES]
    assert engine.store(TOKENS[: CHUNK - 1]) == 0


def test_the_longest_common_prefix_is_retrieved(manager: EmbeddedManager, engine: EmbeddedEngine) -> None:
    before = content(manager, 0, CHUNK)
    engine.store(TOKENS)
    blank = overwrite(manager)
    other = [*TOKENS[:CHUNK], 0, *TOKENS[CHUNK + 1 :]]
    assert engine.lookup(other) == CHUNK
    assert engine.retrieve(other) == [True] * CHUNK + [False] * 2 * CHUNK
    assert content(manager, 0, CHUNK) == before
    assert content(manager, CHUNK, CHUNK) == blank[:CHUNK_BYTES]


def test_retrieve_without_hits_changes_no_buffer(manager: EmbeddedManager, engine: EmbeddedEngine) -> None:
    before = content(manager)
    assert engine.lookup(TOKENS) == 0
    assert engine.retrieve(TOKENS) == [False] * len(TOKENS)
    assert engine.retrieve([]) == []
    assert content(manager) == before


def test_second_store_of_the_same_tokens_stores_nothing(manager: EmbeddedManager, engine: EmbeddedEngine) -> None:
    before = content(manager, 0, len(TOKENS))
    engine.store(TOKENS)
    overwrite(manager)
    assert engine.store(TOKENS) == 0
    assert engine.store([*TOKENS, *range(CHUNK)]) == CHUNK
    engine.retrieve(TOKENS)
    assert content(manager, 0, len(TOKENS)) == before


def test_tokens_beyond_the_buffers_wrap_around_to_slot_zero(manager: EmbeddedManager, engine: EmbeddedEngine) -> None:
    tokens = list(range(SLOTS + CHUNK))
    before = content(manager)
    assert engine.store(tokens) == len(tokens)
    overwrite(manager)
    assert all(engine.retrieve(tokens))
    assert content(manager) == before


def test_clear_drops_all_chunks(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    assert engine.clear() == len(TOKENS)
    assert engine.lookup(TOKENS) == 0
    assert engine.clear() == 0


def test_chunks_evicted_from_memory_are_served_from_disk(with_disk: EmbeddedManager) -> None:
    engine = engine_of(with_disk)
    before = content(with_disk, 0, len(TOKENS))
    assert engine.store(TOKENS) == len(TOKENS)
    assert len(engine.storage_manager.storage_backends[CPU]) == 2
    overwrite(with_disk)
    assert all(engine.retrieve(TOKENS))
    assert content(with_disk, 0, len(TOKENS)) == before


def test_chunks_are_served_from_disk_until_the_disk_is_cleared(with_disk: EmbeddedManager) -> None:
    engine = engine_of(with_disk)
    engine.store(TOKENS)
    assert engine.clear() == 2 * CHUNK
    assert engine.lookup(TOKENS) == len(TOKENS)
    assert engine.clear([CPU, DISK]) == 3 * CHUNK
    assert engine.lookup(TOKENS) == 0


def test_a_new_engine_serves_the_chunks_on_disk(tmp_path: Path) -> None:
    values: dict[str, Any] = {"local_disk": str(tmp_path), "max_local_disk_size": 1.0}
    with make_manager(**values) as first:
        before = content(first, 0, len(TOKENS))
        engine_of(first).store(TOKENS)
    with make_manager(**values) as second:
        overwrite(second)
        assert all(engine_of(second).retrieve(TOKENS))
        assert content(second, 0, len(TOKENS)) == before


def test_a_chunk_damaged_on_disk_ends_the_prefix(tmp_path: Path) -> None:
    values: dict[str, Any] = {"local_disk": str(tmp_path), "max_local_disk_size": 1.0, "local_cpu": False}
    with make_manager(**values) as manager:
        engine = engine_of(manager)
        engine.store(TOKENS)
        files = sorted(tmp_path.rglob("*.kv"), key=lambda file: file.stat().st_mtime_ns)
        files[1].write_bytes(files[1].read_bytes()[:-1] + b"!")
        assert engine.retrieve(TOKENS) == [True] * CHUNK + [False] * 2 * CHUNK
        assert engine.lookup(TOKENS) == CHUNK


def test_fewer_tokens_than_configured_are_not_retrieved() -> None:
    with make_manager(min_retrieve_tokens=2 * CHUNK) as manager:
        engine = engine_of(manager)
        engine.store(TOKENS)
        blank = overwrite(manager)
        assert engine.retrieve(TOKENS[:CHUNK]) == [False] * CHUNK
        assert content(manager) == blank
        assert engine.retrieve(TOKENS[: 2 * CHUNK]) == [True] * 2 * CHUNK


class TestPins:
    @pytest.fixture
    def manager(self) -> Iterator[EmbeddedManager]:
        """Room for two chunks."""
        with make_manager(max_local_cpu_size=2 * CHUNK_BYTES / GIB, pin_timeout_sec=1, pin_check_interval_sec=1) as m:
            yield m

    def test_pinned_tokens_stay_until_unpinned(self, engine: EmbeddedEngine) -> None:
        engine.store(TOKENS[:CHUNK])
        assert engine.lookup(TOKENS[:CHUNK], lookup_id="a", pin=True) == CHUNK
        engine.store(list(range(5 * CHUNK)))
        assert engine.clear() == CHUNK
        assert engine.lookup(TOKENS[:CHUNK]) == CHUNK
        engine.lookup_unpin("b")
        assert engine.clear() == 0
        engine.lookup_unpin("a")
        assert engine.clear() == CHUNK

    def test_tokens_without_room_beside_pins_are_not_stored(self, engine: EmbeddedEngine) -> None:
        engine.store(TOKENS[: 2 * CHUNK])
        engine.lookup(TOKENS[: 2 * CHUNK], pin=True)
        assert engine.store(list(range(CHUNK))) == 0
        assert engine.lookup(list(range(CHUNK))) == 0
        assert engine.lookup(TOKENS) == 2 * CHUNK

    def test_the_monitor_drops_expired_pins(
        self, manager: EmbeddedManager, engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = SimpleNamespace(now=100.0)
        monkeypatch.setattr(local_cpu, "time", SimpleNamespace(monotonic=lambda: clock.now))
        (monitor,) = manager.periodic_threads
        engine.store(TOKENS[:CHUNK])
        engine.lookup(TOKENS[:CHUNK], lookup_id="expired", pin=True)
        clock.now += manager.config.pin_timeout_sec - 0.1
        monitor._run_once()
        assert engine.clear() == 0
        clock.now += 0.2
        monitor._run_once()
        assert engine.clear() == CHUNK
        assert manager.periodic_threads[0].get_status()["last_summary"]["message"] == "dropped 1 pins"


def test_frozen_engine_serves_and_stores_nothing(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS[:CHUNK])
    engine.freeze(True)
    assert engine.is_frozen()
    assert engine.store(TOKENS) == 0
    assert engine.retrieve(TOKENS) == [True] * CHUNK + [False] * 2 * CHUNK
    engine.freeze(False)
    assert engine.store(TOKENS) == 2 * CHUNK


def test_disabled_hot_cache_stores_nothing(engine: EmbeddedEngine) -> None:
    engine.set_hot_cache(False)
    assert not engine.is_hot_cache_enabled()
    assert engine.store(TOKENS) == 0
    engine.set_hot_cache(True)
    assert engine.store(TOKENS) == len(TOKENS)


def test_bypassed_memory_is_not_read(engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    engine.storage_manager.set_backend_bypass(CPU, True)
    assert engine.retrieve(TOKENS) == [False] * len(TOKENS)
    engine.storage_manager.set_backend_bypass(CPU, False)
    assert engine.retrieve(TOKENS) == [True] * len(TOKENS)


def test_an_engine_without_backends_is_not_healthy(engine: EmbeddedEngine) -> None:
    assert engine.is_healthy()
    engine.storage_manager.close_backend(CPU)
    assert not engine.is_healthy()
    assert engine.store(TOKENS) == 0
    engine.storage_manager.create_backends()
    assert engine.is_healthy()
    assert engine.store(TOKENS) == len(TOKENS)


def test_a_closed_engine_has_no_hits_and_raises_nothing(manager: EmbeddedManager, engine: EmbeddedEngine) -> None:
    engine.store(TOKENS)
    manager.close()
    manager.close()
    assert not manager.is_healthy()
    assert engine.lookup(TOKENS) == 0
    assert engine.retrieve(TOKENS) == [False] * len(TOKENS)
    assert engine.store(TOKENS) == 0


def test_slots_are_logged_only_when_enabled(engine: EmbeddedEngine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    engine.store(TOKENS)
    assert not caplog.records
    engine.kvcache_check_log_enabled = True
    engine.retrieve(TOKENS)
    assert [record.getMessage() for record in caplog.records] == ["retrieve used slots [0, 47] of 128"]


def test_ranks_in_one_process_share_no_chunks(tmp_path: Path) -> None:
    values: dict[str, Any] = {"local_disk": str(tmp_path), "max_local_disk_size": 1.0}
    with (
        make_manager("scheduler", **values) as scheduler,
        make_manager(worker_id=0, **values) as one,
        make_manager(worker_id=1, **values) as other,
    ):
        assert scheduler.lmcache_engine is None
        assert scheduler.kv_caches == {}
        assert scheduler.is_healthy()
        assert not scheduler.periodic_threads
        engine_of(one).store(TOKENS)
        untouched = content(other)
        overwrite(one)
        assert content(other) == untouched
        assert engine_of(other).lookup(TOKENS) == 0
        engine_of(other).store(TOKENS)
        assert engine_of(one).clear([CPU, DISK]) == 2 * len(TOKENS)
        assert engine_of(other).lookup(TOKENS) == len(TOKENS)
        engine_of(one).freeze(True)
        one.close()
        assert not engine_of(other).is_frozen()
        assert other.is_healthy()


def test_different_chunk_sizes_are_an_error() -> None:
    with pytest.raises(ConfigError, match=r"chunk_size is 256, but .* has 16 tokens"):
        EmbeddedManager(EmbeddedConfig(), EmbeddedMetadata("m", SHAPE))


def test_closing_the_manager_stops_its_threads() -> None:
    threads = set(threading.enumerate())
    with make_manager():
        (monitor,) = set(threading.enumerate()) - threads
        assert monitor.daemon
    assert set(threading.enumerate()) == threads


def test_concurrent_calls_of_eight_threads_keep_chunks_correct(tmp_path: Path) -> None:
    values: dict[str, Any] = {"local_disk": str(tmp_path), "max_local_disk_size": 20 * CHUNK_BYTES / GIB}
    with make_manager(max_local_cpu_size=10 * CHUNK_BYTES / GIB, **values) as manager:
        engine, storage = engine_of(manager), engine_of(manager).storage_manager
        # The last chunk of prompt n is stored from block n and retrieved into block n. Therefore the
        # buffers never change, unless chunks are mixed up or damaged.
        prompts = [[0] * (number * CHUNK) + [number + 1] * CHUNK for number in range(8)]
        right = content(manager)
        failures: list[BaseException] = []
        hits = [0] * 8
        until = time.monotonic() + examples(20) / 10

        def work(thread: int) -> None:
            rng = random.Random(thread)
            actions: list[Callable[[list[int]], object]] = [
                *[engine.store] * 6,
                lambda _: engine.clear([CPU, DISK]),
                lambda tokens: engine.lookup(tokens, lookup_id=str(thread), pin=True),
                lambda _: engine.lookup_unpin(str(thread)),
                lambda _: storage.recreate_backend(rng.choice((CPU, DISK))),
                lambda _: engine.reset_metrics(),
            ]
            try:
                while time.monotonic() < until or (not hits[thread] and time.monotonic() < until + 10):
                    rng.choice(actions)(rng.choice(prompts))
                    hits[thread] += sum(engine.retrieve(rng.choice(prompts)))
                    assert content(manager) == right
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert all(hits)
        assert storage.storage_backends[CPU].used_bytes <= 10 * CHUNK_BYTES
        assert storage.storage_backends[DISK].used_bytes <= 20 * CHUNK_BYTES
        assert [backend.corrupt for backend in storage.storage_backends.values() if hasattr(backend, "corrupt")] == [0]
