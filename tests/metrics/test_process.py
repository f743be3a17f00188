"""The metrics of the process equal those of prometheus_client, and are read without releasing the GIL."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from prometheus_client import PROCESS_COLLECTOR, REGISTRY, Gauge, Metric
from prometheus_client.process_collector import ProcessCollector

from lmcache_internal.metrics import process as process_metrics
from lmcache_internal.metrics.exposition import expose
from tests.support import ROOT, gil_releases

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, prometheus_client reads them"),
    pytest.mark.usefixtures("client"),  # create_app installs the collector.
]


def theirs() -> list[Metric]:
    return list(ProcessCollector.collect(PROCESS_COLLECTOR))


def ours() -> list[Metric]:
    return list(PROCESS_COLLECTOR.collect())


def test_metrics_equal_those_of_prometheus_client() -> None:
    def agree() -> bool:
        before, mine, after = theirs(), ours(), theirs()
        if before == after:  # Only if CPU time and memory did not change in between.
            assert mine == before
        return before == after

    assert len(ours()) == 6
    assert any(agree() for _ in range(500))


@pytest.mark.parametrize("linux", ["since 6.2", "before"])
def test_open_files_are_counted(linux: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if linux == "before":
        monkeypatch.setattr(process_metrics, "_size", lambda _path: 0)
    gc.collect()  # Sockets of other tests would be closed between the two counts.
    for more in (0, 1, 1500):  # 1500 are more than the kernel returns in one call.
        opened = [os.dup(0) for _ in range(more)]
        try:
            assert value(ours, "process_open_fds") == value(theirs, "process_open_fds") > more
        finally:
            for descriptor in opened:
                os.close(descriptor)


def test_a_changed_limit_is_reported() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
    try:
        assert value(ours, "process_max_fds") == value(theirs, "process_max_fds") == before[0] - 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_cpu_time_increases() -> None:
    before = value(ours, "process_cpu_seconds")
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert before + 0.03 < value(ours, "process_cpu_seconds") <= value(theirs, "process_cpu_seconds")


def value(collect: Callable[[], list[Metric]], name: str) -> float:
    (family,) = (family for family in collect() if family.name == name)
    return family.samples[0].value


def test_a_scrape_does_not_release_the_gil() -> None:
    expose(REGISTRY, "", "")
    with gil_releases() as counted:
        before = counted[0]
        for _ in range(200):
            expose(REGISTRY, "", "")
        assert counted[0] == before


def test_other_metrics_work_without_a_free_descriptor(client: FlaskClient) -> None:
    client.get("/metrics")  # The first request imports modules, which needs descriptors.
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        response = client.get("/metrics")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert response.status_code == 200
    assert "python_info" in response.text
    assert "process_" not in response.text


def test_the_collector_can_be_unregistered(client: FlaskClient) -> None:
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Gauge("process_open_fds", "", registry=REGISTRY)
    REGISTRY.unregister(PROCESS_COLLECTOR)
    try:
        assert "process_" not in client.get("/metrics").text
    finally:
        REGISTRY.register(PROCESS_COLLECTOR)
    assert "process_open_fds" in client.get("/metrics").text


FORKED = """
import os
import time

from prometheus_client import PROCESS_COLLECTOR
from prometheus_client.process_collector import ProcessCollector

from lmcache_internal.metrics.process import keep_lock

def started(families):
    return next(family.samples[0].value for family in families if "start_time" in family.name)

keep_lock()
parent = started(PROCESS_COLLECTOR.collect())
time.sleep(0.05)
if os.fork() == 0:
    mine, theirs = started(PROCESS_COLLECTOR.collect()), started(ProcessCollector.collect(PROCESS_COLLECTOR))
    os._exit(0 if parent < mine == theirs else 1)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
"""


def test_a_forked_process_has_its_own_start_time() -> None:
    subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, check=True, timeout=30)
