"""A metrics collector that never returns: it blocks few threads, is reported, and recovers when it returns."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import pytest

from tests.faults.host import Answer, Host, hosting
from tests.support import eventually

CALL_TIMEOUT = 1.0
MOST_THREADS = 4
SCRAPES = 10
AT_ONCE_SECONDS = 0.5
"""The bound of most responses, because other processes may delay a few of them."""
MOST_SECONDS = 30.0
"""The bound of each response; one after the other, forty of them would take longer."""

PLUGIN = '''
import threading
from collections.abc import Iterator

from flask import Blueprint
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lmcache_internal.api import operation

router = Blueprint("hanging", __name__)
free = threading.Event()
free.set()


class Hanging(Collector):
    """Hangs while it is not free."""

    def describe(self) -> list[Metric]:
        """What it collects."""
        return [GaugeMetricFamily("hanging", "Hangs.")]

    def collect(self) -> Iterator[Metric]:
        """Hang."""
        free.wait()
        yield GaugeMetricFamily("hanging", "Hangs.", value=1)


REGISTRY.register(Hanging())


@router.get("/hang")
@operation(action="let the collector hang", cheap=True)
def hang() -> str:
    """From now on."""
    free.clear()
    return "it hangs"


@router.get("/stuck")
@operation(action="count what is stuck", cheap=True)
def stuck() -> int:
    """What the collector of stuck calls says by itself."""
    (family,) = REGISTRY.restricted_registry(["lmcache_internal:stuck_calls"]).collect()
    return int(family.samples[0].value)


@router.get("/release")
@operation(action="let the collector return", cheap=True)
def release() -> str:
    """And never hang again."""
    free.set()
    return "it returns"
'''

FORMATS = [
    {"Accept": "application/openmetrics-text; version=1.0.0"},
    {"Accept": "text/plain"},
    {"Accept-Encoding": "gzip"},
    {"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"},
]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with hosting(tmp_path, PLUGIN, call_timeout=CALL_TIMEOUT) as running:
        for headers in FORMATS:
            assert eventually(lambda: running.ask("/metrics", headers=headers).status == 200)  # noqa: B023  # Called now.
        assert eventually(lambda: running.ask("/healthz").status == 200)
        yield running


def scrape(host: Host, number: int, varied: bool) -> Answer:
    """Scrape; a varied scrape requests another format or other names than the one before."""
    if not varied:
        return host.ask("/metrics")
    path = "/metrics" if number % 2 else f"/metrics?name[]=hanging&name[]=x{number}"
    return host.ask(path, headers=FORMATS[number % 4])


varied = pytest.mark.parametrize("varied", [False, True], ids=["alike", "varied"])


@varied
def test_of_successive_scrapes_only_the_first_waits(host: Host, varied: bool) -> None:
    threads = host.threads()
    host.ask("/hang")
    answers = [scrape(host, number, varied) for number in range(SCRAPES)]
    assert [answer.status for answer in answers] == [504] * SCRAPES
    assert answers[0].seconds < MOST_SECONDS
    assert median(answer.seconds for answer in answers[1:]) < AT_ONCE_SECONDS, [answer.seconds for answer in answers]
    assert eventually(lambda: host.threads() <= threads + MOST_THREADS), host.threads() - threads


@varied
def test_concurrent_scrapes_block_few_threads(host: Host, varied: bool) -> None:
    threads = host.threads()
    host.ask("/hang")
    with ThreadPoolExecutor(4 * SCRAPES) as clients:
        answers = list(clients.map(lambda number: scrape(host, number, varied), range(4 * SCRAPES)))
    assert {answer.status for answer in answers} <= {503, 504}
    assert max(answer.seconds for answer in answers) < MOST_SECONDS
    assert eventually(lambda: host.threads() <= threads + MOST_THREADS), host.threads() - threads


def test_other_requests_are_served(host: Host) -> None:
    host.ask("/hang")
    with ThreadPoolExecutor(SCRAPES) as clients:
        scrapes = [clients.submit(scrape, host, number, True) for number in range(SCRAPES)]
        times = []
        while not all(future.done() for future in scrapes):
            for path in ("/livez", "/lmc_version", "/backends"):
                answer = host.ask(path)
                assert answer.status == 200, path
                times.append(answer.seconds)
    assert median(times) < AT_ONCE_SECONDS, times


def test_it_is_reported(host: Host) -> None:
    host.ask("/hang")
    assert scrape(host, 0, varied=False).status == 504
    # The health check caches its result for a second.
    assert eventually(lambda: b"stuck" in host.ask("/healthz?verbose").body)
    assert host.ask("/healthz").status == 503
    assert host.ask("/livez").status == 200  # It is no reason for a restart.
    assert b"faults_api.py" in host.ask("/threads?name=stuck").body  # The stack of the collector.


def test_it_is_counted(host: Host) -> None:
    assert host.ask("/stuck").body == b"0"
    host.ask("/hang")
    assert scrape(host, 0, varied=False).status == 504
    assert host.ask("/stuck").body == b"1"


def test_when_it_returns_everything_works_again(host: Host) -> None:
    threads = host.threads()
    for _ in range(3):
        host.ask("/hang")
        assert [scrape(host, number, True).status for number in range(SCRAPES)] == [504] * SCRAPES
        host.ask("/release")
        assert eventually(lambda: host.ask("/metrics").status == 200)
        assert b"hanging 1.0" in host.ask("/metrics").body
        assert eventually(lambda: b"lmcache_internal:stuck_calls 0.0" in host.ask("/metrics").body)
        assert eventually(lambda: host.ask("/healthz").status == 200)
    assert eventually(lambda: host.threads() <= threads), host.threads() - threads
