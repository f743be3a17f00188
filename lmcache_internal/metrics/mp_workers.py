"""Metrics of the workers of an MP server."""

from __future__ import annotations

from prometheus_client import Metric

from ..engine.mp.worker_watch import watches
from .families import family

_TEXTS = {
    "mp_workers_registered": ("gauge", "", "Workers that are registered with the MP server"),
    "mp_workers_idle": ("gauge", "", "Registered workers that have been silent for half of their time limit or longer"),
    "mp_workers_missing": ("gauge", "", "Workers that were removed as silent and have not registered again"),
    "mp_workers_removed": ("counter", "_total", "Workers that were removed as silent"),
}


class MPWorkers:
    """The workers of all MP engines of the process; no metrics without one."""

    def __init__(self) -> None:
        self._values: tuple[int, ...] = ()
        self._families: list[Metric] = []

    def collect(self) -> list[Metric]:
        """Return the families; they are created again if a value has changed."""
        counts = [watch.counts for watch in list(watches)]
        if not counts:
            return []
        found = [(len(each.registered), len(each.idle), len(each.missing), each.removed) for each in counts]
        values = tuple(map(sum, zip(*found, strict=True)))
        if values != self._values:
            self._families = [
                family(f"lmcache_internal:{name}", text, kind, [(suffix, {}, float(value))])
                for (name, (kind, suffix, text)), value in zip(_TEXTS.items(), values, strict=True)
            ]
            self._values = values
        return self._families
