"""Limit the time of a call that has no timeout."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """Return what `call` returns, or raise what it raises. It runs in another thread.

    Args:
        seconds: the time limit.
        call: returns an object with a method `close`.

    Raises:
        TimeoutError: the call took longer; when it returns later, its result is closed.
    """
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    abandoned = threading.Event()

    def run() -> None:
        try:
            result = call()
        except BaseException as error:  # It is raised again in the thread that waits.
            results.put(error)
            return
        results.put(result)
        if abandoned.is_set():
            result.close()

    threading.Thread(target=run, daemon=True).start()
    try:
        result = results.get(timeout=seconds)
    except queue.Empty:
        abandoned.set()
        raise TimeoutError from None
    if isinstance(result, BaseException):
        raise result
    return result
