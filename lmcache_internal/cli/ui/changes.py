"""Changes of the configuration that all chosen ranks have accepted in a dry run, until they are applied."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..conf.transaction import Check, Request
from ..targets import Target

KEPT = 16
"""The number of changes that are kept."""
SECONDS = 600.0
"""How long a checked change can be applied. Its entity tags protect it against other changes during that time."""


@dataclass(frozen=True)
class Accepted:
    """A change that all of its ranks accept.

    Attributes:
        request: the change.
        checks: the response of each rank to the dry run.
        until: when it expires, in seconds of the monotonic clock.
    """

    request: Request
    checks: Mapping[Target, Check]
    until: float


class Changes:
    """The changes that can be applied, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Accepted] = {}

    def keep(self, request: Request, checks: Mapping[Target, Check]) -> str:
        """Keep a change; returns its id."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._known[name] = Accepted(request, checks, time.monotonic() + SECONDS)
            while len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        return name

    def take(self, name: str) -> Accepted | None:
        """Return a change and forget it; None if it is unknown or expired."""
        with self._lock:
            found = self._known.pop(name, None)
        return found if found and time.monotonic() < found.until else None
