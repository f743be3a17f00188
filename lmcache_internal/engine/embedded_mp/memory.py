"""L1: objects in the memory of the server."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Any

from .objects import ObjectKey


class L1Memory:
    """Objects in memory; the least recently used are dropped first.

    Args:
        capacity: bytes.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.used = 0
        self._objects: OrderedDict[ObjectKey, bytes] = OrderedDict()
        self._locked: Counter[ObjectKey] = Counter()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._objects)

    def put(self, key: ObjectKey, data: bytes) -> bool:
        """Keep an object; return False where there is no room for it."""
        with self._lock:
            self._drop(key)
            victims = (victim for victim in list(self._objects) if victim not in self._locked)
            while self.used + len(data) > self.capacity:
                victim = next(victims, None)
                if victim is None:
                    return False
                self._drop(victim)
            self._objects[key] = data
            self.used += len(data)
            return True

    def keys(self) -> list[ObjectKey]:
        """Return the keys, least recently used first."""
        with self._lock:
            return list(self._objects)

    def get(self, key: ObjectKey) -> bytes | None:
        """Return the bytes of an object, or None."""
        with self._lock:
            if key in self._objects:
                self._objects.move_to_end(key)
            return self._objects.get(key)

    def lock(self, key: ObjectKey) -> None:
        """Keep an object from being dropped, as a running request does."""
        with self._lock:
            self._locked[key] += 1

    def unlock(self, key: ObjectKey) -> None:
        """Release an object."""
        with self._lock:
            self._locked = +(self._locked - Counter([key]))

    def delete(self, keys: Iterable[ObjectKey], force: bool = False) -> tuple[int, int]:
        """Drop objects; return how many were dropped, and how many were locked and stay."""
        with self._lock:
            present = [key for key in dict.fromkeys(keys) if key in self._objects]
            locked = [] if force else [key for key in present if key in self._locked]
            dropped = [key for key in present if key not in locked]
            for key in dropped:
                self._drop(key)
            return len(dropped), len(locked)

    def clear(self, force: bool = False) -> None:
        """Drop all objects that are not locked, and with `force` the others, too."""
        self.delete(list(self._objects), force)

    def usage_by_salt(self) -> Counter[str]:
        """Return the bytes of each cache salt."""
        usage: Counter[str] = Counter()
        with self._lock:
            for key, data in self._objects.items():
                usage[key.cache_salt] += len(data)
        return usage

    def evict(self, cache_salt: str, limit: int) -> int:
        """Drop the least recently used objects of a salt until it has `limit` bytes; return how many."""
        dropped = 0
        with self._lock:
            used = self.usage_by_salt()[cache_salt]
            for key in [key for key in self._objects if key.cache_salt == cache_salt and key not in self._locked]:
                if used <= limit:
                    break
                used -= len(self._objects[key])
                self._drop(key)
                dropped += 1
        return dropped

    def report_status(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "is_healthy": True,
            "total_object_count": len(self),
            "memory_used_bytes": self.used,
            "memory_total_bytes": self.capacity,
        }

    def _drop(self, key: ObjectKey) -> None:
        self.used -= len(self._objects.pop(key, b""))
