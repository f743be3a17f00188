"""Turn counters that are read repeatedly into rates, and draw how the rates went."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

KEPT = 30
"""The number of rates of each counter that are kept."""

_BARS = "▁▂▃▄▅▆▇█"


class Rates:
    """The growth rates of the counters of one server."""

    def __init__(self) -> None:
        self._last: tuple[float, Mapping[str, float]] | None = None
        self._history: dict[str, deque[float]] = {}

    def add(self, now: float, counters: Mapping[str, float]) -> None:
        """Record the counters at `now`, in seconds of a monotonic clock."""
        if self._last is not None and now > self._last[0]:
            then, before = self._last
            for name, value in counters.items():
                # A counter that fell was reset: its value is the growth since then.
                grown = value - before.get(name, value) if value >= before.get(name, value) else value
                self._history.setdefault(name, deque(maxlen=KEPT)).append(grown / (now - then))
        self._last = (now, counters)

    def now(self, name: str) -> float | None:
        """Return the latest rate per second; None before the second reading."""
        history = self._history.get(name)
        return history[-1] if history else None

    def history(self, name: str) -> Sequence[float]:
        """Return the rates that are kept, the oldest first."""
        return tuple(self._history.get(name, ()))


def sparkline(values: Sequence[float]) -> str:
    """Draw a bar for each value; the tallest bar is the largest value."""
    largest = max(values, default=0.0)
    if largest <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(len(_BARS) - 1, int(value / largest * len(_BARS)))] for value in values)
