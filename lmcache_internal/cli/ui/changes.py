"""Changes that all chosen ranks have accepted in a check, until they are applied."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..fleet import Job
from ..outcome import Outcome
from ..targets import Target

KEPT = 16
"""The number of changes that are kept."""
SECONDS = 600.0
"""How long a checked change can be applied. Its entity tags protect it against other changes during that time."""


@dataclass(frozen=True)
class Accepted:
    """A change that all of its ranks accept.

    Attributes:
        targets: the ranks.
        apply: applies it to one rank.
        undo: returns the command that undoes it on one rank.
        until: when it expires, in seconds of the monotonic clock.
    """

    targets: Sequence[Target]
    apply: Job
    undo: Callable[[Outcome], Sequence[str]]
    until: float = field(default_factory=lambda: time.monotonic() + SECONDS)


class Changes:
    """The changes that can be applied, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Accepted] = {}

    def keep(self, change: Accepted) -> str:
        """Keep a change; returns its id."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._known[name] = change
            while len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        return name

    def take(self, name: str) -> Accepted | None:
        """Return a change and forget it; None if it is unknown or expired."""
        with self._lock:
            found = self._known.pop(name, None)
        return found if found and time.monotonic() < found.until else None
