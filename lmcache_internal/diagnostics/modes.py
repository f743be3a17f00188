"""The modes in which an engine serves less than it could: frozen, hot cache off, bypassed or closed backends, drained.

This is the one place that knows them. Health checks, metrics and the endpoints that switch them all ask here.
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
"""Where the app's `Modes` stand in `app.extensions`."""

_Key = tuple[ModeName, str]
"""The name of a mode, and the backend that it is about."""


class Mode(Struct, frozen=True):
    """A mode that an engine is in.

    Attributes:
        name: short, as tables show it.
        backend: the backend that it is about; empty where it is about the engine.
        since: when it began, or was first seen, in seconds since the epoch.
        by: the caller who began it; empty where that is not known.
    """

    name: ModeName
    backend: str
    since: float
    by: str

    def told(self, with_caller: bool) -> str:
        """The mode in words: "bypass RemoteBackend since 2026-11-29T08:00:00+00:00 by alice"."""
        about = f" {self.backend}" if self.backend else ""
        by = f" by {self.by}" if self.by and with_caller else ""
        return f"{self.name}{about} since {clock(self.since)}{by}"


class Modes:
    """The modes of the engine of one app, since when, and by whom.

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
        """How the engine is switched; None where there is none, as on a scheduler and while a worker starts."""
        engine = getattr(getattr(self._state, "lmcache_adapter", None), "lmcache_engine", None)
        has_storage = getattr(engine, "storage_manager", None) is not None
        return EngineState.of(engine) if has_storage else None

    def switched(self, name: ModeName, on: bool, by: str, backend: str = "") -> None:
        """A caller has switched a mode on or off; who did it first is remembered, until somebody switches it off."""
        key = (name, backend)
        with self._lock:
            if not on:
                self._began.pop(key, None)
            elif not self._began.get(key, (0.0, ""))[1]:
                self._began[key] = (time.time(), by)
            if name == "closed":
                self._backends[backend] = None

    def of_engine(self) -> list[Mode]:
        """The modes that the engine is in now, those of the rotation not among them."""
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
        # An engine whose configuration says `local_cpu: false` is as it was meant to be, unless a caller has switched
        # the hot cache off: POST /conf could hide that otherwise.
        is_meant = getattr(config, "local_cpu", True) is False and ("hot-off", "") not in self._began
        hot_off = state.hot_cache_is_off and not is_meant
        found: list[tuple[bool, _Key]] = [(state.frozen, ("frozen", "")), (hot_off, ("hot-off", ""))]
        found += [(name in state.backends, ("bypass", name)) for name in state.bypassed]
        found += [(name not in state.backends, ("closed", name)) for name in self._backends]
        return [key for is_on, key in found if is_on]


def short(modes: list[ModeName]) -> str:
    """The names of modes as one word for a table, each once: "frozen,bypass"."""
    return ",".join(dict.fromkeys(modes))
