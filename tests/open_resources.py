"""Threads and descriptors of this process: what a block may not leave behind."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

CLOSE_SECONDS = 30.0
"""Seconds until threads have ended and connections are closed."""


@contextlib.contextmanager
def leaves_nothing_open() -> Iterator[None]:
    """Check that the block leaves no more threads and descriptors than there were before it.

    Fewer are allowed: threads of an earlier test may still end in the block.
    """
    gc.collect()  # It closes the sockets of an earlier test that only cycles keep.
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    targets = descriptor_targets()
    yield
    until = time.monotonic() + CLOSE_SECONDS
    while (left(threads) or open_descriptors() > descriptors) and time.monotonic() < until:
        time.sleep(0.01)
    assert not left(threads)
    assert open_descriptors() <= descriptors, (targets, descriptor_targets())


def left(before: set[threading.Thread]) -> list[threading.Thread]:
    """Return the threads that run now and are not in `before`."""
    return [thread for thread in threading.enumerate() if thread not in before]


def open_descriptors() -> int:
    """Return the number of descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # Faster, and nothing but the number counts.


def descriptor_targets() -> list[str]:
    """Return the descriptors of this process with their targets."""
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            targets.append(str(entry.readlink()))
    return sorted(targets)
