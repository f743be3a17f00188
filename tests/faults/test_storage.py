"""Disks that are full or read-only, and a process that is killed while it stores."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata, InternalAPIServer
from lmcache_internal.engine.embedded.chunks import chunk_keys
from lmcache_internal.engine.embedded.kv_buffers import read_slots
from lmcache_internal.engine.embedded.local_disk import LocalDiskBackend
from lmcache_internal.security import audit
from tests.faults.unharmed import fill, manager_of, mounted, python, serving, tiny_disk, unharmed
from tests.support import CHUNK, fetch, run_script

TOKENS = 64 * CHUNK  # 64 KiB.


def store(server: InternalAPIServer, start: int, tokens: int = TOKENS) -> int:
    return fetch(server, f"/cache/store?tokens_mock={start},{start + tokens}", "POST")[0]


def retrieved(server: InternalAPIServer, start: int, tokens: int = TOKENS) -> int:
    status, body = fetch(server, f"/cache/retrieve?tokens_mock={start},{start + tokens}", "POST")
    assert status == 200
    return int(json.loads(body)["num_retrieved"])


def disk_of(server: InternalAPIServer) -> LocalDiskBackend:
    backend = manager_of(server).require_engine().storage_manager.storage_backends["LocalDiskBackend"]
    assert isinstance(backend, LocalDiskBackend)
    return backend


def test_with_a_full_disk_memory_still_stores(tmp_path: Path) -> None:
    with (
        tiny_disk(tmp_path / "tiny", 256) as disk,
        serving(tmp_path, local_disk=str(disk), max_local_disk_size=1) as server,
        unharmed(server),
    ):
        filler = fill(disk)
        assert store(server, 0) == 200
        assert retrieved(server, 0) == TOKENS
        assert (len(disk_of(server)), disk_of(server).used_bytes) == (0, 0) or len(disk_of(server)) < 64
        assert not list(disk.rglob("*.part"))
        filler.unlink()
        fetch(server, "/cache/clear", "DELETE")
        assert store(server, 10_000, 4 * CHUNK) == 200
        fetch(server, "/cache/clear", "DELETE")
        assert retrieved(server, 10_000, 4 * CHUNK) == 4 * CHUNK  # From the disk, which accepts chunks again.
        assert disk_of(server).corrupt == 0
        disk_of(server).clear()


def test_a_disk_that_turns_read_only_still_serves_its_chunks(tmp_path: Path) -> None:
    chunks = tmp_path / "chunks"
    chunks.mkdir()
    with (
        mounted(chunks, "-t", "tmpfs", "tmpfs"),
        serving(tmp_path, local_disk=str(chunks), max_local_disk_size=1) as server,
        unharmed(server),
    ):
        assert store(server, 0) == 200
        on_disk = len(disk_of(server))
        subprocess.run(["mount", "-o", "remount,ro", str(chunks)], check=True)
        fetch(server, "/cache/clear", "DELETE")
        assert retrieved(server, 0) == TOKENS
        assert store(server, 10_000) == 200
        assert retrieved(server, 10_000) == TOKENS
        assert len(disk_of(server)) == on_disk
        subprocess.run(["mount", "-o", "remount,rw", str(chunks)], check=True)


@pytest.mark.parametrize("kind", ["under a file", "read-only"])
def test_if_the_directory_cannot_be_created_only_the_disk_is_missing(tmp_path: Path, kind: str) -> None:
    if kind == "under a file":
        (tmp_path / "file").write_text("")
        with serving(tmp_path, local_disk=str(tmp_path / "file" / "chunks"), max_local_disk_size=1) as server:
            with unharmed(server):
                assert store(server, 0) == 200
            assert manager_of(server).require_engine().storage_manager.get_all_backend_names() == ["LocalCPUBackend"]
        return
    (tmp_path / "ro").mkdir()
    with (
        mounted(tmp_path / "ro", "-t", "tmpfs", "-o", "ro", "tmpfs") as directory,
        serving(tmp_path, local_disk=str(directory / "chunks"), max_local_disk_size=1) as server,
        unharmed(server),
    ):
        assert store(server, 0) == 200


def lines_of(file: Path) -> list[str]:
    return [json.loads(line)["path"] for line in file.read_text().splitlines()]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # The app keeps the audit file open.
class TestAuditFile:
    def test_a_full_disk_fails_no_request_and_the_log_continues_afterwards(self, tmp_path: Path) -> None:
        with tiny_disk(tmp_path / "tiny") as disk:
            file = disk / "audit.log"
            extra = {"internal_api_server_audit_file": str(file)}
            with serving(tmp_path, extra_config=extra) as server:
                assert store(server, 0) == 200
                with unharmed(server):
                    filler = fill(disk)
                    assert [store(server, 0) for _ in range(200)] == [200] * 200
                    filler.unlink()
                    assert store(server, 0) == 200
                assert set(lines_of(file)) == {"/cache/store"}

    @pytest.mark.parametrize("parent", ["file", "absent"])
    def test_a_read_only_directory_fails_no_request(self, tmp_path: Path, parent: str) -> None:
        (tmp_path / "file").write_text("")
        extra = {"internal_api_server_audit_file": str(tmp_path / parent / "audit.log")}
        with serving(tmp_path, extra_config=extra) as server, unharmed(server):
            assert [store(server, 0) for _ in range(20)] == [200] * 20

    def test_a_file_that_cannot_be_rotated_is_still_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit, "_MAX_FILE_BYTES", 2000)
        file = tmp_path / "audit.log"
        file.write_text("")
        extra = {"internal_api_server_audit_file": str(file)}
        # As with a file that is mounted into a container: it is writable, but cannot be renamed.
        with (
            mounted(file, "--bind", str(file)),
            serving(tmp_path, extra_config=extra) as server,
        ):
            assert store(server, 0) == 200  # It opens the file.
            with unharmed(server):
                assert [store(server, 0) for _ in range(49)] == [200] * 49
            assert len(lines_of(file)) == 50


def test_bodies_and_responses_need_no_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tiny_disk(tmp_path / "tiny") as disk:
        fill(disk)
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with serving(tmp_path) as server, unharmed(server):
            assert fetch(server, "/conf", "POST", b"{}".ljust(1 << 20))[0] == 200
            assert run_script(server, b"#" * 1_000_000)[0] == 200
            assert len(fetch(server, "/big")[1]) == 20 << 20


SHAPE = (4, 2, 16, 8, 128)

STORE_FOR_EVER = """
    import itertools, sys
    from tests.faults.test_storage import large_manager

    engine = large_manager(sys.argv[1]).require_engine()
    for number in itertools.count(int(sys.argv[2])):
        engine.store(range(number * 16, number * 16 + 16))
        print(number, flush=True)
