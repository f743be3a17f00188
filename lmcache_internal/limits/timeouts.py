"""Calls with a timeout: the caller continues after the timeout, whatever the called code does.

Python cannot kill a thread. A call that times out continues in its own thread and counts as stuck: /threads shows it in
the name of the thread, and /metrics in `lmcache_internal:stuck_calls`.
"""

from __future__ import annotations

import contextvars
import os
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
"""Stuck calls of one name. Further calls of that name are refused at once, because each stuck call holds a thread."""


class Call(threading.Thread):
    """A function call in its own daemon thread, in the caller's context.

    Args:
        name: the name of the call, for thread dumps and messages.
        function: the function to call, without arguments.
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
        """Call the function and store its result or exception."""
        try:
            self.result = self._context.run(self._function)
        except BaseException as error:  # Also SystemExit; the waiting thread raises it again.
            self.error = error

    def finish(self, seconds: float) -> bool:
        """Start the thread and wait for at most `seconds`; return whether the call has ended.

        Raises:
            Busy: the system cannot start another thread (503).
        """
        try:
            self.start()
        except RuntimeError as error:
            raise Busy(f"Cannot {self.called} now: {error}. Raise the limit on threads (ulimit -u).") from error
        self.join(seconds)
        return not self.is_alive()

    def stack(self) -> str:
        """Return the current stack of the call, outermost frame first; empty when the call has ended."""
        with current_frames() as frames:
            frame = frames.get(self.ident or 0)
            return "".join(traceback.format_stack(frame)) if frame else ""

    def stop(self, seconds: float = 1.0) -> bool:
        """Raise `SystemExit` in the thread until it ends, for at most `seconds`; return whether it has ended.

        A thread that runs C code (a long `sleep`, a socket call) gets the exception when that code returns.
        """
        import ctypes  # Here, because the command line imports this module, too.

        until = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < until:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident or 0), ctypes.py_object(SystemExit))
            self.join(0.05)
        return not self.is_alive()


class Running(Protocol):
    """A call that is running."""

    @property
    def called(self) -> str:
        """The name of the call."""

    @property
    def started(self) -> float:
        """The start time, in seconds since the epoch."""

    def is_alive(self) -> bool:
        """Return whether the call is still running."""


class StuckCalls(Collector):
    """The calls of this process that have timed out and are still running."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start again: a forked child has none of the threads, and one of them may have held the lock."""
        self._calls: list[Running] = []
        self._lock = threading.Lock()

    def add(self, call: Running) -> None:
        """Add a call that has timed out."""
        with self._lock:
            if call not in self._calls:
                self._calls.append(call)

    def running(self) -> list[Running]:
        """Return the stuck calls, in the order of their timeouts."""
        with self._lock:
            self._calls = [call for call in self._calls if call.is_alive()]
            return list(self._calls)

    def named(self, name: str) -> list[Running]:
        """Return the stuck calls of `name`, oldest first."""
        return [call for call in self.running() if call.called == name]

    def describe(self) -> Iterable[Metric]:
        """Return the metric family without samples."""
        return [GaugeMetricFamily("lmcache_internal:stuck_calls", "Calls into the engine that do not return")]

    def collect(self) -> Iterable[Metric]:
        """Yield the number of stuck calls."""
        (family,) = self.describe()
        with self._lock:
            family.add_metric([], sum(call.is_alive() for call in self._calls))  # type: ignore[attr-defined]
        yield family


stuck_calls = StuckCalls()
REGISTRY.register(stuck_calls)
if hasattr(os, "register_at_fork"):  # Windows cannot fork, and `lmcache-internal doctor` imports this module there.
    os.register_at_fork(after_in_child=stuck_calls.forget)


def call_within(name: str, function: Callable[[], Any], seconds: float) -> Any:
    """Call `function` with a timeout and return its result, or raise its exception.

    Args:
        name: the name of the call, for messages: "close the backend".
        function: the function to call, without arguments; it runs in another thread, in the same context.
        seconds: the timeout in seconds.

    Raises:
        CallTimedOut: the call has timed out, or `MAX_STUCK_ALIKE` calls of that name are stuck (504).
        Busy: the system cannot start another thread (503).
    """
    alike = stuck_calls.named(name)
    if len(alike) >= MAX_STUCK_ALIKE:
        raise CallTimedOut(
            f"{len(alike)} calls to {name} are stuck, the first since {clock(alike[0].started)}; "
            "another was not started. GET /threads?name=stuck shows their stacks."
        )
    call = Call(name, function)
    if not call.finish(seconds):
        stuck_calls.add(call)
        call.name = f"{call.name} (stuck since {clock(call.started)})"
        raise CallTimedOut(
            f"The call to {name} has been stuck since {clock(call.started)} ({seconds:g} s). "
            "It continues in its thread; GET /threads?name=stuck shows its stack."
        )
    if call.error is not None:
        try:
            raise call.error
        finally:
            call.error = None  # Its traceback refers to the call; otherwise only the garbage collector frees both.
    return call.result


def clock(seconds: float) -> str:
    """Return a time, given in seconds since the epoch, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="seconds")
