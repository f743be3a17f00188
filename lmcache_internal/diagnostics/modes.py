"""The restricted modes of an engine: frozen, hot cache off, bypassed or closed backends, drained.

Health checks, metrics and the endpoints that change the modes all use this module.
"""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, Literal

from msgspec import Struct

from ..limits.timeouts import clock
from .drain import Rotation
from .engine_state import EngineState

ModeName = Literal["frozen", "hot-off", "bypass", "closed", "drained"]

MODES_KEY = "lmcache_internal.diagnostics.modes"
"""The key of the app's `Modes` in `app.extensions`."""

_Key = tuple[ModeName, str]
"""The name of a mode, and its backend."""


class Mode(Struct, frozen=True):
    """A mode that an engine is in.

    Attributes:
        name: short name, as in tables.
        backend: the backend; empty for a mode of the engine.
        since: when it began, or was first detected, in seconds since the epoch.
        by: the caller who enabled it; empty if unknown.
    """

    name: ModeName
    backend: str
    since: float
    by: str

    def describe(self, with_caller: bool) -> str:
        """Return a description: "bypass RemoteBackend since 2026-11-29T08:00:00+00:00 by alice"."""
        about = f" {self.backend}" if self.backend else ""
        by = f" by {self.by}" if self.by and with_caller else ""
        return f"{self.name}{about} since {clock(self.since)}{by}"


class Modes:
    """The modes of the engine of one app, with start time and caller.

    Args:
        state: the app's `state`; its `lmcache_adapter` is looked up each time.

    Attributes:
        rotation: whether the rank is drained.
    """

    def __init__(self, state: SimpleNamespace) -> None:
        self.rotation = Rotation()
        self._state = state
        self._began: dict[_Key, tuple[float, str]] = {}
        self._backends: dict[str, None] = {}
        self._lock = threading.Lock()

    def engine_state(self) -> EngineState | None:
        """Return the switches of the engine; None without one, as on a scheduler or while a worker starts."""
        engine = getattr(getattr(self._state, "lmcache_adapter", None), "lmcache_engine", None)
        has_storage = getattr(engine, "storage_manager", None) is not None
        return EngineState.of(engine) if has_storage else None

    def switched(self, name: ModeName, on: bool, by: str, backend: str = "") -> None:
        """Record that a caller switched a mode on or off; the first caller is kept until it is switched off."""
        key = (name, backend)
        with self._lock:
            if not on:
                self._began.pop(key, None)
            elif not self._began.get(key, (0.0, ""))[1]:
                self._began[key] = (time.time(), by)
            if name == "closed":
                self._backends[backend] = None

    def of_engine(self) -> list[Mode]:
        """Return the current modes of the engine, without `drained`."""
        state = self.engine_state()
        if state is None:
            return []
        config = getattr(getattr(self._state, "lmcache_adapter", None), "config", None)
        with self._lock:
            current = self._keys(state, config)
            now = time.time()
            self._began = {key: self._began.get(key, (now, "")) for key in current}
            return [Mode(*key, *began) for key, began in self._began.items()]

    def _keys(self, state: EngineState, config: Any) -> list[_Key]:
        self._backends.update(dict.fromkeys(state.backends))
        # An engine whose configuration says `local_cpu: false` is in its intended mode, unless a caller switched the
        # hot cache off; otherwise POST /conf could hide that mode.
        is_meant = getattr(config, "local_cpu", True) is False and ("hot-off", "") not in self._began
        hot_off = state.hot_cache_is_off and not is_meant
        found: list[tuple[bool, _Key]] = [(state.frozen, ("frozen", "")), (hot_off, ("hot-off", ""))]
        found += [(name in state.backends, ("bypass", name)) for name in state.bypassed]
        found += [(name not in state.backends, ("closed", name)) for name in self._backends]
        return [key for is_on, key in found if is_on]


def short(modes: list[ModeName]) -> str:
    """Return the unique names of modes as one word for a table: "frozen,bypass"."""
    return ",".join(dict.fromkeys(modes))
