"""The command line for a fleet of one engine with two HTTP APIs: LMCache's own MP server, and ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from lmcache_internal.cli import main
from tests.support import ROOT, free_port, lmcache_release

if lmcache_release() < (0, 5, 6):
    pytest.skip("the routes are those of LMCache 0.5.6 and later", allow_module_level=True)
pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")

from tests.lmcache.mp_engine import NUM_TOKENS, Served, await_l2, serving, store, worker


@pytest.fixture(scope="module")
def coordinator() -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        sys.executable,
        "-m",
        "lmcache.v1.mp_coordinator",
        "--host",
        "127.0.0.1",
        "--port",
        url.rpartition(":")[2],
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield url
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def served(coordinator: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    options = ["--coordinator-url", coordinator, "--coordinator-advertise-ip", "127.0.0.1"]
    directory = tmp_path_factory.mktemp("mp")
    with serving(directory, "tests.lmcache.mp_serve", *options, ports=2) as process, worker(process) as client:
        store(client)
        await_l2(process)
        yield process


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"LMCACHE_CONFIG_FILE": None, "COLUMNS": "10000"})


def both(served: Served) -> list[str]:
    return ["--url", f"http://127.0.0.1:{served.http}", "--url", f"http://127.0.0.1:{served.http + 1}"]


def data_of(*arguments: str) -> list[Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return [entry["data"] for entry in json.loads(result.stdout)]


def test_status_is_the_same_through_both_apis(served: Served) -> None:
    ours, theirs = data_of("status", *both(served))
    assert ours["health"] == theirs["health"] == "ok"
    assert ours["workers"] == theirs["workers"] == 1
    assert [adapter["type"] for adapter in theirs["adapters"]] == ["FSL2Adapter"]
    assert theirs["usage_limit_bytes"] == 1 << 30
    assert 0 < theirs["usage_bytes"] <= theirs["usage_limit_bytes"]
    assert theirs["l2_usage_bytes"] == theirs["usage_bytes"]
    assert theirs["requested_tokens"] == NUM_TOKENS
    same = ("version", "adapters", "sessions", "usage_bytes", "l2_usage_bytes", "requested_tokens", "requests")
    assert {name: ours[name] for name in same} == {name: theirs[name] for name in same}
    lines = run("status", *both(served)).stdout.splitlines()
    assert [" MP server " in line for line in lines[1:]] == [True, True]


def test_metrics_have_the_address_of_each(served: Served) -> None:
    result = run("metrics", "--name", "lmcache_mp_l1_memory_usage_bytes", *both(served))
    assert result.exit_code == 0
    (family,) = text_string_to_metric_families(result.stdout)
    assert {sample.labels["address"] for sample in family.samples} == set(both(served)) - {"--url"}


def test_bundle_and_threads_have_both(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    assert run("bundle", "-o", str(path), *both(served)).exit_code == 0
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name).decode() for name in archive.namelist()}
    servers = json.loads(found["manifest.json"])["servers"]
    missing = {server["address"]: set(server["missing"]) for server in servers.values()}
    assert list(missing.values()) == [set(), {"health.json", "audit.json"}]
    assert sum(name.endswith("status.json") for name in found) == 2
    assert "mq-server-thread" in run("threads", *both(served)).stdout


def test_conf_quota_and_objects_work_through_both(served: Served) -> None:
    for found in data_of("conf", "get", "mp.chunk_size", *both(served)):
        assert found == {"mp.chunk_size": 256}
    assert run("quota", "set", "alice", "--limit-gb", "0.5", "--all", *both(served)).exit_code == 0
    for found in data_of("quota", *both(served)):
        assert found["users"]["alice"]["limit_gb"] == 0.5
    assert run("quota", "delete", "alice", "--yes", "--all", *both(served)).exit_code == 0
    listed = run("objects", *both(served))
    assert listed.exit_code == 1
    assert listed.stderr.count("does not support listing") == 2
    deleted = run("objects", "delete", "ab" * 32, "--model", "m", "--kv-rank", "0", "--yes", "--all", *both(served))
    assert deleted.exit_code == 0, deleted.output


def test_coordinator_names_the_server(served: Served, coordinator: str) -> None:
    until = time.monotonic() + 30
    while not json.load(urlopen(f"{coordinator}/instances", timeout=5))["instances"]:
        assert time.monotonic() < until
        time.sleep(0.5)
    (entry,) = json.loads(run("status", "--coordinator", coordinator, "--json").stdout)
    assert entry["address"] == f"http://127.0.0.1:{served.http}"
    assert entry["ok"] is True
