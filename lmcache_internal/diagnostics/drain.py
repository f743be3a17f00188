"""Draining: an operator takes a rank out of rotation, and `/readyz` fails until it is put back or its time is up."""

from __future__ import annotations

import math
import time

from msgspec import Struct


class Drain(Struct, frozen=True):
    """Why and how long a rank is out of rotation.

    Attributes:
        reason: in the operator's words; empty without any.
        by: the caller's name.
        since: when it began, in seconds since the epoch.
        until: when it ends, likewise; None where it has no end.
        deadline: the same by the monotonic clock, which nobody sets back; infinite where it has no end.
    """

    reason: str
    by: str
    since: float
    until: float | None
    deadline: float


class Rotation:
    """Whether a rank is in rotation; it is so again after a restart."""

    def __init__(self) -> None:
        self._drain: Drain | None = None

    def drain(self, reason: str, seconds: float | None, by: str) -> None:
        """Take the rank out of rotation, for `seconds` or without an end; a drain that runs is replaced."""
        now = time.time()
        until = None if seconds is None else now + seconds
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        self._drain = Drain(reason, by, now, until, deadline)

    def undrain(self) -> None:
        """Put the rank back into rotation."""
        self._drain = None

    @property
    def drained(self) -> Drain | None:
        """Why the rank is out of rotation; None where it is not."""
        found = self._drain
        return None if found is None or time.monotonic() >= found.deadline else found
