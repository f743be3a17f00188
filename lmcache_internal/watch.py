"""Looks after the loop while it answers requests itself: an answer that takes long costs a thread, not the server.

What is declared `inline` answers at once, but a collector of metrics may hang in a lock of the engine's, and a
process may have thousands of threads to list. To remove this, delete the file with `inline.py`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection

from waitress.wasyncore import ExitNow

from .collector import let_go

logger = logging.getLogger(__name__)

LONG_SECONDS = 0.01
"""What used more of the processor is left to the pool for a while: neighbors have waited for it."""
BLOCKED_SECONDS = 0.1
"""And so is what took longer than that; a little more may only mean that the machine is busy."""
REST_SECONDS = 10.0
PATIENCE_SECONDS = 0.25
"""So long, at least, an answer keeps the loop before another thread goes on with it; twice as long at most."""


class Superseded(ExitNow):  # waitress lets nothing else out of a handler.
    """Another thread runs the loop by now; this one has only had to finish its answer."""


class Watch:
    """Which requests the loop answers itself, and what becomes of the loop when one of them takes long.

    Args:
        paths: those of the views that are declared `inline`.
        succeed: starts another thread that runs the loop, and so calls `lead`.
    """

    def __init__(self, paths: Collection[str], succeed: Callable[[], None]) -> None:
        self._paths = paths
        self._succeed = succeed
        self._leader = 0
        self._path = ""
        self._begun = 0.0
        self._last = 0.0
        self._used = 0.0
        self._resting: dict[str, float] = {}
        self._lock = threading.Lock()
        self._needed = threading.Event()
        self._closed = threading.Event()

    def lead(self) -> None:
        """From now on, this thread runs the loop."""
        self._leader = threading.get_ident()

    def leads(self) -> bool:
        """Whether this thread runs the loop."""
        return threading.get_ident() == self._leader

    def takes(self, path: str) -> bool:
        """Whether the loop answers requests for `path` itself."""
        return path in self._paths and self._resting.get(path, 0.0) <= time.monotonic()

    def begin(self, path: str) -> None:
        """The loop answers a request for `path`, until `end`."""
        self._path = path
        self._begun = self._last = time.monotonic()
        self._used = time.thread_time()
        if not self._needed.is_set():
            self._needed.set()

    def end(self) -> None:
        """The loop has answered.

        Raises:
            Superseded: it took so long that another thread runs the loop now.
        """
        with self._lock:
            if not self.leads():
                raise Superseded
            begun, self._begun = self._begun, 0.0
        if time.thread_time() - self._used > LONG_SECONDS or time.monotonic() - begun > BLOCKED_SECONDS:
            self._rest(self._path)

    def run(self) -> None:
        """Watch, until `close`; asleep where nothing is answered."""
        while self._needed.wait() and not self._closed.is_set():
            seen, begun = self._last, self._begun
            self._closed.wait(PATIENCE_SECONDS)
            if begun and self._begun == begun:
                self._supersede(begun)
            elif self._last == seen:
                self._needed.clear()
                if self._last != seen or self._closed.is_set():  # Just now.
                    self._needed.set()

    def close(self) -> None:
        """Watch no longer."""
        self._closed.set()
        self._needed.set()

    def _supersede(self, begun: float) -> None:
        with self._lock:
            if self._begun != begun:
                return  # It has just come back.
            leader, self._leader = self._leader, 0
            self._begun = 0.0
        self._rest(self._path)
        let_go(leader)
        try:
            self._succeed()
        except RuntimeError as error:
            self._leader = leader  # The system gives no more threads: it goes on when it comes back.
            logger.warning("GET %s keeps the server waiting: %s", self._path, error)
            return
        logger.warning(
            "GET %s has not been answered for %g s; another thread serves the rest", self._path, PATIENCE_SECONDS
        )

    def _rest(self, path: str) -> None:
        self._resting[path] = time.monotonic() + REST_SECONDS
