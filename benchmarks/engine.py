"""What an engine thread that only runs Python gets done while the server is asked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.load import Load
from benchmarks.servers import Server


@dataclass(frozen=True)
class Pace:
    """How the engine thread got on for a while.

    Attributes:
        speed: rounds of its loop per second.
        blocked: seconds in which it could not run because another thread had the GIL.
        load: what was asked of the server meanwhile.
    """

    speed: float
    blocked: float
    load: Load


@contextlib.contextmanager
def spinning(server: Server) -> Iterator[None]:
    """An engine thread in the server's process that runs Python without end."""
    server.call("spin")
    try:
        yield
    finally:
        server.call("rest")


def pace(server: Server, run: Callable[[], Load]) -> Pace:
    """How the engine thread gets on during a load."""
    before = server.call("progress")
    load = run()
    seconds, rounds, ready = (now - then for now, then in zip(server.call("progress"), before, strict=True))
    return Pace(rounds / seconds, max(0.0, seconds - ready), load)


def alone(server: Server, seconds: float) -> Pace:
    """How it gets on when nothing is asked."""

    def wait() -> Load:
        time.sleep(seconds)
        return Load()

    return pace(server, wait)
