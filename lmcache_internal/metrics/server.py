"""Metrics of the server: requests and load."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import accumulate

from flask.sansio.app import App
from prometheus_client import REGISTRY, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from ..limits.request_counts import BUCKETS, Series, requests
from ..limits.server_load import servers
from .engines import Engines, Revision
from .families import family, with_samples

_REFUSALS = (401, 403, 429)
_LATENCY_TEXT = "Seconds until a response was created"
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
        self._samples: dict[Series, Sample] = {}
        self._refused: tuple[int, ...] = ()
        self._refused_family: Metric | None = None
        self._latency = [Sample(name, labels, 0.0) for name, labels in _LATENCY]

    def collect(self) -> list[Metric]:
        requests.sum_up()
        counts = list(requests.by_series.items())
        refused = dict.fromkeys(_REFUSALS, 0)
        known = self._samples
        self._samples = samples = {}
        for series, count in counts:
            sample = known.get(series)
            samples[series] = sample if sample is not None and sample.value == count else _sample(series, count)
            if series.status in refused:
                refused[series.status] += count
        about = ("lmcache_internal:requests", "Requests by route and status", "counter")
        return [with_samples(*about, list(samples.values())), self._refusals(refused), self._latencies()]

    def _refusals(self, counts: dict[int, int]) -> Metric:
        values = tuple(counts.values())
        if self._refused_family is None or values != self._refused:
            rows = [("_total", {"status": str(status)}, float(count)) for status, count in counts.items()]
            text = "Requests refused with 401, 403 or 429"
            self._refused_family = family("lmcache_internal:refused_requests", text, "counter", rows)
            self._refused = values
        return self._refused_family

    def _latencies(self) -> Metric:
        sums = list(accumulate(requests.by_bucket))
        values = [*sums, sums[-1], requests.seconds]
        self._latency = [
            known if known.value == value else Sample(known.name, known.labels, float(value))
            for known, value in zip(self._latency, values, strict=True)
        ]
        return with_samples("lmcache_internal:request_seconds", _LATENCY_TEXT, "histogram", self._latency)


def _sample(series: Series, count: int) -> Sample:
    labels = {"method": series.method, "route": series.route, "status": str(series.status)}
    return Sample("lmcache_internal:requests_total", labels, float(count))


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
        self._parts = (_Requests(), _Load(), self.engines)
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


def watch(app: App, revision: Revision) -> None:
    """Add the metrics of `app` to the default registry; they are removed when the app is deleted."""
    global _registered  # Once per process.
    _collector.engines.add(app, revision)
    with _registering:
        if not _registered:
            REGISTRY.register(_collector)
            _registered = True
