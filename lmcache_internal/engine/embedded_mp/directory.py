"""L2: objects as files of a directory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ...redaction.log_lines import get_logger
from ..mp.runtime import ObjectName
from .objects import KeyEntry, KeyPage, ObjectKey

logger = get_logger(__name__)

TYPE_NAME = "fs"
_MAX_HEADER = 4096


class DirectoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration of a `DirectoryAdapter`.

    Attributes:
        base_path: the directory; it is made if it is absent.
        shared: whether other servers use it, too.
    """

    base_path: Annotated[str, msgspec.Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
    shared: bool = False


class Descriptor(msgspec.Struct, frozen=True):
    """What the storage manager says of an adapter."""

    index: int
    config: DirectoryConfig
    type_name: str = TYPE_NAME


class DirectoryAdapter:
    """Objects in a directory, one file each: a line with the key as JSON, then the bytes.

    Raises:
        OSError: the directory cannot be made or read.
    """

    def __init__(self, config: DirectoryConfig) -> None:
        self._directory = Path(config.base_path)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._sizes: dict[str, tuple[ObjectName, int]] = {}
        for file in sorted(self._directory.glob("*.kv")):
            self._index(file)

    def __len__(self) -> int:
        return len(self._sizes)

    def put(self, key: ObjectKey, data: bytes) -> None:
        """Write an object, whole or not at all; raises `OSError`."""
        name = _file_name(key)
        unfinished = self._directory / f"{name}.{os.getpid()}.part"
        try:
            unfinished.write_bytes(msgspec.json.encode(key.name) + b"\n" + data)
            os.replace(unfinished, self._directory / name)
        finally:
            unfinished.unlink(missing_ok=True)
        with self._lock:
            self._sizes[name] = (key.name, len(data))

    def get(self, key: ObjectKey) -> bytes | None:
        """Return the bytes of an object, or None where there is none; raises `OSError`."""
        try:
            content = (self._directory / _file_name(key)).read_bytes()
        except FileNotFoundError:
            return None
        header, _, data = content.partition(b"\n")
        return data if header == msgspec.json.encode(key.name) else None

    def contains(self, key: ObjectKey) -> bool:
        """Return whether there is a file for an object; its content is not read."""
        return (self._directory / _file_name(key)).is_file()

    def delete(self, keys: Iterable[ObjectKey]) -> None:
        """Delete objects; those that are absent count as deleted; raises `OSError`."""
        for name in map(_file_name, keys):
            (self._directory / name).unlink(missing_ok=True)
            with self._lock:
                self._sizes.pop(name, None)

    def list_l2_keys(self, model_name: str | None = None, page_size: int = 500, cursor: str | None = None) -> KeyPage:
        """Return a page of the objects, in the order of their file names.

        Raises:
            ValueError: `cursor` is no token of a page before.
        """
        if cursor is not None and not (cursor.endswith(".kv") and len(cursor) == 67):
            raise ValueError(f"page_token {cursor[:80]!r} is none of this server's")
        with self._lock:
            names = sorted(name for name, (key, _) in self._sizes.items() if model_name in (None, key.model_name))
            later = [name for name in names if cursor is None or name > cursor]
            entries = [KeyEntry(*self._sizes[name]) for name in later[:page_size]]
        return KeyPage(entries, later[page_size - 1] if len(later) > page_size else None)

    def report_status(self) -> dict[str, Any]:
        """Return the counts, and whether the directory can be written to."""
        return {
            "is_healthy": os.access(self._directory, os.W_OK),
            "type": type(self).__name__,
            "backend": str(self._directory),
            "stored_object_count": len(self),
            "stored_bytes": sum(size for _, size in list(self._sizes.values())),
        }

    def _index(self, file: Path) -> None:
        with contextlib.suppress(OSError), file.open("rb") as stream:
            header = stream.readline(_MAX_HEADER)
            size = os.fstat(stream.fileno()).st_size - len(header)
            try:
                self._sizes[file.name] = (msgspec.json.decode(header, type=ObjectName), size)
            except msgspec.DecodeError:
                logger.warning("%s is skipped: it is no object of this server", file)


def _file_name(key: ObjectKey) -> str:
    return f"{hashlib.sha256(msgspec.json.encode(key.name)).hexdigest()}.kv"
