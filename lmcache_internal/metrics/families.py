"""Metric families whose samples are made again only where their value has changed: a scrape finds few that have."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.samples import Sample


class Family:
    """One family from scrape to scrape.

    Args:
        name: with its prefix; of a counter, without `_total`.
        text: what it tells.
        kind: "counter", "gauge" or "histogram".
    """

    def __init__(self, name: str, text: str, kind: str) -> None:
        self._about = (name, text, kind)
        self._name = name
        self._samples: dict[Hashable, Sample] = {}

    def filled(self, values: Iterable[tuple[Hashable, str, Mapping[str, str], float]]) -> Metric:
        """The family with a sample for each of `values`: what identifies it, its suffix, its labels and its value."""
        samples: dict[Hashable, Sample] = {}
        for key, suffix, labels, value in values:
            known = self._samples.get(key)
            if known is None or known.value != value:
                known = Sample(self._name + suffix, dict(labels) if known is None else known.labels, value)
            samples[key] = known
        self._samples = samples
        family: Any = Metric(*self._about)
        family.samples = list(samples.values())
        found: Metric = family
        return found
