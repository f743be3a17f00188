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

from .alarm import Alarm
from .collector import let_go

logger = logging.getLogger(__name__)

LONG_SECONDS = 0.01
"""What used more of the processor is left to the pool for a while: neighbors have waited for it."""
BLOCKED_SECONDS = 0.1
"""And so is what took longer than that; a little more may only mean that the machine is busy."""
REST_SECONDS = 10.0
PATIENCE_SECONDS = 0.25
"""So long an answer may keep the loop before another thread goes on with it."""
OFTEN_SECONDS = 0.1
"""Where requests come more often, not each of them sets the alarm, and none puts it off."""


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
        self._alarm = Alarm()
        self._set = 0.0
        self._is_closed = False

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
        now = time.monotonic()
        self._path, self._begun = path, now
        self._used = time.thread_time()
        if now - self._set > OFTEN_SECONDS and not self._is_closed:
            self._alarm.set(PATIENCE_SECONDS)
            self._set = now

    def end(self) -> None:
        """The loop has answered.

        Raises:
            Superseded: it took so long that another thread runs the loop now.
        """
        with self._lock:
            if not self.leads():
                raise Superseded
            begun, self._begun = self._begun, 0.0
            before, self._last = self._last, begun
        if begun == self._set and begun - before > OFTEN_SECONDS and not self._is_closed:
            self._alarm.set(0)
            self._set = 0.0
        if time.thread_time() - self._used > LONG_SECONDS or time.monotonic() - begun > BLOCKED_SECONDS:
            self._rest(self._path)

    def run(self) -> None:
        """Watch, until `close`; asleep as long as all goes well."""
        while not self._is_closed:
            self._alarm.wait()
            begun = self._begun
            left = begun + PATIENCE_SECONDS - time.monotonic()
            if begun and left > 0:
                self._alarm.set(left)
            elif begun and not self._is_closed:
                self._supersede(begun)
        self._alarm.close()

    def close(self) -> None:
        """Watch no longer."""
        self._is_closed = True
        self._alarm.set(1e-9)

    def disown(self) -> None:
        """In a forked child, which has no thread that watches: let go of the alarm."""
        self._alarm.close()

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
