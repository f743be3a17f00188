"""One measured figure: the values of both servers, their ratio, and the target."""

from __future__ import annotations

import operator
import re
import statistics
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

MORE_IS_BETTER = frozenset({"requests/s", "% left"})
"""Units in which larger is better; in all others, smaller is better."""

_COMPARES = {"≥": operator.ge, "≤": operator.le}


class Spread(NamedTuple):
    """Median, minimum and maximum of some values."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: list[float]) -> Spread | None:
        """Return the spread of `values`; None if there are none."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        name: what is measured.
        unit: the unit of the values.
        asked: the target: "≥ 2.2x" of LMCache's value, "≤ 6.5" in `unit`, or empty.
        lmcache: LMCache's value in each round.
        ours: our value in each round.
    """

    name: str
    unit: str
    asked: str = ""
    lmcache: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    def values(self, kind: Literal["lmcache", "ours"]) -> list[float]:
        """Return the values of one server."""
        return self.ours if kind == "ours" else self.lmcache

    @property
    def ratio(self) -> Spread | None:
        """Our values relative to LMCache's, per round; the median is the ratio of the medians."""
        pairs = [(ours, lmcache) for ours, lmcache in zip(self.ours, self.lmcache, strict=False) if lmcache > 0]
        each = Spread.of([ours / lmcache for ours, lmcache in pairs])
        median = statistics.median(self.lmcache) if pairs else 0.0
        return each._replace(median=statistics.median(self.ours) / median) if each and median > 0 else None

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None if there is no target."""
        matched = re.fullmatch(r"([≥≤]) ([\d.]+)(x?)", self.asked)
        if matched is None or not self.ours:
            return None
        measured = self.ratio if matched[3] else Spread.of(self.ours)
        return None if measured is None else bool(_COMPARES[matched[1]](measured.median, float(matched[2])))

    def since(self, before: Row) -> str:
        """Return how the ratio has changed since `before`: "better" or "worse" if the spreads are apart, else ""."""
        new, old = self.ratio, before.ratio
        if new is None or old is None or (new.least <= old.greatest and old.least <= new.greatest):
            return ""
        return "better" if (new.median > old.median) == (self.unit in MORE_IS_BETTER) else "worse"
