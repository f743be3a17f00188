"""Chunks on disk: one file per chunk with a checksum, written atomically, and used again after a restart."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, TypedDict

import msgspec

from ...redaction.log_lines import get_logger
from .chunks import ChunkKey
from .local_cpu import GIB

logger = get_logger(__name__)

_MAGIC = b"lmcache-internal chunk 1 "
_MAX_HEADER = 4096
_TRANSIENT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class _Untagged(TypedDict):
    key: tuple[str, int, int, str]
    size: int
    sha256: str


class _Header(_Untagged, total=False):
    tags: list[tuple[str, Any]]


class LocalDiskBackend:
    """Chunk files in a directory; the least recently used file is deleted first.

    A file has one header line (magic, JSON with key, size and sha256), then the bytes.

    Args:
        directory: the directory of the files; created if missing. Only one worker may use it.
        max_size: disk space in GiB.

    Attributes:
        corrupt: number of files that were skipped because the content does not match the header.
        evictions: number of chunks deleted because the space was full.
        lock: held during each change.

    Raises:
        OSError: the directory cannot be created or read.
    """

    def __init__(self, directory: str, max_size: float) -> None:
        self.directory = Path(directory)
        self.corrupt = 0
        self.evictions = 0
        self.used_bytes = 0
        self._max_bytes = int(max_size * GIB)
        self._sizes: OrderedDict[ChunkKey, int] = OrderedDict()
        self.lock = threading.RLock()
        self.directory.mkdir(parents=True, exist_ok=True)
        for leftover in self.directory.glob("*.part"):
            with contextlib.suppress(OSError):
                leftover.unlink()
        files = [file for file in self.directory.glob("*.kv") if file.is_file()]
        for file in sorted(files, key=lambda file: file.stat().st_mtime):
            self._index(file)

    def __len__(self) -> int:
        return len(self._sizes)

    def keys(self) -> list[ChunkKey]:
        """Return the keys of the stored chunks, least recently used first."""
        with self.lock:
            return list(self._sizes)

    def contains(self, key: ChunkKey, pin: bool = False) -> bool:  # noqa: ARG002  # The backends' common signature.
        """Return whether the chunk is stored; files are not pinned."""
        with self.lock:
            return key in self._sizes

    def put(self, key: ChunkKey, data: bytes) -> bool:
        """Write a chunk; return False if there is no room or the write fails."""
        with self.lock:
            if key in self._sizes:
                self._sizes.move_to_end(key)
                return True
            if len(data) > self._max_bytes:
                return False
            while self.used_bytes + len(data) > self._max_bytes:
                self._drop(next(iter(self._sizes)))
                self.evictions += 1
            try:
                self._write(key, data)
            except OSError as error:
                logger.warning("Chunk %s is not stored on disk: %s", key, error)
                return False
            self._sizes[key] = len(data)
            self.used_bytes += len(data)
            return True

    def get(self, key: ChunkKey) -> bytes | None:
        """Return the chunk's bytes; None if it is not stored or its content has changed."""
        with self.lock:
            if key not in self._sizes:
                return None
            self._sizes.move_to_end(key)
            try:
                content = self._path(key).read_bytes()
            except OSError as error:
                if error.errno not in _TRANSIENT:  # After a transient error, the file may still be valid.
                    self._skip(key, str(error))
                return None
            line, _, data = content.partition(b"\n")
            header = _header_of(line)
            if header is None or header["sha256"] != hashlib.sha256(data).hexdigest() or _key_of(header) != key:
                self._skip(key, "its content does not match its header")
                return None
            return data

    def clear(self) -> list[ChunkKey]:
        """Delete all chunks; return their keys."""
        with self.lock:
            keys = list(self._sizes)
            for key in keys:
                self._drop(key)
            return keys

    def close(self) -> None:
        """Stop serving and storing chunks; the files stay for the next start."""
        with self.lock:
            self._sizes.clear()
            self.used_bytes = self._max_bytes = 0

    def _index(self, file: Path) -> None:
        with file.open("rb") as stream:
            line = stream.readline(_MAX_HEADER)
        header = _header_of(line.rstrip(b"\n"))
        if header is None or len(line) + header["size"] != file.stat().st_size or self._path(_key_of(header)) != file:
            self.corrupt += 1
            logger.warning("%s is skipped: it is not a complete chunk file", file)
            return
        self._sizes[_key_of(header)] = header["size"]
        self.used_bytes += header["size"]

    def _write(self, key: ChunkKey, data: bytes) -> None:
        header = _Header(key=_parts(key), size=len(data), sha256=hashlib.sha256(data).hexdigest())
        if key.tags is not None:
            header["tags"] = list(key.tags)
        path = self._path(key)
        # A partly written file must not have a name under which it would be read.
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        try:
            unfinished.write_bytes(_MAGIC + json.dumps(header).encode() + b"\n" + data)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _skip(self, key: ChunkKey, reason: str) -> None:
        logger.warning("Chunk %s on disk is skipped: %s", key, reason)
        self.corrupt += 1
        self._drop(key)

    def _drop(self, key: ChunkKey) -> None:
        self.used_bytes -= self._sizes.pop(key)
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("Chunk %s cannot be deleted from disk: %s", key, error)

    def _path(self, key: ChunkKey) -> Path:
        return self.directory / f"{hashlib.sha256(str(key).encode()).hexdigest()}.kv"


def _parts(key: ChunkKey) -> tuple[str, int, int, str]:
    return key.model_name, key.world_size, key.worker_id, key.chunk_hash


def _key_of(header: _Header) -> ChunkKey:
    tags = header.get("tags")
    return ChunkKey(*header["key"], None if tags is None else tuple(tags))


def _header_of(line: bytes) -> _Header | None:
    if not line.startswith(_MAGIC):
        return None
    try:
        return msgspec.json.decode(line.removeprefix(_MAGIC), type=_Header)
    except (ValueError, RecursionError):
        return None
