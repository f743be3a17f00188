"""Metrics of each served engine: its modes, the revision of its configuration, and failed plugins."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from flask.sansio.app import App
from msgspec import Struct
from prometheus_client import Metric

from ..diagnostics.engine_state import EngineState
from ..diagnostics.modes import MODES_KEY
from ..plugins import Plugins
from .families import Row, family

Revision = Callable[[Any], int]
"""Returns the number of the last configuration change of a manager's engine."""

_LABELS = ("model_name", "worker_id", "role")
"""The labels of LMCache's own metrics that identify an engine."""
_GAUGES = {
    "frozen": "1 while the engine is frozen and stores nothing",
    "hot_cache_enabled": "1 while the hot cache stores new chunks",
    "backend_bypassed": "1 while the backend is out of service",
    "drained": "1 while the rank is out of rotation",
    "config_revision": "Number of the last change of the configuration",
    "plugin_load_failures": "Endpoint files that are not served",
}


class _Facts(Struct, frozen=True):
    """The values of the metrics of one app."""

    engine: tuple[str, ...]
    drained: bool
    revision: int
    failures: int
    state: EngineState | None

    @classmethod
    def of(cls, app: App, revision: Revision) -> _Facts | None:
        """Read the values of an app; return None if it has no manager."""
        manager = getattr(getattr(app, "state", None), "lmcache_adapter", None)
        modes, plugins = app.extensions.get(MODES_KEY), app.extensions.get("lmcache_internal")
        if modes is None or manager is None:
            return None
        metadata = getattr(manager, "lmcache_engine_metadata", None)
        try:
            state = modes.engine_state()
        except Exception:  # An exception of the engine must not fail the scrape; `/healthz` reports it.
            state = None
        return cls(
            tuple(str(getattr(metadata, name, "")) for name in _LABELS),
            modes.rotation.drained is not None,
            revision(manager),
            len(plugins.failed) if isinstance(plugins, Plugins) else 0,
            state,
        )


class Engines:
    """The apps with metrics."""

    def __init__(self) -> None:
        self._apps: dict[int, tuple[weakref.ref[App], Revision]] = {}
        self._lock = threading.Lock()
        self._facts: list[_Facts] = []
        self._families: list[Metric] = []

    def add(self, app: App, revision: Revision) -> None:
        """Add the metrics of `app`; they are removed when the app is deleted."""
        with self._lock:
            self._apps = {key: kept for key, kept in self._apps.items() if kept[0]() is not None}
            self._apps[max(self._apps, default=0) + 1] = (weakref.ref(app), revision)

    def collect(self) -> list[Metric]:
        """Return the families; they are created again if a value has changed."""
        apps = [(reference(), revision) for reference, revision in list(self._apps.values())]
        found = [_Facts.of(app, revision) for app, revision in apps if app is not None]
        # If two apps have the same engine, or engines with the same labels, only the later is used: series are unique.
        facts = list({each.engine: each for each in found if each is not None}.values())
        if facts != self._facts:
            rows = {name: [row for each in facts for row in _rows(name, each)] for name in _GAUGES}
            self._families = [
                family(f"lmcache_internal:{name}", _GAUGES[name], "gauge", rows[name]) for name in _GAUGES if rows[name]
            ]
            self._facts = facts
        return self._families


def _rows(name: str, facts: _Facts) -> list[Row]:
    labels = dict(zip(_LABELS, facts.engine, strict=True))
    values = {"drained": facts.drained, "config_revision": facts.revision, "plugin_load_failures": facts.failures}
    state = facts.state
    if name in values:
        return [("", labels, float(values[name]))]
    if state is None:
        return []
    if name == "backend_bypassed":
        backends = dict.fromkeys([*state.backends, *state.bypassed])
        return [("", {**labels, "backend": each}, float(each in state.bypassed)) for each in backends]
    return [("", labels, float(state.frozen if name == "frozen" else state.hot_cache))]
