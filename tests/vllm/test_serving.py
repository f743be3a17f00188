"""A scheduler and two workers of vLLM, each with this server."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import ROOT, eventually, upload
from tests.vllm.deployment import CHUNK, Deployment

WORKERS = 2
RANKS = range(1 + WORKERS)
PROMPT = " ".join(f"the quick brown fox jumps over the lazy dog number {number}" for number in range(60))
MIN_TOKENS = 4 * CHUNK
"""Minimum number of tokens in complete chunks of the prompt."""


@pytest.fixture(scope="module")
def vllm(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with Deployment(tmp_path_factory.mktemp("vllm"), model, workers=WORKERS) as deployment:
        yield deployment


@dataclass(frozen=True)
class Prompted:
    """The results of the same prompt sent twice.

    Attributes:
        texts: the completions.
        stored: for each worker, the checksums of the slots after the first prompt was stored.
        retrieved: for each worker, the checksums of the slots after the second prompt was retrieved.
    """

    texts: list[str]
    stored: list[list[str]]
    retrieved: list[list[str]]


@pytest.fixture(scope="module")
def prompted(vllm: Deployment) -> Prompted:
    def checksums(operation: str) -> list[list[str]]:
        path = f"/cache/kvcache/check?slot_mapping={vllm.slots(operation)}&chunk_size={CHUNK}"
        return [vllm.get(index, path)["chunk_checksums"] for index in RANKS[1:]]

    for index in RANKS[1:]:
        assert vllm.metric(index, "lmcache:num_hit_tokens_total") == 0
        recorded = vllm.get(index, "/cache/kvcache/record_slot?enabled=true", method="POST")
        assert recorded["kvcache_check_log_enabled"] is True
    first = vllm.complete(PROMPT)
    stored = checksums("store")
    second = vllm.complete(PROMPT)
    return Prompted([first, second], stored, checksums("retrieve"))


@pytest.mark.parametrize("index", RANKS)
class TestEveryRank:
    def test_the_server_is_this_one(self, vllm: Deployment, index: int) -> None:
        assert "lmcache-internal" in vllm.get(index, "/openapi.json")["info"]["title"]

    def test_it_is_healthy(self, vllm: Deployment, index: int) -> None:
        for path in ("/livez", "/readyz", "/healthz"):
            assert vllm.ask(index, path) == (200, "ok")

    def test_it_reports_the_vllm_version(self, vllm: Deployment, index: int) -> None:
        version = vllm.get(index, "/inference_info")["vllm_version"]
        assert version.startswith("0.32.0")
        assert vllm.get(index, "/inference_version") == {"vllm_version": version}

    def test_no_get_request_fails(self, vllm: Deployment, index: int) -> None:
        paths = vllm.get(index, "/openapi.json")["paths"]
        statuses = {path: vllm.ask(index, path)[0] for path, methods in paths.items() if "get" in methods}
        # A scheduler has no engine, and there is no controller.
        fails = {path for path, status in statuses.items() if status >= 500 and status != 503}
        assert fails == set()
        assert len(statuses) > 30
        if index:
            assert {path.split("/")[1] for path, status in statuses.items() if status == 503} <= {
                "controller",
                "chunk_statistics",
            }


class TestKVCache:
    def test_the_second_prompt_is_served_from_the_cache(self, vllm: Deployment, prompted: Prompted) -> None:
        assert prompted.texts[0] == prompted.texts[1]

        # LMCache updates its metrics every 10 seconds.
        for index in RANKS[1:]:
            for name in ("lmcache:num_stored_tokens_total", "lmcache:num_hit_tokens_total"):
                assert eventually(lambda: vllm.metric(index, name) >= MIN_TOKENS), (index, name)  # noqa: B023

    def test_retrieved_chunks_equal_stored_chunks(self, prompted: Prompted) -> None:
        assert prompted.retrieved == prompted.stored

    def test_each_chunk_of_each_worker_has_a_different_checksum(self, prompted: Prompted) -> None:
        found = [checksum for worker in prompted.stored for checksum in worker]
        assert len(set(found)) == len(found) >= WORKERS * MIN_TOKENS // CHUNK

    def test_the_layers_have_the_documented_layout(self, vllm: Deployment) -> None:
        for index in RANKS[1:]:
            block_size = vllm.get(index, "/inference_info")["cache_config"]["block_size"]
            layers = vllm.get(index, "/cache/kvcache/info")["layers"]
            assert len(layers) == 2
            for layer in layers.values():
                assert layer["shape"][1:] == [4 // WORKERS, block_size, 2 * 64]


def test_vllm_has_its_own_metrics_and_the_workers_have_lmcaches(vllm: Deployment) -> None:
    assert re.search("^vllm:", vllm.vllm_metrics(), re.MULTILINE)
    for index in RANKS[1:]:
        assert re.search("^lmcache:", vllm.ask(index, "/metrics")[1], re.MULTILINE)


def test_the_script_of_the_documentation_runs_in_each_worker(vllm: Deployment, prompted: Prompted) -> None:
    assert prompted
    body, headers = upload((ROOT / "examples" / "scratch.py").read_bytes())
    for index in RANKS[1:]:
        shape = (2, 2, CHUNK, 4 // WORKERS, 64)
        expected = {"is_first_rank": index == 1, "model_version": shape, "LocalCPUBackend.use_hot": True}
        assert vllm.ask(index, "/run_script", "POST", body, headers) == (200, str(expected))
        assert f"Worker ID: {index - 1}\n" in vllm.log()


def test_changes_are_audited_in_vllms_log(vllm: Deployment, prompted: Prompted) -> None:
    assert prompted
    lines = [line for line in vllm.log().splitlines() if "lmcache_internal.audit" in line]
    assert sum("/cache/kvcache/record_slot" in line for line in lines) == WORKERS


def test_the_start_is_in_vllms_log(vllm: Deployment) -> None:
    for port in vllm.ports:
        assert f"127.0.0.1:{port}" in vllm.log()


class TestCommand:
    def test_status_shows_each_rank(self, vllm: Deployment, prompted: Prompted) -> None:
        assert prompted
        rows = json.loads(vllm.command("status", "--json"))
        assert [row["role"] for row in rows] == ["scheduler", "worker 0", "worker 1"]
        assert all(row["ok"] and row["data"]["healthy"] for row in rows)

    def test_top_shows_requests(self, vllm: Deployment, prompted: Prompted) -> None:
        assert prompted
        rows = json.loads(vllm.command("top", "--count", "1", "--json"))
        assert all(row["ok"] for row in rows)
        assert all(row["data"]["usage_bytes"] > 0 for row in rows[1:])

    def test_bundle_holds_each_rank(self, vllm: Deployment, tmp_path: Path) -> None:
        bundle = tmp_path / "bundle.zip"
        vllm.command("bundle", "-o", str(bundle))
        with zipfile.ZipFile(bundle) as archive:
            servers = json.loads(archive.read("manifest.json"))["servers"]
            assert {name: set(server["missing"]) for name, server in servers.items()} == {
                "scheduler": {"backends.json", "bypass.json"},
                "worker-0": set(),
                "worker-1": set(),
            }
            assert "vllm" in archive.read("worker-1/threads.txt").decode()
