"""Requests of the pool begin one after another, so that the loop has one thread to wait for and not sixty.

Threads that all want the interpreter get it in no order, and the loop would be one of them. So who begins to work
on a request takes the baton, and passes it on where it is done or only waits for a call into the engine. Who blocks
without saying so loses it after a moment. Whoever has it lets the loop go first, where that has something to do.
`python -m benchmarks slow_neighbors` measures what it is worth: eight scripts that start at once delay a neighbor
half as long. To remove it, delete this file and its uses in `connection.py`, `calls.py` and `coalescing.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .loop import GAP_SECONDS

PATIENCE_SECONDS = 0.005
GAPS = 3
"""So often the loop may go first; one that never rests would keep all others from beginning."""


class Baton:
    """What one thread at a time has; none that waits too long for it is without."""

    def __init__(self) -> None:
        self._current = threading.Lock()
        self._own = threading.local()

    def take(self) -> None:
        """Wait for the baton; where it does not come, make a new one, and the old one is worth nothing any more."""
        taken = self._current
        if not taken.acquire(timeout=PATIENCE_SECONDS):
            self._current = taken = threading.Lock()
            taken.acquire()
        self._own.taken = taken

    def pass_on(self) -> None:
        """Let the next one have it, if this thread has it still."""
        taken = vars(self._own).pop("taken", None)
        if taken is not None:
            taken.release()


baton = Baton()
"""There is one interpreter in a process, whose turn it is about."""


def give_way(is_awaited: Callable[[], bool]) -> None:
    """Let the loop go first, where it `is_awaited`: what it has to do is short."""
    for _ in range(GAPS):
        if not is_awaited():
            return
        time.sleep(GAP_SECONDS)
