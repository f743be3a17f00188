"""The storage backends of one worker, in the order of lookups."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ...redaction.log_lines import get_logger
from .chunks import ChunkKey
from .config import EmbeddedConfig
from .local_cpu import LocalCPUBackend
from .local_disk import LocalDiskBackend
from .metadata import EmbeddedMetadata
from .simulated_remote import SETTING as REMOTE_SETTING
from .simulated_remote import SimulatedRemoteBackend

logger = get_logger(__name__)

Backend = LocalCPUBackend | LocalDiskBackend


class EmbeddedStorageManager:
    """A storage manager with LMCache's interface.

    Attributes:
        storage_backends: name to backend, memory before disk.
        not_created: name of a configured backend to the reason why it could not be created.
    """

    def __init__(self, config: EmbeddedConfig, metadata: EmbeddedMetadata) -> None:
        self.storage_backends: dict[str, Backend] = {}
        self.not_created: dict[str, str] = {}
        self._config = config
        self._metadata = metadata
        self._bypassed: set[str] = set()
        self._frozen = False
        self._lock = threading.RLock()
        self.create_backends()

    def put(self, key: ChunkKey, data: bytes) -> bool:
        """Store a chunk in each backend in service; return whether at least one backend has it now."""
        if self._frozen:
            return False
        kept = [backend.put(key, data) for backend in self._in_service().values()]
        return any(kept)

    def get(self, key: ChunkKey) -> bytes | None:
        """Return the chunk from the first backend that has it, and copy it to memory if it was not there."""
        for name, backend in self._in_service().items():
            data = backend.get(key)
            if data is not None:
                cpu = self._in_service().get("LocalCPUBackend")
                if cpu is not None and name != "LocalCPUBackend" and not self._frozen:
                    cpu.put(key, data)
                return data
        return None

    def contains(self, key: ChunkKey, locations: Sequence[str] | None = None, pin: bool = False) -> str | None:
        """Return the name of the first backend (of `locations`) that has the chunk."""
        for name, backend in self._in_service().items():
            if (not locations or name in locations) and backend.contains(key, pin):
                return name
        return None

    def unpin(self, key: ChunkKey) -> None:
        """Remove one pin."""
        cpu = self.storage_backends.get("LocalCPUBackend")
        if isinstance(cpu, LocalCPUBackend):
            cpu.unpin(key)

    def clear(self, locations: Sequence[str] | None = None) -> int:
        """Drop the chunks of the named backends; by default only the memory, as in LMCache.

        Returns:
            The number of chunks dropped.
        """
        chosen = locations or ["LocalCPUBackend"]
        return sum(len(backend.clear()) for name, backend in list(self.storage_backends.items()) if name in chosen)

    def list_backends(self) -> dict[str, str]:
        """Return the name and class name of each backend."""
        return {name: type(backend).__name__ for name, backend in list(self.storage_backends.items())}

    def get_all_backend_names(self) -> list[str]:
        """Return the names of the backends in the order of lookups."""
        return list(self.storage_backends)

    def close_backend(self, backend_name: str) -> bool:
        """Close and remove a backend; return False if there is no backend of that name."""
        with self._lock:
            backend = self.storage_backends.pop(backend_name, None)
            self._bypassed.discard(backend_name)
        if backend is None:
            return False
        backend.close()
        logger.info("Closed %s", backend_name)
        return True

    def create_backends(self) -> dict[str, str]:
        """Create the missing backends of the config; return their names and class names."""
        with self._lock:
            created = {}
            self.not_created = {}
            for name in ("LocalCPUBackend", "LocalDiskBackend", "RemoteBackend"):
                try:
                    backend = None if name in self.storage_backends else self._make(name)
                except OSError as error:
                    logger.error("%s is not created: %s", name, error)
                    self.not_created[name] = str(error)
                    continue
                if backend is not None:
                    created[name] = backend
            merged = self.storage_backends | created
            self.storage_backends = {name: merged[name] for name in sorted(merged)}
        return {name: type(backend).__name__ for name, backend in created.items()}

    def recreate_backend(self, backend_name: str) -> dict[str, str]:
        """Close a backend, then create it and all missing backends of the current config.

        Returns:
            Name and class name of each created backend.

        Raises:
            KeyError: there is no backend of that name.
            OSError: the new backend cannot be created; the old one is kept.
        """
        with self._lock:
            old = self.storage_backends.get(backend_name)
            if old is None:
                raise KeyError(f"Backend {backend_name} not found")
            with old.lock:  # Two backends must not write to one directory.
                new = self._make(backend_name)
                self.close_backend(backend_name)
            if new is not None:
                self.storage_backends = self.storage_backends | {backend_name: new}
            return ({} if new is None else {backend_name: type(new).__name__}) | self.create_backends()

    def set_backend_bypass(self, backend_name: str, bypassed: bool) -> None:
        """Take a backend out of service, or return it to service, without closing it."""
        with self._lock:
            (self._bypassed.add if bypassed else self._bypassed.discard)(backend_name)

    def is_backend_bypassed(self, backend_name: str) -> bool:
        """Return whether the backend is out of service."""
        return backend_name in self._bypassed

    def get_bypassed_backends(self) -> list[str]:
        """Return the names of the backends out of service."""
        return sorted(self._bypassed)

    def set_freeze(self, enabled: bool) -> None:
        """Stop or resume storing; cached chunks are still served."""
        self._frozen = enabled

    def is_frozen(self) -> bool:
        """Return whether storing is stopped."""
        return self._frozen

    def set_hot_cache(self, enabled: bool) -> None:
        """Enable the hot cache, or disable it and drop its chunks."""
        cpu = self.storage_backends.get("LocalCPUBackend")
        if isinstance(cpu, LocalCPUBackend):
            cpu.use_hot = enabled
            if not enabled:
                cpu.clear()

    def is_hot_cache_enabled(self) -> bool:
        """Return whether the hot cache stores new chunks."""
        cpu = self.storage_backends.get("LocalCPUBackend")
        return isinstance(cpu, LocalCPUBackend) and cpu.use_hot

    def close(self) -> None:
        """Close all backends."""
        for name in self.get_all_backend_names():
            self.close_backend(name)

    def _in_service(self) -> dict[str, Backend]:
        return {name: backend for name, backend in list(self.storage_backends.items()) if name not in self._bypassed}

    def _make(self, name: str) -> Backend | None:
        if name == "LocalCPUBackend":
            return LocalCPUBackend(self._config.max_local_cpu_size, use_hot=self._config.local_cpu)
        if name == "RemoteBackend":
            size = self._config.get_extra_config_value(REMOTE_SETTING)
            return SimulatedRemoteBackend(float(size)) if size else None
        if self._config.local_disk is None or self._config.max_local_disk_size <= 0:
            return None
        directory = disk_directory(self._config.local_disk, self._metadata)
        try:
            return LocalDiskBackend(str(directory), self._config.max_local_disk_size)
        except OSError as error:
            raise OSError(f"local_disk {directory} cannot be used: {error}") from error


def disk_directory(local_disk: str, metadata: EmbeddedMetadata) -> Path:
    """Return the directory in `local_disk` for the chunk files of one worker."""
    worker = f"{metadata.model_name}@{metadata.world_size}@{metadata.worker_id}"
    return Path(local_disk) / quote(worker, safe="@")
