"""Metric families that stay as they are: where no value has changed since the last scrape, neither does the family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.samples import Sample

Row = tuple[str, Mapping[str, str], float]
"""A sample: what its name has after the family's, its labels, and its value."""


class KeptFamily(Metric):
    """A family whose samples nobody changes any more; the renderer keeps its text as long as it is given the same."""


def family(name: str, text: str, kind: str, rows: Iterable[Row]) -> KeptFamily:
    """Make a family of `rows`.

    Args:
        name: with its prefix; of a counter, without `_total`.
        text: what it tells.
        kind: "counter", "gauge" or "histogram".
        rows: its samples.
    """
    return with_samples(
        name, text, kind, [Sample(name + suffix, dict(labels), value) for suffix, labels, value in rows]
    )


def with_samples(name: str, text: str, kind: str, samples: list[Sample]) -> KeptFamily:
    """Make a family of samples that are made already."""
    made = KeptFamily(name, text, kind)
    made.samples = samples
    return made
