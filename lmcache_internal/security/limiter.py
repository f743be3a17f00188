"""Slows down whoever guesses tokens."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

from ..errors import TooManyRequests

FAILURES = 10
WINDOW_SECONDS = 60.0
_MAX_ADDRESSES = 1000


class FailureLimiter:
    """Counts failures by address; who brings a valid token is never held up."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, address: str) -> None:
        """Count a failure.

        Raises:
            TooManyRequests: `FAILURES` came from there within `WINDOW_SECONDS` (429).
        """
        now = time.monotonic()
        with self._lock:
            recent = self._failures.setdefault(address, deque(maxlen=FAILURES))
            self._failures.move_to_end(address)
            if len(self._failures) > _MAX_ADDRESSES:
                self._failures.popitem(last=False)
            wait = WINDOW_SECONDS - (now - recent[0]) if len(recent) == FAILURES else 0.0
            if wait <= 0:
                recent.append(now)
        if wait > 0:
            seconds = str(int(wait) + 1)
            raise TooManyRequests(
                f"Too many invalid tokens from {address}; try again in {seconds} s.", headers={"Retry-After": seconds}
            )
