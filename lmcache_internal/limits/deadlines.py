"""Calls with a deadline: whatever the called code does, the caller gets its thread back.

A thread cannot be killed. One that does not return by its deadline is left alone and counted:
its name says so in /threads, and `lmcache_internal:stuck_calls` in /metrics.
"""

from __future__ import annotations

import contextvars
import ctypes
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any, Protocol

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..errors import Busy, CallTimedOut
from ..system.thread_frames import current_frames

MAX_STUCK_ALIKE = 4
"""So many stuck calls of one name, and the next is refused at once: each costs a thread."""


class Call(threading.Thread):
    """One function call in a daemon thread of its own, in the caller's context.

    Args:
        name: what is called, for thread dumps and messages.
        function: the call itself, without arguments.
    """

    def __init__(self, name: str, function: Callable[[], Any]) -> None:
        super().__init__(name=f"call: {name}", daemon=True)
        self.called = name
        self._function = function
        self._context = contextvars.copy_context()
        self.started = time.time()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call the function and keep what it returns or raises."""
        try:
            self.result = self._context.run(self._function)
        except BaseException as error:  # Anything may be raised, SystemExit too; raised again for who waits.
            self.error = error

    def finish(self, seconds: float) -> bool:
        """Run for at most `seconds`; return whether it came to an end.

        Raises:
            Busy: the system gives no more threads (503).
        """
        try:
            self.start()
        except RuntimeError as error:
            raise Busy(f"Cannot {self.called} now: {error}. Raise the limit on threads (ulimit -u).") from error
        self.join(seconds)
        return not self.is_alive()

    def stack(self) -> str:
        """The call's stack as it is now, outermost frame first; empty once it has ended."""
        with current_frames() as frames:
            frame = frames.get(self.ident or 0)
            return "".join(traceback.format_stack(frame)) if frame else ""

    def stop(self, seconds: float = 1.0) -> bool:
        """Raise `SystemExit` in the thread until it ends, for at most `seconds`.

        A thread inside C code (a long `sleep`, a socket) meets it only on its way back.
        """
        until = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < until:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident or 0), ctypes.py_object(SystemExit))
            self.join(0.05)
        return not self.is_alive()


class Running(Protocol):
    """A call that is under way."""

    @property
    def called(self) -> str:
        """What is called."""

    @property
    def started(self) -> float:
        """When it began, in seconds since the epoch."""

    def is_alive(self) -> bool:
        """Whether it has not returned."""


class StuckCalls(Collector):
    """The calls of this process that did not return in time, and still have not."""

    def __init__(self) -> None:
        self._calls: list[Running] = []
        self._lock = threading.Lock()

    def add(self, call: Running) -> None:
        """Remember a call that was left alone."""
        with self._lock:
            if call not in self._calls:
                self._calls.append(call)

    def named(self, name: str) -> list[Running]:
        """The stuck calls of `name`, the oldest first."""
        with self._lock:
            self._calls = [call for call in self._calls if call.is_alive()]
            return [call for call in self._calls if call.called == name]

    def describe(self) -> Iterable[Metric]:
        """What `collect` yields, without looking."""
        return [GaugeMetricFamily("lmcache_internal:stuck_calls", "Calls into the engine that do not return")]

    def collect(self) -> Iterable[Metric]:
        """The number of stuck calls."""
        (family,) = self.describe()
        with self._lock:
            family.add_metric([], sum(call.is_alive() for call in self._calls))  # type: ignore[attr-defined]
        yield family


stuck_calls = StuckCalls()
REGISTRY.register(stuck_calls)


def call_within(name: str, function: Callable[[], Any], seconds: float) -> Any:
    """Call `function` and return what it returns, or raise what it raises.

    Args:
        name: what is called: "close the backend".
        function: the call, without arguments; it runs in another thread, in the same context.
        seconds: how long to wait for it.

    Raises:
        CallTimedOut: it has not returned by then, or too many of that name have not (504).
        Busy: the system gives no more threads (503).
    """
    alike = stuck_calls.named(name)
    if len(alike) >= MAX_STUCK_ALIKE:
        raise CallTimedOut(
            f"{len(alike)} calls to {name} are stuck, the first since {clock(alike[0].started)}; "
            "another was not tried. GET /threads?name=stuck shows where."
        )
    call = Call(name, function)
    if not call.finish(seconds):
        stuck_calls.add(call)
        call.name = f"{call.name} (stuck since {clock(call.started)})"
        raise CallTimedOut(
            f"The call to {name} has been stuck since {clock(call.started)} ({seconds:g} s). "
            "It is left alone; GET /threads?name=stuck shows where it is."
        )
    if call.error is not None:
        try:
            raise call.error
        finally:
            call.error = None  # Its traceback leads back to the call: only the garbage collector would free them.
    return call.result


def clock(seconds: float) -> str:
    """A time in seconds since the epoch as ISO 8601, UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
