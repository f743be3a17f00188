"""An alarm clock for a thread that sleeps: to set it wakes nobody.

An event or a condition would wake the thread whenever it is to begin waiting, and in a busy process each waking takes
the interpreter's lock from the engine once more. The kernel's timer wakes it when the time has come, if at all.
"""

from __future__ import annotations

import ctypes
import os
import struct
import time

_SPEC = struct.Struct("@4l")  # struct itimerspec, see timerfd_create(2).


class Alarm:
    """Rings once, some time after it was set last."""

    def __init__(self) -> None:
        self._descriptor = _libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "no timer is to be had")

    def set(self, seconds: float) -> None:
        """Ring in so many seconds; 0 is never."""
        whole, nanoseconds = divmod(round(seconds * 1e9), 10**9)
        _libc.timerfd_settime(self._descriptor, 0, _SPEC.pack(0, 0, whole, nanoseconds), None)

    def wait(self) -> None:
        """Sleep until it rings."""
        os.read(self._descriptor, 8)

    def close(self) -> None:
        """Throw it away; nobody may be waiting for it."""
        os.close(self._descriptor)


_libc = ctypes.PyDLL(None, use_errno=True)
_libc.timerfd_settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
