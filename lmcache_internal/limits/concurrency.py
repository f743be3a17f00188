"""Concurrency limits: how many requests of a kind may run at once, so that the others always find a thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal

from ..errors import Busy

LimitName = Literal["engine", "long", "scrape", "plugin"]

LIMITS: dict[LimitName, int] = {
    # Calls into the engine.
    "engine": 32,
    # What may take minutes: profiles, loading chunk files. Scripts have their own limit (`script_limit.py`).
    "long": 4,
    # Metrics: one scrape at a time collects them, and the others wait for the next.
    "scrape": 64,
    # Views of plugins that make no call into the engine, see `limits/bulkheads.py`.
    "plugin": 64,
}
MAX_PLACES = 112
"""All limits together. The other threads, of `transport.MAX_THREADS`, are for requests without a limit."""

_NAMED = 5


class ConcurrencyLimit:
    """Lets a number of requests through at once, and turns the next away instead of letting it wait.

    Args:
        limit: how many.
        within: a wider limit, in which each of them takes a place as well.
    """

    def __init__(self, limit: int, within: ConcurrencyLimit | None = None) -> None:
        self._limit = limit
        self._within = within
        self._running: dict[object, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def take(self, action: str) -> Callable[[], object]:
        """Take a place to do what `action` names; return what gives it back, once or more often.

        Raises:
            Busy: all places are taken (503, with Retry-After and what takes them).
        """
        with contextlib.ExitStack() as places:
            if self._within is not None:
                places.callback(self._within.take(action))
            ticket = object()
            with self._lock:
                if len(self._running) >= self._limit:
                    raise Busy(self._explain(action), headers={"Retry-After": "1"})
                self._running[ticket] = (action, time.monotonic())
            places.callback(self._running.pop, ticket, None)
            return places.pop_all().close

    @contextlib.contextmanager
    def hold(self, action: str) -> Iterator[None]:
        """Hold a place while the action runs; raises `Busy` likewise."""
        release = self.take(action)
        try:
            yield
        finally:
            release()

    def _explain(self, action: str) -> str:
        now = time.monotonic()
        oldest = sorted(self._running.values(), key=lambda running: running[1])[:_NAMED]
        named = ", ".join(f"{what} (for {now - since:.0f} s)" for what, since in oldest)
        many = "such request is under way" if self._limit == 1 else "such requests are under way, the oldest"
        return f"Cannot {action} now: {self._limit} {many}: {named}. Try again."


def app_limits() -> dict[LimitName, ConcurrencyLimit]:
    """The limits of one app."""
    everything = ConcurrencyLimit(MAX_PLACES)
    return {name: ConcurrencyLimit(limit, everything) for name, limit in LIMITS.items()}
