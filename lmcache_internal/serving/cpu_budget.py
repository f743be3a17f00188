"""A limit on the share of the GIL that the event loop takes from a busy engine and from our own worker threads.

Without it, a thread that serves requests without a pause and another that runs Python without a pause share the GIL in
random proportions: see `python -m benchmarks full_load` for the engine, and `python -m benchmarks mixed` for the worker
threads. To remove it, delete this file and its use in `transport.py`.
"""

from __future__ import annotations

from sys import getswitchinterval
from time import monotonic, process_time, sleep, thread_time

YIELD_SECONDS = 0.0001
"""Long enough for a waiting thread to wake up and acquire the GIL."""
CPU_SHARE = 0.11
"""CPU time that the event loop may use while other threads are busy, in seconds per second."""
BURST_SECONDS = 0.003
"""Size of the token bucket, in seconds of CPU time. The debt is limited to the same amount."""
BUSY_SHARE = 0.5
"""Other threads are busy if they use more than this share of a core during a pause of the event loop."""
MIN_PAUSE_SECONDS = 0.002
"""Shortest pause that measures whether other threads are busy. A process that is otherwise idle pauses at most once in
`IDLE_VALID_SECONDS`, and only at full load."""
IDLE_VALID_SECONDS = 0.2
YIELD_INTERVAL_SECONDS = 0.0005
"""Time between two yields while worker threads have requests."""


class CpuBudget:
    """A token bucket of CPU time: it fills as time passes, and the CPU time of the calling thread empties it."""

    def __init__(self) -> None:
        self._left = BURST_SECONDS
        self._filled = monotonic()
        self._used = thread_time()
        self._is_busy = False
        self._idle_until = 0.0
        self._last_yield = 0.0

    def yield_gil(self) -> None:
        """Yield the GIL to waiting threads, at most once per `YIELD_INTERVAL_SECONDS`. Call it often.

        Otherwise they get it after `sys.getswitchinterval()`, 5 ms, and serving one request needs it many times.
        """
        if monotonic() - self._last_yield > YIELD_INTERVAL_SECONDS:
            sleep(YIELD_SECONDS)
            self._last_yield = monotonic()
            # Otherwise the next `throttle` would count all CPU time since its last call as one burst.
            self._fill(self._last_yield)

    def throttle(self) -> None:
        """Pause if the bucket is empty and other threads are busy. Call it often."""
        now = monotonic()
        if now < self._idle_until or now - self._filled < MIN_PAUSE_SECONDS:
            return
        self._fill(now)
        if self._left >= 0:
            return
        # Sleep until the bucket is full, because few long pauses cost less than many short ones. After a pause, the
        # thread needs another switch interval to get the GIL back.
        full_in = (BURST_SECONDS - self._left) / CPU_SHARE - getswitchinterval()
        seconds = max(MIN_PAUSE_SECONDS, full_in) if self._is_busy else MIN_PAUSE_SECONDS
        before = process_time() - thread_time()
        sleep(seconds)
        self._is_busy = process_time() - thread_time() - before > BUSY_SHARE * seconds
        if not self._is_busy:
            self._idle_until = monotonic() + IDLE_VALID_SECONDS

    def _fill(self, now: float) -> None:
        used = thread_time()
        left = min(BURST_SECONDS, self._left + (now - self._filled) * CPU_SHARE) - (used - self._used)
        self._left = max(-BURST_SECONDS, left)
        self._filled, self._used = now, used
