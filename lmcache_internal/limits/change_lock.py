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


class Turnstile:
    """Lets through one change at a time; readers do not pass here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = ""
        self._since = 0.0

    @contextlib.contextmanager
    def passing(self, doing: str) -> Iterator[None]:
        """Hold the turn while `doing` it.

        Raises:
            Conflict: another change held it for `PATIENCE_SECONDS` (409).
        """
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            since = datetime.fromtimestamp(self._since, timezone.utc).isoformat(timespec="seconds")
            raise Conflict(f"Cannot {doing} now: another request, to {self._running}, has been running since {since}")
        try:
            self._running, self._since = doing, time.time()
            yield
        finally:
            self._lock.release()


_turnstiles: WeakKeyDictionary[Any, Turnstile] = WeakKeyDictionary()
_unkeyed = Turnstile()  # Shared by managers that are no keys: namespaces, say, of a test.
_creating = threading.Lock()


def turnstile_of(manager: Any) -> Turnstile:
    """The turnstile of an engine, the same for all apps that serve it."""
    try:
        with _creating:
            return _turnstiles.setdefault(manager, Turnstile())
    except TypeError:
        return _unkeyed
