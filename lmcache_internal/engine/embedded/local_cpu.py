"""Chunks in memory: the least recently used chunk is evicted first; pinned chunks are never evicted."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from .chunks import ChunkKey

GIB = 1 << 30


@dataclass
class _Entry:
    data: bytes
    pins: list[float] = field(default_factory=list)


class LocalCPUBackend:
    """A hot cache with LMCache's interface.

    Args:
        max_size: memory for chunks in GiB.

    Attributes:
        use_hot: whether new chunks are stored.
        evictions: number of chunks evicted because the memory was full.
        lock: held during each change.
    """

    def __init__(self, max_size: float, use_hot: bool = True) -> None:
        self.use_hot = use_hot
        self.evictions = 0
        self.used_bytes = 0
        self._max_bytes = int(max_size * GIB)
        self._entries: OrderedDict[ChunkKey, _Entry] = OrderedDict()
        self.lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def keys(self) -> list[ChunkKey]:
        """Return the keys of the stored chunks, least recently used first."""
        with self.lock:
            return list(self._entries)

    def contains(self, key: ChunkKey, pin: bool = False) -> bool:
        """Return whether the chunk is stored; with `pin`, it is kept until it is unpinned."""
        with self.lock:
            entry = self._entries.get(key)
            if entry is not None and pin:
                entry.pins.append(time.monotonic())
            return entry is not None

    def unpin(self, key: ChunkKey) -> None:
        """Remove one pin."""
        with self.lock:
            entry = self._entries.get(key)
            if entry is not None and entry.pins:
                entry.pins.pop()

    def unpin_older_than(self, seconds: float) -> int:
        """Drop the pins set more than `seconds` ago; return their number."""
        limit = time.monotonic() - seconds
        dropped = 0
        with self.lock:
            for entry in self._entries.values():
                fresh = [pinned for pinned in entry.pins if pinned > limit]
                dropped += len(entry.pins) - len(fresh)
                entry.pins = fresh
        return dropped

    def put(self, key: ChunkKey, data: bytes) -> bool:
        """Store a chunk and evict older chunks if needed; return False if there is no room."""
        with self.lock:
            if not self.use_hot:
                return False
            if key in self._entries:
                self._entries.move_to_end(key)
                return True
            if not self._make_room(len(data)):
                return False
            self._entries[key] = _Entry(data)
            self.used_bytes += len(data)
            return True

    def get(self, key: ChunkKey) -> bytes | None:
        """Return the chunk's bytes, or None."""
        with self.lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry.data

    def clear(self) -> list[ChunkKey]:
        """Drop all chunks that are not pinned; return their keys."""
        with self.lock:
            keys = [key for key, entry in self._entries.items() if not entry.pins]
            for key in keys:
                self._drop(key)
            return keys

    def close(self) -> None:
        """Drop all chunks, including pinned ones."""
        with self.lock:
            self._entries.clear()
            self.used_bytes = 0

    def _make_room(self, size: int) -> bool:
        missing = self.used_bytes + size - self._max_bytes
        victims = []
        for key, entry in self._entries.items() if missing > 0 else ():
            if not entry.pins:
                victims.append(key)
                missing -= len(entry.data)
                if missing <= 0:
                    break
        if missing > 0:
            return False  # No chunk is evicted if that would not free enough memory.
        for key in victims:
            self._drop(key)
        self.evictions += len(victims)
        return True

    def _drop(self, key: ChunkKey) -> None:
        self.used_bytes -= len(self._entries.pop(key).data)
