"""The CPU time that an engine thread keeps while the server gets requests."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.load import Load
from benchmarks.servers import Server


@dataclass(frozen=True)
class Beside:
    """A load beside an engine thread that runs Python without a pause.

    Attributes:
        load: the load.
        left: the CPU time that the thread gets during the load, as a share of what it gets alone. Unlike the work
            that it completes, this does not depend on the clock rate of the CPU.
    """

    load: Load
    left: float

    @property
    def lost(self) -> float:
        """Milliseconds of CPU time that the thread loses."""
        return 1000 * (1 - self.left) * self.load.seconds


@contextlib.contextmanager
def spinning(server: Server) -> Iterator[None]:
    """Run an engine thread in the server's process that executes Python without a pause."""
    server.call("spin")
    try:
        yield
    finally:
        server.call("rest")


def beside(server: Server, alone_seconds: float, run: Callable[[], Load]) -> Beside:
    """Put a load on the server; measure the engine thread alone for `alone_seconds` before and after."""
    loads: list[Load] = []
    with spinning(server):
        before = _share(server, lambda: time.sleep(alone_seconds))
        during = _share(server, lambda: loads.append(run()))
        after = _share(server, lambda: time.sleep(alone_seconds))
    return Beside(loads[0], 2 * during / (before + after))


def _share(server: Server, during: Callable[[], None]) -> float:
    begun, had = server.call("progress")
    during()
    ended, has = server.call("progress")
    return float((has - had) / (ended - begun))
