"""Metric families that are reused while their values do not change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.samples import Sample

Row = tuple[str, Mapping[str, str], float]
"""A sample: the suffix of its name after the family's name, its labels, and its value."""


Series = Sequence[tuple[str, Mapping[str, str]]]
"""The name and the labels of each sample of a family."""


class KeptFamily(Metric):
    """A family with samples that never change; the renderer reuses its text for the same object."""


class CountedFamily(KeptFamily):
    """A family with the same series as another one, and other values; immutable.

    The renderer reads `series` and `values`. The samples are created on first access.

    Args:
        name: with its prefix; of a counter, without `_total`.
        text: the help text.
        kind: "counter", "gauge" or "histogram".
        series: the same object while the series are the same; immutable.
        values: one value for each series.
        unit: the unit, with which the name ends; empty for none.
    """

    def __init__(
        self, name: str, text: str, kind: str, series: Series, values: Sequence[float], unit: str = ""
    ) -> None:
        super().__init__(name, text, kind, unit)
        self.series = series
        self.values = values
        del self.samples

    def with_values(self, values: Sequence[float]) -> CountedFamily:
        """Return the same family with other values."""
        made = object.__new__(CountedFamily)
        vars(made).update(vars(self), values=values)  # Without the checks of the names.
        vars(made).pop("samples", None)
        return made

    def __getattr__(self, name: str) -> list[Sample]:
        if name != "samples" or "values" not in self.__dict__:
            raise AttributeError(name)
        made = [
            Sample(sample, dict(labels), value)
            for (sample, labels), value in zip(self.series, self.values, strict=True)
        ]
        self.samples = made
        return made


def sample_names(family: Metric) -> set[str]:
    """Return the names of the samples of a family."""
    if isinstance(family, CountedFamily):
        return {name for name, _ in family.series}
    return {sample.name for sample in family.samples}


def subset(family: Metric, names: Collection[str]) -> Metric:
    """Return a plain family with those samples of `family` that have one of the names."""
    made = object.__new__(Metric)
    samples = [sample for sample in family.samples if sample.name in names]
    vars(made).update(
        name=family.name, documentation=family.documentation, type=family.type, unit=family.unit, samples=samples
    )
    return made


def family(name: str, text: str, kind: str, rows: Iterable[Row]) -> KeptFamily:
    """Create a family from `rows`.

    Args:
        name: the name with its prefix; for a counter without `_total`.
        text: the help text.
        kind: "counter", "gauge" or "histogram".
        rows: the samples.
    """
    made = KeptFamily(name, text, kind)
    made.samples = [Sample(name + suffix, dict(labels), value) for suffix, labels, value in rows]
    return made
