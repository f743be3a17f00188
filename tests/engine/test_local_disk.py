"""Chunks on disk: they survive a restart, and damaged chunks are never served."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lmcache_internal.engine.embedded.chunks import ChunkKey
from lmcache_internal.engine.embedded.local_cpu import GIB
from lmcache_internal.engine.embedded.local_disk import LocalDiskBackend
from tests.support import ROOT

SIZE = 1024


def key(number: int) -> ChunkKey:
    return ChunkKey("m", 1, 0, str(number))


def data(number: int) -> bytes:
    return number.to_bytes(4, "little") * (SIZE // 4)


def kept(backend: LocalDiskBackend) -> list[int]:
    return [number for number in range(100) if backend.contains(key(number))]


def chunk_files(backend: LocalDiskBackend) -> list[Path]:
    return sorted(backend.directory.glob("*.kv"))


def open_at(directory: Path, chunks: float = 3) -> LocalDiskBackend:
    return LocalDiskBackend(str(directory), chunks * SIZE / GIB)


@pytest.fixture
def backend(tmp_path: Path) -> LocalDiskBackend:
    """Room for three chunks, holding 0, 1 and 2; their files are 3, 2 and 1 minutes old."""
    made = open_at(tmp_path / "chunks")
    for number in range(3):
        before = set(chunk_files(made))
        assert made.put(key(number), data(number))
        (file,) = set(chunk_files(made)) - before
        os.utime(file, (0, time.time() - 60 * (3 - number)))
    return made


def file_of(backend: LocalDiskBackend, number: int) -> Path:
    (file,) = (file for file in chunk_files(backend) if f'"{number}"'.encode() in file.read_bytes())
    return file


def test_get_returns_the_stored_bytes(backend: LocalDiskBackend) -> None:
    assert [backend.get(key(number)) for number in range(4)] == [data(0), data(1), data(2), None]


def test_a_closed_backend_serves_and_stores_nothing(backend: LocalDiskBackend) -> None:
    backend.close()
    assert backend.get(key(0)) is None
    assert not backend.put(key(3), data(3))
    assert backend.clear() == []
    assert (len(backend), backend.corrupt, len(chunk_files(backend))) == (0, 0, 3)


def test_chunks_survive_a_restart(backend: LocalDiskBackend) -> None:
    backend.close()
    again = open_at(backend.directory)
    assert [again.get(key(number)) for number in range(3)] == [data(0), data(1), data(2)]
    assert (len(again), again.used_bytes, again.corrupt) == (3, 3 * SIZE, 0)


def test_eviction_order_survives_a_restart(backend: LocalDiskBackend) -> None:
    again = open_at(backend.directory)
    again.put(key(3), data(3))
    assert kept(again) == [1, 2, 3]


def test_least_recently_used_is_deleted_first(backend: LocalDiskBackend) -> None:
    deleted = file_of(backend, 1)
    backend.get(key(0))
    assert backend.put(key(3), data(3))
    assert kept(backend) == [0, 2, 3]
    assert not deleted.exists()
    assert len(chunk_files(backend)) == 3
    assert (backend.used_bytes, backend.evictions) == (3 * SIZE, 1)


def test_second_put_of_a_chunk_uses_no_space(backend: LocalDiskBackend) -> None:
    assert backend.put(key(2), data(2))
    assert (len(backend), backend.used_bytes, backend.evictions) == (3, 3 * SIZE, 0)


def test_chunk_larger_than_the_limit_evicts_nothing(backend: LocalDiskBackend) -> None:
    assert not backend.put(key(9), bytes(3 * SIZE + 1))
    assert kept(backend) == [0, 1, 2]


def test_a_smaller_limit_applies_from_the_next_chunk(backend: LocalDiskBackend) -> None:
    again = open_at(backend.directory, chunks=2)
    assert again.put(key(3), data(3))
    assert kept(again) == [2, 3]
    assert len(chunk_files(again)) == 2


def test_clear_deletes_the_files(backend: LocalDiskBackend) -> None:
    assert backend.clear() == [key(0), key(1), key(2)]
    assert (len(backend), backend.used_bytes) == (0, 0)
    assert not list(backend.directory.iterdir())


def flip_last_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut_in_header(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:40])


def replace_by_other_chunk(file: Path) -> None:
    other = open_at(file.parent / "elsewhere")
    other.put(key(77), data(1))
    shutil.copy(chunk_files(other)[0], file)


damages = pytest.mark.parametrize(
    "damage", [flip_last_bit, truncate, lengthen, empty, cut_in_header, replace_by_other_chunk, Path.unlink]
)


@damages
def test_a_chunk_damaged_while_running_is_skipped_and_can_be_stored_again(
    backend: LocalDiskBackend, damage: Callable[[Path], None]
) -> None:
    damage(file_of(backend, 1))
    assert backend.get(key(1)) is None
    assert (kept(backend), backend.corrupt, backend.used_bytes) == ([0, 2], 1, 2 * SIZE)
    assert backend.put(key(1), data(1))
    assert backend.get(key(1)) == data(1)


@damages
def test_a_chunk_damaged_while_stopped_is_never_served(
    backend: LocalDiskBackend, damage: Callable[[Path], None]
) -> None:
    damage(file_of(backend, 1))
    again = open_at(backend.directory)
    assert [again.get(key(number)) for number in range(3)] == [data(0), None, data(2)]
    assert again.corrupt == (damage is not Path.unlink)
    assert again.put(key(1), data(1))
    assert again.get(key(1)) == data(1)


@pytest.mark.parametrize("damage", [truncate, lengthen, empty, cut_in_header, replace_by_other_chunk])
def test_incomplete_chunks_are_skipped_at_start(backend: LocalDiskBackend, damage: Callable[[Path], None]) -> None:
    damage(file_of(backend, 1))
    again = open_at(backend.directory)
    assert (kept(again), again.corrupt, again.used_bytes) == ([0, 2], 1, 2 * SIZE)


MAGIC = b"lmcache-internal chunk 1 "


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\xff" * 5000,
        b"some text\n",
        MAGIC,
        MAGIC + b"[]\n",
        MAGIC + b"{}\n",
        MAGIC + b"not JSON\n",
        MAGIC + b"\xff\n",
        MAGIC + b'{"key": ["m", 1, 0, "0"], "size": "0", "sha256": ""}\n',
        MAGIC + b'{"key": ["m", 1, 0, "0"], "size": 0.0, "sha256": ""}\n',
        MAGIC + b'{"key": ["m", 1, 0], "size": 0, "sha256": ""}\n',
        MAGIC + b'{"key": 5, "size": 0, "sha256": ""}\n',
        MAGIC + b'{"key": [[], 1, 0, "0"], "size": 0, "sha256": ""}\n',
        MAGIC + b'{"key": ["m", 1, 0, "0"], "size": 0, "sha256": "", "x": ' + b"[" * 1900 + b"]" * 1900 + b"}\n",
    ],
)
def test_other_files_are_skipped_and_unchanged(backend: LocalDiskBackend, content: bytes) -> None:
    foreign = backend.directory / "foreign.kv"
    foreign.write_bytes(content)
    again = open_at(backend.directory)
    assert (kept(again), again.corrupt) == ([0, 1, 2], 1)
    assert foreign.read_bytes() == content


def test_a_copy_of_a_chunk_with_another_name_is_not_counted(backend: LocalDiskBackend) -> None:
    shutil.copy(file_of(backend, 1), backend.directory / "backup.kv")
    again = open_at(backend.directory)
    assert (len(again), again.used_bytes, again.corrupt) == (3, 3 * SIZE, 1)
    assert again.put(key(3), bytes(3 * SIZE))


def test_directories_and_broken_links_do_not_prevent_the_start(backend: LocalDiskBackend) -> None:
    (backend.directory / "directory.kv").mkdir()
    (backend.directory / "directory.part").mkdir()
    (backend.directory / "dangling.kv").symlink_to("nowhere")
    assert kept(open_at(backend.directory)) == [0, 1, 2]


def test_unfinished_files_are_removed_at_start(backend: LocalDiskBackend) -> None:
    leftover = file_of(backend, 0).with_suffix(".123.part")
    leftover.write_bytes(b"half a chu")
    open_at(backend.directory)
    assert not leftover.exists()
    assert len(list(backend.directory.iterdir())) == 3


def test_a_directory_replaced_by_a_file_stores_and_raises_nothing(backend: LocalDiskBackend) -> None:
    shutil.rmtree(backend.directory)
    backend.directory.write_text("not a directory")
    assert not backend.put(key(3), data(3))
    assert backend.get(key(1)) is None
    backend.clear()
    assert (kept(backend), backend.used_bytes) == ([], 0)
    backend.directory.unlink()
    backend.directory.mkdir()
    assert backend.put(key(3), data(3))
    assert backend.get(key(3)) == data(3)


def test_a_directory_that_cannot_be_created_raises_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        open_at(tmp_path / "file" / "chunks")


def python(source: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a process that runs `source` with this module's names imported."""
    prelude = "from tests.engine.test_local_disk import *; from pathlib import Path; import resource, sys\n"
    return subprocess.Popen(
        [sys.executable, "-c", prelude + textwrap.dedent(source), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_full_disk_leaves_no_partial_file(tmp_path: Path) -> None:
    process = python(
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        backend = open_at(Path(sys.argv[1]))
        assert backend.put(key(0), data(0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, hard))
        assert not backend.put(key(1), data(1))
        assert kept(backend) == [0] and backend.used_bytes == SIZE
        assert len(list(backend.directory.iterdir())) == 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert backend.put(key(1), data(1))
        """,
        str(tmp_path),
    )
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert kept(open_at(tmp_path)) == [0, 1]


def test_a_process_killed_while_writing_leaves_only_complete_chunks(tmp_path: Path) -> None:
    process = python(
        """
        backend = LocalDiskBackend(sys.argv[1], 1)
        for number in range(100):
            backend.put(key(number), number.to_bytes(4, "little") * (1 << 18))
            print(number, flush=True)
        """,
        str(tmp_path),
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02)
        process.kill()
    again = LocalDiskBackend(str(tmp_path), 1)
    numbers = kept(again)
    assert numbers
    assert [again.get(key(n)) == n.to_bytes(4, "little") * (1 << 18) for n in numbers] == [True] * len(numbers)
    assert again.corrupt == 0
    assert not list(tmp_path.glob("*.part"))
