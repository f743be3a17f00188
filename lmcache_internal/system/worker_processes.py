"""A warning where a WSGI server has several worker processes, as each of them has an engine of its own."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from ..redaction.log_lines import get_logger

logger = get_logger(__name__)

_checked: set[int] = set()
_lock = threading.Lock()


def warn_of_siblings() -> None:
    """Warn, once in each process, if other worker processes serve the same app. Call it with a request."""
    own = os.getpid()
    if own in _checked:
        return
    with _lock:
        if own in _checked:
            return
        _checked.add(own)
    siblings = sibling_workers()
    if siblings:
        logger.warning(
            "%d worker processes serve this app (this one is %d, others are %s), each with an engine of its own: a "
            "request reaches any of them, and a change one alone. Run one worker process with threads "
            "(gunicorn --workers 1 --threads 8)",
            1 + len(siblings),
            own,
            ", ".join(map(str, siblings[:8])),
        )


def sibling_workers() -> list[int]:
    """The ids of processes with our parent and our command line, without our own; empty where /proc does not tell.

    Two servers with one command line cannot both listen on its port, so these are workers of one server.
    """
    own, parent = os.getpid(), os.getppid()
    with contextlib.suppress(OSError):
        command = _command(own)
        children = {
            int(child)
            for task in Path(f"/proc/{parent}/task").iterdir()
            for child in (task / "children").read_text().split()
        }
        return sorted(child for child in children - {own} if command and _command(child) == command)
    return []


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
