"""Which workers an MP engine has, which are idle, and which it has removed as silent."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from lmcache_internal import create_app
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from lmcache_internal.engine.embedded_mp.workers import Worker
from lmcache_internal.engine.mp.runtime import WorkerState
from lmcache_internal.engine.mp.worker_states import states_of
from lmcache_internal.engine.mp.worker_watch import MOST_MISSING, WorkerWatch
from tests.support import eventually


@pytest.mark.parametrize(
    ("silent", "limit", "idle"),
    [(None, 120, False), (59, 120, False), (60, 120, True), (500, 120, True), (500, 0, False)],
)
def test_a_worker_is_idle_from_half_of_its_limit_on(silent: float | None, limit: float, idle: bool) -> None:
    assert WorkerState(1, silent, limit).is_idle is idle


class Engine:
    """The workers and the scans of an engine, set by the test."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.runs, self.message = 0, "reaped=0"

    def workers(self) -> list[WorkerState]:
        return [WorkerState(each) for each in self.ids]

    def periodic_threads(self) -> list[dict[str, Any]]:
        summary = {"message": self.message} if self.runs else None
        return [{"name": "worker-reaper", "interval": 30.0, "total_runs": self.runs, "last_summary": summary}]

    def scan(self, removed: int) -> None:
        self.runs, self.message = self.runs + 1, f"reaped={removed}"


def watched(engine: Engine, *ids: int) -> WorkerWatch:
    watch = WorkerWatch(engine)  # type: ignore[arg-type]  # What it uses of a runtime.
    engine.ids = list(ids)
    watch.sample()
    return watch


def test_a_worker_that_unregisters_is_not_counted() -> None:
    engine = Engine()
    watch = watched(engine, 1, 2)
    engine.ids = [2]
    engine.scan(0)
    watch.sample()
    assert (watch.counts.removed, watch.counts.missing) == (0, ())


@pytest.mark.parametrize("samples_between", [0, 1, 3])
def test_a_removed_worker_is_named_even_when_the_scan_is_reported_later(samples_between: int) -> None:
    engine = Engine()
    watch = watched(engine, 1, 2)
    engine.ids = [2]
    for _ in range(samples_between):
        watch.sample()
    engine.scan(1)
    for _ in range(3):
        watch.sample()
    assert watch.counts.removed == 1
    assert [number for number, _ in watch.counts.missing] == [1]
    engine.ids = [2, 1]
    watch.sample()
    assert (watch.counts.removed, watch.counts.missing) == (1, ())


def test_the_names_of_removed_workers_are_bounded() -> None:
    engine = Engine()
    watch = watched(engine)
    for number in range(MOST_MISSING + 10):
        engine.ids = [number]
        watch.sample()
        engine.ids = []
        engine.scan(1)
        watch.sample()
    assert watch.counts.removed == MOST_MISSING + 10
    assert len(watch.counts.missing) == MOST_MISSING


def test_an_engine_that_raises_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    watch = watched(engine, 1)
    monkeypatch.setattr("lmcache_internal.engine.mp.worker_watch.MOST_SECONDS", 0.01)
    monkeypatch.setattr(engine, "workers", lambda: 1 / 0)
    watch.start()
    time.sleep(0.1)
    monkeypatch.undo()
    engine.ids = [1, 2]
    try:
        assert eventually(lambda: len(watch.counts.registered) == 2)
    finally:
        watch.stop()


def remove_silent_workers(manager: EmbeddedMPManager) -> None:
    """Remove all workers as silent, as the thread of the engine does, and let the watch see it."""
    (reaper,) = (thread for thread in manager.engine.periodic_threads if "reaper" in thread.name)
    assert eventually(lambda: reaper.total_runs == 1)
    manager.worker_watch.sample()
    manager.engine.reap_seconds = 0.0
    reaper._run_once()
    manager.worker_watch.sample()
    manager.engine.reap_seconds = 1000.0


def test_a_removed_worker_warns_until_it_registers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmcache_internal.diagnostics.health.FRESH_SECONDS", 0.1)
    with EmbeddedMPManager(reap_seconds=1000.0) as manager:
        client = create_app(manager).test_client()
        manager.engine.register_worker(7, Worker("m"))
        assert client.get("/healthz/workers").status_code == 200
        remove_silent_workers(manager)
        assert eventually(lambda: client.get("/healthz/workers").status_code == 503)
        assert client.get("/readyz").status_code == 200
        response = client.get("/healthz/workers?verbose")
        assert response.status_code == 503
        assert "0 registered, 0 idle, 1 removed as silent; not registered again: 7 since 20" in response.text
        metrics = client.get("/metrics").text
        assert "lmcache_internal:mp_workers_removed_total 1.0" in metrics
        assert "lmcache_internal:mp_workers_missing 1.0" in metrics
        manager.engine.register_worker(7, Worker("m"))
        manager.worker_watch.sample()
        assert eventually(lambda: client.get("/healthz/workers").status_code == 200)
        assert "lmcache_internal:mp_workers_missing 0.0" in client.get("/metrics").text
        assert "lmcache_internal:mp_workers_removed_total 1.0" in client.get("/metrics").text


def test_the_warning_of_a_worker_that_never_returns_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmcache_internal.diagnostics.mp_checks.MISSING_SECONDS", 0.0)
    with EmbeddedMPManager(reap_seconds=1000.0) as manager:
        client = create_app(manager).test_client()
        manager.engine.register_worker(7, Worker("m"))
        remove_silent_workers(manager)
        response = client.get("/healthz/workers?verbose")
        assert response.status_code == 200
        assert "not registered again: 7" in response.text


def entry(silent: float, pinged: bool) -> Any:
    return SimpleNamespace(last_seen=time.monotonic() - silent, has_liveness_signal=pinged)


def test_the_limit_of_a_worker_of_lmcache_depends_on_its_pings() -> None:
    modules = [
        SimpleNamespace(),
        SimpleNamespace(_cache_contexts={1: entry(100, True), 2: entry(100, False)}),
        SimpleNamespace(_engine_driven_contexts={3: entry(10, True)}),
    ]
    config = SimpleNamespace(worker_reap_timeout_seconds=120.0, worker_registration_grace_seconds=3600.0)
    found = states_of(SimpleNamespace(_modules=modules), config)
    assert [(each.instance_id, each.limit, each.is_idle) for each in found] == [
        (1, 120.0, True),
        (2, 3600.0, False),
        (3, 120.0, False),
    ]


@pytest.mark.parametrize("modules", [[], [SimpleNamespace(_cache_contexts={1: object()})]])
def test_without_the_times_of_messages_the_workers_are_counted(modules: list[Any]) -> None:
    status = {"registered_gpu_ids": [1], "registered_non_cuda_instance_ids": [2]}
    engine = SimpleNamespace(_modules=modules, report_status=lambda: status)
    assert [(each.instance_id, each.silent) for each in states_of(engine, SimpleNamespace())] == [(1, None), (2, None)]
