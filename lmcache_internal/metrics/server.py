"""Metrics of the server: requests and load."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import accumulate

from flask.sansio.app import App
from prometheus_client import REGISTRY, Metric
from prometheus_client.registry import Collector

from ..limits.request_counts import BUCKETS, Series, requests
from ..limits.server_load import servers
from .engines import ConfigFacts, Engines
from .families import CountedFamily, family
from .families import Series as FamilySeries
from .mp_workers import MPWorkers

_REFUSALS = (401, 403, 429)
_REFUSED = [("lmcache_internal:refused_requests_total", {"status": str(status)}) for status in _REFUSALS]
_LATENCY: list[tuple[str, dict[str, str]]] = [
    *(("lmcache_internal:request_seconds_bucket", {"le": bound}) for bound in (*map(str, BUCKETS), "+Inf")),
    ("lmcache_internal:request_seconds_count", {}),
    ("lmcache_internal:request_seconds_sum", {}),
]
_LOAD = {
    "connections": "Open connections",
    "queued_requests": "Requests that wait for a thread",
    "busy_threads": "Threads that serve a request",
}


class _Requests:
    """Counts and latencies of requests, for the whole process."""

    def __init__(self) -> None:
        self._known: list[Series] = []
        self._series: FamilySeries = []
        self._refusals: list[tuple[int, int]] = []

    def collect(self) -> list[Metric]:
        requests.sum_up()
        by_series = requests.by_series.copy()
        found = list(by_series)
        if found != self._known:
            self._learn(found)
        counts = list(map(float, by_series.values()))
        refused = [0.0] * len(_REFUSALS)
        for status, index in self._refusals:
            refused[status] += counts[index]
        sums = list(map(float, accumulate(requests.by_bucket)))
        latencies = [*sums, sums[-1], requests.seconds]
        return [
            _counted("requests", "Requests by route and status", "counter", self._series, counts),
            _counted("refused_requests", "Requests refused with 401, 403 or 429", "counter", _REFUSED, refused),
            _counted("request_seconds", "Seconds until a response was created", "histogram", _LATENCY, latencies),
        ]

    def _learn(self, found: list[Series]) -> None:
        self._known = found
        self._series = [("lmcache_internal:requests_total", _labels(series)) for series in found]
        self._refusals = [
            (_REFUSALS.index(series.status), index) for index, series in enumerate(found) if series.status in _REFUSALS
        ]


def _counted(name: str, text: str, kind: str, series: FamilySeries, values: list[float]) -> Metric:
    return CountedFamily(f"lmcache_internal:{name}", text, kind, series, values)


def _labels(series: Series) -> dict[str, str]:
    return {"method": series.method, "route": series.route, "status": str(series.status)}


class _Load:
    """The load of all listeners of the process; no metrics if another WSGI server serves the app."""

    def __init__(self) -> None:
        self._values: tuple[int, ...] = ()
        self._families: list[Metric] = []

    def collect(self) -> list[Metric]:
        serving = list(servers)
        if not serving:
            return []
        loads = [(each.connections, each.queued, each.busy) for each in serving]
        values = tuple(map(sum, zip(*loads, strict=True)))
        if values != self._values:
            about = zip(_LOAD.items(), values, strict=True)
            self._families = [
                family(f"lmcache_internal:{name}", text, "gauge", [("", {}, float(value))])
                for (name, text), value in about
            ]
            self._values = values
        return self._families


class _ServerCollector(Collector):
    def __init__(self) -> None:
        self.engines = Engines()
        self._parts = (_Requests(), _Load(), self.engines, MPWorkers())
        self._scraping = threading.Lock()  # Requests do not use this lock.

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        with self._scraping:
            found = [each for part in self._parts for each in part.collect()]
        return iter(found)


_collector = _ServerCollector()
_registering = threading.Lock()
_registered = False


def watch(app: App, config_facts: ConfigFacts) -> None:
    """Add the metrics of `app` to the default registry; they are removed when the app is deleted."""
    global _registered  # Once per process.
    _collector.engines.add(app, config_facts)
    with _registering:
        if not _registered:
            REGISTRY.register(_collector)
            _registered = True
