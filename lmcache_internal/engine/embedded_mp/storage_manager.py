"""L1, L2 and quotas of one server."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...redaction.log_lines import get_logger
from .directory import Descriptor, DirectoryAdapter, DirectoryConfig
from .memory import L1Memory
from .objects import ObjectKey
from .quotas import QuotaManager

logger = get_logger(__name__)


class EmbeddedMPStorageManager:
    """Has the shape of LMCache's `distributed.storage_manager.StorageManager`.

    Args:
        l1_bytes: the capacity of L1.
        l2: the directories of L2, the primary one first.

    Raises:
        OSError: a directory of L2 cannot be made or read.
    """

    def __init__(self, l1_bytes: int, l2: Sequence[DirectoryConfig] = ()) -> None:
        self.l1 = L1Memory(l1_bytes)
        self.quota_manager = QuotaManager()
        self._adapters: dict[int, tuple[Descriptor, DirectoryAdapter]] = {}
        self._lock = threading.Lock()
        self._next_id = 0
        for config in l2:
            self.add_l2_adapter(config)

    def put(self, key: ObjectKey, data: bytes) -> None:
        """Keep an object in L1 and in each directory of L2; one that fails is skipped."""
        self.l1.put(key, data)
        for descriptor, adapter in self.l2_adapters():
            try:
                adapter.put(key, data)
            except OSError as error:
                logger.warning("L2 adapter %d does not store an object: %s", descriptor.index, error)

    def load(self, key: ObjectKey) -> bool:
        """Load an object from L2 into L1, where it is not there; return whether it is there now."""
        if self.l1.get(key) is not None:
            return True
        found = (_read(descriptor, adapter, key) for descriptor, adapter in self.l2_adapters())
        data = next((data for data in found if data is not None), None)
        return data is not None and self.l1.put(key, data)

    def enforce_quotas(self) -> str:
        """Evict from L1 what is above a quota; return how many objects were evicted, in words."""
        quotas = self.quota_manager.list_quotas()
        return f"evicted={sum(self.l1.evict(quota.cache_salt, quota.limit_bytes) for quota in quotas)}"

    def l2_adapters(self) -> list[tuple[Descriptor, DirectoryAdapter]]:
        """Return the adapters with their descriptors, the primary one first."""
        with self._lock:
            return [self._adapters[index] for index in sorted(self._adapters)]

    def add_l2_adapter(self, config: DirectoryConfig) -> int:
        """Add a directory to L2; return its id, which no other adapter gets later; raises `OSError`."""
        adapter = DirectoryAdapter(config)
        with self._lock:
            index, self._next_id = self._next_id, self._next_id + 1
            self._adapters[index] = (Descriptor(index, config), adapter)
        return index

    def delete_l2_adapter(self, adapter_id: int, timeout: float = 30.0) -> None:  # noqa: ARG002  # LMCache's signature.
        """Remove a directory from L2; its files stay.

        Raises:
            ValueError: there is no adapter with that id.
        """
        with self._lock:
            if self._adapters.pop(adapter_id, None) is None:
                raise ValueError(f"There is no L2 adapter with the id {adapter_id}")

    def reconfigurable_l2_backends(self) -> set[str]:
        """Return none: a directory cannot be reconfigured."""
        return set()

    def delete_l1_keys(self, keys: Sequence[ObjectKey], force: bool = False) -> tuple[int, int]:
        """Drop objects from L1; return how many were dropped, and how many are locked and stay."""
        return self.l1.delete(keys, force)

    def get_usage_bytes_by_cache_salt(self) -> Counter[str]:
        """Return the bytes in L1 of each cache salt."""
        return self.l1.usage_by_salt()

    def report_status(self) -> dict[str, Any]:
        """Return the state of L1 and L2."""
        l1, adapters = self.l1.report_status(), [adapter.report_status() for _, adapter in self.l2_adapters()]
        return {
            "is_healthy": all(part["is_healthy"] for part in [l1, *adapters]),
            "l1_manager": l1,
            "l2_adapters": adapters,
            "num_l2_adapters": len(adapters),
            "l1_usage": [self.l1.used, self.l1.capacity],
        }


def _read(descriptor: Descriptor, adapter: DirectoryAdapter, key: ObjectKey) -> bytes | None:
    """An object from L2; None if it is not there, or the adapter fails."""
    try:
        return adapter.get(key)
    except OSError as error:
        logger.warning("L2 adapter %d does not read an object: %s", descriptor.index, error)
        return None
