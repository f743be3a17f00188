"""A real Prometheus scrapes ranks that are brought into the state of each alert, and each alert fires."""

from __future__ import annotations

import contextlib
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from lmcache_internal.engine.embedded_mp.workers import Worker
from lmcache_internal.engine.mp.config import MPConfig
from tests.cli.serving import config_file, served
from tests.observability.prometheus import RULES, Prometheus, alerts, needs_prometheus, prometheus
from tests.support import eventually, free_port, upload

pytestmark = needs_prometheus

WORKERS = 3
SHORTER = {"5m": "5s", "10m": "5s", "30m": "5s", "1d": "60s"}
"""The time windows of the rules and those of this test. `for` is 0 s."""

OF_A_BUSY_MACHINE = {"LMCacheRankNotReady", "LMCacheScrapeSlow", "LMCacheStuckCalls", "LMCacheWorkersRemoved"}
"""Alerts that a busy machine causes: health checks, scrapes and calls time out."""

HANG = b"""
import time
app.state.lmcache_adapter.is_healthy = lambda sleep=time.sleep: sleep(3600)
"""
SLOW = b"""
import time
from prometheus_client import REGISTRY

collect = REGISTRY.collect

def collect_slowly():
    time.sleep(1.2)
    return collect()

REGISTRY.collect = collect_slowly
"""


def shortened(text: str) -> str:
    text = re.sub(r"\bfor: \w+", "for: 0s", text)
    return re.sub(r"\[(\w+)\]", lambda found: f"[{SHORTER[found[1]]}]", text)


@pytest.fixture(scope="module")
def first_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The scheduler's port of a fleet with traffic."""
    port = free_port(1 + WORKERS)
    path = config_file(tmp_path_factory.mktemp("fleet"), port)
    path.write_text(path.read_text() + "script_allowed_imports: [time, prometheus_client]\n")
    with served("--config", str(path), "--workers", str(WORKERS), "--traffic", "--memory", "32"):
        yield port


@pytest.fixture(scope="module")
def mp_server() -> Iterator[EmbeddedMPManager]:
    """An MP server that removes a worker which is silent for 0.3 s."""
    config = MPConfig(port=free_port())
    with EmbeddedMPManager(config=config, reap_seconds=0.3) as manager, InternalAPIServer(manager):
        yield manager


@pytest.fixture(scope="module")
def scraping(
    first_port: int, mp_server: EmbeddedMPManager, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    discovered = {
        "job_name": "lmcache",
        "scrape_timeout": "1s",
        "http_sd_configs": [{"url": f"http://127.0.0.1:{first_port}/sd/prometheus", "refresh_interval": "1s"}],
    }
    # The worker with the slow collector needs a longer timeout than the interval of the others.
    slow = {
        "job_name": "lmcache-slow",
        "scrape_interval": "2s",
        "scrape_timeout": "2s",
        "static_configs": [{"targets": [f"127.0.0.1:{first_port + WORKERS}"]}],
    }
    mp_address = f"127.0.0.1:{mp_server.config.internal_api_server_port_start}"
    mp = {"job_name": "lmcache-mp", "static_configs": [{"targets": [mp_address]}]}
    gone = {"job_name": "lmcache-gone", "static_configs": [{"targets": [f"127.0.0.1:{free_port()}"]}]}
    rules = {path.name: shortened(path.read_text()) for path in RULES}
    with prometheus(tmp_path_factory.mktemp("prometheus"), [discovered, slow, mp, gone], rules) as found:
        yield found


def send(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
    """Send a request to a rank; return the status."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return error.code


def run_script(port: int, source: bytes) -> int:
    body, headers = upload(source)
    return send(port, "POST", "/run_script", body, **headers)


def break_fleet(first_port: int) -> None:
    """Bring the ranks into the states of the alerts."""
    workers = [first_port + 1 + worker for worker in range(WORKERS)]
    # Lookups find nothing from now on, because the memory is empty and stays so, and the remote backend is not used.
    for worker in workers:
        assert send(worker, "PUT", "/freeze/enable") == 200
        assert send(worker, "PUT", "/bypass/add?backend_name=RemoteBackend") == 200
        assert send(worker, "DELETE", "/cache/clear") == 200
    changed, stuck, slow = workers
    assert send(first_port, "POST", "/admin/drain") == 200
    assert send(changed, "POST", "/conf", b'{"min_retrieve_tokens": 5}') == 200
    assert run_script(stuck, HANG) == 200
    assert run_script(slow, SLOW) == 200
    assert {send(changed, "POST", "/freeze/enable", b"", Origin="http://evil.example") for _ in range(40)} == {403}


SCRAPES_SECONDS = 240.0
"""How long several scrapes and evaluations of rules may take on a busy machine."""


def test_each_alert_fires_for_its_state(scraping: Prometheus, first_port: int, mp_server: EmbeddedMPManager) -> None:
    seen: dict[str, str] = {}

    def have_fired(*names: str) -> bool:
        for name, found in scraping.firing().items():
            seen.setdefault(name, found[0]["annotations"]["description"])
        return set(names) <= seen.keys()

    hits = 'model:lmcache_lookup_hit_ratio:avg1d{job="lmcache"} > 0.1'
    assert eventually(lambda: len(scraping.query(hits)) == 1, SCRAPES_SECONDS)
    before = ("LMCacheEvictionStorm", "LMCacheBackendUnreachable", "LMCacheRankDown")
    assert eventually(lambda: have_fired(*before), SCRAPES_SECONDS), seen
    assert seen.keys() - OF_A_BUSY_MACHINE == set(before)
    break_fleet(first_port)
    mp_server.engine.register_worker(1, Worker("m"))  # It is silent, and is removed.
    expected = {alert["alert"] for alert in alerts()} - {"LMCacheNoTargets"}
    assert eventually(lambda: have_fired(*expected), SCRAPES_SECONDS), expected - seen.keys()
    assert [text for text in seen.values() if "no value" in text or "error" in text.lower()] == []


def test_a_prometheus_without_targets_alerts(tmp_path: Path) -> None:
    rules = {path.name: shortened(path.read_text()) for path in RULES}
    with prometheus(tmp_path, [], rules) as found:
        assert eventually(lambda: found.firing().keys() == {"LMCacheNoTargets"}, SCRAPES_SECONDS), found.firing()
