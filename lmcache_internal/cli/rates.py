"""Turn counters that are read repeatedly into rates, and draw how the rates went."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

KEPT = 30
"""The number of rates of each counter that are kept."""
UPDATE_SECONDS = 10.0
"""LMCache updates its counters this often: a rate of a shorter time, or of one and a half updates, may be twice too
high. The dashboard has the same rule (ui/assets/readings.js)."""
MOST_UPDATES = 3
"""A rate is that of at most so many updates: 30 s."""
EARLY_SECONDS = 0.5
"""A reading may be early by this."""

_BARS = "▁▂▃▄▅▆▇█"
_Step = tuple[float, Mapping[str, float]]
"""The seconds between two readings, and the growth of each counter."""


class Rates:
    """The growth of the counters of one server: rates over the last 10, 20 or 30 s, and shares over all of them."""

    def __init__(self) -> None:
        self._last: tuple[float, Mapping[str, float]] | None = None
        self._steps: deque[_Step] = deque()
        self._history: dict[str, deque[float]] = {}

    def add(self, now: float, counters: Mapping[str, float]) -> None:
        """Record the counters at `now`, in seconds of a monotonic clock."""
        if self._last is not None and now > self._last[0]:
            then, before = self._last
            self._steps.append((now - then, _growth(before, counters)))
            known = sum(seconds for seconds, _ in self._steps) + EARLY_SECONDS
            while known - self._steps[0][0] >= MOST_UPDATES * UPDATE_SECONDS:
                known -= self._steps.popleft()[0]
            steps = self._counted(min(MOST_UPDATES, int(known / UPDATE_SECONDS)))
            seconds = sum(seconds for seconds, _ in steps)
            for name in counters if steps else ():
                rate = sum(grown.get(name, 0.0) for _, grown in steps) / seconds
                self._history.setdefault(name, deque(maxlen=KEPT)).append(rate)
        self._last = (now, counters)

    def _counted(self, updates: int) -> list[_Step]:
        """Return the latest steps that together take the time of some updates, or a little longer."""
        counted: list[_Step] = []
        missing = updates * UPDATE_SECONDS - EARLY_SECONDS
        for step in reversed(self._steps):
            if missing <= 0:
                break
            counted.append(step)
            missing -= step[0]
        return counted

    def now(self, name: str) -> float | None:
        """Return the latest rate per second; None in the first 10 s."""
        history = self._history.get(name)
        return history[-1] if history else None

    def history(self, name: str) -> Sequence[float]:
        """Return the rates that are kept, the oldest first."""
        return tuple(self._history.get(name, ()))

    def share(self, part: str, whole: str) -> float | None:
        """Return the growth of `part` as a share of that of `whole`; None if `whole` did not grow.

        It is right over any time, because LMCache updates both at once.
        """
        grown = [sum(step.get(name, 0.0) for _, step in self._steps) for name in (part, whole)]
        return grown[0] / grown[1] if grown[1] else None


def _growth(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Return how much each counter grew. A counter that fell was reset: its value is the growth since then."""
    return {
        name: value - before.get(name, value) if value >= before.get(name, value) else value
        for name, value in now.items()
    }


def sparkline(values: Sequence[float]) -> str:
    """Draw a bar for each value; the tallest bar is the largest value."""
    largest = max(values, default=0.0)
    if largest <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(len(_BARS) - 1, int(value / largest * len(_BARS)))] for value in values)
