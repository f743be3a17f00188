"""The simulated traffic: the same requests for the same seed, with hits, misses, evictions and failures."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest
from prometheus_client import REGISTRY

from lmcache_internal import EmbeddedConfig
from lmcache_internal.engine.embedded import links
from lmcache_internal.engine.embedded.chunks import ChunkKey
from lmcache_internal.engine.embedded.deployment import Deployment, fill
from lmcache_internal.engine.embedded.links import WorkerLink, serve_link
from lmcache_internal.engine.embedded.simulated_remote import SimulatedRemoteBackend
from lmcache_internal.engine.embedded.traffic import prompts, start_traffic
from tests.support import CHUNK, SHAPE, eventually, make_manager

Links = tuple[WorkerLink, Connection]


def deployment(**values: object) -> Deployment:
    return Deployment(lambda: EmbeddedConfig({"chunk_size": CHUNK}), kv_shape=SHAPE, memory=1, **values)  # type: ignore[arg-type]


def key(number: int) -> ChunkKey:
    return ChunkKey("m", 1, 0, str(number))


@pytest.fixture
def link() -> Iterator[Links]:
    """A link and the worker's end of the pipe."""
    scheduler, worker = Pipe()
    yield WorkerLink(scheduler), worker
    scheduler.close()
    worker.close()


