"""Periodic threads: they continue after failed runs, and end on `stop`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lmcache_internal.engine.embedded.periodic import PeriodicThread
from tests.support import eventually


@contextmanager
def running(work: Callable[[], str], interval: float = 0.01) -> Iterator[PeriodicThread]:
    thread = PeriodicThread("test-thread", "low", interval, work)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


def test_work_is_repeated_until_stopped() -> None:
    with running(lambda: "done") as thread:
        assert eventually(lambda: thread.total_runs >= 3)
        assert (thread.is_running, thread.is_active) == (True, True)
    runs = thread.total_runs
    assert (thread.is_alive(), thread.is_running, thread.is_active) == (False, False, False)
    time.sleep(0.05)
    assert thread.total_runs == runs


def test_a_failed_run_is_counted_and_work_continues() -> None:
    outcomes = iter(["fine", "bad", "fine"])

    def work() -> str:
        outcome = next(outcomes, "fine")
        if outcome == "bad":
            raise OSError("disk error")
        return outcome

    with running(work) as thread:
        assert eventually(lambda: thread.total_runs >= 4)
    assert thread.failed_runs == 1
    assert thread.get_status()["success_rate"] == 100 * (thread.total_runs - 1) / thread.total_runs


def test_status_describes_the_last_run() -> None:
    def work() -> str:
        time.sleep(0.02)
        raise ValueError("no")

    began = time.time()
    with running(work, interval=60) as thread:
        assert eventually(lambda: thread.get_status()["last_summary"] is not None)
        status = thread.get_status()
    assert status == status | {
        "name": "test-thread",
        "level": "low",
        "interval": 60,
        "init_wait": 0.0,
        "is_running": True,
        "is_active": True,
        "total_runs": 1,
        "failed_runs": 1,
        "success_rate": 0.0,
    }
    assert began <= status["last_run_time"] <= time.time()
    assert 0 <= status["last_run_ago"] < 5
    summary = status["last_summary"]
    assert (summary["success"], summary["message"]) == (False, "ValueError: no")
    assert 20 <= summary["duration_ms"] < 5000


def test_status_before_the_first_run() -> None:
    status = PeriodicThread("test-thread", "low", 1, lambda: "").get_status()
    assert (status["is_running"], status["is_active"]) == (False, False)
    assert (status["last_run_ago"], status["last_summary"], status["success_rate"]) == (None, None, 100.0)


def test_late_thread_is_running_but_not_active() -> None:
    waits = iter([False])
    release = threading.Event()

    def work() -> str:
        if next(waits, True):
            release.wait(30)
        return ""

    with running(work, interval=0.03) as thread:
        assert eventually(lambda: thread.total_runs == 1 and not thread.is_active)
        assert thread.is_running
        release.set()


def test_stop_does_not_wait_for_the_interval_and_may_be_repeated() -> None:
    with running(lambda: "", interval=60) as thread:
        assert eventually(lambda: thread.total_runs == 1)
        began = time.perf_counter()
        thread.stop()
        thread.stop()
        assert time.perf_counter() - began < 10


def test_thread_stopped_before_its_start_does_nothing() -> None:
    thread = PeriodicThread("test-thread", "low", 60, lambda: "")
    thread.stop()
    thread.start()
    thread.join(5)
    assert (thread.is_alive(), thread.total_runs) == (False, 0)
