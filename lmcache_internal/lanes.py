"""Lanes: how many requests of a kind may be under way, so that the others always find a thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Literal

from .errors import Busy

LaneName = Literal["engine", "long", "scrape"]

LIMITS: dict[LaneName, int] = {
    # Calls into the engine. All lanes together leave threads to what needs none, see `transport.MAX_THREADS`.
    "engine": 32,
    # What may take minutes: profiles, loading chunk files. Scripts have a limit of their own, see `running_scripts.py`.
    "long": 4,
    # Metrics: one scrape at a time collects them, and the others wait for the next, see `coalescing.py`.
    "scrape": 64,
}

_NAMED = 5


class Lane:
    """Lets a number of requests through at once, and turns the next away instead of letting it wait.

    Args:
        limit: how many.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: dict[object, tuple[str, float]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def passing(self, doing: str) -> Iterator[None]:
        """Hold a place while `doing` it.

        Raises:
            Busy: all places are taken (503, with Retry-After and what takes them).
        """
        ticket = object()
        with self._lock:
            if len(self._running) >= self._limit:
                raise Busy(self._explain(doing), headers={"Retry-After": "1"})
            self._running[ticket] = (doing, time.monotonic())
        try:
            yield
        finally:
            with self._lock:
                del self._running[ticket]

    def _explain(self, doing: str) -> str:
        now = time.monotonic()
        oldest = sorted(self._running.values(), key=lambda running: running[1])[:_NAMED]
        named = ", ".join(f"{what} (for {now - since:.0f} s)" for what, since in oldest)
        many = "such request is under way" if self._limit == 1 else "such requests are under way, the oldest"
        return f"Cannot {doing} now: {self._limit} {many}: {named}. Try again."
