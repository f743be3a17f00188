"""Single-flight: concurrent requests for the same result share one run of the function that computes it.

One function runs at a time, however many requests wait. No request gets the result of a run that started before the
request. The function runs in the thread of one of the requests, because each switch to another thread takes up to 5 ms
when the engine is busy.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent import futures
from typing import Any

from ..errors import CallTimedOut
from .timeouts import clock, stuck_calls

Send504After = Callable[[float, Callable[[], str]], None]


class _Run(futures.Future[Any]):
    """One run of the function, for all requests that wait for its result."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.called = name
        self.started = 0.0
        self._began = 0.0
        self._thread: threading.Thread | None = None
        self._thread_name = ""

    def begin(self) -> None:
        self.started, self._began = time.time(), time.monotonic()
        self._thread = threading.current_thread()
        self._thread_name = self._thread.name

    def end(self) -> None:
        if self._thread is not None:
            self._thread.name = self._thread_name
        self._thread = None

    def is_alive(self) -> bool:
        return self._thread is not None

    def is_overdue(self, seconds: float) -> bool:
        return self.is_alive() and time.monotonic() - self._began >= seconds

    def mark_stuck(self) -> None:
        stuck_calls.add(self)
        if self._thread is not None:
            self._thread.name = f"call: {self.called} (stuck since {clock(self.started)})"


class SingleFlight:
    """Runs one function at a time; all requests that wait for its result share the run.

    Args:
        name: the name of the action, for messages: "collect the metrics".
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._run_lock = threading.Lock()
        self._current: _Run | None = None
        self._next: dict[Hashable, _Run] = {}
        self._next_lock = threading.Lock()

    def run(
        self, key: Hashable, function: Callable[[], Any], seconds: float, send_504_after: Send504After | None = None
    ) -> Any:
        """Return the result of `function`, run here or for another request, or raise its exception.

        Args:
            key: equal for requests that want the same result.
            function: computes the result.
            seconds: the timeout in seconds, for the run before and for the function in another thread. A function that
                never returns blocks its thread and counts as a stuck call; no other run starts until it returns.
            send_504_after: makes the server answer the request whose thread runs the function; see
                `server_load.SEND_504_AFTER_KEY`.

        Raises:
            CallTimedOut: the run could not start, or the function did not return, within the timeout (504).
        """
        with self._next_lock:
            is_first = key not in self._next
            run = self._next.setdefault(key, _Run(self._name))
        try:
            if is_first:
                self._run_for_all(key, run, function, seconds, send_504_after)
            return run.result(2 * seconds)
        except futures.TimeoutError:
            if run.done():
                raise  # The function raised it.
            raise self._timeout_error(seconds) from None
        finally:
            del run  # The exception refers to this frame, and this frame to it: a reference cycle, as in `timeouts.py`.

    def _run_for_all(
        self, key: Hashable, run: _Run, function: Callable[[], Any], seconds: float, send_504_after: Send504After | None
    ) -> None:
        has_lock = not self._is_stuck(seconds) and self._run_lock.acquire(timeout=seconds)
        with self._next_lock:
            del self._next[key]  # Requests that arrive from now on need a new run: this one could miss their change.
        if not has_lock:
            run.set_exception(self._timeout_error(seconds))
            return
        try:
            self._current = run
            run.begin()
            if send_504_after is not None:
                send_504_after(seconds, lambda: str(self._timeout_error(seconds)))
            run.set_result(function())
        except BaseException as error:  # Of any kind: without a result, the others would wait until their timeout.
            run.set_exception(error)
        finally:
            self._current = None
            run.end()
            self._run_lock.release()
            del run

    def _is_stuck(self, seconds: float) -> bool:
        current = self._current
        return current is not None and current.is_overdue(seconds)

    def _timeout_error(self, seconds: float) -> CallTimedOut:
        current = self._current
        if current is None or not current.is_overdue(seconds):
            return CallTimedOut(f"Other requests to {self._name} take more than {seconds:g} s. Try again.")
        current.mark_stuck()
        return CallTimedOut(
            f"The call to {self._name} has been stuck since {clock(current.started)}. "
            "Another is not started; GET /threads?name=stuck shows its stack."
        )
