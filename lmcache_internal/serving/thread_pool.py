"""The worker threads of the server: their number grows under load and shrinks afterwards."""

from __future__ import annotations

import time
from typing import Any

from waitress.task import ThreadedTaskDispatcher

from ..limits.server_load import Load
from ..redaction.log_lines import get_logger
from .cpu_budget import WorkerBudget

logger = get_logger(__name__)


class Pool(ThreadedTaskDispatcher):
    """A thread pool that adds a thread when a request would have to wait for another one.

    Args:
        least: the smallest number of threads.
        limit: the largest number of threads.
    """

    def __init__(self, least: int, limit: int) -> None:
        super().__init__()
        self._least = least
        self._limit = limit
        self._spare = 0
        self._budget = WorkerBudget()

    def start(self) -> None:
        """Start the first threads.

        Raises:
            RuntimeError: the system cannot start another thread.
        """
        self.set_thread_count(self._least)
        if len(self.threads) < self._least:
            raise RuntimeError(f"only {len(self.threads)} of {self._least} worker threads can be started")

    def load(self) -> Load:
        """Return the current load."""
        with self.lock:
            waited = time.monotonic() - self.queue[0].queued_at if self.queue else 0.0
            return Load(self.active_count, self._limit, len(self.queue), waited)

    def add_task(self, task: Any) -> None:
        """Queue a request for the next idle thread, or for a new thread."""
        with self.lock:
            task.queued_at = time.monotonic()
            task.budget = self._budget
            self.queue.append(task)
            self.queue_cv.notify()
            threads = len(self.threads) - self.stop_count
            spare = threads - self.active_count - len(self.queue)
            self._spare = min(self._spare, spare)
        if spare < 0 < threads < self._limit:
            self.set_thread_count(threads + 1)

    def start_new_thread(self, target: Any, thread_no: int) -> None:
        """Start a thread if the system allows it."""
        try:
            super().start_new_thread(target, thread_no)
        except RuntimeError as error:
            # Without a new thread, the request waits for an existing one. waitress would count the missing thread, and
            # leave requests waiting for it.
            self.threads.discard(thread_no)
            self.active_count -= 1  # waitress is about to count it.
            logger.warning("The server continues with %d worker threads: %s", len(self.threads), error)

    @property
    def is_busy(self) -> bool:
        """Whether the pool has requests."""
        return bool(self.queue) or self.active_count > 0

    @property
    def is_at_minimum(self) -> bool:
        """Whether the pool has its smallest number of threads."""
        return bool(len(self.threads) - self.stop_count <= self._least)

    def shrink(self) -> None:
        """End threads beyond `least` that were not needed since the last call."""
        with self.lock:
            threads = len(self.threads) - self.stop_count
            unneeded = min(self._spare, threads - self._least)
            self._spare = threads - self.active_count - len(self.queue) - max(0, unneeded)
            if unneeded > 0:
                self.stop_count += unneeded
                self.queue_cv.notify_all()

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads. waitress measures `timeout` by the wall clock, which may jump."""
        self.set_thread_count(0)
        with self.lock:
            self.thread_exit_cv.wait_for(lambda: not self.threads, timeout)
        return bool(super().shutdown(cancel_pending, timeout=0))
