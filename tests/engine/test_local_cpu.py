"""Chunks in memory: size limit, eviction of the least recently used chunk, pins."""

from __future__ import annotations

import time

import pytest

from lmcache_internal.engine.embedded.chunks import ChunkKey
from lmcache_internal.engine.embedded.local_cpu import GIB, LocalCPUBackend

SIZE = 1024


def key(number: int) -> ChunkKey:
    return ChunkKey("m", 1, 0, str(number))


def data(number: int) -> bytes:
    return number.to_bytes(4, "little") * (SIZE // 4)


def kept(backend: LocalCPUBackend) -> list[int]:
    """Return the numbers of the chunks in `backend`; this does not mark them as used."""
    return [number for number in range(100) if backend.contains(key(number))]


@pytest.fixture
def backend() -> LocalCPUBackend:
    """Room for three chunks, holding 0, 1 and 2."""
    made = LocalCPUBackend(3 * SIZE / GIB)
    assert all(made.put(key(number), data(number)) for number in range(3))
    return made


def test_get_returns_the_stored_bytes(backend: LocalCPUBackend) -> None:
    assert [backend.get(key(number)) for number in range(4)] == [data(0), data(1), data(2), None]


def test_least_recently_used_is_evicted_first(backend: LocalCPUBackend) -> None:
    backend.get(key(0))
    backend.put(key(1), data(1))
    assert backend.put(key(3), data(3))
    assert kept(backend) == [0, 1, 3]
    assert backend.put(key(4), data(4))
    assert kept(backend) == [1, 3, 4]
    assert backend.evictions == 2


def test_contains_does_not_mark_a_chunk_as_used(backend: LocalCPUBackend) -> None:
    backend.contains(key(0))
    backend.put(key(3), data(3))
    assert kept(backend) == [1, 2, 3]


def test_chunks_never_exceed_the_limit(backend: LocalCPUBackend) -> None:
    for number in range(3, 50):
        assert backend.put(key(number), bytes(100 + 37 * number % SIZE))
        assert backend.used_bytes == sum(len(backend.get(key(n)) or b"") for n in kept(backend)) <= 3 * SIZE


def test_second_put_of_a_chunk_uses_no_memory(backend: LocalCPUBackend) -> None:
    assert backend.put(key(2), data(2))
    assert (len(backend), backend.used_bytes, backend.evictions) == (3, 3 * SIZE, 0)


def test_chunk_larger_than_the_limit_evicts_nothing(backend: LocalCPUBackend) -> None:
    assert not backend.put(key(9), bytes(3 * SIZE + 1))
    assert kept(backend) == [0, 1, 2]
    assert backend.put(key(9), bytes(3 * SIZE))
    assert kept(backend) == [9]


def test_pinned_chunks_are_never_evicted(backend: LocalCPUBackend) -> None:
    assert backend.contains(key(0), pin=True)
    for number in range(3, 20):
        backend.put(key(number), data(number))
    assert kept(backend) == [0, 18, 19]
    assert backend.get(key(0)) == data(0)


def test_nothing_is_evicted_if_pins_leave_no_room(backend: LocalCPUBackend) -> None:
    backend.contains(key(0), pin=True)
    backend.contains(key(1), pin=True)
    assert not backend.put(key(9), bytes(SIZE + 1))
    assert kept(backend) == [0, 1, 2]
    assert backend.evictions == 0


def test_a_chunk_pinned_twice_stays_until_unpinned_twice(backend: LocalCPUBackend) -> None:
    backend.contains(key(0), pin=True)
    backend.contains(key(0), pin=True)
    backend.unpin(key(0))
    backend.put(key(3), data(3))
    assert kept(backend) == [0, 2, 3]
    backend.unpin(key(0))
    backend.put(key(4), data(4))
    assert kept(backend) == [2, 3, 4]


def test_unpin_of_unpinned_or_unknown_chunks_does_nothing(backend: LocalCPUBackend) -> None:
    backend.unpin(key(0))
    backend.unpin(key(99))
    assert kept(backend) == [0, 1, 2]


def test_only_old_pins_are_dropped(backend: LocalCPUBackend) -> None:
    backend.contains(key(0), pin=True)
    backend.contains(key(1), pin=True)
    time.sleep(0.05)
    backend.contains(key(1), pin=True)
    assert backend.unpin_older_than(60) == 0
    assert backend.unpin_older_than(0.025) == 2
    assert backend.clear() == [key(0), key(2)]
    assert kept(backend) == [1]


def test_clear_keeps_pinned_chunks_and_close_does_not(backend: LocalCPUBackend) -> None:
    backend.contains(key(1), pin=True)
    assert backend.clear() == [key(0), key(2)]
    assert (len(backend), backend.used_bytes) == (1, SIZE)
    backend.close()
    assert (len(backend), backend.used_bytes) == (0, 0)


def test_disabled_hot_cache_serves_chunks_but_stores_none(backend: LocalCPUBackend) -> None:
    backend.use_hot = False
    assert not backend.put(key(3), data(3))
    assert backend.get(key(0)) == data(0)
    backend.use_hot = True
    assert backend.put(key(3), data(3))


def test_size_zero_stores_nothing() -> None:
    backend = LocalCPUBackend(0)
    assert not backend.put(key(0), data(0))
    assert backend.get(key(0)) is None
