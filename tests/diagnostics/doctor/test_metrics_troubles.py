"""The troubles of the group `metrics`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY, Counter
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from lmcache_internal import create_app
from lmcache_internal.cli.doctor_facts import PROMETHEUS_ACCEPTS
from lmcache_internal.diagnostics.doctor import facts
from tests.cli.serving import TINY, config_file, run, served
from tests.cli.test_hostile import Reply, lying
from tests.diagnostics.doctor.diagnosis import by_code, found, in_fleet, report
from tests.support import free_port, make_manager

LABELS = ("model_name", "worker_id", "role")


@contextmanager
def counters(**values: float) -> Iterator[None]:
    """Counters of worker 0 that LMCache has inside vLLM."""
    made = [Counter(f"lmcache:{name}", name, LABELS) for name in values]
    try:
        for counter, value in zip(made, values.values(), strict=True):
            counter.labels("test-model", "0", "worker").inc(value)
        yield
    finally:
        for counter in made:
            REGISTRY.unregister(counter)


@pytest.mark.parametrize(
    ("in_vllm", "prompts", "is_found"), [(9000, 10_000, True), (4000, 10_000, False), (90, 100, False)]
)
def test_hits_of_vllms_own_prefix_cache(in_vllm: int, prompts: int, is_found: bool) -> None:
    with make_manager() as manager, counters(num_vllm_hit_tokens=in_vllm, num_prompt_tokens=prompts):
        finding = found(manager).get("vllm-prefix-cache-hits")
        assert (finding is not None) == is_found
        if finding:
            assert finding["severity"] == "notice"
            manager.require_engine().metrics.count("num_hit_tokens", 1000)
            assert "vllm-prefix-cache-hits" not in found(manager)


def test_without_these_counters_the_rule_is_not_checked() -> None:
    with make_manager() as manager:
        entries = {entry["code"]: entry["why"] for entry in report(create_app(manager))["not_checked"]}
    assert "num_vllm_hit_tokens" in entries["vllm-prefix-cache-hits"]


def test_a_collector_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "COLLECT_SECONDS", 0.3)
    released = threading.Event()

    class Hanging(Collector):
        def collect(self) -> Iterator[Metric]:
            released.wait(20)
            return iter(())

        def describe(self) -> list[Metric]:
            return []

    hanging = Hanging()
    REGISTRY.register(hanging)
    try:
        with make_manager() as manager:
            finding = found(manager)["scrape-slow"]
            released.set()
    finally:
        released.set()
        REGISTRY.unregister(hanging)
    assert "a collector did not respond within 0.3 s" in finding["message"]


@pytest.mark.parametrize("renames", [True, False])
def test_names_that_turn_to_underscores(renames: bool) -> None:
    """prometheus_client itself, as LMCache's own server uses it; and an older version of ours."""

    def forge(reply: Reply, path: str) -> Reply:
        if path.startswith(("/doctor", "/healthz")):
            return 404, b'{"detail":"Not Found"}'
        if path.startswith("/metrics") and renames:
            return 200, generate_latest(REGISTRY)  # type: ignore[no-untyped-call]
        return reply

    with make_manager() as manager, lying(create_app(manager).test_client(), forge) as url:
        manager.require_engine().store(list(range(32)))
        result = run("doctor", "--url", url)
    assert ("WARNING  metric-names-differ" in result.stdout) == renames


def test_this_server_never_renames_metrics() -> None:
    with make_manager() as manager:
        manager.require_engine().store(list(range(32)))
        text = create_app(manager).test_client().get("/metrics", headers={"Accept": PROMETHEUS_ACCEPTS}).text
        assert found(manager) == {}
    assert "lmcache:num_stored_tokens_total{" in text
    assert "lmcache_num" not in text


@pytest.mark.parametrize("in_files", [True, False])
def test_metrics_in_files_beside_vllm(tmp_path: Path, in_files: bool) -> None:
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "metrics")} if in_files else {}
    port = free_port(2)
    with served("--config", str(config_file(tmp_path, port)), *TINY, **variables):
        response = httpx.get(f"http://127.0.0.1:{port + 1}/doctor").json()
    assert response["facts"]["server"]["metrics_in_files"] == in_files
    assert "metrics-in-files" not in by_code(response)  # Without vLLM, nothing else shows them.
    rank: dict[str, Any] = response["facts"]
    rank["versions"]["vllm"] = "0.32.0"
    other = {**rank, "rank": {"role": "worker", "worker_id": 1}}
    assert ("metrics-in-files" in in_fleet([rank, other])) == in_files
