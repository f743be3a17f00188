"""The embedded MP server: storage, workers and sessions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..embedded.periodic import PeriodicThread
from .objects import ObjectKey, chunk_hashes
from .storage_manager import EmbeddedMPStorageManager
from .workers import Worker

EVICTION_SECONDS = 1.0
SESSION_SECONDS = 600.0
"""A session ends when it has not been used for so long."""


class EmbeddedMPServer:
    """Has the shape of LMCache's `MPCacheServer`.

    Args:
        storage_manager: L1 and L2.
        chunk_size: tokens of a chunk.
        reap_seconds: the silence after which a worker is removed, in seconds; 0 removes none.
    """

    def __init__(
        self, storage_manager: EmbeddedMPStorageManager, chunk_size: int = 16, reap_seconds: float = 0.0
    ) -> None:
        self.storage_manager = storage_manager
        self.chunk_size = chunk_size
        self.workers: dict[int, Worker] = {}
        self._sessions: dict[str, float] = {}
        self.eviction = PeriodicThread("l1-eviction", "high", EVICTION_SECONDS, self._evict)
        self.reap_seconds = reap_seconds
        self.last_seen: dict[int, float] = {}
        self.periodic_threads = [self.eviction]
        if reap_seconds:
            self.periodic_threads.append(PeriodicThread("mp-worker-reaper", "medium", reap_seconds / 4, self._reap))
        for thread in self.periodic_threads:
            thread.start()

    def register_worker(self, instance_id: int, worker: Worker) -> None:
        """Register a worker, or replace the one of the same id."""
        self.last_seen[instance_id] = time.monotonic()
        self.workers[instance_id] = worker

    def keys_of(self, model_name: str, world_size: int, tokens: Sequence[int], cache_salt: str = "") -> list[ObjectKey]:
        """Return the key of each rank's slice of each whole chunk of `tokens`.

        Raises:
            ValueError: the model or the salt breaks a rule.
        """
        hashes = chunk_hashes(tokens, self.chunk_size)
        return [ObjectKey(each, model_name, rank, 0, cache_salt) for each in hashes for rank in range(world_size)]

    def store(self, instance_id: int, tokens: Sequence[int], cache_salt: str = "", session: str = "") -> int:
        """Store the chunks of `tokens` from the first blocks of a worker; return the number of objects.

        Raises:
            ValueError: the salt breaks a rule.
            OSError: L2 cannot be written.
        """
        worker = self.workers[instance_id]
        keys = self.keys_of(worker.model_name, worker.world_size, tokens, cache_salt)
        for number, key in enumerate(keys):
            block = number // worker.world_size % worker.layers[0].num_blocks
            self.storage_manager.put(key, b"".join(layer.read(block) for layer in worker.layers))
        self.last_seen[instance_id] = time.monotonic()
        self._sessions[session or f"worker-{instance_id}"] = time.monotonic()
        return len(keys)

    def clear(self, force: bool = False) -> None:
        """Drop all objects of L1 that are not locked, and with `force` the others, too."""
        self.storage_manager.l1.clear(force)

    def report_status(self) -> dict[str, Any]:
        """Return the state of all parts."""
        storage = self.storage_manager.report_status()
        return {
            "is_healthy": storage["is_healthy"],
            "engine_type": type(self).__name__,
            "chunk_size": self.chunk_size,
            "hash_algorithm": "sha256",
            "active_sessions": len(self._sessions),
            "storage_manager": storage,
            "registered_gpu_ids": list(self.workers),
            "cache_context_meta": {str(number): worker.report_status() for number, worker in self.workers.items()},
            "worker_liveness": {"enabled": bool(self.reap_seconds), "tracked_instances": len(self.workers)},
        }

    def close(self) -> None:
        """Stop the threads; what is in L2 is found at the next start."""
        for thread in self.periodic_threads:
            thread.stop()

    def _reap(self) -> str:
        oldest = time.monotonic() - self.reap_seconds
        silent = [worker for worker in list(self.workers) if self.last_seen[worker] < oldest]
        for worker in silent:
            del self.workers[worker]
        return f"reaped={len(silent)}"

    def _evict(self) -> str:
        oldest = time.monotonic() - SESSION_SECONDS
        self._sessions = {session: used for session, used in list(self._sessions.items()) if used > oldest}
        return self.storage_manager.enforce_quotas()
