"""The storage manager: memory before disk, and backends that are closed and created while the engine runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import EmbeddedConfig, EmbeddedMetadata
from lmcache_internal.engine.embedded.chunks import ChunkKey
from lmcache_internal.engine.embedded.local_cpu import GIB
from lmcache_internal.engine.embedded.storage_manager import EmbeddedStorageManager
from tests.support import SHAPE

METADATA = EmbeddedMetadata("org/model", SHAPE, world_size=2)
SIZE = 1024
CPU, DISK = "LocalCPUBackend", "LocalDiskBackend"


def key(number: int) -> ChunkKey:
    return ChunkKey("org/model", 2, 0, str(number))


def data(number: int) -> bytes:
    return number.to_bytes(4, "little") * (SIZE // 4)


def make(directory: Path | None, metadata: EmbeddedMetadata = METADATA, **values: Any) -> EmbeddedStorageManager:
    """Room for two chunks in memory and, with a directory, for four on disk."""
    disk: dict[str, Any] = {"local_disk": str(directory), "max_local_disk_size": 4 * SIZE / GIB} if directory else {}
    return EmbeddedStorageManager(EmbeddedConfig({"max_local_cpu_size": 2 * SIZE / GIB, **disk, **values}), metadata)


@pytest.fixture
def storage(tmp_path: Path) -> EmbeddedStorageManager:
    """Chunks 0, 1 and 2 were put: memory has 1 and 2, disk all of them."""
    made = make(tmp_path)
    assert all(made.put(key(number), data(number)) for number in range(3))
    return made


def where(storage: EmbeddedStorageManager, *locations: str) -> list[str | None]:
    return [storage.contains(key(number), locations) for number in range(4)]


def test_memory_is_read_before_disk(storage: EmbeddedStorageManager) -> None:
    assert storage.get_all_backend_names() == [CPU, DISK]
    assert where(storage) == [DISK, CPU, CPU, None]
    assert where(storage, DISK) == [DISK, DISK, DISK, None]


def test_chunks_read_from_disk_are_copied_to_memory(storage: EmbeddedStorageManager) -> None:
    assert storage.get(key(0)) == data(0)
    assert where(storage) == [CPU, DISK, CPU, None]


def test_clear_drops_only_memory_by_default(storage: EmbeddedStorageManager) -> None:
    assert storage.clear() == 2
    assert where(storage) == [DISK, DISK, DISK, None]
    assert storage.clear([DISK]) == 3
    assert where(storage) == [None] * 4


def test_frozen_storage_serves_but_stores_nothing(storage: EmbeddedStorageManager) -> None:
    storage.set_freeze(True)
    assert storage.is_frozen()
    assert not storage.put(key(3), data(3))
    assert storage.get(key(0)) == data(0)
    assert where(storage) == [DISK, CPU, CPU, None]
    storage.set_freeze(False)
    assert storage.put(key(3), data(3))


def test_bypassed_backend_is_not_used_and_keeps_its_chunks(storage: EmbeddedStorageManager) -> None:
    storage.set_backend_bypass(DISK, True)
    assert storage.is_backend_bypassed(DISK)
    assert storage.get_bypassed_backends() == [DISK]
    assert where(storage) == [None, CPU, CPU, None]
    assert storage.get(key(0)) is None
    assert storage.put(key(3), data(3))
    assert where(storage) == [None, None, CPU, CPU]
    storage.set_backend_bypass(DISK, False)
    assert where(storage) == [DISK, DISK, CPU, CPU]
    assert storage.contains(key(3), [DISK]) is None


def test_nothing_is_stored_with_all_backends_bypassed(storage: EmbeddedStorageManager) -> None:
    for name in (CPU, DISK):
        storage.set_backend_bypass(name, True)
    assert not storage.put(key(3), data(3))
    assert where(storage) == [None] * 4


def test_memory_is_empty_after_close_and_create(storage: EmbeddedStorageManager) -> None:
    assert storage.close_backend(CPU)
    assert not storage.close_backend(CPU)
    assert storage.list_backends() == {DISK: DISK}
    assert storage.get(key(2)) == data(2)
    assert storage.create_backends() == {CPU: CPU}
    assert storage.create_backends() == {}
    assert storage.get_all_backend_names() == [CPU, DISK]
    assert where(storage, CPU) == [None] * 4


def test_disk_has_its_chunks_after_close_and_create(storage: EmbeddedStorageManager) -> None:
    storage.close_backend(DISK)
    assert where(storage) == [None, CPU, CPU, None]
    assert storage.create_backends() == {DISK: DISK}
    assert storage.get(key(0)) == data(0)


def test_recreated_backend_uses_the_current_config(tmp_path: Path) -> None:
    config = EmbeddedConfig({"max_local_cpu_size": 0, "local_cpu": False})
    storage = EmbeddedStorageManager(config, METADATA)
    config.max_local_cpu_size, config.local_cpu = 1.0, True
    config.local_disk, config.max_local_disk_size = str(tmp_path), 1.0
    assert not storage.put(key(0), data(0))
    assert storage.recreate_backend(CPU) == {CPU: CPU, DISK: DISK}
    assert storage.put(key(0), data(0))
    assert where(storage, CPU)[0] == where(storage)[0] == CPU


def test_recreate_of_an_unknown_backend_is_an_error(storage: EmbeddedStorageManager) -> None:
    with pytest.raises(KeyError, match="Backend Nonsense not found"):
        storage.recreate_backend("Nonsense")
    assert where(storage) == [DISK, CPU, CPU, None]


def test_recreate_ends_the_bypass_of_a_backend(storage: EmbeddedStorageManager) -> None:
    storage.set_backend_bypass(DISK, True)
    storage.recreate_backend(DISK)
    assert storage.get_bypassed_backends() == []
    assert storage.get(key(0)) == data(0)


def test_an_unusable_disk_is_logged_and_not_created(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "file"
    file.write_text("")
    storage = make(file)
    assert storage.get_all_backend_names() == [CPU]
    assert storage.put(key(0), data(0))
    (record,) = caplog.records
    assert str(file) in record.getMessage()


@pytest.mark.parametrize("values", [{"local_disk": None}, {"max_local_disk_size": 0}, {"local_disk": ""}])
def test_no_disk_without_directory_or_size(tmp_path: Path, values: dict[str, Any]) -> None:
    assert make(tmp_path, **values).get_all_backend_names() == [CPU]


def test_workers_with_one_directory_share_no_chunks(tmp_path: Path) -> None:
    storages = [make(tmp_path, replace(METADATA, worker_id=number)) for number in range(2)]
    assert storages[0].put(key(0), data(0))
    assert storages[1].get(key(0)) is None
    assert [len(list(directory.iterdir())) for directory in sorted(tmp_path.iterdir())] == [1, 0]


def test_a_model_name_cannot_leave_the_configured_directory(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    make(inside, replace(METADATA, model_name="../../m"))
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert len(list(inside.iterdir())) == 1


def test_disk_stores_with_a_disabled_hot_cache(tmp_path: Path) -> None:
    storage = make(tmp_path, local_cpu=False)
    assert not storage.is_hot_cache_enabled()
    assert storage.put(key(0), data(0))
    assert where(storage) == [DISK, None, None, None]
    storage.set_hot_cache(True)
    assert storage.get(key(0)) == data(0)
    assert where(storage) == [CPU, None, None, None]


def test_close_closes_all_backends_and_keeps_the_files(storage: EmbeddedStorageManager, tmp_path: Path) -> None:
    storage.close()
    assert storage.list_backends() == {}
    assert not storage.is_hot_cache_enabled()
    assert not storage.put(key(3), data(3))
    assert where(make(tmp_path)) == [DISK, DISK, DISK, None]
