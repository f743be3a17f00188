"""Read single keys from a terminal while a command runs."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator

_TICK_SECONDS = 0.05
QUIT = "q"


@contextlib.contextmanager
def unbuffered(live: bool) -> Iterator[None]:
    """Read keys without waiting for Enter; restores the terminal at the end."""
    if not live:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def keys_until(live: bool, done: Callable[[], bool]) -> Iterator[str]:
    """Yield the keys that are pressed until `done`; the end of the input is `QUIT`.

    Args:
        live: whether there is a terminal; without it, no key is read.
        done: is called about 20 times per second.
    """
    while not done():
        if not live:
            time.sleep(_TICK_SECONDS)
        elif select.select([sys.stdin], [], [], _TICK_SECONDS)[0]:
            yield os.read(sys.stdin.fileno(), 1).decode("latin-1") or QUIT
