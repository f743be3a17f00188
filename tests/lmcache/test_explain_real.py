"""What POST /cache/explain reports of the real engine is what retrieve and lookup then return."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.engine import lmcache_prefix
from lmcache_internal.testing.real_engine import make_scheduler, make_worker
from tests.support import eventually, lmcache_release

CHUNK = 64
CHUNK_GIB = CHUNK * 512 / 2**30
# LMCache 0.4.7 may evict a file that it has not written yet; the write then counts as running forever.
DISK_CHUNKS = 20 if lmcache_release() >= (0, 5) else 1000
CPU, DISK = "LocalCPUBackend", "LocalDiskBackend"


class Engine:
    """A worker, used over HTTP and directly."""

    def __init__(self, **values: Any) -> None:
        self.manager = make_worker("explain", chunk_size=CHUNK, **values)
        self.client: FlaskClient = create_app(self.manager).test_client()
        self.engine = self.manager.lmcache_engine

    def request(self, tokens: list[int], configs: dict[str, Any] | None) -> dict[str, Any]:
        caches = list(self.manager.kv_caches.values())
        slots = torch.arange(len(tokens), dtype=torch.long)
        return {"tokens": tokens, "slot_mapping": slots, "kvcaches": caches, "request_configs": configs}

    def store(self, tokens: list[int], configs: dict[str, Any] | None = None) -> None:
        self.engine.store(req_id="test", **self.request(tokens, configs))
        backends = self.engine.storage_manager.storage_backends
        keys = [key for _, _, key in self.engine.token_database.process_tokens(tokens, request_configs=configs)]
        assert eventually(lambda: not any(each.exists_in_put_tasks(key) for each in backends.values() for key in keys))

    def retrieve(self, tokens: list[int], configs: dict[str, Any] | None = None) -> int:
        return int(self.engine.retrieve(req_id="test", **self.request(tokens, configs)).sum())

    def explain(self, tokens: list[int], configs: dict[str, Any] | None = None) -> dict[str, Any]:
        response = self.client.post("/cache/explain", json={"tokens": tokens, "request_configs": configs})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.get_json()
        return found

    def state(self) -> dict[str, Any]:
        """Return what a lookup may not change: the keys in the order of eviction, and the pins."""
        backends = self.engine.storage_manager.storage_backends
        found: dict[str, Any] = {name: list(_index(backend)) for name, backend in backends.items()}
        cpu = backends.get(CPU)
        found["pins"] = [each.is_pinned for each in cpu.hot_cache.values()] if cpu else []
        found["touched"] = list(getattr(cpu, "keys_in_request", ()))
        return found


def _index(backend: Any) -> Any:
    return backend.hot_cache if type(backend).__name__ == CPU else backend.dict


def codes(explained: dict[str, Any]) -> list[str]:
    return [each["code"] for each in explained["reasons"]]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    engines: list[Engine] = []

    def make(**values: Any) -> Engine:
        engines.append(Engine(**{"local_disk": f"file://{tmp_path}/", "max_local_disk_size": 0.1} | values))
        return engines[-1]

    yield make
    for each in engines:
        each.manager.stop_services()


def prompts() -> list[tuple[list[int], dict[str, str] | None]]:
    """Return prompts of several lengths, with a common first chunk, without and with tags."""
    bases = [list(range(5 * CHUNK)), [*range(CHUNK), *range(5000, 5000 + 4 * CHUNK)]]
    lengths = (CHUNK // 2, CHUNK, 2 * CHUNK + 5, 5 * CHUNK)
    tags = (None, {"lmcache.tag.salt": "a"}, {"lmcache.tag.salt": "b"})
    return [(base[:length], tag) for base in bases for length in lengths for tag in tags]


def changes(engine: Engine) -> list[tuple[str, Callable[[], Any]]]:
    client = engine.client
    paths = [("DELETE", f"/cache/clear?locations={name}") for name in (CPU, DISK)]
    paths += [("PUT", f"/{mode}/{on}") for mode in ("freeze", "hot_cache") for on in ("enable", "disable")]
    paths += [("PUT", f"/bypass/{on}?backend_name={name}") for on in ("add", "remove") for name in (CPU, DISK)]
    return [
        (path, lambda method=method, path=path: client.open(path, method=method))  # type: ignore[misc]
        for method, path in paths
    ]


@pytest.mark.parametrize("unfull", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_explain_agrees_with_the_engine(made: Callable[..., Engine], seed: int, unfull: bool) -> None:
    engine = made(
        save_unfull_chunk=unfull, max_local_cpu_size=16 * CHUNK_GIB, max_local_disk_size=DISK_CHUNKS * CHUNK_GIB
    )
    rng = random.Random(seed)
    steps = changes(engine)
    hits = set()
    for _ in range(60):
        if rng.random() < 0.5:
            name, change = rng.choice(steps)
            change()
        else:
            name, (tokens, configs) = "store", rng.choice(prompts())
            engine.store(tokens, configs)
        tokens, configs = rng.choice(prompts())
        before = engine.state()
        explained = engine.explain(tokens, configs)
        assert engine.state() == before, name
        assert explained["hit_tokens"] == engine.engine.lookup(tokens, request_configs=configs), name
        assert explained["hit_tokens"] == engine.retrieve(tokens, configs), name
        hits.add(explained["hit_tokens"])
        full = [each for each in explained["chunks"] if each["end"] - each["start"] == CHUNK]
        if full:
            assert bool(codes(explained)) == (not all(each["hit"] for each in full)), (name, explained)
    assert len(hits) > 2


def test_key_is_the_engines(made: Callable[..., Engine]) -> None:
    engine = made()
    tokens, configs = list(range(CHUNK)), {"lmcache.tag.salt": "a", "other": "x"}
    (chunk,) = engine.explain(tokens, configs)["chunks"]
    ((_, _, key),) = engine.engine.token_database.process_tokens(tokens, request_configs=configs)
    parts = chunk["key"]
    assert "@".join(map(str, (parts["model_name"], parts["world_size"], parts["worker_id"], parts["chunk_hash"]))) in (
        key.to_string()
    )
    assert (parts["dtype"], parts["tags"]) == ("float16", {"salt": "a"})


def test_reasons_of_the_real_engine(made: Callable[..., Engine]) -> None:
    engine = made()
    tokens = list(range(3 * CHUNK))
    assert codes(engine.explain(tokens)) == ["cache-empty"]
    engine.store(tokens)
    assert codes(engine.explain(tokens)) == []
    found = engine.explain(tokens, {"lmcache.tag.salt": "a"})
    assert codes(found) == ["stored-under-another-key", "not-cached"]
    assert found["reasons"][0]["evidence"]["differs"] == ["tags"]
    engine.client.delete(f"/cache/clear?locations={CPU}")
    assert engine.explain(tokens)["chunks"][0]["storage"] == "disk"
    engine.client.put("/freeze/enable")
    found = engine.explain(tokens)
    assert (codes(found), found["hit_tokens"], engine.retrieve(tokens)) == (["frozen"], 0, 0)
    assert found["reasons"][0]["evidence"] | {"since": None} == {
        "backend": DISK,
        "chunks": 3,
        "first_start": 0,
        "since": None,
    }


def test_order_of_backends_is_a_reason(made: Callable[..., Engine]) -> None:
    engine = made()
    tokens = list(range(3 * CHUNK))
    engine.store(tokens)
    cpu = engine.engine.storage_manager.storage_backends[CPU]
    (_, _, first), *_, (_, _, last) = engine.engine.token_database.process_tokens(tokens)
    disk = engine.engine.storage_manager.storage_backends[DISK]
    cpu.remove(first)
    disk.remove(last)
    found = engine.explain(tokens)
    assert (found["hit_tokens"], engine.retrieve(tokens)) == (2 * CHUNK, 2 * CHUNK)
    assert codes(found) == ["backend-order"]


def test_unhealthy_engine_is_a_reason(made: Callable[..., Engine]) -> None:
    engine = made()
    tokens = list(range(3 * CHUNK))
    engine.store(tokens)
    engine.engine.mark_init_failed("test")
    found = engine.explain(tokens)
    assert (codes(found), found["hit_tokens"], engine.retrieve(tokens)) == (["engine-unhealthy"], 0, 0)


def test_lookup_searches_retrieve_locations_only(made: Callable[..., Engine]) -> None:
    engine = made()
    if not hasattr(engine.engine, "retrieve_locations"):
        pytest.skip("this version of LMCache has no retrieve_locations")
    engine.engine.retrieve_locations = engine.manager.config.retrieve_locations = [DISK]
    tokens = list(range(3 * CHUNK))
    engine.store(tokens)
    engine.client.delete(f"/cache/clear?locations={DISK}")
    engine.engine.storage_manager.storage_backends[DISK].dict.clear()
    found = engine.explain(tokens)
    assert (found["hit_tokens"], engine.retrieve(tokens), engine.engine.lookup(tokens)) == (3 * CHUNK, 3 * CHUNK, 0)
    assert codes(found) == ["not-in-retrieve-locations"]


def test_layerwise_chunk_needs_all_layers_in_one_backend(made: Callable[..., Engine]) -> None:
    engine = made()
    tokens = list(range(3 * CHUNK))
    storage = engine.engine.storage_manager
    engine.engine.use_layerwise, engine.engine.num_layers = True, 2
    keys = [key.split_layers(2) for _, _, key in engine.engine.token_database.process_tokens(tokens)]
    engine.store([1] * CHUNK)
    memory = next(iter(storage.storage_backends[CPU].hot_cache.values()))
    for key in (*keys[0], *keys[1], keys[2][0]):
        storage.storage_backends[CPU].submit_put_task(key, memory)
    found = engine.explain(tokens)
    assert found["hit_tokens"] == engine.engine.lookup(tokens) == 2 * CHUNK
    assert [each["backends"] for each in found["chunks"]] == [[CPU], [CPU], []]
    assert found["not_checked"] == ["use_layerwise: hit_tokens is the result of a lookup; retrieves may find less"]


@pytest.mark.parametrize(("least", "expected"), [(2 * CHUNK, ["below-min-retrieve-tokens"]), (2 * CHUNK - 1, [])])
def test_last_token_is_not_loaded(made: Callable[..., Engine], least: int, expected: list[str]) -> None:
    engine = made()
    if not hasattr(engine.manager.config, "min_retrieve_tokens"):
        pytest.skip("this version of LMCache has no min_retrieve_tokens")
    engine.manager.config.min_retrieve_tokens = least
    tokens = list(range(2 * CHUNK))
    engine.store(tokens)
    assert codes(engine.explain(tokens)) == expected


def test_slow_backend_is_examined_in_part(made: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = made()
    tokens = list(range(3 * CHUNK))
    engine.store([*tokens[:CHUNK], 1])
    monkeypatch.setattr(lmcache_prefix, "_LOOK_SECONDS", -1.0)
    found = engine.explain(tokens)
    assert (found["hit_tokens"], codes(found)) == (CHUNK, [])
    assert found["not_checked"] == [
        f"{name}: 3 of 3 chunks, because it is slow (the limit is -1 s)" for name in (CPU, DISK)
    ]


def test_engine_that_starts_is_unavailable(made: Callable[..., Engine]) -> None:
    engine = made()
    storage, engine.engine.storage_manager = engine.engine.storage_manager, None
    engine.engine.post_inited = False
    try:
        assert engine.client.post("/cache/explain?tokens_mock=0,64").status_code == 503
    finally:
        engine.engine.storage_manager, engine.engine.post_inited = storage, True


def test_scheduler_has_the_keys_of_the_worker(made: Callable[..., Engine]) -> None:
    scheduler = make_scheduler("explain", chunk_size=CHUNK)
    try:
        client = create_app(scheduler).test_client()
        found = client.post(f"/cache/explain?tokens_mock=0,{3 * CHUNK}").get_json()
    finally:
        scheduler.stop_services()
    hashes = [each["key"]["chunk_hash"] for each in made().explain(list(range(3 * CHUNK)))["chunks"]]
    assert [each["key"]["chunk_hash"] for each in found["chunks"]] == hashes
    assert (found["hit_tokens"], found["reasons"]) == (None, [])
    assert found["not_checked"] == ["a scheduler has no storage: ask the workers"]
