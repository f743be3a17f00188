"""The stacks of all threads, without harm."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .gc_pause import collector_paused


@contextmanager
def current_frames() -> Iterator[dict[int, FrameType]]:
    """The innermost frame of each thread by its ident, let go of at the end of the block.

    The caller's own is among them and refers to them all: left alone, they would keep everything that
    the threads were working on until the garbage collector came.

    In Python before 3.11.8 and 3.12.2, `sys._current_frames()` can block the whole process: it holds the
    interpreter's lock on its threads; where the garbage collector runs in it, another thread gets its turn,
    waits for that lock, and never gives the turn back (gh-106883).
    """
    with collector_paused():
        frames = sys._current_frames()
    try:
        yield frames
    finally:
        frames.clear()
