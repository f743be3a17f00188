"""Taking the stacks of all threads must not block the process."""

from __future__ import annotations

import gc
import sys
import threading
from types import FrameType

import pytest

from lmcache_internal.system.thread_frames import current_frames


def test_no_collection_runs_while_frames_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    # The deadlock is a race of microseconds, so this checks the precondition that prevents it.
    seen: list[bool] = []

    def watching() -> dict[int, FrameType]:
        seen.append(gc.isenabled())
        return {}

    monkeypatch.setattr(sys, "_current_frames", watching)
    with current_frames():
        assert gc.isenabled()
    assert seen == [False]


def test_a_disabled_collector_stays_disabled() -> None:
    gc.disable()
    try:
        with current_frames() as frames:
            assert threading.get_ident() in frames
            assert not gc.isenabled()
    finally:
        gc.enable()
