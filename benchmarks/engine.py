"""What an engine thread that only runs Python has left while the server is asked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.load import Load
from benchmarks.servers import Server


@dataclass(frozen=True)
class Beside:
    """A load beside a spinning engine thread.

    Attributes:
        load: the load.
        left: the CPU time that the thread gets meanwhile, as a share of what it gets alone. Unlike the work that
            it gets done, this does not change with the clock of the CPU.
    """

    load: Load
    left: float

    @property
    def lost(self) -> float:
        """Milliseconds that the thread loses in all."""
        return 1000 * (1 - self.left) * self.load.seconds


@contextlib.contextmanager
def spinning(server: Server) -> Iterator[None]:
    """An engine thread in the server's process that runs Python without end."""
    server.call("spin")
    try:
        yield
    finally:
        server.call("rest")


def beside(server: Server, alone_seconds: float, run: Callable[[], Load]) -> Beside:
    """Put a load on the server; before and after, the engine thread is alone for so long."""
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
