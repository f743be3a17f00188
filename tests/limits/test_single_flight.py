"""Concurrent scrapes share one run of the collectors, and no result is older than its request."""

from __future__ import annotations

import functools
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lmcache_internal import InternalAPIServer
from lmcache_internal.errors import CallTimedOut
from lmcache_internal.limits.single_flight import SingleFlight
from lmcache_internal.limits.timeouts import stuck_calls
from tests.support import eventually, fetch, in_thread, make_manager, server_values, takes_less

SCRAPERS = 64


class Slow(Collector):
    """A slow collector that counts its runs and the requests sent before each run."""

    def __init__(self) -> None:
        self.requested = self.collected = 0
        self.collect_by: Callable[[], object] = lambda: time.sleep(0.15)

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily("requested", "")]

    def collect(self) -> Iterable[Metric]:
        requested = self.requested
        self.collected += 1
        self.collect_by()
        yield GaugeMetricFamily("requested", "", value=requested)


@pytest.fixture
def slow() -> Iterator[Slow]:
    collector = Slow()
    REGISTRY.register(collector)
    yield collector
    REGISTRY.unregister(collector)


@pytest.fixture
def served(tmp_path: Path, slow: Slow) -> Iterator[InternalAPIServer]:
    values = server_values("tcp", tmp_path)
    values["extra_config"] = {"internal_api_server_call_timeout": 1}
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        assert slow.collected == 0
        yield server


def scrape_together(server: InternalAPIServer, count: int, **headers: str) -> list[tuple[int, bytes]]:
    together = threading.Barrier(count)

    def scrape() -> tuple[int, bytes]:
        together.wait(10)
        return fetch(server, "/metrics", headers=headers)

    scraping = [in_thread(scrape) for _ in range(count)]
    for thread, _ in scraping:
        thread.join(20)
    return [answer for _, answers in scraping for answer in answers]


def number_of_stuck_calls() -> float:
    return sum(sample.value for metric in stuck_calls.collect() for sample in metric.samples)


def test_many_scrapers_share_few_runs(served: InternalAPIServer, slow: Slow) -> None:
    before = slow.collected
    answers = scrape_together(served, SCRAPERS)
    assert [status for status, _ in answers] == [200] * SCRAPERS
    assert all(b"\nrequested " in body and body.endswith(b"\n") for _, body in answers)
    assert slow.collected - before <= SCRAPERS / 8


def test_a_change_before_a_request_is_in_its_response(served: InternalAPIServer, slow: Slow) -> None:
    counting = threading.Lock()
    slow.collect_by = lambda: time.sleep(0.01)

    def request_again_and_again() -> list[tuple[int, int]]:
        seen = []
        for _ in range(10):
            with counting:
                slow.requested += 1
                mine = slow.requested
            body = fetch(served, "/metrics")[1].decode()
            (told,) = (line for line in body.splitlines() if line.startswith("requested "))
            seen.append((mine, int(float(told.split()[1]))))
        return seen

    requesting = [in_thread(request_again_and_again) for _ in range(8)]
    for thread, _ in requesting:
        thread.join(20)
    seen = [both for _, results in requesting for both in results[0]]
    assert len(seen) == 80
    assert all(told >= mine for mine, told in seen)


def test_requests_with_different_keys_get_their_own_results(served: InternalAPIServer, slow: Slow) -> None:
    slow.collect_by = lambda: time.sleep(0.05)
    asked: list[tuple[str, dict[str, str], bytes, bytes]] = [
        ("/metrics", {}, b"# HELP ", b"\n"),
        ("/metrics", {"Accept": "application/openmetrics-text"}, b"# HELP ", b"\n# EOF\n"),
        ("/metrics", {"Accept-Encoding": "gzip"}, b"\x1f\x8b", b""),
        ("/metrics?name[]=requested", {}, b"# HELP requested ", b"\nrequested 0.0\n"),
        ("/metrics?name[]=requested&name[]=python_info", {}, b"# HELP python_info ", b"\nrequested 0.0\n"),
    ]
    scraping = [in_thread(functools.partial(fetch, served, path, headers=headers)) for path, headers, *_ in asked * 2]
    for thread, _ in scraping:
        thread.join(20)
    for (_, _, beginning, end), (_, answers) in zip(asked * 2, scraping, strict=True):
        status, body = answers[0]
        assert status == 200
        assert body.startswith(beginning)
        assert body.endswith(end)
        assert b"# EOF" in end or b"# EOF" not in body


def test_all_waiting_requests_get_the_failure_and_the_next_scrape_runs_again(
    served: InternalAPIServer, slow: Slow
) -> None:
    def fail() -> None:
        time.sleep(0.1)
        raise OSError("no metrics today")

    slow.collect_by = fail
    answers = scrape_together(served, 16)
    assert {status for status, _ in answers} == {500}
    assert all(b"no metrics today" in body for _, body in answers)
    slow.collect_by = lambda: None
    assert fetch(served, "/metrics")[0] == 200


def test_a_collector_that_hangs_blocks_one_thread_and_is_reported(served: InternalAPIServer, slow: Slow) -> None:
    release = threading.Event()
    slow.collect_by = lambda: release.wait(30)
    first, refused = in_thread(lambda: fetch(served, "/metrics"))  # Its thread runs the collector.
    assert eventually(lambda: slow.collected == 1)
    began = time.monotonic()
    answers = scrape_together(served, 16)
    assert {status for status, _ in answers} == {504}
    assert time.monotonic() - began < 10  # Twice the timeout of 1 s, on a busy machine; the collector hangs for 30 s.
    status, body = fetch(served, "/metrics")
    assert (status, b"collect the metrics has been stuck since" in body) == (504, True)
    assert takes_less(0.5, lambda: fetch(served, "/metrics"))
    assert slow.collected == 1
    assert number_of_stuck_calls() == 1
    assert b"1 calls into the engine do not return" in fetch(served, "/healthz?verbose")[1]
    assert b"collect" in fetch(served, "/threads?name=stuck")[1]
    first.join(10)
    assert refused[0][0] == 504  # The event loop sent it, because the thread is stuck.
    slow.collect_by = lambda: None
    release.set()
    assert eventually(lambda: fetch(served, "/metrics")[0] == 200)
    assert number_of_stuck_calls() == 0
    assert b"Total threads: 0" in fetch(served, "/threads?name=stuck")[1]


def test_a_request_whose_run_cannot_start_in_time_is_refused() -> None:
    single, begun, release = SingleFlight("make it"), threading.Event(), threading.Event()

    def make() -> bool:
        begun.set()
        return release.wait(60)

    thread, results = in_thread(lambda: single.run("one", make, 60))
    assert begun.wait(60)
    with pytest.raises(CallTimedOut, match="to make it"):
        single.run("other", list, 0.1)
    release.set()
    thread.join()
    assert results == [True]
    assert single.run("other", list, 0.1) == []


def test_a_timeout_error_of_the_function_is_passed_on() -> None:
    def fail() -> None:
        raise futures.TimeoutError("of the function")

    with pytest.raises(futures.TimeoutError, match="of the function"):
        SingleFlight("fail").run("key", fail, 1)


def test_an_exception_is_freed_with_its_response() -> None:
    class Failing:
        def __call__(self) -> Any:
            raise OSError("again")

    failing = Failing()
    freed = weakref.ref(failing)
    gc.disable()
    try:
        with pytest.raises(OSError, match="again"):
            SingleFlight("fail").run("key", failing, 1)
        del failing
        assert eventually(lambda: freed() is None, seconds=1)
    finally:
        gc.enable()