"""


def large_manager(directory: str) -> EmbeddedManager:
    """An engine with chunks of a quarter MiB, only on disk."""
    values = {"chunk_size": 16, "local_cpu": False, "local_disk": directory, "max_local_disk_size": 1}
    return EmbeddedManager(EmbeddedConfig(values), EmbeddedMetadata("large", SHAPE))


def test_a_process_killed_while_storing_leaves_no_incomplete_chunk(tmp_path: Path) -> None:
    stored = 0
    for killing in range(5):
        with python(STORE_FOR_EVER, str(tmp_path), str(killing * 1000)) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.01 * killing)
            process.kill()
            told = [int(line) for line in process.stdout.read().split()]
            stored += 1 + len(told)
    with large_manager(str(tmp_path)) as manager:
        storage = manager.require_engine().storage_manager
        pristine = read_slots(manager.kv_caches, 0, 16)
        found = 0
        for number in range(5000):
            ((_, key),) = chunk_keys(range(number * 16, number * 16 + 16), manager.lmcache_engine_metadata)
            data = storage.get(key)
            assert data in (None, pristine)
            found += data is not None
        assert found >= stored
        backend = storage.storage_backends["LocalDiskBackend"]
        assert isinstance(backend, LocalDiskBackend)
        assert backend.corrupt == 0
        assert not list(tmp_path.rglob("*.part"))
