"""The troubles of the group `mode`: each engine is brought into the state, and the healthy one has none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.diagnostics.doctor import Rank
from lmcache_internal.diagnostics.doctor.catalogue import troubles
from lmcache_internal.diagnostics.doctor.examination import examine
from lmcache_internal.engine.embedded.local_cpu import GIB
from lmcache_internal.errors import CallTimedOut
from lmcache_internal.limits.timeouts import Call, call_within, clock, stuck_calls
from tests.diagnostics.doctor.diagnosis import by_code, found, report
from tests.mp_support import mp_manager
from tests.support import CHUNK, eventually, make_manager

CPU, DISK, REMOTE = "LocalCPUBackend", "LocalDiskBackend", "RemoteBackend"
VLLM = {"vllm_version": "0.32.0"}
CHUNK_BYTES = 2 * 2 * CHUNK * 2 * 4 * 2
"""Of the small model of the tests, in float16."""


@pytest.fixture
def worker() -> Iterator[EmbeddedManager]:
    with make_manager() as manager:
        yield manager


def prompt(number: int, chunks: int = 1) -> list[int]:
    """Return tokens that no other number has."""
    return list(range(number * 10_000, number * 10_000 + chunks * CHUNK))


def use(manager: EmbeddedManager, requests: int = 40) -> None:
    """Send requests of two chunks, each twice."""
    engine = manager.require_engine()
    for number in range(requests):
        for _ in range(2):
            engine.lookup(prompt(number, 2))
            engine.retrieve(prompt(number, 2))
            engine.store(prompt(number, 2))


def test_a_healthy_rank_in_traffic_has_no_finding_and_all_rules_of_the_mode_ran() -> None:
    for role in ("worker", "scheduler"):
        with make_manager(role) as manager:
            if role == "worker":
                use(manager)
            response = report(create_app(manager))
        assert response["findings"] == []
        in_mode = {code for code, each in troubles().items() if each.group == "mode" and role in each.roles}
        expected = in_mode - {"lookup-server-missing"}  # The embedded engine is not part of vLLM.
        assert expected <= {*response["checked"]}


def test_calls_that_do_not_return_are_found_and_the_oldest_is_named(worker: EmbeddedManager) -> None:
    released, before = threading.Event(), time.time()
    for name in ("close the backend", "list backends"):
        with pytest.raises(CallTimedOut):
            call_within(name, released.wait, 0.01)
    try:
        assert "calls-stuck" not in found(worker)  # They may only be slow.
        for age, call in zip((60, 30), stuck_calls.running(), strict=True):
            assert isinstance(call, Call)
            call.started = before - age
        finding = found(worker)["calls-stuck"]
    finally:
        released.set()
        assert eventually(lambda: not stuck_calls.running())
    assert (finding["severity"], finding["message"]) == ("error", "The call to close the backend does not return.")
    assert finding["evidence"] == {
        "since": clock(before - 60),
        "other calls that do not return": {"list backends": clock(before - 30)},
    }
    assert "calls-stuck" not in found(worker)


def test_an_mp_server_has_no_finding(tmp_path: Path) -> None:
    with mp_manager(tmp_path) as manager:
        response = report(create_app(manager))
        assert response["findings"] == []
        assert {"drained", "engine-unhealthy"} <= {*response["checked"]}
        assert response["facts"]["not_collected"] == {}


def test_frozen(worker: EmbeddedManager) -> None:
    app = create_app(worker)
    app.test_client().put("/freeze/enable")
    finding = by_code(report(app))["frozen"]
    assert finding["severity"] == "warning"
    assert finding["evidence"]["by"] != "unknown"


@pytest.mark.parametrize(("with_disk", "severity"), [(True, "warning"), (False, "error")])
def test_bypassed(tmp_path: Path, with_disk: bool, severity: str) -> None:
    disk: dict[str, Any] = {"local_disk": str(tmp_path), "max_local_disk_size": 0.1} if with_disk else {}
    with make_manager(**disk) as manager:
        assert manager.lmcache_engine is not None
        manager.lmcache_engine.storage_manager.set_backend_bypass(CPU, True)
        finding = found(manager)["bypassed"]
    assert finding["severity"] == severity
    assert finding["evidence"]["backends that store"] == [DISK] * with_disk


def test_hot_cache_switched_off(worker: EmbeddedManager) -> None:
    worker.require_engine().set_hot_cache(False)
    assert found(worker)["hot-cache-off"]["severity"] == "warning"


@pytest.mark.parametrize("with_disk", [True, False])
def test_hot_cache_off_in_the_configuration_is_a_trouble_only_without_another_backend(
    tmp_path: Path, with_disk: bool
) -> None:
    disk: dict[str, Any] = {"local_disk": str(tmp_path), "max_local_disk_size": 0.1} if with_disk else {}
    with make_manager(local_cpu=False, **disk) as manager:
        finding = found(manager).get("hot-cache-off")
    assert (finding is None) == with_disk
    assert with_disk or (finding and finding["severity"] == "error")


def test_closed_backend_and_no_backend(worker: EmbeddedManager) -> None:
    app = create_app(worker)
    app.test_client().delete(f"/backends/{CPU}")
    findings = by_code(report(app))
    assert findings["backend-closed"]["evidence"]["backend"] == CPU
    assert findings["no-backend"]["severity"] == "error"
    assert findings["engine-unhealthy"]["severity"] == "error"


@pytest.mark.parametrize("role", ["worker", "scheduler"])
def test_drained(role: str) -> None:
    with make_manager(role) as manager:
        app = create_app(manager)
        app.test_client().post("/admin/drain?reason=new+disk&seconds=600")
        finding = by_code(report(app))["drained"]
    assert finding["severity"] == "notice"
    assert finding["evidence"]["reason"] == "new disk"


def test_remote_unreachable() -> None:
    with make_manager(extra_config={"embedded_simulated_remote_size": 0.1}) as manager:
        backend = manager.require_engine().storage_manager.storage_backends[REMOTE]
        backend._sleep = lambda _: None  # type: ignore[union-attr]
        assert "remote-unreachable" not in found(manager)
        use(manager, 161)
        finding = found(manager).get("remote-unreachable")
        assert (finding is None) == (backend.outage is None)  # type: ignore[union-attr]
        for number in range(200, 400):
            manager.require_engine().store(prompt(number))
            if backend.outage:  # type: ignore[union-attr]
                break
        assert found(manager)["remote-unreachable"]["evidence"]["backend"] == REMOTE


def test_scheduler_without_lookup_client() -> None:
    with make_manager("scheduler") as manager:
        assert found(manager) == {}
        manager.close_lookup_client()
        assert found(manager)["lookup-client-missing"]["severity"] == "error"


def test_worker_without_lookup_server(worker: EmbeddedManager, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.close_lookup_server()
    assert "lookup-server-missing" not in found(worker)  # Only vLLM's scheduler looks tokens up.
    monkeypatch.setattr(worker, "get_inference_info", lambda: VLLM)
    assert found(worker)["lookup-server-missing"]["evidence"]["worker"] == 0
    worker.create_lookup_server()
    assert "lookup-server-missing" not in found(worker)


@pytest.mark.parametrize(
    ("worker_id", "values"),
    [(0, {"external_lookup_client": "mooncakestore://x"}), (1, {"lookup_server_worker_ids": [0]})],
)
def test_a_worker_that_needs_no_lookup_server(
    worker_id: int, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_manager(worker_id=worker_id, **values) as manager:
        monkeypatch.setattr(manager, "get_inference_info", lambda: VLLM)
        manager.close_lookup_server()
        assert "lookup-server-missing" not in found(manager)


@pytest.mark.parametrize(("least", "is_found"), [(1000, True), (CHUNK, False)])
def test_min_retrieve_tokens_above_what_is_cached(least: int, is_found: bool) -> None:
    with make_manager(min_retrieve_tokens=least) as manager:
        use(manager)
        assert ("below-min-retrieve-tokens" in found(manager)) == is_found


def test_tokens_that_vllm_has_are_not_below_min_retrieve_tokens() -> None:
    with make_manager(min_retrieve_tokens=1000) as manager:
        use(manager)
        facts = report(create_app(manager))["facts"]
    facts["metrics"]["lmcache:num_vllm_hit_tokens_total"] = 640.0
    assert "below-min-retrieve-tokens" not in {each.code for each in examine([Rank("worker 0", facts)]).findings}


def test_pins_that_are_not_released(worker: EmbeddedManager) -> None:
    engine = worker.require_engine()
    engine.store(prompt(1))
    engine.lookup(prompt(1), "request", pin=True)
    engine.check_pins()
    assert "pins-expired" not in found(worker)
    worker.config.pin_timeout_sec = 0
    engine.check_pins()
    assert found(worker)["pins-expired"]["evidence"]["pins dropped"] == 1


@pytest.mark.parametrize(("chunks", "is_found"), [(4, True), (1000, False)])
def test_eviction_storm(chunks: int, is_found: bool) -> None:
    with make_manager(max_local_cpu_size=chunks * CHUNK_BYTES / GIB) as manager:
        for number in range(500):
            manager.require_engine().store(prompt(number))
        finding = found(manager).get("eviction-storm")
    assert (finding is not None) == is_found
    if finding:
        assert finding["severity"] == "warning"
        assert finding["evidence"]["evicted chunks"] == 496
        assert finding["evidence"]["chunks in memory"] == 4


@pytest.mark.parametrize("refilled", [0, 1])
def test_evictions_before_the_memory_was_cleared_are_no_storm(refilled: int) -> None:
    with make_manager(max_local_cpu_size=4 * CHUNK_BYTES / GIB) as manager:
        engine = manager.require_engine()
        for number in range(500):
            engine.store(prompt(number))
        engine.clear()
        for number in range(refilled):
            engine.store(prompt(number))
        assert "eviction-storm" not in found(manager)


def test_evictions_from_the_memory_are_a_notice_if_a_disk_has_the_chunks(tmp_path: Path) -> None:
    size = 4 * CHUNK_BYTES / GIB
    with make_manager(max_local_cpu_size=size, local_disk=str(tmp_path), max_local_disk_size=0.1) as manager:
        for number in range(500):
            manager.require_engine().store(prompt(number))
        finding = found(manager)["eviction-storm"]
    assert finding["severity"] == "notice"
    assert finding["evidence"]["other backends"] == [DISK]


@pytest.mark.parametrize(
    ("chunks", "is_found", "says"),
    [(0.5, True, "0 tokens, and one chunk needs more"), (2, True, "32 tokens, and a request has 48"), (3, False, "")],
)
def test_memory_below_what_a_request_needs(chunks: float, is_found: bool, says: str) -> None:
    with make_manager(max_local_cpu_size=chunks * CHUNK_BYTES / GIB) as manager:
        for number in range(25):
            manager.require_engine().lookup(prompt(number, 3))
        finding = found(manager).get("memory-too-small")
    assert (finding is not None) == is_found
    assert finding is None or says in finding["message"]
