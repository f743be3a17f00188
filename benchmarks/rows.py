"""What was measured of one thing: the values of both servers, their ratio, and what is asked of it."""

from __future__ import annotations

import operator
import re
import statistics
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

MORE_IS_BETTER = frozenset({"requests/s", "% left"})
"""Units of what should be large; everything else should be small."""

_COMPARES = {"≥": operator.ge, "≤": operator.le}


class Spread(NamedTuple):
    """The median of some values, the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: list[float]) -> Spread | None:
        """The spread of `values`; None where there are none."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        name: what was measured.
        unit: of the values.
        asked: what it must come to: "≥ 2.2x" LMCache's, "≤ 6.5" by itself, or nothing.
        lmcache: a value for each round.
        ours: likewise.
    """

    name: str
    unit: str
    asked: str = ""
    lmcache: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)

    def values(self, kind: Literal["lmcache", "ours"]) -> list[float]:
        """The values of one server."""
        return self.ours if kind == "ours" else self.lmcache

    @property
    def ratio(self) -> Spread | None:
        """Ours to LMCache's, round by round; the median is that of the medians."""
        pairs = [(ours, lmcache) for ours, lmcache in zip(self.ours, self.lmcache, strict=False) if lmcache > 0]
        each = Spread.of([ours / lmcache for ours, lmcache in pairs])
        median = statistics.median(self.lmcache) if pairs else 0.0
        return each._replace(median=statistics.median(self.ours) / median) if each and median > 0 else None

    @property
    def holds(self) -> bool | None:
        """Whether it comes to what is asked; None where nothing is."""
        matched = re.fullmatch(r"([≥≤]) ([\d.]+)(x?)", self.asked)
        if matched is None or not self.ours:
            return None
        measured = self.ratio if matched[3] else Spread.of(self.ours)
        return None if measured is None else bool(_COMPARES[matched[1]](measured.median, float(matched[2])))

    def since(self, before: Row) -> str:
        """How the ratio has changed since `before`: "better" or "worse" where the spreads lie apart, else nothing."""
        new, old = self.ratio, before.ratio
        if new is None or old is None or (new.least <= old.greatest and old.least <= new.greatest):
            return ""
        return "better" if (new.median > old.median) == (self.unit in MORE_IS_BETTER) else "worse"
