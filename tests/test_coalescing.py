"""Scrapers that come together share a rendering, and none of them gets an old one."""

from __future__ import annotations

import functools
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lmcache_internal import InternalAPIServer, watch
from lmcache_internal.coalescing import Coalescing
from lmcache_internal.errors import CallTimedOut
from tests.support import eventually, fetch, in_thread, make_manager, server_values

SCRAPERS = 64


class Slow(Collector):
    """Takes its time, tells how often it was asked, and how many requests were made when it began."""

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
        assert fetch(server, "/metrics")[0] == 200  # It is slow: the loop leaves the next ones to the pool.
        assert slow.collected == 1
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


def test_many_scrapers_are_all_answered_with_few_renderings(served: InternalAPIServer, slow: Slow) -> None:
    before = slow.collected
    answers = scrape_together(served, SCRAPERS)
    assert [status for status, _ in answers] == [200] * SCRAPERS
    assert all(b"\nrequested " in body and body.endswith(b"\n") for _, body in answers)
    assert slow.collected - before <= SCRAPERS / 8


def test_what_was_changed_before_a_request_is_in_its_answer(served: InternalAPIServer, slow: Slow) -> None:
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


def test_each_gets_what_he_asked_for(served: InternalAPIServer, slow: Slow) -> None:
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


def test_a_failure_is_everybodys_and_the_next_scrape_tries_anew(served: InternalAPIServer, slow: Slow) -> None:
    def fail() -> None:
        time.sleep(0.1)
        raise OSError("no metrics today")

    slow.collect_by = fail
    answers = scrape_together(served, 16)
    assert {status for status, _ in answers} == {500}
    assert all(b"no metrics today" in body for _, body in answers)
    slow.collect_by = lambda: None
    assert fetch(served, "/metrics")[0] == 200


def test_nobody_waits_for_ever_where_a_collector_hangs(served: InternalAPIServer, slow: Slow) -> None:
    release = threading.Event()
    slow.collect_by = lambda: release.wait(20)
    began = time.monotonic()
    answers = scrape_together(served, 16)
    assert {status for status, _ in answers} == {504}
    assert time.monotonic() - began < 3  # Twice the deadline, at most.
    assert gc.isenabled()
    slow.collect_by = lambda: None
    assert fetch(served, "/metrics")[0] == 200
    release.set()
    assert eventually(lambda: b"\nlmcache_internal:stuck_calls 0.0\n" in fetch(served, "/metrics")[1])


def test_many_metrics_are_left_to_the_pool_and_no_garbage_is_collected_meanwhile(
    server: InternalAPIServer, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LONG_SECONDS", 10.0)  # However busy the machine is.
    seen: list[tuple[str, bool]] = []
    slow.collect_by = lambda: seen.append((threading.current_thread().name.partition(":")[0], gc.isenabled()))
    fetch(server, "/metrics")
    many = Gauge(f"many_{'x' * 60}", "", ["number"])
    try:
        for number in range(1500):
            many.labels(str(number))
        fetch(server, "/metrics")
        assert fetch(server, "/metrics")[1].count(b"\nmany_") == 1500
    finally:
        REGISTRY.unregister(many)
    fetch(server, "/metrics")
    fetch(server, "/metrics")
    loop, pool = ("internal-api-server", False), ("call", False)
    assert seen == [loop, loop, pool, pool, loop]
    assert gc.isenabled()


def test_who_does_not_get_his_turn_in_time_is_told() -> None:
    coalescing, release = Coalescing("make it"), threading.Event()
    thread, results = in_thread(lambda: coalescing.make("one", lambda: release.wait(10), 10))
    with pytest.raises(CallTimedOut, match=r"more than 0\.1 s to make it"):
        coalescing.make("other", list, 0.1)
    release.set()
    thread.join()
    assert results == [True]
    assert coalescing.make("other", list, 0.1) == []


def test_an_error_is_freed_with_its_answer() -> None:
    class Failing:
        def __call__(self) -> Any:
            raise OSError("again")

    failing = Failing()
    freed = weakref.ref(failing)
    gc.disable()
    try:
        with pytest.raises(OSError, match="again"):
            Coalescing("fail").make("key", failing, 1)
        del failing
        assert eventually(lambda: freed() is None, seconds=1)
    finally:
        gc.enable()
