"""Counters seen again and again, as rates; and the line that shows how they went."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

KEPT = 30
"""How many rates of each counter are kept."""

_BARS = "▁▂▃▄▅▆▇█"


class Rates:
    """How fast the counters of one server grow."""

    def __init__(self) -> None:
        self._last: tuple[float, Mapping[str, float]] | None = None
        self._history: dict[str, deque[float]] = {}

    def add(self, now: float, counters: Mapping[str, float]) -> None:
        """Take the counters as they are at `now`, in seconds of a monotonic clock."""
        if self._last is not None and now > self._last[0]:
            then, before = self._last
            for name, value in counters.items():
                # One that fell was reset in between: what it counts by now came since then.
                grown = value - before.get(name, value) if value >= before.get(name, value) else value
                self._history.setdefault(name, deque(maxlen=KEPT)).append(grown / (now - then))
        self._last = (now, counters)

    def now(self, name: str) -> float | None:
        """The latest rate, per second; None before there is one."""
        history = self._history.get(name)
        return history[-1] if history else None

    def history(self, name: str) -> Sequence[float]:
        """The rates so far, the oldest first."""
        return tuple(self._history.get(name, ()))


def sparkline(values: Sequence[float]) -> str:
    """A bar for each value; the tallest stands for the largest."""
    largest = max(values, default=0.0)
    if largest <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(len(_BARS) - 1, int(value / largest * len(_BARS)))] for value in values)
