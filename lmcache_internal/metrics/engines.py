"""Metrics of each engine that is served: its modes, its configuration's revision, and the plugins beside it."""

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
"""The number of the last change of the configuration of a manager's engine."""

_LABELS = ("model_name", "worker_id", "role")
"""The labels of LMCache's own metrics that tell one engine from another."""
_GAUGES = {
    "frozen": "1 while the engine stores nothing new",
    "hot_cache_enabled": "1 while memory takes new chunks",
    "backend_bypassed": "1 while the backend is out of service",
    "drained": "1 while the rank is out of rotation",
    "config_revision": "Number of the last change of the configuration",
    "plugin_load_failures": "Endpoint files that are not served",
}


class _Facts(Struct, frozen=True):
    """All that the metrics tell of one app."""

    engine: tuple[str, ...]
    drained: bool
    revision: int
    failures: int
    state: EngineState | None

    @classmethod
    def of(cls, app: App, revision: Revision) -> _Facts | None:
        """Look at an app; None where it has no manager."""
        manager = getattr(getattr(app, "state", None), "lmcache_adapter", None)
        modes, plugins = app.extensions.get(MODES_KEY), app.extensions.get("lmcache_internal")
        if modes is None or manager is None:
            return None
        metadata = getattr(manager, "lmcache_engine_metadata", None)
        try:
            state = modes.engine_state()
        except Exception:  # Whatever an engine raises must not cost the scrape; `/healthz` tells of it.
            state = None
        return cls(
            tuple(str(getattr(metadata, name, "")) for name in _LABELS),
            modes.rotation.drained is not None,
            revision(manager),
            len(plugins.failed) if isinstance(plugins, Plugins) else 0,
            state,
        )


class Engines:
    """The apps whose engines are told of."""

    def __init__(self) -> None:
        self._apps: dict[int, tuple[weakref.ref[App], Revision]] = {}
        self._lock = threading.Lock()
        self._facts: list[_Facts] = []
        self._families: list[Metric] = []

    def add(self, app: App, revision: Revision) -> None:
        """Tell of `app`, as long as it is in use."""
        with self._lock:
            self._apps = {key: kept for key, kept in self._apps.items() if kept[0]() is not None}
            self._apps[max(self._apps, default=0) + 1] = (weakref.ref(app), revision)

    def collect(self) -> list[Metric]:
        """The families, made again where anything has changed."""
        apps = [(reference(), revision) for reference, revision in list(self._apps.values())]
        found = [_Facts.of(app, revision) for app, revision in apps if app is not None]
        # Of two apps on one engine, or on engines of the same name, the later counts: no series may come twice.
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
