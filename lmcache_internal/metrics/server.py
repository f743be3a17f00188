"""Metrics of the server itself, and of the modes of its engines, in the default registry."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Any

from flask.sansio.app import App
from prometheus_client import REGISTRY, Metric
from prometheus_client.registry import Collector

from ..diagnostics.modes import MODES_KEY
from ..limits.request_counts import BUCKETS, requests
from ..limits.server_load import servers
from ..plugins import Plugins
from .families import Family

Revision = Callable[[Any], int]
"""The number of the last change of the configuration of a manager's engine."""

_REFUSALS = (401, 403, 429)
_BOUNDS = [*(f"{bound}" for bound in BUCKETS), "+Inf"]
_Labels = dict[str, str]


class _Requests:
    """Counts and latencies of requests, for the whole process."""

    def __init__(self) -> None:
        self._by_series = Family("lmcache_internal:requests", "Requests by route and status", "counter")
        self._refused = Family("lmcache_internal:refused_requests", "Requests refused with 401, 403 or 429", "counter")
        self._seconds = Family("lmcache_internal:request_seconds", "Seconds until a response was made", "histogram")

    def collect(self) -> Iterator[Metric]:
        requests.sum_up()
        counts = list(requests.by_series.items())
        yield self._by_series.filled(
            (series, "_total", {"method": series.method, "route": series.route, "status": str(series.status)}, count)
            for series, count in counts
        )
        refused = dict.fromkeys(_REFUSALS, 0)
        for series, count in counts:
            if series.status in refused:
                refused[series.status] += count
        yield self._refused.filled((s, "_total", {"status": str(s)}, count) for s, count in refused.items())
        yield self._seconds.filled(self._histogram())

    def _histogram(self) -> Iterator[tuple[str, str, _Labels, float]]:
        sums = list(accumulate(requests.by_bucket))
        for bound, count in zip(_BOUNDS, sums, strict=True):
            yield bound, "_bucket", {"le": bound}, float(count)
        yield "count", "_count", {}, float(sums[-1])
        yield "sum", "_sum", {}, requests.seconds


class _Load:
    """What all listeners of the process have to do now; nothing where another WSGI server serves the app."""

    def __init__(self) -> None:
        self._families = {
            "connections": Family("lmcache_internal:connections", "Open connections", "gauge"),
            "queued": Family("lmcache_internal:queued_requests", "Requests that wait for a thread", "gauge"),
            "busy": Family("lmcache_internal:busy_threads", "Threads that serve a request", "gauge"),
        }

    def collect(self) -> Iterator[Metric]:
        serving = list(servers)
        for name, family in self._families.items() if serving else ():
            yield family.filled([("", "", {}, float(sum(getattr(server, name) for server in serving)))])


class _Engines:
    """The modes of each engine that is served, its configuration's revision, and the plugins that were not loaded."""

    def __init__(self) -> None:
        gauges = {
            "frozen": "1 while the engine stores nothing new",
            "hot_cache_enabled": "1 while memory takes new chunks",
            "backend_bypassed": "1 while the backend is out of service",
            "drained": "1 while the rank is out of rotation",
            "config_revision": "Number of the last change of the configuration",
            "plugin_load_failures": "Endpoint files that are not served",
        }
        self._families = {name: Family(f"lmcache_internal:{name}", text, "gauge") for name, text in gauges.items()}
        self._apps: dict[int, tuple[weakref.ref[App], Revision]] = {}
        self._lock = threading.Lock()

    def add(self, app: App, revision: Revision) -> None:
        with self._lock:
            self._apps = {key: kept for key, kept in self._apps.items() if kept[0]() is not None}
            self._apps[max(self._apps, default=0) + 1] = (weakref.ref(app), revision)

    def collect(self) -> Iterator[Metric]:
        found: dict[str, dict[tuple[str, ...], tuple[_Labels, float]]] = {name: {} for name in self._families}
        for reference, revision in list(self._apps.values()):
            app = reference()
            if app is not None:
                for name, labels, value in _values(app, revision):
                    # Of two apps on one engine, or on engines of the same name, the later counts: a series must not
                    # come twice.
                    found[name][tuple(labels.values())] = (labels, value)
        for name, series in found.items():
            if series:
                yield self._families[name].filled((key, "", labels, value) for key, (labels, value) in series.items())


def _values(app: App, revision: Revision) -> Iterator[tuple[str, _Labels, float]]:
    manager = app.state.lmcache_adapter if hasattr(app, "state") and hasattr(app.state, "lmcache_adapter") else None
    modes = app.extensions.get(MODES_KEY)
    plugins = app.extensions.get("lmcache_internal")
    if modes is None or manager is None:
        return
    labels = _labels(manager)
    yield "drained", labels, float(modes.rotation.drained is not None)
    yield "config_revision", labels, float(revision(manager))
    if isinstance(plugins, Plugins):
        yield "plugin_load_failures", labels, float(len(plugins.failed))
    try:
        state = modes.engine_state()
    except Exception:  # Whatever an engine raises must not cost the scrape; `/healthz` tells of it.
        return
    if state is not None:
        yield "frozen", labels, float(state.frozen)
        yield "hot_cache_enabled", labels, float(state.hot_cache)
        for name in dict.fromkeys([*state.backends, *state.bypassed]):
            yield "backend_bypassed", {**labels, "backend": name}, float(name in state.bypassed)


def _labels(manager: Any) -> _Labels:
    """The labels that LMCache's own metrics have of an engine, as far as they tell one from another."""
    metadata = getattr(manager, "lmcache_engine_metadata", None)
    return {name: str(getattr(metadata, name, "")) for name in ("model_name", "worker_id", "role")}


class _ServerCollector(Collector):
    def __init__(self) -> None:
        self.engines = _Engines()
        self._parts = (_Requests(), _Load(), self.engines)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            yield from part.collect()


_collector = _ServerCollector()
_registering = threading.Lock()
_registered = False


def watch(app: App, revision: Revision) -> None:
    """Tell of `app` in the default registry, as long as it is in use."""
    global _registered  # Once per process.
    _collector.engines.add(app, revision)
    with _registering:
        if not _registered:
            REGISTRY.register(_collector)
            _registered = True
