"""Noise that finds tests which depend on the machine: `make test PYTEST_OPTIONS='-p tests.noise'`.

At random times, a thread computes, allocates memory and collects garbage; one of four threads starts late. A test that
fails only then waits for too little, or measures what other threads do.
"""

from __future__ import annotations

import gc
import random
import threading
import time

_choices = random.SystemRandom()
_run = threading.Thread.run


def pytest_configure() -> None:
    """Start the noise."""
    threading.Thread(target=_make_noise, daemon=True, name="noise").start()
    threading.Thread.run = _run_late  # type: ignore[method-assign, assignment]


def _run_late(thread: threading.Thread) -> None:
    if _choices.random() < 0.25:
        time.sleep(_choices.random() / 20)
    _run(thread)


def _make_noise() -> None:
    numbers = [_choices.random() for _ in range(60_000)]
    kept: list[object] = []
    while True:
        time.sleep(_choices.random() / 12)
        kind = _choices.choice(["compute", "allocate", "free", "collect", "pause"])
        if kind == "compute":
            sorted(numbers[: _choices.randrange(len(numbers))])  # Holds the GIL for up to 30 ms.
        elif kind == "allocate":
            kept.append([bytearray(100) for _ in range(_choices.randrange(300))])
        elif kind == "free":
            del kept[: _choices.randrange(10)]
        elif kind == "collect" and _choices.random() < 0.1:
            gc.collect()
