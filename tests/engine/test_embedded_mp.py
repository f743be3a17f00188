from __future__ import annotations

from pathlib import Path

import pytest

from lmcache_internal.engine.embedded_mp.directory import DirectoryAdapter, DirectoryConfig
from lmcache_internal.engine.embedded_mp.memory import L1Memory
from lmcache_internal.engine.embedded_mp.objects import ObjectKey, chunk_hashes
from lmcache_internal.engine.mp import protocols
from lmcache_internal.engine.protocols import members_of
from tests.mp_support import CHUNKS, mp_manager


def key(number: int, salt: str = "") -> ObjectKey:
    return ObjectKey(bytes([number]), "m", 0, 0, salt)


def test_what_was_stored_is_found_in_l2_after_a_restart(tmp_path: Path) -> None:
    with mp_manager(tmp_path) as manager:
        keys = manager.engine.keys_of("test-model", 1, range(64))
        stored = [manager.engine.storage_manager.l1.get(each) for each in keys]
    adapter = DirectoryAdapter(DirectoryConfig(str(tmp_path)))
    assert [adapter.get(each) for each in keys] == stored
    assert len(adapter.list_l2_keys().entries) == CHUNKS


def test_a_damaged_file_is_no_object(tmp_path: Path) -> None:
    (tmp_path / f"{'0' * 64}.kv").write_bytes(b"no object")
    assert len(DirectoryAdapter(DirectoryConfig(str(tmp_path)))) == 0


def test_l1_drops_the_least_recently_used_but_not_what_is_in_use() -> None:
    l1 = L1Memory(3)
    for number in range(3):
        assert l1.put(key(number), b"x")
    l1.lock(key(0))
    l1.get(key(1))
    assert l1.put(key(3), b"x")
    assert [l1.get(key(number)) is not None for number in range(4)] == [True, True, False, True]
    l1.unlock(key(0))
    assert l1.put(key(4), b"xxx")
    assert (len(l1), l1.used) == (1, 3)
    assert not l1.put(key(5), b"xxxx")


def test_equal_chunks_after_different_prefixes_have_different_hashes() -> None:
    first, second = (list(chunk_hashes([start] * 4 + [7] * 4, 4)) for start in (1, 2))
    assert len(first) == 2
    assert first[1] != second[1]


@pytest.mark.parametrize("protocol", [protocols.MPEngine, protocols.MPStorageManager, protocols.QuotaManager])
def test_the_embedded_engine_has_the_shape_of_the_seam(protocol: type, tmp_path: Path) -> None:
    with mp_manager(tmp_path) as manager:
        storage = manager.engine.storage_manager
        found = {"MPEngine": manager.engine, "MPStorageManager": storage, "QuotaManager": storage.quota_manager}
        assert [name for name in members_of(protocol) if not hasattr(found[protocol.__name__], name)] == []
