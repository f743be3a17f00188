"""A pause of the process' garbage collector; see `system/thread_frames.py` for why it is needed."""

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
    """Pause the garbage collector in the block, in all threads; leave it alone where it is off already."""
    global _was_enabled  # As the collector itself is.
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
    """In a forked child: nobody else is left who would end a pause, or let go of the lock."""
    global _lock
    _lock = threading.RLock()
    _pauses.clear()
    _resume()


os.register_at_fork(after_in_child=_forget_other_threads)
