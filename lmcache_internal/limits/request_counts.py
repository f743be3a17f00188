"""Counts and latencies of the requests of this process, by method, route and status.

A request appends to a deque without a lock. After every `_BATCH` requests, and at each scrape, one thread adds up the
entries. A request that finds another thread doing this continues without waiting.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import deque
from typing import NamedTuple

BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 30.0)
"""Upper limits of the latency histogram, in seconds."""
UNMATCHED = "unmatched"
"""The route of a request with an unknown path or method, or of a request that is refused before routing."""
MAX_SERIES = 1000
"""Combinations of method, route and status that are counted separately; further ones count as `OVERFLOW`."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_BATCH = 64


class Series(NamedTuple):
    """The labels of a request."""

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
        self.forget()

    def forget(self) -> None:
        """Start again: a forked child has served no request, and a thread of the parent may have held the lock."""
        self.by_series: dict[Series, int] = {}
        self.by_bucket = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self._waiting: deque[tuple[str, str, int, float | None]] = deque()
        self._lock = threading.Lock()

    def add(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count a request; `seconds` is None if it was refused before it began."""
        self._waiting.append((method, route, status, seconds))
        if len(self._waiting) >= _BATCH and self._lock.acquire(blocking=False):
            try:
                self._sum_up()
            finally:
                self._lock.release()

    def sum_up(self) -> None:
        """Add up the entries."""
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
os.register_at_fork(after_in_child=requests.forget)
