"""Read single keys from a terminal while a command runs.

On Windows, which has no termios, no key is read; Ctrl-C ends the command.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

_TICK_SECONDS = 0.05
_HAS_KEYS = find_spec("termios") is not None
QUIT = "q"


@contextlib.contextmanager
def unbuffered(live: bool) -> Iterator[None]:
    """Read keys without waiting for Enter; restores the terminal at the end."""
    if not (live and _HAS_KEYS):
        yield
        return
    import termios
    import tty

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
        if not (live and _HAS_KEYS):
            time.sleep(_TICK_SECONDS)
        elif select.select([sys.stdin], [], [], _TICK_SECONDS)[0]:
            yield os.read(sys.stdin.fileno(), 1).decode("latin-1") or QUIT
