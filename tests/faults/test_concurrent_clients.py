"""Random clients at once: no request is lost, and nothing remains afterwards (see `concurrent_clients.py`)."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from pathlib import Path

import pytest

from lmcache_internal.serving.event_loop import Loop
from tests.faults.concurrent_clients import run, serving, switching
from tests.open_resources import descriptor_targets, open_descriptors
from tests.support import busy_thread, eventually

BACK_SECONDS = 60.0
"""Seconds until connections are closed and threads have ended."""


@pytest.mark.parametrize(
    ("kind", "is_busy", "interval", "connections"),
    [("tcp", False, 1e-6, 8), ("unix", False, 5e-3, 8), ("tcp", True, 5e-3, 2)],
    ids=["tcp", "unix", "beside a busy thread"],
)
def test_every_request_is_answered_and_nothing_remains(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, is_busy: bool, interval: float, connections: int
) -> None:
    with serving(tmp_path, kind) as server:
        threads, descriptors = threading.active_count(), open_descriptors()
        with switching(interval), busy_thread() if is_busy else contextlib.nullcontext():
            answered, found = run(server, "1", connections)
        assert found == []
        assert answered > 40
        assert eventually(lambda: server._listeners[0]._transport.connections == 0, BACK_SECONDS)
        assert eventually(lambda: threading.active_count() <= threads, BACK_SECONDS)
        assert eventually(lambda: open_descriptors() <= descriptors, BACK_SECONDS), descriptor_targets()
        assert eventually(lambda: rounds_of_event_loop(0.3) == 0, BACK_SECONDS)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def rounds_of_event_loop(seconds: float) -> int:
    """Return how often the event loop wakes up in `seconds`."""
    rounds: list[Loop] = []
    wait = Loop.wait

    def counted(loop: Loop, longest: float | None) -> None:
        rounds.append(loop)
        wait(loop, longest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "wait", counted)
        time.sleep(seconds)
    return len(rounds)
