"""Those who ask for the same thing while somebody's is being made get the next one together.

One is made at a time, however many ask, and nobody gets one that was begun before he asked. The garbage collector
rests meanwhile: a scrape of 3,000 lines makes so many objects that every fiftieth would set off a collection of all
of the engine's, though its own are freed without that; in a process that has torch, it stops everything for 150 ms.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any

from .baton import baton
from .calls import call_within
from .collector import collector_paused
from .errors import CallTimedOut


class Coalescing:
    """Makes things one after another, each for all who are waiting for it.

    Args:
        name: what making one is called: "collect the metrics".
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = threading.Lock()
        self._next: dict[Hashable, Future[Any]] = {}
        self._next_lock = threading.Lock()

    def make(self, key: Hashable, function: Callable[[], Any], seconds: float) -> Any:
        """Return what `function` returns, called now or by another who waits for the same, or raise what it raises.

        Args:
            key: the same for calls that return the same.
            function: runs in another thread, in the context of one of those who wait.
            seconds: how long to wait for a turn, and then for the function.

        Raises:
            CallTimedOut: the turn did not come, or the function did not return, within that time (504).
        """
        baton.pass_on()  # What remains to be done here is waiting.
        with self._next_lock:
            is_first = key not in self._next
            waited_for = self._next.setdefault(key, Future())
        try:
            if is_first:
                self._fulfill(key, waited_for, function, seconds)
            return waited_for.result()
        finally:
            del waited_for  # An error leads back to here, and from here to itself: see `calls.py`.

    def _fulfill(self, key: Hashable, waited_for: Future[Any], function: Callable[[], Any], seconds: float) -> None:
        has_turn = self._turn.acquire(timeout=seconds)
        with self._next_lock:
            del self._next[key]  # Who comes from now on could miss what has just changed.
        try:
            if not has_turn:
                raise CallTimedOut(f"It takes others more than {seconds:g} s to {self._name}. Try again.")
            with collector_paused():  # Not in the call: if it never returns, the collector must go on all the same.
                waited_for.set_result(call_within(self._name, function, seconds))
        except BaseException as error:  # Whatever it is: a future left open would let all others wait for ever.
            waited_for.set_exception(error)
        finally:
            del waited_for
            if has_turn:
                self._turn.release()
