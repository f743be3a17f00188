"""The stacks of all threads, without harm."""

from __future__ import annotations

import gc
import sys
import threading
from types import FrameType

_lock = threading.Lock()


def current_frames() -> dict[int, FrameType]:
    """`sys._current_frames()`, which in Python before 3.11.8 and 3.12.2 can block the whole process.

    It holds the interpreter's lock on its threads; where the garbage collector runs in it, another
    thread gets its turn, waits for that lock, and never gives the turn back (gh-106883).
    """
    with _lock:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if collecting:
                gc.enable()
