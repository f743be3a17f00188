"""Metric families that are reused while their values do not change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.samples import Sample

Row = tuple[str, Mapping[str, str], float]
"""A sample: the suffix of its name after the family's name, its labels, and its value."""


class KeptFamily(Metric):
    """A family with samples that never change; the renderer reuses its text for the same object."""


def family(name: str, text: str, kind: str, rows: Iterable[Row]) -> KeptFamily:
    """Create a family from `rows`.

    Args:
        name: the name with its prefix; for a counter without `_total`.
        text: the help text.
        kind: "counter", "gauge" or "histogram".
        rows: the samples.
    """
    return with_samples(
        name, text, kind, [Sample(name + suffix, dict(labels), value) for suffix, labels, value in rows]
    )


def with_samples(name: str, text: str, kind: str, samples: list[Sample]) -> KeptFamily:
    """Create a family from samples."""
    made = KeptFamily(name, text, kind)
    made.samples = samples
    return made
