"""Single-flight: concurrent requests for the same result share one run of the function that makes it.

One function runs at a time, however many requests wait, and no request gets a result whose making began before the
request did. It runs in the thread of one of the requests: beside a busy engine, each hand-over to another thread takes
up to 5 ms.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent import futures
from typing import Any

from ..errors import CallTimedOut
from .deadlines import clock, stuck_calls

AnswerBy = Callable[[float, Callable[[], str]], None]


class _Flight(futures.Future[Any]):
    """One run of a function, for all requests that wait for it."""

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
    """Makes results one after another, each for all requests that wait for it.

    Args:
        name: what making one is called: "collect the metrics".
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = threading.Lock()
        self._flying: _Flight | None = None
        self._next: dict[Hashable, _Flight] = {}
        self._next_lock = threading.Lock()

    def run(self, key: Hashable, function: Callable[[], Any], seconds: float, answer_by: AnswerBy | None = None) -> Any:
        """Return what `function` returns, called here or for another request, or raise what it raises.

        Args:
            key: the same for requests that want the same.
            function: makes the result.
            seconds: how long to wait for a turn, and how long for the function in another thread. A function that
                never returns keeps the thread that called it, and counts as a stuck call; no other is tried meanwhile.
            answer_by: lets the server answer the request whose thread runs the function; see `load.ANSWER_BY_KEY`.

        Raises:
            CallTimedOut: the turn did not come, or the function did not return, within that time (504).
        """
        with self._next_lock:
            leads = key not in self._next
            flight = self._next.setdefault(key, _Flight(self._name))
        try:
            if leads:
                self._lead(key, flight, function, seconds, answer_by)
            return flight.result(2 * seconds)
        except futures.TimeoutError:
            if flight.done():
                raise  # The function raised it.
            raise self._late(seconds) from None
        finally:
            del flight  # An error leads back to this frame, and from here to itself: see `limits/deadlines.py`.

    def _lead(
        self, key: Hashable, flight: _Flight, function: Callable[[], Any], seconds: float, answer_by: AnswerBy | None
    ) -> None:
        has_turn = not self._is_stuck(seconds) and self._turn.acquire(timeout=seconds)
        with self._next_lock:
            del self._next[key]  # A request that comes from now on could miss what has just changed.
        if not has_turn:
            flight.set_exception(self._late(seconds))
            return
        self._flying = flight
        flight.begin()
        if answer_by is not None:
            answer_by(seconds, lambda: str(self._late(seconds)))
        try:
            flight.set_result(function())
        except BaseException as error:  # Of any kind: a future that stays open would let the others wait.
            flight.set_exception(error)
        finally:
            self._flying = None
            flight.end()
            self._turn.release()
            del flight

    def _is_stuck(self, seconds: float) -> bool:
        flying = self._flying
        return flying is not None and flying.is_overdue(seconds)

    def _late(self, seconds: float) -> CallTimedOut:
        flying = self._flying
        if flying is None or not flying.is_overdue(seconds):
            return CallTimedOut(f"Other requests to {self._name} take more than {seconds:g} s. Try again.")
        flying.mark_stuck()
        return CallTimedOut(
            f"The call to {self._name} has been stuck since {clock(flying.started)}. "
            "Another is not tried; GET /threads?name=stuck shows where it is."
        )
