"""Draining: an operator takes a rank out of rotation; `/readyz` fails until the undrain or the end of the drain."""

from __future__ import annotations

import math
import time

from msgspec import Struct


class Drain(Struct, frozen=True):
    """Why and for how long a rank is out of rotation.

    Attributes:
        reason: the operator's text; may be empty.
        by: the caller's name.
        since: start time in seconds since the epoch.
        until: end time in seconds since the epoch; None for no end.
        deadline: end time on the monotonic clock, which is not affected by clock changes; infinite for no end.
    """

    reason: str
    by: str
    since: float
    until: float | None
    deadline: float


class Rotation:
    """Whether a rank is in rotation; kept in memory, so a restart puts it back into rotation."""

    def __init__(self) -> None:
        self._drain: Drain | None = None

    def drain(self, reason: str, seconds: float | None, by: str) -> None:
        """Take the rank out of rotation, for `seconds` or without end; this replaces an active drain."""
        now = time.time()
        until = None if seconds is None else now + seconds
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        self._drain = Drain(reason, by, now, until, deadline)

    def undrain(self) -> None:
        """Put the rank back into rotation."""
        self._drain = None

    @property
    def drained(self) -> Drain | None:
        """The active drain; None if the rank is in rotation."""
        found = self._drain
        return None if found is None or time.monotonic() >= found.deadline else found
