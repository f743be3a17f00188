"""Send random streams on several connections at once, until two servers disagree."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import NamedTuple

from tests.fuzz_wire.comparison import Servers
from tests.fuzz_wire.shrinking import shrunk
from tests.fuzz_wire.streams import Stream, stream

THREADS = 4
"""Concurrent streams, so that state left by one connection can affect another."""

LONGEST_SHOWN = 3000


class Found(NamedTuple):
    """A stream for which two servers disagree.

    Attributes:
        seed: the `FUZZ_SEED` that reproduces it.
        stream: the smallest stream that was found.
        disagreement: the difference.
    """

    seed: str
    stream: Stream
    disagreement: str

    def __str__(self) -> str:
        way = f"{len(self.stream.packets)} packets, {self.stream.pause} s apart"
        sent = repr(b"".join(self.stream.packets))
        shown = sent if len(sent) < LONGEST_SHOWN else f"{sent[:LONGEST_SHOWN]} and more"
        return f"FUZZ_SEED={self.seed}\n{self.disagreement}\nsent in {way}: {shown}"


class Fuzzer:
    """Compares two servers.

    Attributes:
        tried: the number of streams sent to both.
        found: the disagreement, if any.
    """

    def __init__(self, servers: Servers) -> None:
        self.tried = 0
        self.found: list[Found] = []
        self._servers = servers
        self._lock = threading.Lock()

    def run(self, seeds: Iterable[str], seconds: float) -> None:
        """Send the streams of `seeds`, until a disagreement is found or the time is over."""
        until = time.monotonic() + seconds
        left = iter(seeds)
        with ThreadPoolExecutor(THREADS) as threads:
            for worker in [threads.submit(self._work, left, until) for _ in range(THREADS)]:
                worker.result()

    def _work(self, seeds: Iterator[str], until: float) -> None:
        while time.monotonic() < until and not self.found:
            with self._lock:
                seed = next(seeds, None)
                self.tried += seed is not None
            if seed is None:
                return
            self._try(seed)

    def _try(self, seed: str) -> None:
        tried = stream(random.Random(seed))
        disagreement = self._servers.disagreement(tried)
        if disagreement is None:
            return
        smallest = shrunk(tried, self._servers)
        # It may not be reproducible, if it depends on other connections.
        self.found.append(Found(seed, smallest, self._servers.disagreement(smallest) or disagreement))


def series(seed: str) -> Iterator[str]:
    """Return the seeds of all streams of a run, or the one of a single stream, such as "7/123"."""
    if "/" in seed:
        yield seed
        return
    yield from (f"{seed}/{number}" for number in count())
