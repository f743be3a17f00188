"""Bounds what the server's loop takes of the interpreter's time, beside a busy engine and beside our own pool.

A thread that answers all the requests it gets, and another that runs Python without a pause, share the interpreter
as they happen to meet: `python -m benchmarks full_load` shows how the engine fares, and `python -m benchmarks mixed`
how the pool does. To remove this, delete the file and its use in `transport.py`.
"""

from __future__ import annotations

from sys import getswitchinterval
from time import monotonic, process_time, sleep, thread_time

GAP_SECONDS = 0.0001
"""Long enough for a thread that waits for the interpreter to wake up and take it."""
PART = 0.11
"""What the loop may use while other threads are busy, in CPU seconds per second."""
BURST_SECONDS = 0.003
"""What it may use at once, of what it has not used before; it never owes more than that, either."""
BUSY = 0.5
"""The other threads are busy if they use more than this part of a core while the loop pauses."""
LOOK_SECONDS = 0.002
"""So long a pause shows whether they are; an idle process has one in `TRUST_SECONDS`, at full load alone."""
TRUST_SECONDS = 0.2
TURN_SECONDS = 0.0005
"""So long the loop may go on while the pool has something to do."""


class CpuBudget:
    """A token bucket of CPU time: what passes fills it, what the thread that asks uses empties it."""

    def __init__(self) -> None:
        self._left = BURST_SECONDS
        self._filled = monotonic()
        self._used = thread_time()
        self._is_busy = False
        self._trusted_until = 0.0
        self._let_in = 0.0

    def let_in(self) -> None:
        """Let waiting threads have the interpreter, once a turn; call it often.

        They would get it after `sys.getswitchinterval()`, 5 ms, and who answers a request wants it again and again.
        """
        if monotonic() - self._let_in > TURN_SECONDS:
            sleep(GAP_SECONDS)
            self._let_in = monotonic()
            self._fill(self._let_in)  # Or the next pause would take all that was used since the last for one burst.

    def pause(self) -> None:
        """Pause where the bucket is empty and other threads are busy; call it often."""
        now = monotonic()
        if now < self._trusted_until or now - self._filled < LOOK_SECONDS:
            return
        self._fill(now)
        if self._left >= 0:
            return
        # Until the bucket is full: a few long pauses take less than many short ones. And when a pause
        # is over, it takes another interval until the lock comes back.
        full_in = (BURST_SECONDS - self._left) / PART - getswitchinterval()
        seconds = max(LOOK_SECONDS, full_in) if self._is_busy else LOOK_SECONDS
        before = process_time() - thread_time()
        sleep(seconds)
        self._is_busy = process_time() - thread_time() - before > BUSY * seconds
        if not self._is_busy:
            self._trusted_until = monotonic() + TRUST_SECONDS

    def _fill(self, now: float) -> None:
        used = thread_time()
        left = min(BURST_SECONDS, self._left + (now - self._filled) * PART) - (used - self._used)
        self._left = max(-BURST_SECONDS, left)
        self._filled, self._used = now, used
