"""The switches of an engine: frozen, hot cache, existing and bypassed backends."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

CPU = "LocalCPUBackend"
"""The name of the hot cache backend."""


class EngineState(Struct, frozen=True):
    """The switches of one engine at one moment.

    Attributes:
        frozen: whether the engine stores no new chunks.
        hot_cache: whether the hot cache stores new chunks.
        backends: the names of all backends.
        bypassed: the names of bypassed backends; some of them may be closed.
    """

    frozen: bool
    hot_cache: bool
    backends: tuple[str, ...]
    bypassed: tuple[str, ...]

    @classmethod
    def of(cls, engine: Any) -> EngineState:
        """Read the switches of an engine that has a storage manager."""
        storage = engine.storage_manager
        backends = storage.get_all_backend_names()
        bypassed = storage.get_bypassed_backends()
        return cls(
            bool(engine.is_frozen()),
            bool(engine.is_hot_cache_enabled()),
            tuple(backends) if isinstance(backends, list) else (),  # A mock returns no list.
            tuple(sorted(bypassed)) if isinstance(bypassed, list) else (),
        )

    @property
    def out_of_service(self) -> list[str]:
        """The existing backends that are bypassed."""
        return [name for name in self.bypassed if name in self.backends]

    @property
    def in_service(self) -> list[str]:
        """The backends that store new chunks, unless the engine is frozen."""
        return [name for name in self.backends if name not in self.bypassed and (name != CPU or self.hot_cache)]

    @property
    def hot_cache_is_off(self) -> bool:
        """Whether the hot cache is in service but stores no chunks."""
        return CPU in self.backends and CPU not in self.bypassed and not self.hot_cache

    def why_not_stored(self) -> str:
        """Return why the engine stores fewer chunks than it receives; empty if the switches do not explain it."""
        if self.frozen:
            return "frozen"
        if not self.backends:
            return "no backend"
        reasons = [f"bypassed: {', '.join(self.out_of_service)}"] if self.out_of_service else []
        return "; ".join([*reasons, *(["hot cache off"] if self.hot_cache_is_off else [])])
