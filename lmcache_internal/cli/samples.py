"""Read the samples of one rank from Prometheus metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from ..diagnostics.doctor.metric_facts import belongs
from ..diagnostics.doctor.ranks import Role
from .client import Client, Failure
from .server_health import with_failing

START = "process_start_time_seconds"
NO_HITS: dict[str, float | None] = {"hit_rate": None, "hit_tokens": 0.0, "requested_tokens": 0.0}


class Samples:
    """The samples of one rank. Values that are not finite are left out.

    Args:
        text: the metrics, in Prometheus' text format.
        index: the index of the rank; its process may hold the metrics of others, too. None for all.
    """

    def __init__(self, text: str, index: int | None) -> None:
        self._sums: dict[str, float] = {}
        role: Role | None = None if index is None else "worker" if index else "scheduler"
        worker_id = index - 1 if index else None
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if belongs(sample.labels, role, worker_id) and math.isfinite(sample.value):
                    self._sums[sample.name] = self._sums.get(sample.name, 0.0) + sample.value

    def sum(self, *names: str) -> float | None:
        """Return the sum of the samples with these names; None if there are none."""
        found = [self._sums[name] for name in names if name in self._sums]
        return sum(found) if found else None

    def uptime(self) -> float | None:
        """Return the seconds since the process started; None if the server does not say."""
        start = self.sum(START)
        return None if start is None else max(0.0, round(time.time() - start, 1))

    def hits(self, hit_name: str, requested_name: str) -> dict[str, float | None]:
        """Return the hit tokens, the requested tokens and their ratio."""
        requested = self.sum(requested_name)
        if not requested:
            return NO_HITS
        hits = self.sum(hit_name) or 0.0
        return {"hit_rate": hits / requested, "hit_tokens": hits, "requested_tokens": requested}


def fetch_samples(client: Client, names: Sequence[str]) -> Samples:
    """Fetch the samples with these names; raises `Failure`."""
    answer = client.request("GET", "/metrics", params={"name[]": list(names)}, headers={"Accept": "text/plain"})
    return Samples(answer.text, client.target.index)


def fetch_figures(client: Client, names: Sequence[str], health: dict[str, Any]) -> tuple[Samples, dict[str, Any]]:
    """Fetch the samples with these names; if the server refuses or is too slow, its health has the reason instead.

    A stuck engine may hang in its metrics, and its row must show the checks that fail.

    Raises:
        Failure: the server did not answer at all.
    """
    try:
        return fetch_samples(client, names), health
    except Failure as failure:
        if failure.unreachable:
            raise
        return Samples("", client.target.index), with_failing(health, "metrics", str(failure))
