"""The requests of this process: how many by route and status, and how long they took.

A request appends to a deque, which takes no lock. Every `_BATCH` requests, and at each scrape, one thread sums up what
is there; a request that finds another one at it goes on.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from typing import NamedTuple

BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0)
"""Upper limits of the latency histogram, in seconds."""
UNMATCHED = "unmatched"
"""The route of a request whose path or method nothing serves, or that is refused before its path is looked at."""
MAX_SERIES = 1000
"""So many combinations of method, route and status are told apart; further ones count as `OVERFLOW`."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_BATCH = 64


class Series(NamedTuple):
    """What requests are counted by."""

    method: str
    route: str
    status: int


OVERFLOW = Series("other", "other", 0)


class RequestCounts:
    """Counts requests.

    Attributes:
        by_series: how many requests there were of each series.
        by_bucket: how many took no longer than each of `BUCKETS` and longer than the one before; the last ones longer.
        seconds: how long they took in all.
    """

    def __init__(self) -> None:
        self.by_series: dict[Series, int] = {}
        self.by_bucket = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self._waiting: deque[tuple[str, str, int, float | None]] = deque()
        self._lock = threading.Lock()

    def add(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count a request; `seconds` is None where it was refused before it began."""
        self._waiting.append((method, route, status, seconds))
        if len(self._waiting) >= _BATCH and self._lock.acquire(blocking=False):
            try:
                self._sum_up()
            finally:
                self._lock.release()

    def sum_up(self) -> None:
        """Bring the attributes up to date."""
        with self._lock:
            self._sum_up()

    def _sum_up(self) -> None:
        for _ in range(len(self._waiting)):
            method, route, status, seconds = self._waiting.popleft()
            series = Series(method if method in _METHODS else "other", route, status)
            if series not in self.by_series and len(self.by_series) >= MAX_SERIES:
                series = OVERFLOW
            self.by_series[series] = self.by_series.get(series, 0) + 1
            if seconds is not None:
                self.by_bucket[bisect_left(BUCKETS, seconds)] += 1
                self.seconds += seconds


requests = RequestCounts()
