"""Pause the garbage collector of the process; `thread_frames.py` needs it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.RLock()
_pauses: set[object] = set()
_was_enabled = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector in the block, for all threads. If it is disabled already, do nothing."""
    global _was_enabled  # Global, as the garbage collector is.
    ticket = object()
    with _lock:
        if not _pauses:
            _was_enabled = gc.isenabled()
            gc.disable()
        _pauses.add(ticket)
    try:
        yield
    finally:
        with _lock:
            _pauses.discard(ticket)
            _resume()


def _resume() -> None:
    if not _pauses and _was_enabled:
        gc.enable()


def _forget_other_threads() -> None:
    """In a forked child, no other thread exists that would end a pause or release the lock."""
    global _lock
    _lock = threading.RLock()
    _pauses.clear()
    _resume()


if hasattr(os, "register_at_fork"):  # Windows cannot fork, and the command line imports this module there.
    os.register_at_fork(after_in_child=_forget_other_threads)
