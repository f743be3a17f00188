"""The limit on concurrent scripts: each script that uses the CPU delays all other requests and the engine."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from ..errors import Busy
from .timeouts import Call


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
    """The running scripts of a process, including scripts that have timed out.

    A script counts until its thread ends. The thread does not remove its own entry, because the exception that stops a
    script could be raised during the removal.
    """

    def __init__(self) -> None:
        self._running: list[_Running] = []
        self._lock = threading.Lock()

    def admit(self, call: Call, about: str, limit: int) -> None:
        """Add a script that is about to start.

        Args:
            call: the script's call, not started yet.
            about: a description of the script and its sender, for the message when other scripts are refused.
            limit: the number of scripts that may run, including this one.

        Raises:
            Busy: `limit` scripts are running; the message names them (503, with Retry-After).
        """
        with self._lock:
            self._running = [running for running in self._running if not running.has_ended]
            if len(self._running) >= limit:
                raise Busy(self._refusal(limit), headers={"Retry-After": "1"})
            self._running.append(_Running(call, about, time.monotonic()))

    def discard(self, call: Call) -> None:
        """Remove a script that has ended or could not be started."""
        with self._lock:
            self._running = [running for running in self._running if running.call is not call]

    def _refusal(self, limit: int) -> str:
        return (
            f"Cannot run the script now: {limit} may run at once in this process, and these are running: "
            f"{', '.join(map(str, self._running))}. GET /threads?name=script shows their stacks. "
            "Try again, or raise extra_config.internal_api_server_max_scripts."
        )
