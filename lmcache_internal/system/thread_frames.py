"""The current stack frames of all threads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .gc_pause import collector_paused


@contextmanager
def current_frames() -> Iterator[dict[int, FrameType]]:
    """The innermost frame of each thread, by thread ident. The dictionary is emptied at the end of the block.

    The frames include the caller's own, which refers to all others. If they were not cleared, the objects that the
    threads use would stay in memory until the next garbage collection.

    The garbage collector is paused, because in Python before 3.11.8 and 3.12.2 `sys._current_frames()` can block the
    whole process (gh-106883): it holds the interpreter's lock on the list of threads. If the garbage collector runs
    there, another thread gets the GIL, waits for that lock, and never releases the GIL.
    """
    with collector_paused():
        frames = sys._current_frames()
    try:
        yield frames
    finally:
        frames.clear()
