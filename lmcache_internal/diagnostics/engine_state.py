"""How an engine is switched: frozen, hot cache on or off, which backends there are and which are bypassed."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

CPU = "LocalCPUBackend"
"""The backend that is the hot cache."""


class EngineState(Struct, frozen=True):
    """The switches of one engine at one moment.

    Attributes:
        frozen: nothing new is stored.
        hot_cache: memory takes new chunks.
        backends: the names of all backends.
        bypassed: the names of those out of service; some of them may be closed by now.
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
            tuple(backends) if isinstance(backends, list) else (),  # A mock names none.
            tuple(sorted(bypassed)) if isinstance(bypassed, list) else (),
        )

    @property
    def out_of_service(self) -> list[str]:
        """The backends that are there and bypassed."""
        return [name for name in self.bypassed if name in self.backends]

    @property
    def hot_cache_is_off(self) -> bool:
        """Whether memory is in service and takes no chunks."""
        return CPU in self.backends and CPU not in self.bypassed and not self.hot_cache

    def why_not_stored(self) -> str:
        """Why the engine stores less than it is given; empty where its switches do not explain it."""
        if self.frozen:
            return "frozen"
        if not self.backends:
            return "no backend"
        reasons = [f"bypassed: {', '.join(self.out_of_service)}"] if self.out_of_service else []
        return "; ".join([*reasons, *(["hot cache off"] if self.hot_cache_is_off else [])])
