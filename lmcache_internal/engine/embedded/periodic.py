"""Periodic work in a thread that reports its status."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

LEVELS = ("critical", "high", "medium", "low")


class PeriodicThread(threading.Thread):
    """Calls `work` every `interval` seconds.

    Args:
        name: the thread's name.
        level: importance, one of `LEVELS`.
        interval: seconds between two runs.
        work: does the work and returns a summary.
    """

    init_wait = 0.0

    def __init__(self, name: str, level: str, interval: float, work: Callable[[], str]) -> None:
        super().__init__(name=name, daemon=True)
        self.level = level
        self.interval = interval
        self.total_runs = 0
        self.failed_runs = 0
        self._work = work
        self._last_run = self._started_at = 0.0
        self._last_summary: dict[str, Any] | None = None
        self._stopped = threading.Event()

    @property
    def is_running(self) -> bool:
        """Whether the thread is running."""
        return self.is_alive() and not self._stopped.is_set()

    @property
    def is_active(self) -> bool:
        """Whether it ran, or was started, within the last three intervals."""
        return self.is_running and time.time() - max(self._last_run, self._started_at) < 3 * self.interval

    def start(self) -> None:
        """Start the thread."""
        self._started_at = time.time()
        super().start()

    def run(self) -> None:
        """Call `work` until `stop`."""
        while not self._stopped.is_set():
            self._run_once()
            self._stopped.wait(self.interval)

    def stop(self) -> None:
        """Stop the thread and wait for it."""
        self._stopped.set()
        if self.is_alive():
            self.join()

    def get_status(self) -> dict[str, Any]:
        """Return the status fields of the HTTP contract; times in seconds, `last_run_time` since the epoch."""
        good = self.total_runs - self.failed_runs
        return {
            "name": self.name,
            "level": self.level,
            "interval": self.interval,
            "init_wait": self.init_wait,
            "is_running": self.is_running,
            "is_active": self.is_active,
            "last_run_time": self._last_run,
            "last_run_ago": time.time() - self._last_run if self._last_run else None,
            "total_runs": self.total_runs,
            "failed_runs": self.failed_runs,
            "success_rate": 100.0 * good / self.total_runs if self.total_runs else 100.0,
            "last_summary": self._last_summary,
        }

    def _run_once(self) -> None:
        started = time.time()
        try:
            message, success = self._work(), True
        except Exception as error:  # One failed run must not end the thread; the status reports the error.
            message, success = f"{type(error).__name__}: {error}", False
        self._last_run = time.time()
        self._last_summary = {
            "timestamp": self._last_run,
            "duration_ms": 1000 * (self._last_run - started),
            "success": success,
            "message": message,
            "extra_info": {},
        }
        self.failed_runs += not success
        self.total_runs += 1  # Last, because a reader that sees it expects the summary of this run.
