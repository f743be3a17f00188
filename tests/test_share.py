"""What the loop takes of the processor: all it needs beside idle threads, little beside a busy one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from lmcache_internal.share import BURST_SECONDS, PART, Share


@pytest.fixture
def busy() -> Iterator[None]:
    """A thread that runs Python without a pause."""
    stopping: list[bool] = []

    def spin() -> None:
        while not stopping:
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    yield
    stopping.append(True)
    thread.join()


def taken(seconds: float = 1.0, rested: float = 0.0) -> float:
    """The part of `seconds` that a thread uses which asks for all of it, after it has `rested`."""
    share = Share()
    time.sleep(rested)
    used, until = time.thread_time(), time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))
        share.pause()
    return (time.thread_time() - used) / seconds


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("rested", [0.0, 1.0])
def test_a_busy_thread_keeps_most_of_the_time(rested: float) -> None:
    assert taken(0.5, rested) < 1.8 * PART


def test_what_was_used_while_nobody_wanted_it_is_not_owed_for_long() -> None:
    share = Share()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        share.pause()
    stopping: list[bool] = []
    thread = threading.Thread(target=lambda: [None for _ in iter(lambda: bool(stopping), True)])
    thread.start()
    longest, until = 0.0, time.monotonic() + 0.5
    while (begun := time.monotonic()) < until:
        share.pause()
        longest = max(longest, time.monotonic() - begun)
    stopping.append(True)
    thread.join()
    assert 0.01 < longest < 0.2


def test_an_idle_process_is_not_held_back() -> None:
    idle = threading.Event()
    thread = threading.Thread(target=idle.wait)
    thread.start()
    assert taken() > 0.5  # Less the pauses for a look, and what others take of the machine.
    idle.set()
    thread.join()


@pytest.mark.usefixtures("busy")
def test_who_asks_for_little_never_pauses() -> None:
    share = Share()
    longest = 0.0
    for _ in range(20):
        time.sleep(0.03)
        until = time.thread_time() + BURST_SECONDS / 2
        while time.thread_time() < until:
            pass
        used = time.monotonic()
        share.pause()
        longest = max(longest, time.monotonic() - used)
    assert longest < 0.02  # A turn of the other thread's, and no pause.
