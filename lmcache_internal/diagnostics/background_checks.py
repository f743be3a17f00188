"""Run the health checks of a scrape in a background thread, so that a scrape never waits for the engine.

The metrics show the last results. The thread starts with the first scrape and ends when scrapes stop, so a process
without scrapes has neither the thread nor its wake-ups.
"""

from __future__ import annotations

import threading
import time
from weakref import WeakSet

from .health import FRESH_SECONDS, Health

IDLE_SECONDS = 120.0
"""The thread ends after this time without a scrape. A longer scrape interval starts it again at each scrape."""


class BackgroundChecks:
    """The thread that runs the checks of all apps of the process."""

    def __init__(self) -> None:
        self._wanted: WeakSet[Health] = WeakSet()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def request(self, health: Health) -> None:
        """Run all checks of `health` soon, unless they were run in the last second."""
        if time.monotonic() - health.refreshed < FRESH_SECONDS:
            return  # Waking the thread for nothing would take the GIL from a busy engine.
        with self._changed:
            self._wanted.add(health)
            if self._thread is not None and self._thread.is_alive():
                self._changed.notify()
                return
            self._thread = threading.Thread(target=self._run, name="health checks for metrics", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # The system cannot start another thread; the next scrape tries again.
                health.latest = {}  # Absent results are noticed, old ones are not.

    def _run(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        """Run the checks of one app; return False if no scrape requests any for `IDLE_SECONDS`."""
        with self._changed:
            if not self._wanted and not self._changed.wait(IDLE_SECONDS) and not self._wanted:
                self._thread = None
                return False
            health = self._next_wanted()
        if health is not None:
            health.refreshed = time.monotonic()
            health.outcomes(health.names, None)
        return True

    def _next_wanted(self) -> Health | None:
        try:
            return self._wanted.pop()
        except KeyError:  # Its length is not exact: an app may be gone, and its entry not removed yet.
            return None


background_checks = BackgroundChecks()