class TestPrompts:
    def test_prompts_depend_on_the_seed(self) -> None:
        first, again, other = (list(islice(prompts(seed, CHUNK), 50)) for seed in (1, 1, 2))
        assert first == again
        assert first != other

    def test_prompts_are_complete_chunks_and_some_continue_others(self) -> None:
        found = list(islice(prompts(0, CHUNK), 200))
        assert {len(prompt) % CHUNK for prompt in found} == {0}
        assert {len(prompt) // CHUNK for prompt in found} == {3, 4, 5, 6}
        earlier = {tuple(prompt) for prompt in found}
        continued = sum(tuple(prompt[:-CHUNK]) in earlier for prompt in found)
        assert 60 < continued < 140


class TestRemote:
    def test_each_25th_call_is_slow_and_the_last_40_of_200_fail(self) -> None:
        waits: list[float] = []
        backend = SimulatedRemoteBackend(1.0, waits.append)
        kept = [backend.put(key(number), b"data") for number in range(200)]
        assert kept == [True] * 160 + [False] * 40
        assert (backend.failed_writes, len(backend)) == (40, 160)
        assert [number for number, seconds in enumerate(waits, 1) if seconds > 0.1] == list(range(25, 201, 25))
        assert backend.get(key(0)) == b"data"

    def test_misses_take_no_time_and_failed_reads_are_counted(self) -> None:
        waits: list[float] = []
        backend = SimulatedRemoteBackend(1.0, waits.append)
        backend.put(key(0), b"data")
        assert backend.get(key(1)) is None
        assert len(waits) == 1
        found = [backend.get(key(0)) for _ in range(199)]
        assert found == [b"data"] * 159 + [None] * 40
        assert (backend.failed_reads, backend.outage) == (40, None)

    def test_an_outage_is_reported_and_failures_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lmcache_internal.engine.embedded.simulated_remote._SECONDS", 0)
        monkeypatch.setattr("lmcache_internal.engine.embedded.simulated_remote._SLOW_SECONDS", 0)
        with deployment(remote=True).manager(1) as manager:
            engine = manager.require_engine()
            assert list(engine.storage_manager.storage_backends) == ["LocalCPUBackend", "RemoteBackend"]
            assert manager.runtime.unreachable_backends() == {}
            engine.store(list(range(160 * CHUNK)))
            assert manager.runtime.unreachable_backends() == {"RemoteBackend": "a simulated outage, for 40 more calls"}
            engine.store(list(range(-7 * CHUNK, 0)))
            labels = {"model_name": "example-model", "worker_id": "0", "role": "worker", "served_model_name": ""}
            assert REGISTRY.get_sample_value("lmcache:put_failed_count", labels) == 7


class TestLinks:
    def test_lookups_and_requests_reach_the_worker(self, link: Links) -> None:
        with make_manager() as manager:
            serve_link(link[1], manager.require_engine())
            tokens = list(range(2 * CHUNK))
            assert link[0].lookup(tokens) == 0
            link[0].run(tokens)
            assert link[0].lookup([*tokens, *tokens]) == 2 * CHUNK

    def test_a_lookup_in_a_closed_worker_finds_nothing(self, link: Links) -> None:
        link[1].close()
        link[0].run([1])
        assert link[0].lookup([1]) == 0

    def test_a_worker_that_hangs_is_used_again_after_its_response(
        self, link: Links, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(links, "RESPONSE_SECONDS", 0.05)
        for _ in range(40):  # 25 kB each: if they filled the pipe, this test would hang.
            assert link[0].lookup(list(range(5000))) == 0
            monkeypatch.setattr(links, "RESPONSE_SECONDS", 0.0001)
        tokens = list(range(CHUNK))
        monkeypatch.setattr(links, "RESPONSE_SECONDS", 5.0)
        with make_manager() as manager:
            manager.require_engine().store(tokens)
            serve_link(link[1], manager.require_engine())
            assert link[0].lookup(tokens) == CHUNK

    def test_a_failure_in_the_engine_is_logged_and_the_next_call_is_served(
        self, link: Links, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        with make_manager() as manager:
            engine = manager.require_engine()
            serve_link(link[1], engine)
            with monkeypatch.context() as broken:
                broken.setattr(engine.storage_manager, "contains", None)
                assert link[0].lookup(list(range(CHUNK))) == 0
            assert "A lookup of 16 tokens failed" in caplog.text
            engine.store(list(range(CHUNK)))
            assert link[0].lookup(list(range(CHUNK))) == CHUNK


def test_traffic_causes_hits_misses_and_evictions(link: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmcache_internal.engine.embedded.traffic.INTERVAL_SECONDS", 0.001)
    monkeypatch.setattr("lmcache_internal.engine.embedded.simulated_remote._SECONDS", 0)
    monkeypatch.setattr("lmcache_internal.engine.embedded.simulated_remote._SLOW_SECONDS", 0)
    shape = (2, 2, CHUNK, 8, 64)  # 64 KiB per chunk: the hot cache has room for 10 chunks.
    made = Deployment(lambda: EmbeddedConfig({"chunk_size": CHUNK}), kv_shape=shape, memory=2, remote=True)
    with made.manager(1) as worker, made.manager(0, [link[0]]) as scheduler:
        engine = worker.require_engine()
        fill(engine)
        serve_link(link[1], engine)
        thread = start_traffic(scheduler, [link[0]], seed=0)
        assert eventually(lambda: thread.total_runs > 60, 20)
        assert thread.get_status()["failed_runs"] == 0
        assert scheduler.runtime.periodic_threads()[0]["name"] == "traffic"
        cpu = engine.storage_manager.storage_backends["LocalCPUBackend"]
        assert cpu.evictions > 20
        assert 0.2 < engine._totals["hit"] / engine._totals["requested"] < 0.9
    assert not any(each.name == "traffic" for each in threading.enumerate())


def test_buffers_hot_cache_and_remote_backend_fit_into_the_memory_of_a_rank() -> None:
    made = Deployment(lambda: EmbeddedConfig({"chunk_size": 256}), workers=64, remote=True)
    with made.manager(64) as manager:
        metadata = manager.lmcache_engine_metadata
        sizes = manager.config.max_local_cpu_size + manager.config.get_extra_config_value(
            "embedded_simulated_remote_size"
        )
        assert metadata.kv_shape[:4] == (27, 1, 256, 1)
        assert 8 * metadata.chunk_bytes + sizes * (1 << 30) == pytest.approx(4 << 20)
