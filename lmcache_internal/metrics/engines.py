"""Metrics of each served engine: health checks, modes, configuration, and failed plugins."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

from flask.sansio.app import App
from msgspec import Struct
from prometheus_client import Metric

from ..diagnostics.background_checks import background_checks
from ..diagnostics.checks import Level
from ..diagnostics.engine_state import EngineState
from ..diagnostics.health import HEALTH_KEY, Health
from ..diagnostics.modes import MODES_KEY
from ..plugins import Plugins
from .families import Row, family

ConfigFacts = Callable[[Any], "tuple[int, int | None]"]
"""Returns the number of the last configuration change of a manager's engine, and the checksum of its configuration, or
None if it has no configuration that can be read."""

_LABELS = ("model_name", "worker_id", "role")
"""The labels of LMCache's own metrics that identify an engine."""
_GAUGES = {
    "frozen": "1 while the engine is frozen and stores nothing",
    "hot_cache_enabled": "1 while the hot cache stores new chunks",
    "backend_bypassed": "1 while the backend is out of service",
    "drained": "1 while the rank is out of rotation",
    "config_revision": "Number of the last change of the configuration",
    "config_checksum": "CRC-32 of the configuration with secrets masked",
    "check_status": "Last result of the health check: 0 passes, 1 warns, 2 fails",
    "plugin_load_failures": "Endpoint files that are not served",
}


_STATUS: dict[Level, int] = {"warning": 1, "failed": 2}
"""The value of a level; the others, such as `drained`, do not fail."""
_OTHERWISE_REPORTED = frozenset({"modes", "drain"})
"""The checks that have gauges of their own."""


class _Facts(Struct, frozen=True):
    """The values of the metrics of one app."""

    engine: tuple[str, ...]
    drained: bool
    revision: int
    checksum: int | None
    checks: tuple[tuple[str, int], ...]
    failures: int
    state: EngineState | None

    @classmethod
    def of(cls, app: App, config_facts: ConfigFacts) -> _Facts | None:
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
            *config_facts(manager),
            _checks(app),
            len(plugins.failed) if isinstance(plugins, Plugins) else 0,
            state,
        )


def _checks(app: App) -> tuple[tuple[str, int], ...]:
    """Return the last results of the health checks, and request new ones for the next scrape."""
    health = app.extensions.get(HEALTH_KEY)
    if not isinstance(health, Health):
        return ()
    background_checks.request(health)
    found = health.latest.items()
    return tuple((check, _STATUS.get(level, 0)) for check, level in found if check not in _OTHERWISE_REPORTED)


class Engines:
    """The apps with metrics."""

    def __init__(self) -> None:
        self._apps: dict[int, tuple[weakref.ref[App], ConfigFacts]] = {}
        self._lock = threading.Lock()
        self._facts: list[_Facts] = []
        self._families: list[Metric] = []

    def add(self, app: App, config_facts: ConfigFacts) -> None:
        """Add the metrics of `app`; they are removed when the app is deleted."""
        with self._lock:
            self._apps = {key: kept for key, kept in self._apps.items() if kept[0]() is not None}
            self._apps[max(self._apps, default=0) + 1] = (weakref.ref(app), config_facts)

    def collect(self) -> list[Metric]:
        """Return the families; they are created again if a value has changed."""
        apps = [(reference(), config_facts) for reference, config_facts in list(self._apps.values())]
        found = [_Facts.of(app, config_facts) for app, config_facts in apps if app is not None]
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
    values = {
        "drained": facts.drained,
        "config_revision": facts.revision,
        "config_checksum": facts.checksum,
        "plugin_load_failures": facts.failures,
    }
    state = facts.state
    if name == "check_status":
        return [("", {**labels, "check": check}, float(status)) for check, status in facts.checks]
    if name in values:
        number = values[name]
        return [] if number is None else [("", labels, float(number))]
    if state is None:
        return []
    if name == "backend_bypassed":
        backends = dict.fromkeys([*state.backends, *state.bypassed])
        return [("", {**labels, "backend": each}, float(each in state.bypassed)) for each in backends]
    return [("", labels, float(state.frozen if name == "frozen" else state.hot_cache))]
