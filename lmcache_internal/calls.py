"""Calls with a deadline: whatever the called code does, the caller gets its thread back."""

from __future__ import annotations

import contextvars
import ctypes
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any


class Call(threading.Thread):
    """One function call in a daemon thread of its own, in the caller's context.

    Args:
        name: what is called, for thread dumps and messages.
        function: the call itself, without arguments.
    """

    def __init__(self, name: str, function: Callable[[], Any]) -> None:
        super().__init__(name=name, daemon=True)
        self._function = function
        self._context = contextvars.copy_context()
        self.started = time.time()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call the function and keep what it returns or raises."""
        try:
            self.result = self._context.run(self._function)
        except BaseException as error:  # Handed to whoever waits; even a SystemExit is theirs.
            self.error = error

    def finish(self, seconds: float) -> bool:
        """Run for at most `seconds`; return whether it came to an end."""
        self.start()
        self.join(seconds)
        return not self.is_alive()

    def stack(self) -> str:
        """The call's stack as it is now, outermost frame first; empty once it has ended."""
        frame = sys._current_frames().get(self.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame else ""

    def stop(self, seconds: float = 1.0) -> bool:
        """Raise `SystemExit` in the thread until it ends, for at most `seconds`.

        A thread inside C code (a long `sleep`, a socket) meets it only on its way back.
        """
        until = time.monotonic() + seconds
        while self.is_alive() and time.monotonic() < until:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident or 0), ctypes.py_object(SystemExit))
            self.join(0.05)
        return not self.is_alive()
