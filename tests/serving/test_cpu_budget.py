"""The CPU budget of the event loop: unlimited with idle threads, small with a busy thread."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving.cpu_budget import BURST_SECONDS, CPU_SHARE, MIN_PAUSE_SECONDS, CpuBudget
from tests.support import ROOT, nobody_is_made_to_wait


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


def taken(seconds: float, rested: float) -> float:
    """Return the share of `seconds` used by a thread that always wants the CPU, after `rested` seconds of pause."""
    budget = CpuBudget()
    time.sleep(rested)
    used, until = time.thread_time(), time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))
        budget.throttle()
    return (time.thread_time() - used) / seconds


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("rested", [0.0, 1.0])
def test_a_busy_thread_keeps_most_of_the_cpu_time(rested: float) -> None:
    assert taken(0.5, rested) < 1.8 * CPU_SHARE


def test_cpu_time_used_in_an_idle_process_causes_no_long_pause() -> None:
    budget = CpuBudget()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        budget.throttle()
    stopping: list[bool] = []
    thread = threading.Thread(target=lambda: [None for _ in iter(lambda: bool(stopping), True)])
    thread.start()
    longest, until = 0.0, time.monotonic() + 0.5
    while (begun := time.monotonic()) < until:
        budget.throttle()
        longest = max(longest, time.monotonic() - begun)
    stopping.append(True)
    thread.join()
    assert 0.01 < longest < 0.2


def test_an_idle_process_is_not_throttled() -> None:
    idle = threading.Event()
    thread = threading.Thread(target=idle.wait)
    thread.start()
    budget, paused, end = CpuBudget(), 0.0, time.monotonic() + 1.0
    while time.monotonic() < end:
        sum(range(1000))
        begun = time.monotonic()
        budget.throttle()
        paused += time.monotonic() - begun
    idle.set()
    thread.join()
    assert paused < 0.3  # For a measuring pause now and then.


def test_a_light_thread_does_not_pause_after_a_yield() -> None:
    budget = CpuBudget()
    for _ in range(25):
        until = time.thread_time() + BURST_SECONDS / 5
        while time.thread_time() < until:
            pass
        budget.yield_gil()
        time.sleep(BURST_SECONDS / CPU_SHARE)
    begun = time.monotonic()
    budget.throttle()
    assert time.monotonic() - begun < MIN_PAUSE_SECONDS


def test_a_yield_gives_waiting_threads_the_gil_before_the_switch_interval() -> None:
    budget = CpuBudget()
    with nobody_is_made_to_wait() as counted:
        time.sleep(0.01)
        before, end = counted[0], time.monotonic() + 0.05
        while time.monotonic() < end:
            sum(range(1000))
        assert counted[0] == before
        end = time.monotonic() + 10
        while counted[0] < before + 20 and time.monotonic() < end:
            sum(range(1000))
            budget.yield_gil()
        assert counted[0] >= before + 20


@pytest.mark.usefixtures("busy")
def test_a_light_thread_never_pauses() -> None:
    budget = CpuBudget()
    longest = 0.0
    for _ in range(20):
        time.sleep(0.03)
        until = time.thread_time() + BURST_SECONDS / 2
        while time.thread_time() < until:
            pass
        used = time.monotonic()
        budget.throttle()
        longest = max(longest, time.monotonic() - used)
    assert longest < 0.02  # One switch interval of the other thread, and no pause.


CLIENTS = """
import json, sys, threading, time
from benchmarks.load import closed_loop, steady

address, path = json.loads(sys.argv[1])
address = tuple(address) if isinstance(address, list) else address
threading.Thread(target=closed_loop, args=(address, "/lmc_version", 8, 1.0), kwargs={"sleepless": False}).start()
time.sleep(0.2)
print(steady(address, path, 20, 0.6).percentile(50))
"""


@pytest.mark.parametrize("path", ["/loglevel", "/livez"])
def test_clients_at_full_speed_do_not_starve_requests_in_worker_threads(server: InternalAPIServer, path: str) -> None:
    address = server.socket_path or ("127.0.0.1", server.port)
    command = [sys.executable, "-c", CLIENTS, json.dumps([address, path])]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    assert float(done.stdout) < 40
