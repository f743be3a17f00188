"""A lock that allows one change to the engine at a time, because engines do not expect concurrent changes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import Conflict

WAIT_SECONDS = 3.0
"""Seconds that a change waits for the change before it."""


class ChangeLock:
    """A lock for requests that change the engine. Requests that only read do not use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = ""
        self._since = 0.0

    @contextlib.contextmanager
    def hold(self, action: str) -> Iterator[None]:
        """Hold the lock while the action runs.

        Args:
            action: the name of the action, for messages: "clear the cache".

        Raises:
            Conflict: another change holds the lock for longer than `WAIT_SECONDS` (409).
        """
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            since = datetime.fromtimestamp(self._since, timezone.utc).isoformat(timespec="seconds")
            raise Conflict(f"Cannot {action} now: another request, to {self._running}, has been running since {since}")
        try:
            self._running, self._since = action, time.time()
            yield
        finally:
            self._lock.release()


_locks: WeakKeyDictionary[Any, ChangeLock] = WeakKeyDictionary()
_unkeyed = ChangeLock()  # Shared by managers that are not hashable, for example a SimpleNamespace.
_creating = threading.Lock()


def change_lock_of(manager: Any) -> ChangeLock:
    """Return the change lock of an engine; all apps that serve the engine share it."""
    try:
        with _creating:
            return _locks.setdefault(manager, ChangeLock())
    except TypeError:
        return _unkeyed
