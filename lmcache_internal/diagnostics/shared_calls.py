"""Calls with a timeout whose result is shared by concurrent requests, and cached briefly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ..errors import CallTimedOut
from ..limits.timeouts import Call, stuck_calls


class SharedCall(Call):
    """One call, shared by all requests that arrive while it runs or its result is fresh."""

    def __init__(self, name: str, function: Callable[[], Any], seconds: float, fresh_seconds: float) -> None:
        super().__init__(name, function)
        self._seconds = seconds
        self._fresh_seconds = fresh_seconds
        self._began = time.monotonic()

    def is_current(self) -> bool:
        """Return whether it is still running, or its result is fresh."""
        return self.is_alive() or time.monotonic() - self._began < self._fresh_seconds

    def wait(self) -> bool:
        """Wait until the timeout after the start; return whether the call has ended."""
        if self.ident is not None:
            self.join(max(0.0, self._began + self._seconds - time.monotonic()))
        return not self.is_alive()


class SharedCalls:
    """Calls by name.

    Args:
        seconds: the timeout of a call, in seconds.
        fresh_seconds: how long a result is cached, in seconds.
    """

    def __init__(self, seconds: float, fresh_seconds: float) -> None:
        self._seconds = seconds
        self._fresh_seconds = fresh_seconds
        self._calls: dict[str, SharedCall] = {}
        self._lock = threading.Lock()

    def start(self, name: str, function: Callable[[], Any]) -> SharedCall:
        """Start a call in its own thread, or return the current call of that name.

        Args:
            name: the name of the call, for thread dumps and messages.
            function: the function to call; it raises nothing, because all requests share its result.
        """
        with self._lock:
            found = self._calls.get(name)
            if found is None or not found.is_current():
                found = SharedCall(name, function, self._seconds, self._fresh_seconds)
                try:
                    found.start()
                except RuntimeError as error:  # The system cannot create more threads.
                    found.error = error
                current = {other: old for other, old in self._calls.items() if old.is_current()}
                self._calls = current | {name: found}
        return found

    def result(self, call: SharedCall) -> Any:
        """Return the result of a call.

        Raises:
            CallTimedOut: the call has not ended within the timeout; it counts as stuck (504).
            RuntimeError: the system cannot create more threads.
        """
        if not call.wait():
            self._mark_stuck(call)
            raise CallTimedOut(f"did not respond within {self._seconds:g} s")
        if call.error is not None:
            raise call.error
        return call.result

    def _mark_stuck(self, call: SharedCall) -> None:
        with self._lock:
            if call not in stuck_calls.named(call.called):
                call.name += " (stuck)"
                stuck_calls.add(call)
