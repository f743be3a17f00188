"""POST /metrics/reset."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from flask.testing import FlaskClient
from prometheus_client import REGISTRY, Counter
from prometheus_client.parser import text_string_to_metric_families

from lmcache_internal import EmbeddedManager, create_app
from tests.support import ROOT, make_manager


def sample(client: FlaskClient, name: str, worker_id: int = 0) -> float:
    """Return the value of `lmcache:<name>` of one worker."""
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for one in family.samples:
            if one.name == f"lmcache:{name}" and one.labels["worker_id"] == str(worker_id):
                return float(one.value)
    raise AssertionError(f"no {name} in /metrics")


def test_reset_sets_counters_to_zero(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,48")
    client.post("/cache/retrieve?tokens_mock=0,64")
    names = ("num_stored_tokens_total", "num_hit_tokens_total", "retrieve_hit_rate", "time_to_store_count")
    assert [sample(client, name) for name in names] == [48, 48, 0.75, 1]
    response = client.post("/metrics/reset")
    assert (response.status_code, response.content_type) == (200, "text/plain; charset=utf-8")
    assert response.text == "ok"
    assert [sample(client, name) for name in names] == [0, 0, 0, 0]
    client.post("/cache/store?tokens_mock=100,132")
    assert sample(client, "num_stored_tokens_total") == 32


def test_reset_keeps_cache_and_gauges(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,48")
    client.post("/metrics/reset")
    assert sample(client, "local_cpu_hot_cache_count") == 3
    assert client.post("/cache/retrieve?tokens_mock=0,48").get_json()["num_retrieved"] == 48


def test_reset_keeps_counters_of_other_engines(client: FlaskClient) -> None:
    with make_manager(worker_id=1) as other:
        other.require_engine().store(range(48))
        client.post("/metrics/reset")
        assert sample(client, "num_stored_tokens_total", worker_id=1) == 48


def test_reset_keeps_other_metrics(client: FlaskClient) -> None:
    counter = Counter("not_lmcaches", "Somebody else's")
    try:
        counter.inc(3)
        client.post("/metrics/reset")
        assert "not_lmcaches_total 3.0" in client.get("/metrics").text
    finally:
        REGISTRY.unregister(counter)


def test_reset_on_scheduler_is_a_noop(scheduler: EmbeddedManager) -> None:
    response = create_app(scheduler).test_client().post("/metrics/reset")
    assert (response.status_code, response.text) == (200, "ok")


def test_missing_adapter_gets_503() -> None:
    assert create_app(None).test_client().post("/metrics/reset").status_code == 503


_IN_MULTIPROCESS_MODE = """
from tests.support import make_manager
from lmcache_internal import create_app

with make_manager() as manager:
    client = create_app(manager).test_client()
    client.post("/cache/store?tokens_mock=0,48")
    for accept in ("", "application/openmetrics-text"):
        response = client.get("/metrics", headers={"Accept": accept})
        assert response.status_code == 200
        assert "lmcache:num_stored_tokens_total" in response.text
    response = client.post("/metrics/reset")
    print(response.status_code, response.get_json()["message"])
"""


def run_in_multiprocess_mode(directory: Path) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": str(directory)}
    command = [sys.executable, "-c", _IN_MULTIPROCESS_MODE]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_in_multiprocess_mode_a_reset_says_why_it_cannot_be(tmp_path: Path) -> None:
    run = run_in_multiprocess_mode(tmp_path / "not" / "there")
    assert run.stdout.startswith("501 The metrics cannot be reset: PROMETHEUS_MULTIPROC_DIR is set"), run.stderr
    assert list((tmp_path / "not" / "there").glob("counter_*.db"))


def test_a_directory_that_cannot_be_made_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    last = run_in_multiprocess_mode(tmp_path / "file" / "below").stderr.splitlines()[-1]
    variable = f"PROMETHEUS_MULTIPROC_DIR={str(tmp_path / 'file' / 'below')!r}"
    assert last.endswith(f"{variable}: the directory cannot be created: Not a directory")
