"""One change at a time: engines were written for callers that take turns."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any
from weakref import WeakKeyDictionary

from ..errors import Conflict

PATIENCE_SECONDS = 3.0
"""How long a change waits for the one before it."""


class ChangeLock:
    """Lets through one change at a time; readers do not pass here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = ""
        self._since = 0.0

    @contextlib.contextmanager
    def hold(self, action: str) -> Iterator[None]:
        """Hold the turn while the action runs.

        Raises:
            Conflict: another change held it for `PATIENCE_SECONDS` (409).
        """
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            since = datetime.fromtimestamp(self._since, timezone.utc).isoformat(timespec="seconds")
            raise Conflict(f"Cannot {action} now: another request, to {self._running}, has been running since {since}")
        try:
            self._running, self._since = action, time.time()
            yield
        finally:
            self._lock.release()


_locks: WeakKeyDictionary[Any, ChangeLock] = WeakKeyDictionary()
_unkeyed = ChangeLock()  # Shared by managers that are no keys: namespaces, say, of a test.
_creating = threading.Lock()


def change_lock_of(manager: Any) -> ChangeLock:
    """The change lock of an engine, the same for all apps that serve it."""
    try:
        with _creating:
            return _locks.setdefault(manager, ChangeLock())
    except TypeError:
        return _unkeyed
