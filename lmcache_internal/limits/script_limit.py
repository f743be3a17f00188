"""How many scripts run at once: each that burns CPU delays every other request and the engine."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from ..errors import Busy
from .deadlines import Call


class _Running(NamedTuple):
    call: Call
    about: str
    since: float

    def __str__(self) -> str:
        return f"{self.call.name} ({self.about}, for {time.monotonic() - self.since:.0f} s)"

    @property
    def has_ended(self) -> bool:
        return self.call.ident is not None and not self.call.is_alive()


class RunningScripts:
    """The scripts of a process that run, whether or not anybody still waits for them.

    A script counts until its thread ends. The thread does not sign off by itself: it may be stopped at any point, and
    the exception could strike in the middle of that.
    """

    def __init__(self) -> None:
        self._running: list[_Running] = []
        self._lock = threading.Lock()

    def admit(self, call: Call, about: str, limit: int) -> None:
        """Count a script that is about to start.

        Args:
            call: its call, not started yet.
            about: what it is and who sent it, for the message of requests that are refused because of it.
            limit: how many may run, this one included.

        Raises:
            Busy: so many run already; the message names them (503, with Retry-After).
        """
        with self._lock:
            self._running = [running for running in self._running if not running.has_ended]
            if len(self._running) >= limit:
                raise Busy(self._refusal(limit), headers={"Retry-After": "1"})
            self._running.append(_Running(call, about, time.monotonic()))

    def discard(self, call: Call) -> None:
        """Forget a script that has ended, or could not be started."""
        with self._lock:
            self._running = [running for running in self._running if running.call is not call]

    def _refusal(self, limit: int) -> str:
        return (
            f"Cannot run the script now: {limit} may run at once in this process, and these do: "
            f"{', '.join(map(str, self._running))}. GET /threads?name=script shows where they are. "
            "Try again, or raise extra_config.internal_api_server_max_scripts."
        )
