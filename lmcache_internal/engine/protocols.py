"""The seam: every attribute and method that we touch of an LMCache engine.

The embedded engine has this shape natively; the real one is passed in as it is.
"""

from __future__ import annotations

from typing import Any, Protocol


class Config(Protocol):
    """LMCache's `LMCacheEngineConfig`: one attribute per key of its definitions."""

    extra_config: dict[str, Any] | None


class Metadata(Protocol):
    """LMCache's `LMCacheMetadata`: which model, which worker."""

    worker_id: int
    model_name: str


class StorageManager(Protocol):
    """LMCache's `StorageManager`."""

    @property
    def storage_backends(self) -> Any: ...


class Engine(Protocol):
    """LMCache's `LMCacheEngine`."""

    config: Any
    metadata: Any
    storage_manager: Any


class Manager(Protocol):
    """LMCache's `LMCacheManager`: what `app.state.lmcache_adapter` holds."""

    @property
    def config(self) -> Any: ...

    @property
    def lmcache_engine(self) -> Any: ...

    @property
    def lmcache_engine_metadata(self) -> Any: ...

    @property
    def kv_caches(self) -> Any: ...
