"""A server's own samples in its Prometheus exposition."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client.parser import text_string_to_metric_families

from .client import Client


class Samples:
    """The samples of one rank, from /metrics.

    Args:
        text: the exposition.
        index: the rank's; its process may hold the metrics of others, too. None for all.
    """

    def __init__(self, text: str, index: int | None) -> None:
        self._sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if _belongs(sample.labels, index):
                    self._sums[sample.name] = self._sums.get(sample.name, 0.0) + sample.value

    def sum(self, *names: str) -> float | None:
        """The samples of these names, added; None where there are none."""
        found = [self._sums[name] for name in names if name in self._sums]
        return sum(found) if found else None

    def ratio(self, part: str, whole: str) -> float | None:
        """One sum by another; None without either, and where nothing was counted yet."""
        divisor = self.sum(whole)
        return (self.sum(part) or 0.0) / divisor if divisor else None


def fetch_samples(client: Client, names: Sequence[str]) -> Samples:
    """The samples of these names; raises `Failure` where the server does not answer."""
    response = client.request("GET", "/metrics", params={"name[]": list(names)}, headers={"Accept": "text/plain"})
    return Samples(response.text, client.target.index)


def _belongs(labels: dict[str, str], index: int | None) -> bool:
    if index is None or "worker_id" not in labels:
        return True
    if index == 0:
        return labels.get("role") == "scheduler"
    return labels["worker_id"] == str(index - 1) and labels.get("role") != "scheduler"
