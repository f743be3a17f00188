"""Concurrency limits: how many requests of a kind may run at once, so that other requests always get a thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal

from ..errors import Busy

LimitName = Literal["engine", "long", "doctor", "explain", "scrape", "plugin"]

LIMITS: dict[LimitName, int] = {
    # Calls into the engine.
    "engine": 32,
    # Requests that may take minutes: profiles, loading chunk files. Scripts have their own limit (`script_limit.py`).
    "long": 4,
    # Examinations of the rank: one collects the facts, the others wait for them (`shared_calls.py`). Separate from
    # calls into the engine, because it must work while those are stuck.
    "doctor": 8,
    # Explanations of a miss: each may compute and look up the keys of 8,192 chunks, and any viewer may request it.
    "explain": 2,
    # Scrapes of the metrics: one collects, the others wait for the next run (`single_flight.py`).
    "scrape": 64,
    # Views of plugins that do not call the engine (`bulkheads.py`).
    "plugin": 64,
}
MAX_LIMITED_REQUESTS = 112
"""Requests with a limit, of all kinds together. The rest of `transport.MAX_THREADS` is for requests without a limit."""

_NAMED = 5


class ConcurrencyLimit:
    """A number of slots; a request that finds no free slot is refused and does not wait.

    Args:
        limit: the number of slots.
        within: a wider limit; each request also takes a slot there.
    """

    def __init__(self, limit: int, within: ConcurrencyLimit | None = None) -> None:
        self._limit = limit
        self._within = within
        self._running: dict[object, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def acquire(self, action: str) -> Callable[[], object]:
        """Acquire a slot, and return a function that releases it. The function may be called more than once.

        Args:
            action: the name of the action, for messages: "list the backends".

        Raises:
            Busy: all slots are in use (503, with Retry-After); the message names the actions that hold them.
        """
        with contextlib.ExitStack() as stack:
            if self._within is not None:
                stack.callback(self._within.acquire(action))
            ticket = object()
            with self._lock:
                if len(self._running) >= self._limit:
                    raise Busy(self._explain(action), headers={"Retry-After": "1"})
                self._running[ticket] = (action, time.monotonic())
            stack.callback(self._running.pop, ticket, None)
            return stack.pop_all().close

    @contextlib.contextmanager
    def hold(self, action: str) -> Iterator[None]:
        """Hold a slot while the action runs.

        Raises:
            Busy: all slots are in use; see `acquire` (503).
        """
        release = self.acquire(action)
        try:
            yield
        finally:
            release()

    def _explain(self, action: str) -> str:
        now = time.monotonic()
        oldest = sorted(self._running.values(), key=lambda running: running[1])[:_NAMED]
        named = ", ".join(f"{what} (for {now - since:.0f} s)" for what, since in oldest)
        many = "such request is running" if self._limit == 1 else "such requests are running, the oldest"
        return f"Cannot {action} now: {self._limit} {many}: {named}. Try again."


def app_limits() -> dict[LimitName, ConcurrencyLimit]:
    """Return the limits of one app."""
    everything = ConcurrencyLimit(MAX_LIMITED_REQUESTS)
    return {name: ConcurrencyLimit(limit, everything) for name, limit in LIMITS.items()}
