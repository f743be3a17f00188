"""Limits on the share of the GIL that the server takes from a busy engine: for the event loop, and for worker threads.

Without them, threads that serve requests without a pause and an engine thread that runs Python without a pause share
the GIL in random proportions: see `python -m benchmarks full_load`, and for the worker threads that compete with the
event loop, `python -m benchmarks mixed`. To remove them, delete this file and its uses in `transport.py`,
`thread_pool.py`, `connection.py` and `event_loop.py`.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from sys import getswitchinterval
from time import clock_gettime, monotonic, process_time, pthread_getcpuclockid, sleep, thread_time

YIELD_SECONDS = 0.0001
"""Long enough for a waiting thread to wake up and acquire the GIL."""
CPU_SHARE = 0.11
"""CPU time that the event loop, or a thread pool, may use while the engine is busy, in seconds per second."""
BURST_SECONDS = 0.003
"""Size of the token bucket, in seconds of CPU time."""
MAX_LOOP_DEBT_SECONDS = 0.003
"""The largest debt of the event loop. All clients wait while it pauses."""
MAX_WORKER_DEBT_SECONDS = 0.05
"""The largest debt of a thread pool: after an expensive request, the next one waits at most half a second."""
BUSY_SHARE = 0.5
"""The engine is busy if its threads use more than this share of a core during a pause of the server."""
MIN_PAUSE_SECONDS = 0.002
"""Shortest pause that measures whether the engine is busy. A process that is otherwise idle pauses at most once in
`IDLE_VALID_SECONDS`, and only at full load."""
IDLE_VALID_SECONDS = 0.2
PAUSE_GROWTH = 8
"""A pause is at most this many times as long as the one before, because a short measurement may be wrong."""
YIELD_INTERVAL_SECONDS = 0.0005
"""Time between two yields while worker threads have requests."""


class _ServerTime:
    """The CPU time of the event loops and of the requests in worker threads, of all servers of the process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget everything: a forked child has none of the threads."""
        self._ended = 0.0
        self._began: dict[int, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the CPU time of the calling thread."""
        thread = threading.get_ident()
        with self._lock:
            self._began[thread] = thread_time()
        try:
            yield
        finally:
            with self._lock:
                self._ended += thread_time() - self._began.pop(thread, thread_time())

    def total(self) -> float:
        """Return the CPU time so far, in seconds."""
        with self._lock:  # A thread that is counted cannot end meanwhile, so its clock exists.
            running = [clock_gettime(pthread_getcpuclockid(thread)) - began for thread, began in self._began.items()]
            return self._ended + sum(running)


server_time = _ServerTime()
os.register_at_fork(after_in_child=server_time.forget)


class _Budget:
    """A token bucket of CPU time: it fills as time passes, and the CPU time of the server's threads empties it."""

    def __init__(self, max_debt: float) -> None:
        self._max_debt = max_debt
        self._left = BURST_SECONDS
        self._filled = monotonic()
        self._is_busy = False
        self._last_pause = MIN_PAUSE_SECONDS
        self._idle_until = 0.0

    def _used(self) -> float:
        """Return the CPU time that was used since the last call, in seconds."""
        raise NotImplementedError

    def throttle(self) -> None:
        """Pause if the bucket is empty and the engine is busy. Call it often."""
        now = monotonic()
        if now < self._idle_until or now - self._filled < MIN_PAUSE_SECONDS:
            return
        self._fill(now)
        if self._left >= 0:
            return
        # Sleep until the bucket is full, because few long pauses cost less than many short ones. After a pause, the
        # thread needs another switch interval to get the GIL back.
        full_in = (BURST_SECONDS - self._left) / CPU_SHARE - getswitchinterval()
        longest = PAUSE_GROWTH * self._last_pause if self._is_busy else MIN_PAUSE_SECONDS
        seconds = self._last_pause = max(MIN_PAUSE_SECONDS, min(full_in, longest))
        began, before = monotonic(), process_time() - server_time.total()
        sleep(seconds)
        others = process_time() - server_time.total() - before
        self._is_busy = others > BUSY_SHARE * (monotonic() - began)  # With the wait for the GIL after the pause.
        if not self._is_busy:
            self._idle_until = monotonic() + IDLE_VALID_SECONDS

    def _fill(self, now: float) -> None:
        left = min(BURST_SECONDS, self._left + (now - self._filled) * CPU_SHARE) - self._used()
        self._left = max(-self._max_debt, left)
        self._filled = now


class LoopBudget(_Budget):
    """The budget of an event loop. Only its thread uses it."""

    def __init__(self) -> None:
        super().__init__(MAX_LOOP_DEBT_SECONDS)
        self._counted = thread_time()
        self._last_yield = 0.0

    def yield_gil(self, last_pause: float) -> None:
        """Yield the GIL to waiting threads, at most once per `YIELD_INTERVAL_SECONDS`. Call it often.

        Otherwise they get it after `sys.getswitchinterval()`, 5 ms, and serving one request needs it many times.

        Args:
            last_pause: the monotonic time of the last wait for an event, in which they could take it, too.
        """
        if monotonic() - max(self._last_yield, last_pause) > YIELD_INTERVAL_SECONDS:
            sleep(YIELD_SECONDS)
            self._last_yield = monotonic()
            # Otherwise the next `throttle` would count all CPU time since its last call as one burst.
            self._fill(self._last_yield)

    def _used(self) -> float:
        used = thread_time()
        seconds, self._counted = used - self._counted, used
        return seconds


class WorkerBudget(_Budget):
    """The budget of the worker threads of a pool together."""

    def __init__(self) -> None:
        super().__init__(MAX_WORKER_DEBT_SECONDS)
        self._finished: deque[float] = deque()
        self._turn = threading.Lock()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Wait until a request may be served, one thread after another, and count its CPU time."""
        with self._turn:
            self.throttle()
        began = thread_time()
        try:
            with server_time.counting():
                yield
        finally:
            self._finished.append(thread_time() - began)

    def _used(self) -> float:
        return sum(self._finished.popleft() for _ in range(len(self._finished)))
